//! How two sides agree on WebSocket and on MQTT over it.

use crate::websocket_error::WebSocketError;
use tungstenite::handshake::client::{Response, generate_key};
use tungstenite::handshake::derive_accept_key;
use tungstenite::handshake::machine::TryParse;
use tungstenite::handshake::server::{Request, create_response, write_response};
use tungstenite::http::header::HeaderMap;
use tungstenite::http::{HeaderValue, StatusCode};

/// MQTT-6.0.0-3, MQTT-6.0.0-4.
const SUBPROTOCOL: &str = "mqtt";

/// What the other side has to say.
#[derive(Clone)]
pub(super) enum Awaited {
    /// A server's answer, with the proof that it has understood.
    Answer { accept: String },
    /// A client's request.
    Request,
}

/// What a client asks, and what it waits for then.
pub(super) fn request(host: &str, path: &str) -> (Vec<u8>, Awaited) {
    let key = generate_key();
    let request = format!(
        "GET {path} HTTP/1.1\r\n\
         Host: {host}\r\n\
         Connection: Upgrade\r\n\
         Upgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: {key}\r\n\
         Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
    );
    let accept = derive_accept_key(key.as_bytes());
    (request.into_bytes(), Awaited::Answer { accept })
}

/// What is said to whoever cannot be served.
pub(super) fn refusal(awaited: &Awaited) -> &'static [u8] {
    match awaited {
        Awaited::Answer { .. } => b"",
        Awaited::Request => {
            b"HTTP/1.1 400 Bad Request\r\n\
              Connection: close\r\n\
              Content-Type: text/plain\r\n\
              Content-Length: 49\r\n\r\n\
              This is MQTT over WebSocket: subprotocol \"mqtt\".\n"
        }
    }
}

impl Awaited {
    /// Looks at what the other side has said; what to answer.
    pub(super) fn check(&self, head: &[u8]) -> Result<Vec<u8>, WebSocketError> {
        match self {
            Self::Answer { accept } => check_answer(head, accept).map(|()| Vec::new()),
            Self::Request => answer(head),
        }
    }

    pub(super) fn blame(&self, reason: impl ToString) -> WebSocketError {
        match self {
            Self::Answer { .. } => WebSocketError::Answer(reason.to_string()),
            Self::Request => WebSocketError::Request(reason.to_string()),
        }
    }
}

fn check_answer(head: &[u8], accept: &str) -> Result<(), WebSocketError> {
    let broken = |reason: &str| Err(WebSocketError::Answer(reason.to_owned()));
    let response = match Response::try_parse(head) {
        Ok(Some((_, response))) => response,
        Ok(None) => return broken("its header does not end"),
        Err(error) => return broken(&error.to_string()),
    };
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(WebSocketError::Status(response.status().as_u16()));
    }
    let headers = response.headers();
    if !lists(headers, "Upgrade", |word| {
        word.eq_ignore_ascii_case("websocket")
    }) {
        return broken("it does not say \"Upgrade: websocket\"");
    }
    if !lists(headers, "Connection", |word| {
        word.eq_ignore_ascii_case("upgrade")
    }) {
        return broken("it does not say \"Connection: Upgrade\"");
    }
    if !lists(headers, "Sec-WebSocket-Accept", |word| word == accept) {
        return broken("it has not understood the key");
    }
    if headers.contains_key("Sec-WebSocket-Extensions") {
        return broken("it uses an extension that nobody has asked for");
    }
    let chosen = headers.get("Sec-WebSocket-Protocol");
    if chosen.map(HeaderValue::as_bytes) != Some(SUBPROTOCOL.as_bytes()) {
        return Err(WebSocketError::NoSubprotocol);
    }
    Ok(())
}

fn answer(head: &[u8]) -> Result<Vec<u8>, WebSocketError> {
    let broken = |reason: String| WebSocketError::Request(reason);
    let request = match Request::try_parse(head) {
        Ok(Some((_, request))) => request,
        Ok(None) => return Err(broken("its header does not end".to_owned())),
        Err(error) => return Err(broken(error.to_string())),
    };
    let mut response = create_response(&request).map_err(|error| broken(error.to_string()))?;
    let offered = lists(request.headers(), "Sec-WebSocket-Protocol", |word| {
        word == SUBPROTOCOL
    });
    if !offered {
        return Err(WebSocketError::NoSubprotocol);
    }
    let subprotocol = HeaderValue::from_static(SUBPROTOCOL);
    response
        .headers_mut()
        .insert("Sec-WebSocket-Protocol", subprotocol);
    let mut answer = Vec::new();
    write_response(&mut answer, &response).map_err(|error| broken(error.to_string()))?;
    Ok(answer)
}

/// Whether one of a header's words, which commas part, is the one.
fn lists(headers: &HeaderMap, name: &str, is: impl Fn(&str) -> bool) -> bool {
    let lines = headers.get_all(name).into_iter();
    let mut words = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim);
    words.any(is)
}
