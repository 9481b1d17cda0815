use crate::{Field, PacketType, PropertyId, ReasonCode, Sender};

/// Why a packet cannot be encoded: the caller asked for something that the standard forbids, or
/// the buffer is too small. The contents of the buffer are unspecified afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EncodeError {
    /// The buffer is smaller than the packet.
    BufferTooSmall {
        /// Bytes the whole packet takes.
        needed: usize,
    },
    /// The packet would be longer than a Remaining Length of 268,435,455 allows (section 2.1.4).
    TooLarge {
        /// What its Remaining Length would be, in bytes.
        remaining_length: usize,
    },
    /// This end never sends such a packet (section 2.1.2).
    WrongDirection(PacketType, Sender),
    /// Not an acknowledgement of a PUBLISH, so that [`Ack`](crate::Ack) cannot stand for it.
    NotAnAck(PacketType),
    /// A text has more than 65,535 bytes (section 1.5.4).
    StringTooLong(Field),
    /// Binary data has more than 65,535 bytes (section 1.5.6).
    BinaryTooLong(Field),
    /// A text contains U+0000 (MQTT-1.5.4-2).
    NulInString(Field),
    /// The property does not belong into this packet, or not from this sender (section 2.2.2.2).
    PropertyNotAllowed(PropertyId, PacketType),
    /// The property occurs twice.
    DuplicateProperty(PropertyId),
    /// The value is outside the range of the property.
    PropertyValue(PropertyId),
    /// The packet needs this property: Authentication Method in AUTH, and wherever there is
    /// Authentication Data in CONNECT.
    MissingProperty(PropertyId),
    /// The reason code does not belong into this packet, or not from this sender.
    ReasonCode {
        /// The code.
        code: ReasonCode,
        /// The packet.
        packet: PacketType,
    },
    /// A PUBLISH has a packet identifier exactly when its QoS is above 0 (MQTT-2.2.1-2).
    PacketId,
    /// A QoS 0 PUBLISH is never a duplicate (MQTT-3.3.1-2).
    DupWithQoS0,
    /// A PUBLISH has neither a topic name nor a topic alias (section 3.3.2.1).
    MissingTopic,
    /// A CONNACK refuses the connection and yet reports a session (MQTT-3.2.2-6).
    SessionPresentWithFailure,
    /// No Local on a shared subscription (MQTT-3.8.3-4).
    NoLocalOnShared,
    /// No topic filter (MQTT-3.8.3-2, MQTT-3.10.3-2) or no reason code (sections 3.9.3, 3.11.3).
    Empty(PacketType),
}

crate::words::words! { EncodeError:
    Self::BufferTooSmall { needed } => "the buffer is too small: the packet takes {} bytes", needed;
    Self::TooLarge { remaining_length } =>
        "the packet is too large: its remaining length would be {}, at most 268435455",
        remaining_length;
    Self::WrongDirection(packet, sender) => "a {} never sends {}", sender, packet;
    Self::NotAnAck(packet) => "{} does not acknowledge a PUBLISH", packet;
    Self::StringTooLong(field) => "{} is longer than 65535 bytes", field;
    Self::BinaryTooLong(field) => "{} is longer than 65535 bytes", field;
    Self::NulInString(field) => "{} contains U+0000 (MQTT-1.5.4-2)", field;
    Self::PropertyNotAllowed(id, packet) => "property {} is not allowed in this {}", id, packet;
    Self::DuplicateProperty(id) => "property {} occurs twice", id;
    Self::PropertyValue(id) => "the value of property {} is out of range", id;
    Self::MissingProperty(id) => "property {} is missing", id;
    Self::ReasonCode { code, packet } =>
        "reason code {} is not allowed in this {}", code, packet;
    Self::PacketId =>
        "a PUBLISH has a packet identifier exactly when its QoS is above 0 (MQTT-2.2.1-2)";
    Self::DupWithQoS0 => "a PUBLISH with QoS 0 is never a duplicate (MQTT-3.3.1-2)";
    Self::MissingTopic => "a PUBLISH needs a topic name or a topic alias (section 3.3.2.1)";
    Self::SessionPresentWithFailure => "a refusing CONNACK reports no session (MQTT-3.2.2-6)";
    Self::NoLocalOnShared =>
        "no local is not allowed on a shared subscription (MQTT-3.8.3-4)";
    Self::Empty(packet) => "a {} needs at least one entry in its payload", packet;
}

impl core::error::Error for EncodeError {}
