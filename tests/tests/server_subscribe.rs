//! SUBSCRIBE and what comes of it: the answer, every option, identifiers, replacing, limits.

use core::time::Duration;
use mqtt_proto::{
    Packet, Properties, Property, Publish, QoS, ReasonCode, RetainHandling, Subscription,
    SubscriptionOptions, TopicFilter,
};
use mqtt_session::Violation;
use mqtt_session::broker::{Access, Broker, BrokerConfig, EndCause, Identity};
use mqtt_tests::hall::*;
use mqtt_tests::talk::*;

const Q0: QoS = QoS::AtMostOnce;
const Q1: QoS = QoS::AtLeastOnce;
const Q2: QoS = QoS::ExactlyOnce;
const EACH: [QoS; 3] = [Q0, Q1, Q2];

const GRANTED: [ReasonCode; 3] = [
    ReasonCode::GRANTED_QOS_0,
    ReasonCode::GRANTED_QOS_1,
    ReasonCode::GRANTED_QOS_2,
];

const OPTIONS: SubscriptionOptions = SubscriptionOptions {
    qos: QoS::AtLeastOnce,
    no_local: false,
    retain_as_published: false,
    retain_handling: RetainHandling::SendAtSubscribe,
};

/// A message as a subscriber gets it.
#[derive(Debug, PartialEq, Eq)]
struct Got {
    payload: Vec<u8>,
    qos: QoS,
    retain: bool,
    identifiers: Vec<u32>,
}

/// The messages that a client has got by now, acknowledged.
#[track_caller]
fn gets<A: Access>(hall: &mut Hall<A>, connection: u64) -> Vec<Got> {
    let mut all = Vec::new();
    while let Some(bytes) = hall.next(connection) {
        let packet = Packet::decode(&bytes, mqtt_proto::Sender::Server).expect("a valid packet");
        let number = match packet {
            Packet::Publish(publish) => {
                all.push(Got {
                    payload: publish.payload.to_vec(),
                    qos: publish.qos,
                    retain: publish.retain,
                    identifiers: publish
                        .properties
                        .iter()
                        .filter_map(|property| match property {
                            Property::SubscriptionIdentifier(id) => Some(id),
                            _ => None,
                        })
                        .collect(),
                });
                publish.packet_id.map_or(0, |id| id.value())
            }
            Packet::PubRel(ack) => {
                hall.says(connection, pubcomp(ack.packet_id.value()));
                continue;
            }
            other => panic!("{other:?}"),
        };
        match all.last().map(|got| got.qos) {
            Some(QoS::AtLeastOnce) => _ = hall.says(connection, puback(number)),
            Some(QoS::ExactlyOnce) => _ = hall.says(connection, pubrec(number)),
            _ => {}
        }
    }
    all
}

// broker: MQTT-3.8.4-1, MQTT-3.8.4-2, MQTT-3.8.4-5, MQTT-3.8.4-6, MQTT-3.8.4-7, MQTT-3.9.3-1
#[test]
fn every_subscribe_has_one_suback_with_its_identifier_and_a_code_for_each_filter_in_order() {
    let mut hall = hall();
    hall.joins(1, &hello("c"));
    let many = [
        filter("a", Q2),
        filter("b/+", Q0),
        filter("$share/g/c", Q1),
        filter("#", Q2),
    ];
    let codes = [2, 0, 1, 2].map(|qos: usize| GRANTED[qos]);
    hall.says(1, subscribe(65_535, &many))
        .hears(1, suback(65_535, &codes));
    hall.says(1, subscribe(7, &[filter("d", Q0)]))
        .says(1, subscribe(8, &[filter("e", Q1)]))
        .hears(1, suback(7, &[GRANTED[0]]))
        .hears(1, suback(8, &[GRANTED[1]]));
    hall.silent();
    // As if each had been asked for by itself.
    assert_eq!(hall.broker.load().subscriptions, 6);
    hall.joins(2, &hello("p"));
    for topic in ["a", "b/x", "c", "d", "e"] {
        hall.says(2, publishing(Q0, 0, topic, b""));
    }
    // `c` comes once for `#`, and once for the share.
    assert_eq!(gets(&mut hall, 1).len(), 6);
}

/// Grants QoS 0 at most below `low/`, refuses all below `no/` with a code, `never` with one that
/// SUBACK cannot carry.
struct Granting(ReasonCode);

