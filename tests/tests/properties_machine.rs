//! Properties of the machine against a scripted peer, over random scripts.

mod properties;

use mqtt_session::{Fixed, Heap};
use properties::Found;
use properties::held::{HEAP, Held};
use properties::runner::check;
use properties::script::{Peer, Setup, Step, setup, steps};
use properties::world::{Otherwise, World};

/// All that is promised, in one: the world holds every step against it.
fn keeps_its_promises<S: Held>(setup: &Setup, steps: &[Step], store: S, input: usize) -> Found {
    let start = || World::new(setup, store.clone(), input);
    let mut world = start();
    world
        .run(steps)
        .map_err(|found| format!("{found}{}", world.tail()))?;

    if setup.seed.is_multiple_of(2) {
        is_pure(&world, steps, start)?;
    } else {
        // What is refused has changed nothing; time that runs backwards is no time.
        let otherwise = Otherwise {
            without: world.refused.clone(),
            steady: true,
        };
        let mut other = start().otherwise(otherwise);
        other.run(steps)?;
        is_same("without refused calls and late clocks", &world, &other)?;
    }

    world
        .drain()
        .map_err(|found| format!("at the end: {found}{}", world.tail()))
}

/// The same again gives the same, and so does a copy made on the way.
fn is_pure<S: Held>(world: &World<S>, steps: &[Step], start: impl Fn() -> World<S>) -> Found {
    let (first, last) = steps.split_at(steps.len() / 2);
    let mut again = start();
    again.run(first)?;
    let mut copy = again.clone();
    for (which, other) in [("again", &mut again), ("a copy", &mut copy)] {
        other.run(last)?;
        is_same(which, world, other)?;
        holds!(
            S::same(&world.client, &other.client),
            "{which}: the clients differ"
        );
    }
    Ok(())
}

fn is_same<S>(which: &str, one: &World<S>, other: &World<S>) -> Found {
    let differs = one.log.iter().zip(&other.log).position(|(a, b)| a != b);
    if let Some(at) = differs {
        return Err(format!(
            "{which}: {:?} but {:?}",
            one.log[at], other.log[at]
        ));
    }
    holds!(one.log.len() == other.log.len(), "{which}: one does more");
    Ok(())
}

fn promises<S: Held>(peer: Peer, input: usize, alias_maximum: u16, store: impl Fn() -> S) {
    let scripts = (setup(store().inbound(), alias_maximum), steps(peer, 100));
    check(300, scripts, |(setup, steps)| {
        keeps_its_promises(setup, steps, store(), input)
    });
}

type Tiny = Fixed<1, 1, 256, 64>;
type Small = Fixed<3, 2, 300, 128, 2, 8>;
type Usual = Fixed<8, 8, 2_048, 512, 4, 16>;

#[test]
fn tiny_keeps_its_promises_to_an_honest_server() {
    promises(Peer::Honest, 64, 0, Tiny::new);
}

#[test]
fn tiny_keeps_its_promises_to_a_hostile_server() {
    promises(Peer::Hostile, 64, 0, Tiny::new);
}

#[test]
fn small_keeps_its_promises_to_an_honest_server() {
    promises(Peer::Honest, 100, 2, Small::new);
}

#[test]
fn small_keeps_its_promises_to_a_hostile_server() {
    promises(Peer::Hostile, 100, 2, Small::new);
}

#[test]
fn usual_keeps_its_promises_to_an_honest_server() {
    promises(Peer::Honest, 1_024, 4, Usual::new);
}

#[test]
fn usual_keeps_its_promises_to_a_hostile_server() {
    promises(Peer::Hostile, 1_024, 4, Usual::new);
}

#[test]
fn heap_keeps_its_promises_to_an_honest_server() {
    promises(Peer::Honest, 256, 4, || Heap::new(HEAP));
}

#[test]
fn heap_keeps_its_promises_to_a_hostile_server() {
    promises(Peer::Hostile, 256, 4, || Heap::new(HEAP));
}
