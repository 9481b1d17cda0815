//! Messages from the server at QoS 0, 1 and 2, with automatic acknowledgement.

use mqtt_proto::{Packet, Publish, QoS, ReasonCode, Sender};
use mqtt_session::{
    Config, Connect, Fixed, Heap, Property, RxBuffer, Store, TopicFilter, Violation,
};
use mqtt_tests::talk::*;

type Small = Fixed<8, 8, 1024, 256>;

fn kept<S: Store + Clone>(store: S) -> Talk<S> {
    let mut talk = Talk::new(Config::default(), store);
    talk.connects(&keeping(), connack());
    talk
}

/// A PUBLISH that the server sends again.
fn again<'a>(qos: QoS, number: u16, topic: &'a str, payload: &'a [u8]) -> Packet<'a> {
    Packet::Publish(Publish {
        dup: true,
        ..publish(qos, number, topic, payload)
    })
}

// covers: MQTT-3.3.4-1, MQTT-4.3.2-4, MQTT-4.3.3-8, MQTT-2.2.1-5
#[test]
fn a_publish_is_answered_as_its_qos_demands_with_its_own_identifier() {
    fn scenario<S: Store + Clone>(store: S) {
        let mut talk = kept(store);
        talk.server_publishes(QoS::AtMostOnce, 0, "a", b"0");
        talk.delivers("a", b"0").quiet();
        talk.server_publishes(QoS::AtLeastOnce, 300, "a", b"1");
        talk.delivers("a", b"1").sends_bytes(&[0x40, 2, 1, 44]);
        talk.quiet();
        talk.server_publishes(QoS::ExactlyOnce, 301, "a", b"2");
        talk.delivers("a", b"2").sends_bytes(&[0x50, 2, 1, 45]);
        talk.quiet();
        talk.server(pubrel(301)).sends_bytes(&[0x70, 2, 1, 45]);
        talk.quiet();
    }
    scenario(Heap::default());
    scenario(Small::new());
}

// covers: MQTT-4.3.2-5, pitfall 67
#[test]
fn after_puback_the_same_identifier_is_a_new_message_whatever_dup_says() {
    let mut talk = kept(Heap::default());
    talk.server_publishes(QoS::AtLeastOnce, 5, "a", b"1");
    talk.delivers("a", b"1").sends(puback(5));
    talk.server(again(QoS::AtLeastOnce, 5, "a", b"1"));
    talk.delivers("a", b"1").sends(puback(5)).quiet();
}

// covers: MQTT-4.3.3-10, MQTT-4.3.3-12, pitfall 66
#[test]
fn until_pubrel_a_repeat_gets_pubrec_and_is_not_delivered() {
    fn scenario<S: Store + Clone>(store: S) {
        let mut talk = kept(store);
        talk.server_publishes(QoS::ExactlyOnce, 9, "a", b"1");
        talk.delivers("a", b"1").sends(pubrec(9));
        talk.server_publishes(QoS::ExactlyOnce, 9, "a", b"1");
        talk.sends(pubrec(9)).quiet();
        talk.server(again(QoS::ExactlyOnce, 9, "a", b"1"));
        talk.sends(pubrec(9)).quiet();

        talk.loses_transport().resumes().quiet();
        talk.server(again(QoS::ExactlyOnce, 9, "a", b"1"));
        talk.sends(pubrec(9)).quiet();
        talk.server(pubrel(9)).sends(pubcomp(9)).quiet();

        talk.server(again(QoS::ExactlyOnce, 9, "a", b"another"));
        talk.delivers("a", b"another").sends(pubrec(9)).quiet();
    }
    scenario(Heap::default());
    scenario(Small::new());
}

// covers: MQTT-4.3.3-10, pitfall 66
#[test]
fn a_message_that_was_delivered_but_whose_pubrec_never_left_is_not_delivered_again() {
    let mut talk = kept(Heap::default());
    talk.takes = 0;
    talk.server_publishes(QoS::ExactlyOnce, 9, "a", b"1");
    talk.delivers("a", b"1").quiet();
    talk.loses_transport();
    talk.takes = usize::MAX;
    talk.resumes().quiet();
    talk.server(again(QoS::ExactlyOnce, 9, "a", b"1"));
    talk.sends(pubrec(9)).quiet();
    talk.server(pubrel(9)).sends(pubcomp(9)).quiet();
}

// covers: MQTT-4.3.3-11, pitfall 60
#[test]
fn a_pubrel_is_answered_by_pubcomp_known_or_not_and_the_connection_stays() {
    let mut talk = kept(Heap::default());
    talk.server_publishes(QoS::ExactlyOnce, 9, "a", b"1");
    talk.delivers("a", b"1").sends(pubrec(9));
    talk.server(pubrel(9)).sends_bytes(&[0x70, 2, 0, 9]);
    talk.server(pubrel(9)).sends_bytes(&[0x70, 3, 0, 9, 0x92]);
    talk.server(pubrel(77)).sends_bytes(&[0x70, 3, 0, 77, 0x92]);
    talk.quiet();
    assert!(talk.client.is_connected());
}

