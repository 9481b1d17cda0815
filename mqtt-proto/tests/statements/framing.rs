//! The fixed header, lengths, and what a packet may not be followed by (section 2.1).

use mqtt_proto::{
    DecodeErrorKind, FixedHeader, Frame, Packet, PacketType, Properties, Property, Publish,
    ReasonCode, Sender, Subscribe, frame,
};

use crate::packets::{decoded, encoded, id, packet, publish, refused};

const MALFORMED: ReasonCode = ReasonCode::MALFORMED_PACKET;

fn whole(input: &[u8], maximum: u32) -> usize {
    match frame(input, maximum).expect("a legal header") {
        Frame::Whole(raw) => raw.len(),
        Frame::Partial { need } => panic!("{need} more"),
    }
}

fn need(input: &[u8], maximum: u32) -> usize {
    match frame(input, maximum).expect("a legal beginning") {
        Frame::Partial { need } => need,
        Frame::Whole(raw) => panic!("{raw:?}"),
    }
}

/// The fixed header of a PUBLISH with this Remaining Length, as the encoder writes it.
fn publish_header(remaining_length: usize) -> Vec<u8> {
    let mut out = [0; 16];
    let publish = publish("t");
    let payload_len = remaining_length - 4;
    let len = publish
        .encode_header(Sender::Client, payload_len, &mut out)
        .expect("it fits");
    out[..len - 4].to_vec()
}

// covers: MQTT-1.5.5-1, pitfall 1
#[test]
fn lengths_take_the_shortest_form() {
    let shortest: [(usize, &[u8]); 7] = [
        (127, &[0x7f]),
        (128, &[0x80, 0x01]),
        (16_383, &[0xff, 0x7f]),
        (16_384, &[0x80, 0x80, 0x01]),
        (2_097_151, &[0xff, 0xff, 0x7f]),
        (2_097_152, &[0x80, 0x80, 0x80, 0x01]),
        (268_435_455, &[0xff, 0xff, 0xff, 0x7f]),
    ];
    for (length, bytes) in shortest {
        assert_eq!(publish_header(length)[1..], *bytes);
        let header = [&[0x30], bytes].concat();
        let parsed = FixedHeader::parse(&header, u32::MAX)
            .expect("legal")
            .expect("complete");
        assert_eq!(parsed.remaining_length() as usize, length);
        assert_eq!(parsed.len(), header.len());
        assert_eq!(parsed.packet_len(), length + header.len());
    }
    assert_eq!(encoded(&Packet::PingReq, Sender::Client), [0xc0, 0x00]);

    for bytes in [
        &[0x80, 0x00][..],
        &[0xff, 0x00],
        &[0x80, 0x80, 0x00],
        &[0x80, 0x80, 0x80, 0x00],
    ] {
        let input = [&[0x30], bytes, &[0; 200]].concat();
        let error = frame(&input, u32::MAX).expect_err("not the shortest form");
        assert_eq!(error.kind(), DecodeErrorKind::VarintNotMinimal);
        assert_eq!(
            (error.reason(), error.statement(), error.offset()),
            (MALFORMED, "MQTT-1.5.5-1", 1)
        );
    }
    // A fourth byte that announces a fifth is enough.
    let error = frame(&[0x30, 0x80, 0x80, 0x80, 0x80], u32::MAX).expect_err("five bytes");
    assert_eq!(error.kind(), DecodeErrorKind::VarintTooLong);
    assert_eq!(
        (error.reason(), error.statement()),
        (MALFORMED, "section 1.5.5")
    );
    assert_eq!(need(&[0x30, 0x80, 0x80, 0x80], u32::MAX), 1);
}

