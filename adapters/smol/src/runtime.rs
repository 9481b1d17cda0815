//! What smol offers to the driver.

use crate::io::Io;
use mqtt_driver::tasks::{NoRuntime, Runtime};
use smol::Timer;
use smol::net::TcpStream;
#[cfg(unix)]
use smol::net::unix::UnixStream;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
#[cfg(unix)]
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

/// smol's global executor, with as many threads as `SMOL_THREADS` says, one by default.
#[derive(Clone, Copy, Debug)]
pub enum Smol {}

/// Is ready at its moment.
#[derive(Debug)]
pub struct Alarm(Timer);

impl Future for Alarm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}

impl Runtime for Smol {
    type Timer = Alarm;
    type Tcp = Io<TcpStream>;
    #[cfg(unix)]
    type Unix = Io<UnixStream>;

    fn now() -> Instant {
        Instant::now()
    }

    fn timer(at: Instant) -> Alarm {
        Alarm(Timer::at(at))
    }

    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Result<(), NoRuntime> {
        smol::spawn(task).detach();
        Ok(())
    }

    async fn unblock<T: Send + 'static>(
        blocking: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        // A panic would go on in the task that waits.
        smol::unblock(move || catch_unwind(AssertUnwindSafe(blocking)).ok()).await
    }

    async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        smol::net::resolve((host, port)).await
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
