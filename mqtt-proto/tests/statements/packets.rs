//! Plain packets to vary, and what is asked of them again and again.

use mqtt_proto::{
    Connect, DecodeError, EncodeError, Packet, PacketId, Properties, Publish, QoS, ReasonCode,
    Sender, TopicName,
};

/// The packet identifier with this number.
pub(crate) fn id(number: u16) -> PacketId {
    PacketId::new(number).expect("not 0")
}

/// The topic name with this text.
pub(crate) fn topic(text: &str) -> TopicName<'_> {
    TopicName::new(text).expect("a topic name")
}

/// A PUBLISH with QoS 0 to this topic, without properties and payload.
pub(crate) fn publish(text: &str) -> Publish<'_> {
    Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic: Some(topic(text)),
        packet_id: None,
        properties: Properties::EMPTY,
        payload: &[],
    }
}

/// A CONNECT without anything that can be left out.
pub(crate) fn connect() -> Connect<'static> {
    Connect {
        clean_start: false,
        keep_alive: 0,
        client_id: "",
        properties: Properties::EMPTY,
        will: None,
        user_name: None,
        password: None,
    }
}

/// The bytes of a packet that must be encodable.
pub(crate) fn encoded(packet: &Packet<'_>, sender: Sender) -> Vec<u8> {
    let mut bytes = vec![0; packet.encoded_len().expect("it is not too large")];
    let len = packet.encode(sender, &mut bytes).expect("it is valid");
    assert_eq!(len, bytes.len(), "encoded_len is exact");
    bytes
}

/// Why a packet must not be encodable.
#[track_caller]
pub(crate) fn unencodable(packet: &Packet<'_>, sender: Sender) -> EncodeError {
    packet
        .encode(sender, &mut [0; 70_000])
        .expect_err("it is not valid")
}

/// The packet in bytes that must be valid.
#[track_caller]
pub(crate) fn decoded(bytes: &[u8], sender: Sender) -> Packet<'_> {
    Packet::decode(bytes, sender).unwrap_or_else(|error| panic!("{bytes:02x?}: {error}"))
}

/// The PUBLISH in bytes that must be valid.
#[track_caller]
pub(crate) fn decoded_publish(bytes: &[u8], sender: Sender) -> Publish<'_> {
    match decoded(bytes, sender) {
        Packet::Publish(publish) => publish,
        other => panic!("{other:?}"),
    }
}

/// Bytes must be refused with this reason code and statement.
#[track_caller]
pub(crate) fn refused(
    bytes: &[u8],
    sender: Sender,
    reason: ReasonCode,
    statement: &str,
) -> DecodeError {
    match Packet::decode(bytes, sender) {
        Ok(packet) => panic!("{bytes:02x?} is accepted as {packet:?}"),
        Err(error) => {
            assert_eq!(
                (error.reason(), error.statement()),
                (reason, statement),
                "{error}"
            );
            error
        }
    }
}

/// Bytes must be accepted, and encode to the same bytes again.
#[track_caller]
pub(crate) fn both_ways(packet: &Packet<'_>, sender: Sender, bytes: &[u8]) {
    assert_eq!(encoded(packet, sender), bytes, "{packet:?}");
    assert_eq!(decoded(bytes, sender), *packet);
}

/// A packet of this first byte around a body shorter than 128 bytes.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first, u8::try_from(body.len()).expect("a short body")];
    bytes.extend(body);
    bytes
}
