//! Faults that reading the machine has found, each as the shortest conversation that shows it.

use core::time::Duration;
use mqtt_proto::{ConnAck, Packet, Properties, QoS, ReasonCode, Sender};
use mqtt_session::{
    Acknowledge, Action, Cause, Config, Connect, GiveUp, Heap, HeapLimits, Offline, Property,
    RequestError, RxBuffer, TopicFilter,
};
use mqtt_tests::input::INPUT;
use mqtt_tests::talk::*;

fn resumed<'a>(properties: &'a [Property<'a>]) -> Packet<'a> {
    Packet::ConnAck(ConnAck {
        session_present: true,
        reason: ReasonCode::SUCCESS,
        properties: Properties::new(properties),
    })
}

// covers: MQTT-4.6.0-1, pitfall 54
#[test]
fn what_is_new_does_not_pass_what_was_resent_when_a_cut_finds_both_on_their_way() {
    let mut talk = talk(Config::default());
    talk.connects(&keeping(), connack());
    for (payload, number) in [(b"1", 1), (b"2", 2), (b"3", 3)] {
        talk.publishes(QoS::AtLeastOnce, "a", payload);
        talk.sends_publish(QoS::AtLeastOnce, number, "a", payload);
    }
    talk.loses_transport();
    talk.connects(&keeping(), resumed(&[Property::ReceiveMaximum(2)]));
    talk.resends_publish(QoS::AtLeastOnce, 1, "a", b"1")
        .resends_publish(QoS::AtLeastOnce, 2, "a", b"2")
        .quiet();
    talk.publishes(QoS::AtLeastOnce, "a", b"4");
    talk.publishes(QoS::AtMostOnce, "a", b"0");
    talk.takes = 0;
    talk.server(puback(1)).server(puback(2));
    // The transport takes the QoS 0 message, number 3, and all but one byte of number 4.
    talk.client.sent(talk.now, 0);
    let Action::Send(bytes) = talk.client.poll(talk.now, &mut talk.input) else {
        panic!("there is something to send")
    };
    let all_but_one = bytes.len() - 1;
    talk.client.sent(talk.now, all_but_one);
    talk.takes = usize::MAX;
    talk.cut();
    for _ in 0..3 {
        assert!(matches!(
            talk.next(),
            Did::Told(Told::Published(_, Ok(_), _)) | Did::Told(Told::Disconnected(..))
        ));
    }
    talk.next();
    talk.quiet().resumes();
    talk.resends_publish(QoS::AtLeastOnce, 3, "a", b"3")
        .resends_publish(QoS::AtLeastOnce, 4, "a", b"4")
        .quiet();
}

// covers: pitfall 41
#[test]
fn a_message_given_up_between_two_packets_is_told_before_the_client_waits() {
    let mut talk = talk(Config::default());
    let one = talk.publishes(QoS::AtLeastOnce, "a", b"1");
    let two = talk.publishes(QoS::ExactlyOnce, "a", b"2");
    let limits = [
        Property::ReceiveMaximum(1),
        Property::MaximumQoS(QoS::AtLeastOnce),
    ];
    talk.connects(&keeping(), connack_with(&limits));
    talk.sends_publish(QoS::AtLeastOnce, 1, "a", b"1").quiet();
    let mut both = puback(1).to_vec(Sender::Server).unwrap();
    both.extend(Packet::PingResp.to_vec(Sender::Server).unwrap());
    talk.server_bytes(&both);
    let settled = Told::Published(one, Ok(ReasonCode::SUCCESS), Vec::new());
    assert_eq!(talk.next(), Did::Told(settled));
    let given_up = Told::Published(two, Err(GiveUp::QoSNotSupported), Vec::new());
    assert_eq!(talk.next(), Did::Told(given_up));
}

#[test]
fn an_acknowledgement_after_a_long_silence_does_not_count_the_silence_as_a_stall() {
    let mut talk = connected(Config::default().acknowledge(Acknowledge::Manually));
    talk.server_publishes(QoS::AtLeastOnce, 1, "a", b"1");
    let token = talk.delivered().token.expect("a token");
    // Nothing was due for longer than the transport may take no byte.
    talk.now = talk.now.after(Duration::from_secs(40));
    let reason = [Property::ReasonString("ok")];
    let acknowledged = talk
        .client
        .acknowledge_with(token, ReasonCode::SUCCESS, &reason);
    assert_eq!(acknowledged, Ok(()));
    assert_eq!(talk.sent()[0], 0x40);
    talk.quiet();
}

// covers: pitfall 39
#[test]
fn an_answer_in_the_transport_before_a_late_poll_counts_as_life() {
    let mut talk = connected(Config::default());
    talk.wait(Duration::from_secs(60)).sends(Packet::PingReq);
    // The application was busy, the server was not.
    talk.now = talk.now.after(Duration::from_secs(11));
    talk.server(Packet::PingResp).quiet();
    assert!(talk.client.is_connected());
}

#[test]
fn a_header_that_can_never_be_written_is_refused_and_holds_up_nothing() {
    let limits = HeapLimits {
        transmit: 64,
        ..HeapLimits::default()
    };
    let mut talk = Talk::new(Config::default(), Heap::new(limits));
    talk.connects(&keeping(), connack());
    let long = "a".repeat(100);
    let publish = message(QoS::AtLeastOnce, &long, b"");
    let payload = bytes::Bytes::from_static(b"x");
    assert_eq!(
        talk.client.publish_bytes(talk.now, &publish, payload),
        Err(RequestError::LargerThanStore)
    );
    talk.publishes(QoS::AtLeastOnce, "b", b"1");
    talk.sends_publish(QoS::AtLeastOnce, 1, "b", b"1").quiet();
}

// covers: pitfall 76
#[test]
fn a_message_that_expires_at_once_is_given_up_at_every_qos() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut talk = connected(Config::default().qos0_offline(Offline::Queue));
        let publish = message(qos, "a", b"").message_expiry_interval(0);
        let ticket = talk.client.publish(talk.now, &publish).expect("accepted");
        let expired = Told::Published(ticket, Err(GiveUp::Expired), Vec::new());
        talk.tells(expired).quiet();
    }
}

// covers: MQTT-3.1.2-4, pitfall 35
#[test]
fn clean_start_holds_for_another_client_until_that_one_is_accepted() {
    let asks = |client_id| Connect {
        clean_start: true,
        ..Connect::new(client_id)
    };
    let clean_start = |connect: Vec<u8>| connect[9] & 0x02 != 0;
    let mut talk = talk(Config::default());
    for client_id in ["one", "two"] {
        assert!(clean_start(talk.opens(&asks(client_id))));
        let session_present = false;
        talk.server(connack())
            .tells(Told::Connected { session_present });
        talk.loses_transport();
        assert!(!clean_start(talk.opens(&asks(client_id))));
        talk.cut().disconnected(Cause::TransportClosed);
    }
}

// covers: MQTT-3.10.4-6
#[test]
fn more_filters_than_16_bits_count_are_answered() {
    let mut talk = connected(Config::default());
    if INPUT < 4096 {
        fits_input("an UNSUBACK with as many reason codes", 80_000);
        return;
    }
    talk.input = RxBuffer::new(vec![0; 80_000]);
    let filters = vec![TopicFilter::new("a").expect("a filter"); 70_000];
    let ticket = talk
        .client
        .unsubscribe(talk.now, &filters, &[])
        .expect("accepted");
    talk.sent();
    let reasons = vec![ReasonCode::SUCCESS; filters.len()];
    talk.server(unsuback(1, &reasons))
        .tells(Told::Unsubscribed(ticket, reasons));
}
