//! What is known of messages that came in, found by identifier: nothing costs more with more in
//! flight.

use crate::id_table::{self, IdEntry};
use crate::receipt::{Receipt, Stage};
use crate::ring::Ring;
use alloc::vec::Vec;

/// PUBREC is owed, or waits for the application.
const OWED: u16 = 0;
/// As [`Stage::Open`].
const OPEN: u16 = 1;
/// As [`Stage::Earlier`].
const EARLIER: u16 = 2;

/// Three tables that grow together up to a bound.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReceiptIndex {
    /// Identifiers of QoS 2 messages between PUBLISH and PUBREL.
    received: Vec<IdEntry>,
    /// PUBACK and PUBREC, owed or awaited, in order of arrival.
    acks: Ring,
    /// PUBCOMP, and PUBREL for what is unknown.
    releases: Ring,
    /// QoS 2 messages of this connection between PUBREC and PUBCOMP.
    open: u16,
    /// How many entries each ring may have.
    most: u16,
}

impl ReceiptIndex {
    /// An empty one that never has more than so many entries in a ring.
    pub(crate) fn new(most: u16) -> Self {
        Self {
            most,
            ..Self::default()
        }
    }

    pub(crate) fn most(&self) -> u16 {
        self.most
    }

    pub(crate) fn outstanding(&self) -> u16 {
        self.acks.len().saturating_add(self.open)
    }

    pub(crate) fn acks(&self) -> u16 {
        self.acks.len()
    }

    pub(crate) fn known(&self, id: u16) -> Option<Stage> {
        id_table::find(&self.received, id).map(|value| match value {
            OPEN => Stage::Open,
            EARLIER => Stage::Earlier,
            _ => Stage::PubRec,
        })
    }

    pub(crate) fn ack(&mut self, index: u16) -> Option<&mut Receipt> {
        self.acks.get_mut(index)
    }

    pub(crate) fn put(&mut self, receipt: Receipt) -> bool {
        if !receipt.stage.is_ack() {
            if self.releases.is_full() && !self.grow() {
                return false;
            }
            // PUBCOMP takes over the place in Receive Maximum.
            if receipt.stage != Stage::PubRel {
                id_table::remove(&mut self.received, receipt.id);
            }
            return self.releases.push(receipt);
        }
        if self.acks.is_full() && !self.grow() {
            return false;
        }
        (!receipt.stage.is_known() || self.remember(receipt.id)) && self.acks.push(receipt)
    }

    /// Remembers a QoS 2 message. The table may have to grow for it although nothing is owed: a
    /// server may have many messages between PUBREC and PUBREL.
    pub(crate) fn remember(&mut self, id: u16) -> bool {
        if let Some((at, value)) = id_table::locate(&self.received, id) {
            if value == OPEN {
                self.open = self.open.saturating_sub(1);
            }
            return id_table::set_at(&mut self.received, at, OWED);
        }
        id_table::insert(&mut self.received, id, OWED)
            || (self.grow() && id_table::insert(&mut self.received, id, OWED))
    }

    pub(crate) fn next(&self) -> Option<Receipt> {
        self.acks
            .first()
            .filter(|receipt| receipt.stage.ready().is_some())
            .or_else(|| self.releases.first())
    }

    pub(crate) fn written(&mut self, receipt: Receipt) {
        match receipt.stage {
            Stage::PubRec => {
                self.acks.pop();
                if receipt.reason.is_failure() {
                    // The identifier is a new message's from here on (MQTT-4.3.3-9).
                    id_table::remove(&mut self.received, receipt.id);
                } else {
                    id_table::insert(&mut self.received, receipt.id, OPEN);
                    self.open = self.open.saturating_add(1);
                }
            }
            Stage::PubAck => self.acks.pop(),
            Stage::PubComp => {
                self.releases.pop();
                self.open = self.open.saturating_sub(1);
            }
            _ => self.releases.pop(),
        }
    }

    pub(crate) fn cut(&mut self) {
        while let Some(receipt) = self.acks.first() {
            let received = match receipt.stage {
                // Delivered but not acknowledged by the application: it is not received yet.
                Stage::PubRecAwaited => false,
                Stage::PubRec => !receipt.reason.is_failure(),
                _ => true,
            };
            if !received {
                id_table::remove(&mut self.received, receipt.id);
            }
            self.acks.pop();
        }
        self.releases.clear();
        self.open = 0;
        id_table::for_each(&mut self.received, |value| *value = EARLIER);
    }

    pub(crate) fn clear(&mut self) {
        id_table::clear(&mut self.received);
        self.acks.clear();
        self.releases.clear();
        self.open = 0;
    }

    /// Every QoS 2 message that counts as received.
    pub(crate) fn each_received(&mut self, each: &mut dyn FnMut(u16)) {
        for (id, value) in id_table::iter(&self.received) {
            if value != OWED {
                each(id);
            }
        }
        for index in 0..self.acks.len() {
            if let Some(receipt) = self.acks.get_mut(index).filter(|it| it.is_received()) {
                each(receipt.id);
            }
        }
    }

    /// Remembers a QoS 2 message of an earlier connection.
    pub(crate) fn remember_earlier(&mut self, id: u16) -> bool {
        id_table::insert(&mut self.received, id, EARLIER)
            || (self.grow() && id_table::insert(&mut self.received, id, EARLIER))
    }

    /// Gives the memory back, if no identifier is remembered. The transport is gone.
    #[cfg(feature = "broker")]
    pub(crate) fn release(&mut self) {
        if id_table::is_empty(&self.received) {
            *self = Self::new(self.most);
        }
    }

    /// As `put` and `written` for a new QoS 2 message whose PUBREC leaves at once; false, and
    /// nothing has changed, unless that is as simple as it nearly always is.
    #[cfg(feature = "fast")]
    #[inline(always)]
    pub(crate) fn open_plainly(&mut self, id: u16) -> bool {
        // Where its home is taken it may be known.
        let is_new = id_table::insert_at_home(&mut self.received, id, OPEN);
        if is_new {
            self.open = self.open.saturating_add(1);
        }
        is_new
    }

    /// As `put` and `written` for a message that is released and whose PUBCOMP leaves at once;
    /// false, and nothing has changed, unless that is as simple as it nearly always is.
    #[cfg(feature = "fast")]
    #[inline(always)]
    pub(crate) fn release_plainly(&mut self, id: u16) -> bool {
        if !self.releases.is_empty() {
            return false;
        }
        let at = match id_table::locate(&self.received, id) {
            Some((at, OPEN)) => {
                self.open = self.open.saturating_sub(1);
                at
            }
            Some((at, EARLIER)) => at,
            _ => return false,
        };
        id_table::remove_at(&mut self.received, at);
        true
    }

    fn grow(&mut self) -> bool {
        let now = self.acks.capacity();
        let Some(len) = super::store::longer(now, 4, usize::from(self.most)) else {
            return false;
        };
        self.acks.lengthen(len);
        self.releases.lengthen(len);
        let mut received = alloc::vec![IdEntry::FREE; super::store::identifiers(len)];
        id_table::rehash(&self.received, &mut received);
        self.received = received;
        true
    }
}
