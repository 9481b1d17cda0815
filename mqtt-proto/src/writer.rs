use crate::varint;

/// Fills a buffer from front to back. `None` when it is full; the caller knows what is needed.
pub(crate) struct Writer<'o> {
    rest: &'o mut [u8],
}

impl<'o> Writer<'o> {
    #[inline]
    pub(crate) fn new(out: &'o mut [u8]) -> Self {
        Self { rest: out }
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self, bytes: [u8; N]) -> Option<()> {
        let rest = core::mem::take(&mut self.rest);
        let (place, rest) = rest.split_first_chunk_mut::<N>()?;
        *place = bytes;
        self.rest = rest;
        Some(())
    }

    #[inline]
    pub(crate) fn byte(&mut self, value: u8) -> Option<()> {
        self.array([value])
    }

    #[inline]
    pub(crate) fn two(&mut self, value: u16) -> Option<()> {
        self.array(value.to_be_bytes())
    }

    #[inline]
    pub(crate) fn four(&mut self, value: u32) -> Option<()> {
        self.array(value.to_be_bytes())
    }

    #[inline]
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Option<()> {
        self.rest
            .split_off_mut(..bytes.len())?
            .copy_from_slice(bytes);
        Some(())
    }

    /// A variable byte integer of at most 268,435,455.
    #[inline]
    pub(crate) fn varint(&mut self, value: u32) -> Option<()> {
        if value < 0x80 {
            return self.byte(low_byte(value));
        }
        let [a, b, c] = [value, value >> 7, value >> 14].map(low_byte);
        match varint::len(value) {
            2 => self.array([a | 0x80, b & 0x7f]),
            3 => self.array([a | 0x80, b | 0x80, c & 0x7f]),
            _ => self.array([a | 0x80, b | 0x80, c | 0x80, low_byte(value >> 21)]),
        }
    }

    /// Text or binary data whose length has been checked, with the two bytes before it.
    #[inline]
    pub(crate) fn prefixed(&mut self, bytes: &[u8]) -> Option<()> {
        self.two(u16::try_from(bytes.len()).ok()?)?;
        self.bytes(bytes)
    }
}

#[inline]
#[expect(clippy::cast_possible_truncation)]
const fn low_byte(value: u32) -> u8 {
    value as u8
}
