//! Time: keep alive, the limits on every wait, and clocks that misbehave.

use core::time::Duration;
use mqtt_proto::{Packet, QoS, ReasonCode, Sender, Subscription, TopicFilter};
use mqtt_session::{
    Action, Cause, Config, Connect, Fixed, GiveUp, Heap, Instant, Property, RxBuffer,
};
use mqtt_tests::input::INPUT;
use mqtt_tests::talk::*;

const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

const MILLI: Duration = Duration::from_millis(1);

fn pingreq(talk: &mut Talk<Heap>) {
    talk.sends(Packet::PingReq).quiet();
    talk.server(Packet::PingResp).quiet();
}

/// Connected with this Keep Alive of the client and, perhaps, one of the server.
fn keeping_alive(own: u16, servers: Option<u16>) -> Talk<Heap> {
    let connect = Connect {
        keep_alive: own,
        ..keeping()
    };
    let properties = servers.map(Property::ServerKeepAlive);
    let mut talk = talk(Config::default().ack_timeout(secs(1_000)));
    talk.connects(&connect, connack_with(properties.as_slice()));
    talk
}

// covers: MQTT-3.1.2-20, pitfall 39
#[test]
fn pingreq_is_due_a_keep_alive_after_the_last_byte_sent() {
    let mut talk = keeping_alive(20, None);
    talk.wait(secs(20) - MILLI).quiet();
    talk.wait(MILLI);
    pingreq(&mut talk);
    talk.wait(secs(20) - MILLI).quiet();
    talk.wait(MILLI);
    pingreq(&mut talk);
}

// covers: MQTT-3.1.2-20, pitfall 39
#[test]
fn whatever_is_sent_puts_pingreq_off() {
    let mut talk = keeping_alive(20, None);
    for round in 1..=5u16 {
        talk.wait(secs(19)).quiet();
        match round {
            1 => {
                let ticket = talk.publishes(QoS::AtMostOnce, "a", b"");
                talk.sent();
                talk.settles(ticket, ReasonCode::SUCCESS);
            }
            2 => {
                talk.publishes(QoS::AtLeastOnce, "a", b"");
                talk.sent();
            }
            3 => {
                talk.server_publishes(QoS::AtLeastOnce, 1, "in", b"")
                    .delivers("in", b"")
                    .sends(puback(1));
            }
            4 => {
                talk.server(pubrel(1)).sent();
            }
            _ => {
                let filter = TopicFilter::new("a").unwrap();
                talk.client.unsubscribe(talk.now, &[filter], &[]).unwrap();
                talk.sent();
            }
        }
        talk.quiet();
    }
    talk.wait(secs(20));
    pingreq(&mut talk);
}

// covers: MQTT-3.1.2-20, pitfall 39
#[test]
fn what_comes_in_does_not_put_pingreq_off() {
    let mut talk = keeping_alive(20, None);
    for _ in 0..19 {
        talk.wait(secs(1));
        talk.server_publishes(QoS::AtMostOnce, 0, "in", b"")
            .delivers("in", b"")
            .quiet();
    }
    talk.wait(secs(1));
    pingreq(&mut talk);
}

// covers: MQTT-3.1.2-20
#[test]
fn keep_alive_zero_never_pings() {
    let mut talk = keeping_alive(0, None);
    assert_eq!(talk.deadline, Instant::NEVER);
    talk.wait(secs(1_000_000)).quiet();
    assert!(talk.client.is_connected());
}

// covers: MQTT-3.1.2-21, MQTT-3.2.2-21
#[test]
fn the_servers_keep_alive_is_used() {
    let mut talk = keeping_alive(60, Some(4));
    talk.wait(secs(4) - MILLI).quiet();
    talk.wait(MILLI);
    pingreq(&mut talk);

    let mut longer = keeping_alive(4, Some(60));
    longer.wait(secs(60) - MILLI).quiet();
    longer.wait(MILLI);
    pingreq(&mut longer);

    let mut off = keeping_alive(60, Some(0));
    off.wait(secs(1_000_000)).quiet();

    let mut on = keeping_alive(0, Some(10));
    on.wait(secs(10));
    pingreq(&mut on);
}

