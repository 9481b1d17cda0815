//! What can be set on a broker: time limits, and bounds for everything that could grow.

use core::time::Duration;
use mqtt_proto::QoS;

/// What becomes of a message for a client whose queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Overflow {
    /// Who publishes to a client that reads more slowly is held back: a message at QoS 1 or 2
    /// that finds the queue of a connected client full waits at its publisher, unacknowledged and
    /// with all that this one publishes behind it, until there is room. What else a publisher
    /// says is heard meanwhile, so that two who publish to each other go on.
    ///
    /// Nobody waits for a client that does not read: where one makes no room for
    /// [`hold_timeout`](BrokerConfig::hold_timeout), messages for it are dropped until its queue
    /// is half empty. As [`Overflow::DropNewest`] at QoS 0, for what nobody can be held back for,
    /// such as a will or a message of the program, and for a client without a connection.
    HoldBack,
    /// The message is dropped, and those that wait are kept.
    DropNewest,
    /// Those that have waited longest and were never sent are dropped for it: by a message at
    /// QoS 0 only others at QoS 0.
    DropOldest,
    /// The message is dropped, and the client is disconnected with 0x97, Quota exceeded: it
    /// learns of it. As [`Overflow::DropNewest`] without a connection, and until a connection
    /// that has found the queue full has made room in it.
    Disconnect,
}

/// The settings of a [`Broker`](super::Broker). Every bound is a hard one.
///
/// ```
/// use core::time::Duration;
/// use mqtt_session::broker::{BrokerConfig, Overflow};
///
/// let config = BrokerConfig {
///     queue_messages: 100,
///     overflow: Overflow::DropOldest,
///     ..BrokerConfig::default()
/// };
/// assert_eq!(config.connect_timeout, Duration::from_secs(10));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct BrokerConfig {
    /// From the opening of a connection to an accepted CONNECT. 10 seconds by default.
    pub connect_timeout: Duration,
    /// How long a connection may take no byte of what is offered. 30 seconds by default.
    pub send_timeout: Duration,
    /// How long the last bytes before a close may take to leave. 5 seconds by default.
    pub close_timeout: Duration,
    /// The longest Keep Alive in seconds; a longer one, or none, is replaced by this one (Server
    /// Keep Alive). `None`, as the client wants, by default.
    pub maximum_keep_alive: Option<u16>,
    /// The longest Session Expiry Interval in seconds; 0xFFFF_FFFF, the default: sessions may be
    /// kept for ever.
    pub maximum_session_expiry: u32,
    /// The largest packet taken, in bytes, header included, at least 64. 1 MiB by default.
    pub maximum_packet_size: u32,
    /// The largest CONNECT, in bytes; at most `maximum_packet_size`. 64 KiB by default.
    pub maximum_connect_size: u32,
    /// How many QoS 1 and QoS 2 messages a client may have unacknowledged, at least 1. 1,000 by
    /// default.
    pub receive_maximum: u16,
    /// The highest QoS taken and granted. 2 by default.
    pub maximum_qos: QoS,
    /// Whether retained messages are kept. True by default.
    pub retain_available: bool,
    /// How many topic aliases a client may set up. 32 by default.
    pub topic_alias_maximum: u16,
    /// How many topic aliases the broker sets up for a client that allows them; at most 128. 16
    /// by default.
    pub topic_aliases: u16,
    /// The levels of the deepest filter that may be subscribed to, without `$share/` and the name
    /// of a share, and of the deepest topic a message is retained for. 128 by default.
    pub maximum_levels: usize,
    /// Sessions, connected or kept. 100,000 by default.
    pub sessions: usize,
    /// Subscriptions of one session. 10,000 by default.
    pub subscriptions: usize,
    /// Bytes of their filters. 1 MiB by default.
    pub subscription_bytes: usize,
    /// Messages that wait for one client or are unacknowledged by it. 10,000 by default, at most
    /// 65,534.
    pub queue_messages: u16,
    /// Bytes of those messages. 16 MiB by default.
    pub queue_bytes: usize,
    /// What becomes of a message that finds a queue full. [`Overflow::HoldBack`] by default.
    pub overflow: Overflow,
    /// How long publishers wait for a client that makes no room, with [`Overflow::HoldBack`]. Room
    /// is a quarter of its queue, or 64 messages or 64 KiB of them where that is less. 20 seconds
    /// by default: clients give up waiting for an acknowledgement, many after 30.
    pub hold_timeout: Duration,
    /// Bytes that wait at one publisher before nothing more of it is read, with
    /// [`Overflow::HoldBack`]. 1 MiB by default.
    pub held_bytes: usize,
    /// Whether messages at QoS 0 wait for a client that is not connected. False by default.
    pub queue_qos0: bool,
    /// Bytes on the way to one connection, at least 256. 64 KiB by default.
    pub transmit: usize,
    /// Retained messages. 100,000 by default.
    pub retained_messages: usize,
    /// Bytes of retained messages. 256 MiB by default.
    pub retained_bytes: usize,
    /// Response Information for clients that ask for it (section 3.2.2.3.15).
    pub response_information: Option<&'static str>,
    /// What assigned client identifiers begin with. `"auto-"` by default.
    pub assigned_prefix: &'static str,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            send_timeout: Duration::from_secs(30),
            close_timeout: Duration::from_secs(5),
            maximum_keep_alive: None,
            maximum_session_expiry: u32::MAX,
            maximum_packet_size: 1 << 20,
            maximum_connect_size: 64 << 10,
            receive_maximum: 1_000,
            maximum_qos: QoS::ExactlyOnce,
            retain_available: true,
            topic_alias_maximum: 32,
            topic_aliases: 16,
            maximum_levels: 128,
            sessions: 100_000,
            subscriptions: 10_000,
            subscription_bytes: 1 << 20,
            queue_messages: 10_000,
            queue_bytes: 16 << 20,
            overflow: Overflow::HoldBack,
            hold_timeout: Duration::from_secs(20),
            held_bytes: 1 << 20,
            queue_qos0: false,
            transmit: 64 << 10,
            retained_messages: 100_000,
            retained_bytes: 256 << 20,
            response_information: None,
            assigned_prefix: "auto-",
        }
    }
}

impl BrokerConfig {
    /// With every number inside its range.
    pub(crate) fn checked(mut self) -> Self {
        self.maximum_packet_size = self.maximum_packet_size.max(64);
        self.maximum_connect_size = self
            .maximum_connect_size
            .clamp(64, self.maximum_packet_size);
        self.receive_maximum = self.receive_maximum.max(1);
        self.transmit = self.transmit.max(256);
        self.topic_aliases = self.topic_aliases.min(128);
        self.queue_messages = self.queue_messages.clamp(1, u16::MAX - 1);
        self
    }
}
