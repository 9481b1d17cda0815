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
mod tests {
    use super::*;
    use crate::message::MessageProperties;
    use mqtt_session::{Property, QoS};

    struct Run {
        router: Router,
        wakes: Wakes,
        /// What nobody took.
        dropped: Vec<Message>,
    }

    impl Run {
        fn new() -> Self {
            Self {
                router: Router::new(Buffer::default(), false),
                wakes: Wakes::default(),
                dropped: Vec::new(),
            }
        }

        fn subscribe(&mut self, filters: &[&str], options: SubscribeOptions) -> Subscribing {
            let filters: Vec<_> = filters
                .iter()
                .map(|text| TopicFilter::new(text).unwrap())
                .collect();
            let dropped = |message| self.dropped.push(message);
            let (router, wakes) = (&mut self.router, &mut self.wakes);
            router.add(&filters, &options, wakes, dropped)
        }

        fn id(&self, filter: &str) -> u32 {
            let route = self
                .router
                .routes
                .iter()
                .find(|route| &*route.filter == filter);
            route.unwrap().id
        }

        /// A message for these subscriptions; without any, the server names none.
        fn comes(&mut self, topic: &str, payload: &'static str, retain: bool, ids: &[u32]) {
            let properties: Vec<_> = ids
                .iter()
                .map(|id| Property::SubscriptionIdentifier(*id))
                .collect();
            let message = Message {
                topic: topic.into(),
                payload: payload.into(),
                qos: QoS::AtLeastOnce,
                retain,
                dup: false,
                properties: Arc::<MessageProperties>::default(),
                receipt: None,
            };
            let (topic, properties) =
                (TopicName::new(topic).unwrap(), Properties::new(&properties));
            let dropped = |message| self.dropped.push(message);
            let (router, wakes) = (&mut self.router, &mut self.wakes);
            router.deliver(topic, &properties, message, wakes, dropped);
        }
    }

    fn all(inbox: &Inbox<Message>) -> Vec<String> {
        std::iter::from_fn(|| inbox.try_next())
            .map(|message| message.text().into_owned())
            .collect()
    }

    fn qos_1() -> SubscribeOptions {
        SubscribeOptions::new(QoS::AtLeastOnce)
    }

    #[test]
    fn a_stream_of_several_filters_is_in_order_of_arrival() {
        let mut run = Run::new();
        let (both, _) = run.subscribe(&["a/#", "b"], qos_1());
        let (other, _) = run.subscribe(&["b"], qos_1());
        let (a, b) = (run.id("a/#"), run.id("b"));
        for (topic, payload, id) in [("b", "1", b), ("a/x", "2", a), ("b", "3", b)] {
            run.comes(topic, payload, false, &[id]);
        }
        assert_eq!(all(&both), ["1", "2", "3"]);
        assert_eq!(all(&other), ["1", "3"]);
        assert!(run.dropped.is_empty());
    }

    #[test]
    fn what_two_filters_of_a_stream_match_comes_once() {
        let mut run = Run::new();
        let (both, _) = run.subscribe(&["a/#", "a/+", "a/+"], qos_1());
        let (one, _) = run.subscribe(&["a/+"], qos_1());
        let (first, second) = (run.id("a/#"), run.id("a/+"));
        // One copy for both, as often as it is published.
        run.comes("a/x", "together", false, &[second, first]);
        run.comes("a/x", "together", false, &[second, first]);
        // One for each, as often as it is published.
        for id in [first, second, first, second] {
            run.comes("a/x", "apart", false, &[id]);
        }
        // Servers that do not say what for.
        run.comes("a/x", "unnamed", false, &[]);
        run.comes("a/x", "unnamed", false, &[]);
        let told = [
            "together", "together", "apart", "apart", "unnamed", "unnamed",
        ];
        assert_eq!([all(&both), all(&one)], [told, told]);
        // Copies that only this stream would have had are nobody's, and to be acknowledged.
        assert_eq!(run.dropped.len(), 0);
        run.router.remove(&one, &mut run.wakes);
        run.comes("a/x", "last", false, &[first]);
        run.comes("a/x", "last", false, &[second]);
        assert_eq!(
            (all(&both), run.dropped.len()),
            (vec!["last".to_owned()], 1)
        );
    }

