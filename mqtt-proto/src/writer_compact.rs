use crate::property::{Gate, PropertyRules};
use crate::text::{self, Kind, MAX_LEN};
use crate::{EncodeError, Field, varint};

/// Writes the fields of one packet from front to back.
///
/// Nothing stops it: what does not fit any more is counted, and the first error is kept until the
/// end, where one look tells whether there was any. So the length of a packet is what the same code
/// counts when there is no room at all. A length is put in front of what it counts when that has
/// been written. The results, which are always `Some`, are those of the writer that is built for
/// speed, and the compiler sees that nobody needs to look at them.
pub(crate) struct Writer<'o> {
    out: &'o mut [u8],
    /// Bytes written or counted.
    at: usize,
    /// The first error, or at the end the number of bytes: in the form in which it is told.
    outcome: Option<Result<usize, EncodeError>>,
    /// Of the properties that are written, or were written last.
    pub(crate) gate: Gate,
}

/// The length of a packet with this body, by counting.
pub(crate) fn measured(
    _: impl FnOnce() -> usize,
    body: impl Fn(&mut Writer<'_>) -> Option<()>,
) -> Result<usize, EncodeError> {
    measure(0, body)
}

/// The length of a packet but for `absent` bytes at its end.
pub(crate) fn measure(
    absent: usize,
    body: impl Fn(&mut Writer<'_>) -> Option<()>,
) -> Result<usize, EncodeError> {
    let mut writer = Writer::new(&mut [], 0);
    body(&mut writer);
    // Other errors are those of writing.
    writer.outcome = None;
    writer.close(absent);
    *writer.settle(Ok(writer.at))
}

/// Writes a packet; the number of bytes written.
pub(crate) fn encode(
    out: &mut [u8],
    first_byte: u8,
    _at_least: usize,
    _remaining_length: impl FnOnce() -> usize,
    body: impl Fn(&mut Writer<'_>) -> Option<()>,
) -> Result<usize, EncodeError> {
    write_packet(out, first_byte, 0, body)
}

/// Writes a packet but for `absent` bytes at its end; the number of bytes written.
pub(crate) fn write_packet(
    out: &mut [u8],
    first_byte: u8,
    absent: usize,
    body: impl Fn(&mut Writer<'_>) -> Option<()>,
) -> Result<usize, EncodeError> {
    let mut writer = Writer::new(out, first_byte);
    body(&mut writer);
    writer.end(absent)
}

impl<'o> Writer<'o> {
    /// Of a packet that begins with this byte.
    #[inline(never)]
    fn new(out: &'o mut [u8], first_byte: u8) -> Self {
        if let Some(first) = out.first_mut() {
            *first = first_byte;
        }
        Self {
            out,
            at: 1,
            outcome: None,
            gate: Gate::new(PropertyRules::WILL),
        }
    }

    /// Bytes that are written by this.
    pub(crate) fn len_of(body: impl Fn(&mut Writer<'_>)) -> usize {
        let mut writer = Writer::new(&mut [], 0);
        body(&mut writer);
        writer.at.wrapping_sub(1)
    }

    /// Bytes written or counted.
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    /// All but `absent` bytes has been written: the number of bytes, if there was no error.
    #[inline(never)]
    fn end(&mut self, absent: usize) -> Result<usize, EncodeError> {
        self.close(absent);
        let needed = self.at;
        *self.settle(if self.out.len() < needed {
            Err(EncodeError::BufferTooSmall { needed })
        } else {
            Ok(needed)
        })
    }

    /// Puts the Remaining Length, if it is not too large, after the first byte.
    fn close(&mut self, absent: usize) {
        let remaining_length = self.at.wrapping_sub(1).saturating_add(absent);
        if remaining_length > varint::MAX as usize {
            self.fail(EncodeError::TooLarge { remaining_length });
        }
        self.insert(1, remaining_length);
    }

    /// Puts the length of what was written from there on in front of it.
    #[inline(always)]
    pub(crate) fn insert_len(&mut self, start: usize) {
        self.insert(start, self.at.wrapping_sub(start));
    }

    /// Puts a variable byte integer of at most 268,435,455 there.
    #[inline(never)]
    fn insert(&mut self, mut start: usize, mut value: usize) {
        loop {
            let rest = value >> 7;
            let more = if rest != 0 { 0x80 } else { 0 };
            let mut byte = low_byte(value) & 0x7f | more;
            let mut at = start;
            while at <= self.at
                && let Some(place) = self.out.get_mut(at)
            {
                byte = core::mem::replace(place, byte);
                at = at.wrapping_add(1);
            }
            // There is room above what blocks count, and not many of these follow each other.
            self.at = self.at.wrapping_add(1);
            start = start.wrapping_add(1);
            value = rest;
            if rest == 0 {
                return;
            }
        }
    }

    /// There is an error, of which the first counts.
    pub(crate) fn fail(&mut self, error: EncodeError) -> Option<()> {
        self.settle(Err(error));
        Some(())
    }

    /// This is told if nothing else is; what is told.
    #[inline(never)]
    fn settle(&mut self, outcome: Result<usize, EncodeError>) -> &Result<usize, EncodeError> {
        self.outcome.get_or_insert(outcome)
    }

    /// The payload of a PUBLISH, or a block of properties.
    #[inline(never)]
    pub(crate) fn block(&mut self, block: &[u8]) -> Option<()> {
        let mut at = self.at;
        for byte in block {
            if let Some(place) = self.out.get_mut(at) {
                *place = *byte;
            }
            // What is too large to be counted stays so, and does not become small again.
            let next = at.wrapping_add(1);
            if next <= isize::MAX as usize {
                at = next;
            }
        }
        self.at = at;
        Some(())
    }

    pub(crate) fn array<const N: usize>(&mut self, bytes: [u8; N]) -> Option<()> {
        self.block(&bytes)
    }

    #[inline(always)]
    pub(crate) fn byte(&mut self, value: u8) -> Option<()> {
        self.number(u32::from(value), 1)
    }

    #[inline(always)]
    pub(crate) fn two(&mut self, value: u16) -> Option<()> {
        self.number(u32::from(value), 2)
    }

    /// A number of so many bytes, at most four; of none, a variable byte integer of at most 268,435,455.
    #[inline(never)]
    pub(crate) fn number(&mut self, value: u32, width: usize) -> Option<()> {
        if width == 0 {
            self.insert(self.at, value as usize);
            return Some(());
        }
        let bytes = value.to_be_bytes();
        // Of none to three bytes, none is left out that is not there.
        let start = width.wrapping_neg() & 3;
        self.block(bytes.get(start..).unwrap_or_default())
    }

    /// Binary data.
    #[inline(never)]
    #[expect(clippy::cast_possible_truncation, reason = "what is longer has failed")]
    pub(crate) fn binary(&mut self, bytes: &[u8], field: Field) -> Option<()> {
        if bytes.len() > MAX_LEN {
            self.fail(EncodeError::BinaryTooLong(field));
        }
        self.number(bytes.len() as u32, 2);
        self.block(bytes)
    }

    /// Text.
    pub(crate) fn text(&mut self, text: &str, field: Field) -> Option<()> {
        self.text_of(text.as_bytes(), field)
    }

    /// The text that these bytes are.
    #[inline(never)]
    pub(crate) fn text_of(&mut self, text: &[u8], field: Field) -> Option<()> {
        if text.len() > MAX_LEN {
            self.fail(EncodeError::StringTooLong(field));
        } else if text::flaw(text, Kind::Any).is_some() {
            self.fail(EncodeError::NulInString(field));
        }
        // If it is too long, that has been said.
        self.binary(text, field)
    }

    /// A text or binary data that are known to be valid.
    #[inline(always)]
    pub(crate) fn known(&mut self, bytes: &[u8]) -> Option<()> {
        self.binary(bytes, Field::TopicName)
    }
}

#[expect(clippy::cast_possible_truncation)]
const fn low_byte(value: usize) -> u8 {
    value as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On 32 bits a list of properties that are all the same long text gets there.
    #[test]
    fn what_is_beyond_counting_is_too_large() {
        let mut out = [0; 16];
        let mut writer = Writer::new(&mut out, 0x30);
        writer.at = isize::MAX as usize - 2;
        writer.block(b"four");
        writer.insert_len(1);
        writer.number(200, 0);
        writer.byte(0);
        // What blocks count, and above that a length of so many bits and a number of two bytes; the byte
        // is a block. The first byte of the packet is no part of it.
        let length = (isize::BITS as usize - 1).div_ceil(7);
        let remaining_length = isize::MAX as usize + length + 2 - 1;
        assert_eq!(
            writer.end(0),
            Err(EncodeError::TooLarge { remaining_length })
        );
    }
}
