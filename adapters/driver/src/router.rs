//! Which stream a message goes to, and which subscriptions the server has to be asked for.

use crate::buffer::Buffer;
use crate::error::{Cause, SubscribeError};
use crate::inbox::Inbox;
use crate::message::Message;
use crate::slot::Slot;
use crate::waiters::Wakes;
use mqtt_session::{Properties, ReasonCode, SubscriptionOptions, TopicFilter, TopicName};
use std::sync::Arc;

/// What the server says to SUBSCRIBE or UNSUBSCRIBE, or why it does not.
pub type Answer = Result<ReasonCode, SubscribeError>;

/// The subscriptions of the application, by filter.
#[derive(Debug)]
pub(crate) struct Router {
    pub(crate) routes: Vec<Route>,
    /// Filters that nobody reads any more.
    pub(crate) leaving: Vec<Leaving>,
    unmatched: Arc<Inbox<Message>>,
    last_id: u32,
    /// Whether the session may hold subscriptions of an earlier program, with identifiers that
    /// mean nothing here.
    adopts: bool,
}

/// One filter, and everybody who reads it.
#[derive(Debug)]
pub(crate) struct Route {
    /// Its subscription identifier (section 3.8.2.1.2).
    pub(crate) id: u32,
    pub(crate) filter: Box<str>,
    pub(crate) options: SubscriptionOptions,
    pub(crate) standing: Standing,
    readers: Vec<Arc<Inbox<Message>>>,
    waiting: Vec<Arc<Slot<Answer>>>,
}

#[derive(Debug)]
pub(crate) struct Leaving {
    pub(crate) id: u32,
    pub(crate) filter: Box<str>,
    pub(crate) standing: Standing,
    waiting: Arc<Slot<Answer>>,
}

/// How far the server knows what is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has to be asked.
    Wanted,
    /// It was asked on the present connection.
    Asked,
    /// It has answered, and keeps it as long as it keeps the session.
    Granted,
}

impl Router {
    pub(crate) fn new(unmatched: Buffer, adopts: bool) -> Self {
        Self {
            routes: Vec::new(),
            leaving: Vec::new(),
            unmatched: Inbox::new(unmatched),
            last_id: 0,
            adopts,
        }
    }

    pub(crate) fn unmatched(&self) -> Arc<Inbox<Message>> {
        Arc::clone(&self.unmatched)
    }

    /// Adds a reader; the server has to be asked, also where others read the same filter: the
    /// options may differ, and the new reader wants the retained messages.
    pub(crate) fn add(
        &mut self,
        filter: TopicFilter<'_>,
        options: SubscriptionOptions,
        buffer: Buffer,
        wakes: &mut Wakes,
    ) -> (Arc<Inbox<Message>>, Arc<Slot<Answer>>) {
        let reader = Inbox::new(buffer);
        let answer = Arc::<Slot<Answer>>::default();
        // An UNSUBSCRIBE that has not left would take away what is asked for now.
        self.leaving.retain(|leaving| {
            let obsolete =
                *leaving.filter == *filter.as_str() && leaving.standing == Standing::Wanted;
            if obsolete {
                leaving.waiting.fill(Ok(ReasonCode::SUCCESS), wakes);
            }
            !obsolete
        });
        let route = match self
            .routes
            .iter()
            .position(|route| *route.filter == *filter.as_str())
        {
            Some(index) => &mut self.routes[index],
            None => {
                self.last_id = self.next_id();
                self.routes.push(Route {
                    id: self.last_id,
                    filter: filter.as_str().into(),
                    options,
                    standing: Standing::Wanted,
                    readers: Vec::new(),
                    waiting: Vec::new(),
                });
                let last = self.routes.len() - 1;
                &mut self.routes[last]
            }
        };
        route.options = options;
        route.standing = Standing::Wanted;
        route.readers.push(Arc::clone(&reader));
        route.waiting.push(Arc::clone(&answer));
        (reader, answer)
    }

    /// From 1 to the largest that one packet can carry, then again from 1.
    fn next_id(&self) -> u32 {
        const LAST: u32 = 268_435_455;
        let mut id = self.last_id;
        loop {
            id = if id >= LAST { 1 } else { id + 1 };
            if !self.routes.iter().any(|route| route.id == id) {
                return id;
            }
        }
    }

    /// Takes a reader out. With the last of its filter, the server is to be told: the slot is
    /// filled with its answer, or at once where others read on.
    pub(crate) fn remove(
        &mut self,
        reader: &Arc<Inbox<Message>>,
        wakes: &mut Wakes,
    ) -> Arc<Slot<Answer>> {
        reader.end(None, wakes);
        let reads = |route: &Route| {
            route
                .readers
                .iter()
                .position(|other| Arc::ptr_eq(other, reader))
        };
        for index in 0..self.routes.len() {
            let route = &mut self.routes[index];
            let Some(place) = reads(route) else {
                continue;
            };
            route.readers.swap_remove(place);
            if route.readers.is_empty() {
                return self.leave(index, wakes);
            }
        }
        done()
    }

    /// Takes a filter out with all its readers; the server is told whether they exist or not.
    pub(crate) fn remove_filter(
        &mut self,
        filter: TopicFilter<'_>,
        wakes: &mut Wakes,
    ) -> Arc<Slot<Answer>> {
        match self
            .routes
            .iter()
            .position(|route| *route.filter == *filter.as_str())
        {
            Some(index) => self.leave(index, wakes),
            None => {
                self.last_id = self.next_id();
                self.want_unsubscribed(self.last_id, filter.as_str().into())
            }
        }
    }

