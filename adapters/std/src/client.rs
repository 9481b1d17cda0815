//! The client as the application holds it.

use crate::messages::Messages;
use crate::publish::Publication;
use crate::request::Requester;
use crate::state::States;
use crate::subscription::Subscription;
use crate::token::{Restored, Token};
use crate::transport::{Dial, LONGEST, Stream, opener};
use crate::wait::wait;
use crate::worker;
use bytes::Bytes;
use mqtt_driver::{
    Address, Cause, ConnectError, Counters, Message, Options, Shared, State, SubscribeError,
    SubscribeOptions, Subscribing, Undelivered,
};
use mqtt_session::QoS;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long dropping the last handle may take.
const LINGER: Duration = Duration::from_millis(500);

/// An MQTT 5.0 client that drives itself: a thread of its own keeps the connection, makes a new
/// one when it is lost, and goes on where the last one ended. Clones are handles to the same
/// client.
///
/// Dropping the last handle closes the client as [`Client::close`] does, within half a second.
#[derive(Clone, Debug)]
pub struct Client {
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    requester: Requester,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close(Instant::now() + LINGER);
    }
}

impl Handle {
    /// Has the client closed, and waits for that until `deadline`; what was left.
    fn close(&self, deadline: Instant) -> Undelivered {
        self.shared.close(deadline);
        let ended = |state: &State| state.is_ended().then_some(());
        wait(Some(deadline), self.shared.when(ended));
        self.shared.end(&Cause::Closed)
    }
}

impl Client {
    /// Connects to the server at `url`, `mqtt://user:password@host:port`, and returns when it has
    /// accepted. `mqtts://` and `wss://` need the feature `tls`, `ws://` and `wss://` the feature
    /// `websocket`; `unix:///path` is there where the system has such sockets. When the first attempt fails, that is the error; later connections are made by
    /// the client itself.
    ///
    /// # Errors
    /// See [`ConnectError`]: each says in its text what to look at.
    pub fn connect(url: &str, options: Options) -> Result<Self, ConnectError> {
        let (dial, options) = to_url(url, options)?;
        Self::first(dial, options)
    }

    /// As [`Client::connect`], without waiting: attempts are made until one succeeds, and what
    /// is published meanwhile waits in the queue. See [`Client::watch`] for how it goes.
    ///
    /// # Errors
    /// See [`ConnectError`]; nothing that the network does is among them.
    pub fn start(url: &str, options: Options) -> Result<Self, ConnectError> {
        let (dial, options) = to_url(url, options)?;
        Self::launch(dial, options, false)
    }

