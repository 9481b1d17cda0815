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
