//! How long an acknowledgement may take: each has its own limit, whatever else comes and goes.

use core::time::Duration;
use mqtt_proto::{Packet, QoS, ReasonCode, Sender};
use mqtt_session::{
    Cause, Config, Connect, Fixed, Heap, Instant, Store, Subscription, SubscriptionOptions,
    TopicFilter,
};
use mqtt_tests::talk::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const LIMIT: Duration = Duration::from_secs(10);

/// What happens next. Numbers pick among what is open.
#[derive(Clone, Copy, Debug)]
enum Step {
    Publish(QoS),
    Subscribe,
    /// The next packet of this exchange comes from the server.
    Answer(usize),
    /// The server refuses, where it can.
    Refuse(usize),
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => prop::sample::select(vec![QoS::AtLeastOnce, QoS::ExactlyOnce]).prop_map(Step::Publish),
        1 => Just(Step::Subscribe),
        4 => any::<usize>().prop_map(Step::Answer),
        1 => any::<usize>().prop_map(Step::Refuse),
        4 => (1..4_000u16).prop_map(Step::Wait),
    ]
}

/// What an identifier waits for, and since when.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Awaited {
    PubAck(Instant),
    PubRec(Instant),
    PubComp(Instant),
    SubAck(Instant),
}

impl Awaited {
    fn since(self) -> Instant {
        let (Self::PubAck(at) | Self::PubRec(at) | Self::PubComp(at) | Self::SubAck(at)) = self;
        at
    }
}

/// The identifier of the packet that the client sends next.
fn sent_id<S: Store + Clone>(talk: &mut Talk<S>) -> u16 {
    match Packet::decode(&talk.sent(), Sender::Client).unwrap() {
        Packet::Publish(publish) => publish.packet_id.unwrap().value(),
        Packet::Subscribe(subscribe) => subscribe.packet_id.value(),
        other => panic!("{other:?} awaits nothing"),
    }
}

fn plays<S: Store + Clone>(store: S, steps: &[Step]) {
    let mut talk = Talk::new(Config::default().ack_timeout(LIMIT), store);
    let connect = Connect {
        keep_alive: 0,
        ..keeping()
    };
    talk.connects(&connect, connack());
    let mut open: BTreeMap<u16, Awaited> = BTreeMap::new();
    for step in steps {
        match *step {
            Step::Publish(qos) if open.len() < 8 => {
                talk.publishes(qos, "a", b"");
                let awaited = match qos {
                    QoS::AtLeastOnce => Awaited::PubAck(talk.now),
                    _ => Awaited::PubRec(talk.now),
                };
                open.insert(sent_id(&mut talk), awaited);
            }
            Step::Subscribe if open.len() < 8 => {
                let subscription = Subscription {
                    filter: TopicFilter::new("s").unwrap(),
                    options: SubscriptionOptions::default(),
                };
                let asked = talk.client.subscribe(talk.now, &[subscription], &[]);
                asked.unwrap();
                let awaited = Awaited::SubAck(talk.now);
                open.insert(sent_id(&mut talk), awaited);
            }
            Step::Answer(pick) | Step::Refuse(pick) if !open.is_empty() => {
                let refuses = matches!(step, Step::Refuse(_));
                let (&id, &awaited) = open.iter().nth(pick % open.len()).unwrap();
                answers(&mut talk, &mut open, id, awaited, refuses);
            }
            Step::Wait(millis) => {
                talk.now = talk.now.after(Duration::from_millis(millis.into()));
                talk.run();
            }
            _ => {}
        }
        let first = open.values().map(|awaited| awaited.since()).min();
        let due = first.map_or(Instant::NEVER, |first| first.after(LIMIT));
        if due <= talk.now {
            talk.closes().disconnected(Cause::AckTimeout);
            return;
        }
        talk.quiet();
        assert_eq!(talk.deadline, due, "\n{}", talk.history.join("\n"));
    }
}

fn answers<S: Store + Clone>(
    talk: &mut Talk<S>,
    open: &mut BTreeMap<u16, Awaited>,
    id: u16,
    awaited: Awaited,
    refuses: bool,
) {
    let reason = if refuses {
        ReasonCode::QUOTA_EXCEEDED
    } else {
        ReasonCode::SUCCESS
    };
    match awaited {
        Awaited::PubAck(_) => talk.server(Packet::PubAck(ack(id, reason))),
        Awaited::PubRec(_) => talk.server(Packet::PubRec(ack(id, reason))),
        Awaited::PubComp(_) => talk.server(pubcomp(id)),
        Awaited::SubAck(_) => talk.server(suback(id, &[ReasonCode::GRANTED_QOS_0])),
    };
    if let (Awaited::PubRec(_), false) = (awaited, refuses) {
        talk.sends(pubrel(id));
        open.insert(id, Awaited::PubComp(talk.now));
    } else {
        let told = talk.next();
        assert!(matches!(
            told,
            Did::Told(Told::Published(..) | Told::Subscribed(..))
        ));
        open.remove(&id);
    }
}

proptest! {
    #[test]
    fn the_deadline_is_that_of_the_packet_that_has_waited_longest(
        steps in prop::collection::vec(step(), 0..60)
    ) {
        plays(Heap::default(), &steps);
        plays(Fixed::<8, 4, 512, 128>::new(), &steps);
    }
}
