//! Chunking does not matter: the same bytes of a server bring the same, in whatever pieces they
//! arrive.
//!
//! "The same" leaves out what cannot be seen from the other side: which packets share a write, and
//! whether an acknowledgement overtakes a packet of another kind that became possible meanwhile.

use super::Found;
use super::held::{HEAP, Held};
use super::runner::check;
use super::script::{Peer, Setup, Step, server_steps, setup, steps};
use super::world::{Entry, World};
use crate::holds;
use mqtt_proto::{Frame, PacketType, frame};
use mqtt_session::{Fixed, Heap, Ticket};
use mqtt_tests::talk::{Message, Told};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// What came of a server's bytes, sorted by what has to be in order.
#[derive(Debug, Default, PartialEq, Eq)]
struct Came {
    /// What was delivered and told about what came in.
    told: Vec<Entry>,
    /// What was told about messages that needed no answer, or may not be sent.
    aside: Vec<String>,
    /// What was sent, each kind for itself.
    sent: BTreeMap<PacketType, Vec<Vec<u8>>>,
    /// The connection came to its end.
    ended: bool,
    /// The last deadline, on a connection that lives.
    deadline: Option<Entry>,
}

/// `unanswered` are the tickets of QoS 0 messages.
fn sort(log: Vec<Entry>, unanswered: &BTreeSet<Ticket>) -> Found<Came> {
    let mut came = Came::default();
    let mut bytes = Vec::new();
    for entry in log {
        match entry {
            Entry::Sent(offered, taken) => bytes.extend_from_slice(&offered[..taken]),
            Entry::Close => {
                came.ended = true;
                break;
            }
            Entry::Told(Told::Published(ticket, outcome, _))
                if outcome.is_err() || unanswered.contains(&ticket) =>
            {
                came.aside.push(format!("{ticket:?} {outcome:?}"));
            }
            Entry::Told(Told::Unanswered(ticket, cause)) => {
                came.aside.push(format!("{ticket:?} {cause:?}"));
            }
            Entry::Delivered(part) => deliver(&mut came.told, part),
            Entry::Timeout(_) => came.deadline = Some(entry),
            entry => came.told.push(entry),
        }
    }
    came.aside.sort();
    if came.ended {
        came.deadline = None;
    }
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let Ok(Frame::Whole(raw)) = frame(rest, u32::MAX) else {
            return Err(format!("half a packet was sent: {rest:02x?}"));
        };
        let (packet, behind) = rest.split_at(raw.len());
        let lane = came.sent.entry(raw.packet_type()).or_default();
        lane.push(packet.to_vec());
        rest = behind;
    }
    Ok(came)
}

/// Parts of one message are put together.
fn deliver(told: &mut Vec<Entry>, part: Message) {
    if part.offset > 0
        && let Some(Entry::Delivered(first)) = told.last_mut()
    {
        first.payload.extend_from_slice(&part.payload);
        first.token = part.token;
        return;
    }
    told.push(Entry::Delivered(part));
}

/// When the end comes, what could have left may have left or not.
fn is_start_of(whole: &Came, pieces: &Came) -> bool {
    whole.sent.iter().all(|(kind, lane)| {
        let other = pieces.sent.get(kind);
        other.is_some_and(|other| other.starts_with(lane))
    })
}

fn is_same(whole: &Came, pieces: &Came) -> Found {
    holds!(
        whole.told == pieces.told,
        "whole: {:?}\n  pieces: {:?}",
        whole.told,
        pieces.told
    );
    holds!(whole.ended == pieces.ended, "one ends the connection");
    if whole.ended {
        holds!(
            is_start_of(whole, pieces),
            "whole: {:?}\n  pieces: {:?}",
            whole.sent,
            pieces.sent
        );
        return Ok(());
    }
    holds!(
        whole.aside == pieces.aside,
        "whole: {:?}\n  pieces: {:?}",
        whole.aside,
        pieces.aside
    );
    holds!(
        whole.sent == pieces.sent,
        "whole: {:?}\n  pieces: {:?}",
        whole.sent,
        pieces.sent
    );
    holds!(
        whole.deadline == pieces.deadline,
        "whole: {:?}\n  pieces: {:?}",
        whole.deadline,
        pieces.deadline
    );
    Ok(())
}

/// What happens before, whether CONNACK is among the bytes, what the server sends, and in which
/// pieces it arrives.
type Case = (Setup, Vec<Step>, bool, Vec<Step>, Vec<usize>);

fn chunking_does_not_matter<S: Held>(peer: Peer, case: &Case, store: S, input: usize) -> Found {
    let (setup, before, connected, stream, sizes) = case;
    let mut world = World::new(setup, store, input);
    world.run(before)?;
    if peer == Peer::Hostile {
        // Nothing is in flight that a server could answer before it has left.
        world.calm(true)?;
        world.run(&[const { Step::AnswerAll }; 4])?;
        if !world.ledger.open.is_empty() {
            return Ok(());
        }
    }
    world.calm(*connected)?;
    world.serve(stream)?;
    let unanswered = world.ledger.unanswered();
    let come = |sizes: &[usize]| {
        let sizes = sizes.iter().copied().cycle().take(20_000);
        sort(world.clone().fed(sizes)?, &unanswered)
    };
    let whole = come(&[usize::MAX])?;
    for sizes in [&[1][..], sizes] {
        let pieces = come(sizes)?;
        is_same(&whole, &pieces).map_err(|found| format!("in pieces of {sizes:?}: {found}"))?;
    }
    Ok(())
}

fn chunks<S: Held>(peer: Peer, input: usize, alias_maximum: u16, store: impl Fn() -> S) {
    let setup = setup(store().inbound(), alias_maximum).prop_map(|mut setup| {
        // What a window holds back leaves when an answer comes: between two packets that arrive
        // apart, and behind two that arrive together.
        for allows in &mut setup.limits {
            allows.receive_maximum = None;
        }
        setup
    });
    let case = (
        setup,
        steps(Peer::Honest, 20),
        any::<bool>(),
        server_steps(peer),
        prop::collection::vec(1usize..20, 1..6),
    );
    check(100, case, |case| {
        chunking_does_not_matter(peer, case, store(), input)
    });
}

#[test]
fn chunking_does_not_matter_to_tiny() {
    chunks(Peer::Honest, 64, 0, Fixed::<1, 1, 256, 64>::new);
}

#[test]
fn chunking_does_not_matter_to_fixed() {
    chunks(Peer::Honest, 100, 2, Fixed::<8, 8, 2_048, 512, 4, 16>::new);
}

#[test]
fn chunking_does_not_matter_whatever_a_server_sends() {
    chunks(Peer::Hostile, 1_024, 4, || Heap::new(HEAP));
}

#[test]
fn chunking_does_not_matter_to_heap() {
    chunks(Peer::Honest, 1_024, 4, || Heap::new(HEAP));
}
