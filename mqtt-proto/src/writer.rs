use crate::text::{MAX_LEN, has_nul};
use crate::{EncodeError, Field, varint};

/// Writes the fields of one packet from front to back.
///
/// A field that cannot be written is `None`, and why is left in `fault`: as with
/// [`Reader`](crate::reader::Reader), packets without errors do not pay for them.
pub(crate) struct Writer<'o, 'f> {
    rest: &'o mut [u8],
    fault: &'f mut EncodeFault,
}

/// Where a writer, or the measuring before it, leaves the first error.
pub(crate) struct EncodeFault(Option<EncodeError>);

impl EncodeFault {
    /// There is an error.
    #[cold]
    #[inline(never)]
    pub(crate) fn fail<T>(&mut self, error: EncodeError) -> Option<T> {
        self.0 = Some(error);
        None
    }
}

/// Runs `work`; its answer, or the error it has left.
#[inline(always)]
pub(crate) fn attempt(
    work: impl FnOnce(&mut EncodeFault) -> Option<usize>,
) -> Result<usize, EncodeError> {
    let mut fault = EncodeFault(None);
    match work(&mut fault) {
        Some(len) => Ok(len),
        // Whoever answers `None` leaves an error; a writer whose buffer was measured leaves none.
        None => Err(fault
            .0
            .unwrap_or(EncodeError::BufferTooSmall { needed: usize::MAX })),
    }
}

/// Bytes of a whole packet of this Remaining Length.
#[inline(always)]
pub(crate) fn packet_len(remaining_length: usize, fault: &mut EncodeFault) -> Option<usize> {
    match u32::try_from(remaining_length) {
        Ok(len @ 0..=varint::MAX) => Some(
            remaining_length
                .wrapping_add(1)
                .wrapping_add(varint::len(len)),
        ),
        _ => fault.fail(EncodeError::TooLarge { remaining_length }),
    }
}

impl<'o, 'f> Writer<'o, 'f> {
    /// Writes the fixed header of a packet, of which the last `absent` bytes will not be written.
    /// The buffer must have room for the others, whose number is answered beside the writer.
    #[inline(always)]
    pub(crate) fn begin(
        out: &'o mut [u8],
        first_byte: u8,
        remaining_length: usize,
        absent: usize,
        fault: &'f mut EncodeFault,
    ) -> Option<(Self, usize)> {
        let needed = packet_len(remaining_length, fault)?.wrapping_sub(absent);
        if out.len() < needed {
            return fault.fail(EncodeError::BufferTooSmall { needed });
        }
        let mut writer = Self { rest: out, fault };
        writer.byte(first_byte)?;
        writer.varint(u32::try_from(remaining_length).ok()?)?;
        Some((writer, needed))
    }

    /// A writer of what is left of a buffer.
    #[inline(always)]
    pub(crate) const fn resume(rest: &'o mut [u8], fault: &'f mut EncodeFault) -> Self {
        Self { rest, fault }
    }

