//! Who reads what comes for one filter, or for several in one stream.

use crate::error::SubscribeError;
use crate::inbox::Inbox;
use crate::message::Message;
use crate::waiters::Wakes;
use std::sync::{Arc, Mutex, PoisonError};

/// One stream, as each of its filters knows it.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    inbox: Arc<Inbox<Message>>,
    /// What it took last, where it has several filters.
    last: Option<Arc<Mutex<Last>>>,
}

#[derive(Debug, Default)]
struct Last {
    /// Which arrival it was, and for which of the filters it has come since.
    arrival: u64,
    ids: Vec<u32>,
    message: Option<Message>,
}

impl Reader {
    pub(crate) fn new(inbox: &Arc<Inbox<Message>>, filters: usize) -> Self {
        Self {
            inbox: Arc::clone(inbox),
            last: (filters > 1).then(Arc::default),
        }
    }

    pub(crate) fn has_several_filters(&self) -> bool {
        self.last.is_some()
    }

    pub(crate) fn reads(&self, inbox: &Arc<Inbox<Message>>) -> bool {
        Arc::ptr_eq(&self.inbox, inbox)
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        self.reads(&other.inbox)
    }

    pub(crate) fn inbox(&self) -> &Arc<Inbox<Message>> {
        &self.inbox
    }

    /// Whether a message is to be put in: not where the stream has it from another of its
    /// filters. `id` is the subscription identifier of the filter that it came for, where the
    /// server said so.
    pub(crate) fn wants(&self, message: &Message, arrival: u64, id: Option<u32>) -> bool {
        self.last.as_ref().is_none_or(|last| {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            last.is_other(message, arrival, id)
        })
    }

    pub(crate) fn end(&self, why: Option<SubscribeError>, wakes: &mut Wakes) {
        self.inbox.end(why, wakes);
    }
}

impl Last {
    /// Whether a message is another one than the last. A server that sends a copy for each
    /// subscription it matches sends them one after the other, and says for which each is.
    fn is_other(&mut self, message: &Message, arrival: u64, id: Option<u32>) -> bool {
        let same = |last: &Message| last.is_copy_of(message);
        let is_copy = |id| !self.ids.contains(&id) && self.message.as_ref().is_some_and(same);
        let other = self.arrival != arrival && !id.is_some_and(is_copy);
        if other {
            self.ids.clear();
            self.message = Some(message.without_receipt());
        }
        self.arrival = arrival;
        self.ids.extend(id);
        other
    }
}
