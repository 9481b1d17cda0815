//! A bounded queue of what the client hands to the application, and what becomes of the rest.

use crate::buffer::{Buffer, Overflow};
use crate::error::SubscribeError;
use crate::waiters::{Left, Place, Waiters, Wakes};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

/// What can lie in an inbox.
pub trait Item {
    /// Its length in bytes, as [`Buffer::bytes`] counts them.
    fn size(&self) -> usize;
}

/// The queue between the client and one reader or several.
#[derive(Debug)]
pub struct Inbox<T> {
    content: Mutex<Content<T>>,
}

#[derive(Debug)]
struct Content<T> {
    items: VecDeque<T>,
    bytes: usize,
    buffer: Buffer,
    dropped: u64,
    readers: Waiters,
    ended: Option<Option<SubscribeError>>,
}

impl<T> Inbox<T> {
    fn lock(&self) -> MutexGuard<'_, Content<T>> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives up waiting. The turn of a reader that was woken and does not read is the next one's.
    pub fn leave(&self, place: &mut Place) {
        if !place.is_taken() {
            return;
        }
        let mut wakes = Wakes::default();
        let mut content = self.lock();
        let left = content.readers.leave(place);
        if matches!(left, Left::Woken) && !content.items.is_empty() {
            content.readers.wake_one(&mut wakes);
        }
        drop(content);
    }
}

impl<T: Item> Inbox<T> {
    /// An empty one, with its bounds.
    #[must_use]
    pub fn new(buffer: Buffer) -> Arc<Self> {
        Arc::new(Self {
            content: Mutex::new(Content {
                items: VecDeque::new(),
                bytes: 0,
                buffer,
                dropped: 0,
                readers: Waiters::default(),
                ended: None,
            }),
        })
    }

    /// Puts an item in; `dropped` is told of each that falls out.
    pub fn push(&self, item: T, wakes: &mut Wakes, mut dropped: impl FnMut(T)) {
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
        let half = messages.div_ceil(2);
        let before = content.items.len();
        content.items.push_back(item);
        wakes.urgent |= before < half && content.items.len() >= half;
        content.readers.wake_one(wakes);
    }

    /// Nothing more comes; what has come can still be read. Only the first reason counts.
    pub fn end(&self, why: Option<SubscribeError>, wakes: &mut Wakes) {
        let mut content = self.lock();
        content.ended.get_or_insert(why);
        content.readers.wake_all(wakes);
    }

    /// Waits for the next item; None when nothing more will come.
    pub fn next(&self) -> NextItem<'_, T> {
        NextItem {
            inbox: self,
            place: Place::default(),
        }
    }

    /// As [`Inbox::next`], for whoever keeps the place: it is free again when this is ready.
    /// Giving up before takes [`Inbox::leave`].
    pub fn poll_next(&self, place: &mut Place, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut content = self.lock();
        let item = content.take();
        if item.is_some() || content.ended.is_some() {
            let left = content.readers.leave(place);
            drop(content);
            drop(left);
            return Poll::Ready(item);
        }
        let former = content.readers.wait(place, cx.waker());
        drop(content);
        drop(former);
        Poll::Pending
    }

    /// The next item, if it has come.
    #[must_use]
    pub fn try_next(&self) -> Option<T> {
        self.lock().take()
    }

    /// How many items fell out because nobody had read them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Why it has ended: None while it goes on, and nothing inside when that was wanted.
    #[must_use]
    pub fn ended(&self) -> Option<Option<SubscribeError>> {
        self.lock().ended.clone()
    }
}

impl<T: Item> Content<T> {
    fn take(&mut self) -> Option<T> {
        let item = self.items.pop_front()?;
        self.bytes = self.bytes.saturating_sub(item.size());
        Some(item)
    }
}

/// The future of [`Inbox::next`]. Dropping it loses no item.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct NextItem<'a, T> {
    inbox: &'a Inbox<T>,
    place: Place,
}

impl<T: Item> Future for NextItem<'_, T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = self.get_mut();
        this.inbox.poll_next(&mut this.place, cx)
    }
}

