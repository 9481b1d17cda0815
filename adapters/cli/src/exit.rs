//! How the program ends: what went wrong in words, and in a code that a script can act on.

use mqtt_std::{
    Awaited, Cause, ConnectError, DeliveryError, PublishError, SubscribeError, TlsError,
    Undelivered,
};
use std::fmt;
use std::io;
use std::process::ExitCode;

/// What went wrong, sorted by whose doing it is; the number is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A file, standard input or output, or another thing of this machine.
    Local = 1,
    /// What was asked for makes no sense.
    Usage = 2,
    /// The server said no.
    Refused = 3,
    /// There is no way to the server, or what answers is none.
    Unreachable = 4,
    /// A time limit.
    TimedOut = 5,
    /// There was a connection, and it did not come back.
    Lost = 6,
}

#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    text: String,
}

impl Failure {
    pub(crate) fn new(kind: Kind, text: impl fmt::Display) -> Self {
        let text = text.to_string();
        Self { kind, text }
    }

    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.kind as u8)
    }

    /// Why the first connection did not come about.
    pub(crate) fn connecting(error: &ConnectError) -> Self {
        let kind = match error {
            ConnectError::NotConnected(cause) => match cause {
                Cause::Refused { .. } | Cause::ServerDisconnect { .. } => Kind::Refused,
                Cause::TimedOut { .. } => Kind::TimedOut,
                Cause::Options(_) | Cause::WillTopic(_) => Kind::Usage,
                Cause::Panicked | Cause::Credentials(_) => Kind::Local,
                Cause::Tls(TlsError::CertificateRequired | TlsError::CertificateRefused(_)) => {
                    Kind::Refused
                }
                _ => Kind::Unreachable,
            },
            ConnectError::Address(_) => Kind::Usage,
            _ => Kind::Local,
        };
        let advice = match error {
            ConnectError::NotConnected(Cause::TimedOut {
                what: Awaited::Open,
                ..
            }) => "; --connect-timeout allows more",
            ConnectError::NotConnected(Cause::Tls(TlsError::UnknownIssuer)) => {
                "; --cafile names one"
            }
            ConnectError::NotConnected(Cause::Tls(TlsError::CertificateRequired)) => {
                "; --cert and --key name one"
            }
            ConnectError::NotConnected(
                Cause::StreamClosed | Cause::Broken(_) | Cause::Violation(_),
            ) => "; is it a server for MQTT 5?",
            _ => "",
        };
        Self::new(kind, format_args!("{error}{advice}"))
    }

    /// Why a connection that there was is over.
    pub(crate) fn lost(cause: &Cause) -> Self {
        let kind = match cause {
            Cause::Refused { .. } => Kind::Refused,
            Cause::Panicked => Kind::Local,
            _ => Kind::Lost,
        };
        Self::new(kind, format_args!("the connection was lost: {cause}"))
    }

    pub(crate) fn publishing(error: &PublishError) -> Self {
        match error {
            PublishError::Topic(_) | PublishError::ResponseTopic(_) => {
                Self::new(Kind::Usage, error)
            }
            PublishError::Ended(cause) => Self::lost(cause),
            PublishError::LargerThanQueue { .. } => Self::new(Kind::Local, error),
            _ => Self::new(
                Kind::Refused,
                format_args!("the message cannot be sent to this server: {error}"),
            ),
        }
    }

    pub(crate) fn delivering(error: &DeliveryError) -> Self {
        match error {
            DeliveryError::Refused { .. } => Self::new(Kind::Refused, error),
            DeliveryError::Ended(cause) => Self::lost(cause),
            DeliveryError::TimedOut => Self::new(Kind::TimedOut, error),
            DeliveryError::GivenUp(cause) => match cause {
                mqtt_std::GiveUp::ConnectionLost
                | mqtt_std::GiveUp::OutcomeUnknown
                | mqtt_std::GiveUp::SessionDiscarded
                | mqtt_std::GiveUp::Abandoned => Self::new(Kind::Lost, error),
                mqtt_std::GiveUp::Expired => Self::new(Kind::TimedOut, error),
                _ => Self::new(Kind::Refused, error),
            },
            _ => Self::new(Kind::Local, error),
        }
    }

    pub(crate) fn subscribing(filter: &str, error: &SubscribeError) -> Self {
        let kind = match error {
            SubscribeError::OneOf { filter, error } => return Self::subscribing(filter, error),
            SubscribeError::Filter(_) | SubscribeError::NoFilter => Kind::Usage,
            SubscribeError::Ended(cause) => return Self::lost(cause),
            SubscribeError::TimedOut => Kind::TimedOut,
            _ => Kind::Refused,
        };
        Self::new(kind, format_args!("subscribing to {filter:?}: {error}"))
    }
}

impl From<Undelivered> for Failure {
    fn from(left: Undelivered) -> Self {
        Self::new(Kind::TimedOut, left)
    }
}

/// What was to be read or written here.
pub(crate) fn local<'a>(what: &'a str) -> impl Fn(io::Error) -> Failure + 'a {
    move |error| Failure::new(Kind::Local, format_args!("{what}: {error}"))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
