//! Bytes that no server should send, and packets that none should send now.

use mqtt_proto::{
    Ack, Auth, ConnAck, Disconnect, Packet, PacketId, Properties, Property, Publish, QoS,
    ReasonCode, ReasonCodes, Sender, SubAck, TopicName, UnsubAck,
};
use proptest::prelude::*;

/// Something that no honest server does.
#[derive(Clone, Debug)]
pub(crate) enum Hostile {
    /// It sends these bytes.
    Bytes(Vec<u8>),
    /// A bit of what is on its way to the client turns over.
    Flip { at: usize, bit: u8 },
    /// What is on its way to the client is cut short here, while more follows.
    Drop { at: usize },
}

fn reason() -> impl Strategy<Value = ReasonCode> {
    const SOME: [u8; 10] = [0x00, 0x01, 0x10, 0x18, 0x80, 0x82, 0x87, 0x8e, 0x92, 0x97];
    prop::sample::select(&SOME[..]).prop_map(|code| ReasonCode::new(code).expect("a known code"))
}

/// Identifiers that are likely to be in use.
fn number() -> impl Strategy<Value = u16> {
    prop_oneof![8 => 1u16..7, 1 => any::<u16>()]
}

/// An acknowledgement of any kind, also one of a request.
fn ack() -> impl Strategy<Value = Vec<u8>> {
    (0u8..6, number(), reason(), any::<bool>(), 1usize..4).prop_map(
        |(kind, number, reason, said, count)| {
            let text = [Property::ReasonString("so")];
            let properties = Properties::new(&text[usize::from(!said)..]);
            let reasons = vec![reason; count];
            let packet_id = PacketId::new(number.max(1)).expect("not zero");
            let ack = Ack {
                packet_id,
                reason,
                properties,
            };
            let packet = match kind {
                0 => Packet::PubAck(ack),
                1 => Packet::PubRec(ack),
                2 => Packet::PubRel(ack),
                3 => Packet::PubComp(ack),
                4 => Packet::SubAck(SubAck {
                    packet_id,
                    properties,
                    reasons: ReasonCodes::new(&reasons),
                }),
                _ => Packet::UnsubAck(UnsubAck {
                    packet_id,
                    properties,
                    reasons: ReasonCodes::new(&reasons),
                }),
            };
            bytes_or_shortest(&packet, kind, number)
        },
    )
}

/// The packet's bytes; where its reason is not one of its own, the same with success.
fn bytes_or_shortest(packet: &Packet<'_>, kind: u8, number: u16) -> Vec<u8> {
    let first = [0x40, 0x50, 0x62, 0x70, 0x40, 0x50][usize::from(kind)];
    let [high, low] = number.to_be_bytes();
    packet
        .to_vec(Sender::Server)
        .unwrap_or_else(|_| vec![first, 2, high, low])
}

fn publish() -> impl Strategy<Value = Vec<u8>> {
    (
        any::<[bool; 4]>(),
        0u8..3,
        number(),
        prop_oneof![Just(0u16), 1u16..5],
        prop::collection::vec(any::<u8>(), 0..200),
    )
        .prop_map(
            |([dup, retain, named, long], qos, number, alias, payload)| {
                let qos = QoS::from_u8(qos).expect("0 to 2");
                let alias = [Property::TopicAlias(alias.max(1))];
                let topic = if long {
                    "a/rather/long/topic/name"
                } else {
                    "t"
                };
                let packet = Packet::Publish(Publish {
                    dup: dup && qos != QoS::AtMostOnce,
                    qos,
                    retain,
                    topic: named.then(|| TopicName::new(topic).expect("a topic name")),
                    packet_id: (qos != QoS::AtMostOnce)
                        .then(|| PacketId::new(number.max(1)).expect("not zero")),
                    properties: Properties::new(&alias[usize::from(named && dup)..]),
                    payload: &payload,
                });
                packet.to_vec(Sender::Server).unwrap_or_default()
            },
        )
}

/// Packets that end or negotiate something, at a wrong moment.
fn control() -> impl Strategy<Value = Vec<u8>> {
    (0u8..6, reason(), any::<[bool; 2]>()).prop_map(|(kind, reason, [flag, other])| {
        let method = [Property::AuthenticationMethod(if other {
            "M"
        } else {
            "N"
        })];
        let packet = match kind {
            0 => Packet::ConnAck(ConnAck {
                session_present: flag,
                reason,
                properties: Properties::EMPTY,
            }),
            1 => Packet::Disconnect(Disconnect {
                reason,
                properties: Properties::EMPTY,
            }),
            2 | 3 => Packet::Auth(Auth {
                reason,
                properties: Properties::new(&method),
            }),
            4 => Packet::PingResp,
            _ => return if flag { vec![0xc0, 0] } else { vec![0xe0, 0] },
        };
        packet
            .to_vec(Sender::Server)
            .unwrap_or_else(|_| vec![0xd0, 0])
    })
}

pub(crate) fn hostile() -> impl Strategy<Value = Hostile> {
    prop_oneof![
        4 => ack().prop_map(Hostile::Bytes),
        4 => publish().prop_map(Hostile::Bytes),
        2 => control().prop_map(Hostile::Bytes),
        1 => prop::collection::vec(any::<u8>(), 1..40).prop_map(Hostile::Bytes),
        1 => (any::<usize>(), 0u8..8).prop_map(|(at, bit)| Hostile::Flip { at, bit }),
        1 => any::<usize>().prop_map(|at| Hostile::Drop { at }),
    ]
}
