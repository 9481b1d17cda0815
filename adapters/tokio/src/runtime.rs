//! What tokio offers to the driver.

use crate::io::Io;
use mqtt_driver::tasks::{NoRuntime, Runtime};
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::Path;
use std::pin::{Pin, pin};
use std::task::Context;
use std::time::Instant;
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::runtime::Handle;
use tokio::time::Sleep;

/// The runtime that the caller runs in.
#[derive(Clone, Copy, Debug)]
pub enum Tokio {}

impl Runtime for Tokio {
    type Timer = Pin<Box<Sleep>>;
    type Tcp = Io<TcpStream>;
    #[cfg(unix)]
    type Unix = Io<UnixStream>;

    fn now() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn timer(at: Instant) -> Self::Timer {
        Box::pin(tokio::time::sleep_until(at.into()))
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Result<(), NoRuntime> {
        let handle = Handle::try_current().map_err(|_| NoRuntime)?;
        handle.spawn(task);
        Ok(())
    }

    fn yield_now(cx: &mut Context<'_>) {
        // A task that wakes itself would go on for many turns before the future that the runtime
        // blocks on.
        let _ = pin!(tokio::task::yield_now()).poll(cx);
    }

    async fn unblock<T: Send + 'static>(
        blocking: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        tokio::task::spawn_blocking(blocking).await.ok()
    }

    async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }

    async fn connect(address: SocketAddr) -> io::Result<Self::Tcp> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Io(stream))
    }

    #[cfg(unix)]
    async fn connect_unix(path: &Path) -> io::Result<Self::Unix> {
        Ok(Io(UnixStream::connect(path).await?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Poll;

    /// Where the client's task always has more to do, what the runtime blocks on still runs.
    #[test]
    fn who_yields_lets_the_main_future_run_first() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let turns = Arc::new(AtomicUsize::new(0));
        let (told, main) = tokio::sync::oneshot::channel();
        let (mut told, count) = (Some(told), Arc::clone(&turns));
        let busy = std::future::poll_fn(move |cx| {
            count.fetch_add(1, Ordering::Relaxed);
            if let Some(told) = told.take() {
                told.send(()).unwrap();
            }
            Tokio::yield_now(cx);
            Poll::Pending
        });
        runtime.block_on(async {
            Tokio::spawn(busy).unwrap();
            main.await.unwrap();
        });
        assert_eq!(turns.load(Ordering::Relaxed), 1);
    }
}