// covers: MQTT-4.3.3-11, MQTT-4.3.3-10
#[test]
fn a_pubrel_that_comes_over_the_next_connection_completes_the_exchange() {
    let mut talk = kept(Small::new());
    talk.server_publishes(QoS::ExactlyOnce, 9, "a", b"1");
    talk.delivers("a", b"1").sends(pubrec(9));
    talk.loses_transport().resumes();
    talk.server(pubrel(9)).sends(pubcomp(9)).quiet();
    talk.server_publishes(QoS::ExactlyOnce, 9, "a", b"another");
    talk.delivers("a", b"another").sends(pubrec(9)).quiet();
}

// covers: MQTT-4.5.0-2, MQTT-3.3.2-3, pitfall 69
#[test]
fn a_message_that_nobody_subscribed_to_is_delivered_and_acknowledged() {
    let mut talk = kept(Heap::default());
    talk.server_publishes(QoS::AtLeastOnce, 1, "never/asked/for", b"1");
    talk.delivers("never/asked/for", b"1").sends(puback(1));
    talk.server_publishes(QoS::ExactlyOnce, 2, "never/asked/for", b"2");
    talk.delivers("never/asked/for", b"2").sends(pubrec(2));
    talk.server(pubrel(2)).sends(pubcomp(2)).quiet();
    assert!(talk.client.is_connected());
}

// covers: pitfall 69, MQTT-4.5.0-2
#[test]
fn messages_are_acknowledged_while_an_unsubscribe_is_under_way_and_after_it() {
    let mut talk = kept(Heap::default());
    talk.server_publishes(QoS::ExactlyOnce, 1, "a", b"1");
    talk.delivers("a", b"1").sends(pubrec(1));
    let filter = TopicFilter::new("a").unwrap();
    let ticket = talk.client.unsubscribe(talk.now, &[filter], &[]).unwrap();
    assert_eq!(talk.sent()[0], 0xa2);
    talk.server_publishes(QoS::AtLeastOnce, 2, "a", b"2");
    talk.delivers("a", b"2").sends(puback(2));
    talk.server(unsuback(1, &[ReasonCode::SUCCESS]));
    talk.tells(Told::Unsubscribed(ticket, vec![ReasonCode::SUCCESS]));
    talk.server(pubrel(1)).sends(pubcomp(1)).quiet();
}

// covers: MQTT-3.3.4-9, pitfall 75
#[test]
fn more_than_receive_maximum_unacknowledged_breaks_the_connection_off() {
    fn scenario<S: Store + Clone>(store: S) {
        let mut talk = Talk::new(Config::default(), store);
        let two = [
            Property::SessionExpiryInterval(3600),
            Property::ReceiveMaximum(2),
        ];
        let connect = Connect {
            properties: &two,
            ..Connect::new("c")
        };
        talk.connects(&connect, connack());
        talk.server_publishes(QoS::ExactlyOnce, 1, "a", b"1");
        talk.delivers("a", b"1").sends(pubrec(1));
        talk.server_publishes(QoS::ExactlyOnce, 2, "a", b"2");
        talk.delivers("a", b"2").sends(pubrec(2));
        // A repeat of what is known does not count twice, QoS 0 not at all.
        talk.server_publishes(QoS::ExactlyOnce, 2, "a", b"2");
        talk.sends(pubrec(2));
        talk.server_publishes(QoS::AtMostOnce, 0, "a", b"0");
        talk.delivers("a", b"0");
        // PUBCOMP gives its slot back.
        talk.server(pubrel(1)).sends(pubcomp(1));
        talk.server_publishes(QoS::ExactlyOnce, 3, "a", b"3");
        talk.delivers("a", b"3").sends(pubrec(3)).quiet();
        talk.server_publishes(QoS::AtLeastOnce, 4, "a", b"4");
        talk.breaks_off(ReasonCode::RECEIVE_MAXIMUM_EXCEEDED, "MQTT-3.3.4-9");
    }
    scenario(Heap::default());
    scenario(Small::new());
}

// covers: pitfall 75
#[test]
fn a_puback_that_was_written_gives_its_slot_back() {
    let mut talk = Talk::new(Config::default(), Heap::default());
    let two = [Property::ReceiveMaximum(2)];
    let connect = Connect {
        properties: &two,
        ..Connect::new("c")
    };
    talk.connects(&connect, connack());
    for number in 1..=10 {
        talk.server_publishes(QoS::AtLeastOnce, number, "a", b"");
        talk.delivers("a", b"").sends(puback(number)).quiet();
    }
}

