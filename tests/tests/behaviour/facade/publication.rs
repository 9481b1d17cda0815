//! A message on its way, and what follows it.

use super::World;
use mqtt_driver::tasks::{self, Client, Requester};
use mqtt_driver::{AnswerError, DeliveryError, Message, PublishError};
use mqtt_session::{QoS, ReasonCode};
use std::io::{self, Read, Seek};
use std::marker::PhantomData;
use std::time::Duration;

/// A message for a client, or a request.
pub(crate) struct Publication<'a, W, To> {
    pub(crate) inner: mqtt_driver::Publication<'a, To>,
    world: PhantomData<W>,
}

impl<'a, W: World, To> Publication<'a, W, To> {
    pub(crate) fn new(inner: mqtt_driver::Publication<'a, To>) -> Self {
        let world = PhantomData;
        Self { inner, world }
    }

    pub(crate) fn qos(self, qos: QoS) -> Self {
        Self::new(self.inner.qos(qos))
    }

    pub(crate) fn retain(self, retain: bool) -> Self {
        Self::new(self.inner.retain(retain))
    }

    pub(crate) fn expiry(self, span: Duration) -> Self {
        Self::new(self.inner.expiry(span))
    }

    pub(crate) fn content_type(self, content_type: &'a str) -> Self {
        Self::new(self.inner.content_type(content_type))
    }

    pub(crate) fn response_topic(self, topic: &'a str) -> Self {
        Self::new(self.inner.response_topic(topic))
    }

    pub(crate) fn correlation_data(self, data: &'a [u8]) -> Self {
        Self::new(self.inner.correlation_data(data))
    }

    pub(crate) fn user_property(self, name: &'a str, value: &'a str) -> Self {
        Self::new(self.inner.user_property(name, value))
    }
}

impl<W: World> Publication<'_, W, Client<W::Runtime>> {
    pub(crate) fn draw_from(
        self,
        len: usize,
        draw: impl FnMut(usize, &mut [u8]) -> io::Result<usize> + Send + 'static,
    ) -> Self {
        Self::new(self.inner.draw_from(len, draw))
    }

    pub(crate) fn read_from(self, len: usize, reader: impl Read + Seek + Send + 'static) -> Self {
        Self::new(self.inner.read_from(len, reader))
    }

    pub(crate) fn send(self) -> Result<Token<W>, PublishError> {
        W::wait(self.inner.send()).map(Token::new)
    }
}

impl<W: World> Publication<'_, W, Requester<W::Runtime>> {
    pub(crate) fn send(self) -> Result<Message, AnswerError> {
        W::wait(self.inner.send())
    }
}

#[derive(Debug)]
pub(crate) struct Token<W> {
    pub(crate) inner: tasks::Token,
    world: PhantomData<W>,
}

impl<W: World> Token<W> {
    fn new(inner: tasks::Token) -> Self {
        let world = PhantomData;
        Self { inner, world }
    }

    pub(crate) fn acknowledged_timeout(
        &self,
        limit: Duration,
    ) -> Result<ReasonCode, DeliveryError> {
        let outcome = W::wait_for(limit, self.inner.acknowledged());
        outcome.unwrap_or(Err(DeliveryError::TimedOut))
    }

    pub(crate) fn outcome(&self) -> Option<Result<ReasonCode, DeliveryError>> {
        self.inner.outcome()
    }
}