// covers: MQTT-3.2.2-21, MQTT-3.2.2-22, pitfall 38
#[test]
fn the_servers_keep_alive_ends_with_its_connection() {
    let mut talk = keeping_alive(60, Some(4));
    talk.loses_transport();
    let connect = Connect {
        keep_alive: 60,
        ..keeping()
    };
    talk.connects(&connect, session_present());
    talk.wait(secs(60) - MILLI).quiet();
    talk.wait(MILLI);
    pingreq(&mut talk);
}

// covers: MQTT-3.12.4-1
#[test]
fn without_pingresp_the_connection_is_lost_and_the_session_is_not() {
    let mut talk = keeping_alive(60, None);
    talk.publishes(QoS::AtLeastOnce, "a", b"1");
    talk.sent();
    talk.wait(secs(60)).sends(Packet::PingReq).quiet();
    talk.wait(secs(10) - MILLI).quiet();
    talk.wait(MILLI)
        .closes()
        .disconnected(Cause::PingTimeout)
        .quiet();
    talk.resumes()
        .resends_publish(QoS::AtLeastOnce, 1, "a", b"1")
        .quiet();
}

// covers: MQTT-3.12.4-1
#[test]
fn a_pingresp_that_nobody_waits_for_does_no_harm() {
    let mut talk = keeping_alive(60, None);
    talk.server(Packet::PingResp)
        .server(Packet::PingResp)
        .quiet();
    talk.wait(secs(60));
    pingreq(&mut talk);
    talk.server(Packet::PingResp).quiet();
    assert!(talk.client.is_connected());
}

#[test]
fn a_large_packet_arriving_slowly_counts_as_life() {
    let mut talk = keeping_alive(30, None);
    let payload = [b'x'; 200];
    let large = Packet::Publish(publish(QoS::AtMostOnce, 0, "a", &payload));
    let bytes = large.to_vec(Sender::Server).unwrap();
    talk.wait(secs(30)).sends(Packet::PingReq).quiet();
    // PINGRESP is behind it, and comes long after the limit. The client goes on pinging, for the
    // server waits too.
    for (count, byte) in bytes.iter().enumerate() {
        talk.wait(secs(6));
        if count % 5 == 4 {
            talk.sends(Packet::PingReq);
        }
        talk.quiet().server_bytes(&[*byte]);
        if count < bytes.len() - 1 {
            talk.quiet();
        }
    }
    talk.delivers("a", &payload).quiet();
    talk.server(Packet::PingResp).quiet();
    assert!(talk.client.is_connected());
    // A packet that stays unfinished is no life.
    talk.wait(secs(30)).sends(Packet::PingReq);
    talk.server_bytes(&bytes[..10]).quiet();
    talk.wait(secs(10))
        .closes()
        .disconnected(Cause::PingTimeout);
}

// covers: MQTT-3.1.2-20
#[test]
fn pingreq_goes_on_while_an_answer_is_awaited() {
    let connect = Connect {
        keep_alive: 4,
        ..keeping()
    };
    let mut talk = talk(Config::default().ping_timeout(secs(10)));
    talk.connects(&connect, connack());
    for _ in 0..3 {
        talk.wait(secs(4)).sends(Packet::PingReq).quiet();
    }
    // The first of them has been waiting for its answer for ten seconds soon.
    talk.wait(secs(2) - MILLI).quiet();
    talk.wait(MILLI).closes().disconnected(Cause::PingTimeout);
}

