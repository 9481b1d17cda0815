//! Waiting, on a thread, for what is told through wakers.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

struct Sleeper(Thread);

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits until `future` is ready, for ever without a deadline; None when that has come first.
pub(crate) fn wait<T>(deadline: Option<Instant>, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut poll = |waker: &Waker| future.as_mut().poll(&mut Context::from_waker(waker));
    // What is ready already costs no waker.
    if let Poll::Ready(value) = poll(Waker::noop()) {
        return Some(value);
    }
    let waker = Waker::from(Arc::new(Sleeper(thread::current())));
    loop {
        if let Poll::Ready(value) = poll(&waker) {
            return Some(value);
        }
        let Some(deadline) = deadline else {
            thread::park();
            continue;
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mqtt_driver::{Slot, Wakes};
    use std::future::{pending, ready};
    use std::time::Duration;

    #[test]
    fn a_value_that_another_thread_leaves_ends_the_waiting() {
        let slot = Arc::new(Slot::default());
        let filled = Arc::clone(&slot);
        let thread = thread::spawn(move || filled.fill(7, &mut Wakes::default()));
        assert_eq!(wait(None, slot.filled()), Some(7));
        thread.join().unwrap();
    }

    #[test]
    fn waiting_ends_at_its_deadline_and_not_before() {
        let deadline = Instant::now() + Duration::from_millis(20);
        // What is left from an earlier waking ends it as little.
        thread::current().unpark();
        assert_eq!(wait(Some(deadline), pending::<()>()), None);
        assert!(Instant::now() >= deadline);
    }

    #[test]
    fn what_is_ready_is_found_though_the_deadline_is_over() {
        assert_eq!(wait(Some(Instant::now()), ready(1)), Some(1));
    }
}
