//! What an accepted message is followed by: its acknowledgement, waited for or not.

use crate::wait::wait;
use bytes::Bytes;
use mqtt_driver::{DeliveryError, Outcome, Slot};
use mqtt_session::{QoS, ReasonCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Follows one published message. It always resolves: with the server's answer, or with a typed
/// failure, also when the client is closed, dropped, or gives up. Dropping it changes nothing.
#[derive(Clone, Debug)]
pub struct Token {
    pub(crate) slot: Arc<Slot<Outcome>>,
    pub(crate) qos: QoS,
}

impl Token {
    /// Waits for the end: the reason code of PUBACK or PUBREC (success, or "no matching
    /// subscribers"); at QoS 0, until the stream has taken the last byte.
    ///
    /// # Errors
    /// See [`DeliveryError`].
    pub fn acknowledged(&self) -> Result<ReasonCode, DeliveryError> {
        // Without a deadline, waiting ends only with a value.
        wait(None, self.slot.filled()).unwrap_or(Err(DeliveryError::TimedOut))
    }

    /// As [`Token::acknowledged`], for at most `limit`.
    ///
    /// # Errors
    /// [`DeliveryError::TimedOut`] when the message is not settled by then; it goes on, and so
    /// may the waiting.
    pub fn acknowledged_timeout(&self, limit: Duration) -> Result<ReasonCode, DeliveryError> {
        let deadline = Instant::now().checked_add(limit);
        wait(deadline, self.slot.filled()).unwrap_or(Err(DeliveryError::TimedOut))
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
