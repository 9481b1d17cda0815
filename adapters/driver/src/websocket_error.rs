//! What can go wrong with WebSocket, with advice.

use std::fmt;
use std::io::{self, ErrorKind};

/// Why there is no WebSocket connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WebSocketError {
    /// The server answered with an HTTP status that is not 101, Switching Protocols.
    Status(u16),
    /// What the server answered is not the answer to a WebSocket handshake.
    Answer(String),
    /// What the client asked for is not a WebSocket handshake, or is too long.
    Request(String),
    /// The other side does not speak MQTT over WebSocket: it did not choose (MQTT-6.0.0-4), or
    /// not offer (MQTT-6.0.0-3), the subprotocol `mqtt`.
    NoSubprotocol,
    /// A data frame that is not binary (MQTT-6.0.0-1).
    NotBinary,
    /// A frame that breaks the rules of WebSocket.
    Frame(String),
    /// The other side closed, and said why.
    Closed {
        /// The number of the reason.
        code: u16,
        /// The reason in words; may be empty.
        reason: String,
    },
    /// The other side closed the stream before there was WebSocket.
    ClosedEarly,
}

impl fmt::Display for WebSocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(
                f,
                "the server answered with HTTP status {status} instead of switching to WebSocket; \
                 is the path of the address right?"
            ),
            Self::Answer(reason) => write!(
                f,
                "the server did not answer as a WebSocket server does ({reason}); is WebSocket \
                 spoken at that port?"
            ),
            Self::Request(reason) => write!(f, "that is no WebSocket handshake: {reason}"),
            Self::NoSubprotocol => f.write_str(
                "the other side speaks WebSocket, but not MQTT over it (the subprotocol \"mqtt\")",
            ),
            Self::NotBinary => {
                f.write_str("the other side sent a WebSocket frame of text, where MQTT is binary")
            }
            Self::Frame(reason) => {
                write!(f, "the other side broke the rules of WebSocket: {reason}")
            }
            Self::Closed { code, reason } => {
                write!(f, "the other side closed the WebSocket with code {code}")?;
                if !reason.is_empty() {
                    write!(f, ", {reason:?}")?;
                }
                Ok(())
            }
            Self::ClosedEarly => f.write_str(
                "the other side closed the connection in the middle of the WebSocket handshake; \
                 is WebSocket spoken at that port?",
            ),
        }
    }
}

impl std::error::Error for WebSocketError {}

impl From<WebSocketError> for io::Error {
    fn from(error: WebSocketError) -> Self {
        let kind = match error {
            WebSocketError::ClosedEarly => ErrorKind::UnexpectedEof,
            WebSocketError::Closed { .. } | WebSocketError::Status(_) => {
                ErrorKind::ConnectionAborted
            }
            _ => ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}
