//! Scanning text for what UTF-8 allows and MQTT does not.
//!
//! Most text on the wire is ASCII. It is recognised 16 bytes at a time; only text that is not
//! plain in this sense is looked at more closely.

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
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    NotUtf8,
    Nul,
    Wildcard,
}

/// The bytes as a string, or what is wrong with them and at which byte. A wildcard is wrong only in
/// what is text.
#[cfg_attr(feature = "fast", cold, inline(never))]
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

/// As much at the start of the bytes as is UTF-8. Of what the core library has for this, the code
/// is the smallest.
#[cfg_attr(not(feature = "fast"), inline(never))]
pub(crate) fn valid(bytes: &[u8]) -> &str {
    bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid())
}

/// The bytes as a string, if nothing is wrong with them.
#[cfg_attr(feature = "fast", inline(always))]
pub(crate) fn scan(bytes: &[u8], kind: Kind) -> Option<&str> {
    #[cfg(not(feature = "fast"))]
    return look_at(bytes, kind).ok();
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
#[cfg_attr(not(feature = "fast"), inline(never))]
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
#[cfg_attr(feature = "fast", inline(always))]
pub(crate) fn has_nul(bytes: &[u8]) -> bool {
    #[cfg(feature = "fast")]
    return any(bytes, |byte| u8::from(byte == 0));
    #[cfg(not(feature = "fast"))]
    find_nul(bytes).is_some()
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