// covers: MQTT-1.5.5-1
#[test]
fn property_lengths_and_subscription_identifiers_take_the_shortest_form() {
    let long = refused(
        &packet(0x30, &[0, 1, b't', 0x80, 0x00]),
        Sender::Server,
        MALFORMED,
        "MQTT-1.5.5-1",
    );
    assert_eq!(long.offset(), 5);
    let id = [0, 1, b't', 3, 0x0b, 0x81, 0x00];
    refused(
        &packet(0x30, &id),
        Sender::Server,
        MALFORMED,
        "MQTT-1.5.5-1",
    );
    let id = [0, 1, b't', 6, 0x0b, 0x80, 0x80, 0x80, 0x80, 0x01];
    refused(
        &packet(0x30, &id),
        Sender::Server,
        MALFORMED,
        "section 1.5.5",
    );

    for (number, len) in [
        (1, 1),
        (127, 1),
        (128, 2),
        (16_383, 2),
        (16_384, 3),
        (2_097_152, 4),
        (268_435_455, 4),
    ] {
        let list = [Property::SubscriptionIdentifier(number)];
        let sent = Packet::Publish(Publish {
            properties: Properties::new(&list),
            ..publish("t")
        });
        let bytes = encoded(&sent, Sender::Server);
        assert_eq!(bytes.len(), 2 + 3 + 1 + 1 + len, "{number}");
        assert_eq!(decoded(&bytes, Sender::Server), sent);
    }
}

// covers: pitfall 1
#[test]
fn the_longest_remaining_length_is_the_limit_of_the_encoder() {
    let publish = publish("t");
    assert_eq!(publish.header_len(268_435_451), Ok(9));
    assert_eq!(
        publish.header_len(268_435_452),
        Err(mqtt_proto::EncodeError::TooLarge {
            remaining_length: 268_435_456
        })
    );
    for payload_len in [268_435_452, usize::MAX] {
        let error = publish
            .encode_header(Sender::Client, payload_len, &mut [0; 16])
            .expect_err("too large");
        assert!(
            matches!(error, mqtt_proto::EncodeError::TooLarge { .. }),
            "{error:?}"
        );
    }
}

// covers: MQTT-2.1.3-1, pitfall 3
#[test]
fn header_flags_are_fixed() {
    for packet_type in PacketType::ALL {
        if packet_type == PacketType::Publish {
            continue;
        }
        let right = match packet_type {
            PacketType::PubRel | PacketType::Subscribe | PacketType::Unsubscribe => 0b0010,
            _ => 0b0000,
        };
        let statement = match packet_type {
            PacketType::PubRel => "MQTT-3.6.1-1",
            PacketType::Subscribe => "MQTT-3.8.1-1",
            PacketType::Unsubscribe => "MQTT-3.10.1-1",
            PacketType::Disconnect => "MQTT-3.14.1-1",
            PacketType::Auth => "MQTT-3.15.1-1",
            _ => "MQTT-2.1.3-1",
        };
        for flags in 0..16 {
            let first = (packet_type as u8) << 4 | flags;
            if flags == right {
                assert_eq!(need(&[first], u32::MAX), 1);
                continue;
            }
            // The first byte is enough.
            let error = frame(&[first], u32::MAX).expect_err("wrong flags");
            assert_eq!(
                error.kind(),
                DecodeErrorKind::WrongFlags {
                    found: flags,
                    expected: right
                }
            );
            assert_eq!(error.packet_type(), Some(packet_type));
            assert_eq!(
                (error.reason(), error.statement(), error.offset()),
                (MALFORMED, statement, 0)
            );
        }
    }
}

// covers: MQTT-3.6.1-1, MQTT-3.8.1-1, MQTT-3.10.1-1, pitfall 3
#[test]
fn the_encoder_writes_the_fixed_flags() {
    let ack = mqtt_proto::Ack {
        packet_id: id(1),
        reason: ReasonCode::SUCCESS,
        properties: Properties::EMPTY,
    };
    assert_eq!(
        encoded(&Packet::PubRel(ack), Sender::Client),
        [0x62, 2, 0, 1]
    );
    assert_eq!(
        encoded(&Packet::PubAck(ack), Sender::Client),
        [0x40, 2, 0, 1]
    );
    let filters = [mqtt_proto::TopicFilter::new("a").expect("a filter")];
    let subscriptions = [mqtt_proto::Subscription {
        filter: filters[0],
        options: mqtt_proto::SubscriptionOptions::default(),
    }];
    let subscribe = Packet::Subscribe(Subscribe {
        packet_id: id(1),
        properties: Properties::EMPTY,
        subscriptions: mqtt_proto::Subscriptions::new(&subscriptions),
    });
    assert_eq!(encoded(&subscribe, Sender::Client)[0], 0x82);
    let unsubscribe = Packet::Unsubscribe(mqtt_proto::Unsubscribe {
        packet_id: id(1),
        properties: Properties::EMPTY,
        filters: mqtt_proto::Filters::new(&filters),
    });
    assert_eq!(encoded(&unsubscribe, Sender::Client)[0], 0xa2);
}

