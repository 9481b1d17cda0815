//! The two ways in which the crate can be built, for speed and for size, answer alike: whatever
//! they make of many packets, whole, damaged and cut, comes down to one number that is written here.
//!
//! A change of what is accepted, of an error, of its place or of an encoding changes the number,
//! and is to change it for both.

use std::fmt::Write as _;

use mqtt_proto::*;

/// FNV-1a over everything that is told to it.
struct Digest(u64);

impl std::fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}

impl Digest {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn note(&mut self, thing: impl std::fmt::Debug) {
        write!(self, "{thing:?};").unwrap();
    }

    /// Many bytes, of which nobody writes numbers first.
    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// xorshift64*: the same numbers everywhere.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end
    }
}

const BOTH: [Sender; 2] = [Sender::Client, Sender::Server];

/// Bytes that mean something somewhere: identifiers of properties, wildcards, lengths, UTF-8.
const TELLING: [u8; 24] = [
    0x00, 0x01, 0x02, 0x03, 0x04, 0x08, 0x0b, 0x11, 0x16, 0x1f, 0x21, 0x23, 0x24, 0x26, 0x2a, 0x2b,
    0x2f, 0x7f, 0x80, 0x8c, 0x9b, 0xc3, 0xed, 0xff,
];

fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

fn topic(name: &str) -> TopicName<'_> {
    TopicName::new(name).unwrap()
}

fn filter(filter: &str) -> TopicFilter<'_> {
    TopicFilter::new(filter).unwrap()
}

/// Every property, each with a value that is legal.
fn every_property() -> Vec<Property<'static>> {
    vec![
        Property::PayloadFormatIndicator(PayloadFormat::Utf8),
        Property::MessageExpiryInterval(70_000),
        Property::ContentType("text/ä"),
        Property::ResponseTopic(topic("back/to/me")),
        Property::CorrelationData(&[0, 1, 2]),
        Property::SubscriptionIdentifier(200),
        Property::SessionExpiryInterval(3600),
        Property::AssignedClientIdentifier("c-1"),
        Property::ServerKeepAlive(30),
        Property::AuthenticationMethod("GS2"),
        Property::AuthenticationData(b"xyz"),
        Property::RequestProblemInformation(false),
        Property::WillDelayInterval(5),
        Property::RequestResponseInformation(true),
        Property::ResponseInformation("resp"),
        Property::ServerReference("other:1883"),
        Property::ReasonString("because €"),
        Property::ReceiveMaximum(10),
        Property::TopicAliasMaximum(0),
        Property::TopicAlias(3),
        Property::MaximumQoS(QoS::AtLeastOnce),
        Property::RetainAvailable(false),
        Property::UserProperty("k", "𝄞"),
        Property::MaximumPacketSize(5000),
        Property::WildcardSubscriptionAvailable(true),
        Property::SubscriptionIdentifierAvailable(false),
        Property::SharedSubscriptionAvailable(true),
    ]
}

/// Values that are out of range, too long, or not text.
fn bad_properties(long: &str) -> Vec<Property<'_>> {
    vec![
        Property::SubscriptionIdentifier(0),
        Property::SubscriptionIdentifier(268_435_456),
        Property::ReceiveMaximum(0),
        Property::TopicAlias(0),
        Property::MaximumPacketSize(0),
        Property::MaximumQoS(QoS::ExactlyOnce),
        Property::ContentType("a\0"),
        Property::ReasonString(long),
        Property::UserProperty("n\0", "v"),
        Property::UserProperty("n", "\0"),
        Property::UserProperty("n", long),
        Property::UserProperty(long, "\0"),
        Property::CorrelationData(long.as_bytes()),
        Property::AuthenticationData(long.as_bytes()),
    ]
}

