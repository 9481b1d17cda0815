//! What the network does to bytes: pieces, floods, nonsense, silence.

use super::client::{self, Awaited, Bytes, Cause, Client, Options, ReasonCode, State, Undelivered};
use super::peer::{LIMIT, Peer, Server, publish_bytes};
use crate::facade::Writes;
use mqtt_proto::{Packet, PacketType, QoS, Sender};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

fn options() -> Options {
    Options::new("behaviour").reconnect_between(Duration::from_millis(1), Duration::from_millis(5))
}

/// What one conversation brought to the application.
#[derive(Debug, PartialEq)]
struct Seen {
    states: Vec<String>,
    messages: Vec<(String, Vec<u8>, QoS)>,
    outcomes: Vec<ReasonCode>,
    left: Result<(), Undelivered>,
}

/// A whole conversation, the server's bytes in one piece a packet or in pieces of one byte.
fn converse(in_chunks: bool) -> Seen {
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    peer.in_chunks = in_chunks;
    let mut states = client.watch();
    let (messages, outcomes) = thread::scope(|scope| {
        let subscribed = scope.spawn(|| client.subscribe("a/#", QoS::ExactlyOnce));
        peer.grant("a/#", QoS::ExactlyOnce);
        let subscription = subscribed.join().unwrap().unwrap();
        let publish = |qos| client.publish("b", "up").qos(qos).send().unwrap();
        let tokens = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce].map(publish);
        for _ in 0..3 {
            match peer.expect_publish("b") {
                (id, QoS::AtLeastOnce, _) => peer.ack(PacketType::PubAck, id),
                (id, QoS::ExactlyOnce, _) => peer.ack(PacketType::PubRec, id),
                _ => {}
            }
        }
        let released = peer.expect_ack(PacketType::PubRel);
        peer.ack(PacketType::PubComp, released);
        peer.publish("a/0", b"zero", QoS::AtMostOnce, 0);
        peer.publish("a/1", &[1; 300], QoS::AtLeastOnce, 7);
        peer.publish("a/2", b"", QoS::ExactlyOnce, 8);
        assert_eq!(peer.expect_ack(PacketType::PubAck), 7);
        assert_eq!(peer.expect_ack(PacketType::PubRec), 8);
        peer.ack(PacketType::PubRel, 8);
        assert_eq!(peer.expect_ack(PacketType::PubComp), 8);
        let next = |_| subscription.recv_timeout(LIMIT).unwrap();
        let messages = [0, 1, 2].map(next);
        (
            messages,
            tokens.map(|token| token.acknowledged_timeout(LIMIT).unwrap()),
        )
    });
    drop(peer);
    let mut peer = server.accept();
    peer.in_chunks = in_chunks;
    peer.expect_connect();
    peer.accept_session(true, &[]);
    let name = |state| match state {
        State::Waiting { .. } => "waiting".to_owned(),
        other => other.to_string(),
    };
    let mut seen: Vec<_> = states.by_ref().take(3).map(name).collect();
    let left = client.close(LIMIT);
    // The stream's end is dropped with the subscription: UNSUBSCRIBE may be first.
    while peer.next(|_| ()).is_some() {}
    seen.extend(states.map(name));
    Seen {
        states: seen,
        messages: messages
            .map(|message| {
                (
                    message.topic.to_string(),
                    message.payload.to_vec(),
                    message.qos,
                )
            })
            .to_vec(),
        outcomes: outcomes.to_vec(),
        left,
    }
}

// covers: MQTT-4.2-1, pitfall 86
#[test]
fn the_same_bytes_in_any_pieces_bring_the_same() {
    let whole = converse(false);
    assert_eq!(whole, converse(true));
    assert_eq!(whole.messages.len(), 3);
    let states = [
        "waiting",
        "connecting",
        "connected, session resumed",
        "ended: the client was closed",
    ];
    assert_eq!(whole.states, states);
}

