//! Encoding into memory of its own (features `alloc` and `bytes`).

#![cfg(feature = "alloc")]

use mqtt_proto::{
    Disconnect, EncodeError, Packet, PacketType, Properties, Property, ReasonCode, Sender,
};

fn disconnect<'a>(list: &'a [Property<'a>]) -> Packet<'a> {
    Packet::Disconnect(Disconnect {
        reason: ReasonCode::SERVER_BUSY,
        properties: Properties::new(list),
    })
}

const BYTES: &[u8] = b"\xe0\x08\x89\x06\x1f\0\x03bye";

#[test]
fn a_vector_has_the_size_of_the_packet() {
    let list = [Property::ReasonString("bye")];
    assert_eq!(
        disconnect(&list).to_vec(Sender::Server).as_deref(),
        Ok(BYTES)
    );
    let code = ReasonCode::SERVER_BUSY;
    let packet = PacketType::Disconnect;
    assert_eq!(
        disconnect(&list).to_vec(Sender::Client),
        Err(EncodeError::ReasonCode { code, packet })
    );
}

#[cfg(feature = "bytes")]
#[test]
fn a_buffer_is_appended_to_or_left_alone() {
    let mut buffer = bytes::BytesMut::from(&b"before"[..]);
    let list = [Property::ReasonString("bye")];
    assert_eq!(
        disconnect(&list).encode_into(Sender::Server, &mut buffer),
        Ok(())
    );
    assert_eq!(buffer, [b"before", BYTES].concat());
    let list = [Property::ReasonString("b\0")];
    disconnect(&list)
        .encode_into(Sender::Server, &mut buffer)
        .expect_err("a text with NUL");
    assert_eq!(buffer, [b"before", BYTES].concat());
}
