//! The packets of the conversations, and what the application asks for, in few words.

use crate::input::INPUT;
use mqtt_proto::{
    Ack, ConnAck, Disconnect, Packet, PacketId, Properties, Property, Publish as Pub, QoS,
    ReasonCode, ReasonCodes, SubAck, TopicName, UnsubAck,
};
use mqtt_session::{Connect, Publish};

/// CONNACK that accepts, without a session.
pub fn connack() -> Packet<'static> {
    connack_with(&[])
}

/// CONNACK that accepts, without a session, with properties.
pub fn connack_with<'a>(properties: &'a [Property<'a>]) -> Packet<'a> {
    Packet::ConnAck(ConnAck {
        session_present: false,
        reason: ReasonCode::SUCCESS,
        properties: Properties::new(properties),
    })
}

/// CONNACK that accepts and resumes the session.
pub fn session_present() -> Packet<'static> {
    Packet::ConnAck(ConnAck {
        session_present: true,
        reason: ReasonCode::SUCCESS,
        properties: Properties::EMPTY,
    })
}

/// CONNACK that refuses.
pub fn refused(reason: ReasonCode) -> Packet<'static> {
    Packet::ConnAck(ConnAck {
        session_present: false,
        reason,
        properties: Properties::EMPTY,
    })
}

/// Whether a packet that has to be whole to be read fits the input buffer of these conversations.
/// What is left out because it does not is said.
pub fn fits_input(what: &str, bytes: usize) -> bool {
    let fits = bytes <= INPUT;
    if !fits {
        println!("left out: {what} of {bytes} bytes does not fit an input buffer of {INPUT}");
    }
    fits
}

fn id(id: u16) -> PacketId {
    PacketId::new(id).expect("a packet identifier is not zero")
}

/// An acknowledgement.
pub fn ack(number: u16, reason: ReasonCode) -> Ack<'static> {
    Ack {
        packet_id: id(number),
        reason,
        properties: Properties::EMPTY,
    }
}

/// PUBACK with success.
pub fn puback(number: u16) -> Packet<'static> {
    Packet::PubAck(ack(number, ReasonCode::SUCCESS))
}

/// PUBREC with success.
pub fn pubrec(number: u16) -> Packet<'static> {
    Packet::PubRec(ack(number, ReasonCode::SUCCESS))
}

/// PUBREL with success.
pub fn pubrel(number: u16) -> Packet<'static> {
    Packet::PubRel(ack(number, ReasonCode::SUCCESS))
}

/// PUBCOMP with success.
pub fn pubcomp(number: u16) -> Packet<'static> {
    Packet::PubComp(ack(number, ReasonCode::SUCCESS))
}

/// CONNECT of a client whose session outlives its transport by an hour.
pub fn keeping() -> Connect<'static> {
    const HOUR: &[Property<'static>] = &[Property::SessionExpiryInterval(3600)];
    Connect {
        properties: HOUR,
        ..Connect::new("c")
    }
}

/// SUBACK with a reason code for each filter.
pub fn suback(number: u16, reasons: &[ReasonCode]) -> Packet<'_> {
    Packet::SubAck(SubAck {
        packet_id: id(number),
        properties: Properties::EMPTY,
        reasons: ReasonCodes::new(reasons),
    })
}

/// UNSUBACK with a reason code for each filter.
pub fn unsuback(number: u16, reasons: &[ReasonCode]) -> Packet<'_> {
    Packet::UnsubAck(UnsubAck {
        packet_id: id(number),
        properties: Properties::EMPTY,
        reasons: ReasonCodes::new(reasons),
    })
}

/// DISCONNECT as either side sends it.
pub fn disconnect(reason: ReasonCode) -> Packet<'static> {
    Packet::Disconnect(Disconnect {
        reason,
        properties: Properties::EMPTY,
    })
}

/// PUBLISH as either side sends it; identifier 0 for QoS 0.
pub fn publish<'a>(qos: QoS, number: u16, topic: &'a str, payload: &'a [u8]) -> Pub<'a> {
    Pub {
        dup: false,
        qos,
        retain: false,
        topic: Some(TopicName::new(topic).expect("a topic name")),
        packet_id: PacketId::new(number),
        properties: Properties::EMPTY,
        payload,
    }
}

/// What the application publishes.
pub fn message<'a>(qos: QoS, topic: &'a str, payload: &'a [u8]) -> Publish<'a> {
    Publish::new(TopicName::new(topic).expect("a topic name"), payload).qos(qos)
}
