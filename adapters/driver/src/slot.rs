//! A value that one party leaves for others to find.

use crate::waiters::{Place, Waiters, Wakes};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

/// Empty until it is filled, once; what it holds then stays.
#[derive(Debug)]
pub struct Slot<T> {
    content: Mutex<Content<T>>,
}

#[derive(Debug)]
struct Content<T> {
    value: Option<T>,
    waiters: Waiters,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            content: Mutex::new(Content {
                value: None,
                waiters: Waiters::default(),
            }),
        }
    }
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, Content<T>> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone> Slot<T> {
    /// Leaves the value; only the first counts.
    pub fn fill(&self, value: T, wakes: &mut Wakes) {
        let mut content = self.lock();
        content.value.get_or_insert(value);
        content.waiters.wake_all(wakes);
    }

    /// The value, if it is there.
    #[must_use]
    pub fn value(&self) -> Option<T> {
        self.lock().value.clone()
    }

    /// Waits for the value. Any number of parties may.
    pub fn filled(&self) -> Filled<'_, T> {
        Filled {
            slot: self,
            place: Place::default(),
        }
    }
}

/// The future of [`Slot::filled`].
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct Filled<'a, T> {
    slot: &'a Slot<T>,
    place: Place,
}

impl<T: Clone> Future for Filled<'_, T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = self.get_mut();
        let mut content = this.slot.lock();
        if let Some(value) = content.value.clone() {
            return Poll::Ready(value);
        }
        let former = content.waiters.wait(&mut this.place, cx.waker());
        drop(content);
        drop(former);
        Poll::Pending
    }
}

impl<T> Drop for Filled<'_, T> {
    fn drop(&mut self) {
        if self.place.is_taken() {
            let left = self.slot.lock().waiters.leave(&mut self.place);
            drop(left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::waking::Party;

    #[test]
    fn everybody_who_waits_is_woken_and_finds_the_first_value() {
        let slot = Slot::default();
        let (mut one, mut other) = (Party::new(slot.filled()), Party::new(slot.filled()));
        assert_eq!([one.poll(), other.poll()], [None, None]);
        let mut wakes = Wakes::default();
        slot.fill(1, &mut wakes);
        slot.fill(2, &mut wakes);
        // Nobody is woken before the locks are free.
        assert_eq!([one.woken(), other.woken()], [0, 0]);
        drop(wakes);
        assert_eq!([one.woken(), other.woken()], [1, 1]);
        assert_eq!([one.poll(), other.poll()], [Some(1), Some(1)]);
    }

    #[test]
    fn who_moves_to_another_task_is_woken_there() {
        let slot = Slot::default();
        let mut party = Party::new(slot.filled());
        assert_eq!(party.poll(), None);
        let before = party.moved();
        assert_eq!(party.poll(), None);
        slot.fill((), &mut Wakes::default());
        assert_eq!((before.count(), party.woken()), (0, 1));
    }

    #[test]
    fn a_dropped_future_leaves_nothing_behind() {
        let slot = Slot::<()>::default();
        let mut gone = Party::new(slot.filled());
        assert_eq!(gone.poll(), None);
        let counter = gone.counter();
        drop(gone);
        assert_eq!(slot.lock().waiters.len(), 0);
        slot.fill((), &mut Wakes::default());
        assert_eq!(counter.count(), 0);
    }
}
