//! Turns that wait in async functions, over transports of [`embedded_io_async`].

pub use crate::client::Output;
use crate::client::{Client, Machine, Todo};
use crate::clock::Timer;
use crate::turn::Turn;
use core::future::{Future, pending, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;
use embassy_futures::select::{Either, select};
use embedded_io_async::{ErrorType, Read, Write};
use mqtt_session::Instant;

/// How long a transport that is to be closed may take to flush, at most.
const FLUSHING: Duration = Duration::from_secs(1);

/// What came of an exchange, in either direction; `None`: nothing yet.
#[derive(Clone, Copy, Debug)]
pub struct Exchanged<E> {
    /// How many bytes were written; 0 where it was flushed.
    pub given: Option<Result<usize, E>>,
    /// How many bytes were read; 0 at the end of the stream.
    pub read: Option<Result<usize, E>>,
}

/// A transport that is written and read at the same time, so that two peers that both write cannot
/// lock each other.
///
/// Whatever is [`Read`] and [`Write`] is one, under one condition: its futures can be dropped at any
/// time without a byte having been read or written, which `embedded-io-async` calls
/// side-effect-free on cancel. The sockets of `embassy-net` and the buffered UARTs of the HALs do
/// that; a UART that reads by DMA straight into the caller's bytes needs a buffer around it. While
/// something is to be written, the futures are made anew each time they are polled, and must have the
/// task woken though they were dropped. A transport whose futures do not is given as two
/// [`Halves`], which holds them.
#[allow(async_fn_in_trait, reason = "executors of one thread need no Send")]
pub trait Transport: ErrorType {
    /// Writes or flushes what `output` says and reads into `room`, unless it is empty, until at least
    /// one of them has come to something.
    async fn exchange(&mut self, output: Output<'_>, room: &mut [u8]) -> Exchanged<Self::Error>;
}

impl<T: Read + Write> Transport for T {
    async fn exchange(&mut self, output: Output<'_>, room: &mut [u8]) -> Exchanged<Self::Error> {
        if matches!(output, Output::Nothing) {
            let read = Some(read(self, room).await);
            return Exchanged { given: None, read };
        }
        poll_fn(|cx| {
            let given = pin!(give(self, output)).poll(cx);
            let read = pin!(read(self, room)).poll(cx);
            exchanged(given, read)
        })
        .await
    }
}

/// A transport in two halves, each of which waits for itself.
#[derive(Debug)]
pub struct Halves<R, W> {
    /// What is read.
    pub reader: R,
    /// What is written.
    pub writer: W,
}

impl<R: ErrorType, W> ErrorType for Halves<R, W> {
    type Error = R::Error;
}

impl<R: Read, W: Write<Error = R::Error>> Transport for Halves<R, W> {
    async fn exchange(&mut self, output: Output<'_>, room: &mut [u8]) -> Exchanged<Self::Error> {
        let mut give = pin!(give(&mut self.writer, output));
        let mut read = pin!(read(&mut self.reader, room));
        poll_fn(|cx| exchanged(give.as_mut().poll(cx), read.as_mut().poll(cx))).await
    }
}

async fn give<W: Write>(writer: &mut W, output: Output<'_>) -> Result<usize, W::Error> {
    match output {
        Output::Nothing => pending().await,
        Output::Bytes(bytes) => writer.write(bytes).await,
        Output::Flush => writer.flush().await.map(|()| 0),
    }
}

async fn read<R: Read>(reader: &mut R, room: &mut [u8]) -> Result<usize, R::Error> {
    if room.is_empty() {
        pending().await
    } else {
        reader.read(room).await
    }
}

/// Both ways are looked at before either is told, so that none of them can starve the other.
fn exchanged<E>(given: Poll<Result<usize, E>>, read: Poll<Result<usize, E>>) -> Poll<Exchanged<E>> {
    let ready = |poll| match poll {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    };
    match (ready(given), ready(read)) {
        (None, None) => Poll::Pending,
        (given, read) => Poll::Ready(Exchanged { given, read }),
    }
}

impl<M, B, F, T, D, C> Client<'_, M, B, F, T, C>
where
    M: Machine,
    B: AsRef<[u8]> + AsMut<[u8]>,
    F: AsyncFnMut() -> Result<T, D>,
    T: Transport,
    C: Timer,
{
    /// Takes one turn: does what is to be done, waiting where that is all there is to do, and brings
    /// what there is to tell.
    ///
    /// The future may be dropped at any await, and the turn taken anew: no byte and no message is
    /// lost, and an attempt to dial begins again.
    pub async fn turn(&mut self) -> Turn<'_, D, T::Error> {
        let mut turn = Turn::Nothing;
        if self.work(&mut turn).await {
            self.polled(&mut turn);
        }
        turn
    }

    async fn work(&mut self, turn: &mut Turn<'_, D, T::Error>) -> bool {
        match self.next.todo {
            Todo::Poll => true,
            Todo::Open => {
                let dialled = (self.dial)().await;
                self.dialled(dialled, turn)
            }
            Todo::Close => {
                let at = self.clock.now().after(FLUSHING);
                if self.is_unflushed()
                    && let Some(transport) = &mut self.transport
                {
                    // It is closed all the same.
                    let flushed = transport.exchange(Output::Flush, &mut []);
                    select(flushed, self.clock.wait_until(at)).await;
                }
                self.closed();
                true
            }
            Todo::Wait => self.wait(self.next.deadline, turn).await,
        }
    }

    async fn wait(&mut self, deadline: Instant, turn: &mut Turn<'_, D, T::Error>) -> bool {
        let is_due = deadline <= self.clock.now();
        let exchange = self.exchange();
        let time = async {
            if !is_due {
                exchange.clock.wait_until(deadline).await;
            }
        };
        let done = async {
            match exchange.transport {
                Some(transport) => transport.exchange(exchange.output, exchange.room).await,
                None => pending().await,
            }
        };
        match select(done, time).await {
            Either::First(done) => {
                let failed = self.given(done.given, turn);
                self.came(done.read, failed, turn)
            }
            Either::Second(()) => true,
        }
    }
}
