//! What hides a client's frames from proxies that take them for something else.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Masks that nobody else can foresee: what is sent is not to look like HTTP by intent.
pub(super) struct Masks {
    random: RandomState,
    frames: u64,
}

impl Masks {
    pub(super) fn new() -> Self {
        Self {
            random: RandomState::new(),
            frames: 0,
        }
    }

    pub(super) fn next(&mut self) -> [u8; 4] {
        self.frames = self.frames.wrapping_add(1);
        let mut hasher = self.random.build_hasher();
        hasher.write_u64(self.frames);
        (hasher.finish() as u32).to_ne_bytes()
    }
}

/// Puts a mask over bytes, or takes it off; `offset` of the payload's bytes came before these.
pub(super) fn apply(mask: [u8; 4], offset: u64, bytes: &mut [u8]) {
    let turn = u32::try_from(offset % 4).unwrap_or_default();
    let mask = u32::from_le_bytes(mask).rotate_right(8 * turn);
    let wide = u64::from(mask) << 32 | u64::from(mask);
    let (chunks, rest) = bytes.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_le_bytes(*chunk) ^ wide).to_le_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(wide.to_le_bytes()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_goes_round_from_any_offset() {
        let mask = [1, 2, 4, 8];
        for offset in 0..9 {
            for len in 0..20 {
                let mut bytes = vec![0x70; len];
                apply(mask, offset, &mut bytes);
                let expected: Vec<_> = (0..len)
                    .map(|at| 0x70 ^ mask[(at + offset as usize) % 4])
                    .collect();
                assert_eq!(bytes, expected, "{offset} {len}");
            }
        }
    }

    #[test]
    fn masks_differ() {
        let mut masks = Masks::new();
        let drawn: std::collections::HashSet<_> = (0..1_000).map(|_| masks.next()).collect();
        assert!(drawn.len() > 990, "{}", drawn.len());
        assert_ne!(Masks::new().next(), Masks::new().next());
    }
}
