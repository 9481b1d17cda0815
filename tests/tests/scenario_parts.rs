//! Payloads larger than the input buffer, through one of 64 bytes.

use mqtt_proto::{Packet, QoS, ReasonCode, ReasonCodes, Sender, SubAck};
use mqtt_session::{Cause, Config, Heap, RxBuffer, Violation};
use mqtt_tests::talk::*;

const EACH: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

fn narrow() -> Talk<Heap> {
    let mut talk = talk(Config::default());
    talk.input = RxBuffer::new(vec![0; 64]);
    talk.parts = true;
    talk.connects(&keeping(), connack());
    talk
}

/// A payload of which no two places look alike soon.
fn long(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

fn bytes_of(qos: QoS, payload: &[u8]) -> Vec<u8> {
    let number = if qos == QoS::AtMostOnce { 0 } else { 7 };
    let packet = Packet::Publish(publish(qos, number, "a/long", payload));
    packet.to_vec(Sender::Server).unwrap()
}

/// The parts up to this offset, one behind the other.
#[track_caller]
fn takes_parts(talk: &mut Talk<Heap>, payload: &[u8], end: usize) {
    let mut offset = 0;
    while offset < end {
        let part = talk.delivered();
        assert_eq!((part.offset, part.total), (offset, payload.len()));
        assert_eq!(part.payload, payload[offset..offset + part.payload.len()]);
        assert!(part.payload.len() <= 64);
        offset += part.payload.len();
    }
    assert_eq!(offset, end);
}

#[test]
fn a_long_payload_is_acknowledged_after_its_last_part() {
    let payload = long(100_000);
    for qos in EACH {
        let mut talk = narrow();
        let bytes = bytes_of(qos, &payload);
        let (last, most) = bytes.split_last().unwrap();
        talk.server_bytes(most);
        // The header has 15 bytes, without a packet identifier 13.
        let part = if qos == QoS::AtMostOnce { 51 } else { 49 };
        let end = (payload.len() - 1) / part * part;
        takes_parts(&mut talk, &payload, end);
        talk.quiet();
        talk.server_bytes(&[*last]);
        let part = talk.delivered();
        assert_eq!(
            (part.offset, part.payload.len()),
            (end, payload.len() - end)
        );
        match qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => _ = talk.sends(puback(7)),
            QoS::ExactlyOnce => _ = talk.sends(pubrec(7)),
        }
        talk.quiet();
    }
}

#[test]
fn a_cut_between_two_parts_is_told_and_the_message_comes_again_from_its_start() {
    let payload = long(300);
    for qos in EACH {
        let mut talk = narrow();
        let bytes = bytes_of(qos, &payload);
        talk.server_bytes(&bytes[..200]);
        while talk.did().is_some() {}
        talk.cut().tells(Told::DeliveryCut);
        talk.disconnected(Cause::TransportClosed).quiet();
        talk.resumes();
        talk.server_bytes(&bytes);
        takes_parts(&mut talk, &payload, payload.len());
    }
}

#[test]
fn a_cut_before_the_first_part_is_no_cut_in_a_delivery() {
    let mut talk = narrow();
    let bytes = bytes_of(QoS::ExactlyOnce, &long(300));
    talk.server_bytes(&bytes[..40]).loses_transport().quiet();
}

#[test]
fn a_message_that_was_delivered_passes_unseen_and_a_cut_in_it_is_not_told() {
    let payload = long(300);
    let bytes = bytes_of(QoS::ExactlyOnce, &payload);
    let mut talk = narrow();
    talk.server_bytes(&bytes);
    takes_parts(&mut talk, &payload, payload.len());
    talk.sends(pubrec(7)).loses_transport();
    talk.resumes();
    talk.server_bytes(&bytes[..250]).quiet();
    talk.loses_transport().quiet();
    talk.resumes();
    talk.server_bytes(&bytes).sends(pubrec(7)).quiet();
    talk.server(pubrel(7)).sends(pubcomp(7)).quiet();
}

#[test]
fn what_is_not_payload_has_to_fit() {
    let reasons = [ReasonCode::SUCCESS; 60];
    let topic = "a".repeat(50);
    let suback = Packet::SubAck(SubAck {
        packet_id: mqtt_proto::PacketId::new(1).unwrap(),
        properties: mqtt_proto::Properties::EMPTY,
        reasons: ReasonCodes::new(&reasons),
    });
    for packet in [
        suback,
        Packet::Publish(publish(QoS::AtMostOnce, 0, &topic, &[0; 100])),
    ] {
        let mut talk = narrow();
        // As much as there is room for: nothing is read any more then.
        let bytes = packet.to_vec(Sender::Server).unwrap();
        talk.server_bytes(&bytes[..64]);
        talk.ends_by(Violation::LargerThanBuffer);
    }
}

#[test]
fn a_header_of_three_quarters_of_the_buffer_is_small_enough() {
    // Three bytes of the fixed header, two of the topic's length, and that of the properties.
    let topic = "a".repeat(48 - 6);
    let mut talk = narrow();
    let packet = Packet::Publish(publish(QoS::AtMostOnce, 0, &topic, &[0; 200]));
    talk.server_bytes(&packet.to_vec(Sender::Server).unwrap());
    takes_parts(&mut talk, &[0; 200], 200);
    talk.quiet();
}

#[test]
fn the_size_of_the_buffer_is_not_told_to_the_server() {
    let mut talk = talk(Config::default());
    talk.input = RxBuffer::new(vec![0; 64]);
    talk.parts = true;
    let connect = talk.opens(&keeping());
    let Packet::Connect(connect) = Packet::decode(&connect, Sender::Client).unwrap() else {
        panic!("not CONNECT")
    };
    assert_eq!(connect.properties.maximum_packet_size(), None);
}
