//! The properties of [`fuzz`](super::fuzz) over random scripts.

extern crate std;

use super::fuzz;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::vec;
use std::vec::Vec;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(0x6d71_7474),
        ..ProptestConfig::default()
    }
}

/// Scripts in which all clients connect before anything else happens.
fn connected() -> impl Strategy<Value = Vec<u8>> {
    let rest = prop::collection::vec(any::<u8>(), 0..1_500);
    (any::<u8>(), any::<[u8; 3]>(), rest).prop_map(|(choice, flags, rest)| {
        let mut script = vec![choice];
        for (connection, flags) in (0u8..).zip(flags) {
            // CONNECT with Clean Start, Session Expiry or neither, in one piece.
            let expiry: &[u8] = if flags & 2 != 0 { &[1] } else { &[] };
            script.extend([3, connection, flags & 3]);
            script.extend(expiry);
            script.extend([0, 0, connection + 1, 255]);
        }
        script.extend(rest);
        script
    })
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn any_script(script in prop::collection::vec(any::<u8>(), 0..1_500)) {
        fuzz::broker(&script);
    }

    #[test]
    fn scripts_of_clients_that_are_connected(script in connected()) {
        fuzz::broker(&script);
    }
}
