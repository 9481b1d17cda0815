//! Payloads drawn from the application while they are sent: through small buffers, with all that
//! holds for messages handed over whole.

use core::time::Duration;
use mqtt_proto::{EncodeError, Packet, Properties, Property, Publish as Pub, QoS, ReasonCode};
use mqtt_session::{
    Action, Cause, Client, Config, ControlError, Fixed, GiveUp, Heap, HeapLimits, Instant, Lost,
    Publish, RequestError, RxBuffer, Store, Ticket, TopicName,
};
use mqtt_tests::talk::*;

type Small = Fixed<8, 8, 1024, 64>;
type Middle = Fixed<8, 8, 1024, 256, 4, 16>;
const BOUND: HeapLimits = HeapLimits {
    exchanges: 8,
    bytes: 1024,
    transmit: 256,
    receive_maximum: 8,
};
const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
const LIMIT: Duration = Duration::from_secs(10);

/// A payload of which no two parts are the same.
fn long(len: usize) -> Vec<u8> {
    let mixed = |at: usize| (at.wrapping_mul(at) >> 3 ^ at) as u8;
    (0..len).map(mixed).collect()
}

fn kept_with<S: Store + Clone>(config: Config, store: S) -> Talk<S> {
    let mut talk = Talk::new(config, store);
    talk.connects(&keeping(), connack());
    talk
}

fn kept<S: Store + Clone>(store: S) -> Talk<S> {
    kept_with(Config::default().ack_timeout(LIMIT), store)
}

#[track_caller]
fn given_up<S: Store + Clone>(talk: &mut Talk<S>, ticket: Ticket, cause: GiveUp) {
    talk.tells(Told::Published(ticket, Err(cause), Vec::new()));
}

/// Supplies the first bytes of a payload that the test announced.
#[track_caller]
fn begins<S: Store + Clone>(talk: &mut Talk<S>, ticket: Ticket, count: usize) {
    talk.tells(Told::PayloadWanted(ticket));
    let mut draw = talk.client.draw(talk.now).unwrap();
    assert_eq!((draw.ticket, draw.offset), (ticket, 0));
    assert!(draw.room().len() >= count);
    draw.supply(count);
    talk.tells(Told::PayloadWanted(ticket));
}

/// The rest of a conversation about one message that was sent as number 1.
fn finishes<S: Store + Clone>(talk: &mut Talk<S>, qos: QoS, ticket: Ticket) {
    match qos {
        QoS::AtMostOnce => {}
        QoS::AtLeastOnce => {
            talk.server(puback(1));
        }
        QoS::ExactlyOnce => {
            talk.server(pubrec(1)).sends(pubrel(1));
            talk.server(pubcomp(1));
        }
    }
    talk.settles(ticket, ReasonCode::SUCCESS).quiet();
    assert_eq!(talk.client.unsettled(), 0);
}

fn number(qos: QoS) -> u16 {
    u16::from(qos != QoS::AtMostOnce)
}

#[test]
fn a_payload_of_any_length_goes_through_any_buffer_at_any_qos() {
    fn scenario<S: Store + Clone>(store: S) {
        for qos in QOS {
            for len in [0, 1, 2, 40, 49, 50, 51, 52, 53, 127, 128, 500, 20_000] {
                for (takes, supplies) in [
                    (usize::MAX, usize::MAX),
                    (1, usize::MAX),
                    (usize::MAX, 1),
                    (7, 3),
                    (3, 7),
                ] {
                    let mut talk = kept(store.clone());
                    (talk.takes, talk.supplies) = (takes, supplies);
                    let payload = long(len);
                    let ticket = talk.publishes_drawn(qos, "a", &payload);
                    talk.sends_publish(qos, number(qos), "a", &payload);
                    finishes(&mut talk, qos, ticket);
                }
            }
        }
    }
    scenario(Small::new());
    scenario(Middle::new());
    scenario(Heap::new(BOUND));
    scenario(Heap::default());
}