// covers: MQTT-3.3.4-9, pitfall 75
#[test]
fn a_small_store_advertises_what_it_can_hold_and_holds_that() {
    let mut talk = Talk::new(Config::default(), Fixed::<2, 3, 256, 128>::new());
    let connect = talk.opens(&keeping());
    let Ok(Packet::Connect(connect)) = Packet::decode(&connect, Sender::Client) else {
        panic!("CONNECT comes first");
    };
    assert_eq!(connect.properties.receive_maximum(), Some(3));
    talk.server(connack());
    talk.tells(Told::Connected {
        session_present: false,
    });
    for number in 1..=3 {
        talk.server_publishes(QoS::ExactlyOnce, number, "a", b"");
        talk.delivers("a", b"").sends(pubrec(number)).quiet();
    }
    for number in 1..=3 {
        talk.server(pubrel(number)).sends(pubcomp(number)).quiet();
    }
    for number in 4..=6 {
        talk.server_publishes(QoS::ExactlyOnce, number, "a", b"");
        talk.delivers("a", b"").sends(pubrec(number)).quiet();
    }
}

// covers: MQTT-4.3.3-11, pitfall 71
#[test]
fn pubcomps_leave_in_the_order_of_the_pubrels() {
    let mut talk = kept(Heap::default());
    for number in [7, 3, 5] {
        talk.server_publishes(QoS::ExactlyOnce, number, "a", b"");
        talk.delivers("a", b"").sends(pubrec(number));
    }
    talk.takes = 0;
    for number in [5, 7, 3] {
        talk.server(pubrel(number));
    }
    talk.quiet().unblock();
    for number in [5, 7, 3] {
        talk.sends(pubcomp(number));
    }
    talk.quiet();
}

// covers: MQTT-3.7.2-2, MQTT-3.7.2-3
#[test]
fn pubcomp_carries_neither_reason_string_nor_user_property() {
    let mut talk = Talk::new(Config::default(), Heap::default());
    talk.connects(&keeping(), connack_with(&[Property::MaximumPacketSize(5)]));
    talk.server_publishes(QoS::ExactlyOnce, 1, "a", b"1");
    talk.delivers("a", b"1").sends(pubrec(1));
    let told = [
        Property::ReasonString("longer than the server takes"),
        Property::UserProperty("name", "value"),
    ];
    talk.server(Packet::PubRel(mqtt_proto::Ack {
        properties: mqtt_proto::Properties::new(&told),
        ..ack(1, ReasonCode::SUCCESS)
    }));
    // What came with PUBREL is told; what is answered says nothing.
    let said = told.iter().map(|property| format!("{property:?}"));
    talk.tells(Told::Released(ReasonCode::SUCCESS, said.collect()));
    talk.sends_bytes(&[0x70, 2, 0, 1]);
    talk.server(pubrel(2)).sends_bytes(&[0x70, 3, 0, 2, 0x92]);
    talk.quiet();
}

// A server that takes no packet of four bytes can be sent no PUBACK and no PUBREC.
// covers: pitfall 44
#[test]
fn what_cannot_be_acknowledged_may_not_come() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut talk = Talk::new(Config::default(), Heap::default());
        talk.connects(&keeping(), connack_with(&[Property::MaximumPacketSize(3)]));
        talk.server_publishes(QoS::AtMostOnce, 0, "a", b"0");
        talk.delivers("a", b"0").quiet();
        talk.server_publishes(qos, 1, "a", b"1");
        talk.ends_by(Violation::ReceiveMaximum);
    }
}

// covers: MQTT-4.3.3-13, pitfall 76
#[test]
fn an_expired_message_is_acknowledged_to_the_end() {
    let mut talk = kept(Heap::default());
    for (number, seconds) in [(1, 0), (2, 1)] {
        let expiry = [Property::MessageExpiryInterval(seconds)];
        talk.server(Packet::Publish(Publish {
            properties: mqtt_proto::Properties::new(&expiry),
            ..publish(QoS::ExactlyOnce, number, "a", b"old")
        }));
        talk.delivers("a", b"old").sends(pubrec(number));
        talk.wait(core::time::Duration::from_secs(5)).quiet();
        talk.server(pubrel(number)).sends(pubcomp(number)).quiet();
    }
}

#[test]
fn a_header_of_three_quarters_of_the_buffer_costs_few_parts() {
    // 2 bytes of fixed header, 2 of length, 2 of identifier, 1 of properties.
    for (capacity, other) in [(64, 7), (512, 8), (4096, 8)] {
        let longest = capacity / 4 * 3 - other;
        for len in [1, longest / 2, longest, longest + 1] {
            let mut talk = connected(Config::default());
            talk.input = RxBuffer::new(vec![0; capacity]);
            talk.parts = true;
            let total = if capacity == 64 {
                127 - 5 - len
            } else {
                capacity * 3
            };
            let payload: Vec<u8> = (0..total).map(|at| at as u8).collect();
            let topic = "t".repeat(len);
            talk.server_publishes(QoS::AtLeastOnce, 1, &topic, &payload);
            if len > longest {
                talk.ends_by(Violation::LargerThanBuffer);
                continue;
            }
            let mut whole = Vec::new();
            let mut parts = 0;
            while whole.len() < total {
                let part = talk.delivered();
                assert_eq!((part.offset, part.topic), (whole.len(), topic.clone()));
                whole.extend(part.payload);
                parts += 1;
            }
            assert_eq!(whole, payload);
            assert!(parts <= total.div_ceil(capacity / 4), "{parts} parts");
            talk.sends(puback(1)).quiet();
        }
    }
}
