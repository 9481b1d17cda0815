//! The payloads of messages that came, owned.

use bytes::{Bytes, BytesMut};

/// Longer payloads have memory of their own.
const SHORT: usize = 256;

/// What short payloads share: so much does a message hold on to at most that is kept when the
/// others are gone.
const SHARED: usize = 2048;

/// Copies payloads out of what was read. Short ones that come one after the other lie in one
/// piece of memory: asking for a piece costs more than filling it.
#[derive(Debug, Default)]
pub(crate) struct Payloads {
    free: BytesMut,
}

impl Payloads {
    /// A payload of its own.
    pub(crate) fn copy(&mut self, payload: &[u8]) -> Bytes {
        if payload.len() > SHORT {
            return Bytes::copy_from_slice(payload);
        }
        if self.free.capacity() < payload.len() {
            self.free = BytesMut::with_capacity(SHARED);
        }
        self.free.extend_from_slice(payload);
        self.free.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_stay_what_they_were() {
        let mut payloads = Payloads::default();
        let lengths = [0, 1, 200, 256, 257, 5_000, 64].into_iter().cycle();
        let sent: Vec<Vec<u8>> = (0..)
            .zip(lengths)
            .map(|(n, len)| vec![n; len])
            .take(200)
            .collect();
        let kept: Vec<Bytes> = sent.iter().map(|payload| payloads.copy(payload)).collect();
        assert!(kept.iter().zip(&sent).all(|(kept, sent)| kept == sent));
    }

    #[test]
    fn short_ones_share_memory_and_no_more_than_a_little() {
        let mut payloads = Payloads::default();
        let kept: Vec<Bytes> = (0..SHARED / 64 + 1)
            .map(|_| payloads.copy(&[1; 64]))
            .collect();
        let apart = |pair: &[Bytes]| pair[0].as_ptr().wrapping_add(64) != pair[1].as_ptr();
        let pieces = 1 + kept.windows(2).filter(|pair| apart(pair)).count();
        assert_eq!(pieces, 2);
        assert!(payloads.copy(&[1; SHORT + 1]).is_unique());
    }
}
