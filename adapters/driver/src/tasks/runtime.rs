//! What a runtime has to offer.

use super::bridge::Stream;
use crate::error::ConnectError;
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::Path;
use std::task::Context;
use std::time::Instant;

/// What a client needs of a runtime. A type of it holds nothing: what it offers is found from
/// wherever the call is made.
pub trait Runtime: Sized + Send + Sync + 'static {
    /// Is ready at its moment, and not before.
    type Timer: Future<Output = ()> + Send + Unpin;
    /// A TCP connection.
    type Tcp: Stream;
    /// A connection to a socket of this machine.
    #[cfg(unix)]
    type Unix: Stream;

    /// The time, as the timers count it.
    fn now() -> Instant;

    /// A timer for a moment; it may have passed.
    fn timer(at: Instant) -> Self::Timer;

    /// Has a task run to its end, or until the runtime is shut down, which drops it.
    ///
    /// # Errors
    /// The caller runs in no such runtime.
    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Result<(), NoRuntime>;

    /// Has the task that is being polled be polled again, once everything else that is ready on
    /// its thread has had its turn.
    fn yield_now(cx: &mut Context<'_>) {
        cx.waker().wake_by_ref();
    }

    /// Runs what blocks where that holds up no task; None when it panicked or the runtime is
    /// being shut down.
    fn unblock<T: Send + 'static>(
        blocking: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Option<T>> + Send;

    /// The addresses of a host.
    ///
    /// # Errors
    /// What the resolver says.
    fn resolve(host: &str, port: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;

    /// Connects to one address; small packets leave at once (`TCP_NODELAY`).
    ///
    /// # Errors
    /// What the system says.
    fn connect(address: SocketAddr) -> impl Future<Output = io::Result<Self::Tcp>> + Send;

    /// Connects to a socket of this machine.
    ///
    /// # Errors
    /// What the system says.
    #[cfg(unix)]
    fn connect_unix(path: &Path) -> impl Future<Output = io::Result<Self::Unix>> + Send;
}

/// A client was to be made where there is no runtime that could drive it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRuntime;

impl From<NoRuntime> for ConnectError {
    fn from(_: NoRuntime) -> Self {
        Self::NoRuntime
    }
}
