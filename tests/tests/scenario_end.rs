//! How a connection ends, by either side, and what comes after: another attempt, or rest.

use core::time::Duration;
use mqtt_proto::{Disconnect, EncodeError, Packet, PacketType, Properties, PropertyId, QoS};
use mqtt_proto::{ReasonCode, Sender, Subscription, TopicFilter};
use mqtt_session::{
    Acknowledge, Action, Cause, Client, Config, Connect, ConnectError, ControlError, GiveUp, Heap,
    Instant, Property, RequestError, RxBuffer, Violation,
};
use mqtt_tests::talk::*;

const NORMAL: ReasonCode = ReasonCode::NORMAL_DISCONNECTION;

const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn all_codes() -> impl Iterator<Item = ReasonCode> {
    (0..=u8::MAX).filter_map(ReasonCode::new)
}

/// What may come from the server and from the application after the last packet; nothing of it
/// has the client send another.
fn nothing_more_is_sent(talk: &mut Talk<Heap>) {
    let now = talk.now;
    assert_eq!(
        talk.client
            .publish(now, &message(QoS::AtMostOnce, "late", b"")),
        Err(RequestError::Stopping)
    );
    assert_eq!(
        talk.client
            .publish(now, &message(QoS::AtLeastOnce, "late", b"")),
        Err(RequestError::Stopping)
    );
    let filters = [Subscription {
        filter: TopicFilter::new("late").unwrap(),
        options: Default::default(),
    }];
    assert_eq!(
        talk.client.subscribe(now, &filters, &[]),
        Err(RequestError::Stopping)
    );
    assert_eq!(
        talk.client.unsubscribe(now, &[filters[0].filter], &[]),
        Err(RequestError::Stopping)
    );
    assert_eq!(
        talk.client.stop_with(now, NORMAL, &[]),
        Err(ControlError::NotNow)
    );
    talk.client.stop(now);
    talk.client.start(now);
    talk.server_publishes(QoS::AtLeastOnce, 1, "late", b"")
        .server_publishes(QoS::ExactlyOnce, 2, "late", b"")
        .server(pubrel(3))
        .server(pubrec(4))
        .server(disconnect(ReasonCode::SERVER_SHUTTING_DOWN));
    talk.quiet();
}

// covers: MQTT-3.14.4-1
#[test]
fn nothing_is_sent_after_disconnect() {
    let mut talk = connected(Config::default());
    talk.publishes(QoS::AtLeastOnce, "a", b"1");
    talk.sent();
    talk.client.stop(talk.now);
    talk.sends_bytes(&[0xe0, 0x00]).expect(Did::Close);
    nothing_more_is_sent(&mut talk);
    // Neither the acknowledgement nor Keep Alive nor time itself brings anything.
    talk.wait(secs(1_000)).quiet();
    talk.cut().tells(Told::Disconnected(Cause::Stopped, None));
}

// covers: MQTT-3.14.4-1, pitfall 49
#[test]
fn nothing_is_sent_after_the_disconnect_of_a_violation() {
    let mut talk = connected(Config::default().acknowledge(Acknowledge::Manually));
    talk.server_publishes(QoS::AtLeastOnce, 9, "a", b"1");
    let token = talk.delivered().token.unwrap();
    talk.server(connack())
        .tells(Told::Violation(ReasonCode::PROTOCOL_ERROR, "MQTT-3.2.0-2"))
        .sends(disconnect(ReasonCode::PROTOCOL_ERROR))
        .expect(Did::Close);
    // The acknowledgement that the application releases now is for nobody.
    talk.client.acknowledge(token, ReasonCode::SUCCESS).unwrap();
    nothing_more_is_sent(&mut talk);
    talk.wait(secs(1_000)).quiet();
}

// covers: MQTT-3.14.4-1, pitfall 49
#[test]
fn what_was_queued_leaves_in_front_of_the_disconnect_of_a_violation() {
    let mut talk = connected(Config::default());
    talk.takes = 0;
    talk.publishes(QoS::AtLeastOnce, "a", b"1");
    talk.quiet();
    talk.server_publishes(QoS::AtLeastOnce, 9, "b", b"2")
        .delivers("b", b"2");
    talk.server(connack())
        .tells(Told::Violation(ReasonCode::PROTOCOL_ERROR, "MQTT-3.2.0-2"))
        .quiet();
    talk.unblock()
        .sends_publish(QoS::AtLeastOnce, 1, "a", b"1")
        .sends(puback(9))
        .sends(disconnect(ReasonCode::PROTOCOL_ERROR))
        .closes()
        .disconnected(Cause::Violation(Violation::Unexpected(PacketType::ConnAck)))
        .quiet();
}

