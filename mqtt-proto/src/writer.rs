use crate::text::{MAX_LEN, has_nul};
use crate::{EncodeError, Field, varint};

/// Writes the fields of one packet from front to back.
///
/// A field that cannot be written is `None`, and why is left in `fault`; if nothing is left there,
/// the buffer is too small. As with [`Reader`](crate::reader::Reader), packets without errors do
/// not pay for them.
pub(crate) struct Writer<'o, 'f> {
    rest: &'o mut [u8],
    fault: &'f mut EncodeFault,
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
}

/// Runs `work`, which writes a packet; how many bytes it has written. If the buffer was too small,
/// `measure` is asked how large it would have to be.
#[inline(always)]
pub(crate) fn attempt(
    work: impl FnOnce(&mut EncodeFault) -> Option<usize>,
    measure: impl FnOnce() -> Result<usize, EncodeError>,
) -> Result<usize, EncodeError> {
    let mut fault = EncodeFault(None);
    match work(&mut fault) {
        Some(len) => Ok(len),
        None => Err(match fault.0 {
            Some(error) => error,
            None => too_small(measure),
        }),
    }
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
    measure: impl FnOnce() -> Result<usize, EncodeError>,
    body: impl FnOnce(&mut Writer<'_, '_>) -> Option<()>,
) -> Result<usize, EncodeError> {
    let outline = Outline {
        at_least,
        absent: 0,
    };
    attempt(
        |fault| write_packet(out, outline, fault, || first_byte, body),
        measure,
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
    body: impl FnOnce(&mut Writer<'_, '_>) -> Option<()>,
) -> Option<usize> {
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
    let mut header = Writer { rest: out, fault };
    header.byte(first_byte())?;
    header.varint(remaining_length)?;
    Some(header_len.wrapping_add(body_len))
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

impl<'o, 'f> Writer<'o, 'f> {
    /// A writer into a buffer.
    #[inline(always)]
    pub(crate) const fn new(rest: &'o mut [u8], fault: &'f mut EncodeFault) -> Self {
        Self { rest, fault }
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
        work: impl FnOnce(&mut [u8], &mut EncodeFault) -> Option<usize>,
    ) -> Option<()> {
        let written = work(self.rest, self.fault)?;
        self.rest.split_off_mut(..written)?;
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

    /// A topic name or a topic filter: text of a valid length without U+0000.
    #[inline(always)]
    pub(crate) fn topic(&mut self, topic: &str) -> Option<()> {
        self.rest = put(core::mem::take(&mut self.rest), topic.as_bytes())?;
        Some(())
    }

    #[inline(always)]
    pub(crate) fn binary(&mut self, bytes: &[u8], field: Field) -> Option<()> {
        if bytes.len() > MAX_LEN {
            return self.fail(EncodeError::BinaryTooLong(field));
        }
        self.rest = put(core::mem::take(&mut self.rest), bytes)?;
        Some(())
    }

    #[inline(always)]
    pub(crate) fn text(&mut self, text: &str, field: Field) -> Option<()> {
        match put_text(core::mem::take(&mut self.rest), text.as_bytes()) {
            Some(rest) => {
                self.rest = rest;
                Some(())
            }
            None => text_fault(text, field, self.fault),
        }
    }

    /// A byte and a text; faster than one after the other, but larger.
    #[inline(always)]
    pub(crate) fn byte_and_text(&mut self, byte: u8, text: &str, field: Field) -> Option<()> {
        let [high, low] = prefix(text.as_bytes());
        let rest = core::mem::take(&mut self.rest);
        match put_unless(
            rest,
            [byte, high, low],
            text.as_bytes(),
            zeros,
            |out, text| put_long_text(out, text, Some(byte)),
        ) {
            Some(rest) => {
                self.rest = rest;
                Some(())
            }
            None => text_fault(text, field, self.fault),
        }
    }

    /// As [`text`](Self::text); faster, but larger.
    #[inline(always)]
    pub(crate) fn text_inline(&mut self, text: &str, field: Field) -> Option<()> {
        let rest = core::mem::take(&mut self.rest);
        match put_unless(
            rest,
            prefix(text.as_bytes()),
            text.as_bytes(),
            zeros,
            |out, text| put_long_text(out, text, None),
        ) {
            Some(rest) => {
                self.rest = rest;
                Some(())
            }
            None => text_fault(text, field, self.fault),
        }
    }

    /// As [`binary`](Self::binary); faster, but larger.
    #[inline(always)]
    pub(crate) fn binary_inline(&mut self, bytes: &[u8], field: Field) -> Option<()> {
        if bytes.len() > MAX_LEN {
            return self.fail(EncodeError::BinaryTooLong(field));
        }
        let rest = core::mem::take(&mut self.rest);
        self.rest = put_unless(rest, prefix(bytes), bytes, |_| 0, put_long)?;
        Some(())
    }

    /// As [`topic`](Self::topic); faster, but larger.
    #[inline(always)]
    pub(crate) fn topic_inline(&mut self, topic: &str) -> Option<()> {
        let rest = core::mem::take(&mut self.rest);
        self.rest = put_unless(
            rest,
            prefix(topic.as_bytes()),
            topic.as_bytes(),
            |_| 0,
            put_long,
        )?;
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

/// Writes bytes after their length, which is at most 65,535; what is left of the buffer.
#[inline(never)]
fn put<'o>(out: &'o mut [u8], bytes: &[u8]) -> Option<&'o mut [u8]> {
    put_unless(out, prefix(bytes), bytes, |_| 0, put_long)
}

/// As [`put`], but `None` also if U+0000 is among the bytes, or there are too many.
#[inline(never)]
fn put_text<'o>(out: &'o mut [u8], text: &[u8]) -> Option<&'o mut [u8]> {
    put_unless(out, prefix(text), text, zeros, |out, text| {
        put_long_text(out, text, None)
    })
}

/// Why text was not written, if the buffer is not the reason.
#[cold]
#[inline(never)]
fn text_fault(text: &str, field: Field, fault: &mut EncodeFault) -> Option<()> {
    if text.len() > MAX_LEN {
        return fault.fail(EncodeError::StringTooLong(field));
    }
    if has_nul(text.as_bytes()) {
        return fault.fail(EncodeError::NulInString(field));
    }
    None
}

/// The length of bytes that are not too many.
#[inline(always)]
#[expect(clippy::cast_possible_truncation)]
const fn prefix(bytes: &[u8]) -> [u8; 2] {
    (bytes.len() as u16).to_be_bytes()
}

/// Writes bytes after their prefix, if `flaws` is 0 for all words of eight bytes. Most fields are
/// short, and copying words that overlap costs less than a call; the others are left to `long`.
#[inline(always)]
fn put_unless<'o, const N: usize>(
    out: &'o mut [u8],
    prefix: [u8; N],
    bytes: &[u8],
    flaws: impl Fn(u64) -> u64,
    long: impl FnOnce(&'o mut [u8], &[u8]) -> Option<&'o mut [u8]>,
) -> Option<&'o mut [u8]> {
    if bytes.len() > 32 {
        return long(out, bytes);
    }
    let (place, rest) = out.split_at_mut_checked(bytes.len().wrapping_add(N))?;
    let (prefix_place, place) = place.split_at_mut_checked(N)?;
    for (to, from) in prefix_place.iter_mut().zip(prefix) {
        *to = from;
    }
    // Everything is loaded before it is stored, so that it is loaded once.
    let found = if bytes.len() >= 8 {
        if bytes.len() <= 16 {
            let (front, back) = (*bytes.first_chunk::<8>()?, *bytes.last_chunk::<8>()?);
            *place.first_chunk_mut()? = front;
            *place.last_chunk_mut()? = back;
            flaws(u64::from_ne_bytes(front)) | flaws(u64::from_ne_bytes(back))
        } else {
            let (front, back) = (*bytes.first_chunk::<16>()?, *bytes.last_chunk::<16>()?);
            *place.first_chunk_mut()? = front;
            *place.last_chunk_mut()? = back;
            let [front, back] = [front, back].map(u128::from_ne_bytes);
            let words = [front, front >> 64, back, back >> 64].map(low_word);
            words.into_iter().fold(0, |found, word| found | flaws(word))
        }
    } else if bytes.len() >= 4 {
        let (front, back) = (*bytes.first_chunk::<4>()?, *bytes.last_chunk::<4>()?);
        *place.first_chunk_mut()? = front;
        *place.last_chunk_mut()? = back;
        let [front, back] = [front, back].map(|half| u64::from(u32::from_ne_bytes(half)));
        flaws(front | back << 32)
    } else {
        // Up to three bytes: the first, the middle one and the last, which may be the same.
        let middle = bytes.len() >> 1;
        let [Some(&a), Some(&b), Some(&c)] = [bytes.first(), bytes.get(middle), bytes.last()]
        else {
            return Some(rest);
        };
        *place.first_mut()? = a;
        *place.get_mut(middle)? = b;
        *place.last_mut()? = c;
        flaws(u64::from_ne_bytes([a, b, c, c, c, c, c, c]))
    };
    if found == 0 { Some(rest) } else { None }
}

/// Not 0 if a byte of the word is.
#[inline(always)]
const fn zeros(word: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    word.wrapping_sub(ONES) & !word & ONES << 7
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation)]
const fn low_word(block: u128) -> u64 {
    block as u64
}

#[inline(never)]
fn put_long<'o>(out: &'o mut [u8], bytes: &[u8]) -> Option<&'o mut [u8]> {
    let (place, rest) = out.split_at_mut_checked(bytes.len().wrapping_add(2))?;
    let (len, place) = place.split_first_chunk_mut()?;
    *len = u16::try_from(bytes.len()).ok()?.to_be_bytes();
    place.copy_from_slice(bytes);
    Some(rest)
}

#[inline(never)]
fn put_long_text<'o>(
    mut out: &'o mut [u8],
    text: &[u8],
    before: Option<u8>,
) -> Option<&'o mut [u8]> {
    if let Some(byte) = before {
        *out.split_off_first_mut()? = byte;
    }
    if has_nul(text) {
        None
    } else {
        put_long(out, text)
    }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation)]
const fn low_byte(value: usize) -> u8 {
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
