//! What the application asks for: to connect, to publish, to subscribe.

#[cfg(feature = "defmt")]
use crate::log::Size;
use mqtt_proto::{EncodeError, Property, QoS, TopicName, Will};

/// A message to be published.
///
/// ```
/// use mqtt_session::{Property, Publish, QoS, TopicName};
///
/// let topic = TopicName::new("sensors/7/temperature")?;
/// let properties = [Property::ContentType("text/plain"), Property::UserProperty("unit", "°C")];
/// let publish = Publish::new(topic, b"21.5")
///     .qos(QoS::AtLeastOnce)
///     .retain(true)
///     .message_expiry_interval(3600)
///     .properties(&properties);
/// # let _ = publish;
/// # Ok::<(), mqtt_session::TopicError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "fast"), repr(C))] // Short instructions reach what lies in front.
pub struct Publish<'a> {
    pub(crate) topic: TopicName<'a>,
    pub(crate) payload: &'a [u8],
    pub(crate) expiry: Option<u32>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) properties: &'a [Property<'a>],
}

impl<'a> Publish<'a> {
    /// A message at QoS 0, not retained, without properties.
    #[must_use]
    pub const fn new(topic: TopicName<'a>, payload: &'a [u8]) -> Self {
        Self {
            topic,
            payload,
            qos: QoS::AtMostOnce,
            retain: false,
            expiry: None,
            properties: &[],
        }
    }

    /// How often it is to arrive: at most once, at least once, exactly once.
    #[must_use]
    pub const fn qos(mut self, qos: QoS) -> Self {
        self.qos = qos;
        self
    }

    /// Whether the server keeps it for later subscribers.
    #[must_use]
    pub const fn retain(mut self, retain: bool) -> Self {
        self.retain = retain;
        self
    }

    /// Message Expiry Interval in seconds (section 3.3.2.3.3). It runs from the call that
    /// publishes: while the message waits here it counts down, and a message that was never sent
    /// is given up when it has passed. Without the feature `message-expiry` it does not run here,
    /// and is sent as it is.
    #[must_use]
    pub const fn message_expiry_interval(mut self, seconds: u32) -> Self {
        self.expiry = Some(seconds);
        self
    }

    /// All other properties, sent in this order. Not among them: Message Expiry Interval, which
    /// has its own method, and Topic Alias, which the machine sets up by itself.
    #[must_use]
    pub const fn properties(mut self, properties: &'a [Property<'a>]) -> Self {
        self.properties = properties;
        self
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Publish<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "Publish {{ topic: {:?}, payload: {}, qos: {}, retain: {=bool}, expiry: {}, \
             properties: {} }}",
            self.topic,
            Size::of(self.payload),
            self.qos,
            self.retain,
            self.expiry,
            self.properties
        );
    }
}

/// What CONNECT says, given fresh for each connection.
///
/// The machine reads what it has to keep to itself from the properties: Receive Maximum, Maximum
/// Packet Size, Topic Alias Maximum, Session Expiry Interval, Request Problem Information,
/// Authentication Method.
///
/// ```
/// use mqtt_session::{Connect, Property};
///
/// let properties = [Property::SessionExpiryInterval(3600)];
/// let connect = Connect {
///     keep_alive: 30,
///     user_name: Some("sensor"),
///     password: Some(b"secret"),
///     properties: &properties,
///     ..Connect::new("sensor-7")
/// };
/// # let _ = connect;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connect<'a> {
    /// The client identifier; empty to have the server assign one, which is then used for later
    /// connections.
    pub client_id: &'a str,
    /// Throw the session away first (section 3.1.2.4). Holds until the first accepted
    /// connection, see [`Config::clean_start_always`](crate::Config::clean_start_always).
    ///
    /// False by default, as the rest. A process that starts without a session of its own sets it,
    /// unless it means to go on with the one the server may have, see
    /// [`Config::adopt_session`](crate::Config::adopt_session): Session Present = 1 without a
    /// session here ends the connection for good (MQTT-3.2.2-4), also when it was this client's
    /// own CONNECT that began it and only the CONNACK was lost.
    pub clean_start: bool,
    /// Keep Alive in seconds; 0 turns it off.
    pub keep_alive: u16,
    /// CONNECT's properties, sent in this order, behind a Receive Maximum that the store may
    /// demand.
    pub properties: &'a [Property<'a>],
    /// The will message.
    pub will: Option<Will<'a>>,
    /// The user name.
    pub user_name: Option<&'a str>,
    /// The password.
    pub password: Option<&'a [u8]>,
}