// covers: MQTT-4.13.2-1, pitfall 49
#[test]
fn a_violation_ends_the_connection_also_when_nobody_listens() {
    let violation = Violation::Unexpected(PacketType::ConnAck);
    // The transport breaks under the last write.
    let mut broken = connected(Config::default());
    broken.takes = 0;
    broken
        .server(connack())
        .tells(Told::Violation(ReasonCode::PROTOCOL_ERROR, "MQTT-3.2.0-2"))
        .quiet();
    broken
        .cut()
        .disconnected(Cause::Violation(violation))
        .quiet();
    // It takes nothing, for ever.
    let mut stuck = connected(Config::default());
    stuck.takes = 0;
    stuck.server(connack()).next();
    stuck.wait(secs(5)).closes();
    stuck.disconnected(Cause::Violation(violation)).quiet();
}

/// Whether a server that ends a connection with this code may be tried again.
fn may_be_tried_again(reason: ReasonCode) -> bool {
    !matches!(
        reason,
        ReasonCode::MALFORMED_PACKET
            | ReasonCode::PROTOCOL_ERROR
            | ReasonCode::NOT_AUTHORIZED
            | ReasonCode::BAD_AUTHENTICATION_METHOD
            | ReasonCode::SESSION_TAKEN_OVER
            | ReasonCode::TOPIC_NAME_INVALID
            | ReasonCode::PACKET_TOO_LARGE
            | ReasonCode::PAYLOAD_FORMAT_INVALID
            | ReasonCode::RETAIN_NOT_SUPPORTED
            | ReasonCode::QOS_NOT_SUPPORTED
            | ReasonCode::SERVER_MOVED
    )
}

// covers: MQTT-4.13.2-1, pitfall 48
#[test]
fn a_disconnect_of_the_server_with_any_code_ends_the_connection_without_an_answer() {
    let sendable = |code: &ReasonCode| code.is_allowed(PacketType::Disconnect, Sender::Server);
    assert_eq!(all_codes().filter(sendable).count(), 28);
    for reason in all_codes().filter(sendable) {
        let mut talk = connected(Config::default());
        // An acknowledgement is owed and has not left.
        talk.takes = 0;
        talk.server_publishes(QoS::AtLeastOnce, 9, "a", b"1")
            .delivers("a", b"1");
        talk.server(disconnect(reason))
            .tells(Told::ServerDisconnect(reason))
            .expect(Did::Close)
            .quiet();
        talk.unblock().quiet();
        talk.cut();
        if may_be_tried_again(reason) {
            talk.disconnected(Cause::ServerDisconnect(reason));
            talk.wait_until_due().expect(Did::Open).quiet();
        } else {
            talk.rests(Cause::ServerDisconnect(reason));
        }
    }
}

// covers: MQTT-3.1.4-3, pitfall 48
#[test]
fn a_client_whose_session_was_taken_over_does_not_fight_for_it() {
    let reason = ReasonCode::SESSION_TAKEN_OVER;
    let mut talk = talk(Config::default());
    talk.connects(&keeping(), connack());
    let ticket = talk.publishes(QoS::AtLeastOnce, "a", b"1");
    talk.sent();
    talk.server(disconnect(reason))
        .tells(Told::ServerDisconnect(reason))
        .closes()
        .rests(Cause::ServerDisconnect(reason));
    talk.wait(secs(1_000_000)).quiet();
    // The application may, and then the session is still there.
    talk.resumes()
        .resends_publish(QoS::AtLeastOnce, 1, "a", b"1");
    talk.server(puback(1))
        .settles(ticket, ReasonCode::SUCCESS)
        .quiet();
}

// covers: pitfall 50
#[test]
fn stop_sends_only_the_codes_of_a_client() {
    let clients = [
        0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
    ];
    for reason in all_codes() {
        let mut talk = connected(Config::default());
        let stopped = talk.client.stop_with(talk.now, reason, &[]);
        if clients.contains(&reason.value()) {
            assert_eq!(stopped, Ok(()), "{reason}");
            talk.sends(disconnect(reason))
                .closes()
                .rests(Cause::Stopped);
        } else {
            assert_eq!(stopped, Err(ControlError::Reason(reason)));
            talk.quiet();
            assert!(talk.client.is_connected());
        }
    }
}

