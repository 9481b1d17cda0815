//! Streams of messages and of changes of the state.

use crate::inbox::Inbox;
use crate::message::Message;
use crate::state::State;
use crate::waiters::Place;
use futures_core::Stream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A stream of messages. Clones share it: each message goes to one of them.
///
/// It is a [`Stream`], too. Dropping a future of it loses no message.
#[derive(Debug)]
pub struct Messages {
    pub(super) inbox: Arc<Inbox<Message>>,
    place: Place,
}

impl Messages {
    pub(super) fn new(inbox: Arc<Inbox<Message>>) -> Self {
        Self {
            inbox,
            place: Place::default(),
        }
    }

    /// Waits for the next message; None when the stream has ended and everything was read.
    pub async fn next(&mut self) -> Option<Message> {
        self.inbox.next().await
    }

    /// As [`Messages::next`], for whoever shares the stream.
    pub async fn recv(&self) -> Option<Message> {
        self.inbox.next().await
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

impl Clone for Messages {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.inbox))
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        self.inbox.leave(&mut self.place);
    }
}

impl Stream for Messages {
    type Item = Message;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let this = self.get_mut();
        this.inbox.poll_next(&mut this.place, cx)
    }
}

/// The changes of the state, from the moment it was made: see
/// [`Client::watch`](super::Client::watch). It holds the last 64; the last of all is
/// [`State::Ended`]. It is a [`Stream`], too.
#[derive(Debug)]
pub struct States {
    inbox: Arc<Inbox<State>>,
    place: Place,
}

impl States {
    pub(super) fn new(inbox: Arc<Inbox<State>>) -> Self {
        Self {
            inbox,
            place: Place::default(),
        }
    }

    /// Waits for the next change; None behind the last.
    pub async fn next(&mut self) -> Option<State> {
        self.inbox.next().await
    }

    /// As [`States::next`], for whoever shares them.
    pub async fn recv(&self) -> Option<State> {
        self.inbox.next().await
    }

    /// The next change, if it has come.
    #[must_use]
    pub fn try_recv(&self) -> Option<State> {
        self.inbox.try_next()
    }
}

impl Drop for States {
    fn drop(&mut self) {
        self.inbox.leave(&mut self.place);
    }
}

impl Stream for States {
    type Item = State;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<State>> {
        let this = self.get_mut();
        this.inbox.poll_next(&mut this.place, cx)
    }
}
