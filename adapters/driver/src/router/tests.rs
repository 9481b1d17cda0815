//! Which stream a message goes to, and what becomes of those that nobody reads.

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
        let (topic, properties) = (TopicName::new(topic).unwrap(), Properties::new(&properties));
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
