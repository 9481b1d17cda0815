use core::num::NonZeroUsize;

use crate::prefixed::{put, put_byte_and_text_inline, put_inline, put_text, put_text_inline};
use crate::text::{MAX_LEN, has_nul};
use crate::{EncodeError, Field, varint};

/// Writes the fields of one packet from front to back.
///
/// A field that cannot be written is `None`, and why is left in `fault`; if nothing is left there,
/// the buffer is too small. As with [`Reader`](crate::reader::Reader), packets without errors do
/// not pay for them.
pub(crate) struct Writer<'o> {
    rest: &'o mut [u8],
    fault: &'o mut EncodeFault,
}

/// Where a writer leaves the first error.
pub(crate) struct EncodeFault(Option<EncodeError>);

impl EncodeFault {
    /// There is an error.
    #[cold]
    #[inline(never)]
    pub(crate) fn fail<T>(&mut self, error: EncodeError) -> Option<T> {
        self.0 = Some(error);
        None
    }

    /// Looks for an error in a text that was not written, if there is none yet.
    #[cold]
    pub(crate) fn look_at_text(&mut self, text: &str, field: Field) {
        if text.len() > MAX_LEN {
            self.0.get_or_insert(EncodeError::StringTooLong(field));
        } else if has_nul(text.as_bytes()) {
            self.0.get_or_insert(EncodeError::NulInString(field));
        }
    }

    /// Looks for an error in binary data that were not written, if there is none yet.
    #[cold]
    pub(crate) fn look_at_binary(&mut self, bytes: &[u8], field: Field) {
        if bytes.len() > MAX_LEN {
            self.0.get_or_insert(EncodeError::BinaryTooLong(field));
        }
    }
}

/// Runs `work`, which writes a packet; how many bytes it has written. If the buffer was too small,
/// `measure` is asked how large it would have to be.
#[inline(always)]
pub(crate) fn attempt(
    work: impl FnOnce(&mut EncodeFault) -> Option<NonZeroUsize>,
    measure: impl FnOnce() -> Result<usize, EncodeError>,
) -> Result<usize, EncodeError> {
    let mut fault = EncodeFault(None);
    match work(&mut fault) {
        Some(len) => Ok(len.get()),
        None => Err(match fault.0 {
            Some(error) => error,
            None => too_small(measure),
        }),
    }
}