// covers: MQTT-3.14.1-1, MQTT-3.15.1-1, MQTT-3.6.1-1
#[test]
fn wrong_flags_are_refused_in_whole_packets() {
    for first in [0xe1, 0xe2, 0xe4, 0xe8] {
        refused(&[first, 0], Sender::Server, MALFORMED, "MQTT-3.14.1-1");
    }
    for first in [0xf1, 0xf2, 0xf4, 0xf8] {
        refused(&[first, 0], Sender::Server, MALFORMED, "MQTT-3.15.1-1");
    }
    for first in [0x60, 0x6a] {
        let error = refused(&[first, 2, 0, 1], Sender::Server, MALFORMED, "MQTT-3.6.1-1");
        assert_eq!(
            error.to_string(),
            format!(
                "malformed PUBREL at byte 0: header flags 0x{:02x}, must be 0x02 (MQTT-3.6.1-1, answer 0x81)",
                first & 0x0f
            )
        );
    }
}

// covers: MQTT-3.3.1-2, MQTT-3.3.1-4, pitfall 4, pitfall 5
#[test]
fn a_publish_has_no_qos_3_and_no_dup_with_qos_0() {
    for first in 0x30..=0x3f_u8 {
        let qos3 = first & 0b0110 == 0b0110;
        let dup0 = first & 0b1110 == 0b1000;
        match frame(&[first], u32::MAX) {
            Ok(partial) => {
                assert_eq!(partial, Frame::Partial { need: 1 });
                assert!(!qos3 && !dup0, "{first:02x}");
            }
            Err(error) => {
                let (kind, statement) = if qos3 {
                    (DecodeErrorKind::InvalidQoS, "MQTT-3.3.1-4")
                } else {
                    (DecodeErrorKind::DupWithQoS0, "MQTT-3.3.1-2")
                };
                assert!(qos3 || dup0, "{first:02x}");
                assert_eq!(
                    (error.kind(), error.statement(), error.reason()),
                    (kind, statement, MALFORMED)
                );
            }
        }
    }
    for body in [&[0, 1, b't', 0][..], &[0, 1, b't', 0, 7, 0]] {
        refused(
            &packet(0x36, body),
            Sender::Server,
            MALFORMED,
            "MQTT-3.3.1-4",
        );
        refused(
            &packet(0x38, body),
            Sender::Server,
            MALFORMED,
            "MQTT-3.3.1-2",
        );
    }
}

// covers: pitfall 2
#[test]
fn the_maximum_counts_the_whole_packet_and_is_seen_in_the_header() {
    let bytes = packet(0x30, &[0, 1, b't', 0, b'p']);
    assert_eq!(whole(&bytes, 7), 7);
    let error = frame(&bytes, 6).expect_err("one byte too large");
    assert_eq!(
        error.kind(),
        DecodeErrorKind::TooLarge { len: 7, maximum: 6 }
    );
    assert_eq!(error.reason(), ReasonCode::PACKET_TOO_LARGE);
    // Not a byte of the body is waited for.
    assert_eq!(frame(&bytes[..2], 6), Err(error));
    // The length bytes count, too: 128 bytes of body are 131 bytes of packet.
    let mut large = vec![0x30, 0x80, 0x01];
    large.resize(131, b't');
    assert_eq!(whole(&large, 131), 131);
    assert_eq!(
        frame(&large, 130).expect_err("too large").reason(),
        ReasonCode::PACKET_TOO_LARGE
    );
    // The largest packet there is.
    let header = [0x30, 0xff, 0xff, 0xff, 0x7f];
    assert_eq!(need(&header, 268_435_460), 268_435_455);
    let error = frame(&header, 268_435_459).expect_err("one byte too large");
    assert_eq!(
        error.kind(),
        DecodeErrorKind::TooLarge {
            len: 268_435_460,
            maximum: 268_435_459
        }
    );
}