impl Access for Granting {
    fn subscribe(
        &mut self,
        _: &Identity<'_>,
        filter: TopicFilter<'_>,
        options: SubscriptionOptions,
    ) -> Result<QoS, ReasonCode> {
        match filter.as_str() {
            filter if filter.starts_with("low/") => Ok(QoS::AtMostOnce),
            filter if filter.starts_with("no/") => Err(self.0),
            _ => Ok(options.qos),
        }
    }
}

// broker: MQTT-3.8.4-6, MQTT-3.8.4-7, MQTT-3.9.3-1, MQTT-3.9.3-2
#[test]
fn a_code_says_what_was_granted_or_why_not() {
    for code in (0..=u8::MAX).filter_map(ReasonCode::new) {
        let table = [0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2];
        let told = if table.contains(&code.value()) {
            code
        } else {
            ReasonCode::NOT_AUTHORIZED
        };
        let broker = Broker::with_access(BrokerConfig::default(), Granting(code));
        let mut hall = Hall::new(broker);
        hall.joins(1, &hello("c"));
        let asked = [filter("no/a", Q2), filter("low/b", Q2), filter("c", Q2)];
        hall.says(1, subscribe(1, &asked))
            .hears(1, suback(1, &[told, GRANTED[0], GRANTED[2]]));
        for topic in ["no/a", "low/b", "c"] {
            hall.says(1, publishing(Q2, 9, topic, b"x"));
            hall.says(1, pubrel(9));
        }
        let got = hall.broker.load();
        assert_eq!((got.subscriptions, got.unsettled), (2, 1), "{code}");
    }
}

// broker: MQTT-3.8.4-7
#[test]
fn no_more_is_granted_than_the_broker_takes() {
    for most in EACH {
        let mut hall = hall_with(BrokerConfig {
            maximum_qos: most,
            ..BrokerConfig::default()
        });
        hall.joins(1, &hello("c"));
        let asked = EACH.map(|qos| filter(["a", "b", "c"][qos as usize], qos));
        let codes = EACH.map(|qos| GRANTED[qos.min(most) as usize]);
        hall.says(1, subscribe(1, &asked))
            .hears(1, suback(1, &codes));
    }
}

// broker: MQTT-3.8.3-5
#[test]
fn reserved_bits_of_options_are_malformed() {
    for options in [0x40, 0x80, 0xc0, 0x41, 0x82] {
        let mut hall = hall();
        hall.joins(1, &hello("c"));
        hall.says_bytes(1, &[0x82, 7, 0, 1, 0, 0, 1, b't', options]);
        hall.is_disconnected(1, ReasonCode::MALFORMED_PACKET);
        let EndCause::Violation(violation) = hall.end_cause(1) else {
            panic!("{:?}", hall.end_cause(1));
        };
        assert_eq!(violation.statement(), "MQTT-3.8.3-5");
    }
}

// broker: MQTT-3.8.3-3, MQTT-3.8.4-8
#[test]
fn every_combination_of_options_does_what_each_option_says() {
    let handlings = [
        RetainHandling::SendAtSubscribe,
        RetainHandling::SendIfNew,
        RetainHandling::DoNotSend,
    ];
    for qos in EACH {
        for number in 0..12 {
            let options = SubscriptionOptions {
                qos,
                no_local: number % 2 == 1,
                retain_as_published: number / 2 % 2 == 1,
                retain_handling: handlings[number / 4],
            };
            let mut hall = hall();
            hall.joins(1, &hello("p")).joins(2, &hello("s"));
            hall.says(1, retaining(Q0, 0, "t", b"kept"));
            let asked = [filter_with("t", options)];
            for (round, handling) in [(0, 1), (1, 0)] {
                hall.says(2, subscribe(1, &asked))
                    .hears(2, suback(1, &[GRANTED[qos as usize]]));
                let sent = options.retain_handling as usize <= handling;
                let kept = Got {
                    payload: b"kept".to_vec(),
                    qos: Q0,
                    retain: true,
                    identifiers: vec![],
                };
                let expected: Vec<Got> = sent.then_some(kept).into_iter().collect();
                assert_eq!(gets(&mut hall, 2), expected, "{options:?}, round {round}");
            }
            for published in EACH {
                for (who, retain) in [(1, false), (1, true), (2, false), (2, true)] {
                    let publish = publish(published, published as u16, "t", b"new");
                    let publish = Publish { retain, ..publish };
                    hall.says(who, Packet::Publish(publish));
                    // The acknowledgement of what it published itself comes first or last.
                    let mut expected = vec![Got {
                        payload: b"new".to_vec(),
                        qos: published.min(qos),
                        retain: retain && options.retain_as_published,
                        identifiers: vec![],
                    }];
                    if who == 2 {
                        if options.no_local {
                            expected.clear();
                        }
                        let own = hall.take_acks(2);
                        assert_eq!(own, usize::from(published != Q0));
                    }
                    assert_eq!(gets(&mut hall, 2), expected, "{options:?} {published:?}");
                    hall.take_acks(1);
                    if published == Q2 {
                        hall.says(who, pubrel(2)).take_acks(who);
                    }
                }
            }
            assert_eq!(hall.broker.load().unsettled, 0);
        }
    }
}