    /// As [`Client::connect`], over any stream: `open` opens one for each attempt, on a thread of
    /// its own, within the time limit it is given. A function that takes longer is waited for by
    /// nobody, but asked again only when it has returned.
    ///
    /// ```no_run
    /// use mqtt_std::{Address, Client, Options, transport::Tcp};
    ///
    /// let address: Address = "mqtt://localhost".parse()?;
    /// let open = move |limit| Tcp::connect(&address, limit);
    /// let client = Client::connect_over(open, Options::new("sensor-7"))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub fn connect_over<S: Stream + 'static>(
        open: impl FnMut(Duration) -> Result<S, Cause> + Send + 'static,
        options: Options,
    ) -> Result<Self, ConnectError> {
        Self::first(boxed(open), options)
    }

    /// As [`Client::start`], over any stream.
    ///
    /// # Errors
    /// See [`ConnectError`]; nothing that the network does is among them.
    pub fn start_over<S: Stream + 'static>(
        open: impl FnMut(Duration) -> Result<S, Cause> + Send + 'static,
        options: Options,
    ) -> Result<Self, ConnectError> {
        Self::launch(boxed(open), options, false)
    }

    fn first(dial: Dial, options: Options) -> Result<Self, ConnectError> {
        let client = Self::launch(dial, options, true)?;
        let result = wait(None, client.shared().when(State::first_attempt));
        match result {
            Some(Err(cause)) => Err(ConnectError::NotConnected(cause)),
            Some(Ok(())) | None => Ok(client),
        }
    }

    fn launch(dial: Dial, options: Options, once: bool) -> Result<Self, ConnectError> {
        let shared = worker::start(dial, options, once)?;
        let requester = Requester {
            shared: Arc::clone(&shared),
        };
        Ok(Self {
            handle: Arc::new(Handle { shared, requester }),
        })
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }

    /// A message for `topic`, at QoS 0 unless said otherwise; it leaves with
    /// [`Publication::send`]. A payload handed over as [`Bytes`] is not copied.
    ///
    /// ```no_run
    /// # use mqtt_std::{Client, Options, QoS};
    /// # let client = Client::connect("mqtt://localhost", Options::new("sensor-7"))?;
    /// let token = client
    ///     .publish("sensors/7/temperature", "21.5")
    ///     .qos(QoS::ExactlyOnce)
    ///     .send()?;
    /// println!("{}", token.acknowledged()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn publish<'a>(&'a self, topic: &'a str, payload: impl Into<Bytes>) -> Publication<'a> {
        Publication::new(self, topic, payload.into())
    }

    /// A request to `topic`, at QoS 1 unless said otherwise; sending it publishes it and waits for
    /// the answer (section 4.10). The answer comes to [`Options::response_topic`] and is found by
    /// its correlation data; both are set by the client. It is waited for as long as the request
    /// is of use, see [`Publication::expiry`], and 30 seconds where that is not said.
    ///
    /// ```no_run
    /// # use mqtt_std::{Client, Options};
    /// # use std::time::Duration;
    /// # let client = Client::connect("mqtt://localhost", Options::new("sensor-7"))?;
    /// let answer = client.request("clock/time", "UTC").expiry(Duration::from_secs(5)).send()?;
    /// println!("{}", answer.text());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// See [`AnswerError`](crate::AnswerError).
    pub fn request<'a>(
        &'a self,
        topic: &'a str,
        payload: impl Into<Bytes>,
    ) -> Publication<'a, Requester> {
        let requester = &self.handle.requester;
        Publication::new(requester, topic, payload.into()).qos(QoS::AtLeastOnce)
    }

    /// The answer to a request that has come, with its correlation data and at its QoS. None
    /// where the message asks for no answer.
    pub fn respond<'a>(
        &'a self,
        request: &'a Message,
        payload: impl Into<Bytes>,
    ) -> Option<Publication<'a>> {
        Publication::answering(self, request, payload.into())
    }

    /// Takes away the message that the server keeps for a topic, once it is sent.
    pub fn clear_retained<'a>(&'a self, topic: &'a str) -> Publication<'a> {
        let empty = Publication::new(self, topic, Bytes::new());
        empty.retain(true).qos(QoS::AtLeastOnce)
    }

    /// The messages that the server keeps for a filter, as far as they come before it has been
    /// silent for `quiet`: no packet says which of them is the last.
    ///
    /// # Errors
    /// See [`SubscribeError`].
    pub fn retained(&self, filter: &str, quiet: Duration) -> Result<Vec<Message>, SubscribeError> {
        let messages = self.subscribe(filter, QoS::AtLeastOnce)?;
        let mut kept = Vec::new();
        let mut silent = Instant::now() + quiet.min(LONGEST);
        let left = |until: Instant| until.saturating_duration_since(Instant::now());
        while let Some(message) = messages.recv_timeout(left(silent)) {
            // What is published meanwhile is no sign of more.
            if message.retain {
                silent = Instant::now() + quiet.min(LONGEST);
                kept.push(message);
            }
        }
        Ok(kept)
    }

    /// Subscribes to a filter and waits for the server's answer, through reconnections if need
    /// be. The options are a [`QoS`](crate::QoS) or [`SubscribeOptions`].
    ///
    /// Several subscriptions to the same filter each get every message; the server knows one,
    /// with the options of the last.
    ///
    /// # Errors
    /// See [`SubscribeError`]; there is no subscription then.
    pub fn subscribe(
        &self,
        filter: &str,
        options: impl Into<SubscribeOptions>,
    ) -> Result<Subscription, SubscribeError> {
        let options = options.into();
        let asked = self.shared().subscribe(filter, &options)?;
        self.subscribed(vec![filter.to_owned()], asked, &options)
    }

    /// Subscribes to several filters for one stream, which has each message once, in order of
    /// arrival, also where two of the filters match it. It is asked for again after a lost session as
    /// each other, and ends as a whole.
    ///
    /// A server may send a copy for each filter. They are one message where it says for which
    /// filter each is; not all servers do.
    ///
    /// ```no_run
    /// # use mqtt_std::{Client, Options, QoS};
    /// # let client = Client::connect("mqtt://localhost", Options::new("sensor-7"))?;
    /// for message in client.subscribe_all(["doors/#", "windows/#"], QoS::AtLeastOnce)? {
    ///     println!("{} {}", message.topic, message.text());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// See [`SubscribeError`]: [`SubscribeError::OneOf`] names the filter that was refused. There
    /// is no subscription to any of them then.
    pub fn subscribe_all<F: AsRef<str>>(
        &self,
        filters: impl IntoIterator<Item = F>,
        options: impl Into<SubscribeOptions>,
    ) -> Result<Subscription, SubscribeError> {
        let options = options.into();
        let filters = filters.into_iter();
        let filters: Vec<_> = filters.map(|filter| filter.as_ref().to_owned()).collect();
        let each = filters.iter().map(String::as_str);
        let asked = self.shared().subscribe_all(each, &options)?;
        self.subscribed(filters, asked, &options)
    }

    /// Waits for the answer to what was asked for.
    fn subscribed(
        &self,
        filters: Vec<String>,
        asked: Subscribing,
        options: &SubscribeOptions,
    ) -> Result<Subscription, SubscribeError> {
        let limit = options.timeout;
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let (inbox, answer) = asked;
        let mut subscription = Subscription {
            shared: Arc::clone(self.shared()),
            messages: Messages { inbox },
            filters,
            granted: Arc::default(),
        };
        // Dropping it takes back what was asked for.
        let answer = wait(deadline, answer.filled());
        subscription.granted = answer.unwrap_or(Err(SubscribeError::TimedOut))?;
        Ok(subscription)
    }

    /// Ends all subscriptions to a filter and waits for the server's answer, at most for
    /// `limit`. The server is told also when this client knows no such subscription: an earlier
    /// program may have left it in the session.
    ///
    /// # Errors
    /// See [`SubscribeError`].
    pub fn unsubscribe(&self, filter: &str, limit: Duration) -> Result<(), SubscribeError> {
        let deadline = Instant::now().checked_add(limit);
        let answer = self.shared().unsubscribe(filter)?;
        let answer = wait(deadline, answer.filled());
        answer.unwrap_or(Err(SubscribeError::TimedOut)).map(drop)
    }

    /// What an earlier program published with the session that
    /// [`Options::store_in`](crate::Options::store_in) keeps, and did not see settled: in the
    /// order in which it is sent. The first call has it.
    ///
    /// ```
    /// # #[cfg(feature = "broker")] {
    /// use mqtt_std::{Broker, Client, Fsync, Options, QoS};
    /// # use std::time::Duration;
    ///
    /// # let path = std::env::temp_dir().join(format!("mqtt-restored-{}", std::process::id()));
    /// let options = || Options::new("sensor-7").store_in(&path, Fsync::Always);
    /// let client = Client::start("mqtt://127.0.0.1:1", options())?; // nobody is there
    /// client.publish("sensors/7", "21.5").qos(QoS::ExactlyOnce).send()?;
    /// # let _ = client.close(Duration::ZERO);
    /// drop(client); // the program ends, or is killed
    ///
    /// let broker = Broker::bind("127.0.0.1:0")?;
    /// let url = format!("mqtt://{}", broker.local_addr());
    /// let client = Client::connect(&url, options())?;
    /// for left in client.restored() {
    ///     assert_eq!(left.payload, "21.5");
    ///     left.token.acknowledged()?;
    /// }
    /// # client.close(Duration::from_secs(5))?;
    /// # broker.shutdown(Duration::from_secs(5))?;
    /// # std::fs::remove_file(&path)?;
    /// # std::fs::remove_file(format!("{}.lock", path.display()))?;
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn restored(&self) -> Vec<Restored> {
        let restored = self.shared().restored().into_iter();
        restored
            .map(|left| Restored {
                topic: left.topic,
                payload: left.payload,
                token: Token {
                    slot: left.slot,
                    qos: left.qos,
                },
            })
            .collect()
    }

    /// The messages that match no subscription of this client: those of a session that an
    /// earlier program left, or that were on their way when a subscription ended. Every call
    /// gives the same stream. A subscription can have them among its own, see
    /// [`SubscribeOptions::unmatched`].
    #[must_use]
    pub fn unmatched(&self) -> Messages {
        Messages {
            inbox: self.shared().unmatched(),
        }
    }

    /// Where the client is now.
    #[must_use]
    pub fn state(&self) -> State {
        self.shared().state()
    }

    /// Waits until the client is in a state that `wanted` picks, at most for `limit`; that
    /// state. A state that passes quickly may be missed: [`Client::watch`] misses none.
    pub fn wait_for_state(
        &self,
        limit: Duration,
        wanted: impl Fn(&State) -> bool,
    ) -> Option<State> {
        let deadline = Instant::now().checked_add(limit);
        let wanted = |state: &State| wanted(state).then(|| state.clone());
        wait(deadline, self.shared().when(wanted))
    }

    /// The changes of the state from now on, with their causes.
    #[must_use]
    pub fn watch(&self) -> States {
        States {
            inbox: self.shared().watch(),
        }
    }

    /// What was accepted for publishing and is not settled.
    #[must_use]
    pub fn unsettled(&self) -> Undelivered {
        self.shared().unsettled()
    }

    /// What the client has done so far, and what it has to do.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared().counters()
    }

    /// Closes the client: nothing more is accepted, what was accepted is given `limit` to be
    /// acknowledged, then the server is told goodbye and the connection is closed. It returns
    /// when that is done, and when `limit` is over at the latest, whatever the peer does. Tokens
    /// that are not resolved by then resolve to [`Cause::Closed`], and streams end.
    ///
    /// The will is not published, and the session ends with the connection unless
    /// [`Options::clean_start`] is off.
    ///
    /// # Errors
    /// What was left. Closing again gives the same answer.
    pub fn close(&self, limit: Duration) -> Result<(), Undelivered> {
        let left = self.handle.close(Instant::now() + limit.min(LONGEST));
        if left.messages() == 0 {
            Ok(())
        } else {
            Err(left)
        }
    }
}

fn boxed<S: Stream + 'static>(
    mut open: impl FnMut(Duration) -> Result<S, Cause> + Send + 'static,
) -> Dial {
    Box::new(move |limit| Ok(Box::new(open(limit)?)))
}

fn to_url(url: &str, options: Options) -> Result<(Dial, Options), ConnectError> {
    let mut address: Address = url.parse()?;
    let options = options.login_of(&mut address);
    Ok((boxed(opener(&address, &options)?), options))
}
