//! Those who wait for something: tasks or threads, it makes no difference.

use std::collections::BTreeMap;
use std::task::Waker;

/// Parties that wait, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    wakers: BTreeMap<u64, Waker>,
    last: u64,
}

/// Where one party stands among those who wait. It is left by whoever gives the waiting up, with
/// the call that goes with it.
#[derive(Debug, Default)]
pub struct Place(Option<u64>);

impl Place {
    /// Whether it was taken and not left.
    pub(crate) fn is_taken(&self) -> bool {
        self.0.is_some()
    }
}

impl Waiters {
    /// Has a party wait, or go on waiting. The waker it waited with before is to be dropped
    /// outside of any lock, for that can end a task.
    #[must_use]
    pub(crate) fn wait(&mut self, place: &mut Place, waker: &Waker) -> Option<Waker> {
        let number = *place.0.get_or_insert_with(|| {
            self.last += 1;
            self.last
        });
        // Who was woken and found nothing has waited longest, and keeps its place.
        self.wakers.insert(number, waker.clone())
    }

    /// Takes a party out.
    #[must_use]
    pub(crate) fn leave(&mut self, place: &mut Place) -> Left {
        match place.0.take().map(|number| self.wakers.remove(&number)) {
            None => Left::Elsewhere,
            Some(None) => Left::Woken,
            Some(Some(waker)) => Left::Waiting { _waker: waker },
        }
    }

    pub(crate) fn wake_one(&mut self, wakes: &mut Wakes) {
        wakes
            .wakers
            .extend(self.wakers.pop_first().map(|(_, waker)| waker));
    }

    pub(crate) fn wake_all(&mut self, wakes: &mut Wakes) {
        if self.wakers.is_empty() {
            return;
        }
        wakes
            .wakers
            .extend(std::mem::take(&mut self.wakers).into_values());
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.wakers.len()
    }
}

/// How a party stood when it left; to be dropped outside of any lock.
#[derive(Debug)]
pub(crate) enum Left {
    /// It did not wait.
    Elsewhere,
    /// It had been woken.
    Woken,
    /// It had not.
    Waiting { _waker: Waker },
}

/// Wakers to be woken when no lock is held: who is woken may come for the lock at once, on this
/// very thread. Dropping it wakes them.
#[derive(Debug, Default)]
pub struct Wakes {
    wakers: Vec<Waker>,
    /// A queue fills: its reader is to run before more comes.
    pub(crate) urgent: bool,
}

impl Wakes {
    /// Whether there is nobody to be woken.
    pub(crate) fn is_empty(&self) -> bool {
        self.wakers.is_empty()
    }

    pub(crate) fn add(&mut self, waker: &Waker) {
        self.wakers.push(waker.clone());
    }
}

impl Drop for Wakes {
    fn drop(&mut self) {
        for waker in self.wakers.drain(..) {
            waker.wake();
        }
    }
}
