//! Who may do what: the questions a broker asks the program it runs in.

use super::event::ConnectionId;
#[cfg(feature = "defmt")]
use crate::log::Size;
use alloc::boxed::Box;
use alloc::vec::Vec;
use mqtt_proto::{QoS, ReasonCode, SubscriptionOptions, TopicFilter, TopicName};

/// What CONNECT says of who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Login<'a> {
    /// The connection it came on.
    pub connection: ConnectionId,
    /// The client identifier; empty where the broker is to assign one.
    pub client_id: &'a str,
    /// The user name.
    pub user_name: Option<&'a str>,
    /// The password.
    pub password: Option<&'a [u8]>,
}

#[cfg(feature = "defmt")]
impl defmt::Format for Login<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "Login {{ connection: {}, client_id: {=str:?}, user_name: {:?}, password: {} }}",
            self.connection,
            self.client_id,
            self.user_name,
            self.password.map(Size::of)
        );
    }
}

/// A client whose connection was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Identity<'a> {
    /// Its connection.
    pub connection: ConnectionId,
    /// Its client identifier, also where the broker assigned it.
    pub client_id: &'a str,
    /// The user name it gave.
    pub user_name: Option<&'a str>,
}

/// How a step of enhanced authentication ends (section 4.12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthStep {
    /// The client is to answer this (AUTH 0x18).
    Continue(Vec<u8>),
    /// It is who it says, with Authentication Data for it, if any.
    Accept(Option<Vec<u8>>),
    /// It is refused with this code: 0x80 or above, such as Not authorized.
    Refuse(ReasonCode),
}

#[cfg(feature = "defmt")]
impl defmt::Format for AuthStep {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self {
            Self::Continue(data) => defmt::write!(f, "Continue({})", Size::of(data)),
            Self::Accept(data) => {
                defmt::write!(f, "Accept({})", data.as_deref().map(Size::of));
            }
            Self::Refuse(reason) => defmt::write!(f, "Refuse({})", reason),
        }
    }
}

/// The broker's questions. Each has an answer by default: everyone may do everything, and there
/// is no enhanced authentication.
///
/// Answers are given at once: what has to be asked for elsewhere is known beforehand or refused.
///
/// ```
/// use mqtt_session::broker::{Access, Login};
/// use mqtt_session::ReasonCode;
///
/// struct Passwords;
///
/// impl Access for Passwords {
///     fn login(&mut self, login: &Login<'_>) -> Result<(), ReasonCode> {
///         match (login.user_name, login.password) {
///             (Some("gateway"), Some(b"secret")) => Ok(()),
///             _ => Err(ReasonCode::BAD_USER_NAME_OR_PASSWORD),
///         }
///     }
/// }
/// ```
pub trait Access {
    /// Whether a client may connect.
    ///
    /// # Errors
    /// The reason code of the refusing CONNACK; one that CONNACK cannot carry becomes Not
    /// authorized.
    fn login(&mut self, login: &Login<'_>) -> Result<(), ReasonCode> {
        let _ = login;
        Ok(())
    }

    /// Whether a client may publish to a topic. Asked for its will as well, as it connects.
    ///
    /// # Errors
    /// The reason code of PUBACK or PUBREC; at QoS 0 the message is dropped without a word.
    fn publish(
        &mut self,
        who: &Identity<'_>,
        topic: TopicName<'_>,
        qos: QoS,
        retain: bool,
    ) -> Result<(), ReasonCode> {
        let _ = (who, topic, qos, retain);
        Ok(())
    }

    /// Whether a client may subscribe to a filter, and at which QoS at most.
    ///
    /// # Errors
    /// The reason code in SUBACK.
    fn subscribe(
        &mut self,
        who: &Identity<'_>,
        filter: TopicFilter<'_>,
        options: SubscriptionOptions,
    ) -> Result<QoS, ReasonCode> {
        let _ = (who, filter);
        Ok(options.qos)
    }

    /// A step of enhanced authentication: the data of CONNECT or of AUTH for a method. It comes
    /// before [`Access::login`], and again when a live connection re-authenticates.
    fn authenticate(
        &mut self,
        connection: ConnectionId,
        method: &str,
        data: Option<&[u8]>,
    ) -> AuthStep {
        let _ = (connection, method, data);
        AuthStep::Refuse(ReasonCode::BAD_AUTHENTICATION_METHOD)
    }

    /// A connection is over: nothing more is asked for it.
    fn ended(&mut self, connection: ConnectionId) {
        let _ = connection;
    }
}

/// Everyone may do everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct AllowAll;

impl Access for AllowAll {}

/// So that one can be chosen at run time.
impl<A: Access + ?Sized> Access for Box<A> {
    fn login(&mut self, login: &Login<'_>) -> Result<(), ReasonCode> {
        (**self).login(login)
    }

    fn publish(
        &mut self,
        who: &Identity<'_>,
        topic: TopicName<'_>,
        qos: QoS,
        retain: bool,
    ) -> Result<(), ReasonCode> {
        (**self).publish(who, topic, qos, retain)
    }

    fn subscribe(
        &mut self,
        who: &Identity<'_>,
        filter: TopicFilter<'_>,
        options: SubscriptionOptions,
    ) -> Result<QoS, ReasonCode> {
        (**self).subscribe(who, filter, options)
    }

    fn authenticate(
        &mut self,
        connection: ConnectionId,
        method: &str,
        data: Option<&[u8]>,
    ) -> AuthStep {
        (**self).authenticate(connection, method, data)
    }

    fn ended(&mut self, connection: ConnectionId) {
        (**self).ended(connection);
    }
}
