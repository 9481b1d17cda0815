//! Whose session it is, how long it lives, and what becomes of what was under way when it ends.

use mqtt_proto::{ConnAck, Connect as Wire, Packet, Properties, QoS, ReasonCode, Sender};
use mqtt_session::{
    Cause, Config, Connect, ControlError, Fixed, GiveUp, Heap, Property, Ticket, Violation,
};
use mqtt_tests::talk::*;

fn decoded(connect: &[u8]) -> Wire<'_> {
    match Packet::decode(connect, Sender::Client) {
        Ok(Packet::Connect(connect)) => connect,
        other => panic!("not CONNECT: {other:?}"),
    }
}

/// Session Present with properties.
fn present_with<'a>(properties: &'a [Property<'a>]) -> Packet<'a> {
    Packet::ConnAck(ConnAck {
        session_present: true,
        reason: ReasonCode::SUCCESS,
        properties: Properties::new(properties),
    })
}

const ACCEPTED: Told = Told::Connected {
    session_present: false,
};
const RESUMED: Told = Told::Connected {
    session_present: true,
};

/// One of everything that is under way when the transport goes.
struct UnderWay {
    /// QoS 1, sent.
    one: Ticket,
    /// QoS 2, sent.
    two: Ticket,
    /// QoS 2, past PUBREC: PUBREL is sent.
    released: Ticket,
    /// QoS 1, published while there was no connection.
    queued: Ticket,
}

/// Outbound identifiers 1 to 3 and the inbound QoS 2 identifier 7 are in use; then a cut.
fn cut_in_the_middle(talk: &mut Talk<Heap>) -> UnderWay {
    let one = talk.publishes(QoS::AtLeastOnce, "a", b"1");
    let two = talk.publishes(QoS::ExactlyOnce, "a", b"2");
    let released = talk.publishes(QoS::ExactlyOnce, "a", b"3");
    for _ in 0..3 {
        talk.sent();
    }
    talk.server(pubrec(3)).sends(pubrel(3));
    talk.server_publishes(QoS::ExactlyOnce, 7, "in", b"x")
        .delivers("in", b"x")
        .sends(pubrec(7))
        .quiet();
    talk.loses_transport().quiet();
    let queued = talk.publishes(QoS::AtLeastOnce, "a", b"4");
    UnderWay {
        one,
        two,
        released,
        queued,
    }
}

/// The inbound identifier 7 is new to the client: its message is delivered.
fn inbound_identifier_is_free(talk: &mut Talk<Heap>) {
    talk.server_publishes(QoS::ExactlyOnce, 7, "in", b"y")
        .delivers("in", b"y")
        .sends(pubrec(7))
        .quiet();
}

fn given_up(ticket: Ticket, cause: GiveUp) -> Told {
    Told::Published(ticket, Err(cause), Vec::new())
}

// covers: MQTT-3.1.2-5, MQTT-3.1.2-23, MQTT-3.2.2-3
#[test]
fn a_session_that_the_server_kept_goes_on() {
    let mut talk = talk(Config::default());
    talk.connects(&keeping(), connack());
    let under_way = cut_in_the_middle(&mut talk);
    talk.connects(&keeping(), session_present());
    talk.sends(pubrel(3))
        .resends_publish(QoS::AtLeastOnce, 1, "a", b"1")
        .resends_publish(QoS::ExactlyOnce, 2, "a", b"2")
        .sends_publish(QoS::AtLeastOnce, 4, "a", b"4")
        .quiet();
    // What was received before the cut is not delivered again.
    talk.server_publishes(QoS::ExactlyOnce, 7, "in", b"x")
        .sends(pubrec(7))
        .quiet();
    talk.server(pubrel(7)).sends(pubcomp(7)).quiet();
    talk.server(pubcomp(3))
        .settles(under_way.released, ReasonCode::SUCCESS);
    talk.server(puback(1))
        .settles(under_way.one, ReasonCode::SUCCESS);
    talk.server(pubrec(2)).sends(pubrel(2));
    talk.server(pubcomp(2))
        .settles(under_way.two, ReasonCode::SUCCESS);
    talk.server(puback(4))
        .settles(under_way.queued, ReasonCode::SUCCESS)
        .quiet();
}

// covers: MQTT-3.2.2-3, MQTT-3.2.2-5, pitfall 34
#[test]
fn a_session_that_the_server_lost_is_dropped_here_too() {
    let mut talk = talk(Config::default());
    talk.connects(&keeping(), connack());
    let under_way = cut_in_the_middle(&mut talk);
    talk.connects(&keeping(), connack());
    // Past PUBREC the server had the message; of the other it may have had it.
    talk.tells(Told::SessionLost)
        .settles(under_way.released, ReasonCode::SUCCESS)
        .tells(given_up(under_way.two, GiveUp::OutcomeUnknown));
    // QoS 1 is a new message with a new identifier, in front of what was never sent.
    talk.sends_publish(QoS::AtLeastOnce, 4, "a", b"1")
        .sends_publish(QoS::AtLeastOnce, 5, "a", b"4")
        .quiet();
    inbound_identifier_is_free(&mut talk);
    // The old identifiers mean nothing any more.
    talk.server(puback(1)).server(pubcomp(3)).quiet();
    assert_eq!(talk.client.unsolicited(), 2);
    talk.server(puback(4))
        .settles(under_way.one, ReasonCode::SUCCESS);
    talk.server(puback(5))
        .settles(under_way.queued, ReasonCode::SUCCESS)
        .quiet();
}

// covers: MQTT-3.1.2-4, pitfall 35
#[test]
fn clean_start_throws_the_session_away_on_this_side_too() {
    let clean = Connect {
        clean_start: true,
        ..keeping()
    };
    let mut talk = talk(Config::default().clean_start_always(true));
    talk.connects(&clean, connack());
    let under_way = cut_in_the_middle(&mut talk);
    assert!(decoded(&talk.opens(&clean)).clean_start);
    talk.server(connack()).tells(ACCEPTED);
    talk.settles(under_way.released, ReasonCode::SUCCESS)
        .tells(given_up(under_way.one, GiveUp::SessionDiscarded))
        .tells(given_up(under_way.two, GiveUp::SessionDiscarded));
    // Only what was never sent goes out, under an identifier that is not in use.
    talk.sends_publish(QoS::AtLeastOnce, 4, "a", b"4").quiet();
    inbound_identifier_is_free(&mut talk);
    talk.server(puback(4))
        .settles(under_way.queued, ReasonCode::SUCCESS)
        .quiet();
    assert_eq!(talk.client.unsettled(), 0);
}

// covers: pitfall 35
#[test]
fn clean_start_holds_until_the_first_accepted_connection() {
    let clean = Connect {
        clean_start: true,
        ..keeping()
    };
    let mut talk = talk(Config::default());
    assert!(decoded(&talk.opens(&clean)).clean_start);
    talk.server(refused(ReasonCode::SERVER_BUSY))
        .tells(Told::Refused(ReasonCode::SERVER_BUSY))
        .closes()
        .disconnected(Cause::Refused(ReasonCode::SERVER_BUSY));
    assert!(decoded(&talk.opens(&clean)).clean_start);
    talk.server(connack()).tells(ACCEPTED);
    talk.loses_transport();
    assert!(!decoded(&talk.opens(&clean)).clean_start);
    talk.server(session_present()).tells(RESUMED).quiet();
}

// covers: MQTT-3.2.2-2, pitfall 32
#[test]
fn session_present_in_answer_to_clean_start_is_a_protocol_error() {
    let clean = Connect {
        clean_start: true,
        ..keeping()
    };
    let mut fresh = talk(Config::default());
    fresh.opens(&clean);
    fresh
        .server(session_present())
        .ends_by(Violation::SessionPresentAfterCleanStart);

    // Also when there is a session here.
    let mut known = talk(Config::default().clean_start_always(true));
    known.connects(&clean, connack());
    known.loses_transport();
    known.opens(&clean);
    known
        .server(session_present())
        .ends_by(Violation::SessionPresentAfterCleanStart);
}

// covers: MQTT-3.2.2-4, pitfall 33
#[test]
fn session_present_without_a_session_here_ends_it() {
    let mut talk = talk(Config::default());
    talk.opens(&keeping());
    talk.server(session_present())
        .tells(Told::Violation(ReasonCode::PROTOCOL_ERROR, "MQTT-3.2.2-4"))
        .sends(disconnect(ReasonCode::PROTOCOL_ERROR))
        .closes();
    // The next attempt would end the same way.
    talk.rests(Cause::Violation(Violation::UnknownSession));
}

// covers: MQTT-3.2.2-4, pitfall 33
#[test]
fn a_process_that_starts_afresh_can_adopt_its_session() {
    let mut talk = talk(Config::default().adopt_session(true));
    talk.connects(&keeping(), session_present()).quiet();
    // What an earlier life began, this one ends.
    talk.server(pubrel(9)).sends_bytes(&[0x70, 3, 0, 9, 0x92]);
    talk.server(pubrec(5)).sends_bytes(&[0x62, 3, 0, 5, 0x92]);
    talk.quiet();
}

// covers: pitfall 33
#[test]
fn a_client_with_nothing_under_way_has_a_session_all_the_same() {
    let mut talk = talk(Config::default());
    talk.connects(&keeping(), connack());
    talk.loses_transport();
    talk.resumes().quiet();
    talk.loses_transport();
    talk.connects(&keeping(), connack())
        .tells(Told::SessionLost)
        .quiet();
}

// covers: MQTT-3.1.2-23, pitfall 36
#[test]
fn without_session_expiry_the_session_ends_with_the_transport() {
    for expiry in [None, Some(0)] {
        let properties = expiry.map(Property::SessionExpiryInterval);
        let connect = Connect {
            properties: properties.as_slice(),
            ..Connect::new("c")
        };
        let mut talk = talk(Config::default());
        talk.connects(&connect, connack());
        let one = talk.publishes(QoS::AtLeastOnce, "a", b"1");
        let two = talk.publishes(QoS::ExactlyOnce, "a", b"2");
        talk.sent();
        talk.sent();
        // It is told at once, not when the next connection comes.
        talk.loses_transport()
            .tells(given_up(two, GiveUp::OutcomeUnknown))
            .quiet();
        talk.connects(&connect, connack())
            .sends_publish(QoS::AtLeastOnce, 3, "a", b"1")
            .quiet();
        talk.server(puback(3))
            .settles(one, ReasonCode::SUCCESS)
            .quiet();
        // Nothing was kept that the server could still know.
        talk.loses_transport();
        talk.opens(&connect);
        talk.server(session_present())
            .tells(Told::Violation(ReasonCode::PROTOCOL_ERROR, "MQTT-3.2.2-4"));
    }
}

// covers: MQTT-4.1.0-1
#[test]
fn the_session_stays_while_connected_whatever_its_expiry() {
    let config = Config::default().ack_timeout(core::time::Duration::from_secs(1_000_000));
    let mut talk = talk(config);
    let connect = Connect {
        keep_alive: 0,
        ..Connect::new("c")
    };
    talk.connects(&connect, connack());
    let ticket = talk.publishes(QoS::ExactlyOnce, "a", b"1");
    talk.sends_publish(QoS::ExactlyOnce, 1, "a", b"1");
    talk.server_publishes(QoS::ExactlyOnce, 7, "in", b"x")
        .delivers("in", b"x")
        .sends(pubrec(7));
    talk.wait(core::time::Duration::from_secs(999_999)).quiet();
    talk.server_publishes(QoS::ExactlyOnce, 7, "in", b"x")
        .sends(pubrec(7))
        .quiet();
    talk.server(pubrec(1)).sends(pubrel(1));
    talk.server(pubcomp(1))
        .settles(ticket, ReasonCode::SUCCESS)
        .quiet();
}

// covers: MQTT-4.1.0-2
#[test]
fn whether_an_expired_session_is_gone_is_for_the_server_to_say() {
    let connect = Connect {
        properties: &[Property::SessionExpiryInterval(10)],
        ..Connect::new("c")
    };
    for kept in [true, false] {
        let mut talk = talk(Config::default());
        talk.connects(&connect, connack());
        let ticket = talk.publishes(QoS::AtLeastOnce, "a", b"1");
        talk.sent();
        talk.loses_transport();
        talk.wait(core::time::Duration::from_secs(1_000))
            .expect(Did::Open);
        talk.client.opened(talk.now, &connect).unwrap();
        talk.sent();
        if kept {
            talk.server(session_present())
                .tells(RESUMED)
                .resends_publish(QoS::AtLeastOnce, 1, "a", b"1");
            talk.server(puback(1));
        } else {
            talk.server(connack())
                .tells(ACCEPTED)
                .tells(Told::SessionLost)
                .sends_publish(QoS::AtLeastOnce, 2, "a", b"1");
            talk.server(puback(2));
        }
        talk.settles(ticket, ReasonCode::SUCCESS).quiet();
    }
}

// covers: pitfall 37
#[test]
fn the_servers_word_on_session_expiry_holds() {
    // Asked for an hour and granted nothing: the session ends with the transport.
    let mut shortened = talk(Config::default());
    let nothing = [Property::SessionExpiryInterval(0)];
    shortened.connects(&keeping(), connack_with(&nothing));
    let two = shortened.publishes(QoS::ExactlyOnce, "a", b"2");
    shortened.sent();
    shortened
        .loses_transport()
        .tells(given_up(two, GiveUp::OutcomeUnknown))
        .quiet();

    // Asked for nothing and granted an hour: it lives.
    let mut lengthened = talk(Config::default());
    let hour = [Property::SessionExpiryInterval(3600)];
    lengthened.connects(&Connect::new("c"), connack_with(&hour));
    lengthened.publishes(QoS::ExactlyOnce, "a", b"2");
    lengthened.sent();
    lengthened.loses_transport().quiet();
    lengthened
        .connects(&Connect::new("c"), present_with(&hour))
        .resends_publish(QoS::ExactlyOnce, 1, "a", b"2")
        .quiet();
}

// covers: pitfall 37
#[test]
fn disconnect_can_end_the_session_or_prolong_it_but_not_revive_it() {
    let normal = ReasonCode::NORMAL_DISCONNECTION;

    let mut ended = talk(Config::default());
    ended.connects(&keeping(), connack());
    let two = ended.publishes(QoS::ExactlyOnce, "a", b"2");
    ended.sent();
    ended
        .client
        .stop_with(ended.now, normal, &[Property::SessionExpiryInterval(0)])
        .unwrap();
    ended
        .sends_bytes(&[0xe0, 0x07, 0x00, 0x05, 0x11, 0, 0, 0, 0])
        .closes()
        .tells(Told::Disconnected(Cause::Stopped, None))
        .tells(given_up(two, GiveUp::OutcomeUnknown))
        .expect(Did::Done)
        .quiet();

    let mut prolonged = talk(Config::default());
    prolonged.connects(&keeping(), connack());
    prolonged.publishes(QoS::ExactlyOnce, "a", b"2");
    prolonged.sent();
    prolonged
        .client
        .stop_with(
            prolonged.now,
            normal,
            &[Property::SessionExpiryInterval(7_200)],
        )
        .unwrap();
    prolonged.sent();
    prolonged.closes().rests(Cause::Stopped);
    prolonged
        .resumes()
        .resends_publish(QoS::ExactlyOnce, 1, "a", b"2")
        .quiet();

    // CONNECT said 0: that cannot be taken back, whatever CONNACK said since.
    let mut absent = talk(Config::default());
    let hour = [Property::SessionExpiryInterval(3600)];
    absent.connects(&Connect::new("c"), connack_with(&hour));
    assert_eq!(
        absent
            .client
            .stop_with(absent.now, normal, &[Property::SessionExpiryInterval(1)]),
        Err(ControlError::SessionExpiry)
    );
    absent.quiet();
    assert!(absent.client.is_connected());
}

// covers: pitfall 37
#[test]
fn a_disconnect_that_never_left_has_ended_no_session() {
    let mut talk = talk(Config::default());
    talk.connects(&keeping(), connack());
    let ticket = talk.publishes(QoS::ExactlyOnce, "a", b"2");
    talk.sent();
    talk.takes = 0;
    let nothing = [Property::SessionExpiryInterval(0)];
    talk.client
        .stop_with(talk.now, ReasonCode::NORMAL_DISCONNECTION, &nothing)
        .unwrap();
    talk.quiet();
    talk.cut().rests(Cause::Stopped);
    talk.takes = usize::MAX;
    talk.resumes()
        .resends_publish(QoS::ExactlyOnce, 1, "a", b"2");
    talk.server(pubrec(1)).sends(pubrel(1));
    talk.server(pubcomp(1))
        .settles(ticket, ReasonCode::SUCCESS)
        .quiet();
}

// covers: MQTT-3.1.3-2, MQTT-3.1.3-6, MQTT-3.2.2-16, pitfall 45
#[test]
fn an_assigned_client_identifier_is_used_from_then_on() {
    let anonymous = Connect {
        client_id: "",
        ..keeping()
    };
    let mut talk = talk(Config::default());
    assert_eq!(decoded(&talk.opens(&anonymous)).client_id, "");
    let assigned = [Property::AssignedClientIdentifier("srv-0042")];
    talk.server(connack_with(&assigned)).tells(ACCEPTED);
    talk.publishes(QoS::AtLeastOnce, "a", b"1");
    talk.sent();
    talk.loses_transport();
    assert_eq!(decoded(&talk.opens(&anonymous)).client_id, "srv-0042");
    talk.server(session_present())
        .tells(RESUMED)
        .resends_publish(QoS::AtLeastOnce, 1, "a", b"1")
        .quiet();
    // It is the client's own by now.
    talk.loses_transport();
    talk.opens(&anonymous);
    talk.server(present_with(&assigned))
        .ends_by(Violation::UnwantedClientIdentifier);
}

// covers: MQTT-3.1.3-7
#[test]
fn an_empty_client_identifier_must_be_answered_with_one() {
    for properties in [&[][..], &[Property::AssignedClientIdentifier("")]] {
        let mut talk = talk(Config::default());
        talk.opens(&Connect::new(""));
        talk.server(connack_with(properties))
            .ends_by(Violation::NoAssignedClientIdentifier);
    }
}

// covers: MQTT-3.2.2-16, pitfall 45
#[test]
fn a_client_that_has_an_identifier_is_not_given_another() {
    let mut talk = talk(Config::default());
    talk.opens(&Connect::new("mine"));
    talk.server(connack_with(&[Property::AssignedClientIdentifier("yours")]))
        .ends_by(Violation::UnwantedClientIdentifier);
}

// covers: MQTT-3.1.3-6
#[test]
fn a_client_identifier_that_cannot_be_kept_is_not_accepted() {
    let mut talk = Talk::new(Config::default(), Fixed::<2, 2, 64, 128>::new());
    let longest = "x".repeat(64);
    for (id, kept) in [(format!("{longest}y"), false), (longest, true)] {
        // Eight bytes of CONNACK lie around the identifier.
        if !fits_input("a CONNACK with the longest identifier", id.len() + 8) {
            return;
        }
        talk.opens(&Connect::new(""));
        talk.server(connack_with(&[Property::AssignedClientIdentifier(&id)]));
        if kept {
            talk.tells(ACCEPTED).quiet();
        } else {
            talk.ends_by(Violation::ClientIdentifierTooLong);
        }
    }
}

// covers: MQTT-3.1.3-2
#[test]
fn another_client_identifier_is_another_session() {
    let other = Connect {
        client_id: "d",
        ..keeping()
    };
    let mut talk = talk(Config::default());
    talk.connects(&keeping(), connack());
    let under_way = cut_in_the_middle(&mut talk);
    talk.connects(&other, connack());
    // Nothing of the session of "c" is repeated as if it were the session of "d".
    talk.settles(under_way.released, ReasonCode::SUCCESS)
        .tells(given_up(under_way.two, GiveUp::OutcomeUnknown))
        .sends_publish(QoS::AtLeastOnce, 4, "a", b"1")
        .sends_publish(QoS::AtLeastOnce, 5, "a", b"4")
        .quiet();
    inbound_identifier_is_free(&mut talk);

    // And a server that has a session for "d" has one that this side never had.
    let mut unknown = connected(Config::default());
    unknown.loses_transport();
    unknown.opens(&other);
    unknown
        .server(session_present())
        .tells(Told::Violation(ReasonCode::PROTOCOL_ERROR, "MQTT-3.2.2-4"));
}

#[test]
fn a_session_outlives_the_rest_between_stop_and_start() {
    let mut talk = talk(Config::default());
    talk.connects(&keeping(), connack());
    let sent = talk.publishes(QoS::ExactlyOnce, "a", b"1");
    talk.sent();
    talk.client.stop(talk.now);
    talk.sends_bytes(&[0xe0, 0x00])
        .closes()
        .rests(Cause::Stopped);
    let queued = talk.publishes(QoS::AtLeastOnce, "a", b"2");
    talk.quiet();
    talk.resumes()
        .resends_publish(QoS::ExactlyOnce, 1, "a", b"1")
        .sends_publish(QoS::AtLeastOnce, 2, "a", b"2");
    talk.server(puback(2)).settles(queued, ReasonCode::SUCCESS);
    talk.server(pubrec(1)).sends(pubrel(1));
    talk.server(pubcomp(1))
        .settles(sent, ReasonCode::SUCCESS)
        .quiet();
}

#[test]
fn a_refused_attempt_costs_the_session_nothing() {
    let mut talk = talk(Config::default());
    talk.connects(&keeping(), connack());
    let ticket = talk.publishes(QoS::ExactlyOnce, "a", b"1");
    talk.sent();
    talk.loses_transport();
    for _ in 0..2 {
        talk.opens(&keeping());
        talk.server(refused(ReasonCode::SERVER_BUSY))
            .tells(Told::Refused(ReasonCode::SERVER_BUSY))
            .closes()
            .disconnected(Cause::Refused(ReasonCode::SERVER_BUSY))
            .quiet();
    }
    assert_eq!(talk.client.unsettled(), 1);
    talk.resumes()
        .resends_publish(QoS::ExactlyOnce, 1, "a", b"1");
    talk.server(pubrec(1)).sends(pubrel(1));
    talk.server(pubcomp(1))
        .settles(ticket, ReasonCode::SUCCESS)
        .quiet();
}
