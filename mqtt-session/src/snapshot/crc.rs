//! The checksum of what is kept.

/// CRC-32 as Ethernet, zlib and PNG have it, taken of any number of pieces.
///
/// ```
/// use mqtt_session::snapshot::Crc32;
///
/// let mut crc = Crc32::new();
/// crc.update(b"1234");
/// crc.update(b"56789");
/// assert_eq!(crc.value(), 0xcbf4_3926);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Crc32(u32);

/// What four bits more do: sixteen entries are small enough for any device, and twice as fast as
/// none.
const TABLE: [u32; 16] = table();

const fn table() -> [u32; 16] {
    let mut table = [0; 16];
    let mut at = 0usize;
    while at < 16 {
        let mut value = at as u32;
        let mut bit = 0u8;
        while bit < 4 {
            value = if value & 1 == 0 {
                value >> 1
            } else {
                (value >> 1) ^ 0xedb8_8320
            };
            bit = bit.wrapping_add(1);
        }
        #[expect(clippy::indexing_slicing, reason = "computed by the compiler")]
        {
            table[at] = value;
        }
        at = at.wrapping_add(1);
    }
    table
}

impl Crc32 {
    /// Of nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(u32::MAX)
    }

    /// Takes more bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        let step = |crc: u32| {
            // The index is cut to the length of the table.
            let entry = TABLE.get((crc & 15) as usize).copied();
            (crc >> 4) ^ entry.unwrap_or_default()
        };
        for byte in bytes {
            self.0 = step(step(self.0 ^ u32::from(*byte)));
        }
    }

    /// The checksum of all that was taken in.
    #[must_use]
    pub const fn value(self) -> u32 {
        !self.0
    }
}

impl Default for Crc32 {
    fn default() -> Self {
        Self::new()
    }
}
