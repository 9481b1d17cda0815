//! The async clients as blocking ones, with the names and calls of `mqtt-std`: each call waits for
//! the future of the same name on the thread of the test.

mod client;
mod publication;
mod reading;
mod stream;

pub(crate) use client::Client;
pub(crate) use publication::Publication;
pub(crate) use reading::{Messages, States, Subscription};
pub(crate) use stream::{Noted, Writes};

use mqtt_driver::tasks::Runtime;
use std::fmt::Debug;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

/// A runtime that runs, and how a thread outside of it waits for a future.
pub(crate) trait World: Debug + Send + Sync + 'static {
    type Runtime: Runtime;
    /// One of the kind that a test has for itself.
    type Brief: Brief;

    fn wait<T>(future: impl Future<Output = T>) -> T;

    /// As `wait`, for at most so long.
    fn wait_for<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
        Self::wait(limited::<Self::Runtime, _>(limit, future))
    }
}

/// A future, waited for at most so long.
pub(crate) async fn limited<R: Runtime, T>(
    limit: Duration,
    future: impl Future<Output = T>,
) -> Option<T> {
    let mut future = pin!(future);
    let mut timer = R::timer(R::now() + limit);
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Pin::new(&mut timer).poll(cx).map(|()| None),
    })
    .await
}

/// A runtime with a beginning and an end.
pub(crate) trait Brief {
    type Runtime: Runtime;

    fn start() -> Self;

    /// Waits for a future on this thread, which counts as within the runtime.
    fn wait<T>(&self, future: impl Future<Output = T>) -> T;

    /// Ends it, whatever its tasks are at.
    fn shut_down(self);
}

/// The client of a world under the names of `mqtt-std`.
macro_rules! client_of {
    ($world:ty) => {
        pub(crate) type Client = crate::facade::Client<$world>;
        pub(crate) type Subscription = crate::facade::Subscription<$world>;

        pub(crate) fn start_stuck(options: Options) -> (Client, ()) {
            (Client::start_stuck(options), ())
        }

        pub(crate) fn connect_panicking(options: Options) -> Result<Client, ConnectError> {
            Client::connect_panicking(options)
        }

        pub(crate) fn connect_noted(
            url: &str,
            most: usize,
            writes: &crate::facade::Writes,
            options: Options,
        ) -> Result<Client, ConnectError> {
            Client::connect_noted(url, most, writes, options)
        }
    };
}

pub(crate) use client_of;