impl<'a> Connect<'a> {
    /// A CONNECT with a Keep Alive of 60 seconds and nothing else.
    #[must_use]
    pub const fn new(client_id: &'a str) -> Self {
        Self {
            client_id,
            clean_start: false,
            keep_alive: 60,
            properties: &[],
            will: None,
            user_name: None,
            password: None,
        }
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Connect<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "Connect {{ client_id: {=str:?}, clean_start: {=bool}, keep_alive: {=u16}, \
             properties: {}, will: {}, user_name: {:?}, password: {} }}",
            self.client_id,
            self.clean_start,
            self.keep_alive,
            self.properties,
            self.will,
            self.user_name,
            self.password.map(Size::of)
        );
    }
}

/// Why [`Client::opened`](crate::Client::opened) refused. Nothing was queued: the machine waits
/// for `opened` again, or for `closed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// The machine did not ask for a transport.
    NotExpected,
    /// CONNECT cannot be encoded.
    Invalid(EncodeError),
    /// Enhanced authentication, which only the feature `auth` can do.
    Authentication,
    /// CONNECT is larger than the transmit buffer.
    TransmitBuffer {
        /// Bytes that CONNECT needs, with those that must stay free.
        needed: usize,
    },
    /// A Receive Maximum above what the store can hold.
    ReceiveMaximum {
        /// What the store can hold.
        store: u16,
    },
    /// A Topic Alias Maximum above what the store can hold.
    TopicAliasMaximum {
        /// What the store can hold.
        store: u16,
    },
}

crate::words::words! { ConnectError:
    Self::NotExpected => "no transport was asked for";
    Self::Invalid(error) => "{}", error;
    Self::Authentication => "enhanced authentication needs the feature `auth`";
    Self::TransmitBuffer { needed } => "CONNECT needs a transmit buffer of {} bytes", needed;
    Self::ReceiveMaximum { store } => "receive maximum is above the store's {}", store;
    Self::TopicAliasMaximum { store } => "topic alias maximum is above the store's {}", store;
}

impl core::error::Error for ConnectError {}

/// Why a publish, subscribe or unsubscribe was refused. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u32)] // So that it is handed on in words.
pub enum RequestError {
    /// QoS 0 without a connection, see [`Config::qos0_offline`](crate::Config::qos0_offline).
    NotConnected,
    /// [`Client::stop`](crate::Client::stop) was called.
    Stopping,
    /// The store holds as many messages and requests as it can: poll, and try again later.
    TooMany,
    /// The store has no room for so many bytes now: poll, and try again later.
    NoRoom,
    /// The store can never hold so many bytes.
    LargerThanStore,
    /// Larger than the server's Maximum Packet Size (MQTT-3.2.2-15).
    TooLarge {
        /// Bytes of the packet.
        len: usize,
        /// What the server allows.
        maximum: u32,
    },
    /// Above the server's Maximum QoS (MQTT-3.2.2-11).
    QoSNotSupported {
        /// What the server allows.
        maximum: QoS,
    },
    /// The server does not store retained messages (MQTT-3.2.2-14).
    RetainNotSupported,
    /// The server does not support wildcard subscriptions (section 3.2.2.3.11).
    WildcardsNotSupported,
    /// The server does not support shared subscriptions (section 3.2.2.3.13).
    SharedNotSupported,
    /// The server does not support subscription identifiers (section 3.2.2.3.12).
    SubscriptionIdentifiersNotSupported,
    /// A property that has its own method or that the machine sets by itself.
    OwnProperty(mqtt_proto::PropertyId),
    /// The packet cannot be encoded.
    Invalid(EncodeError),
}

