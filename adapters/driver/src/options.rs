//! What a client is made with.

use crate::address::Address;
use crate::buffer::Buffer;
use crate::error::Cause;
use crate::store::{Fsync, Place};
use bytes::Bytes;
use mqtt_session::{Acknowledge, Config, HeapLimits, Lost, Offline, QoS};
use std::error::Error;
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// How a client connects, and how it behaves. Each default is named at the method that
/// changes it.
///
/// ```
/// use mqtt_driver::{Options, Will};
/// use mqtt_session::QoS;
/// use std::time::Duration;
///
/// let options = Options::new("sensor-7")
///     .login("ann", "secret")
///     .keep_alive(Duration::from_secs(30))
///     .will(Will::new("sensors/7/state", "gone").qos(QoS::AtLeastOnce).retain(true));
/// # let _ = options;
/// ```
#[derive(Debug)]
pub struct Options {
    pub(crate) client_id: String,
    pub(crate) clean_start: bool,
    pub(crate) session_expiry: Duration,
    pub(crate) keep_alive: Duration,
    pub(crate) will: Option<Will>,
    pub(crate) credentials: Option<Login>,
    /// They may be others at each attempt.
    pub(crate) renews: bool,
    pub(crate) user_properties: Vec<(String, String)>,
    pub(crate) receive_maximum: Option<u16>,
    pub(crate) maximum_packet_size: Option<u32>,
    pub(crate) inbound_aliases: u16,
    pub(crate) connect_timeout: Duration,
    pub(crate) ack_timeout: Duration,
    pub(crate) ping_timeout: Duration,
    pub(crate) queue: Queue,
    pub(crate) unmatched: Buffer,
    pub(crate) response_topic: Option<String>,
    pub(crate) store: Option<Place>,
    #[cfg(feature = "tls")]
    pub(crate) tls: crate::tls::Tls,
    config: Config,
}

/// Bounds of the queue of messages that were accepted and are not settled, and what becomes of
/// those for which it has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Queue {
    /// Messages at most, from 1 to 65,000.
    pub messages: usize,
    /// Bytes of topics and payloads at most.
    pub bytes: usize,
    /// What becomes of the rest.
    pub when_full: WhenFull,
}

/// What a publish does while the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WhenFull {
    /// It waits until there is room.
    Block,
    /// It waits until there is room, at most for so long; then it is refused.
    BlockFor(Duration),
    /// It is refused.
    Refuse,
}

impl Default for Queue {
    /// 10,000 messages and 64 MiB; a publish waits until there is room.
    fn default() -> Self {
        Self {
            messages: 10_000,
            bytes: 64 << 20,
            when_full: WhenFull::Block,
        }
    }
}

/// A user name and a password.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The user name.
    pub user_name: Option<String>,
    /// The password.
    pub password: Option<Vec<u8>>,
}

impl Credentials {
    /// Both.
    #[must_use]
    pub fn new(user_name: impl Into<String>, password: impl Into<Vec<u8>>) -> Self {
        Self {
            user_name: Some(user_name.into()),
            password: Some(password.into()),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user_name", &self.user_name)
            .finish_non_exhaustive()
    }
}

/// The function that gives the credentials for one attempt.
pub struct Login(Give);

type Given = Result<Credentials, Box<dyn Error + Send + Sync>>;

enum Give {
    Blocking(Box<dyn FnMut() -> Given + Send>),
    Waiting(Box<dyn FnMut() -> Coming + Send>),
}

/// Credentials that are on their way.
pub type Coming = Pin<Box<dyn Future<Output = Result<Credentials, Cause>> + Send>>;

/// What [`Login::ask`] gives.
pub enum Asked {
    /// The credentials.
    Given(Result<Credentials, Cause>),
    /// What has to be waited for.
    Coming(Coming),
}

impl Login {
    /// Whether asking may take its time.
    #[must_use]
    pub fn blocks(&self) -> bool {
        matches!(self.0, Give::Blocking(_))
    }

    /// Asks for them.
    ///
    /// # Errors
    /// Inside of what it gives: [`Cause::Credentials`] with what the function failed with.
    pub fn ask(&mut self) -> Asked {
        match &mut self.0 {
            Give::Blocking(give) => Asked::Given(give().map_err(no_credentials)),
            Give::Waiting(give) => Asked::Coming(give()),
        }
    }
}

fn no_credentials(error: Box<dyn Error + Send + Sync>) -> Cause {
    Cause::Credentials(Arc::from(error))
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

/// The message that the server publishes when the client is gone without having said goodbye.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Will {
    pub(crate) topic: String,
    pub(crate) payload: Bytes,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) delay: Duration,
    pub(crate) content_type: Option<String>,
    pub(crate) user_properties: Vec<(String, String)>,
}

