//! The properties of [`fuzz`](crate::fuzz) over bytes that are nearly packets, which random bytes
//! seldom are.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::fuzz;

#[path = "../tests/strategies/mod.rs"]
mod strategies;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(0x6d71_7474),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(2_000))]

    // covers: pitfall 86
    #[test]
    fn valid_packets(sent in strategies::packet()) {
        fuzz::check(&sent.encoded(), sent.sender, u32::MAX);
    }

    #[test]
    fn valid_packets_with_flipped_bytes(
        sent in strategies::packet(),
        flips in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = sent.encoded();
        for (index, flip) in flips {
            let at = index.index(bytes.len().min(100));
            bytes[at] ^= flip;
        }
        fuzz::check(&bytes, sent.sender, u32::MAX);
    }

    #[test]
    fn any_bytes(data in proptest::collection::vec(any::<u8>(), 0..100)) {
        fuzz::decode(&data);
    }

    /// A legal fixed header before random bytes.
    #[test]
    fn any_body(
        first in proptest::sample::select(vec![
            0x10, 0x20, 0x30, 0x32, 0x3d, 0x40, 0x50, 0x62, 0x70, 0x82, 0x90, 0xa2, 0xb0, 0xe0, 0xf0_u8,
        ]),
        body in proptest::collection::vec(prop_oneof![0..6_u8, any::<u8>()], 0..60),
        sender: bool,
    ) {
        let mut data = vec![u8::from(sender), first, body.len() as u8];
        data.extend(body);
        fuzz::decode(&data);
    }
}
