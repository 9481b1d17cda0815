//! Acknowledgements in the order in which they leave: a ring that grows when it is told to.

use crate::receipt::Receipt;
use alloc::vec::Vec;

#[derive(Clone, Debug, Default)]
pub(crate) struct Ring {
    entries: Vec<Receipt>,
    head: u16,
    len: u16,
}

impl Ring {
    pub(crate) const fn len(&self) -> u16 {
        self.len
    }

    #[cfg(feature = "fast")]
    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn is_full(&self) -> bool {
        usize::from(self.len) >= self.entries.len()
    }

    pub(crate) fn capacity(&self) -> usize {
        self.entries.len()
    }

    fn place(&self, index: u16) -> usize {
        let at = usize::from(self.head).wrapping_add(usize::from(index));
        if at < self.entries.len() {
            at
        } else {
            at.wrapping_sub(self.entries.len())
        }
    }

    /// The entry `index` places behind the first.
    pub(crate) fn get_mut(&mut self, index: u16) -> Option<&mut Receipt> {
        if index >= self.len {
            return None;
        }
        let at = self.place(index);
        self.entries.get_mut(at)
    }

    pub(crate) fn first(&self) -> Option<Receipt> {
        if self.len == 0 {
            return None;
        }
        self.entries.get(usize::from(self.head)).copied()
    }

    /// Adds an entry at the end; false when it is full.
    pub(crate) fn push(&mut self, receipt: Receipt) -> bool {
        if self.is_full() {
            return false;
        }
        let at = self.place(self.len);
        if let Some(entry) = self.entries.get_mut(at) {
            *entry = receipt;
        }
        self.len = self.len.saturating_add(1);
        true
    }

    pub(crate) fn pop(&mut self) {
        if self.len == 0 {
            return;
        }
        let next = usize::from(self.head).wrapping_add(1);
        let next = if next < self.entries.len() { next } else { 0 };
        self.head = u16::try_from(next).unwrap_or(0);
        self.len = self.len.saturating_sub(1);
    }

    pub(crate) fn clear(&mut self) {
        self.head = 0;
        self.len = 0;
    }

    /// Makes room for `capacity` entries, which is more than now.
    pub(crate) fn lengthen(&mut self, capacity: usize) {
        let head = usize::from(self.head);
        if head <= self.entries.len() {
            self.entries.rotate_left(head);
        }
        self.head = 0;
        self.entries.resize(capacity, Receipt::FREE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(id: u16) -> Receipt {
        Receipt {
            id,
            ..Receipt::FREE
        }
    }

    #[test]
    fn a_ring_keeps_its_order_over_the_end_and_when_it_gets_longer() {
        let mut ring = Ring::default();
        assert!(!ring.push(receipt(1)));
        ring.lengthen(3);
        assert!(ring.push(receipt(1)));
        assert!(ring.push(receipt(2)));
        ring.pop();
        assert!(ring.push(receipt(3)));
        assert!(ring.push(receipt(4)));
        assert!(!ring.push(receipt(5)));
        let ids = |ring: &mut Ring| -> Vec<u16> {
            (0..ring.len())
                .filter_map(|i| ring.get_mut(i).map(|receipt| receipt.id))
                .collect()
        };
        assert_eq!(ids(&mut ring), [2, 3, 4]);
        ring.lengthen(4);
        assert_eq!(ids(&mut ring), [2, 3, 4]);
        assert_eq!(ring.entries[0].id, 2);
        assert!(ring.push(receipt(5)));
        assert!(ring.get_mut(4).is_none());
    }
}