impl Will {
    /// A will at QoS 0, not retained, published at once.
    #[must_use]
    pub fn new(topic: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            qos: QoS::AtMostOnce,
            retain: false,
            delay: Duration::ZERO,
            content_type: None,
            user_properties: Vec::new(),
        }
    }

    /// The quality of service it is published with.
    #[must_use]
    pub fn qos(mut self, qos: QoS) -> Self {
        self.qos = qos;
        self
    }

    /// Whether the server keeps it for later subscribers.
    #[must_use]
    pub fn retain(mut self, retain: bool) -> Self {
        self.retain = retain;
        self
    }

    /// How long the server waits for the client to come back first, in whole seconds. Zero by
    /// default; the end of the session ends the waiting too.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// What the payload is, for example a MIME type.
    #[must_use]
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self
    }

    /// Adds a user property.
    #[must_use]
    pub fn user_property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.user_properties.push((name.into(), value.into()));
        self
    }
}

impl Options {
    /// The defaults, with a client identifier; an empty one has the server assign one.
    #[must_use]
    pub fn new(client_id: impl Into<String>) -> Self {
        // Two clients of one process get two seeds: the hasher's keys differ each time.
        let seed = RandomState::new().build_hasher().finish() as u32;
        Self {
            client_id: client_id.into(),
            clean_start: true,
            session_expiry: Duration::from_secs(3600),
            keep_alive: Duration::from_secs(60),
            will: None,
            credentials: None,
            renews: false,
            user_properties: Vec::new(),
            receive_maximum: None,
            maximum_packet_size: None,
            inbound_aliases: 0,
            connect_timeout: Duration::from_secs(10),
            ack_timeout: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(10),
            queue: Queue::default(),
            unmatched: Buffer::default(),
            response_topic: None,
            store: None,
            #[cfg(feature = "tls")]
            tls: crate::tls::Tls::new(),
            config: Config::new().seed(seed).qos0_offline(Offline::Queue),
        }
    }

    /// The user name and password for every attempt; those of the URL by default.
    #[must_use]
    pub fn login(self, user_name: impl Into<String>, password: impl Into<Vec<u8>>) -> Self {
        self.always(Credentials::new(user_name, password))
    }

    fn always(self, credentials: Credentials) -> Self {
        let always = self.credentials(move || Ok(credentials.clone()));
        Self {
            renews: false,
            ..always
        }
    }

    /// Asks `give` for the credentials afresh at each attempt, on a thread of its own and within
    /// the connect timeout. Where it fails, the attempt has failed.
    ///
    /// A server that refuses them as wrong, when a connection is made again, has the function asked
    /// once more, at most every ten seconds; what it gives is tried where it is something else.
    #[must_use]
    pub fn credentials(
        mut self,
        give: impl FnMut() -> Result<Credentials, Box<dyn Error + Send + Sync>> + Send + 'static,
    ) -> Self {
        self.credentials = Some(Login(Give::Blocking(Box::new(give))));
        self.renews = true;
        self
    }

    /// As [`Options::credentials`], by a function that is awaited: for what comes over the
    /// network, where the client is driven by a task.
    #[must_use]
    pub fn credentials_async<F>(mut self, mut give: impl FnMut() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<Credentials, Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        let give = move || -> Coming {
            let coming = give();
            Box::pin(async move { coming.await.map_err(no_credentials) })
        };
        self.credentials = Some(Login(Give::Waiting(Box::new(give))));
        self.renews = true;
        self
    }

    /// What the server publishes when the client vanishes. Nothing by default.
    #[must_use]
    pub fn will(mut self, will: Will) -> Self {
        self.will = Some(will);
        self
    }

    /// How long the connection may be silent, in whole seconds up to 65,535; zero turns keep
    /// alive off. 60 seconds by default.
    #[must_use]
    pub fn keep_alive(mut self, interval: Duration) -> Self {
        self.keep_alive = interval;
        self
    }

    /// How long the server keeps the session after a connection has ended, in whole seconds.
    /// One hour by default, so that a cut loses nothing; zero keeps nothing.
    #[must_use]
    pub fn session_expiry(mut self, span: Duration) -> Self {
        self.session_expiry = span;
        self
    }