#[test]
fn several_packets_in_one_piece_are_several_packets() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    let many: Vec<u8> = (1..=1_000)
        .flat_map(|id: u16| publish_bytes("t", &id.to_be_bytes(), QoS::AtLeastOnce, id, &[]))
        .collect();
    peer.send_bytes(&many).unwrap();
    let unmatched = client.unmatched();
    for id in 1..=1_000_u16 {
        assert_eq!(peer.expect_ack(PacketType::PubAck), id);
        assert_eq!(
            unmatched.recv_timeout(LIMIT).unwrap().payload[..],
            id.to_be_bytes()
        );
    }
}

#[test]
fn both_sides_writing_with_full_buffers_do_not_wait_for_each_other() {
    const MESSAGES: usize = 40;
    const SIZE: usize = 1 << 20;
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    let payload = Bytes::from(vec![b'c'; SIZE]);
    let tokens: Vec<_> = (0..MESSAGES)
        .map(|_| {
            client
                .publish("up", payload.clone())
                .qos(QoS::AtLeastOnce)
                .send()
                .unwrap()
        })
        .collect();
    // The peer writes all of its own before it reads a byte: far more than any buffer between
    // the two holds, both ways.
    let down = publish_bytes("down", &vec![b's'; SIZE], QoS::AtMostOnce, 0, &[]);
    for _ in 0..MESSAGES {
        peer.send_bytes(&down).unwrap();
    }
    for _ in 0..MESSAGES {
        let (id, ..) = peer.expect_publish("up");
        peer.ack(PacketType::PubAck, id);
    }
    for token in tokens {
        token.acknowledged_timeout(LIMIT).unwrap();
    }
    // 16 messages of this size are what the stream holds for a reader that is late.
    let unmatched = client.unmatched();
    client.close(LIMIT).unwrap();
    let dropped = unmatched.dropped();
    assert_eq!(unmatched.count() as u64 + dropped, MESSAGES as u64);
}

/// The violation that `bytes` are taken for; the peer hears of it and sees the stream end.
#[track_caller]
fn violation(server: &Server, client: &Client, peer: &mut Peer, bytes: &[u8]) -> String {
    let mut states = client.watch();
    peer.send_bytes(bytes).unwrap();
    let state = states.recv_timeout(LIMIT);
    let Some(State::Waiting {
        cause: Cause::Violation(violation),
        ..
    }) = state
    else {
        panic!("{bytes:02x?} led to {state:?}");
    };
    peer.expect_goodbye(violation.reason());
    *peer = server.reconnect(true);
    let connected = states.find(State::is_connected);
    assert!(connected.is_some());
    violation.to_string()
}

#[test]
fn nonsense_from_the_server_is_named_answered_and_survived() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    let mut say = |bytes: &[u8]| violation(&server, &client, &mut peer, bytes);
    let cases: [(&[u8], &str); 7] = [
        (&[0x00, 0x00], "0x81"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "0x81"),
        (&[0x30, 0xff, 0xff, 0xff, 0xff, 0x01], "0x81"),
        (&[0x40, 0x02, 0x00, 0x00], "0x82"),
        (&[0x20, 0x03, 0x00, 0x00, 0x00], "0x82"),
        (&[0x30, 0x06, 0x00, 0x03, b'a', b'/', b'#', 0x00], "0x90"),
        (&[0x30, 0x04, 0x00, 0x01, 0x00, 0x00], "0x81"),
    ];
    for (bytes, answer) in cases {
        let text = say(bytes);
        assert!(text.contains(answer), "{bytes:02x?}: {text}");
    }
}

#[test]
fn a_packet_above_the_maximum_is_refused_from_its_header() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options().maximum_packet_size(1_000));
    let mut large = publish_bytes("t", &[0; 2_000], QoS::AtMostOnce, 0, &[]);
    large.truncate(10);
    let text = violation(&server, &client, &mut peer, &large);
    assert!(text.contains("0x95"), "{text}");
}

