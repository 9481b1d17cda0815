//! Which stream a message goes to, and which subscriptions the server has to be asked for.

use crate::buffer::Buffer;
use crate::error::{Cause, SubscribeError};
use crate::inbox::Inbox;
use crate::message::Message;
use crate::question::{Answer, Question};
use crate::reader::Reader;
use crate::shared::Subscribing;
use crate::slot::Slot;
use crate::subscribe::SubscribeOptions;
use crate::waiters::Wakes;
use mqtt_session::{
    Properties, ReasonCode, RetainHandling, SubscriptionOptions, TopicFilter, TopicName,
};
use std::sync::Arc;

/// The subscriptions of the application, by filter.
#[derive(Debug)]
pub(crate) struct Router {
    pub(crate) routes: Vec<Route>,
    /// Filters that nobody reads any more.
    pub(crate) leaving: Vec<Leaving>,
    unmatched: Arc<Inbox<Message>>,
    /// The stream that has the unmatched among its own.
    collector: Option<Arc<Inbox<Message>>>,
    last_id: u32,
    /// How many messages have come.
    arrivals: u64,
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
    readers: Vec<Reader>,
    waiting: Vec<Question>,
}

#[derive(Debug)]
pub(crate) struct Leaving {
    pub(crate) id: u32,
    pub(crate) filter: Box<str>,
    pub(crate) standing: Standing,
    waiting: Question,
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
            collector: None,
            last_id: 0,
            arrivals: 0,
            adopts,
        }
    }

    /// The session is that of an earlier program, with subscriptions of its own.
    pub(crate) fn adopt(&mut self) {
        self.adopts = true;
    }

    pub(crate) fn unmatched(&self) -> Arc<Inbox<Message>> {
        Arc::clone(&self.unmatched)
    }

    /// Adds a reader of some filters; the server has to be asked, also where others read the
    /// same: the options may differ, and the new reader wants the retained messages. `dropped`
    /// is told of each unmatched message that the reader has no room for.
    pub(crate) fn add(
        &mut self,
        filters: &[TopicFilter<'_>],
        options: &SubscribeOptions,
        wakes: &mut Wakes,
        mut dropped: impl FnMut(Message),
    ) -> Subscribing {
        let inbox = Inbox::new(options.buffer);
        if options.unmatched {
            while let Some(message) = self.unmatched.try_next() {
                inbox.push(message, wakes, &mut dropped);
            }
            self.collector = Some(Arc::clone(&inbox));
        }
        let reader = Reader::new(&inbox, filters.len());
        let (questions, answer) = Question::several(filters.len(), wakes);
        for (filter, question) in filters.iter().zip(questions) {
            let route = self.route(filter.as_str(), options.options, wakes);
            if !route.readers.iter().any(|other| other.is(&reader)) {
                route.readers.push(reader.clone());
            }
            route.waiting.push(question);
        }
        (inbox, answer)
    }

    /// The route of a filter that the server has to be asked for, made if need be.
    fn route(
        &mut self,
        filter: &str,
        options: SubscriptionOptions,
        wakes: &mut Wakes,
    ) -> &mut Route {
        // An UNSUBSCRIBE that has not left would take away what is asked for now.
        let obsolete = |leaving: &mut Leaving| {
            *leaving.filter == *filter && leaving.standing == Standing::Wanted
        };
        for leaving in self.leaving.extract_if(.., obsolete) {
            leaving.waiting.answer(Ok(ReasonCode::SUCCESS), wakes);
        }
        let known = self
            .routes
            .iter()
            .position(|route| *route.filter == *filter);
        let index = known.unwrap_or_else(|| {
            self.last_id = self.next_id();
            self.routes.push(Route {
                id: self.last_id,
                filter: filter.into(),
                options,
                standing: Standing::Wanted,
                readers: Vec::new(),
                waiting: Vec::new(),
            });
            self.routes.len() - 1
        });
        let route = &mut self.routes[index];
        route.options = options;
        route.standing = Standing::Wanted;
        route
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

    /// Takes a reader out. With the last of a filter, the server is to be told: the slot is
    /// filled with its answer, or at once where others read on.
    pub(crate) fn remove(
        &mut self,
        inbox: &Arc<Inbox<Message>>,
        wakes: &mut Wakes,
    ) -> Arc<Slot<Answer>> {
        inbox.end(None, wakes);
        if self
            .collector
            .as_ref()
            .is_some_and(|collector| Arc::ptr_eq(collector, inbox))
        {
            self.collector = None;
        }
        for route in &mut self.routes {
            route.readers.retain(|reader| !reader.reads(inbox));
        }
        let nobody_reads = |route: &mut Route| route.readers.is_empty();
        let unread: Vec<Route> = self.routes.extract_if(.., nobody_reads).collect();
        let (questions, answer) = Question::several(unread.len(), wakes);
        for (route, question) in unread.into_iter().zip(questions) {
            self.want_unsubscribed(route.id, route.filter.clone(), question);
            self.end_route(route, None, wakes);
        }
        answer
    }

    /// Takes a filter out with all its readers; the server is told whether they exist or not.
    pub(crate) fn remove_filter(
        &mut self,
        filter: TopicFilter<'_>,
        wakes: &mut Wakes,
    ) -> Arc<Slot<Answer>> {
        let (questions, answer) = Question::several(1, wakes);
        let known = |route: &Route| *route.filter == *filter.as_str();
        let route = self
            .routes
            .iter()
            .position(known)
            .map(|index| self.routes.swap_remove(index));
        let id = match &route {
            Some(route) => route.id,
            None => {
                self.last_id = self.next_id();
                self.last_id
            }
        };
        for question in questions {
            self.want_unsubscribed(id, filter.as_str().into(), question);
        }
        if let Some(route) = route {
            self.end_route(route, None, wakes);
        }
        answer
    }

    fn want_unsubscribed(&mut self, id: u32, filter: Box<str>, waiting: Question) {
        self.leaving.push(Leaving {
            id,
            filter,
            standing: Standing::Wanted,
            waiting,
        });
    }

    /// Ends a route that has been taken out, and its readers with all their other filters.
    fn end_route(&mut self, route: Route, why: Option<SubscribeError>, wakes: &mut Wakes) {
        let Route {
            filter,
            readers,
            waiting,
            ..
        } = route;
        let for_several = why.clone().map(|why| why.for_one_of_several(&filter));
        let answer = why.clone().unwrap_or(SubscribeError::Ended(Cause::Closed));
        for question in waiting {
            let of_several = question.is_one_of_several();
            let answer = match &for_several {
                Some(for_several) if of_several => for_several,
                _ => &answer,
            };
            question.answer(Err(answer.clone()), wakes);
        }
        for reader in readers {
            if reader.has_several_filters() {
                reader.end(for_several.clone(), wakes);
            } else {
                reader.end(why.clone(), wakes);
            }
            self.remove(reader.inbox(), wakes);
        }
    }

    /// Hands a message to everybody who subscribed to it; `dropped` is told of each copy for
    /// which there was no room.
    pub(crate) fn deliver(
        &mut self,
        topic: TopicName<'_>,
        properties: &Properties<'_>,
        message: Message,
        wakes: &mut Wakes,
        mut dropped: impl FnMut(Message),
    ) {
        self.arrivals += 1;
        let mut found = false;
        // Each but the last gets a copy.
        let mut last: Option<&Arc<Inbox<Message>>> = None;
        let mut put = |reader| {
            if let Some(before) = last.replace(reader) {
                before.push(message.clone(), wakes, &mut dropped);
            }
        };
        // The server sends a copy for each subscription that matches, or one with all their
        // identifiers; so with identifiers a copy goes where it was sent for, and nowhere else.
        let mut ids = properties.subscription_identifiers();
        let (first_id, has_more) = (ids.next(), ids.next().is_some());
        let is_named = |route: &Route| {
            let mut ids = properties.subscription_identifiers();
            first_id == Some(route.id) || (has_more && ids.any(|id| id == route.id))
        };
        let named = |route: &&Route| is_named(route) && route.matches(topic);
        for route in self.routes.iter().filter(named) {
            found = true;
            for reader in &route.readers {
                if !self.has_come_before(topic, &message, route, reader)
                    && reader.wants(&message, self.arrivals, Some(route.id))
                {
                    put(reader.inbox());
                }
            }
        }
        // The copy for a subscription that has ended meanwhile is nobody else's: others have
        // their own.
        let stray = !self.adopts && first_id.is_some();
        if !found && !stray {
            for route in self.routes.iter().filter(|route| route.matches(topic)) {
                found = true;
                for reader in &route.readers {
                    if reader.wants(&message, self.arrivals, None) {
                        put(reader.inbox());
                    }
                }
            }
        }
        let unmatched = || self.collector.as_ref().unwrap_or(&self.unmatched);
        match last.or_else(|| (!found).then(unmatched)) {
            Some(inbox) => inbox.push(message, wakes, dropped),
            None => dropped(message),
        }
    }

    /// Whether a message was retained, and has come to the reader for another of its filters:
    /// the server sends it for each (MQTT-3.3.1-9), and one of them is enough.
    fn has_come_before(
        &self,
        topic: TopicName<'_>,
        message: &Message,
        route: &Route,
        reader: &Reader,
    ) -> bool {
        let retained = message.retain && !route.options.retain_as_published;
        retained
            && reader.has_several_filters()
            && self.routes.iter().any(|other| {
                other.id < route.id
                    && other.options.retain_handling == RetainHandling::SendAtSubscribe
                    && other.readers.iter().any(|candidate| candidate.is(reader))
                    && other.sends_retained()
                    && other.matches(topic)
            })
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
            leaving.waiting.answer(Ok(ReasonCode::SUCCESS), wakes);
        }
    }

    /// A SUBSCRIBE was answered.
    pub(crate) fn subscribed(
        &mut self,
        id: u32,
        answer: Result<ReasonCode, SubscribeError>,
        wakes: &mut Wakes,
    ) {
        let Some(index) = self.routes.iter().position(|route| route.id == id) else {
            return;
        };
        match answer {
            Ok(granted) => {
                let route = &mut self.routes[index];
                if route.standing == Standing::Asked {
                    route.standing = Standing::Granted;
                }
                for question in route.waiting.drain(..) {
                    question.answer(Ok(granted), wakes);
                }
            }
            Err(why) => {
                let route = self.routes.swap_remove(index);
                self.end_route(route, Some(why), wakes);
            }
        }
    }

    /// An UNSUBSCRIBE was answered.
    pub(crate) fn unsubscribed(
        &mut self,
        id: u32,
        answer: Result<ReasonCode, SubscribeError>,
        wakes: &mut Wakes,
    ) {
        if let Some(index) = self.leaving.iter().position(|leaving| leaving.id == id) {
            let leaving = self.leaving.swap_remove(index);
            leaving.waiting.answer(answer, wakes);
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
        for route in std::mem::take(&mut self.routes) {
            self.end_route(route, Some(SubscribeError::Ended(cause.clone())), wakes);
        }
        for leaving in self.leaving.drain(..) {
            let answer = Err(SubscribeError::Ended(cause.clone()));
            leaving.waiting.answer(answer, wakes);
        }
        self.unmatched.end(None, wakes);
    }
}

impl Route {
    fn matches(&self, topic: TopicName<'_>) -> bool {
        // Most filters are topics. A shared subscription begins with a dollar.
        let same = *self.filter == *topic.as_str() && !self.filter.starts_with('$');
        same || TopicFilter::new(&self.filter).is_ok_and(|filter| filter.matches(topic))
    }

    /// A shared subscription gets no retained messages (section 4.8.2).
    fn sends_retained(&self) -> bool {
        TopicFilter::new(&self.filter).is_ok_and(|filter| !filter.is_shared())
    }
}

#[cfg(test)]
mod tests;
