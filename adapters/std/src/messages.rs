//! Streams of messages, read by blocking calls.

use crate::wait::wait;
use mqtt_driver::{Inbox, Message};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A stream of messages, read by blocking calls or as an iterator. Clones share it: each message
/// goes to one of them.
#[derive(Clone, Debug)]
pub struct Messages {
    pub(crate) inbox: Arc<Inbox<Message>>,
}

impl Messages {
    /// Waits for the next message; None when the stream has ended and everything was read.
    #[must_use]
    pub fn recv(&self) -> Option<Message> {
        wait(None, self.inbox.next()).flatten()
    }

    /// As [`Messages::recv`], for at most `limit`; None also when that is over.
    #[must_use]
    pub fn recv_timeout(&self, limit: Duration) -> Option<Message> {
        wait(Instant::now().checked_add(limit), self.inbox.next()).flatten()
    }

    /// The next message, if it has come.
    #[must_use]
    pub fn try_recv(&self) -> Option<Message> {
        self.inbox.try_next()
    }

    /// How many messages were dropped because nobody had read them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.inbox.dropped()
    }

    /// Whether nothing more will come.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.inbox.ended().is_some()
    }
}

impl Iterator for Messages {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        self.recv()
    }
}
