//! The task that drives a client.

use super::dialer::{Dial, Dialer};
use super::link::Link;
use super::runtime::Runtime;
use crate::course::{Course, Input, Next};
use crate::error::{Cause, ConnectError};
use crate::options::Options;
use crate::shared::Shared;
use crate::store::StoreError;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

/// How many turns are taken before other tasks have theirs.
const TURNS: usize = 32;

/// Has a client driven by a task of its own.
pub(super) fn start<R: Runtime>(
    dial: Dial,
    options: Options,
    once: bool,
) -> Result<Arc<Shared>, ConnectError> {
    let task = Task::<R>::new(dial, options, once)?;
    let shared = Arc::clone(&task.ending.0);
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
            this.link.go_on();
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
    fn new(dial: Dial, mut options: Options, once: bool) -> Result<Self, StoreError> {
        let current = Arc::<Current>::default();
        let waker = Waker::from(Arc::clone(&current));
        let shared = Shared::open(&options, waker.clone(), R::now)?;
        let dialer = Dialer::new(dial, options.take_login(), options.time_to_open());
        Ok(Self {
            course: Course::new(Arc::clone(&shared), options, once),
            input: Course::input(),
            link: Link::new(dialer, waker),
            alarm: None,
            current,
            ending: Ending(shared),
        })
    }

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
        while let Some((at, timer)) = &mut self.alarm {
            if Pin::new(timer).poll(cx).is_pending() {
                return true;
            }
            // A timer that was ready once may never be so again: it is not kept.
            let early = *at < until;
            self.alarm = early.then(|| (until, R::timer(until)));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::super::runtime::NoRuntime;
    use super::*;
    use crate::state::State;
    use crate::tasks::Stream;
    use crate::waking::Party;
    use std::cell::{Cell, RefCell};
    use std::convert::Infallible;
    use std::io;
    use std::net::SocketAddr;
    use std::sync::OnceLock;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    thread_local! {
        static NOW: Cell<Instant> = Cell::new(Instant::now());
        static WAITING: RefCell<Vec<Instant>> = const { RefCell::new(Vec::new()) };
        static ANSWERED: Cell<bool> = const { Cell::new(false) };
        static UNBLOCKED: Cell<usize> = const { Cell::new(0) };
    }

    fn pass(span: Duration) {
        NOW.set(NOW.get() + span);
    }

    /// A runtime without a network, whose time the tests tell.
    enum Fake {}

    /// As smol's: ready once.
    struct Once(Instant, bool);

    impl Future for Once {
        type Output = ();

        fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            if self.1 {
                return Poll::Pending;
            }
            self.1 = NOW.get() >= self.0;
            if self.1 {
                return Poll::Ready(());
            }
            WAITING.with_borrow_mut(|waiting| waiting.push(self.0));
            Poll::Pending
        }
    }

    struct NoStream(Infallible);

    impl Stream for NoStream {
        fn poll_read(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
            match self.0 {}
        }

        fn poll_write(&mut self, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            match self.0 {}
        }

        fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            match self.0 {}
        }

        fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            match self.0 {}
        }
    }

    fn no_network() -> io::Error {
        io::ErrorKind::Unsupported.into()
    }

    impl Runtime for Fake {
        type Timer = Once;
        type Tcp = NoStream;
        #[cfg(unix)]
        type Unix = NoStream;

        fn now() -> Instant {
            NOW.get()
        }

        fn timer(at: Instant) -> Once {
            Once(at, false)
        }

        fn spawn(_: impl Future<Output = ()> + Send + 'static) -> Result<(), NoRuntime> {
            Err(NoRuntime)
        }

        async fn unblock<T: Send + 'static>(
            blocking: impl FnOnce() -> T + Send + 'static,
        ) -> Option<T> {
            UNBLOCKED.set(UNBLOCKED.get() + 1);
            let answered = |_: &mut Context<'_>| match ANSWERED.get() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            };
            std::future::poll_fn(answered).await;
            Some(blocking())
        }

        async fn resolve(_: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
            Err(no_network())
        }

        async fn connect(_: SocketAddr) -> io::Result<NoStream> {
            Err(no_network())
        }

        #[cfg(unix)]
        async fn connect_unix(_: &std::path::Path) -> io::Result<NoStream> {
            Err(no_network())
        }
    }

    fn nothing_opens() -> Dial {
        Dial::new(|_| std::future::pending::<Result<NoStream, Cause>>())
    }

    #[test]
    fn a_deadline_that_comes_while_its_timer_is_made_leaves_the_next_one_a_timer() {
        let mut task = Task::<Fake>::new(nothing_opens(), Options::new("a"), false).unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        let start = NOW.get();
        let at = |seconds| Some(start + Duration::from_secs(seconds));
        assert!(task.sleeps(at(1), &mut cx));
        pass(Duration::from_secs(2));
        // The first has come, and so has the second by now.
        assert!(!task.sleeps(at(2), &mut cx));
        WAITING.take();
        assert!(task.sleeps(at(3), &mut cx));
        assert_eq!(WAITING.take(), [start + Duration::from_secs(3)]);
        pass(Duration::from_secs(1));
        assert!(!task.sleeps(at(3), &mut cx));
    }

    #[test]
    fn what_opens_streams_may_call_the_client() {
        let (done, finished) = channel();
        // It would wait for itself.
        std::thread::spawn(move || {
            let client = Arc::new(OnceLock::<Arc<Shared>>::new());
            let own = Arc::clone(&client);
            let dial = Dial::new(move |_| {
                let state = own.get().map(|shared| shared.state());
                let own = Arc::clone(&own);
                async move {
                    assert!(matches!(state, Some(State::Connecting)));
                    own.get().ok_or(Cause::StreamClosed)?.close(NOW.get());
                    Err::<NoStream, _>(Cause::StreamClosed)
                }
            });
            let task = Task::<Fake>::new(dial, Options::new("a"), false).unwrap();
            client.get_or_init(|| Arc::clone(&task.ending.0));
            let mut task = Party::new(task);
            while task.poll().is_none() {}
            let _ = done.send(client.get().map(|shared| shared.state().is_ended()));
        });
        let ended = finished.recv_timeout(Duration::from_secs(30));
        assert_eq!(ended, Ok(Some(true)));
    }

    #[test]
    fn a_login_that_blocks_for_long_is_asked_once_and_holds_nobody_up() {
        let limit = Duration::from_secs(1);
        let mut given = 0;
        let options = Options::new("a")
            .connect_timeout(limit)
            .credentials(move || {
                given += 1;
                assert_eq!(given, 1);
                Err("no".into())
            });
        let task = Task::<Fake>::new(nothing_opens(), options, false).unwrap();
        let shared = Arc::clone(&task.ending.0);
        let mut task = Party::new(task);
        let mut attempts = 0;
        for _ in 0..100 {
            let before = matches!(shared.state(), State::Connecting);
            assert!(task.poll().is_none());
            let after = matches!(shared.state(), State::Connecting);
            attempts += usize::from(before && !after);
            pass(limit);
        }
        assert!(attempts > 2, "{attempts}");
        assert_eq!(UNBLOCKED.get(), 1);
        ANSWERED.set(true);
        for _ in 0..100 {
            pass(limit);
            assert!(task.poll().is_none());
            if let State::Waiting { cause, .. } = shared.state()
                && matches!(cause, Cause::Credentials(_))
            {
                return;
            }
        }
        panic!("{:?}", shared.state());
    }
}
