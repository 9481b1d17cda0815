//! DISCONNECT (section 3.14) and AUTH (section 3.15).

use mqtt_proto::{
    Auth, DecodeErrorKind, Disconnect, EncodeError, Packet, PacketType, Properties, Property,
    PropertyId, ReasonCode, Sender,
};

use crate::packets::{both_ways, decoded, packet, refused, unencodable};

const PROTOCOL_ERROR: ReasonCode = ReasonCode::PROTOCOL_ERROR;

fn disconnect(reason: ReasonCode) -> Packet<'static> {
    Packet::Disconnect(Disconnect {
        reason,
        properties: Properties::EMPTY,
    })
}

const FROM_CLIENT: &[u8] = &[
    0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
];
const FROM_SERVER: &[u8] = &[
    0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95, 0x96,
    0x97, 0x98, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
];

// covers: MQTT-3.14.2-1, pitfall 8, pitfall 26, pitfall 50
#[test]
fn disconnect_codes() {
    for (sender, table, tolerated) in [
        (Sender::Client, FROM_CLIENT, &[0x8c, 0x9b][..]),
        (Sender::Server, FROM_SERVER, &[0x8c]),
    ] {
        for code in 0..=255 {
            let bytes = packet(0xe0, &[code]);
            let reason = ReasonCode::new(code);
            if table.contains(&code) {
                let reason = reason.expect("named");
                assert_eq!(decoded(&bytes, sender), disconnect(reason));
                // No property length after the code, and no code if it is 0.
                let sent = if code == 0 { vec![0xe0, 0] } else { bytes };
                both_ways(&disconnect(reason), sender, &sent);
                continue;
            }
            if tolerated.contains(&code) {
                // The tables contradict each other: accepted, but never sent.
                assert_eq!(decoded(&bytes, sender), disconnect(reason.expect("named")));
            } else {
                let error = refused(&bytes, sender, PROTOCOL_ERROR, "MQTT-3.14.2-1");
                assert_eq!(
                    (error.kind(), error.offset()),
                    (DecodeErrorKind::ReasonCode(code), 2)
                );
            }
            if let Some(code) = reason {
                let expected = EncodeError::ReasonCode {
                    code,
                    packet: PacketType::Disconnect,
                };
                assert_eq!(unencodable(&disconnect(code), sender), expected);
            }
        }
    }
}

// covers: pitfall 8
#[test]
fn all_short_forms_of_disconnect_are_accepted() {
    let normal = disconnect(ReasonCode::NORMAL_DISCONNECTION);
    for body in [&[][..], &[0], &[0, 0]] {
        for sender in [Sender::Client, Sender::Server] {
            assert_eq!(decoded(&packet(0xe0, body), sender), normal);
        }
    }
    let busy = disconnect(ReasonCode::SERVER_BUSY);
    assert_eq!(decoded(&packet(0xe0, &[0x89]), Sender::Server), busy);
    assert_eq!(decoded(&packet(0xe0, &[0x89, 0]), Sender::Server), busy);
    let list = [Property::ReasonString("r")];
    let explained = Packet::Disconnect(Disconnect {
        reason: ReasonCode::NORMAL_DISCONNECTION,
        properties: Properties::new(&list),
    });
    both_ways(
        &explained,
        Sender::Server,
        &packet(0xe0, &[0, 4, 0x1f, 0, 1, b'r']),
    );
}

// covers: MQTT-3.14.2-2
#[test]
fn a_server_sends_no_session_expiry() {
    let bytes = packet(0xe0, &[0, 5, 0x11, 0, 0, 0, 9]);
    let error = refused(&bytes, Sender::Server, PROTOCOL_ERROR, "MQTT-3.14.2-2");
    let property = PropertyId::SessionExpiryInterval;
    assert_eq!(
        (error.kind(), error.offset()),
        (DecodeErrorKind::PropertyFromWrongSender(property), 4)
    );
    let list = [Property::SessionExpiryInterval(9)];
    let packet = Packet::Disconnect(Disconnect {
        reason: ReasonCode::NORMAL_DISCONNECTION,
        properties: Properties::new(&list),
    });
    both_ways(&packet, Sender::Client, &bytes);
    let expected = EncodeError::PropertyNotAllowed(property, PacketType::Disconnect);
    assert_eq!(unencodable(&packet, Sender::Server), expected);
}

fn auth<'a>(reason: ReasonCode, list: &'a [Property<'a>]) -> Packet<'a> {
    Packet::Auth(Auth {
        reason,
        properties: Properties::new(list),
    })
}

// covers: MQTT-3.15.2-1, pitfall 26
#[test]
fn auth_codes() {
    let list = [Property::AuthenticationMethod("m")];
    for (sender, table) in [
        (Sender::Client, [0x18, 0x19]),
        (Sender::Server, [0x00, 0x18]),
    ] {
        for code in 0..=255 {
            let bytes = packet(0xf0, &[code, 4, 0x15, 0, 1, b'm']);
            if table.contains(&code) {
                both_ways(
                    &auth(ReasonCode::new(code).expect("named"), &list),
                    sender,
                    &bytes,
                );
                continue;
            }
            let error = refused(&bytes, sender, PROTOCOL_ERROR, "MQTT-3.15.2-1");
            assert_eq!(
                (error.kind(), error.offset()),
                (DecodeErrorKind::ReasonCode(code), 2)
            );
            if let Some(code) = ReasonCode::new(code) {
                let expected = EncodeError::ReasonCode {
                    code,
                    packet: PacketType::Auth,
                };
                assert_eq!(unencodable(&auth(code, &list), sender), expected);
            }
        }
    }
}

// covers: pitfall 9
#[test]
fn an_auth_without_a_method_is_refused() {
    let missing = DecodeErrorKind::MissingProperty(PropertyId::AuthenticationMethod);
    for body in [&[][..], &[0], &[0, 0], &[0x18, 4, 0x16, 0, 1, b'd']] {
        let error = refused(
            &packet(0xf0, body),
            Sender::Server,
            PROTOCOL_ERROR,
            "section 3.15.2.2.2",
        );
        assert_eq!(error.kind(), missing);
    }
    for list in [&[][..], &[Property::AuthenticationData(b"d")]] {
        let expected = EncodeError::MissingProperty(PropertyId::AuthenticationMethod);
        assert_eq!(
            unencodable(
                &auth(ReasonCode::CONTINUE_AUTHENTICATION, list),
                Sender::Client
            ),
            expected
        );
    }
    // Properties that were decoded from another packet do not pass either.
    let bytes = packet(0xe0, &[0x89, 4, 0x1f, 0, 1, b'r']);
    let Packet::Disconnect(other) = decoded(&bytes, Sender::Server) else {
        panic!("a DISCONNECT")
    };
    let bad = Packet::Auth(Auth {
        reason: ReasonCode::CONTINUE_AUTHENTICATION,
        properties: other.properties,
    });
    let expected = EncodeError::MissingProperty(PropertyId::AuthenticationMethod);
    assert_eq!(unencodable(&bad, Sender::Client), expected);
}
