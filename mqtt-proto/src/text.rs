//! Scanning text for what UTF-8 allows and MQTT does not.
//!
//! Most text on the wire is ASCII. It is recognised 16 bytes at a time; only text that is not
//! plain in this sense is looked at more closely.

#[cfg(not(feature = "fast"))]
use crate::wrong::What;

/// What two bytes of length can say.
pub(crate) const MAX_LEN: usize = 65_535;

/// Which text is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Without U+0000 (section 1.5.4).
    Any,
    /// Without wildcards, too. It may be empty.
    TopicName,
}

/// What bytes have that text must not have.
#[cfg(feature = "fast")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    NotUtf8,
    Nul,
    Wildcard,
}

/// Text that has been checked, as long as nobody wants a string.
#[cfg(feature = "fast")]
pub(crate) type Checked<'a> = &'a str;
/// Text that has been checked, as long as nobody wants a string: without unsafe code none can be
/// had of it but by having the core library check it again, and few programs want one.
#[cfg(not(feature = "fast"))]
pub(crate) type Checked<'a> = &'a [u8];

/// What is wrong with bytes as text of this kind, and at which byte. A wildcard is wrong only in
/// what is text.
#[cfg(not(feature = "fast"))]
#[inline(never)]
pub(crate) fn flaw(bytes: &[u8], kind: Kind) -> Option<(usize, What)> {
    let end = end_of_text(bytes);
    let is_whole = end == bytes.len();
    for (at, byte) in bytes.iter().take(end).enumerate() {
        match byte {
            0 => return Some((at, What::NulInText)),
            b'+' | b'#' if is_whole && kind == Kind::TopicName => {
                return Some((at, What::WildcardInTopicName));
            }
            _ => {}
        }
    }
    (!is_whole).then_some((end, What::InvalidUtf8))
}

/// Where what is UTF-8 at the start of the bytes ends.
#[cfg(not(feature = "fast"))]
fn end_of_text(bytes: &[u8]) -> usize {
    let mut at = 0_usize;
    while let Some(&first) = bytes.get(at) {
        let start = at;
        at = at.wrapping_add(1);
        if first < 0x80 {
            continue;
        }
        let len = first.leading_ones();
        let mut value = u32::from(first) & 0x7f_u32.wrapping_shr(len);
        for _ in 1..len {
            let byte = bytes.get(at).copied().unwrap_or_default();
            if byte & 0xc0 != 0x80 {
                return start;
            }
            at = at.wrapping_add(1);
            value = value << 6 | u32::from(byte & 0x3f);
        }
        // The first byte of a character, in the shortest way (of two bytes the first alone says so, of
        // three and four one of the upper bits), no surrogate, and not too large.
        let upper = value.wrapping_shr(len.wrapping_mul(5).wrapping_sub(4));
        if !matches!(first, 0xc2..=0xf4) || upper == 0 || value >> 11 == 0x1b || value > 0x10_ffff {
            return start;
        }
    }
    at
}

/// Checked text as a string.
#[cfg(not(feature = "fast"))]
pub(crate) const fn string(text: &[u8]) -> &str {
    match core::str::from_utf8(text) {
        Ok(text) => text,
        Err(_) => "",
    }
}

/// The bytes as a string, or what is wrong with them and at which byte. A wildcard is wrong only in
/// what is text.
#[cfg(feature = "fast")]
#[cold]
#[inline(never)]
pub(crate) fn look_at(bytes: &[u8], kind: Kind) -> Result<&str, (usize, Flaw)> {
    let text = valid(bytes);
    let is_whole = text.len() == bytes.len();
    let wildcards = kind == Kind::TopicName && is_whole;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            0 => return Err((at, Flaw::Nul)),
            b'+' | b'#' if wildcards => return Err((at, Flaw::Wildcard)),
            _ => {}
        }
    }
    if is_whole {
        Ok(text)
    } else {
        Err((text.len(), Flaw::NotUtf8))
    }
}

/// As much at the start of the bytes as is UTF-8.
#[cfg(feature = "fast")]
fn valid(bytes: &[u8]) -> &str {
    bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid())
}

/// The bytes as a string, if nothing is wrong with them.
#[cfg_attr(feature = "fast", inline(always))]
pub(crate) fn scan(bytes: &[u8], kind: Kind) -> Option<Checked<'_>> {
    #[cfg(not(feature = "fast"))]
    return flaw(bytes, kind).is_none().then_some(bytes);
    #[cfg(feature = "fast")]
    match kind {
        Kind::Any => text(bytes),
        Kind::TopicName => topic_name(bytes),
    }
}

/// Valid text as a string.
#[cfg(feature = "fast")]
#[inline]
fn text(bytes: &[u8]) -> Option<&str> {
    if !is_plain(bytes) && find_nul(bytes).is_some() {
        return None;
    }
    core::str::from_utf8(bytes).ok()
}

/// Whether the bytes are valid text.
#[cfg(feature = "fast")]
#[inline]
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    is_plain(bytes) || is_unusual_text(bytes)
}

/// Text without NUL and wildcards as a string. It may be empty.
#[cfg(feature = "fast")]
#[inline(never)]
fn topic_name(bytes: &[u8]) -> Option<&str> {
    // In UTF-8 none of them is part of another character. The wildcards, 0x2b and 0x23, differ in
    // one bit.
    if any(bytes, |byte| {
        u8::from(byte == 0) | u8::from(byte | 0x08 == b'+')
    }) {
        return None;
    }
    core::str::from_utf8(bytes).ok()
}

/// Index of the first U+0000.
#[cfg(feature = "fast")]
pub(crate) fn find_nul(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|&byte| byte == 0)
}