/// Header and first part leave in one write, and each write is as long as the buffer allows.
#[test]
fn what_is_drawn_leaves_in_few_writes() {
    let mut client = Client::new(Config::default(), Middle::new());
    let mut input = RxBuffer::new([0; 64]);
    let now = Instant::from_secs(1);
    client.start(now);
    assert!(matches!(client.poll(now, &mut input), Action::Open));
    client.opened(now, &keeping()).unwrap();
    assert!(matches!(client.poll(now, &mut input), Action::Send(_)));
    client.sent(now, usize::MAX);
    input.spare()[..5].copy_from_slice(&[0x20, 3, 0, 0, 0]);
    input.filled(5);
    assert!(matches!(client.poll(now, &mut input), Action::Event(_)));
    let publish = message(QoS::AtLeastOnce, "a", b"not looked at");
    client.publish_drawn(now, &publish, 20_000).unwrap();
    let (mut writes, mut bytes) = (0, 0);
    loop {
        match client.poll(now, &mut input) {
            Action::Event(_) => {
                let mut draw = client.draw(now).unwrap();
                let count = draw.room().len();
                draw.supply(count);
            }
            Action::Send(part) => {
                writes += 1;
                bytes += part.len();
                let all = part.len();
                assert!(writes > 1 || part[..6] == [0x32, 0xa6, 0x9c, 0x01, 0, 1]);
                client.sent(now, all);
            }
            Action::Timeout(_) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(bytes, 20_000 + 10);
    assert_eq!(writes, bytes.div_ceil(256 - 5));
}

#[test]
fn it_is_asked_for_once_and_supplied_at_any_time() {
    let mut talk = kept(Middle::new());
    let ticket = talk.announces(QoS::AtLeastOnce, "a", 4);
    talk.tells(Told::PayloadWanted(ticket)).quiet().quiet();
    // Looking for the place, and supplying nothing, changes nothing.
    assert_eq!(talk.client.draw(talk.now).unwrap().room().len(), 4);
    talk.client.draw(talk.now).unwrap().supply(0);
    talk.quiet();
    for (at, byte) in b"abcd".iter().enumerate() {
        talk.wait(Duration::from_secs(6));
        let mut draw = talk.client.draw(talk.now).unwrap();
        assert_eq!((draw.offset, draw.total, draw.dup), (at, 4, false));
        draw.room()[0] = *byte;
        draw.supply(if at == 3 { usize::MAX } else { 1 });
        if at < 3 {
            talk.tells(Told::PayloadWanted(ticket)).quiet();
        }
    }
    talk.sends_publish(QoS::AtLeastOnce, 1, "a", b"abcd");
    assert!(talk.client.draw(talk.now).is_none());
    finishes(&mut talk, QoS::AtLeastOnce, ticket);
}

// covers: MQTT-3.3.1-1, MQTT-4.4.0-1
#[test]
fn after_a_cut_it_is_drawn_again_from_its_start_with_dup_and_its_identifier() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        for taken in [1, 5, 30, 80, 506, 507] {
            let mut talk = kept(Small::new());
            let payload = long(500);
            let ticket = talk.publishes_drawn(qos, "a", &payload);
            // So many bytes are taken, and then nothing more.
            let mut left = taken;
            while left > 0 {
                let action = talk.client.poll(talk.now, &mut talk.input);
                match action {
                    Action::Send(bytes) => {
                        let count = bytes.len().min(left);
                        left -= count;
                        talk.client.sent(talk.now, count);
                    }
                    Action::Event(_) => assert!(talk.supply(ticket)),
                    other => panic!("{other:?}"),
                }
            }
            for _ in 0..2 {
                talk.loses_transport().resumes();
                talk.resends_publish(qos, 1, "a", &payload).quiet();
            }
            finishes(&mut talk, qos, ticket);
        }
    }
}

