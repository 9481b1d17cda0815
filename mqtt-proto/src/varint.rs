//! Variable byte integers (section 1.5.5): seven bits a byte, least significant first.

use crate::wrong::{Named, Of, What, Wrong};

/// The largest number that four bytes hold.
pub(crate) const MAX: u32 = 268_435_455;

/// Why bytes are not a variable byte integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum VarintError {
    /// The fourth byte says that another one follows.
    TooLong = What::VarintTooLong as u8,
    /// The last byte adds nothing (MQTT-1.5.5-1).
    NotMinimal = What::VarintNotMinimal as u8,
}

impl VarintError {
    /// The same among all that may be wrong.
    pub(crate) const fn wrong(self) -> Wrong {
        let what = match self {
            Self::TooLong => What::VarintTooLong,
            Self::NotMinimal => What::VarintNotMinimal,
        };
        Wrong {
            named: Named::new(what, Of::NOTHING),
            number: 0,
        }
    }
}

/// The number at the start of the bytes and how many bytes it takes, 1..=4; `Ok(None)` if the
/// bytes end before it does.
#[cfg_attr(feature = "fast", inline)]
#[cfg_attr(not(feature = "fast"), inline(always))]
pub(crate) fn read(bytes: &[u8]) -> Result<Option<(u32, usize)>, VarintError> {
    #[cfg(feature = "fast")]
    if let Some(&byte) = bytes.first()
        && byte < 0x80
    {
        return Ok(Some((u32::from(byte), 1)));
    }
    match read_long(bytes) {
        (_, INCOMPLETE) => Ok(None),
        (_, TOO_LONG) => Err(VarintError::TooLong),
        (_, NOT_MINIMAL) => Err(VarintError::NotMinimal),
        found => Ok(Some(found)),
    }
}

/// In place of how many bytes a number takes, what is wrong with it: then it is known by the same
/// number elsewhere.
pub(crate) const TOO_LONG: usize = What::VarintTooLong as usize;
const NOT_MINIMAL: usize = What::VarintNotMinimal as usize;
const INCOMPLETE: usize = What::Truncated as usize;

/// As [`read`], in two words, which are handed on without a place in memory.
#[cfg_attr(feature = "fast", inline)]
#[cfg_attr(not(feature = "fast"), inline(never))]
pub(crate) fn read_long(bytes: &[u8]) -> (u32, usize) {
    let mut value = 0;
    let mut len = 0_u32;
    for byte in bytes {
        value |= u32::from(byte & 0x7f).wrapping_shl(len.wrapping_mul(7));
        len = len.wrapping_add(1);
        if *byte < 0x80 {
            let minimal = *byte != 0 || len == 1;
            return (value, if minimal { len as usize } else { NOT_MINIMAL });
        }
        if len == 4 {
            return (value, TOO_LONG);
        }
    }
    (value, INCOMPLETE)
}

/// What is wrong, where [`read_long`] gives so many bytes.
#[cfg(not(feature = "fast"))]
#[expect(clippy::cast_possible_truncation, reason = "it is one byte")]
pub(crate) const fn wrong(len: usize) -> Option<Named> {
    Named::of_number(len as u16)
}

/// How many bytes the number takes; one that is too large takes 4, too.
#[cfg(feature = "fast")]
#[inline(always)]
pub(crate) const fn len_of(value: usize) -> usize {
    match value {
        0..=0x7f => 1,
        0x80..=0x3fff => 2,
        0x4000..=0x1f_ffff => 3,
        _ => 4,
    }
}
