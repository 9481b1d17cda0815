//! Futures polled by hand, and dropped at every point where an await can be left.

use super::Own;
use super::peer::LIMIT;
use crate::facade::World;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// How often a party was woken.
#[derive(Default)]
struct Counter {
    count: Mutex<usize>,
    changed: Condvar,
}

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        *self.count.lock().unwrap() += 1;
        self.changed.notify_all();
    }
}

/// A future that is polled within the runtime, from outside of any task.
pub(crate) struct ByHand<'a, T> {
    future: Pin<Box<dyn Future<Output = T> + 'a>>,
    counter: Arc<Counter>,
    /// How often it had been woken when it was polled last.
    seen: usize,
}

impl<'a, T> ByHand<'a, T> {
    pub(crate) fn new(future: impl Future<Output = T> + 'a) -> Self {
        Self {
            future: Box::pin(future),
            counter: Arc::default(),
            seen: 0,
        }
    }

    pub(crate) fn poll(&mut self) -> Option<T> {
        self.seen = *self.counter.count.lock().unwrap();
        let waker = Waker::from(Arc::clone(&self.counter));
        let mut cx = Context::from_waker(&waker);
        let polled = Own::wait(poll_fn(|_| Poll::Ready(self.future.as_mut().poll(&mut cx))));
        match polled {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    /// Waits until it is woken: it was pending when it was polled last.
    #[track_caller]
    pub(crate) fn woken(&self) {
        let count = self.counter.count.lock().unwrap();
        let waiting = |count: &mut usize| *count == self.seen;
        let changed = &self.counter.changed;
        let waited = changed.wait_timeout_while(count, LIMIT, waiting).unwrap().1;
        assert!(!waited.timed_out(), "a pending future is not woken");
    }

    /// Polls it to its end.
    #[track_caller]
    pub(crate) fn finish(mut self) -> T {
        loop {
            if let Some(value) = self.poll() {
                return value;
            }
            self.woken();
        }
    }
}

/// Where a future is left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    /// How often it was polled.
    polls: usize,
    /// Whether it has been woken since.
    woken: bool,
}

impl Point {
    /// Whether the future is polled at all.
    pub(crate) fn polled(self) -> bool {
        self.polls > 0
    }

    /// Takes a future as far as this point and drops it there; what it gave, if it got to its
    /// end. `stir` makes what it waits for happen, when it waits for the first time and is to go
    /// on; where it does not come to that, it happens when the future is gone; it is told whether the future was polled.
    #[track_caller]
    pub(crate) fn leave<T>(
        self,
        future: impl Future<Output = T>,
        stir: impl FnOnce(bool),
    ) -> Option<T> {
        let mut stir = Some(stir);
        let mut future = ByHand::new(future);
        let mut output = None;
        for poll in 1..=self.polls {
            output = future.poll();
            if output.is_some() {
                break;
            }
            if poll < self.polls || self.woken {
                if let Some(stir) = stir.take() {
                    stir(true);
                }
                future.woken();
            }
        }
        drop(future);
        if let Some(stir) = stir {
            stir(self.polled());
        }
        output
    }
}

/// Plays a scene for each point where its future can be left, until it gets to its end; the scene
/// says whether it has.
#[track_caller]
pub(crate) fn at_every_await(mut scene: impl FnMut(Point) -> bool) {
    for polls in 0..100 {
        for woken in [false, true] {
            if woken && polls == 0 {
                continue;
            }
            let ended = scene(Point { polls, woken });
            if ended {
                assert!(polls > 0, "a future is ready without being polled");
                return;
            }
        }
    }
    panic!("it never gets to its end");
}