#[test]
fn what_no_transport_took_a_byte_of_is_drawn_without_dup() {
    let mut talk = kept(Small::new());
    talk.takes = 0;
    let ticket = talk.publishes_drawn(QoS::ExactlyOnce, "a", &long(500));
    talk.quiet().loses_transport();
    talk.takes = usize::MAX;
    talk.resumes();
    // The identifier of what never left was given back, and identifiers go on rising.
    talk.sends_publish(QoS::ExactlyOnce, 2, "a", &long(500));
    talk.server(pubrec(2)).sends(pubrel(2));
    talk.server(pubcomp(2)).settles(ticket, ReasonCode::SUCCESS);
}

#[test]
fn a_qos_0_payload_ends_with_its_last_byte_or_with_the_connection() {
    let mut talk = kept(Small::new());
    let ticket = talk.announces(QoS::AtMostOnce, "a", 100);
    begins(&mut talk, ticket, 10);
    talk.loses_transport();
    given_up(&mut talk, ticket, GiveUp::ConnectionLost);
    talk.resumes().quiet();
    // Supplied whole, and not taken whole.
    talk.takes = 0;
    let ticket = talk.publishes_drawn(QoS::AtMostOnce, "a", &long(20));
    talk.quiet().loses_transport();
    given_up(&mut talk, ticket, GiveUp::ConnectionLost);
    // What is not begun goes with the connection, too.
    talk.takes = usize::MAX;
    talk.resumes();
    let first = talk.announces(QoS::AtMostOnce, "a", 100);
    let second = talk.announces(QoS::AtMostOnce, "a", 100);
    begins(&mut talk, first, 10);
    talk.loses_transport();
    given_up(&mut talk, first, GiveUp::ConnectionLost);
    given_up(&mut talk, second, GiveUp::ConnectionLost);
}

// covers: MQTT-4.6.0-6
#[test]
fn what_is_published_behind_it_leaves_behind_it() {
    for qos in QOS {
        for first in QOS {
            let mut talk = kept(Middle::new());
            let ticket = talk.announces(first, "a", 30);
            begins(&mut talk, ticket, 10);
            talk.publishes(qos, "a", b"behind");
            talk.publishes_drawn(qos, "a", &long(300));
            talk.publishes(qos, "a", b"last");
            talk.quiet();
            let mut draw = talk.client.draw(talk.now).unwrap();
            assert_eq!(draw.room().len(), 20);
            draw.room().fill(0);
            draw.supply(20);
            let base = number(first);
            assert_eq!(talk.sent().len(), 30 + 6 + 2 * usize::from(base));
            let mut sent = Vec::new();
            while let Some(did) = talk.did() {
                match did {
                    Did::Sent(bytes) => sent.push(bytes),
                    Did::Told(Told::Published(_, Ok(ReasonCode::SUCCESS), _)) => {}
                    other => panic!("{other:?}"),
                }
            }
            let ends: Vec<&[u8]> = sent.iter().map(|bytes| &bytes[bytes.len() - 4..]).collect();
            assert_eq!(ends, [b"hind", &long(300)[296..], b"last"]);
        }
    }
}

// covers: MQTT-3.3.4-7, MQTT-3.3.4-9
#[test]
fn it_counts_for_the_window_of_the_server() {
    let mut talk = Talk::new(Config::default(), Small::new());
    let one = [Property::ReceiveMaximum(1)];
    talk.connects(&keeping(), connack_with(&one));
    let first = talk.publishes_drawn(QoS::ExactlyOnce, "a", &long(200));
    let second = talk.publishes_drawn(QoS::AtLeastOnce, "a", &long(300));
    talk.sends_publish(QoS::ExactlyOnce, 1, "a", &long(200));
    talk.server(pubrec(1)).sends(pubrel(1)).quiet();
    talk.server(pubcomp(1)).settles(first, ReasonCode::SUCCESS);
    talk.sends_publish(QoS::AtLeastOnce, 2, "a", &long(300));
    talk.server(puback(2)).settles(second, ReasonCode::SUCCESS);
}