// covers: MQTT-3.8.4-1
#[test]
fn every_answer_has_its_time_limit() {
    let limit = secs(15);
    let connect = Connect {
        keep_alive: 0,
        ..keeping()
    };
    let start = || {
        let mut talk = talk(Config::default().ack_timeout(limit));
        talk.connects(&connect, connack());
        talk
    };
    let filter = TopicFilter::new("a").unwrap();

    let mut puback_is_late = start();
    puback_is_late.publishes(QoS::AtLeastOnce, "a", b"");
    puback_is_late.sent();

    let mut pubrec_is_late = start();
    pubrec_is_late.publishes(QoS::ExactlyOnce, "a", b"");
    pubrec_is_late.sent();

    let mut pubcomp_is_late = start();
    pubcomp_is_late.publishes(QoS::ExactlyOnce, "a", b"");
    pubcomp_is_late.sent();
    // The limit is that of PUBREL.
    pubcomp_is_late.wait(limit - MILLI);
    pubcomp_is_late.server(pubrec(1)).sends(pubrel(1));

    for talk in [
        &mut puback_is_late,
        &mut pubrec_is_late,
        &mut pubcomp_is_late,
    ] {
        talk.wait(limit - MILLI).quiet();
        talk.wait(MILLI)
            .closes()
            .disconnected(Cause::AckTimeout)
            .quiet();
        assert_eq!(talk.client.unsettled(), 1, "the exchange goes on");
    }

    let mut suback_is_late = start();
    let subscription = [Subscription {
        filter,
        options: Default::default(),
    }];
    let now = suback_is_late.now;
    let subscribed = suback_is_late.client.subscribe(now, &subscription, &[]);
    suback_is_late.sent();

    let mut unsuback_is_late = start();
    let unsubscribed = unsuback_is_late.client.unsubscribe(now, &[filter], &[]);
    unsuback_is_late.sent();

    for (talk, ticket) in [
        (&mut suback_is_late, subscribed),
        (&mut unsuback_is_late, unsubscribed),
    ] {
        talk.wait(limit - MILLI).quiet();
        talk.wait(MILLI)
            .closes()
            .disconnected(Cause::AckTimeout)
            .tells(Told::Unanswered(ticket.unwrap(), GiveUp::ConnectionLost))
            .quiet();
    }
}

#[test]
fn each_message_has_its_own_time_limit() {
    let connect = Connect {
        keep_alive: 0,
        ..keeping()
    };
    let mut talk = talk(Config::default().ack_timeout(secs(10)));
    talk.connects(&connect, connack());
    let first = talk.publishes(QoS::AtLeastOnce, "a", b"1");
    talk.sent();
    talk.wait(secs(6));
    talk.publishes(QoS::AtLeastOnce, "a", b"2");
    talk.sent();
    talk.wait(secs(3));
    talk.server(puback(1)).settles(first, ReasonCode::SUCCESS);
    talk.wait(secs(6)).quiet();
    assert_eq!(talk.deadline, talk.now.after(secs(1)));
    talk.wait(secs(1)).closes().disconnected(Cause::AckTimeout);
}

#[test]
fn a_transport_that_takes_no_byte_is_given_up() {
    let mut talk = talk(Config::default());
    talk.connects(&keeping(), connack());
    talk.takes = 0;
    let ticket = talk.publishes(QoS::AtLeastOnce, "a", b"1");
    talk.quiet();
    talk.wait(secs(30) - MILLI).quiet();
    talk.wait(MILLI)
        .closes()
        .disconnected(Cause::SendTimeout)
        .quiet();
    // Not a byte of it left: it is sent for the first time.
    talk.takes = usize::MAX;
    talk.resumes()
        .sends_publish(QoS::AtLeastOnce, 2, "a", b"1")
        .server(puback(2))
        .settles(ticket, ReasonCode::SUCCESS)
        .quiet();
}

#[test]
fn a_transport_that_takes_a_byte_now_and_then_is_not_given_up() {
    let connect = Connect {
        keep_alive: 0,
        ..keeping()
    };
    let mut talk = talk(Config::default());
    talk.connects(&connect, connack());
    talk.takes = 0;
    let ticket = talk.publishes(QoS::AtMostOnce, "a", &[7; 50]);
    talk.quiet();
    for _ in 0..40 {
        talk.wait(secs(29));
        let client = &mut talk.client;
        client.sent(talk.now, 1);
        talk.quiet();
    }
    talk.takes = usize::MAX;
    talk.client.sent(talk.now, 0);
    talk.run();
    talk.tells(Told::Published(ticket, Ok(ReasonCode::SUCCESS), Vec::new()))
        .quiet();
}

