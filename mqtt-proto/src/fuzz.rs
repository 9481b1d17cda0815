//! What must hold for any bytes at all. Not part of the API: it is here for the fuzz target, which
//! only passes the bytes on, and for the tests.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs,
    reason = "to fail is what it is for"
)]

#[cfg(not(test))]
use std::vec;

use crate::{
    DecodeError, DecodeErrorKind, EncodeError, FixedHeader, Frame, HeaderFrame, Packet, PacketType,
    Publish, RawPacket, Sender, frame,
};

/// The first byte chooses the sender and the maximum packet size, the others are the input.
pub fn decode(data: &[u8]) {
    let Some((&choice, input)) = data.split_first() else {
        return;
    };
    let sender = if choice & 1 == 0 {
        Sender::Client
    } else {
        Sender::Server
    };
    let maximum = match choice >> 1 {
        0..=99 => u32::MAX,
        small => u32::from(small),
    };
    check(input, sender, maximum);
}

/// Everything that must hold for this input.
pub fn check(input: &[u8], sender: Sender, maximum: u32) {
    let framed = frame(input, maximum);
    prefixes_agree(input, maximum, &framed);
    plain_publish_agrees(input, sender, maximum, &framed);
    match framed {
        Ok(Frame::Whole(raw)) => {
            assert_eq!(raw.len(), raw.header().len() + raw.body().len());
            assert!(raw.len() <= maximum as usize);
            body(&raw, &input[..raw.len()], sender);
        }
        Ok(Frame::Partial { need }) => assert!(need >= 1),
        Err(error) => error_is_sound(&error, input.len()),
    }
}

/// However much of the input has come, the answer fits the one for all of it: what is missing is
/// never more than is there, and an error does not depend on how the input was cut.
fn prefixes_agree(input: &[u8], maximum: u32, framed: &Result<Frame<'_>, DecodeError>) {
    for len in cuts(input.len()) {
        match (frame(&input[..len], maximum), framed) {
            (Ok(Frame::Partial { need }), Ok(Frame::Whole(raw))) => {
                assert!(
                    need >= 1 && len + need <= raw.len(),
                    "{need} after {len} of {}",
                    raw.len()
                );
            }
            (Ok(Frame::Partial { need }), _) => assert!(need >= 1),
            (Ok(Frame::Whole(part)), Ok(Frame::Whole(raw))) => assert_eq!(part, *raw),
            (Err(early), Err(error)) => assert_eq!(early, *error),
            (early, _) => panic!("{early:?} for {len} bytes, then {framed:?}"),
        }
    }
}

/// The straight way to a PUBLISH finds the same as the long one, and only what is plain.
fn plain_publish_agrees(
    input: &[u8],
    sender: Sender,
    maximum: u32,
    framed: &Result<Frame<'_>, DecodeError>,
) {
    let plain = match framed {
        Ok(Frame::Whole(raw)) => match raw.decode(sender) {
            Ok(Packet::Publish(publish)) => Some((publish, raw.len())),
            _ => None,
        },
        _ => None,
    }
    .filter(|(publish, _)| publish.topic.is_some() && publish.properties.topic_alias().is_none());
    assert_eq!(Publish::decode_plain(input, maximum, sender), plain);
}

/// A whole packet decodes to what encodes to what decodes to the same, or to an error that makes
/// sense.
fn body(raw: &RawPacket<'_>, bytes: &[u8], sender: Sender) {
    let decoded = raw.decode(sender);
    assert_eq!(
        decoded,
        Packet::decode(bytes, sender),
        "framing first or not"
    );
    if raw.packet_type() == PacketType::Publish {
        header_alone(raw, raw.body(), &decoded, sender);
        let mut more = raw.body().to_vec();
        more.extend([0, 3, 0x80]);
        header_alone(raw, &more, &decoded, sender);
    }
    let packet = match decoded {
        Ok(packet) => packet,
        Err(error) => return error_is_sound(&error, bytes.len()),
    };
    assert_eq!(packet.packet_type(), raw.packet_type());
    let len = packet
        .encoded_len()
        .expect("what was decoded is not too large");
    assert!(
        len <= bytes.len(),
        "the shortest form is not longer than the one that came"
    );
    let mut encoded = vec![0; len];
    match packet.encode(sender, &mut encoded) {
        Ok(written) => assert_eq!(written, len),
        // Accepted from a peer, but not to be sent: see `ReasonCode::is_allowed`.
        Err(EncodeError::ReasonCode {
            code,
            packet: PacketType::Disconnect,
        }) => {
            assert!(matches!(code.value(), 0x8c | 0x9b));
            return;
        }
        Err(error) => panic!("{packet:?} cannot be encoded: {error}"),
    }
    let again = Packet::decode(&encoded, sender).expect("what was encoded is valid");
    assert_eq!(again, packet);
    let mut twice = vec![0; len];
    assert_eq!(again.encode(sender, &mut twice), Ok(len));
    assert_eq!(twice, encoded, "the encoding of a packet is stable");
    for room in cuts(len) {
        let too_small = packet.encode(sender, &mut vec![0; room]);
        assert_eq!(too_small, Err(EncodeError::BufferTooSmall { needed: len }));
    }
}

/// The header of a PUBLISH reads the same without its payload, whatever part of the body has come;
/// `input` is the body and perhaps what follows it.
fn header_alone(
    raw: &RawPacket<'_>,
    input: &[u8],
    decoded: &Result<Packet<'_>, DecodeError>,
    sender: Sender,
) {
    let header: FixedHeader = raw.header();
    for len in cuts(input.len()).chain([input.len()]) {
        match (
            Publish::decode_header(header, &input[..len], sender),
            decoded,
        ) {
            (Ok(HeaderFrame::Partial { need }), _) => {
                assert!(
                    need >= 1 && len + need <= raw.body().len(),
                    "{need} after {len}"
                );
            }
            (
                Ok(HeaderFrame::Whole {
                    publish,
                    header_len,
                }),
                Ok(Packet::Publish(whole)),
            ) => {
                assert!(header_len <= len);
                assert_eq!(&raw.body()[header_len..], whole.payload);
                assert_eq!(
                    Publish {
                        payload: whole.payload,
                        ..publish
                    },
                    *whole
                );
            }
            (Err(early), Err(error)) => assert_eq!(early, *error),
            (early, _) => panic!("{early:?} after {len} bytes, but {decoded:?}"),
        }
    }
}

fn error_is_sound(error: &DecodeError, len: usize) {
    assert!(error.offset() <= len, "{error} in {len} bytes");
    assert!(error.reason().is_failure(), "{error}");
    assert!(
        error.statement().starts_with("MQTT-") || error.statement().starts_with("section "),
        "{error}"
    );
    assert!(
        !matches!(error.kind(), DecodeErrorKind::WrongType { .. }),
        "{error}"
    );
}

/// Lengths at which to cut: all of a short input, the interesting ones of a long one.
fn cuts(len: usize) -> impl Iterator<Item = usize> {
    (0..len.min(80)).chain(len.saturating_sub(3).max(80)..len)
}
