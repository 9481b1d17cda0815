//! Every kind of exchange, cut at every byte of both directions, with the session kept and lost.
//!
//! Each scenario runs whole and in small pieces, which must come to the same, and then once for
//! every byte of its first transport, every way in which bytes around a cut can get lost, and
//! both fates of the session; some of these are cut a second time while they resume.
//!
//! `cargo test -p mqtt-tests --test cut_at_every_byte -- --nocapture` prints how many.

use mqtt_proto::{Property, QoS};
use mqtt_tests::cut::{ASK, Acks, Cut, How, Kind, Outcome, Pace, Scenario, Step};
use mqtt_tests::server::Terms;

use QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
use Step::{Publish, PublishDrawn, PublishHeld, Serve, Settle, Subscribe};

/// Bytes of the smallest input buffer that is promised to do.
const SMALLEST: usize = 64;

const HOUR: Property<'static> = Property::SessionExpiryInterval(3600);

/// A scenario with nothing special about it.
fn plain(name: &'static str, steps: Vec<Step>) -> Scenario {
    Scenario {
        name,
        store: Kind::Fixed,
        aliases: 0,
        input: 128,
        connect: &[HOUR],
        terms: Terms::NONE,
        acks: Acks::Automatic,
        publishes_offline: false,
        steps,
    }
}

