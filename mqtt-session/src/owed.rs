//! Acknowledgements that are owed to the server: a ring of small entries.
//!
//! An acknowledgement is state until there is room to write it, so a blocked output never keeps
//! the machine from reading what a server within its Receive Maximum may send.

use mqtt_proto::ReasonCode;

/// One acknowledgement that is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Owed {
    pub(crate) id: u16,
    pub(crate) kind: OwedKind,
    pub(crate) reason: ReasonCode,
}

/// Which packet is owed, and whether it may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::enum_variant_names, reason = "they are the names of packets")]
pub(crate) enum OwedKind {
    /// PUBACK, once the application has acknowledged.
    PubAckAwaited,
    /// PUBREC, once the application has acknowledged.
    PubRecAwaited,
    PubAck,
    PubRec,
    PubComp,
    /// PUBCOMP for a message that came over an earlier connection or is not known: it takes no
    /// place in this connection's Receive Maximum.
    PubCompUncounted,
    /// PUBREL in answer to a PUBREC for an unknown identifier.
    PubRel,
}

impl Owed {
    pub(crate) const NONE: Self = Self {
        id: 0,
        kind: OwedKind::PubAck,
        reason: ReasonCode::SUCCESS,
    };
}

/// The place of a ring in its slice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Ring {
    head: u16,
    len: u16,
}

impl Ring {
    pub(crate) const fn new() -> Self {
        Self { head: 0, len: 0 }
    }

    pub(crate) const fn len(&self) -> u16 {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn is_full(&self, entries: &[Owed]) -> bool {
        usize::from(self.len) >= entries.len()
    }

    fn place(&self, entries: &[Owed], index: u16) -> usize {
        let at = usize::from(self.head).wrapping_add(usize::from(index));
        if at < entries.len() {
            at
        } else {
            at.wrapping_sub(entries.len())
        }
    }

    /// The entry `index` places behind the first.
    pub(crate) fn get_mut<'e>(&self, entries: &'e mut [Owed], index: u16) -> Option<&'e mut Owed> {
        if index >= self.len {
            return None;
        }
        let at = self.place(entries, index);
        entries.get_mut(at)
    }

    pub(crate) fn first(&self, entries: &[Owed]) -> Option<Owed> {
        if self.is_empty() {
            return None;
        }
        entries.get(usize::from(self.head)).copied()
    }

    pub(crate) fn push(&mut self, entries: &mut [Owed], owed: Owed) -> bool {
        if self.is_full(entries) {
            return false;
        }
        let at = self.place(entries, self.len);
        if let Some(entry) = entries.get_mut(at) {
            *entry = owed;
        }
        self.len = self.len.saturating_add(1);
        true
    }

    pub(crate) fn pop(&mut self, entries: &[Owed]) {
        if self.is_empty() {
            return;
        }
        let next = usize::from(self.head).wrapping_add(1);
        let next = if next < entries.len() { next } else { 0 };
        self.head = u16::try_from(next).unwrap_or(0);
        self.len = self.len.saturating_sub(1);
    }

    /// Moves the first entry to the start of the slice, so that the slice can be made longer.
    pub(crate) fn straighten(&mut self, entries: &mut [Owed]) {
        let head = usize::from(self.head);
        if head <= entries.len() {
            entries.rotate_left(head);
        }
        self.head = 0;
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    fn owed(id: u16) -> Owed {
        Owed { id, ..Owed::NONE }
    }

    #[test]
    fn a_ring_keeps_its_order_over_the_end_and_when_straightened() {
        let mut entries = [Owed::NONE; 3];
        let mut ring = Ring::default();
        assert!(ring.push(&mut entries, owed(1)));
        assert!(ring.push(&mut entries, owed(2)));
        ring.pop(&entries);
        assert!(ring.push(&mut entries, owed(3)));
        assert!(ring.push(&mut entries, owed(4)));
        assert!(!ring.push(&mut entries, owed(5)));
        let ids = |ring: &Ring, entries: &mut [Owed]| -> Vec<u16> {
            (0..ring.len())
                .filter_map(|i| ring.get_mut(entries, i).map(|o| o.id))
                .collect()
        };
        assert_eq!(ids(&ring, &mut entries), [2, 3, 4]);
        ring.straighten(&mut entries);
        assert_eq!(ids(&ring, &mut entries), [2, 3, 4]);
        assert_eq!(entries[0].id, 2);
        assert!(ring.get_mut(&mut entries, 3).is_none());
    }
}
