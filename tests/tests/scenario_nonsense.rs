//! Calls that make no sense, in every phase: an error, and nothing has changed.

use mqtt_proto::{QoS, ReasonCode, Subscription, SubscriptionOptions, TopicFilter};
use mqtt_session::{
    AckToken, Acknowledge, Action, Cause, Client, Config, Connect, ConnectError, Fixed, Property,
    Ticket,
};
use mqtt_tests::talk::*;

type Small = Fixed<4, 4, 256, 128, 2, 8>;

/// A client in every phase, with its name, and whether bytes are offered to the transport.
fn in_every_phase() -> Vec<(&'static str, Talk<Small>)> {
    let fresh = || Talk::new(Config::default(), Small::new());
    let live = || {
        let mut talk = fresh();
        talk.connects(&keeping(), connack());
        talk
    };
    let mut phases = Vec::new();
    phases.push(("rest", fresh()));

    let mut dial = fresh();
    dial.client.start(dial.now);
    phases.push(("dial", dial));

    let mut opening = fresh();
    opening.client.start(opening.now);
    opening.expect(Did::Open);
    phases.push(("opening", opening));

    let mut connecting = fresh();
    connecting.opens(&keeping());
    phases.push(("connecting", connecting));

    phases.push(("connected", live()));

    let mut busy = live();
    busy.publishes(QoS::AtLeastOnce, "a", b"1");
    busy.publishes(QoS::ExactlyOnce, "a", b"2");
    busy.sent();
    busy.sent();
    busy.server(pubrec(2)).sends(pubrel(2));
    busy.server_publishes(QoS::ExactlyOnce, 7, "in", b"x");
    busy.delivered();
    busy.sent();
    phases.push(("busy", busy));

    let mut blocked = live();
    blocked.takes = 0;
    blocked.publishes(QoS::AtLeastOnce, "a", b"1");
    phases.push(("blocked", blocked));

    let mut stopping = live();
    stopping.takes = 0;
    stopping.publishes(QoS::AtLeastOnce, "a", &[0; 150]);
    stopping.run();
    stopping.client.stop(stopping.now);
    phases.push(("stopping", stopping));

    let mut flushing = live();
    flushing.takes = 0;
    flushing.client.stop(flushing.now);
    phases.push(("flushing", flushing));

    let mut closing = live();
    closing.client.stop(closing.now);
    closing.sent();
    closing.expect(Did::Close);
    phases.push(("closing", closing));

    let mut waiting = live();
    waiting.loses_transport();
    phases.push(("waiting", waiting));

    let mut done = live();
    done.client.stop(done.now);
    done.sent();
    done.closes().rests(Cause::Stopped);
    phases.push(("done", done));

    for (phase, talk) in &mut phases {
        if *phase != "dial" {
            talk.run();
        }
    }
    phases
}

/// Tokens and tickets that no client of the tests has issued.
fn foreign() -> (AckToken, Ticket) {
    let mut donor = connected(Config::default().acknowledge(Acknowledge::Manually));
    let mut last = None;
    for id in 1..=20 {
        donor.server_publishes(QoS::AtLeastOnce, id, "a", b"");
        last = donor.delivered().token;
    }
    let tickets = (0..20).map(|_| donor.publishes(QoS::AtLeastOnce, "a", b""));
    (last.unwrap(), tickets.last().unwrap())
}