// broker: MQTT-3.8.3-3
#[test]
fn no_local_is_about_the_client_and_not_about_its_connection() {
    let quiet = SubscriptionOptions {
        no_local: true,
        ..OPTIONS
    };
    let mut hall = hall();
    hall.joins(1, &hello_again("c"));
    hall.says(1, subscribe(1, &[filter_with("t", quiet)]))
        .hears(1, suback(1, &[GRANTED[1]]));
    hall.rejoins(2, &hello_again("c"), true)
        .is_disconnected(1, ReasonCode::SESSION_TAKEN_OVER);
    hall.says(2, publishing(Q1, 1, "t", b"own"));
    // It matched no subscription that it may go to.
    hall.hears(
        2,
        Packet::PubAck(ack(1, ReasonCode::NO_MATCHING_SUBSCRIBERS)),
    );
    hall.joins(3, &hello("d"))
        .says(3, publishing(Q0, 0, "t", b"other"))
        .hears(2, publishing(Q0, 0, "t", b"other"));
    hall.silent();
}

/// What is retained belongs to its topic: who set it is not kept with it. (The standard can be
/// read both ways; brokers in use differ.)
#[test]
fn no_local_is_about_messages_as_they_are_published_and_not_about_what_is_retained() {
    let quiet = SubscriptionOptions {
        no_local: true,
        ..OPTIONS
    };
    let mut hall = hall();
    hall.joins(1, &hello("c"))
        .says(1, retaining(Q0, 0, "t", b"own"));
    hall.says(1, subscribe(1, &[filter_with("t", quiet)]))
        .hears(1, suback(1, &[GRANTED[1]]))
        .hears(1, retaining(Q0, 0, "t", b"own"));
    hall.says(1, retaining(Q0, 0, "t", b"newer")).silent();
}

// broker: MQTT-3.8.4-3
#[test]
fn the_same_filter_again_replaces_the_subscription() {
    let mut hall = hall();
    hall.joins(1, &hello("p")).joins(2, &hello("s"));
    let ids = [[Property::SubscriptionIdentifier(5)]];
    hall.says(2, subscribe_as(1, &ids[0], &[filter("t/#", Q2)]))
        .hears(2, suback(1, &[GRANTED[2]]));
    hall.says(2, subscribe(2, &[filter("t/#", Q0)]))
        .hears(2, suback(2, &[GRANTED[0]]));
    assert_eq!(hall.broker.load().subscriptions, 1);
    // One copy, at the QoS of the new one, without the identifier of the old one.
    hall.says(1, publishing(Q2, 1, "t/x", b"x"))
        .hears(1, pubrec(1));
    hall.hears(2, publishing(Q0, 0, "t/x", b"x"));
    // A filter that matches the same is another one.
    hall.says(2, subscribe(3, &[filter("t/+", Q1)]))
        .hears(2, suback(3, &[GRANTED[1]]));
    assert_eq!(hall.broker.load().subscriptions, 2);
    hall.silent();
}

