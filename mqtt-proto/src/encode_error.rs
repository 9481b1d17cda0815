use crate::{Field, PacketType, PropertyId, ReasonCode, Sender};

/// Why a packet cannot be encoded: the caller asked for something that the standard forbids, or
/// the buffer is too small. The contents of the buffer are unspecified afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
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

impl core::fmt::Display for EncodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::BufferTooSmall { needed } => {
                write!(
                    f,
                    "the buffer is too small: the packet takes {needed} bytes"
                )
            }
            Self::TooLarge { remaining_length } => {
                write!(
                    f,
                    "the packet is too large: its remaining length would be {remaining_length}, at most 268435455"
                )
            }
            Self::WrongDirection(packet, sender) => write!(f, "a {sender} never sends {packet}"),
            Self::NotAnAck(packet) => write!(f, "{packet} does not acknowledge a PUBLISH"),
            Self::StringTooLong(field) => write!(f, "{field} is longer than 65535 bytes"),
            Self::BinaryTooLong(field) => write!(f, "{field} is longer than 65535 bytes"),
            Self::NulInString(field) => write!(f, "{field} contains U+0000 (MQTT-1.5.4-2)"),
            Self::PropertyNotAllowed(id, packet) => {
                write!(f, "property {id} is not allowed in this {packet}")
            }
            Self::DuplicateProperty(id) => write!(f, "property {id} occurs twice"),
            Self::PropertyValue(id) => write!(f, "the value of property {id} is out of range"),
            Self::MissingProperty(id) => write!(f, "property {id} is missing"),
            Self::ReasonCode { code, packet } => {
                write!(f, "reason code {code} is not allowed in this {packet}")
            }
            Self::PacketId => f.write_str(
                "a PUBLISH has a packet identifier exactly when its QoS is above 0 (MQTT-2.2.1-2)",
            ),
            Self::DupWithQoS0 => {
                f.write_str("a PUBLISH with QoS 0 is never a duplicate (MQTT-3.3.1-2)")
            }
            Self::MissingTopic => {
                f.write_str("a PUBLISH needs a topic name or a topic alias (section 3.3.2.1)")
            }
            Self::SessionPresentWithFailure => {
                f.write_str("a refusing CONNACK reports no session (MQTT-3.2.2-6)")
            }
            Self::NoLocalOnShared => {
                f.write_str("no local is not allowed on a shared subscription (MQTT-3.8.3-4)")
            }
            Self::Empty(packet) => write!(f, "a {packet} needs at least one entry in its payload"),
        }
    }
}

impl core::error::Error for EncodeError {}
