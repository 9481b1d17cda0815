//! What the machine asks of its caller.

use crate::delivery::Delivery;
use crate::event::Event;
use crate::instant::Instant;

/// The answer of [`Client::poll`](crate::Client::poll): one thing to do. `Timeout` comes when
/// there is nothing else.
#[derive(Debug)]
#[must_use = "what the machine asks for has to be done"]
pub enum Action<'a> {
    /// Open a transport to the server, then call [`Client::opened`](crate::Client::opened), or
    /// [`Client::closed`](crate::Client::closed) when it cannot be opened.
    Open,
    /// Write these bytes, then say with [`Client::sent`](crate::Client::sent) how many were
    /// taken; some are as good as all. [`Client::offer_all`](crate::Client::offer_all) has what
    /// follows, too. They are offered once: a transport that cannot take any
    /// now goes on polling, and calls `sent` with 0 when it can.
    Send(&'a [u8]),
    /// A message, or a part of one.
    Deliver(Delivery<'a>),
    /// Something the application should know.
    Event(Event<'a>),
    /// Close the transport, then call [`Client::closed`](crate::Client::closed).
    Close,
    /// Wait for bytes, for this moment, or for the application, then poll again.
    Timeout(Instant),
    /// Nothing is left to do: the machine has stopped. It is returned once and is followed by
    /// `Timeout` with [`Instant::NEVER`], as before the first start.
    Done,
}

/// Where what a poll brings is written at once, by whoever has something to tell: it is large.
#[doc(hidden)]
pub trait Place<'a> {
    /// Becomes the place of an event, which is written there; `None` never comes.
    fn event(&mut self) -> Option<&mut Event<'a>>;
    /// There is a message to tell of.
    fn deliver(&mut self, delivery: Delivery<'a>);
    /// There is nothing to tell: what is asked for follows.
    fn rest(&mut self) {}
    /// This is asked for.
    fn ask(&mut self, asked: Asked<'a>);
}

/// What a poll asks for where it has nothing to tell.
#[doc(hidden)]
#[derive(Debug)]
pub enum Asked<'a> {
    /// As [`Action::Open`].
    Open,
    /// As [`Action::Send`].
    Send(&'a [u8]),
    /// As [`Action::Close`].
    Close,
    /// As [`Action::Timeout`].
    Timeout(Instant),
    /// As [`Action::Done`].
    Done,
}

impl<'a> Place<'a> for Action<'a> {
    #[inline]
    fn event(&mut self) -> Option<&mut Event<'a>> {
        *self = Self::Event(Event::DeliveryCut);
        match self {
            Self::Event(event) => Some(event),
            _ => None,
        }
    }

    #[inline]
    fn deliver(&mut self, delivery: Delivery<'a>) {
        *self = Self::Deliver(delivery);
    }

    #[inline]
    fn ask(&mut self, asked: Asked<'a>) {
        *self = match asked {
            Asked::Open => Self::Open,
            Asked::Send(bytes) => Self::Send(bytes),
            Asked::Close => Self::Close,
            Asked::Timeout(deadline) => Self::Timeout(deadline),
            Asked::Done => Self::Done,
        };
    }
}

/// What is sent is counted: there is a password in it, and payloads.
#[cfg(feature = "defmt")]
impl defmt::Format for Action<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self {
            Self::Open => defmt::write!(f, "Open"),
            Self::Send(bytes) => defmt::write!(f, "Send({})", crate::log::Size::of(bytes)),
            Self::Deliver(delivery) => defmt::write!(f, "Deliver({})", delivery),
            Self::Event(event) => defmt::write!(f, "Event({})", event),
            Self::Close => defmt::write!(f, "Close"),
            Self::Timeout(deadline) => defmt::write!(f, "Timeout({})", deadline),
            Self::Done => defmt::write!(f, "Done"),
        }
    }
}