#[test]
fn acknowledgements_wait_behind_it() {
    let mut talk = kept(Middle::new());
    let earlier = talk.publishes(QoS::ExactlyOnce, "a", b"");
    talk.sends_publish(QoS::ExactlyOnce, 1, "a", b"");
    let ticket = talk.announces(QoS::AtLeastOnce, "a", 30);
    begins(&mut talk, ticket, 10);
    talk.server_publishes(QoS::AtLeastOnce, 7, "in", b"1");
    talk.delivers("in", b"1");
    talk.server_publishes(QoS::ExactlyOnce, 8, "in", b"2");
    talk.delivers("in", b"2");
    talk.server(pubrec(1)).server(pubrel(9)).quiet();
    let mut draw = talk.client.draw(talk.now).unwrap();
    draw.room().fill(0);
    draw.supply(20);
    assert_eq!(talk.sent().len(), 38);
    // All of it is owed, and leaves now.
    let mut owed: Vec<Vec<u8>> = (0..4).map(|_| talk.sent()).collect();
    owed.sort();
    assert_eq!(
        owed,
        [
            vec![0x40, 2, 0, 7],
            vec![0x50, 2, 0, 8],
            vec![0x62, 2, 0, 1],
            vec![0x70, 3, 0, 9, 0x92]
        ]
    );
    talk.server(pubcomp(1));
    talk.settles(earlier, ReasonCode::SUCCESS).quiet();
    talk.server(puback(2)).settles(ticket, ReasonCode::SUCCESS);
}

#[test]
fn no_ping_comes_between_its_parts_and_one_follows_in_time() {
    let mut talk = kept_with(
        Config::default().ack_timeout(Duration::from_secs(100)),
        Middle::new(),
    );
    let ticket = talk.announces(QoS::AtLeastOnce, "a", 2);
    begins(&mut talk, ticket, 1);
    // Keep Alive is 60 seconds.
    talk.wait(Duration::from_secs(61)).quiet();
    let mut draw = talk.client.draw(talk.now).unwrap();
    draw.room()[0] = 0;
    draw.supply(1);
    talk.sent();
    talk.server(puback(1)).settles(ticket, ReasonCode::SUCCESS);
    talk.wait(Duration::from_secs(59)).quiet();
    talk.wait(Duration::from_secs(1)).sends(Packet::PingReq);
}

#[test]
fn who_supplies_nothing_in_time_loses_the_connection_and_the_message_alone() {
    fn scenario<S: Store + Clone>(store: S) {
        for qos in QOS {
            let mut talk = kept(store.clone());
            let ticket = talk.announces(qos, "a", 1_000);
            let other = talk.publishes(QoS::AtLeastOnce, "b", b"other");
            begins(&mut talk, ticket, 3);
            talk.wait(LIMIT - Duration::from_millis(1)).quiet();
            talk.wait_until_due().closes();
            talk.disconnected(Cause::PayloadUnfinished);
            given_up(&mut talk, ticket, GiveUp::PayloadUnfinished);
            talk.quiet();
            // Its identifier is free again: the server never had the message.
            talk.resumes();
            talk.sends_publish(QoS::AtLeastOnce, 1 + number(qos), "b", b"other");
            talk.server(puback(1 + number(qos)));
            talk.settles(other, ReasonCode::SUCCESS).quiet();
            assert_eq!(talk.client.unsettled(), 0);
            for _ in 0..8 {
                talk.publishes(QoS::AtLeastOnce, "a", b"");
            }
        }
    }
    scenario(Small::new());
    scenario(Heap::new(BOUND));
}

#[test]
fn a_transport_that_takes_nothing_is_to_blame_itself() {
    let mut talk = kept(Middle::new());
    talk.takes = 0;
    let ticket = talk.announces(QoS::AtLeastOnce, "a", 1_000);
    begins(&mut talk, ticket, 3);
    talk.wait(LIMIT)
        .closes()
        .disconnected(Cause::SendTimeout)
        .quiet();
    assert_eq!(talk.client.unsettled(), 1);
    // What the transport took late is not held against the application.
    talk.takes = usize::MAX;
    talk.resumes();
    talk.tells(Told::PayloadWanted(ticket));
    talk.takes = 0;
    let draw = talk.client.draw(talk.now).unwrap();
    draw.supply(3);
    talk.tells(Told::PayloadWanted(ticket));
    talk.wait(LIMIT / 2).unblock();
    talk.wait(LIMIT - Duration::from_millis(1)).quiet();
    talk.wait(Duration::from_millis(1)).closes();
    talk.disconnected(Cause::PayloadUnfinished);
    given_up(&mut talk, ticket, GiveUp::PayloadUnfinished);
}

