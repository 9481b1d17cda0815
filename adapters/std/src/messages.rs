//! Bounded streams of what the client hands to the application, and what becomes of the rest.

use crate::message::Message;
use crate::slot::wait_until;
use mqtt_driver::{Buffer, Overflow, SubscribeError};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What can lie in an inbox.
pub(crate) trait Item {
    fn size(&self) -> usize;
}

impl Item for Message {
    fn size(&self) -> usize {
        self.topic.len() + self.payload.len()
    }
}

/// The queue between the client and one reader or several.
#[derive(Debug)]
pub(crate) struct Inbox<T> {
    content: Mutex<Content<T>>,
    filled: Condvar,
}

#[derive(Debug)]
struct Content<T> {
    items: VecDeque<T>,
    bytes: usize,
    buffer: Buffer,
    dropped: u64,
    waiting: usize,
    ended: Option<Option<SubscribeError>>,
}

impl<T: Item> Inbox<T> {
    pub(crate) fn new(buffer: Buffer) -> Arc<Self> {
        Arc::new(Self {
            content: Mutex::new(Content {
                items: VecDeque::new(),
                bytes: 0,
                buffer,
                dropped: 0,
                waiting: 0,
                ended: None,
            }),
            filled: Condvar::new(),
        })
    }

    /// Puts an item in; `dropped` is told of each that falls out.
    pub(crate) fn push(&self, item: T, mut dropped: impl FnMut(T)) {
        let mut content = self.lock();
        if content.ended.is_some() {
            return dropped(item);
        }
        let Buffer {
            messages,
            bytes,
            overflow,
        } = content.buffer;
        let size = item.size();
        while !content.items.is_empty()
            && (content.items.len() >= messages.max(1) || content.bytes + size > bytes)
        {
            content.dropped += 1;
            if overflow == Overflow::DropNewest {
                return dropped(item);
            }
            if let Some(oldest) = content.take() {
                dropped(oldest);
            }
        }
        content.bytes += size;
        content.items.push_back(item);
        if content.waiting > 0 {
            self.filled.notify_one();
        }
    }

    /// Nothing more comes; what has come can still be read.
    pub(crate) fn end(&self, why: Option<SubscribeError>) {
        let mut content = self.lock();
        content.ended.get_or_insert(why);
        self.filled.notify_all();
    }

    /// The next item; none when the deadline has come or nothing more will.
    pub(crate) fn recv(&self, deadline: Option<Instant>) -> Option<T> {
        let mut content = self.lock();
        content.waiting += 1;
        while content.items.is_empty() && content.ended.is_none() {
            let timed_out;
            (content, timed_out) = wait_until(&self.filled, content, deadline);
            if timed_out {
                break;
            }
        }
        content.waiting -= 1;
        content.take()
    }

    pub(crate) fn try_recv(&self) -> Option<T> {
        self.lock().take()
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Why it has ended: None while it goes on, and nothing inside when it was wanted.
    pub(crate) fn ended(&self) -> Option<Option<SubscribeError>> {
        self.lock().ended.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Content<T>> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Item> Content<T> {
    fn take(&mut self) -> Option<T> {
        let item = self.items.pop_front()?;
        self.bytes = self.bytes.saturating_sub(item.size());
        Some(item)
    }
}

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
        self.inbox.recv(None)
    }

    /// As [`Messages::recv`], for at most `limit`; None also when that is over.
    #[must_use]
    pub fn recv_timeout(&self, limit: Duration) -> Option<Message> {
        self.inbox.recv(Instant::now().checked_add(limit))
    }

    /// The next message, if it has come.
    #[must_use]
    pub fn try_recv(&self) -> Option<Message> {
        self.inbox.try_recv()
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

#[cfg(test)]
mod tests {
    use super::*;

    impl Item for usize {
        fn size(&self) -> usize {
            *self
        }
    }

    fn inbox(messages: usize, bytes: usize, overflow: Overflow) -> Arc<Inbox<usize>> {
        Inbox::new(Buffer {
            messages,
            bytes,
            overflow,
        })
    }

    #[track_caller]
    fn push_all(inbox: &Inbox<usize>, items: &[usize]) -> Vec<usize> {
        let mut dropped = Vec::new();
        for item in items {
            inbox.push(*item, |item| dropped.push(item));
        }
        dropped
    }

    #[test]
    fn the_oldest_make_room_by_count_and_by_bytes() {
        let inbox = inbox(3, 100, Overflow::DropOldest);
        assert_eq!(push_all(&inbox, &[1, 2, 3, 4]), [1]);
        assert_eq!(push_all(&inbox, &[95]), [2, 3]);
        assert_eq!(inbox.dropped(), 3);
        assert_eq!([inbox.try_recv(), inbox.try_recv()], [Some(4), Some(95)]);
    }

    #[test]
    fn the_newest_are_dropped_where_that_is_wanted() {
        let inbox = inbox(2, 100, Overflow::DropNewest);
        assert_eq!(push_all(&inbox, &[1, 2, 3]), [3]);
        assert_eq!(inbox.try_recv(), Some(1));
        assert_eq!(push_all(&inbox, &[99]), [99]);
        assert_eq!(inbox.dropped(), 2);
    }

    #[test]
    fn one_item_is_held_whatever_its_size() {
        let inbox = inbox(0, 10, Overflow::DropOldest);
        assert_eq!(push_all(&inbox, &[1_000]), []);
        assert_eq!(push_all(&inbox, &[2_000]), [1_000]);
        assert_eq!(inbox.try_recv(), Some(2_000));
    }

    #[test]
    fn what_has_come_can_be_read_after_the_end() {
        let inbox = inbox(9, 100, Overflow::DropOldest);
        push_all(&inbox, &[1]);
        inbox.end(None);
        assert_eq!(push_all(&inbox, &[2]), [2]);
        assert_eq!(inbox.recv(None), Some(1));
        assert_eq!(inbox.recv(None), None);
        assert!(inbox.ended().is_some());
    }
}