    fn leave(&mut self, index: usize, wakes: &mut Wakes) -> Arc<Slot<Answer>> {
        let route = self.routes.swap_remove(index);
        let (id, filter) = (route.id, route.filter.clone());
        route.end(None, wakes);
        self.want_unsubscribed(id, filter)
    }

    fn want_unsubscribed(&mut self, id: u32, filter: Box<str>) -> Arc<Slot<Answer>> {
        let waiting = Arc::<Slot<Answer>>::default();
        self.leaving.push(Leaving {
            id,
            filter,
            standing: Standing::Wanted,
            waiting: Arc::clone(&waiting),
        });
        waiting
    }

    /// Hands a message to everybody who subscribed to it; `dropped` is told of each copy for
    /// which there was no room.
    pub(crate) fn deliver(
        &self,
        topic: TopicName<'_>,
        properties: &Properties<'_>,
        message: Message,
        wakes: &mut Wakes,
        mut dropped: impl FnMut(Message),
    ) {
        let mut found = false;
        // The server sends a copy for each subscription that matches, or one with all their
        // identifiers; so with identifiers a copy goes where it was sent for, and nowhere else.
        let named = |route: &&Route| {
            let mut ids = properties.subscription_identifiers();
            ids.any(|id| id == route.id) && route.matches(topic)
        };
        for route in self.routes.iter().filter(named) {
            route.deliver(&message, wakes, &mut dropped);
            found = true;
        }
        if found {
            return;
        }
        // The copy for a subscription that has ended meanwhile is nobody else's: others have
        // their own.
        let stray = !self.adopts && properties.subscription_identifiers().next().is_some();
        if stray {
            return self.unmatched.push(message, wakes, dropped);
        }
        for route in self.routes.iter().filter(|route| route.matches(topic)) {
            route.deliver(&message, wakes, &mut dropped);
            found = true;
        }
        if !found {
            self.unmatched.push(message, wakes, dropped);
        }
    }

    /// The server has accepted: what it does not know has to be asked for.
    pub(crate) fn connected(&mut self, session_present: bool, wakes: &mut Wakes) {
        if session_present {
            return;
        }
        for route in &mut self.routes {
            route.standing = Standing::Wanted;
        }
        for leaving in self.leaving.drain(..) {
            leaving.waiting.fill(Ok(ReasonCode::SUCCESS), wakes);
        }
    }

    /// A SUBSCRIBE was answered.
    pub(crate) fn subscribed(&mut self, id: u32, answer: Answer, wakes: &mut Wakes) {
        let Some(index) = self.routes.iter().position(|route| route.id == id) else {
            return;
        };
        match answer {
            Ok(granted) => {
                let route = &mut self.routes[index];
                if route.standing == Standing::Asked {
                    route.standing = Standing::Granted;
                }
                for slot in route.waiting.drain(..) {
                    slot.fill(Ok(granted), wakes);
                }
            }
            Err(why) => self.routes.swap_remove(index).end(Some(why), wakes),
        }
    }

    /// An UNSUBSCRIBE was answered.
    pub(crate) fn unsubscribed(&mut self, id: u32, answer: Answer, wakes: &mut Wakes) {
        if let Some(index) = self.leaving.iter().position(|leaving| leaving.id == id) {
            let leaving = self.leaving.swap_remove(index);
            leaving.waiting.fill(answer, wakes);
        }
    }

    /// A SUBSCRIBE or an UNSUBSCRIBE will not be answered: the connection is gone.
    pub(crate) fn unanswered(&mut self, id: u32) {
        for route in &mut self.routes {
            if route.id == id && route.standing == Standing::Asked {
                route.standing = Standing::Wanted;
            }
        }
        for leaving in &mut self.leaving {
            if leaving.id == id {
                leaving.standing = Standing::Wanted;
            }
        }
    }

    /// Nothing more will come.
    pub(crate) fn end(&mut self, cause: &Cause, wakes: &mut Wakes) {
        for route in self.routes.drain(..) {
            route.end(Some(SubscribeError::Ended(cause.clone())), wakes);
        }
        for leaving in self.leaving.drain(..) {
            leaving
                .waiting
                .fill(Err(SubscribeError::Ended(cause.clone())), wakes);
        }
        self.unmatched.end(None, wakes);
    }
}

impl Route {
    fn matches(&self, topic: TopicName<'_>) -> bool {
        TopicFilter::new(&self.filter).is_ok_and(|filter| filter.matches(topic))
    }

    fn deliver(&self, message: &Message, wakes: &mut Wakes, dropped: &mut impl FnMut(Message)) {
        for reader in &self.readers {
            reader.push(message.clone(), wakes, &mut *dropped);
        }
    }

    fn end(self, why: Option<SubscribeError>, wakes: &mut Wakes) {
        for reader in &self.readers {
            reader.end(why.clone(), wakes);
        }
        let answer = why.unwrap_or(SubscribeError::Ended(Cause::Closed));
        for slot in self.waiting {
            slot.fill(Err(answer.clone()), wakes);
        }
    }
}

/// A slot that has its answer.
fn done() -> Arc<Slot<Answer>> {
    let slot = Slot::default();
    slot.fill(Ok(ReasonCode::SUCCESS), &mut Wakes::default());
    Arc::new(slot)
}