// broker: MQTT-3.8.4-4
#[test]
fn replacing_sends_what_is_retained_again_and_loses_nothing() {
    let mut hall = hall();
    hall.joins(1, &hello("p")).joins(2, &hello("s"));
    hall.says(1, retaining(Q0, 0, "t", b"kept"));
    hall.says(2, subscribe(1, &[filter("t", Q1)]))
        .hears(2, suback(1, &[GRANTED[1]]))
        .hears(2, retaining(Q0, 0, "t", b"kept"));
    // A message is on its way as the subscription is replaced, another one comes after it.
    hall.takes(2, 0);
    hall.says(1, publishing(Q1, 1, "t", b"before"))
        .hears(1, puback(1));
    hall.says(2, subscribe(2, &[filter("t", Q1)]));
    hall.says(1, publishing(Q1, 2, "t", b"after"))
        .hears(1, puback(2));
    hall.takes(2, usize::MAX);
    hall.hears(2, publishing(Q1, 1, "t", b"before"))
        .hears(2, suback(2, &[GRANTED[1]]));
    let mut left = vec![
        publishing(Q1, 2, "t", b"after"),
        retaining(Q0, 0, "t", b"kept"),
    ];
    for _ in 0..2 {
        hall.hears_what(2, |heard| {
            let at = left.iter().position(|packet| {
                let bytes = |packet: &Packet<'_>| packet.to_vec(mqtt_proto::Sender::Server);
                bytes(packet) == bytes(&heard)
            });
            left.remove(at.unwrap_or_else(|| panic!("{heard:?}")));
        });
    }
    hall.silent();
}

// broker: MQTT-3.8.4-4
#[test]
fn what_waits_for_a_client_outlives_the_replacing_of_its_subscription() {
    let one = [Property::ReceiveMaximum(1)];
    let connect = mqtt_proto::Connect {
        properties: Properties::new(&one),
        ..hello("s")
    };
    let mut hall = hall();
    hall.joins(1, &hello("p")).joins(2, &connect);
    hall.subscribes(2, "t", Q2);
    for (number, payload) in [(1, b"a"), (2, b"b"), (3, b"c")] {
        hall.says(1, publishing(Q1, number, "t", payload))
            .hears(1, puback(number));
    }
    hall.subscribes_hearing(2, "t", Q0);
    let payloads: Vec<Vec<u8>> = gets(&mut hall, 2)
        .into_iter()
        .map(|got| got.payload)
        .collect();
    assert_eq!(payloads, [b"a", b"b", b"c"]);
}

// broker: MQTT-3.8.4-8
#[test]
fn a_message_comes_at_the_lower_of_two_qos() {
    for granted in EACH {
        for published in EACH {
            let mut hall = hall();
            hall.joins(1, &hello("p")).joins(2, &hello("s"));
            hall.subscribes(2, "t", granted);
            hall.says(1, publishing(published, published as u16, "t", b"x"));
            let got = gets(&mut hall, 2);
            assert_eq!(got.len(), 1);
            assert_eq!(got[0].qos, granted.min(published));
        }
    }
}

#[test]
fn subscription_identifiers_come_with_what_they_match() {
    let mut hall = hall();
    hall.joins(1, &hello("p")).joins(2, &hello("s"));
    let ids = [1, 268_435_455, 7].map(|id| [Property::SubscriptionIdentifier(id)]);
    hall.says(1, retaining(Q0, 0, "a/b", b"kept"));
    hall.says(
        2,
        subscribe_as(1, &ids[0], &[filter("a/b", Q0), filter("c", Q0)]),
    )
    .hears(2, suback(1, &[GRANTED[0], GRANTED[0]]));
    assert_eq!(gets(&mut hall, 2)[0].identifiers, [1]);
    hall.says(2, subscribe_as(2, &ids[1], &[filter("a/+", Q0)]))
        .hears(2, suback(2, &[GRANTED[0]]));
    assert_eq!(gets(&mut hall, 2)[0].identifiers, [268_435_455]);
    hall.says(2, subscribe_as(3, &ids[2], &[filter("$share/g/a/#", Q0)]))
        .hears(2, suback(3, &[GRANTED[0]]));
    hall.says(2, subscribe(4, &[filter("#", Q0)]))
        .hears(2, suback(4, &[GRANTED[0]]));
    gets(&mut hall, 2);
    let mut match_of = |topic: &str| -> Vec<Vec<u32>> {
        hall.says(1, publishing(Q0, 0, topic, b""));
        let got = gets(&mut hall, 2);
        got.into_iter()
            .map(|mut got| {
                got.identifiers.sort_unstable();
                got.identifiers
            })
            .collect()
    };
    // One copy with the identifiers of its own subscriptions, one for the share.
    assert_eq!(match_of("a/b"), [vec![1, 268_435_455], vec![7]]);
    assert_eq!(match_of("c"), [vec![1]]);
    assert_eq!(match_of("a/b/c"), [vec![], vec![7]]);
    assert_eq!(match_of("z"), [Vec::<u32>::new()]);
}

