//! What a turn of the client brings.

use crate::client::{Left, Next, Todo};
use core::fmt;
use mqtt_session::{Asked, ConnectError, Delivery, Event, Place};

/// What a turn brings: at most one thing. `D` is what dialling can fail with, `E` the transport.
///
/// What is borrowed is lent until the next call of the client.
#[derive(Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "it may hold a message, which does not come again"]
#[repr(u8)] // So that it is one look to tell what it is.
pub enum Turn<'a, D, E> {
    /// A message, or a part of one. The application may publish its answer while it is borrowed.
    Message(Delivery<'a>),
    /// Something the application should know.
    Event(Event<'a>),
    /// Dialling, CONNECT or the transport failed.
    /// [`Event::Disconnected`] follows, with the moment of the next attempt.
    Failed(Failed<D, E>),
    /// Something was done, or waiting came to an end, and there is nothing to tell.
    Nothing,
    /// The client has stopped and is at rest. [`Client::start`](crate::Client::start) wakes it.
    Done,
}

/// Where the machine writes what there is to tell, or what it asks for.
pub(crate) struct Answer<'t, 'a, D, E> {
    pub(crate) turn: &'t mut Turn<'a, D, E>,
    pub(crate) next: &'t mut Next,
}

impl<'a, D, E> Place<'a> for Answer<'_, 'a, D, E> {
    fn event(&mut self) -> Option<&mut Event<'a>> {
        *self.turn = Turn::Event(Event::DeliveryCut);
        match self.turn {
            Turn::Event(event) => Some(event),
            _ => None,
        }
    }

    fn deliver(&mut self, delivery: Delivery<'a>) {
        *self.turn = Turn::Message(delivery);
    }

    fn rest(&mut self) {
        *self.turn = Turn::Nothing;
    }

    fn ask(&mut self, asked: Asked<'a>) {
        self.next.todo = match asked {
            Asked::Open => Todo::Open,
            Asked::Send(_) => {
                // Not to wait, but to take what is there: the deadline is now, since the machine was
                // told the time.
                self.next.left = Left::Offered;
                Todo::Wait
            }
            Asked::Close => Todo::Close,
            Asked::Timeout(deadline) => {
                self.next.deadline = deadline;
                Todo::Wait
            }
            Asked::Done => {
                *self.turn = Turn::Done;
                return;
            }
        };
    }
}

/// What failed. The connection is given up then, and the machine decides when to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Failed<D, E> {
    /// No transport could be opened.
    Dial(D),
    /// CONNECT could not be put together: the store or the buffers are too small for it, or it is
    /// not valid. It fails again until it is changed.
    Connect(ConnectError),
    /// Reading from the transport.
    Read(E),
    /// Writing to the transport, or flushing it.
    Write(E),
}

impl<D: fmt::Debug, E: fmt::Debug> fmt::Display for Failed<D, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dial(error) => write!(f, "could not dial: {error:?}"),
            Self::Connect(error) => write!(f, "could not put CONNECT together: {error}"),
            Self::Read(error) => write!(f, "could not read: {error:?}"),
            Self::Write(error) => write!(f, "could not write: {error:?}"),
        }
    }
}

impl<D: fmt::Debug, E: fmt::Debug> core::error::Error for Failed<D, E> {}
