//! The client's end of the line, as blocking and as async transport, whole and in halves; and its
//! clock.

use super::{Shared, World};
use embedded_io::{Error, ErrorKind, ErrorType};
use mqtt_embedded::asynchronous::Halves;
use mqtt_embedded::{Clock, Timer};
use mqtt_session::Instant;
use std::cell::RefMut;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

/// What the line fails with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Nobody answers.
    Refused,
    /// The line is cut.
    Cut,
    /// It takes nothing for now.
    Full,
}

impl core::fmt::Display for Broken {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl core::error::Error for Broken {}

impl Error for Broken {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused => ErrorKind::ConnectionRefused,
            Self::Cut => ErrorKind::ConnectionReset,
            Self::Full => ErrorKind::TimedOut,
        }
    }
}

/// The transport. The last of its ends to be dropped closes it.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    world: Shared,
    hold: Rc<Hold>,
}

#[derive(Debug)]
struct Hold {
    world: Shared,
    id: u64,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.world.borrow_mut().hang_up(self.id);
    }
}

pub(crate) fn dial(world: &Shared) -> Result<Wire, Broken> {
    let id = world.borrow_mut().dial().ok_or(Broken::Refused)?;
    let hold = Rc::new(Hold {
        world: Rc::clone(world),
        id,
    });
    Ok(Wire {
        world: Rc::clone(world),
        hold,
    })
}

pub(crate) fn dial_halves(world: &Shared) -> Result<Halves<Wire, Wire>, Broken> {
    let reader = dial(world)?;
    let writer = reader.clone();
    Ok(Halves { reader, writer })
}

impl Wire {
    fn world(&self) -> RefMut<'_, World> {
        let world = self.world.borrow_mut();
        assert_eq!(world.open, Some(self.hold.id));
        world
    }

    /// `None`: nothing has come.
    fn reads(&self, room: &mut [u8]) -> Option<Result<usize, Broken>> {
        assert!(!room.is_empty(), "a read of no bytes says nothing");
        let mut world = self.world();
        let left = world
            .line
            .cut_after
            .saturating_sub(world.sent_up + world.sent_down);
        let count = room
            .len()
            .min(world.to_client.len())
            .min(world.line.gives)
            .min(left);
        if count > 0 {
            for (place, byte) in room.iter_mut().zip(world.to_client.drain(..count)) {
                *place = byte;
            }
            world.sent_down += count;
            world.read.last_mut()?.extend_from_slice(&room[..count]);
            return Some(Ok(count));
        }
        if world.is_cut() {
            let breaks = world.line.breaks;
            world.mend();
            world.ended = true;
            return Some(if breaks { Err(Broken::Cut) } else { Ok(0) });
        }
        world.ended.then_some(Ok(0))
    }

    /// `None`: it takes nothing for now.
    fn writes(&self, bytes: &[u8]) -> Option<Result<usize, Broken>> {
        let mut world = self.world();
        let count = bytes.len().min(world.line.takes);
        if world.is_cut() && world.line.breaks {
            world.mend();
            world.ended = true;
            return Some(Err(Broken::Cut));
        }
        if world.ended {
            return Some(Err(Broken::Cut));
        }
        if count == 0 {
            return None;
        }
        let bytes = &bytes[..count];
        world.writes.push(bytes.to_vec());
        if world.line.buffers {
            world.unflushed.extend_from_slice(bytes);
        } else {
            world.push_up(bytes);
        }
        Some(Ok(count))
    }

    fn flushes(&self) {
        let mut world = self.world();
        let bytes = core::mem::take(&mut world.unflushed);
        world.push_up(&bytes);
    }
}

impl ErrorType for Wire {
    type Error = Broken;
}

impl embedded_io::Read for Wire {
    fn read(&mut self, room: &mut [u8]) -> Result<usize, Broken> {
        self.reads(room).expect("it was ready")
    }
}

impl embedded_io::ReadReady for Wire {
    fn read_ready(&mut self) -> Result<bool, Broken> {
        let world = self.world();
        Ok(!world.to_client.is_empty() || world.ended || world.is_cut())
    }
}

impl embedded_io::Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        self.writes(bytes).unwrap_or(Err(Broken::Full))
    }

    fn flush(&mut self) -> Result<(), Broken> {
        self.flushes();
        Ok(())
    }
}

impl embedded_io_async::Read for Wire {
    async fn read(&mut self, room: &mut [u8]) -> Result<usize, Broken> {
        poll_fn(|_| {
            if self.world().stalls() {
                return Poll::Pending;
            }
            self.reads(room).map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

impl embedded_io_async::Write for Wire {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        poll_fn(|_| {
            if self.world().stalls() {
                return Poll::Pending;
            }
            self.writes(bytes).map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    async fn flush(&mut self) -> Result<(), Broken> {
        poll_fn(|_| {
            if self.world().stalls() {
                return Poll::Pending;
            }
            self.flushes();
            Poll::Ready(Ok(()))
        })
        .await
    }
}

/// The world's time.
#[derive(Clone, Debug)]
pub(crate) struct Time(pub(crate) Shared);

impl Clock for Time {
    fn now(&mut self) -> Instant {
        self.0.borrow().now
    }

    fn idle(&mut self, until: Instant) {
        self.0.borrow_mut().pass_until(until);
    }
}

impl Timer for Time {
    async fn wait_until(&mut self, moment: Instant) {
        poll_fn(|_| {
            let mut world = self.0.borrow_mut();
            world.timer = moment;
            if world.now >= moment {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}
