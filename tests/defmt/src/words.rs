//! Everything that says something in words, twice: as its `Display` does, and by itself.

use core::fmt::Display;
use defmt::{Display2Format, Format};
use mqtt_proto::{
    DecodeError, DecodeErrorKind, EncodeError, Field, Packet, PacketId, PacketType, PropertyId,
    QoS, ReasonCode, Sender, TopicError, TopicFilter, TopicName,
};
use mqtt_session::broker::EndCause;
use mqtt_session::flash::FlashError;
use mqtt_session::journal::Image;
use mqtt_session::snapshot::{ImportError, TooSmall};
use mqtt_session::{
    AcknowledgeError, Cause, ConnectError, ControlError, GiveUp, RequestError, Violation,
};
use std::collections::HashSet;

const CODE: ReasonCode = ReasonCode::NOT_AUTHORIZED;
const KIND: PacketType = PacketType::PubRel;
const PROPERTY: PropertyId = PropertyId::TopicAlias;

/// One pair of lines after the other.
pub fn say_all_twice() {
    names();
    encoding();
    topics();
    for error in decoding() {
        twice(&error);
        twice(&error.kind());
        twice(&Violation::Packet(error));
        twice(&EndCause::Violation(Violation::Packet(error)));
    }
    session();
    kept();
}

fn twice<T: Display + Format>(value: &T) {
    defmt::info!("words: {}", Display2Format(value));
    defmt::info!("defmt: {}", value);
}

fn names() {
    PacketType::ALL.iter().for_each(twice);
    (0..=u8::MAX)
        .filter_map(ReasonCode::new)
        .for_each(|code| twice(&code));
    (0..=64)
        .filter_map(PropertyId::from_u32)
        .for_each(|id| twice(&id));
    [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]
        .iter()
        .for_each(twice);
    [Sender::Client, Sender::Server].iter().for_each(twice);
    twice(&PacketId::new(65_535).expect("it is not 0"));
    twice(&TopicName::new("a/b").expect("it is one"));
    twice(&TopicFilter::new("$share/us/a/+").expect("it is one"));
    for field in [
        Field::ProtocolName,
        Field::ClientId,
        Field::WillTopic,
        Field::WillPayload,
        Field::UserName,
        Field::Password,
        Field::TopicName,
        Field::TopicFilter,
        Field::Property(PROPERTY),
    ] {
        twice(&field);
    }
}

fn encoding() {
    for error in [
        EncodeError::BufferTooSmall { needed: 100_000 },
        EncodeError::TooLarge {
            remaining_length: 268_435_456,
        },
        EncodeError::WrongDirection(KIND, Sender::Server),
        EncodeError::NotAnAck(KIND),
        EncodeError::StringTooLong(Field::ClientId),
        EncodeError::BinaryTooLong(Field::Password),
        EncodeError::NulInString(Field::Property(PROPERTY)),
        EncodeError::PropertyNotAllowed(PROPERTY, KIND),
        EncodeError::DuplicateProperty(PROPERTY),
        EncodeError::PropertyValue(PROPERTY),
        EncodeError::MissingProperty(PROPERTY),
        EncodeError::ReasonCode {
            code: CODE,
            packet: KIND,
        },
        EncodeError::PacketId,
        EncodeError::DupWithQoS0,
        EncodeError::MissingTopic,
        EncodeError::SessionPresentWithFailure,
        EncodeError::NoLocalOnShared,
        EncodeError::Empty(KIND),
    ] {
        twice(&error);
        twice(&ConnectError::Invalid(error));
        twice(&RequestError::Invalid(error));
        twice(&AcknowledgeError::Invalid(error));
        twice(&ControlError::Invalid(error));
    }
}

fn topics() {
    for error in [
        TopicError::Empty,
        TopicError::TooLong { len: 65_536 },
        TopicError::Nul { at: 1 },
        TopicError::Wildcard { at: 2 },
        TopicError::MisplacedMultiLevel { at: 3 },
        TopicError::MisplacedSingleLevel { at: 4 },
        TopicError::EmptyShareName { at: 7 },
        TopicError::WildcardInShareName { at: 8 },
        TopicError::ShareWithoutFilter { at: 9 },
    ] {
        twice(&error);
    }
}

/// What is said of the packets below, with each byte in turn replaced, left out or the last one.
fn decoding() -> Vec<DecodeError> {
    let packets: [&[u8]; 9] = [
        b"\x10\x1a\x00\x04MQTT\x05\xf6\x00\x3c\x00\x00\x01c\x00\x00\x01w\x00\x01p\x00\x01u\x00\x01q",
        b"\x10\x13\x00\x04MQTT\x05\x02\x00\x3c\x06\x15\x00\x01a\x17\x01\x00\x00",
        b"\x20\x06\x00\x00\x03\x22\x00\x05",
        b"\x30\x0a\x00\x01t\x05\x23\x00\x01\x01\x00p",
        b"\x3a\x0d\x00\x01t\x00\x01\x06\x26\x00\x01k\x00\x00pp",
        b"\x40\x04\x00\x01\x00\x00",
        b"\x82\x1a\x00\x01\x02\x0b\x01\x00\x0a$share/s/#\x00\x00\x05a/+/#\x02",
        b"\x90\x04\x00\x01\x00\x02",
        b"\xe0\x07\x00\x05\x11\x00\x00\x00\x01",
    ];
    let mut told = HashSet::new();
    let mut errors = Vec::new();
    for packet in packets {
        for at in 0..packet.len() {
            let replaced = (0..=u8::MAX).map(|byte| {
                let mut bytes = packet.to_vec();
                bytes[at] = byte;
                bytes
            });
            let mut without = packet.to_vec();
            without.remove(at);
            without[1] = without[1].wrapping_sub(1);
            for bytes in replaced.chain([without, packet[..at].to_vec()]) {
                for sender in [Sender::Client, Sender::Server] {
                    let Err(error) = Packet::decode(&bytes, sender) else {
                        continue;
                    };
                    // One of a kind is enough: its numbers differ only.
                    let kind = core::mem::discriminant(&error.kind());
                    if told.insert((kind, error.packet_type())) {
                        errors.push(error);
                    }
                }
            }
        }
    }
    let kinds: HashSet<_> = errors
        .iter()
        .map(|error| core::mem::discriminant(&error.kind()))
        .collect();
    // Two need a packet that is too large for its reader, or of another type than it asked for.
    assert!(kinds.len() >= 30, "only {} kinds of errors", kinds.len());
    for kind in [
        DecodeErrorKind::TooLarge {
            len: 300,
            maximum: 256,
        },
        DecodeErrorKind::WrongType { expected: KIND },
    ] {
        twice(&kind);
    }
    errors
}

