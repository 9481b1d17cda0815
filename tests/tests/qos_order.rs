//! Order: of what is sent again, of acknowledgements, of messages to one topic.

use mqtt_proto::{Packet, QoS, Sender};
use mqtt_session::{Config, Fixed, Heap, Offline, Property, Store};
use mqtt_tests::talk::*;

type Small = Fixed<16, 8, 2048, 256>;

fn kept<S: Store + Clone>(store: S) -> Talk<S> {
    let mut talk = Talk::new(Config::default(), store);
    talk.connects(&keeping(), connack());
    talk
}

#[track_caller]
fn some_settles<S: Store + Clone>(talk: &mut Talk<S>) {
    let did = talk.next();
    let Did::Told(Told::Published(_, Ok(_), _)) = did else {
        panic!("nothing settles, but {did:?}");
    };
}

/// Publishes and settles until the identifier `last` has been used.
fn uses_up_to<S: Store + Clone>(talk: &mut Talk<S>, last: u16) {
    loop {
        talk.publishes(QoS::AtLeastOnce, "a", b"");
        let sent = talk.sent();
        let number = u16::from_be_bytes([sent[5], sent[6]]);
        talk.server(puback(number));
        some_settles(talk);
        if number == last {
            return;
        }
    }
}

// covers: MQTT-4.6.0-1, pitfall 54
#[test]
fn what_is_sent_again_keeps_the_order_of_first_sending_and_not_that_of_identifiers() {
    fn scenario<S: Store + Clone>(store: S) {
        let mut talk = kept(store);
        uses_up_to(&mut talk, 65_532);
        let order = [
            (QoS::AtLeastOnce, 65_533_u16),
            (QoS::ExactlyOnce, 65_534),
            (QoS::AtLeastOnce, 65_535),
            (QoS::AtLeastOnce, 1),
            (QoS::ExactlyOnce, 2),
        ];
        for (qos, number) in order {
            let payload = number.to_be_bytes();
            talk.publishes(qos, "a", &payload);
            talk.sends_publish(qos, number, "a", &payload);
        }
        talk.server(puback(65_533));
        some_settles(&mut talk);
        talk.loses_transport().resumes();
        for (qos, number) in order.into_iter().skip(1) {
            talk.resends_publish(qos, number, "a", &number.to_be_bytes());
        }
        talk.quiet();
    }
    scenario(Heap::default());
    scenario(Small::new());
}

// covers: MQTT-4.6.0-1, pitfall 54
#[test]
fn a_replay_that_is_cut_anywhere_goes_on_in_the_same_order() {
    let publish_len = 9;
    for taken in 0..=4 * publish_len {
        let mut talk = kept(Heap::default());
        for (qos, number) in [
            (QoS::AtLeastOnce, 1),
            (QoS::ExactlyOnce, 2),
            (QoS::ExactlyOnce, 3),
            (QoS::AtLeastOnce, 4),
        ] {
            talk.publishes(qos, "a", b"x");
            talk.sends_publish(qos, number, "a", b"x");
        }
        talk.loses_transport();
        talk.publishes(QoS::AtLeastOnce, "a", b"x");
        talk.opens(&keeping());
        talk.takes = 0;
        talk.server(session_present()).tells(Told::Connected {
            session_present: true,
        });
        talk.client.sent(talk.now, taken);
        talk.run();
        talk.loses_transport();
        talk.takes = usize::MAX;
        talk.resumes();
        talk.resends_publish(QoS::AtLeastOnce, 1, "a", b"x");
        talk.resends_publish(QoS::ExactlyOnce, 2, "a", b"x");
        talk.resends_publish(QoS::ExactlyOnce, 3, "a", b"x");
        talk.resends_publish(QoS::AtLeastOnce, 4, "a", b"x");
        assert_eq!(talk.sent()[0], 0x32);
        talk.quiet();
    }
}

// covers: MQTT-4.6.0-4, pitfall 71, pitfall 54
#[test]
fn pubrels_leave_in_the_order_of_the_pubrecs_also_when_sent_again() {
    fn scenario<S: Store + Clone>(store: S) {
        let mut talk = kept(store);
        for number in 1..=4 {
            talk.publishes(QoS::ExactlyOnce, "a", b"");
            talk.sends_publish(QoS::ExactlyOnce, number, "a", b"");
        }
        talk.server(pubrec(2)).server(pubrec(1));
        talk.sends(pubrel(2)).sends(pubrel(1)).quiet();
        // Two more that are only owed when the transport goes.
        talk.takes = 0;
        talk.server(pubrec(4)).server(pubrec(3)).quiet();
        talk.loses_transport();
        talk.takes = usize::MAX;
        for _ in 0..2 {
            talk.resumes();
            for number in [2, 1, 4, 3] {
                talk.sends(pubrel(number));
            }
            talk.quiet().loses_transport();
        }
    }
    scenario(Heap::default());
    scenario(Small::new());
}

