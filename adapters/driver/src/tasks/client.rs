//! The client as the application holds it.

use super::asking::Requester;
use super::dialer::Dial;
use super::messages::{Messages, States};
use super::runtime::Runtime;
use super::subscription::Subscription;
use super::task;
use super::token::Restored;
use super::wait::{after, until};
use crate::address::Address;
use crate::counters::Counters;
use crate::error::{Cause, ConnectError, SubscribeError, Undelivered};
use crate::layers::Layers;
use crate::message::Message;
use crate::options::Options;
use crate::publication::Publication;
use crate::shared::{Shared, Subscribing};
use crate::state::State;
use crate::subscribe::SubscribeOptions;
use bytes::Bytes;
use mqtt_session::QoS;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// How long a client goes on when its last handle was dropped.
const LINGER: Duration = Duration::from_millis(500);

/// An MQTT 5.0 client that drives itself: a task of its own keeps the connection, makes a new
/// one when it is lost, and goes on where the last one ended. Clones are handles to the same
/// client.
///
/// Any future may be dropped before it is ready; what that means is said at each call.
///
/// Dropping the last handle closes the client as [`Client::close`] does, within half a second,
/// as long as the runtime lives.
pub struct Client<R> {
    handle: Arc<Handle<R>>,
}

struct Handle<R> {
    shared: Arc<Shared>,
    requester: Requester<R>,
    /// Tells the time, also where no runtime can be reached any more.
    linger: fn() -> std::time::Instant,
}

impl<R> Drop for Handle<R> {
    fn drop(&mut self) {
        self.shared.close((self.linger)());
    }
}

impl<R> Clone for Client<R> {
    fn clone(&self) -> Self {
        Self {
            handle: Arc::clone(&self.handle),
        }
    }
}

impl<R> fmt::Debug for Client<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl<R: Runtime> Client<R> {
    /// Connects to the server at `url`, `mqtt://user:password@host:port`, and is ready when it
    /// has accepted. When the first attempt fails, that is the error; later connections are made
    /// by the client itself. Dropped before it is ready, there is no client.
    ///
    /// # Errors
    /// See [`ConnectError`]: each says in its text what to look at.
    pub async fn connect(url: &str, options: Options) -> Result<Self, ConnectError> {
        let (dial, options) = to_url::<R>(url, options)?;
        Self::first(dial, options).await
    }

    /// As [`Client::connect`], without waiting: attempts are made until one succeeds, and what
    /// is published meanwhile waits in the queue. See [`Client::watch`] for how it goes.
    ///
    /// # Errors
    /// See [`ConnectError`]; nothing that the network does is among them.
    pub fn start(url: &str, options: Options) -> Result<Self, ConnectError> {
        let (dial, options) = to_url::<R>(url, options)?;
        Self::launch(dial, options, false)
    }

