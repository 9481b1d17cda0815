//! Acknowledgements in the four bytes that nearly all have: success, and no properties.

pub(crate) use crate::limits::SHORT_ACK;
pub(crate) use crate::receipt::{PUBACK, PUBCOMP, PUBREC, PUBREL};

/// An acknowledgement in its shortest form.
#[inline]
pub(crate) fn short_ack(first: u8, id: u16) -> [u8; SHORT_ACK] {
    let [high, low] = id.to_be_bytes();
    [first, 2, high, low]
}
