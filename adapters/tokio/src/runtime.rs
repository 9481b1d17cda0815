//! What tokio offers to the driver.

use crate::io::Io;
use mqtt_driver::tasks::{NoRuntime, Runtime};
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::Path;
use std::pin::Pin;
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
