//! A message as one JSON object on one line.

use crate::output::Received;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mqtt_std::MessageProperties;
use serde::Serialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

#[derive(Serialize)]
struct Object<'a> {
    time: String,
    topic: &'a str,
    qos: u8,
    retain: bool,
    dup: bool,
    length: usize,
    /// What is not UTF-8 is replaced; then `payload_base64` has it all.
    payload: Payload<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    properties: Option<Properties<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Payload<'a> {
    Text(Cow<'a, str>),
    Json(Box<RawValue>),
}

#[derive(Serialize)]
struct Properties<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_format: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_expiry: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_topic: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_data: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_data_base64: Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    user_properties: &'a [(String, String)],
}

/// The object, without a line feed at its end or inside.
pub(crate) fn line(message: &Received<'_>) -> String {
    let (payload, payload_base64) = text(message.payload);
    object(message, Payload::Text(payload), payload_base64)
}

/// As [`line()`], with a payload that is JSON as it is; None where it is not.
pub(crate) fn line_around_json(message: &Received<'_>) -> Option<String> {
    let payload = std::str::from_utf8(message.payload).ok()?;
    let _: &RawValue = serde_json::from_str(payload).ok()?;
    // Between its parts JSON may have line feeds, inside of them it has none.
    let payload = payload.replace(['\n', '\r', '\t'], " ");
    let payload = RawValue::from_string(payload).ok()?;
    Some(object(message, Payload::Json(payload), None))
}

fn object(message: &Received<'_>, payload: Payload<'_>, payload_base64: Option<String>) -> String {
    let own = message.properties;
    let properties = (*own != MessageProperties::default()).then(|| {
        let correlation = own.correlation_data.as_deref().map(text);
        let (correlation_data, correlation_data_base64) = correlation.unzip();
        Properties {
            payload_format: own.payload_format.map(|format| format as u8),
            message_expiry: own.message_expiry_interval,
            content_type: own.content_type.as_deref(),
            response_topic: own.response_topic.as_deref(),
            correlation_data,
            correlation_data_base64: correlation_data_base64.flatten(),
            user_properties: &own.user_properties,
        }
    });
    let object = Object {
        time: message.time.to_string(),
        topic: message.topic,
        qos: message.qos as u8,
        retain: message.retain,
        dup: message.dup,
        length: message.payload.len(),
        payload,
        payload_base64,
        properties,
    };
    // It has no map with keys that are not text, which is all that could fail.
    let json = serde_json::to_string(&object).unwrap_or_default();
    without_controls(json)
}

/// As text, and as base64 where the text does not tell all.
fn text(bytes: &[u8]) -> (Cow<'_, str>, Option<String>) {
    let text = String::from_utf8_lossy(bytes);
    let replaced = matches!(text, Cow::Owned(_));
    (text, replaced.then(|| STANDARD.encode(bytes)))
}

/// JSON lets control characters above U+001F stand, a terminal obeys some of them.
fn without_controls(json: String) -> String {
    if !json.contains(char::is_control) {
        return json;
    }
    let escape = |character: char| {
        if character.is_control() {
            format!("\\u{:04x}", u32::from(character))
        } else {
            character.to_string()
        }
    };
    json.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::received;
    use mqtt_std::{Bytes, PayloadFormat, QoS};

    #[test]
    fn a_plain_message_has_no_more_than_it_needs() {
        let properties = MessageProperties::default();
        let message = received("a/b", "say \"21.5 °C\"\n".as_bytes(), &properties);
        assert_eq!(
            line(&message),
            r#"{"time":"1970-01-01T00:00:01.000000Z","topic":"a/b","qos":0,"retain":false,"dup":false,"length":15,"payload":"say \"21.5 °C\"\n"}"#
        );
    }

    #[test]
    fn bytes_stand_in_base64_beside_the_text() {
        let properties = MessageProperties::default();
        let json = line(&received("a", b"a\xff\0", &properties));
        let told = "\"payload\":\"a\u{fffd}\\u0000\",\"payload_base64\":\"Yf8A\"";
        assert!(json.contains(told), "{json}");
    }

    #[test]
    fn no_control_character_reaches_a_terminal() {
        let properties = MessageProperties::default();
        let json = line(&received("a", "\x1b\x7f\u{9b}".as_bytes(), &properties));
        assert!(json.contains(r#""payload":"\u001b\u007f\u009b""#), "{json}");
    }

    #[test]
    fn properties_stand_together() {
        let mut properties = MessageProperties::default();
        properties.payload_format = Some(PayloadFormat::Utf8);
        properties.message_expiry_interval = Some(9);
        properties.content_type = Some("text/plain".into());
        properties.response_topic = Some("re".into());
        properties.correlation_data = Some(Bytes::from_static(b"\xfe"));
        properties.user_properties = vec![("k".into(), "v".into()), ("k".into(), "w".into())];
        let message = Received {
            qos: QoS::ExactlyOnce,
            ..received("a", b"", &properties)
        };
        let told = concat!(
            r#""qos":2,"retain":false,"dup":false,"length":0,"payload":"","#,
            r#""properties":{"payload_format":1,"message_expiry":9,"content_type":"text/plain","#,
            "\"response_topic\":\"re\",\"correlation_data\":\"\u{fffd}\",",
            r#""correlation_data_base64":"/g==","user_properties":[["k","v"],["k","w"]]}}"#
        );
        let json = line(&message);
        assert!(json.ends_with(told), "{json}");
    }
}