#[test]
fn what_is_missing_is_told_and_never_beyond_the_maximum() {
    assert_eq!(need(&[], 100), 2);
    assert_eq!(need(&[0x40], 100), 1);
    assert_eq!(need(&[0x40, 2], 100), 2);
    assert_eq!(need(&[0x40, 2, 0], 100), 1);
    assert_eq!(need(&[0x30, 98], 100), 98);
    assert_eq!(need(&[0x30, 0x80], 1_000), 1);
    // What follows a packet is not part of it.
    assert_eq!(whole(&[0x40, 2, 0, 1, 0xff, 0xff], 100), 4);
}

// covers: pitfall 11
#[test]
fn nothing_follows_the_last_field() {
    let connack = packet(0x20, &[0, 0, 0]);
    decoded(&connack, Sender::Server);
    let cases: [(Vec<u8>, Sender); 8] = [
        (packet(0x20, &[0, 0, 0, 9]), Sender::Server),
        (packet(0x40, &[0, 1, 0, 0, 9]), Sender::Server),
        (packet(0x62, &[0, 1, 0, 0, 9]), Sender::Client),
        (packet(0xe0, &[0, 0, 9]), Sender::Server),
        (
            packet(0xf0, &[0x18, 4, 0x15, 0, 1, b'm', 9]),
            Sender::Server,
        ),
        (packet(0xc0, &[9]), Sender::Client),
        (packet(0xd0, &[9]), Sender::Server),
        (
            packet(
                0x10,
                &[0, 4, b'M', b'Q', b'T', b'T', 5, 0, 0, 0, 0, 0, 0, 9],
            ),
            Sender::Client,
        ),
    ];
    for (bytes, sender) in cases {
        let error = refused(&bytes, sender, MALFORMED, "section 2.1.4");
        assert_eq!(error.kind(), DecodeErrorKind::TrailingBytes { count: 1 });
        assert_eq!(error.offset(), bytes.len() - 1);
    }
    // More input than the packet that `Packet::decode` is given.
    let error = refused(
        &[0xd0, 0, 0xd0, 0],
        Sender::Server,
        MALFORMED,
        "section 2.1.4",
    );
    assert_eq!(
        (error.kind(), error.offset()),
        (DecodeErrorKind::TrailingBytes { count: 2 }, 2)
    );
}

// covers: pitfall 11
#[test]
fn properties_end_with_their_block_and_their_block_with_the_packet() {
    // The last property runs over the block, though the packet goes on.
    let over = packet(0x30, &[0, 1, b't', 4, 0x02, 0, 0, 0, 0, b'p', b'p']);
    let error = refused(&over, Sender::Server, MALFORMED, "section 2.1.4");
    assert_eq!(
        (error.kind(), error.offset()),
        (DecodeErrorKind::Truncated, 7)
    );
    let over = packet(0x30, &[0, 1, b't', 4, 0x03, 0, 2, b'a', b'b', b'p']);
    assert_eq!(
        refused(&over, Sender::Server, MALFORMED, "section 2.1.4").offset(),
        9
    );
    // The block runs over the packet.
    let over = packet(0x30, &[0, 1, b't', 6, 0x02, 0, 0, 0, 0]);
    let error = refused(&over, Sender::Server, MALFORMED, "section 2.2.2.1");
    assert_eq!(
        (error.kind(), error.offset()),
        (DecodeErrorKind::PropertiesTooLong { len: 6 }, 5)
    );
}

