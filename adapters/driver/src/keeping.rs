//! What is done about the file of a session, where there is one, as the machine goes on.

use crate::error::Cause;
use crate::ledger::{Outcome, Pending};
use crate::shared::Core;
use crate::slot::Slot;
use bytes::Bytes;
use mqtt_session::{QoS, Ticket};
use std::sync::Arc;
use std::time::Instant;

/// A message that an earlier program published and did not see settled.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Restored {
    /// Its topic; None once the server has taken it at QoS 2, and only its identifier is kept.
    pub topic: Option<String>,
    /// Its payload, as long as there is a topic; empty where it was drawn from the application,
    /// which nobody goes on with: the message is given up.
    pub payload: Bytes,
    /// At least once or exactly once.
    pub qos: QoS,
    /// What becomes of it.
    pub slot: Arc<Slot<Outcome>>,
}

impl Core {
    /// What the machine took over from a file is owed to the application as what it publishes.
    pub(crate) fn restore(&mut self) {
        let (ledger, restored) = (&mut self.ledger, &mut self.restored);
        let mut without_source = Vec::new();
        self.machine.each_unsettled(|left| {
            let slot = Arc::<Slot<Outcome>>::default();
            let pending = Pending::Publish {
                slot: Arc::clone(&slot),
                qos: left.qos,
                size: left.topic.map_or(0, str::len) + left.payload.len(),
            };
            ledger.expect(left.ticket, pending);
            if left.drawn.is_some() {
                ledger.sources.lost(left.ticket);
                without_source.push(left.ticket);
            }
            restored.push(Restored {
                topic: left.topic.map(str::to_owned),
                payload: Bytes::copy_from_slice(left.payload),
                qos: left.qos,
                slot,
            });
        });
        ledger.router.adopt();
        // Their identifiers stay reserved where the server may have them.
        for ticket in without_source {
            self.machine.abandon(ticket);
        }
    }

    /// Why nothing may leave any more, if the session cannot be kept.
    pub(crate) fn store_failure(&self) -> Option<Cause> {
        let failure = self.store.as_ref()?.failure()?;
        Some(Cause::Store(failure.clone()))
    }

    fn kept(&self) -> Result<(), Cause> {
        self.store_failure().map_or(Ok(()), Err)
    }

    /// Keeps a message that was published.
    pub(crate) fn note_published(&mut self, ticket: Ticket) -> Result<(), Cause> {
        let Some(store) = &mut self.store else {
            return Ok(());
        };
        store.published(&mut self.machine, ticket);
        self.kept()
    }

    /// Keeps what the bytes that leave next depend on.
    pub(crate) fn note_sending(&mut self) -> Result<(), Cause> {
        let Some(store) = &mut self.store else {
            return Ok(());
        };
        store.sending(&mut self.machine);
        self.kept()
    }

    /// Keeps in mind that a message is settled.
    pub(crate) fn note_settled(&mut self, ticket: Ticket) {
        if let Some(store) = &mut self.store {
            store.settled(&mut self.machine, ticket);
        }
    }

    /// Keeps what has changed with a connection.
    pub(crate) fn note_changed(&mut self) {
        if let Some(store) = &mut self.store {
            store.changed(&mut self.machine);
        }
    }

    /// The loop waits: until when at most, for what was kept to be on the disk.
    pub(crate) fn note_waiting(&mut self, clock: Instant) -> Option<Instant> {
        self.store.as_mut()?.waiting(clock)
    }
}
