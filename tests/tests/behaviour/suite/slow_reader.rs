//! A reader that does not read: it delays nothing but itself.

use super::client::{Buffer, Client, Options, QoS, SubscribeOptions, Subscription};
use super::peer::{LIMIT, Peer, Server, publish_bytes};
use mqtt_proto::{Packet, PacketType};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

fn options() -> Options {
    Options::new("behaviour").keep_alive(Duration::from_secs(1))
}

/// A stream that holds so many messages.
fn subscribe(client: &Client, peer: &mut Peer, filter: &str, messages: usize) -> Subscription {
    let buffer = Buffer {
        messages,
        ..Buffer::default()
    };
    let options = SubscribeOptions::new(QoS::AtLeastOnce).buffer(buffer);
    thread::scope(|scope| {
        let subscription = scope.spawn(|| client.subscribe(filter, options.timeout(LIMIT)));
        peer.grant(filter, QoS::AtLeastOnce);
        subscription.join().unwrap().unwrap()
    })
}

#[test]
fn neither_acknowledgements_nor_other_streams_nor_pings_wait_for_it() {
    const MESSAGES: u16 = 500;
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    let states = client.watch();
    let slow = subscribe(&client, &mut peer, "a/+", 3);
    let quick = subscribe(&client, &mut peer, "+/b", usize::from(MESSAGES));
    for round in 1..=2 {
        for id in 1..=MESSAGES {
            peer.publish("a/b", &id.to_be_bytes(), QoS::AtLeastOnce, id);
        }
        let (mut acknowledged, mut pinged) = (0, false);
        // When all are acknowledged, the client is silent until it pings.
        while acknowledged < MESSAGES || !pinged {
            let ping = peer.packet(|packet| match packet {
                Packet::PubAck(ack) => {
                    acknowledged += 1;
                    assert_eq!(ack.packet_id.value(), acknowledged);
                    false
                }
                Packet::PingReq => true,
                other => panic!("{other:?}"),
            });
            if ping {
                peer.send(&Packet::PingResp);
                pinged = acknowledged == MESSAGES;
            }
        }
        for id in 1..=MESSAGES {
            let message = quick.recv_timeout(LIMIT).expect("a message");
            assert_eq!(message.payload[..], id.to_be_bytes());
        }
        assert_eq!(slow.dropped(), u64::from(round * MESSAGES) - 3);
    }
    assert_eq!(quick.dropped(), 0);
    assert!(states.try_recv().is_none(), "the connection was kept");
}

#[test]
fn pings_leave_in_the_middle_of_a_flood_that_nobody_reads() {
    let server = Server::start();
    let (client, mut peer) = server.connect(options());
    let states = client.watch();
    let slow = subscribe(&client, &mut peer, "a", 3);
    let mut flood = peer.stream.try_clone().unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            // As much as the client takes: nothing of it asks for an answer.
            let some = publish_bytes("a", &[7; 100], QoS::AtMostOnce, 0, &[]).repeat(100);
            while !over.load(Ordering::SeqCst) {
                flood.write_all(&some).unwrap();
            }
        });
        let pings = [(); 2].map(|()| peer.next(|packet| packet.packet_type()));
        over.store(true, Ordering::SeqCst);
        assert_eq!(pings, [Some(PacketType::PingReq); 2]);
    });
    assert!(slow.dropped() > 0);
    assert!(states.try_recv().is_none(), "the connection was kept");
}
