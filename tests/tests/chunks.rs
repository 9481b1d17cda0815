//! The pieces in which bytes arrive change nothing of what leaves.

use mqtt_proto::{Packet, QoS, ReasonCode, Sender};
use mqtt_session::{Config, Property};
use mqtt_tests::talk::*;

/// What leaves when these packets come in one piece, and when each comes alone.
fn leaves(window: u16, packets: &[Packet<'_>]) -> [Vec<u8>; 2] {
    [false, true].map(|apart| {
        let mut talk = talk(Config::default());
        let limits = [Property::ReceiveMaximum(window)];
        talk.connects(&mqtt_session::Connect::new("c"), connack_with(&limits));
        for payload in [b"1", b"2", b"3"] {
            talk.publishes(QoS::ExactlyOnce, "a", payload);
        }
        let mut bytes = Vec::new();
        for packet in packets {
            let packet = packet.to_vec(Sender::Server).unwrap();
            if apart {
                talk.run().server_bytes(&packet);
            } else {
                bytes.extend_from_slice(&packet);
            }
        }
        talk.run().server_bytes(&bytes);
        let mut left = Vec::new();
        while let Some(did) = talk.did() {
            if let Did::Sent(packet) = did {
                left.extend(packet);
            }
        }
        left
    })
}

// covers: pitfall 86
#[test]
fn answers_leave_in_the_order_of_what_they_answer_however_it_came() {
    // A refusal opens the window; nothing here answers what has not left yet.
    let packets = [
        Packet::PubRec(ack(1, ReasonCode::QUOTA_EXCEEDED)),
        pubrec(99),
        Packet::Publish(publish(QoS::AtLeastOnce, 7, "b", b"")),
        pubrel(98),
        Packet::Publish(publish(QoS::ExactlyOnce, 8, "b", b"")),
    ];
    for window in [1, 2, 3] {
        let [together, apart] = leaves(window, &packets);
        assert_eq!(together, apart, "with a window of {window}");
    }
}

#[test]
fn pubcomp_in_one_piece_with_its_pubrec_does_not_overtake_pubrel() {
    let mut talk = connected(Config::default());
    talk.publishes(QoS::ExactlyOnce, "a", b"1");
    talk.sends(Packet::Publish(publish(QoS::ExactlyOnce, 1, "a", b"1")));
    let mut bytes = pubrec(1).to_vec(Sender::Server).unwrap();
    bytes.extend(pubcomp(1).to_vec(Sender::Server).unwrap());
    talk.server_bytes(&bytes).sends(pubrel(1)).quiet();
    assert_eq!(talk.client.unsettled(), 1);
}