#[test]
fn who_cannot_go_on_says_so() {
    for qos in QOS {
        // In the middle.
        let mut talk = kept(Small::new());
        let ticket = talk.announces(qos, "a", 1_000);
        begins(&mut talk, ticket, 3);
        assert!(talk.client.abandon(ticket));
        assert!(!talk.client.abandon(ticket));
        assert!(talk.client.draw(talk.now).is_none());
        talk.closes().disconnected(Cause::PayloadUnfinished);
        given_up(&mut talk, ticket, GiveUp::PayloadUnfinished);
        talk.quiet();
        // While there is no connection, before it was begun.
        let ticket = talk.announces(QoS::ExactlyOnce, "a", 1_000);
        assert!(talk.client.abandon(ticket));
        given_up(&mut talk, ticket, GiveUp::Abandoned);
        talk.resumes().quiet();
        // Once all is supplied it is too late.
        let ticket = talk.publishes_drawn(QoS::AtLeastOnce, "a", &long(3));
        talk.sends_publish(QoS::AtLeastOnce, 1 + number(qos), "a", &long(3));
        assert!(!talk.client.abandon(ticket));
        talk.quiet();
    }
}

#[test]
fn what_the_server_may_have_had_whole_keeps_its_identifier_when_it_is_abandoned() {
    let mut talk = kept(Small::new());
    let ticket = talk.publishes_drawn(QoS::ExactlyOnce, "a", &long(100));
    talk.sends_publish(QoS::ExactlyOnce, 1, "a", &long(100));
    talk.sources.clear();
    talk.loses_transport().resumes();
    begins(&mut talk, ticket, 3);
    assert!(talk.client.abandon(ticket));
    talk.closes().disconnected(Cause::PayloadUnfinished);
    given_up(&mut talk, ticket, GiveUp::PayloadUnfinished);
    talk.resumes();
    talk.publishes(QoS::ExactlyOnce, "a", b"");
    talk.sends_publish(QoS::ExactlyOnce, 2, "a", b"");
}

#[test]
fn an_abandoned_one_that_is_cut_first_is_settled_once() {
    for qos in QOS {
        let mut talk = kept(Small::new());
        let ticket = talk.announces(qos, "a", 1_000);
        begins(&mut talk, ticket, 3);
        assert!(talk.client.abandon(ticket));
        talk.cut().disconnected(Cause::PayloadUnfinished);
        given_up(&mut talk, ticket, GiveUp::PayloadUnfinished);
        talk.resumes().quiet();
    }
}

// covers: MQTT-3.2.2-15, MQTT-3.1.2-25
#[test]
fn the_whole_packet_is_held_against_the_limit_of_the_server() {
    let mut talk = Talk::new(Config::default(), Small::new());
    let limit = [Property::MaximumPacketSize(200)];
    talk.connects(&keeping(), connack_with(&limit));
    let publish = message(QoS::AtLeastOnce, "a", &[]);
    // 1 + 2 bytes of fixed header, 3 of topic, 2 of identifier, 1 of properties.
    let before = knowledge(&talk.client);
    assert_eq!(
        talk.client.publish_drawn(talk.now, &publish, 192),
        Err(RequestError::TooLarge {
            len: 201,
            maximum: 200
        })
    );
    assert_eq!(knowledge(&talk.client), before);
    let ticket = talk.publishes_drawn(QoS::AtLeastOnce, "a", &long(191));
    talk.sends_publish(QoS::AtLeastOnce, 1, "a", &long(191));
    // A smaller limit after a cut.
    talk.loses_transport();
    let smaller = [Property::MaximumPacketSize(199)];
    let resumed = Packet::ConnAck(mqtt_proto::ConnAck {
        session_present: true,
        reason: ReasonCode::SUCCESS,
        properties: Properties::new(&smaller),
    });
    talk.connects(&keeping(), resumed);
    given_up(&mut talk, ticket, GiveUp::TooLarge);
    talk.quiet();
}