#[test]
fn a_server_that_stops_acknowledging_is_left_and_found_again() {
    let server = Server::start();
    let soon = Duration::from_millis(100);
    let (client, mut peer) = server.connect(options().ack_timeout(soon));
    let states = client.watch();
    let token = client
        .publish("t", "m")
        .qos(QoS::AtLeastOnce)
        .send()
        .unwrap();
    let (id, ..) = peer.expect_publish("t");
    let state = states.recv_timeout(LIMIT);
    let Some(State::Waiting { cause, .. }) = state else {
        panic!("{state:?}");
    };
    let acknowledgement = matches!(
        cause,
        Cause::TimedOut {
            what: Awaited::Acknowledgement,
            ..
        }
    );
    assert!(acknowledgement, "{cause:?}");
    // Nothing is sent again on a live connection (MQTT-4.4.0-1).
    assert_eq!(peer.next(|packet| format!("{packet:?}")), None);
    let mut peer = server.reconnect(true);
    assert_eq!(peer.expect_publish("t"), (id, QoS::AtLeastOnce, true));
    peer.ack(PacketType::PubAck, id);
    token.acknowledged_timeout(LIMIT).unwrap();
}

#[test]
fn a_server_that_does_not_answer_pings_is_left() {
    let server = Server::start();
    let options = options()
        .keep_alive(Duration::from_secs(1))
        .ping_timeout(Duration::from_millis(50));
    let (client, mut peer) = server.connect(options);
    let states = client.watch();
    peer.packet(|packet| assert!(matches!(packet, Packet::PingReq), "{packet:?}"));
    peer.send(&Packet::PingResp);
    peer.packet(|packet| assert!(matches!(packet, Packet::PingReq), "{packet:?}"));
    let state = states.recv_timeout(LIMIT);
    let Some(State::Waiting {
        cause: Cause::TimedOut {
            what: Awaited::Pong,
            ..
        },
        ..
    }) = state
    else {
        panic!("{state:?}");
    };
    assert_eq!(peer.next(|packet| format!("{packet:?}")), None);
}

/// A client over a stream that takes and gives at most so many bytes at a time.
fn noted(server: &Server, most: usize) -> (Client, Peer, Writes) {
    let writes = Writes::default();
    let (url, log) = (server.url(), Arc::clone(&writes));
    let (client, peer) = thread::scope(|scope| {
        let client = scope.spawn(move || client::connect_noted(&url, most, &log, options()));
        let mut peer = server.accept();
        peer.expect_connect();
        peer.accept_session(false, &[]);
        (client.join().unwrap().unwrap(), peer)
    });
    (client, peer, writes)
}

// covers: pitfall 87
#[test]
fn each_packet_is_written_in_one_piece() {
    let server = Server::start();
    let (client, mut peer, writes) = noted(&server, usize::MAX);
    for size in [0, 10, 1_023, 1_000] {
        let publication = client.publish("t", vec![0; size]).qos(QoS::ExactlyOnce);
        let token = publication.send().unwrap();
        let (id, ..) = peer.expect_publish("t");
        peer.ack(PacketType::PubRec, id);
        peer.expect_ack(PacketType::PubRel);
        peer.ack(PacketType::PubComp, id);
        token.acknowledged_timeout(LIMIT).unwrap();
    }
    client.close(LIMIT).unwrap();
    let writes = writes.lock().unwrap();
    assert!(writes.len() >= 10);
    for written in writes.iter() {
        // What was written at once decodes to the last byte.
        let mut rest = &written[..];
        while !rest.is_empty() {
            let frame = mqtt_proto::frame(rest, u32::MAX).unwrap();
            let mqtt_proto::Frame::Whole(raw) = frame else {
                panic!("half a packet was written: {written:02x?}");
            };
            raw.decode(Sender::Client).unwrap();
            rest = &rest[raw.len()..];
        }
    }
}

#[test]
fn a_stream_of_ones_own_may_take_a_few_bytes_at_a_time() {
    let server = Server::start();
    let (client, mut peer, _) = noted(&server, 3);
    let token = client
        .publish("t", vec![5; 10_000])
        .qos(QoS::AtLeastOnce)
        .send()
        .unwrap();
    peer.publish("down", &[6; 10_000], QoS::AtLeastOnce, 1);
    let (id, ..) = peer.expect_publish("t");
    assert_eq!(peer.expect_ack(PacketType::PubAck), 1);
    peer.ack(PacketType::PubAck, id);
    token.acknowledged_timeout(LIMIT).unwrap();
    assert_eq!(
        client.unmatched().recv_timeout(LIMIT).unwrap().payload,
        vec![6; 10_000]
    );
}