#[test]
fn a_client_cannot_forge_a_subscription_identifier() {
    let id = [Property::SubscriptionIdentifier(9)];
    let packet = Packet::Publish(Publish {
        properties: Properties::new(&id),
        ..publish(Q0, 0, "t", b"")
    });
    let bytes = packet.to_vec(mqtt_proto::Sender::Server).unwrap();
    let mut hall = hall();
    hall.joins(1, &hello("c")).says_bytes(1, &bytes);
    hall.is_disconnected(1, ReasonCode::PROTOCOL_ERROR);
}

#[test]
fn a_session_has_as_many_subscriptions_as_it_may() {
    let mut hall = hall_with(BrokerConfig {
        subscriptions: 2,
        ..BrokerConfig::default()
    });
    hall.joins(1, &hello("c")).joins(2, &hello("d"));
    let asked = ["a", "b", "c", "a"].map(|name| filter(name, Q0));
    let full = ReasonCode::QUOTA_EXCEEDED;
    hall.says(1, subscribe(1, &asked))
        .hears(1, suback(1, &[GRANTED[0], GRANTED[0], full, GRANTED[0]]));
    // Giving one back makes room for another one; others have their own.
    hall.says(1, unsubscribe(2, &[TopicFilter::new("a").unwrap()]))
        .hears(1, unsuback(2, &[ReasonCode::SUCCESS]));
    hall.subscribes(1, "c", Q1).subscribes(2, "a", Q1);
    assert_eq!(hall.broker.load().subscriptions, 3);
}

#[test]
fn filters_have_as_many_levels_as_they_may() {
    let mut hall = hall_with(BrokerConfig {
        maximum_levels: 3,
        ..BrokerConfig::default()
    });
    hall.joins(1, &hello("c"));
    let deep = [
        "a/b/c",
        "a/b/c/#",
        "///",
        "//",
        "$share/g/a/b/c",
        "$share/g/a/b/c/d",
    ];
    let full = ReasonCode::QUOTA_EXCEEDED;
    let good = GRANTED[0];
    hall.says(1, subscribe(1, &deep.map(|name| filter(name, Q0))))
        .hears(1, suback(1, &[good, full, full, good, good, full]));
}

/// Neither is answered although it must be, nor is the answer larger than it may be.
#[test]
fn what_cannot_be_answered_ends_its_connection_and_no_other() {
    let small = [Property::MaximumPacketSize(16)];
    let connect = mqtt_proto::Connect {
        properties: Properties::new(&small),
        ..hello("small")
    };
    let many: Vec<Subscription<'_>> = (0..400).map(|_| filter("t", Q0)).collect();
    let none: Vec<TopicFilter<'_>> = many.iter().map(|one| one.filter).collect();
    let tight = BrokerConfig {
        transmit: 256,
        ..BrokerConfig::default()
    };
    for packet in [subscribe(1, &many), unsubscribe(1, &none)] {
        let cause = EndCause::Violation(Violation::AnswerTooLarge(packet.packet_type()));
        let mut hall = hall_with(tight.clone());
        hall.joins(1, &hello("c")).joins(2, &hello("d"));
        hall.says(1, packet)
            .is_disconnected(1, ReasonCode::PACKET_TOO_LARGE);
        assert_eq!(hall.end_cause(1), cause);
        hall.joins(3, &connect);
        hall.says(3, packet)
            .is_disconnected(3, ReasonCode::PACKET_TOO_LARGE);
        hall.wait(Duration::from_secs(1)).subscribes(2, "t", Q0);
        assert_eq!(hall.broker.load().subscriptions, 1);
    }
    // As many as fit.
    let mut hall = hall_with(tight);
    hall.joins(1, &hello("c")).joins(3, &connect);
    let codes = [GRANTED[0]; 240];
    hall.says(1, subscribe(1, &many[..240]))
        .hears(1, suback(1, &codes));
    hall.says(3, subscribe(1, &many[..11]))
        .hears(3, suback(1, &codes[..11]));
}
