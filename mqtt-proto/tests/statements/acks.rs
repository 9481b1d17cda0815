//! PUBACK, PUBREC, PUBREL and PUBCOMP (sections 3.4 to 3.7).

use mqtt_proto::{
    Ack, DecodeErrorKind, EncodeError, Packet, PacketType, Properties, Property, ReasonCode, Sender,
};

use crate::packets::{both_ways, decoded, encoded, id, packet, refused, unencodable};

const BOTH: [Sender; 2] = [Sender::Client, Sender::Server];

fn ack(reason: ReasonCode) -> Ack<'static> {
    Ack {
        packet_id: id(0x0102),
        reason,
        properties: Properties::EMPTY,
    }
}

fn wrap(kind: PacketType, ack: Ack<'_>) -> Packet<'_> {
    match kind {
        PacketType::PubAck => Packet::PubAck(ack),
        PacketType::PubRec => Packet::PubRec(ack),
        PacketType::PubRel => Packet::PubRel(ack),
        PacketType::PubComp => Packet::PubComp(ack),
        other => panic!("{other} is no acknowledgement"),
    }
}

/// The codes of the table are accepted both ways, all others are refused both ways.
fn check_table(kind: PacketType, first: u8, statement: &str, table: &[u8]) {
    for code in 0..=255 {
        let bytes = packet(first, &[1, 2, code]);
        for sender in BOTH {
            if table.contains(&code) {
                let reason = ReasonCode::new(code).expect("named");
                assert_eq!(decoded(&bytes, sender), wrap(kind, ack(reason)));
                let sent = encoded(&wrap(kind, ack(reason)), sender);
                assert_eq!(
                    sent,
                    if code == 0 {
                        packet(first, &[1, 2])
                    } else {
                        bytes.clone()
                    }
                );
                continue;
            }
            let error = refused(&bytes, sender, ReasonCode::PROTOCOL_ERROR, statement);
            assert_eq!(
                (error.kind(), error.offset()),
                (DecodeErrorKind::ReasonCode(code), 4)
            );
            if let Some(code) = ReasonCode::new(code) {
                let expected = EncodeError::ReasonCode { code, packet: kind };
                assert_eq!(unencodable(&wrap(kind, ack(code)), sender), expected);
            }
        }
    }
}

const PUBACK: &[u8] = &[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];

// covers: MQTT-3.4.2-1, pitfall 26
#[test]
fn puback_codes() {
    check_table(PacketType::PubAck, 0x40, "MQTT-3.4.2-1", PUBACK);
}

// covers: MQTT-3.5.2-1, pitfall 26
#[test]
fn pubrec_codes() {
    check_table(PacketType::PubRec, 0x50, "MQTT-3.5.2-1", PUBACK);
}

// covers: MQTT-3.6.2-1, pitfall 26
#[test]
fn pubrel_codes() {
    check_table(PacketType::PubRel, 0x62, "MQTT-3.6.2-1", &[0x00, 0x92]);
}

// covers: MQTT-3.7.2-1, pitfall 26
#[test]
fn pubcomp_codes() {
    check_table(PacketType::PubComp, 0x70, "MQTT-3.7.2-1", &[0x00, 0x92]);
}

// covers: pitfall 7
#[test]
fn all_short_forms_are_accepted_and_the_shortest_is_sent() {
    let reason = |kind| match kind {
        PacketType::PubAck | PacketType::PubRec => ReasonCode::QUOTA_EXCEEDED,
        _ => ReasonCode::PACKET_IDENTIFIER_NOT_FOUND,
    };
    for (kind, first) in [
        (PacketType::PubAck, 0x40),
        (PacketType::PubRec, 0x50),
        (PacketType::PubRel, 0x62),
        (PacketType::PubComp, 0x70),
    ] {
        let success = wrap(kind, ack(ReasonCode::SUCCESS));
        for sender in BOTH {
            both_ways(&success, sender, &packet(first, &[1, 2]));
            assert_eq!(decoded(&packet(first, &[1, 2, 0]), sender), success);
            assert_eq!(decoded(&packet(first, &[1, 2, 0, 0]), sender), success);

            let failure = wrap(kind, ack(reason(kind)));
            let code = reason(kind).value();
            both_ways(&failure, sender, &packet(first, &[1, 2, code]));
            assert_eq!(decoded(&packet(first, &[1, 2, code, 0]), sender), failure);

            // With properties the reason is there, also if it is success.
            let list = [Property::ReasonString("r")];
            let explained = Ack {
                properties: Properties::new(&list),
                ..ack(ReasonCode::SUCCESS)
            };
            both_ways(
                &wrap(kind, explained),
                sender,
                &packet(first, &[1, 2, 0, 4, 0x1f, 0, 1, b'r']),
            );
        }
        for short in [&[][..], &[1]] {
            let error =
                Packet::decode(&packet(first, short), Sender::Server).expect_err("too short");
            assert_eq!(error.kind(), DecodeErrorKind::Truncated);
        }
    }
}

#[test]
fn an_ack_is_encoded_as_one_of_the_four() {
    let mut out = [0; 8];
    let ack = ack(ReasonCode::SUCCESS);
    assert_eq!(
        ack.encode(PacketType::PubComp, Sender::Client, &mut out),
        Ok(4)
    );
    assert_eq!(out[..4], [0x70, 2, 1, 2]);
    for kind in PacketType::ALL {
        if !matches!(
            kind,
            PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp
        ) {
            assert_eq!(
                ack.encode(kind, Sender::Client, &mut out),
                Err(EncodeError::NotAnAck(kind))
            );
        }
    }
    for room in 0..4 {
        let error = ack.encode(PacketType::PubAck, Sender::Client, &mut out[..room]);
        assert_eq!(error, Err(EncodeError::BufferTooSmall { needed: 4 }));
    }
}