/// The length of a packet, whose Remaining Length is added up.
pub(crate) fn measured(
    remaining_length: impl FnOnce() -> usize,
    _: impl Fn(&mut Writer<'_>) -> Option<()>,
) -> Result<usize, EncodeError> {
    packet_len(remaining_length())
}

#[cold]
fn too_small(measure: impl FnOnce() -> Result<usize, EncodeError>) -> EncodeError {
    match measure() {
        Ok(needed) => EncodeError::BufferTooSmall { needed },
        Err(error) => error,
    }
}

/// [`write_packet`] as an [`attempt`], for packets that are written whole.
#[inline(always)]
pub(crate) fn encode(
    out: &mut [u8],
    first_byte: u8,
    at_least: usize,
    remaining_length: impl FnOnce() -> usize,
    body: impl Fn(&mut Writer<'_>) -> Option<()>,
) -> Result<usize, EncodeError> {
    let outline = Outline {
        at_least,
        absent: 0,
    };
    attempt(
        |fault| write_packet(out, outline, fault, || first_byte, body),
        || packet_len(remaining_length()),
    )
}

/// What is known of a packet before it is written.
pub(crate) struct Outline {
    /// A lower bound of the Remaining Length, the closer the better.
    pub(crate) at_least: usize,
    /// Bytes at the end of the packet that are counted, but not written.
    pub(crate) absent: usize,
}

/// Writes a packet; how many bytes that takes, without those that are absent.
///
/// It is written in one pass, without measuring it first: the body is put where it belongs if its
/// length takes as many bytes as the outline suggests, and moved if it takes more.
#[inline(always)]
pub(crate) fn write_packet(
    out: &mut [u8],
    outline: Outline,
    fault: &mut EncodeFault,
    first_byte: impl FnOnce() -> u8,
    body: impl FnOnce(&mut Writer<'_>) -> Option<()>,
) -> Option<NonZeroUsize> {
    let Outline { at_least, absent } = outline;
    let mut header_len = varint::len_of(at_least).wrapping_add(1);
    let place = out.get_mut(header_len..)?;
    let room = place.len();
    let mut writer = Writer { rest: place, fault };
    body(&mut writer)?;
    let body_len = room.wrapping_sub(writer.rest.len());

    let remaining_length = body_len.saturating_add(absent);
    if remaining_length > varint::MAX as usize {
        return fault.fail(EncodeError::TooLarge { remaining_length });
    }
    let exact = varint::len_of(remaining_length).wrapping_add(1);
    if exact != header_len {
        shift(out, header_len, body_len, exact)?;
        header_len = exact;
    }
    write_header(out, first_byte(), remaining_length)?;
    NonZeroUsize::new(header_len.wrapping_add(body_len))
}

#[inline(always)]
fn write_header(out: &mut [u8], first_byte: u8, remaining_length: usize) -> Option<()> {
    let [a, b] = [low_byte(remaining_length), low_byte(remaining_length >> 7)];
    match remaining_length {
        0..=0x7f => *out.first_chunk_mut()? = [first_byte, a],
        0x80..=0x3fff => *out.first_chunk_mut()? = [first_byte, a | 0x80, b],
        _ => {
            let (first, rest) = out.split_first_mut()?;
            *first = first_byte;
            put_long_varint(rest, remaining_length)?;
        }
    }
    Some(())
}

/// Moves `len` bytes further back, if there is room.
#[cold]
#[inline(never)]
pub(crate) fn shift(out: &mut [u8], from: usize, len: usize, to: usize) -> Option<()> {
    if to.checked_add(len)? > out.len() {
        return None;
    }
    out.copy_within(from..from.checked_add(len)?, to);
    Some(())
}

impl<'o> Writer<'o> {
    /// A writer into a buffer.
    #[inline(always)]
    pub(crate) const fn new(rest: &'o mut [u8], fault: &'o mut EncodeFault) -> Self {
        Self { rest, fault }
    }

    /// Where errors are left.
    #[inline(always)]
    pub(crate) const fn fault(&mut self) -> &mut EncodeFault {
        self.fault
    }

    /// There is an error.
    #[inline(always)]
    pub(crate) fn fail<T>(&mut self, error: EncodeError) -> Option<T> {
        self.fault.fail(error)
    }

    /// Bytes that are left of the buffer.
    #[inline(always)]
    pub(crate) const fn room(&self) -> usize {
        self.rest.len()
    }

    /// Hands what is left to a function that is not inlined and answers how much it has written.
    #[inline(always)]
    pub(crate) fn lend(
        &mut self,
        work: impl FnOnce(&mut [u8], &mut EncodeFault) -> Option<NonZeroUsize>,
    ) -> Option<()> {
        let written = work(self.rest, self.fault)?;
        self.rest.split_off_mut(..written.get())?;
        Some(())
    }

    /// A byte and `N` others, with one look at the room that is left.
    #[inline(always)]
    pub(crate) fn byte_and_array<const N: usize>(
        &mut self,
        byte: u8,
        bytes: [u8; N],
    ) -> Option<()> {
        let (place, rest) =
            core::mem::take(&mut self.rest).split_at_mut_checked(N.wrapping_add(1))?;
        let (first, place) = place.split_first_mut()?;
        *first = byte;
        *place.first_chunk_mut()? = bytes;
        self.rest = rest;
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

    /// A variable byte integer of at most 268,435,455.
    #[inline(always)]
    pub(crate) fn varint(&mut self, value: usize) -> Option<()> {
        let [a, b] = [low_byte(value), low_byte(value >> 7)];
        match value {
            0..=0x7f => self.array([a]),
            0x80..=0x3fff => self.array([a | 0x80, b]),
            _ => self.long_varint(value),
        }
    }

    #[inline(always)]
    fn long_varint(&mut self, value: usize) -> Option<()> {
        self.rest = put_long_varint(core::mem::take(&mut self.rest), value)?;
        Some(())
    }

    /// The payload of a PUBLISH, or a block of properties.
    #[inline(always)]
    pub(crate) fn block(&mut self, block: &[u8]) -> Option<()> {
        let (place, rest) = core::mem::take(&mut self.rest).split_at_mut_checked(block.len())?;
        place.copy_from_slice(block);
        self.rest = rest;
        Some(())
    }

    /// Binary data, or text that is known to be valid. `None` also if there are too many bytes.
    #[inline(always)]
    pub(crate) fn binary_by_call(&mut self, bytes: &[u8]) -> Option<()> {
        self.rest = put(core::mem::take(&mut self.rest), bytes)?;
        Some(())
    }

    /// Text. `None` also if U+0000 is in it, or if it is too long.
    #[inline(always)]
    pub(crate) fn text_by_call(&mut self, text: &str) -> Option<()> {
        self.rest = put_text(core::mem::take(&mut self.rest), text.as_bytes())?;
        Some(())
    }

    /// As [`binary_by_call`](Self::binary_by_call); faster, but larger.
    #[inline(always)]
    pub(crate) fn binary(&mut self, bytes: &[u8], _: Field) -> Option<()> {
        self.rest = put_inline(core::mem::take(&mut self.rest), bytes)?;
        Some(())
    }

    /// As [`binary`](Self::binary), where the number of bytes is known to be right.
    #[inline(always)]
    pub(crate) fn known(&mut self, bytes: &[u8]) -> Option<()> {
        self.rest = put_inline(core::mem::take(&mut self.rest), bytes)?;
        Some(())
    }

    /// A byte, then as [`text`](Self::text).
    #[inline(always)]
    pub(crate) fn byte_and_text_inline(&mut self, byte: u8, text: &str) -> Option<()> {
        let rest = core::mem::take(&mut self.rest);
        self.rest = put_byte_and_text_inline(rest, byte, text.as_bytes())?;
        Some(())
    }

    /// As [`text_by_call`](Self::text_by_call); faster, but larger.
    #[inline(always)]
    pub(crate) fn text(&mut self, text: &str, _: Field) -> Option<()> {
        self.rest = put_text_inline(core::mem::take(&mut self.rest), text.as_bytes())?;
        Some(())
    }
}

/// Writes a variable byte integer of three or four bytes; what is left of the buffer.
#[cold]
fn put_long_varint(out: &mut [u8], value: usize) -> Option<&mut [u8]> {
    let mut bytes = [value, value >> 7, value >> 14, value >> 21].map(|bits| low_byte(bits) | 0x80);
    let len = varint::len_of(value);
    let (place, rest) = out.split_at_mut_checked(len)?;
    *bytes.get_mut(len.wrapping_sub(1))? &= 0x7f;
    place.copy_from_slice(bytes.get(..len)?);
    Some(rest)
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation)]
pub(crate) const fn low_byte(value: usize) -> u8 {
    value as u8
}

/// The length of the packet with this Remaining Length.
pub(crate) fn packet_len(remaining_length: usize) -> Result<usize, EncodeError> {
    if remaining_length > varint::MAX as usize {
        return Err(EncodeError::TooLarge { remaining_length });
    }
    Ok(varint::len_of(remaining_length)
        .wrapping_add(1)
        .wrapping_add(remaining_length))
}
