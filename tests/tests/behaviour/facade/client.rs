//! The client.

use super::{Messages, Noted, Publication, States, Subscription, World, Writes};
use bytes::Bytes;
use mqtt_driver::tasks::{self, Dial, Requester, Runtime};
use mqtt_driver::{
    Address, Cause, ConnectError, Counters, Message, Options, State, SubscribeError,
    SubscribeOptions, Undelivered,
};
use std::future::{Ready, pending};
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// An async client whose futures are waited for.
#[derive(Debug)]
pub(crate) struct Client<W: World> {
    pub(crate) inner: tasks::Client<W::Runtime>,
    world: PhantomData<W>,
}

impl<W: World> Clone for Client<W> {
    fn clone(&self) -> Self {
        Self::of(self.inner.clone())
    }
}

/// The TCP of a runtime.
type Tcp<W> = <<W as World>::Runtime as Runtime>::Tcp;

impl<W: World> Client<W> {
    fn of(inner: tasks::Client<W::Runtime>) -> Self {
        let world = PhantomData;
        Self { inner, world }
    }

    pub(crate) fn connect(url: &str, options: Options) -> Result<Self, ConnectError> {
        W::wait(tasks::Client::connect(url, options)).map(Self::of)
    }

    pub(crate) fn start(url: &str, options: Options) -> Result<Self, ConnectError> {
        W::wait(async { tasks::Client::start(url, options) }).map(Self::of)
    }

    pub(crate) fn start_stuck(options: Options) -> Self {
        let dial = Dial::new(|_| pending::<Result<Tcp<W>, Cause>>());
        let started = W::wait(async { tasks::Client::start_over(dial, options) });
        Self::of(started.unwrap())
    }

    pub(crate) fn connect_panicking(options: Options) -> Result<Self, ConnectError> {
        let dial = Dial::new(|_| -> Ready<Result<Tcp<W>, Cause>> { panic!("wrong by design") });
        W::wait(tasks::Client::connect_over(dial, options)).map(Self::of)
    }

    pub(crate) fn connect_noted(
        url: &str,
        most: usize,
        writes: &Writes,
        options: Options,
    ) -> Result<Self, ConnectError> {
        let address: Address = url.parse()?;
        let address = SocketAddr::new(address.host.parse().unwrap(), address.port);
        let log = Arc::clone(writes);
        let dial = Dial::new(move |_| {
            let writes = Arc::clone(&log);
            async move {
                let stream = W::Runtime::connect(address).await?;
                Ok(Noted::new(stream, writes, most))
            }
        });
        W::wait(tasks::Client::connect_over(dial, options)).map(Self::of)
    }

    pub(crate) fn publish<'a>(
        &'a self,
        topic: &'a str,
        payload: impl Into<Bytes>,
    ) -> Publication<'a, W, tasks::Client<W::Runtime>> {
        Publication::new(self.inner.publish(topic, payload))
    }

    pub(crate) fn request<'a>(
        &'a self,
        topic: &'a str,
        payload: impl Into<Bytes>,
    ) -> Publication<'a, W, Requester<W::Runtime>> {
        Publication::new(self.inner.request(topic, payload))
    }

    pub(crate) fn respond<'a>(
        &'a self,
        request: &'a Message,
        payload: impl Into<Bytes>,
    ) -> Option<Publication<'a, W, tasks::Client<W::Runtime>>> {
        self.inner.respond(request, payload).map(Publication::new)
    }

    pub(crate) fn clear_retained<'a>(
        &'a self,
        topic: &'a str,
    ) -> Publication<'a, W, tasks::Client<W::Runtime>> {
        Publication::new(self.inner.clear_retained(topic))
    }

    pub(crate) fn retained(
        &self,
        filter: &str,
        quiet: Duration,
    ) -> Result<Vec<Message>, SubscribeError> {
        W::wait(self.inner.retained(filter, quiet))
    }

    pub(crate) fn counters(&self) -> Counters {
        self.inner.counters()
    }

    pub(crate) fn subscribe(
        &self,
        filter: &str,
        options: impl Into<SubscribeOptions>,
    ) -> Result<Subscription<W>, SubscribeError> {
        W::wait(self.inner.subscribe(filter, options)).map(Subscription::new)
    }

    pub(crate) fn subscribe_all<F: AsRef<str>>(
        &self,
        filters: impl IntoIterator<Item = F>,
        options: impl Into<SubscribeOptions>,
    ) -> Result<Subscription<W>, SubscribeError> {
        W::wait(self.inner.subscribe_all(filters, options)).map(Subscription::new)
    }

    pub(crate) fn unsubscribe(&self, filter: &str, limit: Duration) -> Result<(), SubscribeError> {
        W::wait(self.inner.unsubscribe(filter, limit))
    }

    pub(crate) fn unmatched(&self) -> Messages<W> {
        Messages::new(self.inner.unmatched())
    }

    pub(crate) fn state(&self) -> State {
        self.inner.state()
    }

    pub(crate) fn wait_for_state(
        &self,
        limit: Duration,
        wanted: impl Fn(&State) -> bool,
    ) -> Option<State> {
        W::wait(self.inner.wait_for_state(limit, wanted))
    }

    pub(crate) fn watch(&self) -> States<W> {
        States::new(self.inner.watch())
    }

    pub(crate) fn unsettled(&self) -> Undelivered {
        self.inner.unsettled()
    }

    pub(crate) fn close(&self, limit: Duration) -> Result<(), Undelivered> {
        W::wait(self.inner.close(limit))
    }
}