fn bytes(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

fn publish(qos: QoS, payload: &str) -> Step {
    Publish(qos, "out", bytes(payload))
}

fn serve(qos: QoS, payload: &str) -> Step {
    Serve(qos, "in", bytes(payload))
}

/// A payload of which no two parts are the same.
fn long(len: u8) -> Vec<u8> {
    (0..len).collect()
}

#[track_caller]
fn play(scenario: &Scenario, cuts: &[Cut], pace: Pace) -> Outcome {
    match scenario.run(cuts, pace, false) {
        Ok(outcome) => outcome,
        Err(_) => match scenario.run(cuts, pace, true) {
            Ok(_) => panic!("{}, {cuts:?}: it does not fail again", scenario.name),
            Err(failure) => {
                let Scenario { name, store, .. } = scenario;
                panic!("{name} ({store:?}), {pace:?}, {cuts:?}:\n{failure}");
            }
        },
    }
}

/// Plays a scenario in every way, with both stores.
#[track_caller]
fn cut_everywhere(scenario: Scenario) {
    cut_everywhere_with(&[Kind::Fixed, Kind::Heap], scenario);
}

/// Plays a scenario in every way, with these stores, and with its own input buffer and the smallest:
/// where there are two stores, one each.
#[track_caller]
fn cut_everywhere_with(stores: &[Kind], scenario: Scenario) {
    let mut count = 0;
    let mut runs = vec![
        (stores[0], SMALLEST),
        (stores[stores.len() - 1], scenario.input),
    ];
    runs.dedup();
    for (store, input) in runs {
        let scenario = Scenario {
            store,
            input,
            ..scenario.clone()
        };
        let whole = play(&scenario, &[], Pace::WHOLE);
        for (read, write) in [(1, 1), (1, usize::MAX), (usize::MAX, 1), (3, 7)] {
            let pieces = play(&scenario, &[], Pace { read, write });
            same(&scenario, &whole, &pieces);
            count += 1;
        }
        for how in [
            How::Taken,
            How::LostOnTheWay,
            How::Unread,
            How::Unanswered,
            How::Answered,
        ] {
            let total = match how.counts_client() {
                true => whole.client_bytes,
                false => whole.server_bytes,
            };
            for after in 0..=total {
                for loses_session in [false, true] {
                    let cut = Cut {
                        after,
                        how,
                        loses_session,
                    };
                    play(&scenario, &[cut], Pace::WHOLE);
                    count += 1;
                }
                count += cut_twice(&scenario, how, after, whole.client_bytes);
            }
        }
    }
    println!("{}: {count} conversations", scenario.name);
}

/// The second transport is cut as well, at a place that moves on with the first.
fn cut_twice(scenario: &Scenario, how: How, after: usize, total: usize) -> usize {
    let first = Cut {
        after,
        how,
        loses_session: false,
    };
    let second = Cut {
        after: 22 + (after * 7) % total,
        how: [How::Taken, How::LostOnTheWay, How::Unread][after % 3],
        loses_session: after % 4 == 3,
    };
    let pace = Pace { read: 7, write: 11 };
    play(scenario, &[first, second], pace);
    1
}

/// Chunking does not matter: the same is settled the same way, and the same is delivered, to
/// each topic and QoS in the same order.
#[track_caller]
fn same(scenario: &Scenario, whole: &Outcome, pieces: &Outcome) {
    let sorted = |outcome: &Outcome| {
        let mut outcome = outcome.clone();
        outcome.settled.sort_by(|a, b| a.0.cmp(&b.0));
        outcome.delivered.sort_by_key(|message| message.qos);
        outcome
    };
    assert_eq!(sorted(whole), sorted(pieces), "{}", scenario.name);
}

#[test]
fn one_message_at_qos_1() {
    cut_everywhere(plain("QoS 1", vec![Settle, publish(AtLeastOnce, "x")]));
}

#[test]
fn one_message_at_qos_2() {
    cut_everywhere(plain("QoS 2", vec![Settle, publish(ExactlyOnce, "x")]));
}

#[test]
fn messages_that_waited_for_the_first_connection() {
    let steps = vec![
        publish(AtLeastOnce, "1"),
        publish(ExactlyOnce, "2"),
        publish(AtMostOnce, "3"),
        publish(AtLeastOnce, "4"),
    ];
    cut_everywhere(plain("offline", steps));
}

#[test]
fn several_messages_at_every_qos() {
    let steps = vec![
        Settle,
        publish(AtLeastOnce, "1"),
        publish(ExactlyOnce, "2"),
        publish(AtMostOnce, "3"),
        publish(ExactlyOnce, "4"),
        publish(AtLeastOnce, "5"),
        Settle,
        publish(ExactlyOnce, "6"),
        publish(AtMostOnce, "7"),
    ];
    cut_everywhere(plain("several outbound", steps));
}

#[test]
fn messages_with_a_window_of_one() {
    let steps = vec![
        Settle,
        publish(ExactlyOnce, "1"),
        publish(AtLeastOnce, "2"),
        publish(ExactlyOnce, "3"),
        publish(AtMostOnce, "4"),
        publish(AtLeastOnce, "5"),
    ];
    cut_everywhere(Scenario {
        terms: Terms {
            receive_maximum: Some(1),
            receive_maximum_later: Some(1),
            ..Terms::NONE
        },
        ..plain("Receive Maximum 1", steps)
    });
}

#[test]
fn messages_with_a_window_that_gets_smaller() {
    let steps = vec![
        Settle,
        publish(ExactlyOnce, "1"),
        publish(AtLeastOnce, "2"),
        publish(ExactlyOnce, "3"),
        publish(AtLeastOnce, "4"),
        publish(ExactlyOnce, "5"),
    ];
    cut_everywhere(Scenario {
        terms: Terms {
            receive_maximum: Some(3),
            receive_maximum_later: Some(1),
            ..Terms::NONE
        },
        ..plain("Receive Maximum 3, then 1", steps)
    });
}

#[test]
fn messages_before_and_after_the_cut() {
    let steps = vec![
        Settle,
        publish(ExactlyOnce, "1"),
        publish(AtLeastOnce, "2"),
        serve(ExactlyOnce, "3"),
        publish(AtMostOnce, "4"),
    ];
    cut_everywhere(Scenario {
        publishes_offline: true,
        ..plain("published offline", steps)
    });
}

#[test]
fn messages_from_the_server_at_every_qos() {
    let steps = vec![
        Settle,
        serve(AtLeastOnce, "1"),
        serve(ExactlyOnce, "2"),
        serve(AtMostOnce, "3"),
        serve(ExactlyOnce, "4"),
        serve(AtLeastOnce, "5"),
    ];
    cut_everywhere(plain("several inbound", steps));
}

#[test]
fn more_messages_from_the_server_than_the_client_holds_at_a_time() {
    let mut steps = vec![Settle];
    for number in 0..6 {
        let qos = [ExactlyOnce, AtLeastOnce, ExactlyOnce][number % 3];
        steps.push(serve(qos, &number.to_string()));
    }
    cut_everywhere(plain("a full inbound window", steps));
}

#[test]
fn messages_both_ways() {
    let steps = vec![
        Settle,
        Subscribe("in"),
        publish(ExactlyOnce, "1"),
        serve(ExactlyOnce, "2"),
        publish(AtLeastOnce, "3"),
        serve(AtLeastOnce, "4"),
        Settle,
        serve(ExactlyOnce, "5"),
        publish(ExactlyOnce, "6"),
    ];
    cut_everywhere(plain("both ways", steps));
}

/// What the scenarios with manual acknowledgement do.
fn to_acknowledge() -> Vec<Step> {
    vec![
        Settle,
        serve(AtLeastOnce, "1"),
        serve(ExactlyOnce, "2"),
        publish(ExactlyOnce, "3"),
        serve(ExactlyOnce, "4"),
        serve(AtLeastOnce, "5"),
    ]
}

#[test]
fn messages_that_the_application_acknowledges_at_once() {
    cut_everywhere(Scenario {
        acks: Acks::AtOnce,
        ..plain("acknowledged at once", to_acknowledge())
    });
}

#[test]
fn messages_that_the_application_acknowledges_in_reverse() {
    cut_everywhere(Scenario {
        acks: Acks::InReverse,
        ..plain("acknowledged in reverse", to_acknowledge())
    });
}

#[test]
fn requests_that_are_answered_from_the_delivery() {
    let steps = vec![
        Settle,
        Serve(ExactlyOnce, ASK, bytes("2")),
        Serve(AtLeastOnce, ASK, bytes("1")),
        Serve(AtMostOnce, ASK, bytes("0")),
    ];
    cut_everywhere(plain("answers", steps));
}

#[test]
fn requests_that_are_answered_within_a_window_of_one() {
    let mut steps = vec![Settle, publish(ExactlyOnce, "x")];
    for number in 0..6 {
        steps.push(Serve(ExactlyOnce, ASK, vec![number]));
    }
    let scenario = Scenario {
        terms: Terms {
            receive_maximum: Some(1),
            receive_maximum_later: Some(1),
            ..Terms::NONE
        },
        ..plain("answers one by one", steps)
    };
    cut_everywhere_with(&[Kind::Fixed], scenario);
}

#[test]
fn messages_with_topic_aliases_both_ways() {
    let to = |topic, qos, payload| Publish(qos, topic, bytes(payload));
    let from = |topic, qos, payload| Serve(qos, topic, bytes(payload));
    let steps = vec![
        Settle,
        to("a/long/topic", AtLeastOnce, "1"),
        to("a/long/topic", ExactlyOnce, "2"),
        to("another/topic", ExactlyOnce, "3"),
        to("a/long/topic", AtMostOnce, "4"),
        from("from/the/server", ExactlyOnce, "5"),
        from("from/the/server", AtLeastOnce, "6"),
    ];
    cut_everywhere(Scenario {
        aliases: 2,
        connect: &[HOUR, Property::TopicAliasMaximum(2)],
        terms: Terms {
            topic_alias_maximum: 2,
            uses_aliases: true,
            ..Terms::NONE
        },
        ..plain("topic aliases", steps)
    });
}

#[test]
fn a_message_in_parts_through_a_small_input_buffer() {
    let steps = vec![
        Settle,
        Serve(ExactlyOnce, "in", long(130)),
        serve(AtLeastOnce, "small"),
        Serve(AtLeastOnce, "in", long(70)),
        // The longest topic name that goes through the buffer with any payload.
        Serve(
            ExactlyOnce,
            "in/forty-one-bytes-of-a-topic-is-the-most",
            long(50),
        ),
        serve(ExactlyOnce, "small"),
    ];
    let scenario = Scenario {
        input: SMALLEST,
        ..plain("in parts", steps)
    };
    cut_everywhere_with(&[Kind::Fixed], scenario);
}

#[test]
fn a_message_in_parts_that_the_application_acknowledges() {
    let steps = vec![
        Settle,
        Serve(ExactlyOnce, "in", long(90)),
        serve(ExactlyOnce, "small"),
    ];
    let scenario = Scenario {
        input: SMALLEST,
        acks: Acks::InReverse,
        ..plain("in parts, acknowledged", steps)
    };
    cut_everywhere_with(&[Kind::Fixed], scenario);
}

#[test]
fn a_message_larger_than_the_transmit_buffer() {
    let steps = vec![
        Settle,
        publish(AtLeastOnce, "before"),
        Publish(ExactlyOnce, "out", long(100)),
        publish(ExactlyOnce, "after"),
        Publish(AtLeastOnce, "out", long(60)),
        serve(ExactlyOnce, "meanwhile"),
    ];
    cut_everywhere(plain("from where it lies", steps));
}

#[test]
fn a_payload_held_as_bytes() {
    let steps = vec![
        Settle,
        PublishHeld(AtLeastOnce, "held/1", long(80)),
        publish(AtMostOnce, "between"),
        PublishHeld(ExactlyOnce, "held/2", long(70)),
        PublishHeld(AtMostOnce, "held/0", long(60)),
        publish(ExactlyOnce, "after"),
    ];
    cut_everywhere_with(&[Kind::Heap], plain("held as bytes", steps));
}

#[test]
fn a_payload_drawn_from_the_application() {
    let steps = vec![
        Settle,
        publish(AtLeastOnce, "before"),
        PublishDrawn(ExactlyOnce, "out", long(130)),
        publish(ExactlyOnce, "after"),
        PublishDrawn(AtLeastOnce, "out", long(60)),
        serve(ExactlyOnce, "meanwhile"),
        PublishDrawn(AtMostOnce, "out", long(90)),
        publish(AtMostOnce, "last"),
    ];
    cut_everywhere(plain("drawn", steps));
}

#[test]
fn payloads_drawn_one_at_a_time_and_between_topic_aliases() {
    let steps = vec![
        PublishDrawn(AtLeastOnce, "a/long/topic", long(70)),
        Publish(AtLeastOnce, "a/long/topic", bytes("1")),
        PublishDrawn(ExactlyOnce, "a/long/topic", long(0)),
        Settle,
        Publish(ExactlyOnce, "a/long/topic", bytes("2")),
        PublishDrawn(ExactlyOnce, "a/long/topic", long(55)),
    ];
    cut_everywhere(Scenario {
        aliases: 2,
        publishes_offline: true,
        terms: Terms {
            receive_maximum: Some(1),
            receive_maximum_later: Some(2),
            topic_alias_maximum: 2,
            ..Terms::NONE
        },
        ..plain("drawn one by one", steps)
    });
}