    /// What is left of the buffer.
    #[inline(always)]
    pub(crate) fn into_rest(self) -> &'o mut [u8] {
        self.rest
    }

    /// Hands what is left to a function that is not inlined, and takes back what it leaves.
    #[inline(always)]
    pub(crate) fn lend(
        &mut self,
        work: impl FnOnce(&'o mut [u8], &mut EncodeFault) -> Option<&'o mut [u8]>,
    ) -> Option<()> {
        self.rest = work(core::mem::take(&mut self.rest), self.fault)?;
        Some(())
    }

    #[inline(always)]
    pub(crate) fn array<const N: usize>(&mut self, bytes: [u8; N]) -> Option<()> {
        let (place, rest) = core::mem::take(&mut self.rest).split_first_chunk_mut::<N>()?;
        *place = bytes;
        self.rest = rest;
        Some(())
    }

    #[inline(always)]
    pub(crate) fn byte(&mut self, value: u8) -> Option<()> {
        self.array([value])
    }

    #[inline(always)]
    pub(crate) fn two(&mut self, value: u16) -> Option<()> {
        self.array(value.to_be_bytes())
    }

    #[inline(always)]
    pub(crate) fn four(&mut self, value: u32) -> Option<()> {
        self.array(value.to_be_bytes())
    }

    /// A variable byte integer of at most 268,435,455.
    #[inline(always)]
    pub(crate) fn varint(&mut self, value: u32) -> Option<()> {
        let [a, b, c] = [value, value >> 7, value >> 14].map(low_byte);
        match varint::len(value) {
            1 => self.byte(a),
            2 => self.array([a | 0x80, b & 0x7f]),
            3 => self.array([a | 0x80, b | 0x80, c & 0x7f]),
            _ => self.array([a | 0x80, b | 0x80, c | 0x80, low_byte(value >> 21)]),
        }
    }

    /// The payload.
    #[inline(always)]
    pub(crate) fn payload(&mut self, payload: &[u8]) -> Option<()> {
        let (place, rest) = core::mem::take(&mut self.rest).split_at_mut_checked(payload.len())?;
        place.copy_from_slice(payload);
        self.rest = rest;
        Some(())
    }

    /// Binary data, or text that is known to be valid, of a length that has been measured.
    #[inline(always)]
    pub(crate) fn binary(&mut self, bytes: &[u8]) -> Option<()> {
        self.rest = put_binary(core::mem::take(&mut self.rest), bytes)?;
        Some(())
    }

    /// Text of a length that has been measured.
    #[inline(always)]
    pub(crate) fn text(&mut self, text: &str, field: Field) -> Option<()> {
        match put_text(core::mem::take(&mut self.rest), text.as_bytes()) {
            Some(rest) => self.rest = rest,
            // The buffer is large enough: this has been checked before the first byte.
            None => return self.fault.fail(EncodeError::NulInString(field)),
        }
        Some(())
    }
}

/// Writes the length of the bytes and the bytes; what is left of the buffer.
#[inline(never)]
fn put_binary<'o>(out: &'o mut [u8], bytes: &[u8]) -> Option<&'o mut [u8]> {
    let (place, rest) = out.split_at_mut_checked(bytes.len().wrapping_add(2))?;
    let (len, place) = place.split_first_chunk_mut()?;
    *len = u16::try_from(bytes.len()).ok()?.to_be_bytes();
    copy(place, bytes)?;
    Some(rest)
}

/// As [`put_binary`], but `None` also if U+0000 is among the bytes.
#[inline(never)]
fn put_text<'o>(out: &'o mut [u8], bytes: &[u8]) -> Option<&'o mut [u8]> {
    if has_nul(bytes) {
        return None;
    }
    let (place, rest) = out.split_at_mut_checked(bytes.len().wrapping_add(2))?;
    let (len, place) = place.split_first_chunk_mut()?;
    *len = u16::try_from(bytes.len()).ok()?.to_be_bytes();
    copy(place, bytes)?;
    Some(rest)
}

/// Bytes that a text takes with its length, if it is not too long.
#[inline(always)]
pub(crate) fn text_len(text: &str, field: Field, fault: &mut EncodeFault) -> Option<usize> {
    if text.len() > MAX_LEN {
        return fault.fail(EncodeError::StringTooLong(field));
    }
    Some(text.len().wrapping_add(2))
}

/// Bytes that binary data takes with its length, if it is not too long.
#[inline(always)]
pub(crate) fn binary_len(bytes: &[u8], field: Field, fault: &mut EncodeFault) -> Option<usize> {
    if bytes.len() > MAX_LEN {
        return fault.fail(EncodeError::BinaryTooLong(field));
    }
    Some(bytes.len().wrapping_add(2))
}

/// Copies bytes of the same length. Most fields are short, and a call costs more than copying them
/// as two blocks that overlap.
#[inline(always)]
fn copy(to: &mut [u8], from: &[u8]) -> Option<()> {
    match from.len() {
        0..4 => to.iter_mut().zip(from).for_each(|(to, from)| *to = *from),
        4..8 => copy_ends::<4>(to, from)?,
        8..16 => copy_ends::<8>(to, from)?,
        16..=32 => copy_ends::<16>(to, from)?,
        _ => to.copy_from_slice(from),
    }
    Some(())
}

/// Copies the first and the last `N` bytes, which are all there are.
#[inline(always)]
fn copy_ends<const N: usize>(to: &mut [u8], from: &[u8]) -> Option<()> {
    *to.first_chunk_mut::<N>()? = *from.first_chunk()?;
    *to.last_chunk_mut::<N>()? = *from.last_chunk()?;
    Some(())
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation)]
const fn low_byte(value: u32) -> u8 {
    value as u8
}