// covers: MQTT-4.6.0-2, MQTT-4.6.0-3
#[test]
fn acknowledgements_leave_in_the_order_of_arrival_also_when_the_transport_was_blocked() {
    let mut talk = kept(Heap::default());
    talk.takes = 0;
    for number in [5, 2, 8] {
        talk.server_publishes(QoS::AtLeastOnce, number, "a", b"");
        talk.delivers("a", b"");
        talk.server_publishes(QoS::ExactlyOnce, number + 100, "a", b"");
        talk.delivers("a", b"");
    }
    talk.quiet().unblock();
    for number in [5, 2, 8] {
        talk.sends(puback(number)).sends(pubrec(number + 100));
    }
    talk.quiet();
}

/// The topic, QoS and first payload byte of what leaves, for as long as something does.
fn leaves<S: Store + Clone>(talk: &mut Talk<S>, count: usize) -> Vec<(String, QoS, u8)> {
    let mut left = Vec::new();
    while left.len() < count {
        match talk.next() {
            Did::Sent(packet) => match Packet::decode(&packet, Sender::Client) {
                Ok(Packet::Publish(publish)) => left.push((
                    publish.topic.unwrap().as_str().to_owned(),
                    publish.qos,
                    publish.payload[0],
                )),
                other => panic!("no PUBLISH but {other:?}"),
            },
            Did::Told(Told::Published(..)) => {}
            other => panic!("no PUBLISH but {other:?}"),
        }
    }
    left
}

// covers: MQTT-4.6.0-1
#[test]
fn messages_of_one_topic_and_qos_keep_their_order_whatever_their_sizes() {
    fn scenario<S: Store + Clone>(mut talk: Talk<S>, takes: usize, online: bool) {
        if online {
            talk.connects(&keeping(), connack());
        }
        // From the smallest to what only leaves from where it is stored.
        let sizes = [1, 300, 2, 90, 500, 3, 120, 1];
        for (number, size) in sizes.into_iter().enumerate() {
            for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
                talk.publishes(qos, "a", &vec![number as u8; size]);
            }
            if number == 3 && online {
                talk.takes = takes.min(3);
                talk.run();
            }
        }
        if !online {
            talk.connects(&keeping(), connack());
        }
        talk.takes = takes;
        talk.run();
        let left = leaves(&mut talk, 3 * sizes.len());
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let numbers = left.iter().filter(|(_, of, _)| *of == qos);
            let numbers: Vec<usize> = numbers.map(|(.., number)| usize::from(*number)).collect();
            assert_eq!(numbers, (0..sizes.len()).collect::<Vec<_>>(), "{qos:?}");
        }
    }
    let config = Config::default().qos0_offline(Offline::Queue);
    for takes in [1, 7, usize::MAX] {
        for online in [true, false] {
            scenario(Talk::new(config, Heap::default()), takes, online);
            let small = Fixed::<32, 8, 4096, 128>::new();
            scenario(Talk::new(config, small), takes, online);
        }
    }
}

// covers: pitfall 55
#[test]
fn a_qos_0_message_does_not_overtake_what_is_sent_again_unless_the_window_is_full() {
    let mut talk = kept(Heap::default());
    for number in 1..=2 {
        talk.publishes(QoS::AtLeastOnce, "a", b"x");
        talk.sends_publish(QoS::AtLeastOnce, number, "a", b"x");
    }
    talk.loses_transport();
    talk.opens(&keeping());
    talk.server(Packet::ConnAck(mqtt_proto::ConnAck {
        session_present: true,
        reason: mqtt_proto::ReasonCode::SUCCESS,
        properties: mqtt_proto::Properties::new(&[Property::ReceiveMaximum(1)]),
    }));
    talk.tells(Told::Connected {
        session_present: true,
    });
    talk.resends_publish(QoS::AtLeastOnce, 1, "a", b"x");
    talk.publishes(QoS::AtMostOnce, "a", b"0");
    talk.sends_publish(QoS::AtMostOnce, 0, "a", b"0");
    some_settles(&mut talk);
    talk.quiet().server(puback(1));
    some_settles(&mut talk);
    talk.resends_publish(QoS::AtLeastOnce, 2, "a", b"x").quiet();
}