// covers: pitfall 50
#[test]
fn only_a_normal_disconnect_discards_the_will() {
    // 0x04 leaves it to be published, with the shortest packet that says so.
    let mut talk = connected(Config::default());
    let with_will = ReasonCode::DISCONNECT_WITH_WILL_MESSAGE;
    talk.client.stop_with(talk.now, with_will, &[]).unwrap();
    talk.sends_bytes(&[0xe0, 1, 4]).closes();
    // `stop` says 0x00, as does leaving before CONNACK.
    let mut talk = talk_awaiting_connack();
    talk.client.stop(talk.now);
    talk.sends_bytes(&[0xe0, 0]).closes();
}

fn talk_awaiting_connack() -> Talk<Heap> {
    let mut talk = talk(Config::default());
    talk.opens(&Connect::new("c"));
    talk
}

// covers: MQTT-3.14.2-3, MQTT-3.14.2-4
#[test]
fn disconnect_goes_without_its_texts_where_they_make_it_too_large() {
    let long = "a reason of some length";
    let expiry = Property::SessionExpiryInterval(60);
    let quota = ReasonCode::QUOTA_EXCEEDED;
    for text in [
        Property::ReasonString(long),
        Property::UserProperty("why", long),
    ] {
        let properties = [expiry, text];
        for (maximum, kept) in [(10, &[expiry][..]), (100, &properties)] {
            let limits = [Property::MaximumPacketSize(maximum)];
            let mut talk = talk(Config::default());
            talk.connects(&keeping(), connack_with(&limits));
            talk.client.stop_with(talk.now, quota, &properties).unwrap();
            talk.sends(Packet::Disconnect(Disconnect {
                reason: quota,
                properties: Properties::new(kept),
            }))
            .closes()
            .rests(Cause::Stopped);
        }
        // What may not be left out can be too large.
        let limits = [Property::MaximumPacketSize(8)];
        let mut talk = talk(Config::default());
        talk.connects(&keeping(), connack_with(&limits));
        assert_eq!(
            talk.client.stop_with(talk.now, quota, &properties),
            Err(ControlError::TooLarge)
        );
        talk.quiet();
        assert!(talk.client.is_connected());
    }
    // A server that takes two bytes is not told what is wrong with it.
    let limits = [Property::MaximumPacketSize(2)];
    let mut talk = talk(Config::default());
    talk.connects(&keeping(), connack_with(&limits));
    talk.server(connack())
        .tells(Told::Violation(ReasonCode::PROTOCOL_ERROR, "MQTT-3.2.0-2"))
        .closes();
}

#[test]
fn a_stop_that_cannot_be_sent_changes_nothing() {
    let mut talk = connected(Config::default());
    talk.publishes(QoS::AtLeastOnce, "a", b"1");
    let before = knowledge(&talk.client);
    let now = talk.now;
    let wrong = [Property::ServerReference("elsewhere")];
    let not_allowed =
        EncodeError::PropertyNotAllowed(PropertyId::ServerReference, PacketType::Disconnect);
    for (reason, properties, error) in [
        (NORMAL, &wrong[..], ControlError::Invalid(not_allowed)),
        (
            NORMAL,
            &[Property::SessionExpiryInterval(1)],
            ControlError::SessionExpiry,
        ),
        (
            ReasonCode::KEEP_ALIVE_TIMEOUT,
            &[],
            ControlError::Reason(ReasonCode::KEEP_ALIVE_TIMEOUT),
        ),
    ] {
        assert_eq!(talk.client.stop_with(now, reason, properties), Err(error));
        assert_eq!(knowledge(&talk.client), before, "{error}");
    }
    talk.sends_publish(QoS::AtLeastOnce, 1, "a", b"1").quiet();
}