// covers: MQTT-2.2.2-1, pitfall 10
#[test]
fn a_property_length_is_always_there() {
    let without: [(Vec<u8>, Sender); 8] = [
        (packet(0x20, &[0, 0]), Sender::Server),
        (packet(0x90, &[0, 1]), Sender::Server),
        (packet(0xb0, &[0, 1]), Sender::Server),
        (packet(0x30, &[0, 1, b't']), Sender::Server),
        (packet(0x32, &[0, 1, b't', 0, 1]), Sender::Server),
        (packet(0x82, &[0, 1]), Sender::Client),
        (packet(0xa2, &[0, 1]), Sender::Client),
        (
            packet(0x10, &[0, 4, b'M', b'Q', b'T', b'T', 5, 0, 0, 0]),
            Sender::Client,
        ),
    ];
    for (bytes, sender) in without {
        let error = refused(&bytes, sender, MALFORMED, "MQTT-2.2.2-1");
        assert_eq!(error.kind(), DecodeErrorKind::MissingPropertyLength);
        assert_eq!(error.offset(), bytes.len());
    }
    // And so does the encoder write it.
    assert_eq!(
        encoded(&Packet::Publish(publish("t")), Sender::Client),
        [0x30, 4, 0, 1, b't', 0]
    );
    let connect = encoded(&Packet::Connect(crate::packets::connect()), Sender::Client);
    assert_eq!(
        connect,
        [0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 5, 0, 0, 0, 0, 0, 0]
    );
}

// covers: pitfall 28
#[test]
fn each_end_sends_its_own_packets_only() {
    let bodies: [(u8, &[u8]); 15] = [
        (0x10, &[0, 4, b'M', b'Q', b'T', b'T', 5, 0, 0, 0, 0, 0, 0]),
        (0x20, &[0, 0, 0]),
        (0x30, &[0, 1, b't', 0]),
        (0x40, &[0, 1]),
        (0x50, &[0, 1]),
        (0x62, &[0, 1]),
        (0x70, &[0, 1]),
        (0x82, &[0, 1, 0, 0, 1, b'a', 0]),
        (0x90, &[0, 1, 0, 0]),
        (0xa2, &[0, 1, 0, 0, 1, b'a']),
        (0xb0, &[0, 1, 0, 0]),
        (0xc0, &[]),
        (0xd0, &[]),
        (0xe0, &[]),
        (0xf0, &[0x18, 4, 0x15, 0, 1, b'm']),
    ];
    for ((first, body), packet_type) in bodies.into_iter().zip(PacketType::ALL) {
        let from_server = matches!(first >> 4, 2..=7 | 9 | 11 | 13..=15);
        let from_client = matches!(first >> 4, 1 | 3..=8 | 10 | 12 | 14 | 15);
        let bytes = packet(first, body);
        for (sender, allowed) in [(Sender::Client, from_client), (Sender::Server, from_server)] {
            assert_eq!(packet_type.may_come_from(sender), allowed);
            if allowed {
                let packet = decoded(&bytes, sender);
                assert_eq!(packet.packet_type(), packet_type);
                assert_eq!(encoded(&packet, sender), bytes);
                if !packet_type.may_come_from(sender.peer()) {
                    let error = packet.encode(sender.peer(), &mut [0; 64]);
                    let wrong = mqtt_proto::EncodeError::WrongDirection(packet_type, sender.peer());
                    assert_eq!(error, Err(wrong));
                }
            } else {
                let error = refused(&bytes, sender, ReasonCode::PROTOCOL_ERROR, "section 2.1.2");
                assert_eq!(error.kind(), DecodeErrorKind::WrongDirection);
            }
        }
    }
    // Type 0 is nobody's.
    for first in 0..16 {
        let error = frame(&[first, 0], u32::MAX).expect_err("reserved");
        assert_eq!(
            (error.kind(), error.reason()),
            (DecodeErrorKind::ReservedType, MALFORMED)
        );
        assert_eq!(error.packet_type(), None);
    }
}

#[test]
fn a_typed_decoder_takes_no_other_packet() {
    let bytes = packet(0x40, &[0, 1]);
    let Ok(Frame::Whole(raw)) = frame(&bytes, 100) else {
        panic!("a whole packet")
    };
    assert_eq!(
        raw.ack(Sender::Server).map(Packet::PubAck),
        raw.decode(Sender::Server)
    );
    let error = raw.publish(Sender::Server).expect_err("a PUBACK");
    assert_eq!(
        error.kind(),
        DecodeErrorKind::WrongType {
            expected: PacketType::Publish
        }
    );
    assert!(raw.connack(Sender::Server).is_err() && raw.suback(Sender::Server).is_err());
    let ping = packet(0xd0, &[]);
    let Ok(Frame::Whole(raw)) = frame(&ping, 100) else {
        panic!("a whole packet")
    };
    assert!(raw.ack(Sender::Server).is_err());
}
