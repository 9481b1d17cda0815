//! Templates of `-F`, in the letters of mosquitto_sub.

use crate::json;
use crate::output::{Received, write_bytes};
use crate::time::Part;
use std::io::{self, Write};
use std::iter::Peekable;
use std::str::Chars;

/// What is printed of each message, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Field(Field, Layout),
    /// A part of the time of arrival.
    Time(Part),
}

/// How much room a field is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Layout {
    /// Characters at least.
    least: usize,
    /// Characters at most.
    most: Option<usize>,
    /// It begins at the left of its room.
    left: bool,
    /// Numbers are filled up with zeros.
    zeros: bool,
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
    JsonInJson,
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
            'J' => Self::JsonInJson,
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

    /// Whether a width says how much room it has at least.
    fn has_width(self) -> bool {
        matches!(self, Self::Payload | Self::LowerHex | Self::UpperHex)
            || self.is_number()
            || self.is_text()
    }

    /// Whether a width says how much room it has at most.
    fn is_text(self) -> bool {
        matches!(
            self,
            Self::Topic | Self::Time | Self::ContentType | Self::ResponseTopic
        )
    }

    /// Whether zeros fill its room.
    fn is_number(self) -> bool {
        matches!(
            self,
            Self::Length | Self::MessageExpiry | Self::PayloadFormat
        )
    }

    /// Writes it into its room.
    fn write_in(
        self,
        layout: Layout,
        out: &mut dyn Write,
        escaped: bool,
        message: &Received<'_>,
    ) -> io::Result<()> {
        if layout == Layout::default() {
            return self.write(out, escaped, message);
        }
        let mut whole = Vec::new();
        self.write(&mut whole, false, message)?;
        let end = layout.most.and_then(|most| {
            String::from_utf8_lossy(&whole)
                .char_indices()
                .nth(most)
                .map(|(at, _)| at)
        });
        whole.truncate(end.unwrap_or(whole.len()));
        let filling = layout.least.saturating_sub(characters(&whole));
        let is_number = self.is_number() || matches!(self, Self::LowerHex | Self::UpperHex);
        let blank: &[u8] = if layout.zeros && !layout.left && is_number {
            b"0"
        } else {
            b" "
        };
        let fill = |out: &mut dyn Write| (0..filling).try_for_each(|_| out.write_all(blank));
        if layout.left {
            write_bytes(out, escaped, &whole)?;
            return fill(out);
        }
        fill(out)?;
        write_bytes(out, escaped, &whole)
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
            Self::JsonInJson => match json::line_around_json(message) {
                Some(line) => write!(out, "{line}"),
                None => {
                    eprintln!(
                        "mqtt: a payload is not JSON, on the topic {:?}",
                        message.topic
                    );
                    Ok(())
                }
            },
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
        let mut rest = text.chars().peekable();
        while let Some(character) = rest.next() {
            let piece = match character {
                '\\' => {
                    literal.push(escape(&mut rest)?);
                    continue;
                }
                '%' if rest.next_if_eq(&'%').is_some() => {
                    literal.push('%');
                    continue;
                }
                '@' if rest.next_if_eq(&'@').is_some() => {
                    literal.push('@');
                    continue;
                }
                '%' => field(&mut rest)?,
                '@' => time(&mut rest)?,
                other => {
                    literal.push(other);
                    continue;
                }
            };
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(piece);
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
            Piece::Field(field, layout) => field.write_in(*layout, out, escaped, message),
            Piece::Time(part) => write!(out, "{}", message.time.part(*part)),
        })
    }
}

/// What follows a percent sign: flags, widths, a letter.
fn field(rest: &mut Peekable<Chars<'_>>) -> Result<Piece, String> {
    let mut layout = Layout::default();
    while let Some(flag) = rest.next_if(|character| matches!(character, '0' | '-')) {
        layout.zeros |= flag == '0';
        layout.left |= flag == '-';
    }
    layout.least = width(rest)?.unwrap_or_default();
    if rest.next_if_eq(&'.').is_some() {
        layout.most = Some(width(rest)?.unwrap_or_default());
    }
    let letter = rest.next().ok_or("a letter is missing behind the last %")?;
    if matches!(letter, 'A' | 'm' | 'S') {
        return Err(format!(
            "there is no %{letter}: identifiers and aliases of one connection stay in the client"
        ));
    }
    let field = Field::of(letter)
        .ok_or_else(|| format!("there is no %{letter}, only those that --help lists"))?;
    let wide = layout != Layout::default() && !field.has_width();
    if wide || layout.most.is_some() && !field.is_text() {
        return Err(format!("%{letter} takes no such width"));
    }
    Ok(Piece::Field(field, layout))
}

