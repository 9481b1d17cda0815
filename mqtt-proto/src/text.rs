//! Scanning text for what UTF-8 allows and MQTT does not.
//!
//! Most text on the wire is ASCII. It is recognised eight bytes at a time; only text that is not
//! plain in this sense is looked at more closely.

use crate::{EncodeError, Field};

/// What two bytes of length can say.
const MAX_LEN: usize = 65_535;

/// Valid text as a string.
#[inline]
pub(crate) fn text(bytes: &[u8]) -> Option<&str> {
    if !is_plain(bytes) && find_nul(bytes).is_some() {
        return None;
    }
    core::str::from_utf8(bytes).ok()
}

/// Whether the bytes are valid text.
#[inline]
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    is_plain(bytes) || is_unusual_text(bytes)
}

/// Text without NUL and wildcards as a string. It may be empty.
#[inline]
pub(crate) fn topic_name(bytes: &[u8]) -> Option<&str> {
    if !is_plain_topic_name(bytes) && find_in_topic_name(bytes).is_some() {
        return None;
    }
    core::str::from_utf8(bytes).ok()
}

/// Index of the first U+0000.
pub(crate) fn find_nul(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|&byte| byte == 0)
}

/// The first byte, with its index, that a topic name must not contain: NUL, `+` or `#`.
#[cold]
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

#[cold]
fn is_unusual_text(bytes: &[u8]) -> bool {
    find_nul(bytes).is_none() && core::str::from_utf8(bytes).is_ok()
}

const LOW_BITS: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = LOW_BITS << 7;

/// Has a high bit set if a byte of the word is 0, provided that no byte is above 0x7f.
#[inline]
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(LOW_BITS)
}

/// The same byte eight times.
#[inline]
const fn all(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Whether all bytes are ASCII and none is NUL.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    is_clean(bytes, |word| (zeros(word) | word) & HIGH_BITS)
}

/// Whether all bytes are ASCII and none is NUL, `+` or `#`.
#[inline]
fn is_plain_topic_name(bytes: &[u8]) -> bool {
    is_clean(bytes, |word| {
        (zeros(word) | zeros(word ^ all(b'+')) | zeros(word ^ all(b'#')) | word) & HIGH_BITS
    })
}

/// Whether NUL occurs.
#[inline]
fn has_nul(bytes: &[u8]) -> bool {
    !is_clean(bytes, |word| zeros(word) & !word & HIGH_BITS)
}

/// Whether `flaws` is 0 for every eight bytes. Text whose length is no multiple of eight ends with
/// a word that overlaps the one before; shorter text is made up to one word.
#[inline(always)]
fn is_clean(bytes: &[u8], flaws: impl Fn(u64) -> u64) -> bool {
    let Some(last) = bytes.last_chunk::<8>() else {
        return flaws(short_word(bytes)) == 0;
    };
    let (words, _) = bytes.as_chunks::<8>();
    words
        .iter()
        .chain([last])
        .all(|word| flaws(u64::from_ne_bytes(*word)) == 0)
}

/// A word of the bytes, of which there are less than eight, in any order, some more than once, and
/// of spaces.
#[inline]
fn short_word(bytes: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let [first, last] = [first, last].map(|half| u64::from(u32::from_ne_bytes(*half)));
        return first | last << 32;
    }
    match *bytes {
        [a] => u64::from_ne_bytes([a, b' ', b' ', b' ', b' ', b' ', b' ', b' ']),
        [a, b] => u64::from_ne_bytes([a, b, b' ', b' ', b' ', b' ', b' ', b' ']),
        [a, b, c] => u64::from_ne_bytes([a, b, c, b' ', b' ', b' ', b' ', b' ']),
        _ => all(b' '),
    }
}