// covers: MQTT-1.5.5-1
#[test]
fn what_no_packet_can_hold_is_refused() {
    fn scenario<S: Store + Clone + core::fmt::Debug>(store: S) {
        let mut talk = kept(store);
        // What a store on the heap grows by stays, also when a call is refused.
        let first = talk.publishes_drawn(QoS::AtLeastOnce, "a", &[]);
        talk.sends_publish(QoS::AtLeastOnce, 1, "a", &[]);
        finishes(&mut talk, QoS::AtLeastOnce, first);
        let publish = message(QoS::AtLeastOnce, "a", &[]);
        // Remaining Length has 3 bytes of topic, 2 of identifier, 1 of properties besides.
        let most = 268_435_455 - 6;
        for total in [most + 1, usize::MAX / 2, usize::MAX] {
            let before = knowledge(&talk.client);
            let refused = talk.client.publish_drawn(talk.now, &publish, total);
            assert!(matches!(
                refused,
                Err(RequestError::Invalid(EncodeError::TooLarge { .. }))
            ));
            assert_eq!(knowledge(&talk.client), before);
        }
        let ticket = talk.announces(QoS::AtLeastOnce, "a", most);
        begins(&mut talk, ticket, 1);
        assert!(talk.client.abandon(ticket));
    }
    scenario(Small::new());
    scenario(Heap::default());
}

#[test]
fn a_header_that_the_transmit_buffer_cannot_hold_is_refused() {
    let mut talk = kept(Small::new());
    let topic = "t".repeat(51);
    let publish = message(QoS::AtLeastOnce, &topic, &[]);
    let refused = talk.client.publish_drawn(talk.now, &publish, 20_000);
    assert_eq!(refused, Err(RequestError::LargerThanStore));
    let publish = message(QoS::AtLeastOnce, &topic[..48], &[]);
    let ticket = talk.client.publish_drawn(talk.now, &publish, 20_000);
    talk.sources.push((ticket.unwrap(), long(20_000)));
    talk.sends_publish(QoS::AtLeastOnce, 1, &topic[..48], &long(20_000));
}

#[test]
fn it_expires_while_it_waits_and_its_interval_counts_down() {
    let mut talk = kept(Small::new());
    talk.loses_transport();
    let publish = |seconds| message(QoS::AtLeastOnce, "a", &[]).message_expiry_interval(seconds);
    let short = talk.client.publish_drawn(talk.now, &publish(10), 100);
    let long_lived = talk.client.publish_drawn(talk.now, &publish(3600), 100);
    talk.sources.push((long_lived.unwrap(), long(100)));
    talk.wait(Duration::from_secs(10));
    let expired = Did::Told(Told::Published(
        short.unwrap(),
        Err(GiveUp::Expired),
        Vec::new(),
    ));
    while talk.next() != expired {}
    talk.expect(Did::Open);
    talk.client.opened(talk.now, &keeping()).unwrap();
    talk.sent();
    talk.server(session_present()).tells(Told::Connected {
        session_present: true,
    });
    let left = [Property::MessageExpiryInterval(3590)];
    talk.sends(Packet::Publish(Pub {
        properties: Properties::new(&left),
        ..publish_packet(&long(100))
    }));
}

fn publish_packet(payload: &[u8]) -> Pub<'_> {
    mqtt_tests::talk::publish(QoS::AtLeastOnce, 1, "a", payload)
}