/// The first byte, with its index, that a topic name must not contain: NUL, `+` or `#`.
#[cfg(feature = "fast")]
#[cold]
pub(crate) fn find_in_topic_name(bytes: &[u8]) -> Option<(usize, u8)> {
    let at = bytes
        .iter()
        .position(|byte| matches!(byte, 0 | b'+' | b'#'))?;
    Some((at, *bytes.get(at)?))
}

#[cfg(feature = "fast")]
#[cold]
fn is_unusual_text(bytes: &[u8]) -> bool {
    find_nul(bytes).is_none() && core::str::from_utf8(bytes).is_ok()
}

/// Whether all bytes are ASCII and none is NUL.
#[cfg(feature = "fast")]
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    !any(bytes, |byte| u8::from(byte == 0) | u8::from(byte >= 0x80))
}

/// Whether NUL occurs.
#[cfg(feature = "fast")]
#[inline(always)]
pub(crate) fn has_nul(bytes: &[u8]) -> bool {
    any(bytes, |byte| u8::from(byte == 0))
}

/// Whether a byte is `flawed`, which says so with any number but 0: numbers are joined without
/// branches, so that vector instructions can look at many bytes at once. What is no multiple of 16
/// bytes ends with a block that overlaps the one before.
#[cfg(feature = "fast")]
#[inline(always)]
fn any(bytes: &[u8], flawed: impl Fn(u8) -> u8 + Copy) -> bool {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<16>(), bytes.last_chunk::<16>()) {
        if bytes.len() > 32 {
            let (blocks, _) = bytes.as_chunks::<16>();
            if blocks.iter().any(|block| any_of_block(block, flawed)) {
                return true;
            }
        }
        return any_of_block(first, flawed) | any_of_block(last, flawed);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        return any_of_block(first, flawed) | any_of_block(last, flawed);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return any_of_block(first, flawed) | any_of_block(last, flawed);
    }
    bytes.iter().any(|&byte| flawed(byte) != 0)
}

/// Looks at all bytes before it answers.
#[cfg(feature = "fast")]
#[inline(always)]
fn any_of_block<const N: usize>(block: &[u8; N], flawed: impl Fn(u8) -> u8) -> bool {
    block.iter().fold(0, |found, &byte| found | flawed(byte)) != 0
}

#[cfg(all(test, not(feature = "fast")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What the core library says.
    fn expected(bytes: &[u8], kind: Kind) -> Option<(usize, What)> {
        let (text, whole) = match core::str::from_utf8(bytes) {
            Ok(text) => (text.as_bytes(), true),
            Err(error) => (&bytes[..error.valid_up_to()], false),
        };
        let wanted = |byte: &u8| match byte {
            0 => true,
            b'+' | b'#' => whole && kind == Kind::TopicName,
            _ => false,
        };
        match text.iter().position(wanted) {
            Some(at) if text[at] == 0 => Some((at, What::NulInText)),
            Some(at) => Some((at, What::WildcardInTopicName)),
            None if whole => None,
            None => Some((text.len(), What::InvalidUtf8)),
        }
    }

    fn same(bytes: &[u8]) {
        let end = match core::str::from_utf8(bytes) {
            Ok(text) => text.len(),
            Err(error) => error.valid_up_to(),
        };
        assert!(end_of_text(bytes) == end, "{bytes:x?}");
    }

    /// Every pair of bytes, and after it every two that differ to UTF-8.
    #[test]
    fn what_is_utf8_is_so_for_the_core_library() {
        const TELLING: [u8; 12] = [
            0x00, 0x2b, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc2, 0xe0, 0xff,
        ];
        same(&[]);
        for first in 0..=0xff {
            same(&[first]);
            for second in 0..=0xff {
                same(&[first, second]);
                for third in TELLING {
                    same(&[first, second, third]);
                    for fourth in TELLING {
                        same(&[first, second, third, fourth]);
                        same(&[first, second, third, fourth, 0x80]);
                    }
                }
            }
        }
    }

    /// After a first byte that promises up to eight, so many follow, or fewer, or more.
    #[test]
    fn what_promises_more_than_four_bytes_is_no_text() {
        const TELLING: [u8; 3] = [0x80, 0x81, 0xbf];
        for first in 0xe0..=0xff {
            for choice in 0..3_usize.pow(7) {
                let mut bytes = [first; 8];
                let mut left = choice;
                for byte in &mut bytes[1..] {
                    *byte = TELLING[left % 3];
                    left /= 3;
                }
                for len in 5..=8 {
                    same(&bytes[..len]);
                }
            }
        }
    }

    #[test]
    fn every_character_is_text() {
        for character in '\u{1}'..=char::MAX {
            let mut bytes = [0; 5];
            let len = character.encode_utf8(&mut bytes).len();
            assert!(flaw(&bytes[..len], Kind::Any).is_none());
            assert!(flaw(&bytes[..len + 1], Kind::Any) == Some((len, What::NulInText)));
        }
    }

    /// Characters of any kind, and bytes that are none.
    fn almost_text() -> impl Strategy<Value = Vec<u8>> {
        let part = prop_oneof![
            8 => any::<char>().prop_map(|text| text.to_string().into_bytes()),
            4 => "[ -~]{1,4}".prop_map(String::into_bytes),
            1 => Just(vec![0]),
            1 => prop::sample::select(vec![b'+', b'#']).prop_map(|byte| vec![byte]),
            1 => any::<u8>().prop_map(|byte| vec![byte]),
        ];
        prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn flaws_are_found_where_they_are(bytes in almost_text()) {
            for kind in [Kind::Any, Kind::TopicName] {
                prop_assert!(flaw(&bytes, kind) == expected(&bytes, kind), "{:x?}", bytes);
            }
        }
    }
}
