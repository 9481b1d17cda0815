//! The task that drives a client.

use super::dialer::{Dial, Dialer};
use super::link::Link;
use super::runtime::{NoRuntime, Runtime};
use crate::course::{Course, Input, Next};
use crate::error::Cause;
use crate::options::Options;
use crate::shared::Shared;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

/// How many turns are taken before other tasks have theirs.
const TURNS: usize = 32;

/// Has a client driven by a task of its own.
pub(super) fn start<R: Runtime>(
    dial: Dial,
    mut options: Options,
    once: bool,
) -> Result<Arc<Shared>, NoRuntime> {
    let current = Arc::<Current>::default();
    let waker = Waker::from(Arc::clone(&current));
    let shared = Shared::new(&options, waker.clone(), R::now);
    let dialer = Dialer::new(dial, options.take_login(), options.time_to_open());
    let task = Task::<R> {
        course: Course::new(Arc::clone(&shared), options, once),
        input: Course::input(),
        link: Link::new(dialer, waker),
        alarm: None,
        current,
        ending: Ending(Arc::clone(&shared)),
    };
    R::spawn(task)?;
    Ok(shared)
}

struct Task<R: Runtime> {
    course: Course,
    input: Input,
    link: Link<R>,
    /// What wakes it at a deadline, and when.
    alarm: Option<(Instant, R::Timer)>,
    current: Arc<Current>,
    ending: Ending,
}

/// Wakes the task with the waker it was polled with last. So there is one waker for its whole
/// life, for handles, streams and layers to keep.
#[derive(Default)]
struct Current(Mutex<Option<Waker>>);

impl Current {
    fn set(&self, waker: &Waker) {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *current {
            Some(former) => former.clone_from(waker),
            None => *current = Some(waker.clone()),
        }
    }
}

impl Wake for Current {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Not under the lock: who is woken may be polled at once.
        let waker = current.clone();
        drop(current);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Settles everything when the task is gone, whatever it went by.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        let cause = if std::thread::panicking() {
            Cause::Panicked
        } else {
            Cause::RuntimeGone
        };
        self.0.end(&cause);
    }
}

impl<R: Runtime> Future for Task<R> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.current.set(cx.waker());
        this.link.woken();
        for _ in 0..TURNS {
            match this.course.turn(&mut this.link, &mut this.input) {
                // Who was woken may have to run on this very thread.
                Next::Tell => break,
                Next::Read => this.link.read(&mut this.input),
                Next::Sleep(until) => {
                    if this.link.flush() && this.sleeps(until, cx) {
                        return Poll::Pending;
                    }
                }
                Next::End(cause) => {
                    this.ending.0.end(&cause);
                    return Poll::Ready(());
                }
            }
        }
        R::yield_now(cx);
        Poll::Pending
    }
}

impl<R: Runtime> Task<R> {
    /// Sees that it is woken at a deadline; false when that has come.
    fn sleeps(&mut self, until: Option<Instant>, cx: &mut Context<'_>) -> bool {
        let Some(until) = until else {
            return true;
        };
        // Deadlines mostly move on, and a timer that is too early costs one waking: less than
        // setting it anew for each packet.
        if self.alarm.as_ref().is_none_or(|(at, _)| until < *at) {
            self.alarm = Some((until, R::timer(until)));
        }
        let Some((at, timer)) = &mut self.alarm else {
            return true;
        };
        if Pin::new(timer).poll(cx).is_pending() {
            return true;
        }
        if until > *at {
            self.alarm = Some((until, R::timer(until)));
            return match &mut self.alarm {
                Some((_, timer)) => Pin::new(timer).poll(cx).is_pending(),
                None => true,
            };
        }
        self.alarm = None;
        false
    }
}