    /// Whether the first connection begins a new session. True by default; later connections of
    /// this client go on with its session either way, and `Client::close`
    /// ends it.
    ///
    /// With `false` the client goes on with a session that the server kept for an earlier
    /// program of the same client identifier, leaves it there when it closes, and gets what came
    /// meanwhile, on `Client::unmatched` where it comes before the
    /// filter is subscribed. What that program had in flight is not known here: a QoS 2 message
    /// may then be taken by the server for one of its own. Some servers, among them Mosquitto
    /// 2.0, keep only such a session through a restart of their own.
    #[must_use]
    pub fn clean_start(mut self, yes: bool) -> Self {
        self.clean_start = yes;
        self
    }

    /// Adds a user property to CONNECT.
    #[must_use]
    pub fn user_property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.user_properties.push((name.into(), value.into()));
        self
    }

    /// How many QoS 1 and QoS 2 messages the server may send before they are acknowledged, at
    /// least 1. 65,535 by default.
    #[must_use]
    pub fn receive_maximum(mut self, count: u16) -> Self {
        self.receive_maximum = Some(count.max(1));
        self
    }

    /// The largest packet the server may send, in bytes; larger messages are dropped by it. The
    /// protocol's own limit of 256 MiB by default.
    #[must_use]
    pub fn maximum_packet_size(mut self, bytes: u32) -> Self {
        self.maximum_packet_size = Some(bytes.max(1));
        self
    }

    /// Topic aliases: how many may stand for topics of messages sent, and how many the server
    /// may use. None by default.
    #[must_use]
    pub fn topic_aliases(mut self, outbound: u16, inbound: u16) -> Self {
        self.config = self.config.topic_aliases(outbound);
        self.inbound_aliases = inbound;
        self
    }

    /// How long opening the stream may take, name resolution included, and then again how long
    /// the server may take to accept. 10 seconds by default.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// How long the server may take to acknowledge, and the stream to take a byte, before the
    /// connection counts as dead. 30 seconds by default.
    #[must_use]
    pub fn ack_timeout(mut self, limit: Duration) -> Self {
        self.ack_timeout = limit;
        self
    }

    /// How long the answer to a ping may take. 10 seconds by default.
    #[must_use]
    pub fn ping_timeout(mut self, limit: Duration) -> Self {
        self.ping_timeout = limit;
        self
    }

    /// The first wait before connecting again and the longest: it doubles from one to the other,
    /// and a random part, at most half, is taken off. 1 and 60 seconds by default.
    #[must_use]
    pub fn reconnect_between(mut self, first: Duration, longest: Duration) -> Self {
        self.config = self.config.reconnect_between(first, longest);
        self
    }

    /// Whether to connect again when a connection has ended. True by default.
    #[must_use]
    pub fn reconnect(mut self, yes: bool) -> Self {
        self.config = self.config.reconnect(yes);
        self
    }

    /// The bounds of what was accepted for publishing and is not settled.
    #[must_use]
    pub fn queue(mut self, queue: Queue) -> Self {
        self.queue = queue;
        self
    }

    /// What becomes of QoS 0 messages published without a connection: they wait for the next
    /// one by default.
    #[must_use]
    pub fn qos0_offline(mut self, what: Offline) -> Self {
        self.config = self.config.qos0_offline(what);
        self
    }

    /// What becomes of messages sent and not acknowledged when the server has lost the session.
    /// By default those of QoS 1 are published again and those of QoS 2 given up, because
    /// sending them again could deliver them twice.
    #[must_use]
    pub fn when_session_lost(mut self, qos1: Lost, qos2: Lost) -> Self {
        let config = self.config.qos1_when_session_lost(qos1);
        self.config = config.qos2_when_session_lost(qos2);
        self
    }

    /// Leaves acknowledging to the application, with
    /// `Message::acknowledge`. A message that falls out of a full
    /// buffer is acknowledged by the client: nobody else could.
    #[must_use]
    pub fn manual_acknowledgement(mut self, yes: bool) -> Self {
        self.config = self.config.acknowledge(if yes {
            Acknowledge::Manually
        } else {
            Acknowledge::Automatically
        });
        self
    }

    /// Keeps the session in a file, so that it outlives the program: a client made with the same
    /// file and client identifier goes on with it, after a restart or a crash. The file, and two
    /// beside it, with `.lock` and `.new` behind its name, are made where there are none.
    ///
    /// - A publish at QoS 1 or 2 that has returned is kept: it reaches the server, at QoS 2 exactly
    ///   once, whenever the program ends. `Client::restored` tells what an earlier program left.
    /// - A QoS 2 message from the server that was acknowledged is not delivered again. With
    ///   [`Options::manual_acknowledgement`] that is when `Message::acknowledge` has returned:
    ///   whoever acts on a message first, and then acknowledges it, loses none. A program that ends
    ///   between the two gets it again.
    /// - `Client::close` leaves the session with the server, for [`Options::session_expiry`].
    ///
    /// ```
    /// use mqtt_driver::{Fsync, Options};
    ///
    /// let options = Options::new("sensor-7")
    ///     .store_in("sensor-7.session", Fsync::Always)
    ///     .manual_acknowledgement(true);
    /// # let _ = options;
    /// ```
    ///
    /// What "kept" means decides [`Fsync`]: with all of its values a program may be killed at any
    /// moment, and with [`Fsync::Always`] the machine may lose its power. The file is written by
    /// whoever publishes, and by the thread or task of the client, which waits for the disk.
    /// Messages at QoS 0 and subscriptions are not kept, nor are payloads that are drawn from the
    /// application: the next program gives such a message up.
    #[must_use]
    pub fn store_in(mut self, path: impl Into<PathBuf>, fsync: Fsync) -> Self {
        self.store = Some(Place {
            path: path.into(),
            fsync,
        });
        self
    }

    /// How much the stream of messages that match no subscription holds.
    #[must_use]
    pub fn unmatched(mut self, buffer: Buffer) -> Self {
        self.unmatched = buffer;
        self
    }

    /// Where the answers to this client's requests come: a topic that is its own. By default
    /// `responses/` and a random number; a server that controls access may want another.
    #[must_use]
    pub fn response_topic(mut self, topic: impl Into<String>) -> Self {
        self.response_topic = Some(topic.into());
        self
    }

    /// The topic of answers.
    pub(crate) fn topic_of_answers(&self) -> Arc<str> {
        match &self.response_topic {
            Some(topic) => topic.as_str().into(),
            None => {
                // Two hashers of one process have two sets of keys.
                let random = || RandomState::new().build_hasher().finish();
                format!("responses/{:016x}{:016x}", random(), random()).into()
            }
        }
    }

    /// How TLS is used, for addresses that ask for it.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::tls::Tls) -> Self {
        self.tls = tls;
        self
    }

    /// Takes the credentials out of an address; they count where the options name none.
    #[must_use]
    pub fn login_of(self, address: &mut Address) -> Self {
        let credentials = Credentials {
            user_name: address.user_name.take(),
            password: address.password.take(),
        };
        if self.credentials.is_some() || credentials.user_name.is_none() {
            return self;
        }
        self.always(credentials)
    }

    /// Takes what gives the credentials, for whoever makes the attempts.
    pub fn take_login(&mut self) -> Option<Login> {
        self.credentials.take()
    }

    /// How long opening a stream may take.
    #[must_use]
    pub fn time_to_open(&self) -> Duration {
        self.connect_timeout
    }

    /// Whether closing has to end the session: no later program goes on with it, so that it is
    /// of no use to anybody.
    pub(crate) fn ends_session(&self) -> bool {
        self.clean_start && !self.session_expiry.is_zero() && self.store.is_none()
    }

    pub(crate) fn config(&self) -> Config {
        self.config
            .connect_timeout(self.connect_timeout)
            .ack_timeout(self.ack_timeout)
            .ping_timeout(self.ping_timeout)
            .adopt_session(!self.clean_start)
    }

    pub(crate) fn limits(&self) -> HeapLimits {
        /// Places for SUBSCRIBE and UNSUBSCRIBE while the queue is full.
        const REQUESTS: usize = 500;
        let exchanges = self.queue.messages.clamp(1, 65_000) + REQUESTS;
        HeapLimits {
            exchanges: u16::try_from(exchanges).unwrap_or(u16::MAX),
            // Headers, properties and gaps come on top of what the queue counts.
            bytes: self.queue.bytes.saturating_mul(2).saturating_add(1 << 20),
            // The largest will fits into CONNECT.
            transmit: 256 << 10,
            receive_maximum: self.receive_maximum.unwrap_or(u16::MAX),
        }
    }
}

/// A span in the protocol's unit; part of a second counts as a whole one.
#[must_use]
pub fn whole_seconds(span: Duration) -> u32 {
    let part = u64::from(span.subsec_nanos() > 0);
    let whole = span.as_secs().saturating_add(part);
    u32::try_from(whole).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_of_a_second_counts_as_a_whole_one_and_for_ever_as_the_longest() {
        let spans = [Duration::ZERO, Duration::from_millis(1), Duration::MAX];
        assert_eq!(spans.map(whole_seconds), [0, 1, u32::MAX]);
    }
}
