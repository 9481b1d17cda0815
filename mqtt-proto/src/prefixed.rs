//! Writing text and binary data after their length (sections 1.5.4 and 1.5.6).
//!
//! Most fields are short, and copying words that overlap costs less than a call that copies bytes.

use crate::text::has_nul;

/// How many bytes are copied without a call.
const SHORT: usize = 32;

/// Writes bytes after their length; what is left of the buffer. `None` if they are too many, for
/// the buffer or altogether.
#[cfg_attr(feature = "fast", inline(never))]
pub(crate) fn put<'o>(out: &'o mut [u8], bytes: &[u8]) -> Option<&'o mut [u8]> {
    put_inline(out, bytes)
}

/// As [`put`], but `None` also if U+0000 is among the bytes.
#[cfg_attr(feature = "fast", inline(never))]
pub(crate) fn put_text<'o>(out: &'o mut [u8], text: &[u8]) -> Option<&'o mut [u8]> {
    put_text_inline(out, text)
}

/// As [`put`]; faster, but larger.
#[cfg_attr(feature = "fast", inline(always))]
pub(crate) fn put_inline<'o>(out: &'o mut [u8], bytes: &[u8]) -> Option<&'o mut [u8]> {
    if bytes.len() > SHORT {
        return put_long(out, bytes);
    }
    put_short(out, [0, low_byte(bytes.len())], bytes, |_| 0).map(|(rest, _)| rest)
}

/// As [`put_text`]; faster, but larger.
#[cfg_attr(feature = "fast", inline(always))]
pub(crate) fn put_text_inline<'o>(out: &'o mut [u8], text: &[u8]) -> Option<&'o mut [u8]> {
    if text.len() > SHORT {
        return put_long_text(out, text);
    }
    let (rest, doubts) = put_short(out, [0, low_byte(text.len())], text, doubts)?;
    if doubts != 0 && is_with_nul(text) {
        None
    } else {
        Some(rest)
    }
}

/// As [`put_text_inline`], after a byte.
#[cfg_attr(feature = "fast", inline(always))]
pub(crate) fn put_byte_and_text_inline<'o>(
    mut out: &'o mut [u8],
    byte: u8,
    text: &[u8],
) -> Option<&'o mut [u8]> {
    if text.len() > SHORT {
        *out.split_off_first_mut()? = byte;
        return put_long_text(out, text);
    }
    let (rest, doubts) = put_short(out, [byte, 0, low_byte(text.len())], text, doubts)?;
    if doubts != 0 && is_with_nul(text) {
        None
    } else {
        Some(rest)
    }
}

/// Writes at most [`SHORT`] bytes after a prefix, which ends with their length; what is left of the
/// buffer, and all that `look` has found in the words of eight bytes.
#[cfg_attr(feature = "fast", inline(always))]
fn put_short<'o, const N: usize>(
    out: &'o mut [u8],
    prefix: [u8; N],
    bytes: &[u8],
    look: impl Fn(u64) -> u64,
) -> Option<(&'o mut [u8], u64)> {
    let (place, rest) = out.split_at_mut_checked(bytes.len().wrapping_add(N))?;
    let (prefix_place, place) = place.split_at_mut_checked(N)?;
    for (to, from) in prefix_place.iter_mut().zip(prefix) {
        *to = from;
    }
    // Everything is loaded before it is stored, so that it is loaded once.
    let found = if bytes.len() >= 8 {
        if bytes.len() <= 16 {
            let (front, back) = (*bytes.first_chunk()?, *bytes.last_chunk()?);
            *place.first_chunk_mut()? = front;
            *place.last_chunk_mut()? = back;
            look(u64::from_ne_bytes(front)) | look(u64::from_ne_bytes(back))
        } else {
            let (front, back) = (*bytes.first_chunk()?, *bytes.last_chunk()?);
            *place.first_chunk_mut()? = front;
            *place.last_chunk_mut()? = back;
            let [front, back] = [front, back].map(u128::from_ne_bytes);
            let words = [front, front >> 64, back, back >> 64].map(low_word);
            words.into_iter().fold(0, |found, word| found | look(word))
        }
    } else if bytes.len() >= 4 {
        let (front, back) = (*bytes.first_chunk()?, *bytes.last_chunk()?);
        *place.first_chunk_mut()? = front;
        *place.last_chunk_mut()? = back;
        let [front, back] = [front, back].map(|half| u64::from(u32::from_ne_bytes(half)));
        look(front | back << 32)
    } else {
        // Up to three bytes: the first, the middle one and the last, which may be the same.
        let middle = bytes.len() >> 1;
        match [bytes.first(), bytes.get(middle), bytes.last()] {
            [Some(&a), Some(&b), Some(&c)] => {
                *place.first_mut()? = a;
                *place.get_mut(middle)? = b;
                *place.last_mut()? = c;
                look(u64::from_ne_bytes([a, b, c, c, c, c, c, c]))
            }
            _ => 0,
        }
    };
    Some((rest, found))
}

/// Not 0 if a byte of the word is NUL, or not ASCII.
#[cfg_attr(feature = "fast", inline(always))]
const fn doubts(word: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    (word.wrapping_sub(ONES) | word) & ONES << 7
}

/// For text that is not ASCII, which leaves doubts.
#[cold]
#[cfg_attr(feature = "fast", inline(never))]
fn is_with_nul(text: &[u8]) -> bool {
    has_nul(text)
}

#[cfg_attr(feature = "fast", inline(always))]
#[expect(clippy::cast_possible_truncation)]
const fn low_byte(len: usize) -> u8 {
    len as u8
}

#[cfg_attr(feature = "fast", inline(always))]
#[expect(clippy::cast_possible_truncation)]
const fn low_word(block: u128) -> u64 {
    block as u64
}

#[cfg_attr(feature = "fast", inline(never))]
fn put_long<'o>(out: &'o mut [u8], bytes: &[u8]) -> Option<&'o mut [u8]> {
    let (place, rest) = out.split_at_mut_checked(bytes.len().wrapping_add(2))?;
    let (len_place, place) = place.split_first_chunk_mut()?;
    *len_place = u16::try_from(bytes.len()).ok()?.to_be_bytes();
    place.copy_from_slice(bytes);
    Some(rest)
}

#[cfg_attr(feature = "fast", inline(never))]
fn put_long_text<'o>(out: &'o mut [u8], text: &[u8]) -> Option<&'o mut [u8]> {
    if has_nul(text) {
        None
    } else {
        put_long(out, text)
    }
}