impl From<EncodeError> for RequestError {
    fn from(error: EncodeError) -> Self {
        Self::Invalid(error)
    }
}

/// Why the store cannot hold so many bytes, as small as it is handed on within the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// It has no room now.
    Now,
    /// It never has.
    Ever,
}

impl From<Full> for RequestError {
    fn from(full: Full) -> Self {
        match full {
            Full::Now => Self::NoRoom,
            Full::Ever => Self::LargerThanStore,
        }
    }
}

crate::words::words! { RequestError:
    Self::NotConnected => "not connected";
    Self::Stopping => "the client is stopping";
    Self::TooMany => "the store holds as many exchanges as it can";
    Self::NoRoom => "the store has no room for it now";
    Self::LargerThanStore => "larger than the store";
    Self::TooLarge { len, maximum } =>
        "{} bytes, the server's maximum packet size is {}", len, maximum;
    Self::QoSNotSupported { maximum } => "the server's maximum QoS is {}", *maximum as u8;
    Self::RetainNotSupported => "the server does not support retained messages";
    Self::WildcardsNotSupported => "the server does not support wildcard subscriptions";
    Self::SharedNotSupported => "the server does not support shared subscriptions";
    Self::SubscriptionIdentifiersNotSupported =>
        "the server does not support subscription identifiers";
    Self::OwnProperty(property) => "property {} is not given among the properties", property;
    Self::Invalid(error) => "{}", error;
}

impl core::error::Error for RequestError {}

/// Why an acknowledgement was refused. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcknowledgeError {
    /// It was acknowledged already, or it came over an earlier connection: the server delivers
    /// it again.
    Stale,
    /// A reason code that PUBACK or PUBREC may not carry, or 0x10, which a client never sends.
    Reason(mqtt_proto::ReasonCode),
    /// Properties leave only with the oldest unacknowledged message, while there is room.
    PropertiesCannotWait,
    /// The properties cannot be encoded.
    Invalid(EncodeError),
}

crate::words::words! { AcknowledgeError:
    Self::Stale => "acknowledged already, or of an earlier connection";
    Self::Reason(reason) => "an acknowledgement may not say {}", reason;
    Self::PropertiesCannotWait => "properties cannot wait for older acknowledgements";
    Self::Invalid(error) => "{}", error;
}

impl core::error::Error for AcknowledgeError {}

/// Why `Client::authenticate` or
/// [`Client::stop_with`](crate::Client::stop_with) was refused. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ControlError {
    /// Not possible in this phase of the connection.
    NotNow,
    /// CONNECT named no Authentication Method (MQTT-4.12.0-7), or another one (MQTT-4.12.0-5).
    Method,
    /// A reason code that a client may not send.
    Reason(mqtt_proto::ReasonCode),
    /// A Session Expiry Interval above zero though CONNECT's was zero (section 3.14.2.2.2).
    SessionExpiry,
    /// There is no room in the transmit buffer now.
    NoRoom,
    /// Larger than the server's Maximum Packet Size.
    TooLarge,
    /// The packet cannot be encoded.
    Invalid(EncodeError),
}

crate::words::words! { ControlError:
    Self::NotNow => "not possible in this phase of the connection";
    Self::Method => "not the authentication method of CONNECT";
    Self::Reason(reason) => "a client may not send {} here", reason;
    Self::SessionExpiry => "a session expiry of zero in CONNECT cannot be raised";
    Self::NoRoom => "no room in the transmit buffer";
    Self::TooLarge => "larger than the server's maximum packet size";
    Self::Invalid(error) => "{}", error;
}

impl core::error::Error for ControlError {}
