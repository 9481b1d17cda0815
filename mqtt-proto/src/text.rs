//! Scanning text for what UTF-8 allows and MQTT does not.

use crate::{EncodeError, Field};

/// What two bytes of length can say.
const MAX_LEN: usize = 65_535;

/// Whether U+0000 occurs.
#[inline]
pub(crate) fn has_nul(bytes: &[u8]) -> bool {
    bytes.contains(&0)
}

/// Index of the first U+0000.
pub(crate) fn find_nul(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|&byte| byte == 0)
}

/// Whether all bytes are ASCII and none is U+0000.
#[inline]
pub(crate) fn is_plain(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, 1..=0x7f))
}

/// Whether the bytes are UTF-8 without U+0000.
pub(crate) fn is_valid(bytes: &[u8]) -> bool {
    !has_nul(bytes) && core::str::from_utf8(bytes).is_ok()
}

/// Whether NUL, `+` or `#` occurs.
#[inline]
pub(crate) fn has_forbidden_in_topic_name(bytes: &[u8]) -> bool {
    find_in_topic_name(bytes).is_some()
}

/// The first byte, with its index, that a topic name must not contain: NUL, `+` or `#`.
pub(crate) fn find_in_topic_name(bytes: &[u8]) -> Option<(usize, u8)> {
    let at = bytes
        .iter()
        .position(|byte| matches!(byte, 0 | b'+' | b'#'))?;
    Some((at, *bytes.get(at)?))
}

/// Whether the text can be written: its length and U+0000.
#[inline]
pub(crate) fn check_text(text: &str, field: Field) -> Result<(), EncodeError> {
    if text.len() > MAX_LEN {
        return Err(EncodeError::StringTooLong(field));
    }
    if has_nul(text.as_bytes()) {
        Err(EncodeError::NulInString(field))
    } else {
        Ok(())
    }
}

/// Whether the binary data can be written.
#[inline]
pub(crate) fn check_binary(bytes: &[u8], field: Field) -> Result<(), EncodeError> {
    if bytes.len() > MAX_LEN {
        Err(EncodeError::BinaryTooLong(field))
    } else {
        Ok(())
    }
}
