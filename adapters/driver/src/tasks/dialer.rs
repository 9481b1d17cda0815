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
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
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
    runtime: std::marker::PhantomData<fn() -> R>,
}

struct Tools {
    dial: Dial,
    login: Option<Login>,
}

impl<R: Runtime> Dialer<R> {
    pub(super) fn new(dial: Dial, login: Option<Login>, limit: Duration) -> Self {
        Self {
            tools: Arc::new(Mutex::new(Tools { dial, login })),
            limit,
            attempt: None,
            runtime: std::marker::PhantomData,
        }
    }

    /// Begins an attempt.
    pub(super) fn begin(&mut self, waker: &Waker) {
        let (tools, limit, waker) = (Arc::clone(&self.tools), self.limit, waker.clone());
        self.attempt = Some(Box::pin(open::<R>(tools, limit, waker)));
    }

    /// Gives the attempt up, if there is one; whether there was.
    pub(super) fn give_up(&mut self) -> bool {
        self.attempt.take().is_some()
    }

    /// What has come of the attempt. None while it goes on.
    pub(super) fn take(&mut self, waker: &Waker) -> Option<Opened> {
        let attempt = self.attempt.as_mut()?;
        let mut cx = Context::from_waker(waker);
        // What opens streams is the application's: its panic is the end of the attempt only.
        let polled = catch_unwind(AssertUnwindSafe(|| attempt.as_mut().poll(&mut cx)));
        let opened = match polled {
            Ok(Poll::Pending) => return None,
            Ok(Poll::Ready(opened)) => opened,
            Err(_) => Err(Cause::Panicked),
        };
        self.attempt = None;
        Some(opened)
    }
}

async fn open<R: Runtime>(tools: Arc<Mutex<Tools>>, limit: Duration, waker: Waker) -> Opened {
    let credentials = credentials::<R>(&tools).await?;
    let opening = {
        let mut tools = tools.lock().unwrap_or_else(PoisonError::into_inner);
        (tools.dial.0)(limit, &waker)
    };
    Ok((opening.await?, credentials))
}

async fn credentials<R: Runtime>(tools: &Arc<Mutex<Tools>>) -> Result<Credentials, Cause> {
    let ask = |tools: &Mutex<Tools>| {
        let mut tools = tools.lock().unwrap_or_else(PoisonError::into_inner);
        tools.login.as_mut().map(Login::ask)
    };
    let blocks = {
        let tools = tools.lock().unwrap_or_else(PoisonError::into_inner);
        tools.login.as_ref().is_some_and(Login::blocks)
    };
    let asked = if blocks {
        let tools = Arc::clone(tools);
        R::unblock(move || ask(&tools))
            .await
            .ok_or(Cause::Panicked)?
    } else {
        ask(tools)
    };
    match asked {
        None => Ok(Credentials::default()),
        Some(Asked::Given(given)) => given,
        Some(Asked::Coming(coming)) => coming.await,
    }
}
