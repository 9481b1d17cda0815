//! Payloads that are drawn from the application: larger than every buffer, whichever way the client
//! waits, and drawn again after a cut.

use mqtt_session::{Config, QoS, ReasonCode};
use world::subject::{Did, KINDS, client, settle};
use world::{Line, World};

mod world;

/// The transmit buffer has 256 bytes.
const TOTAL: usize = 20_000;

fn payload() -> Vec<u8> {
    (0..TOTAL).map(|at| (at * 31 % 251) as u8).collect()
}

/// Publishes the payload to itself over such a line; what was told, but for the parts wanted, and how
/// often it was drawn from its start.
fn drawn(kind: world::subject::Kind, line: Line, qos: QoS) -> (Vec<Did>, usize) {
    let world = World::new(line);
    let mut client = client(kind, &world, Config::new(), 512);
    client.start();
    let (mut all, mut starts) = (Vec::new(), 0);
    for _ in 0..1_000 {
        for did in settle(&mut *client, &world, 1) {
            match did {
                Did::Nothing => {}
                Did::PayloadWanted(_) => {
                    if client.supply(&payload()) == Some(0) {
                        starts += 1;
                    }
                }
                Did::Subscribed(_) => {
                    client.publish_drawn(qos, "image", TOTAL).unwrap();
                }
                Did::Connected {
                    session_present: false,
                } => {
                    client.subscribe("image").unwrap();
                }
                other => all.push(other),
            }
        }
        let came = all.iter().any(|did| matches!(did, Did::Message(_)));
        let settled = all.iter().any(|did| matches!(did, Did::Published(..)));
        if came && settled {
            break;
        }
    }
    (all, starts)
}

fn came_once_and_whole(all: &[Did]) {
    let messages: Vec<_> = all
        .iter()
        .filter_map(|did| match did {
            Did::Message(message) => Some(message),
            _ => None,
        })
        .collect();
    assert_eq!(messages.len(), 1, "{all:?}");
    assert!(messages[0].payload == payload());
}

#[test]
fn a_payload_larger_than_every_buffer_is_drawn_part_by_part() {
    for kind in KINDS {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let (all, starts) = drawn(kind, Line::default(), qos);
            came_once_and_whole(&all);
            assert_eq!(starts, 1, "{kind:?}");
            let done = |did: &Did| matches!(did, Did::Published(_, Ok(ReasonCode::SUCCESS)));
            assert!(all.iter().any(done), "{kind:?} {qos:?}");
        }
    }
}

#[test]
fn after_a_cut_it_is_drawn_again_from_its_start_and_comes_once() {
    for kind in KINDS {
        let line = Line {
            cut_after: 9_000,
            ..Line::default()
        };
        let (all, starts) = drawn(kind, line, QoS::ExactlyOnce);
        came_once_and_whole(&all);
        assert_eq!(starts, 2, "{kind:?}");
    }
}
