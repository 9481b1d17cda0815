//! A stream that notes what is written to it.

use mqtt_driver::tasks::Stream;
use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

/// What was written at once, piece by piece.
pub(crate) type Writes = Arc<Mutex<Vec<Vec<u8>>>>;

/// A stream that notes what is written at once, and takes no more than so many bytes at a time.
pub(crate) struct Noted<S> {
    stream: S,
    writes: Writes,
    most: usize,
}

impl<S> Noted<S> {
    pub(crate) fn new(stream: S, writes: Writes, most: usize) -> Self {
        Self {
            stream,
            writes,
            most,
        }
    }
}

impl<S: Stream> Stream for Noted<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let len = buffer.len().min(self.most);
        self.stream.poll_read(cx, &mut buffer[..len])
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let most = &bytes[..bytes.len().min(self.most)];
        let count = ready!(self.stream.poll_write(cx, most))?;
        self.writes.lock().unwrap().push(bytes[..count].to_vec());
        Poll::Ready(Ok(count))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_close(cx)
    }
}