#[test]
fn bytes_that_never_leave_hold_up_no_close() {
    // DISCONNECT after a violation.
    let mut broken = connected(Config::default());
    broken.takes = 0;
    broken.server(connack());
    broken.tells(Told::Violation(ReasonCode::PROTOCOL_ERROR, "MQTT-3.2.0-2"));
    broken.wait(secs(5) - MILLI).quiet();
    broken.wait(MILLI).expect(Did::Close);

    // DISCONNECT after stop.
    let mut stopped = connected(Config::default().close_timeout(secs(2)));
    stopped.takes = 0;
    stopped.client.stop(stopped.now);
    stopped.wait(secs(2) - MILLI).quiet();
    stopped.wait(MILLI).closes().rests(Cause::Stopped);

    // What is in front of DISCONNECT.
    let mut behind = connected(Config::default().close_timeout(secs(2)));
    behind.takes = 0;
    let ticket = behind.publishes(QoS::AtMostOnce, "a", &[0; 200_000]);
    behind.run();
    behind.client.stop(behind.now);
    behind.wait(secs(2) - MILLI).quiet();
    behind
        .wait(MILLI)
        .closes()
        .tells(Told::Disconnected(Cause::Stopped, None))
        .tells(Told::Published(
            ticket,
            Err(GiveUp::ConnectionLost),
            Vec::new(),
        ))
        .expect(Did::Done)
        .quiet();

    // CONNECT itself.
    let mut connecting = talk(Config::default());
    connecting.client.start(connecting.now);
    connecting.expect(Did::Open);
    connecting.takes = 0;
    connecting
        .client
        .opened(connecting.now, &Connect::new("c"))
        .unwrap();
    connecting.wait(secs(10) - MILLI).quiet();
    connecting
        .wait(MILLI)
        .closes()
        .disconnected(Cause::ConnectTimeout);
}

/// A client with a small store, connected at `now`, and its input.
fn small(now: Instant) -> (Client, RxBuffer<[u8; INPUT]>) {
    let mut client = Client::new(Config::default(), Fixed::new());
    let mut input = RxBuffer::new([0; INPUT]);
    client.start(now);
    assert!(matches!(client.poll(now, &mut input), Action::Open));
    client.opened(now, &keeping()).unwrap();
    send(&mut client, &mut input, now);
    fill(&mut input, &[0x20, 3, 0, 0, 0]);
    let connected = client.poll(now, &mut input);
    assert!(matches!(connected, Action::Event(_)), "{connected:?}");
    (client, input)
}

type Client = mqtt_session::Client<Fixed<4, 4, 256, 128>>;

fn fill(input: &mut RxBuffer<[u8; INPUT]>, bytes: &[u8]) {
    input.spare()[..bytes.len()].copy_from_slice(bytes);
    input.filled(bytes.len());
}

fn send(client: &mut Client, input: &mut RxBuffer<[u8; INPUT]>, now: Instant) -> Vec<u8> {
    let bytes = match client.poll(now, input) {
        Action::Send(bytes) => bytes.to_vec(),
        other => panic!("nothing is sent but {other:?}"),
    };
    client.sent(now, bytes.len());
    bytes
}

