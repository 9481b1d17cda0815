//! The streams of smol, which are those of the crate `futures-io`.

use mqtt_driver::Cause;
use mqtt_driver::tasks::{Dial, Stream};
use smol::io::{AsyncRead, AsyncWrite};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Any stream that reads and writes as `futures-io` says, for a client.
#[derive(Debug)]
pub struct Io<S>(pub S);

/// Has `open` open a stream for each attempt, within the time limit that it is given: for
/// [`Client::connect_over`](crate::Client::connect_over).
///
/// ```
/// use mqtt_smol::{Client, Options, dial};
/// use smol::net::TcpStream;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let open = |_limit| async { Ok(TcpStream::connect("localhost:1883").await?) };
/// let client = Client::connect_over(dial(open), Options::new("sensor-7")).await?;
/// # Ok(())
/// # }
/// ```
pub fn dial<S, F>(mut open: impl FnMut(Duration) -> F + Send + 'static) -> Dial
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    F: Future<Output = Result<S, Cause>> + Send + 'static,
{
    Dial::new(move |limit| {
        let opening = open(limit);
        async move { Ok(Io(opening.await?)) }
    })
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for Io<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}
