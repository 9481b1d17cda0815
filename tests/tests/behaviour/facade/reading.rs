//! What is read: messages and changes of the state.

use super::World;
use mqtt_driver::{Message, State, SubscribeError, tasks};
use mqtt_session::QoS;
use std::marker::PhantomData;
use std::time::Duration;

#[derive(Debug)]
pub(crate) struct Messages<W> {
    pub(crate) inner: tasks::Messages,
    world: PhantomData<W>,
}

impl<W: World> Messages<W> {
    pub(crate) fn new(inner: tasks::Messages) -> Self {
        let world = PhantomData;
        Self { inner, world }
    }

    pub(crate) fn recv(&self) -> Option<Message> {
        W::wait(self.inner.recv())
    }

    pub(crate) fn recv_timeout(&self, limit: Duration) -> Option<Message> {
        W::wait_for(limit, self.inner.recv()).flatten()
    }

    pub(crate) fn try_recv(&self) -> Option<Message> {
        self.inner.try_recv()
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.inner.dropped()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.inner.has_ended()
    }
}

impl<W: World> Iterator for Messages<W> {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        W::wait(self.inner.next())
    }
}

#[derive(Debug)]
pub(crate) struct States<W> {
    pub(crate) inner: tasks::States,
    world: PhantomData<W>,
}

impl<W: World> States<W> {
    pub(crate) fn new(inner: tasks::States) -> Self {
        let world = PhantomData;
        Self { inner, world }
    }

    pub(crate) fn recv(&self) -> Option<State> {
        W::wait(self.inner.recv())
    }

    pub(crate) fn try_recv(&self) -> Option<State> {
        self.inner.try_recv()
    }

    pub(crate) fn recv_timeout(&self, limit: Duration) -> Option<State> {
        W::wait_for(limit, self.inner.recv()).flatten()
    }
}

impl<W: World> Iterator for States<W> {
    type Item = State;

    fn next(&mut self) -> Option<State> {
        W::wait(self.inner.next())
    }
}

#[derive(Debug)]
pub(crate) struct Subscription<W: World> {
    pub(crate) inner: tasks::Subscription<W::Runtime>,
}

impl<W: World> Subscription<W> {
    pub(crate) fn new(inner: tasks::Subscription<W::Runtime>) -> Self {
        Self { inner }
    }

    pub(crate) fn topic_filter(&self) -> &str {
        self.inner.topic_filter()
    }

    pub(crate) fn granted(&self) -> QoS {
        self.inner.granted()
    }

    pub(crate) fn grants(&self) -> impl Iterator<Item = (&str, QoS)> {
        self.inner.grants()
    }

    pub(crate) fn recv(&self) -> Option<Message> {
        W::wait(self.inner.recv())
    }

    pub(crate) fn recv_timeout(&self, limit: Duration) -> Option<Message> {
        W::wait_for(limit, self.inner.recv()).flatten()
    }

    pub(crate) fn try_recv(&self) -> Option<Message> {
        self.inner.try_recv()
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.inner.dropped()
    }

    pub(crate) fn ended(&self) -> Option<SubscribeError> {
        self.inner.ended()
    }

    pub(crate) fn unsubscribe(self, limit: Duration) -> Result<(), SubscribeError> {
        W::wait(self.inner.unsubscribe(limit))
    }
}

impl<W: World> Iterator for Subscription<W> {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        W::wait(self.inner.next())
    }
}
