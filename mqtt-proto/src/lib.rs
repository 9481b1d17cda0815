#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]
#![doc = include_str!("../README.md")]

#[cfg(feature = "alloc")]
extern crate alloc;

#[cfg(all(feature = "fuzzing", not(test)))]
extern crate std;

// The strategies of the tests name the crate as everybody else does.
#[cfg(test)]
extern crate self as mqtt_proto;

mod ack;
mod auth;
mod carrier;
mod connack;
mod connect;
#[cfg(not(feature = "fast"))]
mod cursor;
mod decode_error;
mod disconnect;
mod encode_error;
mod field;
mod fields;
mod fixed_header;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzz;
#[cfg(test)]
mod fuzz_test;
#[cfg(feature = "defmt")]
mod log;
mod packet;
mod packet_id;
mod packet_type;
mod payload_list;
#[cfg(feature = "fast")]
mod prefixed;
mod property;
mod publish;
mod qos;
mod reader;
mod reason_code;
mod reason_list;
mod sender;
mod suback;
mod subscribe;
mod subscription;
mod text;
mod topic;
mod topic_filter;
mod unsuback;
mod unsubscribe;
mod varint;
mod words;
#[cfg(not(feature = "fast"))]
#[path = "writer_compact.rs"]
mod writer;
#[cfg(feature = "fast")]
#[path = "writer_fast.rs"]
mod writer;
mod wrong;

pub use ack::Ack;
pub use auth::Auth;
pub use connack::ConnAck;
#[doc(hidden)]
pub use connect::ConnectParts;
pub use connect::{Connect, Will};
pub use decode_error::{DecodeError, DecodeErrorKind};
pub use disconnect::Disconnect;
pub use encode_error::EncodeError;
pub use field::Field;
#[doc(hidden)]
pub use fields::Fields;
pub use fixed_header::FixedHeader;
#[doc(hidden)]
pub use fixed_header::PublishFlags;
pub use frame::{Frame, RawPacket, frame};
pub use packet::{Packet, encode_ping};
pub use packet_id::PacketId;
pub use packet_type::PacketType;
pub use payload_list::{
    FilterIter, Filters, ReasonCodeIter, ReasonCodes, SubscriptionIter, Subscriptions,
};
pub use property::{PayloadFormat, Properties, Property, PropertyId, PropertyIter};
pub use publish::{HeaderFrame, Publish};
pub use qos::QoS;
pub use reason_code::ReasonCode;
pub use sender::Sender;
pub use suback::SubAck;
pub use subscribe::Subscribe;
pub use subscription::{RetainHandling, Subscription, SubscriptionOptions};
pub use topic::{TopicError, TopicName};
pub use topic_filter::TopicFilter;
pub use unsuback::UnsubAck;
pub use unsubscribe::Unsubscribe;