/// One packet of each type, with these properties; the will has `will`.
fn packets_with<'a>(properties: Properties<'a>, will: Properties<'a>) -> Vec<Packet<'a>> {
    const SUBSCRIPTIONS: &[(&str, u8, bool)] = &[("a/#", 1, true), ("$share/g/+/b", 2, false)];
    let subscriptions: Vec<_> = SUBSCRIPTIONS
        .iter()
        .map(|&(name, qos, no_local)| Subscription {
            filter: filter(name),
            options: SubscriptionOptions {
                qos: QoS::from_u8(qos).unwrap(),
                no_local,
                retain_as_published: true,
                retain_handling: RetainHandling::SendIfNew,
            },
        })
        .collect();
    let subscriptions = Box::leak(subscriptions.into_boxed_slice());
    let filters = Box::leak(Box::new([filter("a/b"), filter("#")]));
    const SUBACKED: &[ReasonCode] = &[ReasonCode::GRANTED_QOS_1, ReasonCode::NOT_AUTHORIZED];
    const UNSUBACKED: &[ReasonCode] = &[ReasonCode::SUCCESS, ReasonCode::NO_SUBSCRIPTION_EXISTED];
    let publish = Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: true,
        topic: Some(topic("a/bc/d")),
        packet_id: None,
        properties,
        payload: b"payload",
    };
    let connect = Connect {
        clean_start: true,
        keep_alive: 60,
        client_id: "sensor",
        properties,
        will: Some(Will {
            qos: QoS::AtLeastOnce,
            retain: true,
            topic: topic("gone"),
            payload: b"bye",
            properties: will,
        }),
        user_name: Some("user"),
        password: Some(b"secret"),
    };
    let ack = |reason| Ack {
        packet_id: id(7),
        reason,
        properties,
    };
    vec![
        Packet::Connect(connect),
        Packet::Connect(Connect {
            clean_start: false,
            will: None,
            user_name: None,
            password: None,
            ..connect
        }),
        Packet::ConnAck(ConnAck {
            session_present: true,
            reason: ReasonCode::SUCCESS,
            properties,
        }),
        Packet::ConnAck(ConnAck {
            session_present: true,
            reason: ReasonCode::BANNED,
            properties,
        }),
        Packet::Publish(publish),
        Packet::Publish(Publish {
            dup: true,
            qos: QoS::ExactlyOnce,
            packet_id: Some(id(0x0102)),
            ..publish
        }),
        Packet::Publish(Publish {
            topic: None,
            ..publish
        }),
        Packet::Publish(Publish {
            dup: true,
            ..publish
        }),
        Packet::Publish(Publish {
            packet_id: Some(id(1)),
            ..publish
        }),
        Packet::PubAck(ack(ReasonCode::SUCCESS)),
        Packet::PubAck(ack(ReasonCode::NO_MATCHING_SUBSCRIBERS)),
        Packet::PubRec(ack(ReasonCode::QUOTA_EXCEEDED)),
        Packet::PubRel(ack(ReasonCode::PACKET_IDENTIFIER_NOT_FOUND)),
        Packet::PubComp(ack(ReasonCode::QUOTA_EXCEEDED)),
        Packet::Subscribe(Subscribe {
            packet_id: id(9),
            properties,
            subscriptions: Subscriptions::new(subscriptions),
        }),
        Packet::SubAck(SubAck {
            packet_id: id(9),
            properties,
            reasons: ReasonCodes::new(SUBACKED),
        }),
        Packet::Unsubscribe(Unsubscribe {
            packet_id: id(10),
            properties,
            filters: Filters::new(filters),
        }),
        Packet::UnsubAck(UnsubAck {
            packet_id: id(10),
            properties,
            reasons: ReasonCodes::new(UNSUBACKED),
        }),
        Packet::Unsubscribe(Unsubscribe {
            packet_id: id(10),
            properties,
            filters: Filters::new(&[]),
        }),
        Packet::PingReq,
        Packet::PingResp,
        Packet::Disconnect(Disconnect {
            reason: ReasonCode::NORMAL_DISCONNECTION,
            properties,
        }),
        Packet::Disconnect(Disconnect {
            reason: ReasonCode::SERVER_MOVED,
            properties,
        }),
        Packet::Auth(Auth {
            reason: ReasonCode::CONTINUE_AUTHENTICATION,
            properties,
        }),
    ]
}