#[test]
fn a_stop_for_which_there_is_no_room_can_be_tried_again() {
    let mut talk = Talk::new(
        Config::default(),
        mqtt_session::Fixed::<4, 4, 256, 64>::new(),
    );
    talk.connects(&keeping(), connack());
    talk.takes = 0;
    talk.publishes(QoS::AtLeastOnce, "a", &[1; 40]);
    talk.run();
    let text = [Property::ReasonString("twenty bytes of text")];
    let full = talk.client.stop_with(talk.now, NORMAL, &text);
    assert_eq!(full, Err(ControlError::NoRoom));
    talk.unblock();
    talk.sends_publish(QoS::AtLeastOnce, 1, "a", &[1; 40]);
    talk.client.stop_with(talk.now, NORMAL, &text).unwrap();
    talk.sends(Packet::Disconnect(Disconnect {
        reason: NORMAL,
        properties: Properties::new(&text),
    }))
    .closes()
    .rests(Cause::Stopped);
}

#[test]
fn stop_writes_what_may_leave_and_waits_for_no_answer() {
    let mut talk = talk(Config::default().acknowledge(Acknowledge::Manually));
    let limits = [Property::ReceiveMaximum(1)];
    talk.connects(&keeping(), connack_with(&limits));
    talk.server_publishes(QoS::AtLeastOnce, 8, "b", b"");
    talk.delivered();
    talk.takes = 0;
    talk.publishes(QoS::AtLeastOnce, "a", b"1");
    talk.run();
    talk.publishes(QoS::AtLeastOnce, "a", b"2");
    let at_most_once = talk.publishes(QoS::AtMostOnce, "a", b"0");
    talk.client.stop(talk.now);
    talk.quiet();
    talk.unblock()
        .sends_publish(QoS::AtLeastOnce, 1, "a", b"1")
        .sends_publish(QoS::AtMostOnce, 0, "a", b"0")
        .sends_bytes(&[0xe0, 0])
        .settles(at_most_once, ReasonCode::SUCCESS)
        .closes()
        .rests(Cause::Stopped);
    // Neither the message that the window held back nor the other is lost.
    assert_eq!(talk.client.unsettled(), 2);
    talk.resumes()
        .resends_publish(QoS::AtLeastOnce, 1, "a", b"1")
        .sends_publish(QoS::AtLeastOnce, 2, "a", b"2")
        .quiet();
}

#[test]
fn stop_lets_a_large_packet_finish() {
    let mut talk = connected(Config::default());
    let payload = vec![5; 150_000];
    talk.takes = 0;
    let large = talk.publishes(QoS::AtMostOnce, "large", &payload);
    talk.run();
    let small = talk.publishes(QoS::AtMostOnce, "small", b"");
    talk.client.stop(talk.now);
    talk.takes = 1_000;
    talk.client.sent(talk.now, 0);
    talk.sends_publish(QoS::AtMostOnce, 0, "large", &payload)
        .settles(large, ReasonCode::SUCCESS)
        .sends_publish(QoS::AtMostOnce, 0, "small", b"")
        .sends_bytes(&[0xe0, 0])
        .settles(small, ReasonCode::SUCCESS)
        .closes()
        .rests(Cause::Stopped);
}

/// A client in each phase, by name, with what is left to be done after `stop`.
fn stopped_in_every_phase() -> Vec<(&'static str, Talk<Heap>)> {
    let fresh = || talk(Config::default());
    let mut stopped = Vec::new();

    let mut dial = fresh();
    dial.client.start(dial.now);
    dial.client.stop(dial.now);
    dial.expect(Did::Done);
    stopped.push(("dial", dial));

    let mut opening = fresh();
    opening.client.start(opening.now);
    opening.expect(Did::Open);
    opening.client.stop(opening.now);
    opening.quiet();
    opening.cut().rests(Cause::Stopped);
    stopped.push(("opening", opening));

    // The transport that was asked for comes too late: it is closed again, unused.
    let mut opened = fresh();
    opened.client.start(opened.now);
    opened.expect(Did::Open);
    opened.client.stop(opened.now);
    let now = opened.now;
    opened.client.opened(now, &Connect::new("c")).unwrap();
    opened.closes().rests(Cause::Stopped);
    stopped.push(("opened", opened));

    let mut connecting = talk_awaiting_connack();
    connecting.client.stop(connecting.now);
    connecting
        .sends_bytes(&[0xe0, 0])
        .closes()
        .rests(Cause::Stopped);
    stopped.push(("connecting", connecting));

    let mut live = connected(Config::default());
    live.client.stop(live.now);
    live.sends_bytes(&[0xe0, 0]).closes().rests(Cause::Stopped);
    stopped.push(("connected", live));

    let mut flushing = connected(Config::default());
    flushing.takes = 0;
    flushing.server(connack());
    flushing.next();
    flushing.client.stop(flushing.now);
    flushing.quiet();
    flushing
        .unblock()
        .sends(disconnect(ReasonCode::PROTOCOL_ERROR))
        .closes();
    let violation = Violation::Unexpected(PacketType::ConnAck);
    flushing.rests(Cause::Violation(violation));
    stopped.push(("flushing", flushing));

    let mut closing = connected(Config::default());
    closing
        .server(disconnect(ReasonCode::SERVER_BUSY))
        .tells(Told::ServerDisconnect(ReasonCode::SERVER_BUSY))
        .expect(Did::Close);
    closing.client.stop(closing.now);
    closing.quiet();
    closing
        .cut()
        .rests(Cause::ServerDisconnect(ReasonCode::SERVER_BUSY));
    stopped.push(("closing", closing));

    let mut waiting = connected(Config::default());
    waiting.loses_transport();
    waiting.client.stop(waiting.now);
    waiting.expect(Did::Done);
    stopped.push(("waiting", waiting));

    // Stopped before the end of the connection was told.
    let mut untold = connected(Config::default());
    untold.client.closed(untold.now);
    untold.client.stop(untold.now);
    untold.rests(Cause::TransportClosed);
    stopped.push(("untold", untold));
    stopped
}

