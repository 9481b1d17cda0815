//! How long the client waits before it connects again, and what makes it wait shortly again.

use core::time::Duration;
use mqtt_proto::ReasonCode;
use mqtt_session::{Cause, Config, Connect, Heap};
use mqtt_tests::talk::*;

const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// How long the client waits before it asks for the next transport.
fn wait_before_the_next(talk: &mut Talk<Heap>) -> u64 {
    talk.run();
    match talk.next() {
        Did::Told(Told::Disconnected(_, Some(retry))) => {
            assert_eq!(retry, talk.deadline, "told as it will be done");
            let wait = retry.since(talk.now).as_millis();
            talk.wait_until_due().expect(Did::Open).quiet();
            u64::try_from(wait).unwrap()
        }
        other => panic!("not disconnected but {other:?}"),
    }
}

fn fails_to_open(talk: &mut Talk<Heap>) -> u64 {
    talk.client.closed(talk.now);
    wait_before_the_next(talk)
}

/// Opens the transport that was asked for, and the server accepts.
fn is_accepted(talk: &mut Talk<Heap>) {
    talk.client.opened(talk.now, &Connect::new("c")).unwrap();
    talk.sent();
    talk.server(connack()).tells(Told::Connected {
        session_present: false,
    });
}

#[track_caller]
fn between(wait: u64, longest: u64) {
    assert!(
        wait <= longest && wait >= longest / 2,
        "{wait} ms where {longest} ms less at most half were due"
    );
}

#[test]
fn waits_double_and_lose_a_random_half() {
    let waits = |seed| {
        let config = Config::default()
            .reconnect_between(Duration::from_millis(500), secs(10))
            .seed(seed);
        let mut talk = talk(config);
        talk.client.start(talk.now);
        talk.expect(Did::Open);
        let waits: Vec<u64> = (0..8).map(|_| fails_to_open(&mut talk)).collect();
        for (wait, longest) in waits
            .iter()
            .zip([500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000])
        {
            between(*wait, longest);
        }
        waits
    };
    let many: Vec<_> = (0..50).map(waits).collect();
    let mut different = many.clone();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), many.len(), "every seed waits its own way");
    assert_eq!(waits(7), many[7], "and one seed always alike");
}

#[test]
fn only_a_stable_connection_makes_the_next_wait_short_again() {
    let config = Config::default()
        .reconnect_between(secs(1), secs(1_000))
        .stable_after(secs(10));
    let mut talk = talk(config);
    talk.client.start(talk.now);
    talk.expect(Did::Open);
    between(fails_to_open(&mut talk), 1_000);
    between(fails_to_open(&mut talk), 2_000);
    // Accepted, but gone too soon.
    is_accepted(&mut talk);
    talk.wait(Duration::from_millis(9_999));
    talk.cut();
    between(wait_before_the_next(&mut talk), 4_000);
    // A long time in front of CONNACK proves nothing.
    talk.wait(secs(3_600)).quiet();
    talk.client.opened(talk.now, &Connect::new("c")).unwrap();
    talk.sent();
    talk.server(refused(ReasonCode::SERVER_BUSY))
        .tells(Told::Refused(ReasonCode::SERVER_BUSY))
        .closes();
    between(wait_before_the_next(&mut talk), 8_000);
    // Ten seconds do.
    is_accepted(&mut talk);
    talk.wait(secs(10));
    talk.cut();
    between(wait_before_the_next(&mut talk), 1_000);
    between(fails_to_open(&mut talk), 2_000);
}

#[test]
fn a_connection_has_to_be_accepted_to_count_as_stable() {
    let config = Config::default()
        .reconnect_between(secs(1), secs(100))
        .stable_after(Duration::ZERO);
    let mut talk = talk(config);
    talk.client.start(talk.now);
    talk.expect(Did::Open);
    between(fails_to_open(&mut talk), 1_000);
    between(fails_to_open(&mut talk), 2_000);
    between(fails_to_open(&mut talk), 4_000);
    is_accepted(&mut talk);
    talk.cut();
    between(wait_before_the_next(&mut talk), 1_000);
}

#[test]
fn a_fresh_start_waits_shortly_again() {
    let mut talk = talk(Config::default().reconnect_between(secs(1), secs(100)));
    talk.client.start(talk.now);
    talk.expect(Did::Open);
    for longest in [1_000, 2_000, 4_000] {
        between(fails_to_open(&mut talk), longest);
    }
    talk.client.stop(talk.now);
    talk.cut().rests(Cause::Stopped);
    talk.client.start(talk.now);
    talk.expect(Did::Open);
    between(fails_to_open(&mut talk), 1_000);
}

#[test]
fn a_client_told_not_to_reconnect_does_not() {
    let config = Config::default().reconnect(false);
    let mut unopened = talk(config);
    unopened.client.start(unopened.now);
    unopened.expect(Did::Open);
    unopened.cut().rests(Cause::NotOpened);

    let mut lost = connected(config);
    lost.cut().rests(Cause::TransportClosed);

    let mut busy = talk(config);
    busy.opens(&Connect::new("c"));
    busy.server(refused(ReasonCode::SERVER_BUSY))
        .tells(Told::Refused(ReasonCode::SERVER_BUSY))
        .closes()
        .rests(Cause::Refused(ReasonCode::SERVER_BUSY));
    busy.connects(&Connect::new("c"), connack()).quiet();
}