impl<T> Drop for NextItem<'_, T> {
    fn drop(&mut self) {
        self.inbox.leave(&mut self.place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::waking::Party;

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
            inbox.push(*item, &mut Wakes::default(), |item| dropped.push(item));
        }
        dropped
    }

    #[test]
    fn the_oldest_make_room_by_count_and_by_bytes() {
        let inbox = inbox(3, 100, Overflow::DropOldest);
        assert_eq!(push_all(&inbox, &[1, 2, 3, 4]), [1]);
        assert_eq!(push_all(&inbox, &[95]), [2, 3]);
        assert_eq!(inbox.dropped(), 3);
        assert_eq!([inbox.try_next(), inbox.try_next()], [Some(4), Some(95)]);
    }

    #[test]
    fn a_reader_is_to_run_when_its_queue_is_half_full() {
        let inbox = inbox(5, 100, Overflow::DropOldest);
        let urgent = || {
            let mut wakes = Wakes::default();
            inbox.push(1, &mut wakes, drop);
            wakes.urgent
        };
        assert_eq!(
            [urgent(), urgent(), urgent(), urgent()],
            [false, false, true, false]
        );
        while inbox.try_next().is_some() {}
        assert_eq!([urgent(), urgent(), urgent()], [false, false, true]);
    }

    #[test]
    fn the_newest_are_dropped_where_that_is_wanted() {
        let inbox = inbox(2, 100, Overflow::DropNewest);
        assert_eq!(push_all(&inbox, &[1, 2, 3]), [3]);
        assert_eq!(inbox.try_next(), Some(1));
        assert_eq!(push_all(&inbox, &[99]), [99]);
        assert_eq!(inbox.dropped(), 2);
    }

    #[test]
    fn one_item_is_held_whatever_its_size() {
        let inbox = inbox(0, 10, Overflow::DropOldest);
        assert_eq!(push_all(&inbox, &[1_000]), []);
        assert_eq!(push_all(&inbox, &[2_000]), [1_000]);
        assert_eq!(inbox.try_next(), Some(2_000));
    }

    #[test]
    fn what_has_come_can_be_read_after_the_end() {
        let inbox = inbox(9, 100, Overflow::DropOldest);
        push_all(&inbox, &[1]);
        inbox.end(None, &mut Wakes::default());
        assert_eq!(push_all(&inbox, &[2]), [2]);
        assert_eq!(Party::new(inbox.next()).poll(), Some(Some(1)));
        assert_eq!(Party::new(inbox.next()).poll(), Some(None));
        assert!(inbox.ended().is_some());
    }

    #[test]
    fn each_item_wakes_one_reader_and_the_end_wakes_all() {
        let inbox = inbox(9, 100, Overflow::DropOldest);
        let mut readers = [(); 3].map(|()| Party::new(inbox.next()));
        for reader in &mut readers {
            assert_eq!(reader.poll(), None);
        }
        push_all(&inbox, &[1]);
        assert_eq!(readers.each_ref().map(Party::woken), [1, 0, 0]);
        push_all(&inbox, &[2]);
        assert_eq!(readers.each_ref().map(Party::woken), [1, 1, 0]);
        inbox.end(None, &mut Wakes::default());
        assert_eq!(readers.each_ref().map(Party::woken), [1, 1, 1]);
        let read = readers.each_mut().map(Party::poll);
        assert_eq!(read, [Some(Some(1)), Some(Some(2)), Some(None)]);
    }

    #[test]
    fn a_reader_that_goes_after_being_woken_hands_its_turn_on() {
        let inbox = inbox(9, 100, Overflow::DropOldest);
        let (mut gone, mut next) = (Party::new(inbox.next()), Party::new(inbox.next()));
        assert_eq!([gone.poll(), next.poll()], [None, None]);
        push_all(&inbox, &[1]);
        drop(gone);
        assert_eq!(next.woken(), 1);
        assert_eq!(next.poll(), Some(Some(1)));
        drop(next);
        assert_eq!(inbox.lock().readers.len(), 0);
    }

    #[test]
    fn a_reader_that_goes_before_being_woken_leaves_nothing_behind() {
        let inbox = inbox(9, 100, Overflow::DropOldest);
        let mut gone = Party::new(inbox.next());
        assert_eq!(gone.poll(), None);
        let counter = gone.counter();
        drop(gone);
        assert_eq!(inbox.lock().readers.len(), 0);
        push_all(&inbox, &[1]);
        assert_eq!(counter.count(), 0);
        assert_eq!(inbox.try_next(), Some(1));
    }

    #[test]
    fn a_reader_that_found_nothing_goes_on_waiting_before_the_others() {
        let inbox = inbox(9, 100, Overflow::DropOldest);
        let (mut first, mut second) = (Party::new(inbox.next()), Party::new(inbox.next()));
        assert_eq!([first.poll(), second.poll()], [None, None]);
        push_all(&inbox, &[1]);
        assert_eq!(inbox.try_next(), Some(1));
        assert_eq!(first.poll(), None);
        push_all(&inbox, &[2]);
        assert_eq!([first.woken(), second.woken()], [2, 0]);
        assert_eq!(first.poll(), Some(Some(2)));
    }
}
