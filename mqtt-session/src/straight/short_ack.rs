//! Acknowledgements in the four bytes that nearly all have: success, and no properties.

use mqtt_proto::PacketType;

pub(crate) use crate::limits::SHORT_ACK;

/// First bytes.
pub(crate) const PUBACK: u8 = (PacketType::PubAck as u8) << 4;
pub(crate) const PUBREC: u8 = (PacketType::PubRec as u8) << 4;
/// With the flags it must have (MQTT-3.6.1-1).
pub(crate) const PUBREL: u8 = (PacketType::PubRel as u8) << 4 | 0b10;
pub(crate) const PUBCOMP: u8 = (PacketType::PubComp as u8) << 4;

/// An acknowledgement in its shortest form.
#[inline]
pub(crate) fn short_ack(first: u8, id: u16) -> [u8; SHORT_ACK] {
    let [high, low] = id.to_be_bytes();
    [first, 2, high, low]
}
