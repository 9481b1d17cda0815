//! What is known of a payload that was seen in parts: FNV-1a of 32 bits, and how many parts there were.

/// Of the parts so far.
pub(crate) struct Digest {
    sum: u32,
    parts: u32,
}

impl Digest {
    pub(crate) const fn new() -> Self {
        Self {
            sum: 0x811c_9dc5,
            parts: 0,
        }
    }

    pub(crate) fn take(&mut self, part: &[u8]) {
        for byte in part {
            self.sum = (self.sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
        self.parts = self.parts.wrapping_add(1);
    }

    pub(crate) fn sum(&self) -> u32 {
        self.sum
    }

    pub(crate) fn parts(&self) -> u32 {
        self.parts
    }
}
