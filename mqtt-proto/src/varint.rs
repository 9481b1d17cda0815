//! Variable byte integers (section 1.5.5): seven bits a byte, least significant first.

/// The largest number that four bytes hold.
pub(crate) const MAX: u32 = 268_435_455;

/// Why bytes are not a variable byte integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VarintError {
    /// The fourth byte says that another one follows.
    TooLong,
    /// The last byte adds nothing (MQTT-1.5.5-1).
    NotMinimal,
}

/// The number at the start of the bytes and how many bytes it takes, 1..=4; `Ok(None)` if the
/// bytes end before it does.
#[cfg_attr(feature = "fast", inline)]
pub(crate) fn read(bytes: &[u8]) -> Result<Option<(u32, usize)>, VarintError> {
    #[cfg(feature = "fast")]
    if let Some(&byte) = bytes.first()
        && byte < 0x80
    {
        return Ok(Some((u32::from(byte), 1)));
    }
    read_long(bytes)
}

#[inline(never)]
fn read_long(bytes: &[u8]) -> Result<Option<(u32, usize)>, VarintError> {
    let mut value = 0;
    let mut shift = 0_u32;
    for byte in bytes {
        value |= u32::from(byte & 0x7f).wrapping_shl(shift);
        shift = shift.wrapping_add(7);
        if *byte < 0x80 {
            return if *byte == 0 && shift > 7 {
                Err(VarintError::NotMinimal)
            } else {
                Ok(Some((value, (shift / 7) as usize)))
            };
        }
        if shift == 28 {
            return Err(VarintError::TooLong);
        }
    }
    Ok(None)
}

/// How many bytes the number takes; one that is too large takes 4, too.
#[cfg_attr(feature = "fast", inline(always))]
pub(crate) const fn len_of(value: usize) -> usize {
    match value {
        0..=0x7f => 1,
        0x80..=0x3fff => 2,
        0x4000..=0x1f_ffff => 3,
        _ => 4,
    }
}
