//! What the application decides about the machine.

use core::time::Duration;

/// The machine's policies and time limits. What a CONNECT packet says is not here: it is given
/// fresh for each connection, as [`Connect`](crate::Connect).
///
/// ```
/// use core::time::Duration;
/// use mqtt_session::{Acknowledge, Config};
///
/// let config = Config::default()
///     .ack_timeout(Duration::from_secs(20))
///     .acknowledge(Acknowledge::Manually)
///     .reconnect_between(Duration::from_millis(500), Duration::from_secs(60))
///     .seed(0x5eed);
/// # let _ = config;
/// ```
///
/// Time limits have a resolution of one millisecond and a range up to 24 days; what is longer
/// counts as 24 days.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Config {
    pub(crate) connect_timeout: Millis<10_000>,
    pub(crate) ping_timeout: Millis<10_000>,
    pub(crate) ack_timeout: Millis<30_000>,
    pub(crate) close_timeout: Millis<5_000>,
    pub(crate) backoff_min: Millis<1_000>,
    pub(crate) backoff_max: Millis<60_000>,
    pub(crate) stable_after: Millis<10_000>,
    pub(crate) seed: u32,
    pub(crate) topic_aliases: u16,
    policies: Policies,
}

/// What is otherwise than by default, in as few bytes as there can be.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Policies(u8);

impl Policies {
    const DEFAULT: Self = Self(0);
    /// It does not connect again.
    const STAYS_AWAY: u8 = 1;
    const ACKNOWLEDGE_MANUALLY: u8 = 1 << 1;
    const QOS1_GIVEN_UP: u8 = 1 << 2;
    /// QoS 2 messages are published again when the session is lost.
    const QOS2_AGAIN: u8 = 1 << 3;
    const OFFLINE_QUEUED: u8 = 1 << 4;
    const CLEAN_START_ALWAYS: u8 = 1 << 5;
    const ADOPT_SESSION: u8 = 1 << 6;

    const fn with(self, what: u8, yes: bool) -> Self {
        Self(self.0 & !what | if yes { what } else { 0 })
    }

    const fn has(self, what: u8) -> bool {
        self.0 & what != 0
    }
}

/// Who acknowledges a message that was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Acknowledge {
    /// The machine, as it delivers the message. The acknowledgement leaves at the next `Send`,
    /// so after the application has handled the delivery.
    Automatically,
    /// The application, with [`Client::acknowledge`](crate::Client::acknowledge).
    Manually,
}

/// What becomes of a message that was sent but not acknowledged when the server lost the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Lost {
    /// It is published again as a new message: it may arrive twice.
    Republish,
    /// It is given up with [`GiveUp::OutcomeUnknown`](crate::GiveUp::OutcomeUnknown): it may not
    /// have arrived.
    GiveUp,
}

/// What becomes of a QoS 0 message that is published without a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Offline {
    /// It is refused with [`RequestError::NotConnected`](crate::RequestError::NotConnected).
    Refuse,
    /// It waits for the next connection.
    Queue,
}

/// The longest time limit, 24 days: what 32 bits of milliseconds can tell apart.
pub(crate) const LONGEST: u32 = 24 * 24 * 60 * 60 * 1_000;

/// A time limit in milliseconds. It is kept as its distance from the default, so that a client with
/// the defaults is all zero bits at first, and a static one costs no flash.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Millis<const DEFAULT: u32>(u32);

impl<const DEFAULT: u32> Millis<DEFAULT> {
    const DEFAULT: Self = Self(0);

    const fn of(duration: Duration) -> Self {
        let millis = duration.as_millis();
        let millis = if millis > LONGEST as u128 {
            LONGEST
        } else {
            millis as u32
        };
        Self(millis.wrapping_sub(DEFAULT))
    }

    pub(crate) const fn get(self) -> u32 {
        self.0.wrapping_add(DEFAULT)
    }
}

impl<const DEFAULT: u32> core::fmt::Debug for Millis<DEFAULT> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.get().fmt(f)
    }
}

#[cfg(feature = "defmt")]
impl<const DEFAULT: u32> defmt::Format for Millis<DEFAULT> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=u32}", self.get());
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

