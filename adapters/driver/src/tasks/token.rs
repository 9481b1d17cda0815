//! What an accepted message is followed by: its acknowledgement, waited for or not.

use crate::error::DeliveryError;
use crate::keeping;
use crate::ledger::Outcome;
use crate::slot::{Filled, Slot};
use bytes::Bytes;
use mqtt_session::{QoS, ReasonCode};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Follows one published message. It always resolves: with the server's answer, or with a typed
/// failure, also when the client is closed, dropped, or gives up. Dropping it changes nothing.
#[derive(Clone, Debug)]
pub struct Token {
    slot: Arc<Slot<Outcome>>,
    qos: QoS,
}

impl Token {
    pub(super) fn new(slot: Arc<Slot<Outcome>>, qos: QoS) -> Self {
        Self { slot, qos }
    }

    /// Waits for the end: the reason code of PUBACK or PUBREC (success, or "no matching
    /// subscribers"); at QoS 0, until the stream has taken the last byte. Dropping the future
    /// changes nothing, and waiting again is possible.
    ///
    /// # Errors
    /// See [`DeliveryError`].
    pub fn acknowledged(&self) -> Acknowledged<'_> {
        Acknowledged {
            filled: self.slot.filled(),
        }
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// See [`DeliveryError`].
    pub fn outcome(&self) -> Option<Result<ReasonCode, DeliveryError>> {
        self.slot.value()
    }

    /// What the message was published with.
    #[must_use]
    pub fn qos(&self) -> QoS {
        self.qos
    }
}

/// The future of [`Token::acknowledged`].
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct Acknowledged<'a> {
    filled: Filled<'a, Outcome>,
}

impl Future for Acknowledged<'_> {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        Pin::new(&mut self.get_mut().filled).poll(cx)
    }
}

/// A message that an earlier program published and did not see settled.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Restored {
    /// Its topic; None once the server has taken it at QoS 2, and only its identifier is kept.
    pub topic: Option<String>,
    /// Its payload, as long as there is a topic; empty where it was drawn from the application,
    /// which nobody goes on with: the message is given up.
    pub payload: Bytes,
    /// What follows it.
    pub token: Token,
}

impl Restored {
    pub(super) fn new(left: keeping::Restored) -> Self {
        Self {
            topic: left.topic,
            payload: left.payload,
            token: Token::new(left.slot, left.qos),
        }
    }
}
