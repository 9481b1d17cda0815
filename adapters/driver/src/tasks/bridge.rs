//! The streams of a runtime, as the driver wants them.

use crate::line::Carrier;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::task::{Context, Poll, Waker};

/// A duplex, ordered, lossless stream of bytes (MQTT-4.2-1) that wakes whoever waits for it. The
/// traits of the runtimes say the same in different words.
pub trait Stream: Send + Unpin + 'static {
    /// Reads some bytes; none at the end of the stream.
    ///
    /// # Errors
    /// The stream is broken.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Writes some bytes.
    ///
    /// # Errors
    /// The stream is broken.
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// As [`Stream::poll_write`], of several slices, one after the other. By default, of the
    /// first that is not empty.
    ///
    /// # Errors
    /// The stream is broken.
    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = slices.iter().find(|slice| !slice.is_empty());
        self.poll_write(cx, first.map_or(&[], |slice| slice))
    }

    /// Sees that nothing written is held back.
    ///
    /// # Errors
    /// The stream is broken.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Says that nothing more will be written.
    ///
    /// # Errors
    /// They are ignored.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// A stream of a runtime as one that never blocks. Where it would, the task of the client is the
/// one to be woken, however many layers lie between: there is one task, and one waker for it.
#[derive(Debug)]
pub struct Bridge<S> {
    stream: S,
    waker: Waker,
}

impl<S: Stream> Bridge<S> {
    /// Over a stream; `waker` wakes the task that drives it, whichever it is by then.
    pub fn new(stream: S, waker: &Waker) -> Self {
        Self {
            stream,
            waker: waker.clone(),
        }
    }

    fn ask<T>(
        &mut self,
        call: impl FnOnce(&mut S, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> io::Result<T> {
        match call(&mut self.stream, &mut Context::from_waker(&self.waker)) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(ErrorKind::WouldBlock.into()),
        }
    }
}

impl<S: Stream> Read for Bridge<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.ask(|stream, cx| stream.poll_read(cx, buffer))
    }
}

impl<S: Stream> Write for Bridge<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.ask(|stream, cx| stream.poll_write(cx, bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.ask(|stream, cx| stream.poll_write_vectored(cx, slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.ask(|stream, cx| stream.poll_flush(cx))
    }
}

impl<S: Stream> Carrier for Bridge<S> {
    fn close(&mut self) -> io::Result<()> {
        self.ask(|stream, cx| stream.poll_close(cx))
    }
}