impl Config {
    /// The defaults, each named at the method that changes it.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            connect_timeout: Millis::DEFAULT,
            ping_timeout: Millis::DEFAULT,
            ack_timeout: Millis::DEFAULT,
            close_timeout: Millis::DEFAULT,
            backoff_min: Millis::DEFAULT,
            backoff_max: Millis::DEFAULT,
            stable_after: Millis::DEFAULT,
            seed: 0,
            topic_aliases: 0,
            policies: Policies::DEFAULT,
        }
    }

    /// From `opened` to an accepting CONNACK, authentication included, and how long each answer of
    /// the server to a re-authentication may take. 10 seconds by default.
    #[must_use]
    pub const fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = Millis::of(limit);
        self
    }

    /// How long the answer to a PINGREQ may take, counted from the last byte that came in.
    /// 10 seconds by default.
    #[must_use]
    pub const fn ping_timeout(mut self, limit: Duration) -> Self {
        self.ping_timeout = Millis::of(limit);
        self
    }

    /// How long an acknowledgement may take, and how long the transport may take no byte.
    /// The connection is closed then and the exchange goes on after reconnecting: nothing is
    /// sent again on a live connection (MQTT-4.4.0-1). 30 seconds by default.
    #[must_use]
    pub const fn ack_timeout(mut self, limit: Duration) -> Self {
        self.ack_timeout = Millis::of(limit);
        self
    }

    /// How long the last bytes before a close may take to leave. 5 seconds by default.
    #[must_use]
    pub const fn close_timeout(mut self, limit: Duration) -> Self {
        self.close_timeout = Millis::of(limit);
        self
    }

    /// The first wait before connecting again and the longest: it doubles from one to the other,
    /// and of each wait a random half is taken off. 1 and 60 seconds by default.
    #[must_use]
    pub const fn reconnect_between(mut self, first: Duration, longest: Duration) -> Self {
        self.backoff_min = Millis::of(first);
        self.backoff_max = Millis::of(longest);
        self
    }

    /// How long a connection must have lasted for the next wait to be the first again.
    /// 10 seconds by default.
    #[must_use]
    pub const fn stable_after(mut self, span: Duration) -> Self {
        self.stable_after = Millis::of(span);
        self
    }

    /// Whether to connect again after a connection ended. True by default.
    #[must_use]
    pub const fn reconnect(mut self, yes: bool) -> Self {
        self.policies = self.policies.with(Policies::STAYS_AWAY, !yes);
        self
    }

    /// Where the jitter of the waits comes from: give every device its own. 0 by default.
    #[must_use]
    pub const fn seed(mut self, seed: u32) -> Self {
        self.seed = seed;
        self
    }

    /// Who acknowledges what is delivered. The machine by default.
    #[must_use]
    pub const fn acknowledge(mut self, who: Acknowledge) -> Self {
        self.policies = self.policies.with(
            Policies::ACKNOWLEDGE_MANUALLY,
            matches!(who, Acknowledge::Manually),
        );
        self
    }

    /// When the server lost the session: QoS 1 messages without PUBACK.
    /// [`Lost::Republish`] by default.
    #[must_use]
    pub const fn qos1_when_session_lost(mut self, what: Lost) -> Self {
        self.policies = self
            .policies
            .with(Policies::QOS1_GIVEN_UP, matches!(what, Lost::GiveUp));
        self
    }

    /// When the server lost the session: QoS 2 messages without PUBREC. [`Lost::GiveUp`] by
    /// default, because sending them again could deliver them twice. Those past PUBREC are never
    /// published again.
    #[must_use]
    pub const fn qos2_when_session_lost(mut self, what: Lost) -> Self {
        self.policies = self
            .policies
            .with(Policies::QOS2_AGAIN, matches!(what, Lost::Republish));
        self
    }

    /// QoS 0 messages published without a connection. [`Offline::Refuse`] by default.
    #[must_use]
    pub const fn qos0_offline(mut self, what: Offline) -> Self {
        self.policies = self
            .policies
            .with(Policies::OFFLINE_QUEUED, matches!(what, Offline::Queue));
        self
    }

    /// How many topic aliases the machine may set up on its own for outbound messages, at most
    /// 128; also bounded by the server's Topic Alias Maximum and by the store. 0, none, by
    /// default.
    #[must_use]
    pub const fn topic_aliases(mut self, count: u16) -> Self {
        self.topic_aliases = count;
        self
    }

    /// Whether a Clean Start asked for in CONNECT holds for every connection, not only until the
    /// first accepted one. False by default.
    #[must_use]
    pub const fn clean_start_always(mut self, yes: bool) -> Self {
        self.policies = self.policies.with(Policies::CLEAN_START_ALWAYS, yes);
        self
    }

    /// Whether to accept Session Present = 1 without having a session here, as a process does
    /// that starts afresh and knows that the server kept its subscriptions. Otherwise that closes
    /// the connection (MQTT-3.2.2-4). False by default.
    #[must_use]
    pub const fn adopt_session(mut self, yes: bool) -> Self {
        self.policies = self.policies.with(Policies::ADOPT_SESSION, yes);
        self
    }

    /// Becomes this one: field by field, which takes less code than copying so many bytes at once.
    #[inline]
    pub(crate) const fn set(&mut self, config: &Self) {
        let Self {
            connect_timeout,
            ping_timeout,
            ack_timeout,
            close_timeout,
            backoff_min,
            backoff_max,
            stable_after,
            seed,
            topic_aliases,
            policies,
        } = *config;
        self.connect_timeout = connect_timeout;
        self.ping_timeout = ping_timeout;
        self.ack_timeout = ack_timeout;
        self.close_timeout = close_timeout;
        self.backoff_min = backoff_min;
        self.backoff_max = backoff_max;
        self.stable_after = stable_after;
        self.seed = seed;
        self.topic_aliases = topic_aliases;
        self.policies = policies;
    }

    pub(crate) const fn stays_away(&self) -> bool {
        self.policies.has(Policies::STAYS_AWAY)
    }

    pub(crate) const fn acknowledges_manually(&self) -> bool {
        self.policies.has(Policies::ACKNOWLEDGE_MANUALLY)
    }

    pub(crate) const fn gives_up_qos1(&self) -> bool {
        self.policies.has(Policies::QOS1_GIVEN_UP)
    }

    pub(crate) const fn publishes_qos2_again(&self) -> bool {
        self.policies.has(Policies::QOS2_AGAIN)
    }

    pub(crate) const fn queues_offline(&self) -> bool {
        self.policies.has(Policies::OFFLINE_QUEUED)
    }

    pub(crate) const fn is_clean_start_always(&self) -> bool {
        self.policies.has(Policies::CLEAN_START_ALWAYS)
    }

    pub(crate) const fn adopts_session(&self) -> bool {
        self.policies.has(Policies::ADOPT_SESSION)
    }
}