/// What can be wrong with a session that was kept.
fn kept() {
    for error in [
        ImportError::InUse,
        ImportError::TooShort,
        ImportError::NotASession,
        ImportError::Version(2),
        ImportError::Checksum,
        ImportError::DoesNotFit,
        ImportError::PayloadDrawn,
        ImportError::Inconsistent { at: 45 },
    ] {
        twice(&error);
    }
    for error in [
        FlashError::Driver(7),
        FlashError::Place,
        FlashError::TooSmall { needed: 5_000 },
        FlashError::Damaged,
    ] {
        twice(&error);
    }
    twice(&TooSmall { needed: 90 });
    twice(&Image::new().apply(&[]).expect_err("it is empty"));
}

fn session() {
    for violation in [
        Violation::Unexpected(KIND),
        Violation::LargerThanBuffer,
        Violation::SessionPresentAfterCleanStart,
        Violation::UnknownSession,
        Violation::NoAssignedClientIdentifier,
        Violation::UnwantedClientIdentifier,
        Violation::ClientIdentifierTooLong,
        Violation::AuthenticationMethod,
        Violation::AuthenticationReason(CODE),
        Violation::ReceiveMaximum,
        Violation::TopicAlias(5),
        Violation::UnknownTopicAlias(6),
        Violation::TopicAliasTooLong,
        Violation::WrongAcknowledgement(KIND),
        Violation::OutOfOrder(KIND),
        Violation::AnswerTooLarge(KIND),
        Violation::ReasonCodeCount(KIND),
        Violation::ProblemInformation(KIND),
        Violation::QoSNotSupported,
        Violation::RetainNotSupported,
        Violation::SessionExpiry,
    ] {
        twice(&violation);
        twice(&Cause::Violation(violation));
        twice(&EndCause::Violation(violation));
    }
    for cause in [
        Cause::NotOpened,
        Cause::TransportClosed,
        Cause::Refused(CODE),
        Cause::ServerDisconnect(CODE),
        Cause::ConnectTimeout,
        Cause::AuthTimeout,
        Cause::PingTimeout,
        Cause::AckTimeout,
        Cause::SendTimeout,
        Cause::Stopped,
    ] {
        twice(&cause);
    }
    for end in [
        EndCause::TransportClosed,
        EndCause::ClientDisconnect(CODE),
        EndCause::Refused(CODE),
        EndCause::ConnectTimeout,
        EndCause::KeepAlive,
        EndCause::SendTimeout,
        EndCause::TakenOver,
        EndCause::QueueFull,
        EndCause::NotAuthenticated(CODE),
        EndCause::Ordered(CODE),
    ] {
        twice(&end);
    }
    for reason in [
        GiveUp::ConnectionLost,
        GiveUp::OutcomeUnknown,
        GiveUp::SessionDiscarded,
        GiveUp::Expired,
        GiveUp::TooLarge,
        GiveUp::QoSNotSupported,
        GiveUp::RetainNotSupported,
        GiveUp::WildcardsNotSupported,
        GiveUp::SharedNotSupported,
        GiveUp::SubscriptionIdentifiersNotSupported,
        GiveUp::Abandoned,
    ] {
        twice(&reason);
    }
    refusals();
}

fn refusals() {
    twice(&ConnectError::NotExpected);
    twice(&ConnectError::TransmitBuffer { needed: 80 });
    twice(&ConnectError::ReceiveMaximum { store: 4 });
    twice(&ConnectError::TopicAliasMaximum { store: 5 });
    for refusal in [
        RequestError::NotConnected,
        RequestError::Stopping,
        RequestError::TooMany,
        RequestError::NoRoom,
        RequestError::LargerThanStore,
        RequestError::TooLarge {
            len: 300,
            maximum: 256,
        },
        RequestError::QoSNotSupported {
            maximum: QoS::AtLeastOnce,
        },
        RequestError::RetainNotSupported,
        RequestError::WildcardsNotSupported,
        RequestError::SharedNotSupported,
        RequestError::SubscriptionIdentifiersNotSupported,
        RequestError::OwnProperty(PROPERTY),
    ] {
        twice(&refusal);
    }
    twice(&AcknowledgeError::Stale);
    twice(&AcknowledgeError::Reason(CODE));
    twice(&AcknowledgeError::PropertiesCannotWait);
    for refusal in [
        ControlError::NotNow,
        ControlError::Method,
        ControlError::Reason(CODE),
        ControlError::SessionExpiry,
        ControlError::NoRoom,
        ControlError::TooLarge,
    ] {
        twice(&refusal);
    }
}