fn width(rest: &mut Peekable<Chars<'_>>) -> Result<Option<usize>, String> {
    let mut digits = String::new();
    while let Some(digit) = rest.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    match digits.parse::<u16>() {
        Ok(width) => Ok(Some(width.into())),
        Err(_) if digits.is_empty() => Ok(None),
        Err(_) => Err(format!("{digits} is too wide")),
    }
}

/// What follows an at sign.
fn time(rest: &mut Peekable<Chars<'_>>) -> Result<Piece, String> {
    let letter = rest.next().ok_or("a letter is missing behind the last @")?;
    Part::of(letter)
        .map(Piece::Time)
        .ok_or_else(|| format!("there is no @{letter}, only those that --help lists"))
}

/// How many there are; what is not UTF-8 is counted byte by byte.
fn characters(bytes: &[u8]) -> usize {
    bytes
        .utf8_chunks()
        .map(|chunk| chunk.valid().chars().count() + chunk.invalid().len())
        .sum()
}

fn escape(rest: &mut Peekable<Chars<'_>>) -> Result<char, String> {
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
    fn fields_have_the_room_they_are_given() {
        let mut properties = MessageProperties::default();
        properties.message_expiry_interval = Some(9);
        properties.content_type = Some("text/plain".into());
        let message = received("a/bäc", b"\xff2", &properties);
        for (template, printed) in [
            ("<%7t>", "<  a/bäc>"),
            ("<%-7t>", "<a/bäc  >"),
            ("<%.4t|%5.4t|%-5.4t>", "<a/bä| a/bä|a/bä >"),
            ("<%.0t%2t>", "<a/bäc>"),
            ("<%03E|%-03E|%3l|%03l>", "<009|9  |  2|002>"),
            ("<%07x|%7X>", "<000ff32|   FF32>"),
            ("<%012C>", "<  text/plain>"),
            ("<%3F>", "<   >"),
            ("<%.4I>", "<1970>"),
        ] {
            assert_eq!(filled(template, &message), printed, "{template}");
        }
        let mut raw = Vec::new();
        let template = Template::parse("%4p").unwrap();
        template.write(&mut raw, false, &message).unwrap();
        assert_eq!(raw, b"  \xff2");
        let mut escaped = Vec::new();
        template.write(&mut escaped, true, &message).unwrap();
        assert_eq!(escaped, b"  \\xff2");
    }

    #[test]
    fn the_time_of_arrival_is_told_in_parts() {
        let properties = MessageProperties::default();
        let message = received("a", b"", &properties);
        assert_eq!(
            filled("@Y-@m-@d @H:@M:@S.@N @@", &message),
            "1970-01-01 00:00:01.000000000 @"
        );
    }

    #[test]
    fn a_payload_of_json_is_an_object_in_the_object() {
        let properties = MessageProperties::default();
        let message = received("a", br#"{"t":[2 ,1]}"#, &properties);
        let printed = filled("%J", &message);
        assert!(printed.contains(r#""payload":{"t":[2 ,1]}"#), "{printed}");
        assert_eq!(filled("%J", &received("a", b"{", &properties)), "");
        let lines = received("a", b"[\n1]", &properties);
        assert!(!filled("%J", &lines).contains('\n'));
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
            ("a%-3", "last %"),
            ("%m", "stay in the client"),
            ("%5j", "no such width"),
            ("%.5p", "no such width"),
            ("%99999t", "too wide"),
            ("@", "last @"),
            ("@!", "@!"),
            (r"\q", r"\q"),
            (r"a\", r"last \"),
        ] {
            let error = Template::parse(template).unwrap_err();
            assert!(error.contains(told), "{template}: {error}");
        }
    }
}