#[test]
fn when_the_session_is_lost_it_is_drawn_again_as_new_or_given_up() {
    let config = Config::default().qos2_when_session_lost(Lost::GiveUp);
    let mut talk = kept_with(config, Small::new());
    let once = talk.publishes_drawn(QoS::ExactlyOnce, "a", &long(100));
    let again = talk.publishes_drawn(QoS::AtLeastOnce, "a", &long(200));
    talk.sends_publish(QoS::ExactlyOnce, 1, "a", &long(100));
    talk.sends_publish(QoS::AtLeastOnce, 2, "a", &long(200));
    talk.loses_transport();
    talk.connects(&keeping(), connack())
        .tells(Told::SessionLost);
    given_up(&mut talk, once, GiveUp::OutcomeUnknown);
    talk.sends_publish(QoS::AtLeastOnce, 3, "a", &long(200));
    talk.server(puback(3)).settles(again, ReasonCode::SUCCESS);
}

#[test]
fn stop_waits_for_the_rest_of_it() {
    let mut talk = kept(Small::new());
    let ticket = talk.announces(QoS::AtLeastOnce, "a", 5);
    begins(&mut talk, ticket, 3);
    talk.client.stop(talk.now);
    talk.quiet();
    talk.wait(Duration::from_secs(4)).quiet();
    let draw = talk.client.draw(talk.now).unwrap();
    draw.supply(2);
    assert_eq!(talk.sent().len(), 13);
    talk.sends(disconnect(ReasonCode::NORMAL_DISCONNECTION));
    talk.closes().rests(Cause::Stopped);
    assert_eq!(talk.client.unsettled(), 1);
}

#[test]
fn stop_does_not_wait_for_ever() {
    let mut talk = kept(Small::new());
    let ticket = talk.announces(QoS::AtLeastOnce, "a", 5);
    begins(&mut talk, ticket, 3);
    talk.client.stop(talk.now);
    talk.wait(Duration::from_secs(5)).closes();
    talk.rests(Cause::Stopped);
    assert_eq!(talk.client.unsettled(), 1);
    // The session goes on when the client is started again.
    talk.sources.push((ticket, long(5)));
    talk.resumes();
    talk.resends_publish(QoS::AtLeastOnce, 1, "a", &long(5));
}

#[test]
fn abandoned_while_it_stops_it_stops_at_once() {
    let mut talk = kept(Small::new());
    let ticket = talk.announces(QoS::AtLeastOnce, "a", 5);
    begins(&mut talk, ticket, 3);
    talk.client.stop(talk.now);
    assert!(talk.client.abandon(ticket));
    talk.closes()
        .tells(Told::Disconnected(Cause::Stopped, None));
    given_up(&mut talk, ticket, GiveUp::PayloadUnfinished);
    talk.expect(Did::Done).quiet();
}

#[test]
fn no_other_packet_of_the_application_comes_between() {
    let mut talk = kept(Middle::new());
    let ticket = talk.announces(QoS::AtLeastOnce, "a", 5);
    begins(&mut talk, ticket, 3);
    let reason = ReasonCode::DISCONNECT_WITH_WILL_MESSAGE;
    let before = talk.client.clone();
    assert_eq!(
        talk.client.stop_with(talk.now, reason, &[]),
        Err(ControlError::NoRoom)
    );
    assert!(talk.client == before);
    let draw = talk.client.draw(talk.now).unwrap();
    draw.supply(2);
    assert_eq!(talk.sent().len(), 13);
    talk.client.stop_with(talk.now, reason, &[]).unwrap();
    talk.sends(disconnect(reason));
}

#[test]
fn a_server_that_breaks_the_protocol_in_the_middle_is_left_without_a_word() {
    let mut talk = kept(Middle::new());
    let ticket = talk.announces(QoS::AtLeastOnce, "a", 5);
    begins(&mut talk, ticket, 3);
    talk.server_bytes(&[0x00, 0x00]);
    assert!(matches!(talk.next(), Did::Told(Told::Violation(..))));
    talk.closes();
    assert!(matches!(
        talk.next(),
        Did::Told(Told::Disconnected(Cause::Violation(_), Some(_)))
    ));
    talk.sources.push((ticket, long(5)));
    talk.resumes();
    talk.resends_publish(QoS::AtLeastOnce, 1, "a", &long(5));
}