    /// As [`Client::connect`], over the streams that `dial` opens.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect_over(
        dial: impl Into<Dial>,
        options: Options,
    ) -> Result<Self, ConnectError> {
        Self::first(dial.into(), options).await
    }

    /// As [`Client::start`], over the streams that `dial` opens.
    ///
    /// # Errors
    /// See [`ConnectError`]; nothing that the network does is among them.
    pub fn start_over(dial: impl Into<Dial>, options: Options) -> Result<Self, ConnectError> {
        Self::launch(dial.into(), options, false)
    }

    async fn first(dial: Dial, options: Options) -> Result<Self, ConnectError> {
        let client = Self::launch(dial, options, true)?;
        let result = client.shared().when(State::first_attempt).await;
        result.map_err(ConnectError::NotConnected)?;
        Ok(client)
    }

    fn launch(dial: Dial, options: Options, once: bool) -> Result<Self, ConnectError> {
        let shared = task::start::<R>(dial, options, once)?;
        Ok(Self {
            handle: Arc::new(Handle {
                requester: Requester::new(Arc::clone(&shared)),
                shared,
                linger: || after::<R>(LINGER),
            }),
        })
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.handle.shared
    }

    /// A message for `topic`, at QoS 0 unless said otherwise; awaiting it hands it over. A
    /// payload handed over as [`Bytes`] is not copied.
    pub fn publish<'a>(
        &'a self,
        topic: &'a str,
        payload: impl Into<Bytes>,
    ) -> Publication<'a, Self> {
        Publication::new(self, topic, payload.into())
    }

    /// A request to `topic`, at QoS 1 unless said otherwise; awaiting it publishes it and gives the
    /// answer (section 4.10). The answer comes to [`Options::response_topic`] and is found by
    /// its correlation data; both are set by the client. It is waited for as long as the request
    /// is of use, see [`Publication::expiry`], and 30 seconds where that is not said.
    ///
    /// # Errors
    /// See [`AnswerError`](crate::AnswerError).
    pub fn request<'a>(
        &'a self,
        topic: &'a str,
        payload: impl Into<Bytes>,
    ) -> Publication<'a, Requester<R>> {
        let requester = &self.handle.requester;
        Publication::new(requester, topic, payload.into()).qos(QoS::AtLeastOnce)
    }

    /// The answer to a request that has come, with its correlation data and at its QoS; awaiting
    /// it hands it over. None where the message asks for no answer.
    pub fn respond<'a>(
        &'a self,
        request: &'a Message,
        payload: impl Into<Bytes>,
    ) -> Option<Publication<'a, Self>> {
        Publication::answering(self, request, payload.into())
    }

    /// Takes away the message that the server keeps for a topic; awaiting it hands that over.
    pub fn clear_retained<'a>(&'a self, topic: &'a str) -> Publication<'a, Self> {
        let empty = Publication::new(self, topic, Bytes::new());
        empty.retain(true).qos(QoS::AtLeastOnce)
    }

    /// The messages that the server keeps for a filter, as far as they come before it has been
    /// silent for `quiet`: no packet says which of them is the last.
    ///
    /// # Errors
    /// See [`SubscribeError`].
    pub async fn retained(
        &self,
        filter: &str,
        quiet: Duration,
    ) -> Result<Vec<Message>, SubscribeError> {
        let messages = self.subscribe(filter, QoS::AtLeastOnce).await?;
        let mut kept = Vec::new();
        let mut silent = after::<R>(quiet);
        while let Some(Some(message)) = until::<R, _>(Some(silent), messages.recv()).await {
            // What is published meanwhile is no sign of more.
            if message.retain {
                silent = after::<R>(quiet);
                kept.push(message);
            }
        }
        Ok(kept)
    }

    /// Subscribes to a filter and waits for the server's answer, through reconnections if need
    /// be. The options are a [`QoS`](mqtt_session::QoS) or [`SubscribeOptions`]. Dropped before
    /// it is ready, what was asked for is taken back.
    ///
    /// Several subscriptions to the same filter each get every message; the server knows one,
    /// with the options of the last.
    ///
    /// # Errors
    /// See [`SubscribeError`]; there is no subscription then.
    pub async fn subscribe(
        &self,
        filter: &str,
        options: impl Into<SubscribeOptions>,
    ) -> Result<Subscription<R>, SubscribeError> {
        let options = options.into();
        let asked = self.shared().subscribe(filter, &options)?;
        self.subscribed(vec![filter.to_owned()], asked, &options)
            .await
    }

    /// Subscribes to several filters for one stream, which has each message once, in order of
    /// arrival, also where two of the filters match it. It is asked for again after a lost session
    /// as each other, and ends as a whole. Dropped before it is ready, what was asked for is taken
    /// back.
    ///
    /// A server may send a copy for each filter. They are one message where it says for which
    /// filter each is; not all servers do.
    ///
    /// # Errors
    /// See [`SubscribeError`]: [`SubscribeError::OneOf`] names the filter that was refused. There
    /// is no subscription to any of them then.
    pub async fn subscribe_all<F: AsRef<str>>(
        &self,
        filters: impl IntoIterator<Item = F>,
        options: impl Into<SubscribeOptions>,
    ) -> Result<Subscription<R>, SubscribeError> {
        let options = options.into();
        let filters = filters.into_iter();
        let filters: Vec<_> = filters.map(|filter| filter.as_ref().to_owned()).collect();
        let each = filters.iter().map(String::as_str);
        let asked = self.shared().subscribe_all(each, &options)?;
        self.subscribed(filters, asked, &options).await
    }

    /// Waits for the answer to what was asked for.
    async fn subscribed(
        &self,
        filters: Vec<String>,
        (inbox, answer): Subscribing,
        options: &SubscribeOptions,
    ) -> Result<Subscription<R>, SubscribeError> {
        let deadline = options.timeout.map(after::<R>);
        let mut subscription = Subscription {
            shared: Arc::clone(&self.handle.shared),
            messages: Messages::new(inbox),
            filters,
            granted: Arc::default(),
            runtime: PhantomData,
        };
        // Dropping it takes back what was asked for.
        let answer = until::<R, _>(deadline, answer.filled()).await;
        subscription.granted = answer.unwrap_or(Err(SubscribeError::TimedOut))?;
        Ok(subscription)
    }

    /// Ends all subscriptions to a filter and waits for the server's answer, at most for
    /// `limit`. The server is told also when this client knows no such subscription: an earlier
    /// program may have left it in the session. Dropped before it is ready, the server is told
    /// all the same.
    ///
    /// # Errors
    /// See [`SubscribeError`].
    pub async fn unsubscribe(&self, filter: &str, limit: Duration) -> Result<(), SubscribeError> {
        let answer = self.shared().unsubscribe(filter)?;
        let answer = until::<R, _>(Some(after::<R>(limit)), answer.filled()).await;
        answer.unwrap_or(Err(SubscribeError::TimedOut)).map(drop)
    }

    /// What an earlier program published with the session that [`Options::store_in`] keeps, and
    /// did not see settled: in the order in which it is sent. The first call has it.
    #[must_use]
    pub fn restored(&self) -> Vec<Restored> {
        let restored = self.shared().restored().into_iter();
        restored.map(Restored::new).collect()
    }

    /// The messages that match no subscription of this client: those of a session that an
    /// earlier program left, or that were on their way when a subscription ended. Every call
    /// gives the same stream.
    #[must_use]
    pub fn unmatched(&self) -> Messages {
        Messages::new(self.shared().unmatched())
    }

    /// Where the client is now.
    #[must_use]
    pub fn state(&self) -> State {
        self.shared().state()
    }

    /// Waits until the client is in a state that `wanted` picks, at most for `limit`; that
    /// state. A state that passes quickly may be missed: [`Client::watch`] misses none.
    pub async fn wait_for_state(
        &self,
        limit: Duration,
        wanted: impl Fn(&State) -> bool,
    ) -> Option<State> {
        let wanted = |state: &State| wanted(state).then(|| state.clone());
        until::<R, _>(Some(after::<R>(limit)), self.shared().when(wanted)).await
    }

    /// The changes of the state from now on, with their causes.
    #[must_use]
    pub fn watch(&self) -> States {
        States::new(self.shared().watch())
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
    /// acknowledged, then the server is told goodbye and the connection is closed. It is ready
    /// when that is done, and when `limit` is over at the latest, whatever the peer does. Tokens
    /// that are not resolved by then resolve to [`Cause::Closed`], and streams end. Dropped
    /// before it is ready, the client goes on closing.
    ///
    /// The will is not published, and the session ends with the connection unless
    /// [`Options::clean_start`] is off.
    ///
    /// # Errors
    /// What was left. Closing again gives the same answer.
    pub async fn close(&self, limit: Duration) -> Result<(), Undelivered> {
        let deadline = after::<R>(limit);
        self.shared().close(deadline);
        let ended = |state: &State| state.is_ended().then_some(());
        until::<R, _>(Some(deadline), self.shared().when(ended)).await;
        let left = self.shared().end(&Cause::Closed);
        if left.messages() == 0 {
            Ok(())
        } else {
            Err(left)
        }
    }
}

fn to_url<R: Runtime>(url: &str, options: Options) -> Result<(Dial, Options), ConnectError> {
    let mut address: Address = url.parse()?;
    let options = options.login_of(&mut address);
    let layers = Layers::new(&address, &options)?;
    Ok((Dial::to::<R>(address, layers), options))
}