    #[test]
    fn what_is_retained_comes_once_to_a_stream_of_several_filters() {
        let mut run = Run::new();
        let filters = ["$share/g/a/#", "a/+", "a/#"];
        let (several, _) = run.subscribe(&filters, qos_1());
        let (second, third) = (run.id("a/+"), run.id("a/#"));
        // As they are subscribed one after the other, the server sends what each matches.
        for (topic, id) in [
            ("a/x", second),
            ("a/y", second),
            ("a/x", third),
            ("a/y", third),
        ] {
            run.comes(topic, "kept", true, &[id]);
        }
        run.comes("a/b/c", "kept", true, &[third]);
        assert_eq!((all(&several).len(), run.dropped.len()), (3, 2));
        // Where the mark is the publisher's, it says nothing of that.
        let (marked, _) = run.subscribe(&["b/+", "b/#"], qos_1().retain_as_published(true));
        run.comes("b/x", "live", true, &[run.id("b/#")]);
        assert_eq!(all(&marked), ["live"]);
    }

    #[test]
    fn a_stream_ends_with_the_first_filter_that_is_refused() {
        let mut run = Run::new();
        let (several, answer) = run.subscribe(&["a", "b", "c"], qos_1());
        let (other, _) = run.subscribe(&["c"], qos_1());
        run.router
            .subscribed(run.id("a"), Ok(ReasonCode::SUCCESS), &mut run.wakes);
        assert!(answer.value().is_none());
        let refused = SubscribeError::Refused {
            reason: ReasonCode::NOT_AUTHORIZED,
            reason_string: None,
        };
        run.router
            .subscribed(run.id("b"), Err(refused), &mut run.wakes);
        for error in [
            answer.value().unwrap().unwrap_err(),
            several.ended().flatten().unwrap(),
        ] {
            let SubscribeError::OneOf { filter, error } = &error else {
                panic!("{error:?}");
            };
            assert_eq!(&**filter, "b");
            assert!(matches!(**error, SubscribeError::Refused { .. }));
        }
        // The server is told of what it knows and nobody reads; others read on.
        let leaving = run.router.leaving.iter().map(|leaving| &*leaving.filter);
        assert_eq!(leaving.collect::<Vec<_>>(), ["a"]);
        assert!(other.ended().is_none());
        run.comes("c", "on", false, &[]);
        assert_eq!(
            (all(&other), all(&several)),
            (vec!["on".to_owned()], vec![])
        );
    }

    #[test]
    fn a_stream_ends_with_all_its_filters_and_is_told_when_the_server_knows() {
        let mut run = Run::new();
        let (several, _) = run.subscribe(&["a", "b"], qos_1());
        let (a, b) = (run.id("a"), run.id("b"));
        let gone = run.router.remove(&several, &mut run.wakes);
        assert!(several.ended().is_some() && run.router.routes.is_empty());
        run.router
            .unsubscribed(b, Ok(ReasonCode::SUCCESS), &mut run.wakes);
        assert!(gone.value().is_none());
        run.router
            .unsubscribed(a, Ok(ReasonCode::SUCCESS), &mut run.wakes);
        assert!(gone.value().unwrap().is_ok());
    }

    #[test]
    fn a_stream_that_takes_the_unmatched_has_them_in_their_place() {
        let mut run = Run::new();
        let unmatched = run.router.unmatched();
        run.comes("x", "before", false, &[]);
        let buffer = Buffer {
            messages: 3,
            ..Buffer::default()
        };
        let (stream, _) = run.subscribe(&["a"], qos_1().unmatched(true).buffer(buffer));
        run.comes("a", "between", false, &[]);
        run.comes("x", "after", false, &[]);
        assert_eq!(all(&stream), ["before", "between", "after"]);
        assert!(unmatched.try_next().is_none());
        // What a stream has no room for is told to be acknowledged.
        run.router.remove(&stream, &mut run.wakes);
        for payload in ["1", "2", "3", "4"] {
            run.comes("x", payload, false, &[]);
        }
        let (stream, _) = run.subscribe(&["a"], qos_1().unmatched(true).buffer(buffer));
        assert_eq!((all(&stream).len(), run.dropped.len()), (3, 1));
        run.router.remove(&stream, &mut run.wakes);
        run.comes("x", "alone", false, &[]);
        assert_eq!(all(&unmatched), ["alone"]);
    }
}
