//! A value that one thread leaves for others to find.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Empty until it is filled, once; what it holds then stays.
#[derive(Debug)]
pub(crate) struct Slot<T> {
    content: Mutex<Content<T>>,
    filled: Condvar,
}

#[derive(Debug)]
struct Content<T> {
    value: Option<T>,
    /// Waking costs a system call even where nobody sleeps.
    waiting: usize,
}

impl<T: Clone> Slot<T> {
    pub(crate) fn new() -> Self {
        Self {
            content: Mutex::new(Content {
                value: None,
                waiting: 0,
            }),
            filled: Condvar::new(),
        }
    }

    pub(crate) fn fill(&self, value: T) {
        let mut content = self.lock();
        content.value.get_or_insert(value);
        if content.waiting > 0 {
            self.filled.notify_all();
        }
    }

    pub(crate) fn value(&self) -> Option<T> {
        self.lock().value.clone()
    }

    /// Waits until it is filled or `deadline` has come; for ever without one.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> Option<T> {
        let mut content = self.lock();
        content.waiting += 1;
        while content.value.is_none() {
            let timed_out;
            (content, timed_out) = wait_until(&self.filled, content, deadline);
            if timed_out {
                break;
            }
        }
        content.waiting -= 1;
        content.value.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Content<T>> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for `changed` until `deadline`, for ever without one; true when that has come.
pub(crate) fn wait_until<'a, T>(
    changed: &Condvar,
    guard: MutexGuard<'a, T>,
    deadline: Option<Instant>,
) -> (MutexGuard<'a, T>, bool) {
    let Some(deadline) = deadline else {
        let guard = changed.wait(guard);
        return (guard.unwrap_or_else(PoisonError::into_inner), false);
    };
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return (guard, true);
    }
    let (guard, _) = changed
        .wait_timeout(guard, left)
        .unwrap_or_else(PoisonError::into_inner);
    (guard, false)
}