#[test]
fn calls_that_make_no_sense_change_nothing_in_any_phase() {
    let (token, ticket) = foreign();
    let own = [Subscription {
        filter: TopicFilter::new("$share/g/a").unwrap(),
        options: SubscriptionOptions {
            no_local: true,
            ..SubscriptionOptions::default()
        },
    }];
    let alias = [Property::TopicAlias(1)];
    let misplaced = [Property::ServerKeepAlive(1)];
    for (phase, talk) in in_every_phase() {
        let now = talk.now;
        // What is compared whole: nothing is even tried.
        let same = |name: &str, call: &dyn Fn(&mut Client<Small>) -> bool| {
            let mut client = talk.client.clone();
            assert!(call(&mut client), "{phase}: {name} is refused");
            assert_eq!(client, talk.client, "{phase}: {name}");
        };
        same("another token", &|c| {
            c.acknowledge(token, ReasonCode::SUCCESS).is_err()
        });
        same("another token with properties", &|c| {
            c.acknowledge_with(token, ReasonCode::SUCCESS, &[Property::ReasonString("r")])
                .is_err()
        });
        same("another ticket", &|c| !c.abandon(ticket));
        same("an answer to no challenge", &|c| {
            c.authenticate(now, &[Property::AuthenticationMethod("m")])
                .is_err()
        });
        same("a re-authentication without a method", &|c| {
            c.reauthenticate(now, &[]).is_err()
        });
        same("a server's code", &|c| {
            c.stop_with(now, ReasonCode::SERVER_BUSY, &[]).is_err()
        });
        same("an alias of one's own", &|c| {
            let publish = message(QoS::AtLeastOnce, "a", b"").properties(&alias);
            c.publish(now, &publish).is_err()
        });
        if phase != "opening" {
            same("a transport that was not asked for", &|c| {
                c.opened(now, &keeping()) == Err(ConnectError::NotExpected)
            });
        }
        if !matches!(phase, "connected" | "busy" | "blocked") {
            same("a stop with a code", &|c| {
                c.stop_with(now, ReasonCode::NORMAL_DISCONNECTION, &[])
                    .is_err()
            });
        }
        if matches!(phase, "rest" | "dial" | "waiting" | "done") {
            same("the end of no transport", &|c| {
                c.closed(now);
                true
            });
        }
        if !matches!(phase, "rest" | "done") {
            same("another start", &|c| {
                c.start(now);
                true
            });
        }
        if matches!(phase, "rest" | "done" | "stopping" | "flushing" | "closing") {
            same("another stop", &|c| {
                c.stop(now);
                true
            });
        }
        if !matches!(phase, "blocked" | "stopping" | "flushing") {
            same("bytes that were not offered", &|c| {
                c.sent(now, usize::MAX);
                c.sent(now, 0);
                true
            });
        }
        if phase != "dial" {
            same("another poll", &|c| {
                let mut input = talk.input.clone();
                matches!(c.poll(now, &mut input), Action::Timeout(_))
            });
        }

        // What is tried in bytes that nothing uses.
        let before = knowledge(&talk.client);
        let refused = |name: &str, call: &dyn Fn(&mut Client<Small>) -> bool| {
            let mut client = talk.client.clone();
            assert!(call(&mut client), "{phase}: {name} is refused");
            assert_eq!(knowledge(&client), before, "{phase}: {name}");
        };
        refused("no filter", &|c| c.subscribe(now, &[], &[]).is_err());
        refused("no filter to give up", &|c| {
            c.unsubscribe(now, &[], &[]).is_err()
        });
        refused("a shared subscription without one's own", &|c| {
            c.subscribe(now, &own, &[]).is_err()
        });
        refused("a misplaced property", &|c| {
            let publish = message(QoS::AtLeastOnce, "a", b"").properties(&misplaced);
            c.publish(now, &publish).is_err()
        });
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            refused("a message larger than the store", &|c| {
                c.publish(now, &message(qos, "a", &[0; 300])).is_err()
            });
        }
        refused("a CONNECT with a misplaced property", &|c| {
            let connect = Connect {
                properties: &misplaced,
                ..Connect::new("c")
            };
            c.opened(now, &connect).is_err()
        });
        refused("a stop with a misplaced property", &|c| {
            c.stop_with(now, ReasonCode::NORMAL_DISCONNECTION, &misplaced)
                .is_err()
        });
    }
}

#[test]
fn a_count_above_what_was_offered_counts_what_was_offered() {
    let mut talk = connected(Config::default());
    talk.takes = 0;
    let ticket = talk.publishes(QoS::AtMostOnce, "a", b"1");
    talk.quiet();
    talk.client.sent(talk.now, usize::MAX);
    talk.takes = usize::MAX;
    talk.settles(ticket, ReasonCode::SUCCESS).quiet();
    talk.publishes(QoS::AtLeastOnce, "a", b"2");
    talk.sends_publish(QoS::AtLeastOnce, 1, "a", b"2").quiet();
}
