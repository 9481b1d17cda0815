//! Templates of `-F`, in the letters of mosquitto_sub.

use crate::json;
use crate::output::{Received, write_bytes};
use std::io::{self, Write};
use std::str::Chars;

/// What is printed of each message, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Field(Field),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Topic,
    Payload,
    LowerHex,
    UpperHex,
    Length,
    QoS,
    Retain,
    Dup,
    Json,
    Time,
    Seconds,
    ContentType,
    ResponseTopic,
    CorrelationData,
    MessageExpiry,
    PayloadFormat,
    UserProperties,
}

impl Field {
    fn of(letter: char) -> Option<Self> {
        Some(match letter {
            't' => Self::Topic,
            'p' => Self::Payload,
            'x' => Self::LowerHex,
            'X' => Self::UpperHex,
            'l' => Self::Length,
            'q' => Self::QoS,
            'r' => Self::Retain,
            'd' => Self::Dup,
            'j' => Self::Json,
            'I' => Self::Time,
            'U' => Self::Seconds,
            'C' => Self::ContentType,
            'R' => Self::ResponseTopic,
            'D' => Self::CorrelationData,
            'E' => Self::MessageExpiry,
            'F' => Self::PayloadFormat,
            'P' => Self::UserProperties,
            _ => return None,
        })
    }

    fn write(self, out: &mut dyn Write, escaped: bool, message: &Received<'_>) -> io::Result<()> {
        let own = message.properties;
        let text = |text: &Option<String>| text.as_deref().unwrap_or_default().to_owned();
        match self {
            Self::Topic => write_bytes(out, escaped, message.topic.as_bytes()),
            Self::Payload => write_bytes(out, escaped, message.payload),
            Self::LowerHex => message
                .payload
                .iter()
                .try_for_each(|byte| write!(out, "{byte:02x}")),
            Self::UpperHex => message
                .payload
                .iter()
                .try_for_each(|byte| write!(out, "{byte:02X}")),
            Self::Length => write!(out, "{}", message.payload.len()),
            Self::QoS => write!(out, "{}", message.qos as u8),
            Self::Retain => write!(out, "{}", u8::from(message.retain)),
            Self::Dup => write!(out, "{}", u8::from(message.dup)),
            Self::Json => write!(out, "{}", json::line(message)),
            Self::Time => write!(out, "{}", message.time),
            Self::Seconds => {
                let since = message.time.0;
                write!(out, "{}.{:09}", since.as_secs(), since.subsec_nanos())
            }
            Self::ContentType => write_bytes(out, escaped, text(&own.content_type).as_bytes()),
            Self::ResponseTopic => write_bytes(out, escaped, text(&own.response_topic).as_bytes()),
            Self::CorrelationData => write_bytes(
                out,
                escaped,
                own.correlation_data.as_deref().unwrap_or_default(),
            ),
            Self::MessageExpiry => match own.message_expiry_interval {
                Some(seconds) => write!(out, "{seconds}"),
                None => Ok(()),
            },
            Self::PayloadFormat => match own.payload_format {
                Some(format) => write!(out, "{}", format as u8),
                None => Ok(()),
            },
            Self::UserProperties => {
                for (index, (name, value)) in own.user_properties.iter().enumerate() {
                    let pair = format!("{}{name}:{value}", if index == 0 { "" } else { " " });
                    write_bytes(out, escaped, pair.as_bytes())?;
                }
                Ok(())
            }
        }
    }
}

impl Template {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text.chars();
        while let Some(character) = rest.next() {
            match character {
                '\\' => literal.push(escape(&mut rest)?),
                '%' => match rest.next() {
                    Some('%') => literal.push('%'),
                    Some(letter) => {
                        let field = Field::of(letter).ok_or_else(|| {
                            format!("there is no %{letter}, only those that --help lists")
                        })?;
                        if !literal.is_empty() {
                            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                        }
                        pieces.push(Piece::Field(field));
                    }
                    None => return Err("a letter is missing behind the last %".to_owned()),
                },
                other => literal.push(other),
            }
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Self(pieces))
    }

    pub(crate) fn write(
        &self,
        out: &mut dyn Write,
        escaped: bool,
        message: &Received<'_>,
    ) -> io::Result<()> {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Literal(text) => out.write_all(text.as_bytes()),
            Piece::Field(field) => field.write(out, escaped, message),
        })
    }
}

fn escape(rest: &mut Chars<'_>) -> Result<char, String> {
    Ok(match rest.next() {
        Some('\\') => '\\',
        Some('0') => '\0',
        Some('a') => '\x07',
        Some('e') => '\x1b',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('v') => '\x0b',
        Some(other) => {
            return Err(format!(
                "there is no \\{other}, only those that --help lists"
            ));
        }
        None => return Err("a letter is missing behind the last \\".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::received;
    use mqtt_std::{Bytes, MessageProperties, PayloadFormat, QoS};

    fn filled(template: &str, message: &Received<'_>) -> String {
        let mut out = Vec::new();
        Template::parse(template)
            .unwrap()
            .write(&mut out, false, message)
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_letter_has_its_field() {
        let mut properties = MessageProperties::default();
        properties.payload_format = Some(PayloadFormat::Utf8);
        properties.message_expiry_interval = Some(9);
        properties.content_type = Some("text/plain".into());
        properties.response_topic = Some("re".into());
        properties.correlation_data = Some(Bytes::from_static(b"7"));
        properties.user_properties = vec![("k".into(), "v".into()), ("l".into(), "w".into())];
        let message = Received {
            qos: QoS::AtLeastOnce,
            retain: true,
            dup: true,
            ..received("a/b", b"Jo", &properties)
        };
        assert_eq!(filled("%t %p %l %q%r%d", &message), "a/b Jo 2 111");
        assert_eq!(
            filled("%x|%X", &received("a", b"\x0a\xff", &properties)),
            "0aff|0AFF"
        );
        assert_eq!(
            filled("%I %U", &message),
            "1970-01-01T00:00:01.000000Z 1.000000000"
        );
        assert_eq!(
            filled("%C %R %D %E %F %P", &message),
            "text/plain re 7 9 1 k:v l:w"
        );
        assert_eq!(filled("%j", &message), json::line(&message));
    }

    #[test]
    fn what_a_message_does_not_have_is_empty() {
        let properties = MessageProperties::default();
        let message = received("a", b"", &properties);
        assert_eq!(filled("<%C%R%D%E%F%P%p%x>", &message), "<>");
        assert_eq!(filled(r"%%t\t100%%\n", &message), "%t\t100%\n");
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for (template, told) in [
            ("%k", "%k"),
            ("a%", "last %"),
            (r"\q", r"\q"),
            (r"a\", r"last \"),
        ] {
            let error = Template::parse(template).unwrap_err();
            assert!(error.contains(told), "{template}: {error}");
        }
    }
}