impl Config {
    /// Policies as they are named.
    fn shown(&self) -> (Acknowledge, Lost, Offline) {
        let acknowledge = if self.acknowledges_manually() {
            Acknowledge::Manually
        } else {
            Acknowledge::Automatically
        };
        let lost = if self.gives_up_qos1() {
            Lost::GiveUp
        } else {
            Lost::Republish
        };
        let offline = if self.queues_offline() {
            Offline::Queue
        } else {
            Offline::Refuse
        };
        (acknowledge, lost, offline)
    }
}

impl core::fmt::Debug for Config {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Config")
            .field("connect_timeout", &self.connect_timeout)
            .field("ping_timeout", &self.ping_timeout)
            .field("ack_timeout", &self.ack_timeout)
            .field("close_timeout", &self.close_timeout)
            .field("backoff_min", &self.backoff_min)
            .field("backoff_max", &self.backoff_max)
            .field("stable_after", &self.stable_after)
            .field("seed", &self.seed)
            .field("topic_aliases", &self.topic_aliases)
            .field("stays_away", &self.stays_away())
            .field("acknowledge", &self.shown().0)
            .field("qos1_lost", &self.shown().1)
            .field("qos2_again", &self.publishes_qos2_again())
            .field("offline", &self.shown().2)
            .field("clean_start_always", &self.is_clean_start_always())
            .field("adopt_session", &self.adopts_session())
            .finish()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Config {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "Config {{ connect_timeout: {}, ping_timeout: {}, ack_timeout: {}, close_timeout: {}, \
             backoff_min: {}, backoff_max: {}, stable_after: {}, seed: {=u32}, \
             topic_aliases: {=u16}, stays_away: {=bool}, acknowledge: {}, qos1_lost: {}, \
             qos2_again: {=bool}, offline: {}, clean_start_always: {=bool}, \
             adopt_session: {=bool} }}",
            self.connect_timeout,
            self.ping_timeout,
            self.ack_timeout,
            self.close_timeout,
            self.backoff_min,
            self.backoff_max,
            self.stable_after,
            self.seed,
            self.topic_aliases,
            self.stays_away(),
            self.shown().0,
            self.shown().1,
            self.publishes_qos2_again(),
            self.shown().2,
            self.is_clean_start_always(),
            self.adopts_session()
        );
    }
}
