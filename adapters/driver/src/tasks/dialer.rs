//! Opening streams, one attempt at a time.

use super::bridge::{Bridge, Stream};
use super::runtime::Runtime;
use super::wait::{after, until};
use crate::address::Address;
#[cfg(unix)]
use crate::address::Scheme;
use crate::error::Cause;
use crate::layers::Layers;
use crate::line::Carrier;
use crate::options::{Asked, Credentials, Login};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

/// A future that may be sent to another thread.
pub(super) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A stream and what CONNECT says over it.
pub(super) type Opened = Result<(Box<dyn Carrier>, Credentials), Cause>;

/// What opens streams, within the time limit that it is given. The waker wakes the client's task.
pub struct Dial(Box<Open>);

type Open = dyn FnMut(Duration, &Waker) -> Opening + Send;

type Opening = Boxed<Result<Box<dyn Carrier>, Cause>>;

impl Dial {
    /// By a function of the application.
    pub fn new<S, F>(mut open: impl FnMut(Duration) -> F + Send + 'static) -> Self
    where
        S: Stream,
        F: Future<Output = Result<S, Cause>> + Send + 'static,
    {
        Self(Box::new(move |limit, waker| {
            let (opening, waker) = (open(limit), waker.clone());
            Box::pin(async move {
                let carrier: Box<dyn Carrier> = Box::new(Bridge::new(opening.await?, &waker));
                Ok(carrier)
            })
        }))
    }

    /// To an address.
    pub(super) fn to<R: Runtime>(address: Address, layers: Layers) -> Self {
        let target = Arc::new((address, layers));
        Self(Box::new(move |limit, waker| {
            let (target, waker) = (Arc::clone(&target), waker.clone());
            Box::pin(async move {
                let (address, layers) = &*target;
                let carrier: Box<dyn Carrier> = match address.scheme {
                    #[cfg(unix)]
                    Scheme::Unix => Box::new(Bridge::new(unix::<R>(address).await?, &waker)),
                    _ => {
                        let tcp = tcp::<R>(address, limit).await?;
                        Box::new(layers.over(Bridge::new(tcp, &waker))?)
                    }
                };
                Ok(carrier)
            })
        }))
    }
}

#[cfg(unix)]
async fn unix<R: Runtime>(address: &Address) -> Result<R::Unix, Cause> {
    let stream = R::connect_unix(address.path.as_ref()).await;
    stream.map_err(|error| Cause::Unreachable {
        address: address.path.clone(),
        error: Arc::new(error),
    })
}

/// Connects to an address, trying all that its name has in turn.
async fn tcp<R: Runtime>(address: &Address, limit: Duration) -> Result<R::Tcp, Cause> {
    let deadline = after::<R>(limit);
    let found = R::resolve(&address.host, address.port).await;
    let found = found.map_err(|error| Cause::UnknownHost {
        host: address.host.clone(),
        error: Arc::new(error),
    })?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut remaining = u32::try_from(found.len()).unwrap_or(u32::MAX);
    for target in found {
        // What one address does not use of its share is the next one's.
        let now = R::now();
        let share = deadline.saturating_duration_since(now) / remaining.max(1);
        remaining = remaining.saturating_sub(1);
        match until::<R, _>(now.checked_add(share), R::connect(target)).await {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => last = error,
            None => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(Cause::Unreachable {
        address: address.authority(),
        error: Arc::new(last),
    })
}

/// Makes one attempt at a time.
pub(super) struct Dialer<R> {
    tools: Arc<Mutex<Tools>>,
    limit: Duration,
    attempt: Option<Boxed<Opened>>,
    /// What has come of the attempt.
    opened: Option<Opened>,
    /// An attempt that is to be dropped.
    given_up: Option<Boxed<Opened>>,
    runtime: std::marker::PhantomData<fn() -> R>,
}

struct Tools {
    dial: Dial,
    /// What gives the credentials, and whether it blocks: then its lock is taken for as long.
    login: Option<(Arc<Mutex<Login>>, bool)>,
    /// What a login that blocks was asked, and nobody waits for.
    asking: Option<Boxed<Option<Asked>>>,
}

impl<R: Runtime> Dialer<R> {
    pub(super) fn new(dial: Dial, login: Option<Login>, limit: Duration) -> Self {
        Self {
            tools: Arc::new(Mutex::new(Tools {
                dial,
                login: login.map(|login| {
                    let blocks = login.blocks();
                    (Arc::new(Mutex::new(login)), blocks)
                }),
                asking: None,
            })),
            limit,
            attempt: None,
            opened: None,
            given_up: None,
            runtime: std::marker::PhantomData,
        }
    }

    /// Begins an attempt; [`Dialer::go_on`] has to be called then.
    pub(super) fn begin(&mut self, waker: &Waker) {
        let (tools, limit, waker) = (Arc::clone(&self.tools), self.limit, waker.clone());
        self.attempt = Some(Box::pin(open::<R>(tools, limit, waker)));
    }

    /// Gives the attempt up, if there is one; whether there was.
    pub(super) fn give_up(&mut self) -> bool {
        self.given_up = self.attempt.take();
        self.given_up.is_some()
    }

    /// Goes on with the attempt. What runs then is the application's, and may well call the
    /// client: so this is not done under the client's lock.
    pub(super) fn go_on(&mut self, waker: &Waker) {
        self.given_up = None;
        let Some(attempt) = &mut self.attempt else {
            return;
        };
        let mut cx = Context::from_waker(waker);
        // Its panic is the end of the attempt only.
        let polled = catch_unwind(AssertUnwindSafe(|| attempt.as_mut().poll(&mut cx)));
        let opened = match polled {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(opened)) => opened,
            Err(_) => Err(Cause::Panicked),
        };
        self.attempt = None;
        self.opened = Some(opened);
    }

    /// What has come of the attempt, once.
    pub(super) fn take(&mut self) -> Option<Opened> {
        self.opened.take()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn open<R: Runtime>(tools: Arc<Mutex<Tools>>, limit: Duration, waker: Waker) -> Opened {
    let credentials = credentials::<R>(&tools).await?;
    let opening = (lock(&tools).dial.0)(limit, &waker);
    Ok((opening.await?, credentials))
}

async fn credentials<R: Runtime>(tools: &Arc<Mutex<Tools>>) -> Result<Credentials, Cause> {
    let Some((login, blocks)) = lock(tools).login.clone() else {
        return Ok(Credentials::default());
    };
    let asked = if blocks {
        let asked = Asking::new::<R>(tools, login).await;
        asked.ok_or(Cause::Panicked)?
    } else {
        lock(&login).ask()
    };
    match asked {
        Asked::Given(given) => given,
        Asked::Coming(coming) => coming.await,
    }
}

/// A login that blocks is asked, where that holds up no task. It cannot be kept from answering:
/// who gives up leaves the question to the next attempt, which would only wait behind it.
struct Asking {
    tools: Arc<Mutex<Tools>>,
    asked: Option<Boxed<Option<Asked>>>,
}

impl Asking {
    fn new<R: Runtime>(tools: &Arc<Mutex<Tools>>, login: Arc<Mutex<Login>>) -> Self {
        let begun = lock(tools).asking.take();
        let ask = || -> Boxed<_> { Box::pin(R::unblock(move || lock(&login).ask())) };
        Self {
            tools: Arc::clone(tools),
            asked: Some(begun.unwrap_or_else(ask)),
        }
    }
}

impl Future for Asking {
    type Output = Option<Asked>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Asked>> {
        let Some(asked) = &mut self.asked else {
            return Poll::Ready(None);
        };
        let answer = ready!(asked.as_mut().poll(cx));
        self.asked = None;
        Poll::Ready(answer)
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        lock(&self.tools).asking = self.asked.take();
    }
}
