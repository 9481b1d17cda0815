use crate::text::{MAX_LEN, has_nul};
use crate::{EncodeError, Field, varint};

/// Writes the fields of one packet from front to back.
///
/// Nothing stops it: what does not fit any more is counted, and the first error is kept until the
/// end, where one look tells whether there was any. So the length of a packet is what the same code
/// counts when there is no room at all. The results, which are always `Some`, are those of the
/// writer that is built for speed, and the compiler sees that nobody needs to look at them.
pub(crate) struct Writer<'o> {
    out: &'o mut [u8],
    /// Bytes written or counted.
    at: usize,
    fault: Option<EncodeError>,
}

/// The length of a packet with this body, by counting.
pub(crate) fn measured(
    _: impl FnOnce() -> usize,
    body: impl Fn(&mut Writer<'_>) -> Option<()>,
) -> Result<usize, EncodeError> {
    measure(0, &|writer| _ = body(writer))
}

/// The length of a packet but for `absent` bytes at its end.
#[inline(never)]
pub(crate) fn measure(absent: usize, body: &dyn Fn(&mut Writer<'_>)) -> Result<usize, EncodeError> {
    // Other errors are those of writing.
    let mut writer = Writer::new(&mut []);
    let len = writer.packet_len(Writer::len_of(body).saturating_add(absent));
    match writer.fault {
        Some(error) => Err(error),
        None => Ok(len.wrapping_sub(absent)),
    }
}

/// Writes a packet; the number of bytes written.
pub(crate) fn encode(
    out: &mut [u8],
    first_byte: u8,
    _at_least: usize,
    _remaining_length: impl FnOnce() -> usize,
    body: impl Fn(&mut Writer<'_>) -> Option<()>,
) -> Result<usize, EncodeError> {
    write_packet(out, first_byte, 0, &|writer| _ = body(writer))
}

/// Writes a packet but for `absent` bytes at its end; the number of bytes written.
#[inline(never)]
pub(crate) fn write_packet(
    out: &mut [u8],
    first_byte: u8,
    absent: usize,
    body: &dyn Fn(&mut Writer<'_>),
) -> Result<usize, EncodeError> {
    let mut writer = Writer::new(&mut []);
    body(&mut writer);
    let remaining_length = writer.at.saturating_add(absent);
    let needed = writer.packet_len(remaining_length).wrapping_sub(absent);
    if out.len() < needed {
        writer.fail(EncodeError::BufferTooSmall { needed });
    }
    if let Some(error) = writer.fault {
        return Err(error);
    }
    writer.out = out;
    writer.at = 0;
    writer.byte(first_byte);
    writer.varint(remaining_length);
    body(&mut writer);
    Ok(needed)
}

impl<'o> Writer<'o> {
    fn new(out: &'o mut [u8]) -> Self {
        Self {
            out,
            at: 0,
            fault: None,
        }
    }

    /// How many bytes the body takes, which is to be written next.
    pub(crate) fn len_of(body: &dyn Fn(&mut Writer<'_>)) -> usize {
        let mut writer = Writer::new(&mut []);
        body(&mut writer);
        writer.at
    }

    /// The length of the packet with this Remaining Length, if it is not too large.
    fn packet_len(&mut self, remaining_length: usize) -> usize {
        if remaining_length > varint::MAX as usize {
            self.fail(EncodeError::TooLarge { remaining_length });
        }
        varint::len_of(remaining_length)
            .wrapping_add(1)
            .wrapping_add(remaining_length)
    }

    /// There is an error, of which the first counts.
    #[inline(never)]
    pub(crate) fn fail(&mut self, error: EncodeError) -> Option<()> {
        self.fault.get_or_insert(error);
        Some(())
    }

    /// The payload of a PUBLISH, or a block of properties.
    #[inline(never)]
    pub(crate) fn block(&mut self, block: &[u8]) -> Option<()> {
        let end = self.at.saturating_add(block.len());
        if let Some(place) = self.out.get_mut(self.at..end) {
            for (to, from) in place.iter_mut().zip(block) {
                *to = *from;
            }
        }
        self.at = end;
        Some(())
    }

    pub(crate) fn array<const N: usize>(&mut self, bytes: [u8; N]) -> Option<()> {
        self.block(&bytes)
    }

    #[inline(never)]
    pub(crate) fn byte(&mut self, value: u8) -> Option<()> {
        self.block(&[value])
    }

    #[inline(never)]
    pub(crate) fn two(&mut self, value: u16) -> Option<()> {
        self.number(u32::from(value), 2)
    }

    /// A number of so many bytes, at most four.
    #[inline(never)]
    pub(crate) fn number(&mut self, value: u32, width: usize) -> Option<()> {
        let bytes = value.to_be_bytes();
        let front = bytes.len().wrapping_sub(width);
        self.block(bytes.get(front..).unwrap_or_default())
    }

    /// A variable byte integer of at most 268,435,455.
    #[inline(never)]
    pub(crate) fn varint(&mut self, mut value: usize) -> Option<()> {
        while value > 0x7f {
            self.byte(low_byte(value) | 0x80);
            value >>= 7;
        }
        self.byte(low_byte(value))
    }

    /// Binary data.
    #[inline(never)]
    pub(crate) fn binary(&mut self, bytes: &[u8], field: Field) -> Option<()> {
        if bytes.len() > MAX_LEN {
            self.fail(EncodeError::BinaryTooLong(field));
        }
        self.known(bytes)
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
        } else if has_nul(text) {
            self.fail(EncodeError::NulInString(field));
        }
        self.known(text)
    }

    /// A text or binary data that are known to be valid.
    #[inline(never)]
    #[expect(clippy::cast_possible_truncation, reason = "what is longer has failed")]
    pub(crate) fn known(&mut self, bytes: &[u8]) -> Option<()> {
        self.two(bytes.len() as u16);
        self.block(bytes)
    }
}

#[expect(clippy::cast_possible_truncation)]
const fn low_byte(value: usize) -> u8 {
    value as u8
}