/// What a packet type allows of the list, one sender at a time.
fn allowed(list: &[Property<'static>], kind: PacketType) -> Vec<Property<'static>> {
    let mut kept: Vec<Property<'static>> = Vec::new();
    for property in list {
        let one = [*property];
        let fits = packets_with(Properties::new(&one), Properties::EMPTY)
            .iter()
            .filter(|packet| packet.packet_type() == kind)
            .any(|packet| {
                BOTH.iter().any(|sender| {
                    !matches!(
                        packet.encode(*sender, &mut [0; 400]),
                        Err(EncodeError::PropertyNotAllowed(..)
                            | EncodeError::WrongDirection(..)
                            | EncodeError::MissingProperty(_))
                    )
                })
            });
        if fits || kind == PacketType::Auth {
            kept.push(*property);
        }
    }
    kept
}

/// The bytes of valid packets: each type bare, and with what its sender may add.
fn valid() -> Vec<Vec<u8>> {
    let every = every_property();
    let will: Vec<_> = [0, 1, 2, 3, 4, 12, 22].map(|at| every[at]).into();
    let mut found: Vec<Vec<u8>> = Vec::new();
    for kind in PacketType::ALL {
        let mut lists = vec![Vec::new(), vec![every[22], every[22]]];
        for sender in BOTH {
            let fitting: Vec<_> = allowed(&every, kind)
                .into_iter()
                .filter(|property| {
                    packets_with(Properties::new(&[*property]), Properties::EMPTY)
                        .iter()
                        .any(|packet| {
                            packet.packet_type() == kind
                                && !matches!(
                                    packet.encode(sender, &mut [0; 400]),
                                    Err(EncodeError::PropertyNotAllowed(..))
                                )
                        })
                })
                .collect();
            lists.push(fitting);
        }
        for list in &lists {
            for packet in packets_with(Properties::new(list), Properties::new(&will)) {
                for sender in BOTH {
                    let mut bytes = vec![0; 600];
                    if packet.packet_type() == kind
                        && let Ok(len) = packet.encode(sender, &mut bytes)
                    {
                        bytes.truncate(len);
                        if !found.contains(&bytes) {
                            found.push(bytes);
                        }
                    }
                }
            }
        }
    }
    found
}

/// Everything that can be asked about the bytes.
fn look_at(digest: &mut Digest, bytes: &[u8]) {
    for sender in BOTH {
        let decoded = Packet::decode(bytes, sender);
        digest.note(decoded);
        if let Err(error) = decoded {
            digest.note((error.reason(), error.statement(), error.packet_type()));
        }
        digest.note(Publish::decode_plain(bytes, 300, sender));
        if let Ok(packet) = decoded {
            digest.note(packet.encoded_len());
            for other in BOTH {
                let mut out = [0; 700];
                let result = packet.encode(other, &mut out);
                digest.note(result);
                if let Ok(len) = result {
                    digest.note(&out[..len]);
                    for short in [0, 1, len / 2, len - 1] {
                        digest.note(packet.encode(other, &mut out[..short]));
                    }
                }
            }
        }
    }
    digest.note(frame(bytes, 100).map(|_| ()));
    if let Ok(Frame::Whole(raw)) = frame(bytes, u32::MAX) {
        for sender in BOTH {
            let result = raw.decode(sender).map(|_| ());
            assert_eq!(raw.validate(sender), result);
        }
    }
    digest.note(frame(&bytes[..bytes.len() / 2], u32::MAX).map(|_| ()));
    if let Ok(Some(header)) = FixedHeader::parse(bytes, u32::MAX) {
        digest.note(header);
        for end in header.len()..bytes.len() {
            let prefix = &bytes[header.len().min(end)..end];
            digest.note(Publish::decode_header(header, prefix, Sender::Server));
            if header.packet_type() != PacketType::Publish || end > 60 {
                break;
            }
        }
    }
}

#[test]
fn decoding() {
    let mut digest = Digest::new();
    let mut numbers = Numbers(0x6d71_7474);
    let valid = valid();
    assert!(valid.len() > 40, "{} valid packets", valid.len());
    for packet in &valid {
        look_at(&mut digest, packet);
        for len in 2..packet.len() {
            let mut cut = packet[..len].to_vec();
            look_at(&mut digest, &cut);
            if packet[1] < 0x80 {
                cut[1] = u8::try_from(len - 2).unwrap();
                look_at(&mut digest, &cut);
            }
        }
        for at in 0..packet.len() {
            let mut changed = packet.clone();
            for _ in 0..6 {
                changed[at] = TELLING[numbers.below(TELLING.len())];
                look_at(&mut digest, &changed);
            }
            changed[at] = packet[at].wrapping_add(1);
            look_at(&mut digest, &changed);
        }
        for _ in 0..100 {
            let mut changed = packet.clone();
            for _ in 0..=numbers.below(3) {
                let at = numbers.below(changed.len());
                changed[at] = TELLING[numbers.below(TELLING.len())];
            }
            if numbers.below(3) == 0 {
                changed.insert(numbers.below(packet.len()), TELLING[numbers.below(24)]);
                changed[1] = changed[1].wrapping_add(1);
            }
            look_at(&mut digest, &changed);
        }
    }
    assert_eq!(digest.0, 0x446b_48f9_5ee7_07d0, "{:#018x}", digest.0);
}

#[test]
fn encoding() {
    let mut digest = Digest::new();
    let long = "x".repeat(70_000);
    let every = every_property();
    let bad = bad_properties(&long);
    let mut out = vec![0; 300_000];
    let mut note = |list: &[Property<'_>]| {
        for (properties, will) in [
            (Properties::new(list), Properties::EMPTY),
            (Properties::EMPTY, Properties::new(list)),
            (Properties::chain(list, &every[22..23]), Properties::EMPTY),
        ] {
            for packet in packets_with(properties, will) {
                digest.note(packet.encoded_len());
                for sender in BOTH {
                    let result = packet.encode(sender, &mut out);
                    digest.note(result);
                    if let Ok(len) = result {
                        digest.note(&out[..len]);
                    }
                }
            }
        }
    };
    note(&every);
    for first in every.iter().chain(&bad) {
        note(&[*first]);
        note(&[*first, *first]);
        note(&[every[9], *first]);
        note(&[*first, bad[0]]);
    }
    assert_eq!(digest.0, 0x4ffb_b8de_b5c9_2990, "{:#018x}", digest.0);
}

#[test]
fn fields_of_connect() {
    let mut digest = Digest::new();
    let long = "x".repeat(65_536);
    let texts = ["", "a", "a\0", "ä", &long[..65_535], &long];
    let mut out = vec![0; 400_000];
    for client_id in texts {
        for user_name in texts {
            for payload in [&texts[1], &texts[5]] {
                let connect = Connect {
                    clean_start: false,
                    keep_alive: 0,
                    client_id,
                    properties: Properties::EMPTY,
                    will: Some(Will {
                        qos: QoS::ExactlyOnce,
                        retain: false,
                        topic: topic("t"),
                        payload: payload.as_bytes(),
                        properties: Properties::EMPTY,
                    }),
                    user_name: Some(user_name),
                    password: Some(payload.as_bytes()),
                };
                digest.note(connect.encoded_len());
                digest.note(connect.encode(Sender::Client, &mut out));
            }
        }
    }
    assert_eq!(digest.0, 0x20ac_0b0c_04a2_8527, "{:#018x}", digest.0);
}

/// What the accessors find.
fn accessors(digest: &mut Digest, p: Properties<'_>) {
    digest.note((
        p.payload_format_indicator(),
        p.message_expiry_interval(),
        p.content_type(),
        p.response_topic(),
        p.correlation_data(),
        p.session_expiry_interval(),
        p.assigned_client_identifier(),
    ));
    digest.note((
        p.server_keep_alive(),
        p.authentication_method(),
        p.authentication_data(),
        p.request_problem_information(),
        p.will_delay_interval(),
        p.request_response_information(),
        p.response_information(),
        p.server_reference(),
    ));
    digest.note((
        p.reason_string(),
        p.receive_maximum(),
        p.topic_alias_maximum(),
        p.topic_alias(),
        p.maximum_qos(),
        p.retain_available(),
        p.maximum_packet_size(),
        p.wildcard_subscription_available(),
    ));
    digest.note((
        p.subscription_identifier_available(),
        p.shared_subscription_available(),
        p.user_properties().collect::<Vec<_>>(),
        p.subscription_identifiers().collect::<Vec<_>>(),
    ));
}

#[test]
fn what_accessors_find() {
    let mut digest = Digest::new();
    let every = every_property();
    accessors(&mut digest, Properties::EMPTY);
    accessors(&mut digest, Properties::new(&every));
    for at in 0..every.len() {
        let (front, back) = every.split_at(at);
        accessors(&mut digest, Properties::chain(&back[..1], front));
    }
    for bytes in valid() {
        for sender in BOTH {
            let properties = match Packet::decode(&bytes, sender) {
                Ok(Packet::Connect(packet)) => packet.properties,
                Ok(Packet::ConnAck(packet)) => packet.properties,
                Ok(Packet::Publish(packet)) => packet.properties,
                Ok(Packet::Subscribe(packet)) => packet.properties,
                Ok(Packet::Disconnect(packet)) => packet.properties,
                Ok(Packet::Auth(packet)) => packet.properties,
                _ => continue,
            };
            accessors(&mut digest, properties);
        }
    }
    assert_eq!(digest.0, 0xc7c75186ed96ae94, "{:#018x}", digest.0);
}

#[test]
fn reason_codes() {
    let mut digest = Digest::new();
    for number in 0..=u8::MAX {
        let Some(code) = ReasonCode::new(number) else {
            continue;
        };
        for packet in PacketType::ALL {
            for sender in BOTH {
                digest.note((code, packet, sender, code.is_allowed(packet, sender)));
            }
        }
    }
    assert_eq!(digest.0, 0xb8bc85252813e83a, "{:#018x}", digest.0);
}

#[test]
fn topics() {
    let mut digest = Digest::new();
    let mut numbers = Numbers(0x746f_7069);
    let parts = [
        "$share", "/", "+", "#", "a", "ä", "\0", "$", "//", "$share/", "b",
    ];
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..numbers.below(7) {
            text.push_str(parts[numbers.below(parts.len())]);
        }
        let name = TopicName::new(&text);
        digest.note(name);
        assert_eq!(TopicName::constant(&text), name.ok());
        let filter = TopicFilter::new(&text);
        assert_eq!(TopicFilter::constant(&text), filter.ok());
        digest.note(filter);
        if let Ok(filter) = filter {
            digest.note((
                filter.share_name(),
                filter.unshared(),
                filter.has_wildcard(),
            ));
            for name in ["a", "a/b", "$a", "/", "ä/a"] {
                digest.note(filter.matches(topic(name)));
            }
        }
    }
    let long = "x".repeat(65_536);
    digest.note(TopicName::new(&long));
    digest.note(TopicFilter::new(&long));
    for (text, fits) in [(&long[1..], true), (&long[..], false)] {
        assert_eq!(TopicName::constant(text).is_some(), fits);
        assert_eq!(TopicFilter::constant(text).is_some(), fits);
    }
    assert_eq!(digest.0, 0x4830_f0a5_f8ec_a5ae, "{:#018x}", digest.0);
}

/// A packet with this first byte and body, which has less than 16,384 bytes.
fn packet_of(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    if body.len() > 0x7f {
        packet.push((body.len() & 0x7f) as u8 | 0x80);
        packet.push((body.len() >> 7) as u8);
    } else {
        packet.push(body.len() as u8);
    }
    packet.extend(body);
    packet
}

fn prefixed(bytes: &[u8]) -> Vec<u8> {
    let mut all = u16::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
    all.extend(bytes);
    all
}

/// Bytes that are text, or nearly.
fn almost_texts() -> Vec<Vec<u8>> {
    let mut texts: Vec<Vec<u8>> = [
        &b""[..],
        b"a/b",
        b"\xef\xbb\xbf",             // U+FEFF
        b"\xed\x9f\xbf\xee\x80\x80", // the characters next to the surrogates
        b"\xed\xa0\x80",             // surrogates
        b"\xed\xbf\xbf",
        b"\xf4\x8f\xbf\xbf", // the last character
        b"\xf4\x90\x80\x80", // one more
        b"\xc0\x80",         // too long
        b"\xc1\xbf",
        b"\xe0\x9f\xbf",
        b"\xf0\x8f\xbf\xbf",
        b"\xc2\x80\xe0\xa0\x80\xf0\x90\x80\x80",
        b"\x80",
        b"\xe2\x82",
        b"a\xe2\x82b",
        b"\0",
        b"ab\0\xff",
        b"a\xff\0",
        b"+",
        b"a+\0",
        b"a#\xff",
        b"$share/\xc3/a",
        b"$share/g/\xc3\xa4",
    ]
    .map(<[u8]>::to_vec)
    .into();
    // As many bytes as the first one promises, which may be eight, or not quite.
    for first in [0xc3, 0xe2, 0xf1, 0xf5, 0xf8, 0xfc, 0xfe, 0xff] {
        for len in 1..9 {
            for (more, last) in [(0x80, 0x81), (0xbf, 0xbf), (0x81, b'a')] {
                let mut text = vec![more; len];
                text[len - 1] = last;
                text[0] = first;
                texts.push(text);
            }
        }
    }
    texts
}

#[test]
fn text_on_the_wire() {
    const CONNECT: &[u8] = b"\0\x04MQTT\x05";
    let mut digest = Digest::new();
    for bytes in almost_texts() {
        let text = prefixed(&bytes);
        let text = text.as_slice();
        let len = text.len() as u8;
        let parts: [(u8, &[&[u8]]); 14] = [
            (0x30, &[text, &[0], b"payload"]),
            (0x32, &[text, &[0, 7, 0], text]),
            (0x30, &[&[0, 1, b't', len + 1, 0x03], text]),
            (0x30, &[&[0, 1, b't', len + 1, 0x08], text]),
            (0x30, &[&[0, 1, b't', len + 1, 0x09], text]),
            (0x40, &[&[0, 7, 0, len + 1, 0x1f], text]),
            (0x40, &[&[0, 7, 0, 2 * len + 1, 0x26], text, text]),
            (0x40, &[&[0, 7, 0, len + 4, 0x26, 0, 1, b'n'], text]),
            (0x82, &[&[0, 7, 0], text, &[1]]),
            (0xa2, &[&[0, 7, 0], text]),
            (0x10, &[CONNECT, &[0x02, 0, 9, 0], text]),
            (0x10, &[CONNECT, &[0x80, 0, 9, 0, 0, 1, b'c'], text]),
            (
                0x10,
                &[CONNECT, &[0x04, 0, 9, 0, 0, 1, b'c', 0], text, &[0, 0]],
            ),
            (0x10, &[text, &[5, 0, 0, 9, 0, 0, 1, b'c']]),
        ];
        for (first, parts) in parts {
            look_at(&mut digest, &packet_of(first, &parts.concat()));
        }
    }
    assert_eq!(digest.0, 0x4148_de9c_47da_8e20, "{:#018x}", digest.0);
}

#[test]
fn received_reason_codes() {
    const BODIES: [(u8, &[u8], &[u8]); 10] = [
        (0x20, &[0], &[0]),
        (0x20, &[1], &[0]),
        (0x40, &[0, 1], &[]),
        (0x50, &[0, 1], &[0]),
        (0x62, &[0, 1], &[]),
        (0x70, &[0, 1], &[0]),
        (0x90, &[0, 1, 0], &[0]),
        (0xb0, &[0, 1, 0], &[0]),
        (0xe0, &[], &[]),
        (0xf0, &[], &[4, 0x15, 0, 1, b'm']),
    ];
    let mut digest = Digest::new();
    for (first, before, after) in BODIES {
        for code in 0..=u8::MAX {
            look_at(
                &mut digest,
                &packet_of(first, &[before, &[code], after].concat()),
            );
        }
    }
    assert_eq!(digest.0, 0x996f_900d_d919_401a, "{:#018x}", digest.0);
}

#[test]
fn lengths_at_their_limits() {
    let mut digest = Digest::new();
    let long = "x".repeat(65_535);
    let payload = vec![b'p'; 2_097_160];
    let mut out = vec![0; 2_300_000];
    // The lengths that properties and the rest of a packet are to have, around what one, two and
    // three bytes say.
    let around = |limit: usize| (limit - 9)..=(limit + 2);
    for len in around(0x80).chain(around(0x4000)).chain([65_535, 65_536]) {
        let list = [Property::UserProperty("", &long[..(len - 5).min(65_535)])];
        for packet in packets_with(Properties::new(&list), Properties::new(&list)) {
            digest.note(packet.encoded_len());
            for sender in BOTH {
                let result = packet.encode(sender, &mut out);
                digest.note(result);
                let Ok(len) = result else { continue };
                digest.bytes(&out[..len]);
                assert_eq!(packet.encoded_len(), Ok(len));
                let (first, exact) = (out[..len].to_vec(), &mut out[..len]);
                exact.fill(0);
                assert_eq!(packet.encode(sender, exact), Ok(len));
                assert!(*exact == first, "{len} bytes");
                for short in [1, 2, 3, len].map(|less| len.saturating_sub(less)) {
                    digest.note(packet.encode(sender, &mut out[..short]));
                }
                let decoded = Packet::decode(&first, sender).unwrap();
                assert_eq!(decoded, packet);
                digest.note(decoded.encode(sender, &mut out[..len]));
                assert!(out[..len] == first, "{len} bytes");
            }
        }
    }
    for len in around(0x80)
        .chain(around(0x4000))
        .chain([0x1f_ffff, 0x20_0000, 0x20_0003])
    {
        let publish = Publish {
            dup: false,
            qos: QoS::AtMostOnce,
            retain: false,
            topic: Some(topic("a")),
            packet_id: None,
            properties: Properties::EMPTY,
            payload: &payload[..len - 4],
        };
        let encoded = publish.encode(Sender::Client, &mut out);
        digest.note((publish.encoded_len(), encoded));
        let end = encoded.unwrap();
        digest.bytes(&out[..end]);
        assert_eq!(publish.encode(Sender::Client, &mut out[..end]), Ok(end));
        digest.note(publish.encode(Sender::Client, &mut out[..end - 1]));
    }
    for payload_len in [0, 0x7b, 0x7c, 268_435_451, 268_435_452, 0xff_ffff] {
        let publish = Publish {
            dup: true,
            qos: QoS::AtLeastOnce,
            retain: false,
            topic: None,
            packet_id: Some(id(5)),
            properties: Properties::new(&[Property::TopicAlias(1)]),
            payload: &[],
        };
        let encoded = publish.encode_header(Sender::Client, payload_len, &mut out);
        digest.note((publish.header_len(payload_len), encoded));
        if let Ok(len) = encoded {
            digest.bytes(&out[..len]);
            for len in 0..=len {
                digest.note(publish.encode_header(Sender::Client, payload_len, &mut out[..len]));
            }
        }
    }
    assert_eq!(digest.0, 0x4676_de09_e5cb_644d, "{:#018x}", digest.0);
}
