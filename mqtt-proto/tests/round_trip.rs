//! Properties of every packet that is valid.

#[path = "strategies/mod.rs"]
mod strategies;

use mqtt_proto::{Frame, Packet, PacketType, Sender, frame};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(0x6d71_7474),
        ..ProptestConfig::default()
    }
}

fn all_types() -> Vec<(PacketType, Sender)> {
    let both = [Sender::Client, Sender::Server];
    let all = PacketType::ALL
        .into_iter()
        .flat_map(|packet| both.map(|sender| (packet, sender)));
    all.filter(|(packet, sender)| packet.may_come_from(*sender))
        .collect()
}

/// Each type and each sender gets its share of cases.
fn for_each_type(cases: u32, check: impl Fn(&strategies::Sent) -> Result<(), TestCaseError>) {
    for (packet_type, sender) in all_types() {
        let mut runner = proptest::test_runner::TestRunner::new(config(cases));
        runner
            .run(&strategies::packet_of(packet_type, sender), |sent| {
                check(&sent)
            })
            .unwrap_or_else(|failure| {
                panic!("{packet_type} from {sender}: {failure}");
            });
    }
}

#[test]
fn what_is_encoded_decodes_to_the_same() {
    for_each_type(200, |sent| {
        let bytes = sent.encoded();
        sent.with(|packet| {
            prop_assert_eq!(Packet::decode(&bytes, sent.sender), Ok(packet));
            Ok(())
        })
    });
}

// covers: pitfall 86
#[test]
fn every_proper_prefix_is_partial_and_asks_for_no_more_than_is_missing() {
    for_each_type(100, |sent| {
        let bytes = sent.encoded();
        let maximum = u32::try_from(bytes.len()).expect("a short packet");
        for len in (0..bytes.len())
            .take(300)
            .chain(bytes.len().saturating_sub(3)..bytes.len())
        {
            match frame(&bytes[..len], maximum) {
                Ok(Frame::Partial { need }) => prop_assert!(need >= 1 && len + need <= bytes.len()),
                other => prop_assert!(false, "{} of {} bytes: {:?}", len, bytes.len(), other),
            }
        }
        // Followed by anything, it is whole.
        let more = [&bytes[..], &[0xff, 0x00]].concat();
        match frame(&more, maximum) {
            Ok(Frame::Whole(raw)) => prop_assert_eq!(raw.len(), bytes.len()),
            other => prop_assert!(false, "{:?}", other),
        }
        Ok(())
    });
}