#[test]
fn a_flood_of_input_starves_no_timer() {
    let start = Instant::from_secs(1);
    let packet = [0x30, 4, 0, 1, b'a', 0];
    // Keep alive is 60 seconds, and a ping may take 10.
    let (mut client, mut input) = small(start);
    let ping_due = start.after(secs(60));
    let count = INPUT / packet.len();
    let flood = packet.repeat(count);
    fill(&mut input, &flood);
    let mut delivered = 0;
    loop {
        match client.poll(ping_due, &mut input) {
            Action::Deliver(_) => delivered += 1,
            Action::Send(bytes) => {
                assert_eq!(bytes, [0xc0, 0x00]);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        delivered, count,
        "PINGREQ leaves as soon as the input is read"
    );

    // An acknowledgement that is overdue is not waited for a packet longer.
    let (mut client, mut input) = small(start);
    client
        .publish(start, &message(QoS::AtLeastOnce, "a", b"1"))
        .unwrap();
    send(&mut client, &mut input, start);
    let overdue = start.after(secs(30));
    let action = client.poll(start, &mut input);
    assert!(matches!(action, Action::Timeout(at) if at == overdue));
    fill(&mut input, &flood);
    let action = client.poll(overdue, &mut input);
    assert!(matches!(action, Action::Close), "{action:?}");
}

#[test]
fn time_that_runs_backwards_is_no_time() {
    let start = Instant::from_secs(1_000);
    let (mut client, mut input) = small(start);
    let later = start.after(secs(20));
    client
        .publish(later, &message(QoS::AtLeastOnce, "a", b"1"))
        .unwrap();
    send(&mut client, &mut input, later);
    let Action::Timeout(deadline) = client.poll(later, &mut input) else {
        panic!("nothing is due");
    };
    assert_eq!(deadline, later.after(secs(30)));

    let mut ahead = client.clone();
    for back in [Instant::from_micros(0), start, later] {
        // Every call with an old time is the same call at the time last seen.
        let (mut behind, mut behind_input) = (client.clone(), input.clone());
        let (mut here, mut here_input) = (client.clone(), input.clone());
        for (client, input, now) in [
            (&mut behind, &mut behind_input, back),
            (&mut here, &mut here_input, later),
        ] {
            assert!(matches!(client.poll(now, input), Action::Timeout(at) if at == deadline));
            let expiring = message(QoS::AtLeastOnce, "a", b"2").message_expiry_interval(100);
            client.publish(now, &expiring).unwrap();
            send(client, input, now);
            client.stop(now);
            send(client, input, now);
            assert!(matches!(client.poll(now, input), Action::Close));
            client.closed(now);
            client.start(now);
        }
        assert_eq!(behind, here);
        assert_eq!(behind_input, here_input);
    }

    // A step back and forth again makes nothing due early or late.
    let old = Instant::from_micros(0);
    assert!(matches!(ahead.poll(old, &mut input), Action::Timeout(at) if at == deadline));
    let almost = Instant::from_millis(deadline.as_micros() / 1_000 - 1);
    assert!(matches!(ahead.poll(almost, &mut input), Action::Timeout(_)));
    assert!(matches!(ahead.poll(deadline, &mut input), Action::Close));
}

#[test]
fn a_deadline_that_is_reached_makes_progress() {
    let mut talk = keeping_alive(20, None);
    talk.publishes(QoS::AtLeastOnce, "a", b"1");
    talk.sent();
    talk.run();
    let mut causes = Vec::new();
    for _ in 0..100 {
        let deadline = talk.deadline;
        talk.now = deadline;
        talk.run();
        match talk.next() {
            Did::Close => {
                talk.cut();
                match talk.next() {
                    Did::Told(Told::Disconnected(cause, _)) => causes.push(cause),
                    other => panic!("{other:?}"),
                }
            }
            Did::Open => {
                talk.client.opened(talk.now, &keeping()).unwrap();
                talk.sent();
            }
            Did::Sent(bytes) => assert_eq!(bytes, [0xc0, 0x00]),
            other => panic!("{other:?}"),
        }
        assert!(talk.deadline > deadline, "due again at {deadline:?}");
    }
    assert_eq!(causes[..2], [Cause::PingTimeout, Cause::ConnectTimeout]);
}

#[test]
fn the_end_of_time_is_no_deadline() {
    let end = Instant::from_micros(u64::MAX - 5);
    let (mut client, mut input) = small(end);
    client
        .publish(end, &message(QoS::AtLeastOnce, "a", b"1"))
        .unwrap();
    send(&mut client, &mut input, end);
    let action = client.poll(end, &mut input);
    assert!(
        matches!(action, Action::Timeout(at) if at.as_micros() == u64::MAX),
        "{action:?}"
    );
}