// covers: MQTT-3.3.2-8
#[test]
fn it_goes_with_its_topic_between_messages_that_have_an_alias() {
    let mut talk = Talk::new(Config::default().topic_aliases(4), Middle::new());
    let aliases = [Property::TopicAliasMaximum(4)];
    talk.connects(&keeping(), connack_with(&aliases));
    let payload = long(300);
    talk.publishes(QoS::AtLeastOnce, "a", b"1");
    talk.publishes_drawn(QoS::AtLeastOnce, "a", &payload);
    talk.publishes(QoS::AtLeastOnce, "a", b"2");
    let alias = [Property::TopicAlias(1)];
    talk.sends(Packet::Publish(Pub {
        properties: Properties::new(&alias),
        ..mqtt_tests::talk::publish(QoS::AtLeastOnce, 1, "a", b"1")
    }));
    talk.sends_publish(QoS::AtLeastOnce, 2, "a", &payload);
    talk.sends(Packet::Publish(Pub {
        topic: None,
        properties: Properties::new(&alias),
        ..mqtt_tests::talk::publish(QoS::AtLeastOnce, 3, "a", b"2")
    }));
}

#[test]
fn it_has_the_properties_of_any_other_message() {
    let mut talk = kept(Middle::new());
    let properties = [
        Property::ContentType("image/png"),
        Property::UserProperty("a", "b"),
    ];
    let publish = Publish::new(TopicName::new("a").unwrap(), &[])
        .qos(QoS::AtLeastOnce)
        .retain(true)
        .properties(&properties);
    let payload = long(1_000);
    let ticket = talk.client.publish_drawn(talk.now, &publish, payload.len());
    talk.sources.push((ticket.unwrap(), payload.clone()));
    talk.sends(Packet::Publish(Pub {
        retain: true,
        properties: Properties::new(&properties),
        ..publish_packet(&payload)
    }));
}

#[test]
fn an_answer_can_be_drawn_while_what_it_answers_is_borrowed() {
    let mut talk = kept(Middle::new());
    let spare = talk.input.spare();
    spare[..8].copy_from_slice(&[0x30, 6, 0, 2, b'i', b'n', 0, b'?']);
    talk.input.filled(8);
    let Action::Deliver(mut delivery) = talk.client.poll(talk.now, &mut talk.input) else {
        panic!("a message has come")
    };
    let answer = message(QoS::AtMostOnce, "out", &[]);
    let ticket = delivery.sender.publish_drawn(&answer, 600).unwrap();
    assert_eq!(delivery.message.payload, b"?");
    talk.sources.push((ticket, long(600)));
    talk.sends_publish(QoS::AtMostOnce, 0, "out", &long(600));
    talk.settles(ticket, ReasonCode::SUCCESS).quiet();
}

#[test]
fn it_is_refused_where_any_other_message_is() {
    let mut talk = Talk::new(Config::default(), Small::new());
    let none = message(QoS::AtMostOnce, "a", &[]);
    let offline = talk.client.publish_drawn(talk.now, &none, 10);
    assert_eq!(offline, Err(RequestError::NotConnected));
    let limits = [Property::MaximumQoS(QoS::AtMostOnce)];
    talk.connects(&keeping(), connack_with(&limits));
    let above = message(QoS::AtLeastOnce, "a", &[]);
    assert!(matches!(
        talk.client.publish_drawn(talk.now, &above, 10),
        Err(RequestError::QoSNotSupported { .. })
    ));
}

/// The same calls give the same actions, also from a copy made in the middle.
#[test]
fn a_copy_made_in_the_middle_goes_on_alike() {
    let mut talk = kept(Small::new());
    let ticket = talk.announces(QoS::AtLeastOnce, "a", 100);
    begins(&mut talk, ticket, 3);
    let mut copy = Talk::new(Config::default(), Small::new());
    copy.client = talk.client.clone();
    copy.now = talk.now;
    assert!(copy.client == talk.client);
    for talk in [&mut talk, &mut copy] {
        // What is asked for already is not asked for again.
        talk.sources.push((ticket, long(100)));
        assert!(talk.supply(ticket));
        talk.run();
        talk.client.sent(talk.now, 0);
    }
    assert!(copy.client == talk.client);
}