#[test]
fn nothing_comes_back_to_life_after_stop() {
    for (phase, mut talk) in stopped_in_every_phase() {
        talk.takes = usize::MAX;
        talk.quiet();
        assert_eq!(talk.deadline, Instant::NEVER, "{phase}");
        let before = knowledge(&talk.client);
        talk.client.closed(talk.now);
        talk.client.sent(talk.now, 100);
        talk.client.stop(talk.now);
        let refused = talk.client.opened(talk.now, &Connect::new("c"));
        assert_eq!(refused, Err(ConnectError::NotExpected), "{phase}");
        assert_eq!(knowledge(&talk.client), before, "{phase}");
        talk.server(connack())
            .server_publishes(QoS::AtLeastOnce, 1, "a", b"1")
            .quiet();
        talk.wait(secs(1_000_000)).quiet();
        assert!(!talk.client.is_connected());
        // What is published now waits for the application to start again.
        let ticket = talk.publishes(QoS::AtLeastOnce, "a", b"1");
        talk.wait(secs(1_000_000)).quiet();
        talk.input.clear();
        talk.connects(&Connect::new("c"), connack());
        talk.sends_publish(QoS::AtLeastOnce, 1, "a", b"1");
        talk.server(puback(1))
            .settles(ticket, ReasonCode::SUCCESS)
            .quiet();
    }
}

#[test]
fn done_is_said_once_for_each_rest() {
    let mut client = Client::new(Config::default(), Heap::default());
    let mut input = RxBuffer::new([0; 64]);
    let now = Instant::from_secs(1);
    assert!(matches!(
        client.poll(now, &mut input),
        Action::Timeout(Instant::NEVER)
    ));
    for _ in 0..3 {
        client.start(now);
        client.stop(now);
        assert!(matches!(client.poll(now, &mut input), Action::Done));
        for _ in 0..3 {
            assert!(matches!(
                client.poll(now, &mut input),
                Action::Timeout(Instant::NEVER)
            ));
        }
    }
}

#[test]
fn a_stop_while_everything_waits_settles_what_cannot_go_on() {
    let mut talk = talk(Config::default());
    talk.connects(&keeping(), connack());
    talk.takes = 0;
    let lost = talk.publishes(QoS::AtMostOnce, "a", b"0");
    let kept = talk.publishes(QoS::AtLeastOnce, "a", b"1");
    talk.client.stop(talk.now);
    talk.quiet();
    talk.cut()
        .tells(Told::Disconnected(Cause::Stopped, None))
        .tells(Told::Published(
            lost,
            Err(GiveUp::ConnectionLost),
            Vec::new(),
        ))
        .expect(Did::Done)
        .quiet();
    talk.takes = usize::MAX;
    talk.resumes();
    // No byte of it had left.
    let packet = talk.sent();
    assert_eq!(packet[0], 0x32, "QoS 1 without DUP");
    talk.server(puback(u16::from_be_bytes([packet[5], packet[6]])))
        .settles(kept, ReasonCode::SUCCESS)
        .quiet();
}
