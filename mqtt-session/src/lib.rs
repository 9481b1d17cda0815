//! The MQTT 5.0 client as a pure state machine.
//!
//! Bytes and timestamps go in; what to send, what was delivered and when to come back comes out.
//! There is no socket, no clock, no thread and no random source inside, and with the [`Fixed`]
//! store no allocator.
//!
//! ```
//! use mqtt_session::{Action, Client, Config, Connect, Fixed, Instant, RxBuffer};
//!
//! let mut client = Client::new(Config::default(), Fixed::<8, 8, 1024, 256>::new());
//! let mut input = RxBuffer::new([0u8; 512]);
//! let now = Instant::from_secs(0);
//!
//! client.start(now);
//! assert!(matches!(client.poll(now, &mut input), Action::Open));
//! client.opened(now, &Connect::new("sensor-7"))?;
//! let Action::Send(bytes) = client.poll(now, &mut input) else { panic!("CONNECT is due") };
//! assert_eq!(bytes[0], 0x10);
//! let sent = bytes.len();
//! client.sent(now, sent);
//! # Ok::<(), mqtt_session::ConnectError>(())
//! ```
//!
//! # The contract
//!
//! - [`Client::poll`] is the one output. Act on what it returns, and poll again until it returns
//!   [`Action::Timeout`]; then wait for bytes, for that moment, or for the application.
//! - [`RxBuffer`] holds the bytes that came in and advances itself.
//! - The calls of the application may come at any moment between two polls. Each takes effect
//!   whole, or returns an error and changes nothing.
//! - No bytes from the network and no order of calls panics.
#![no_std]
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

#[cfg(feature = "alloc")]
extern crate alloc;

mod action;
mod answer;
mod arena;
#[cfg(feature = "auth")]
mod auth;
mod backoff;
#[cfg(feature = "broker")]
pub mod broker;
mod client;
mod config;
#[cfg(test)]
mod connected;
mod connection;
mod copy;
mod cut;
mod delivery;
mod dispatch;
#[cfg(feature = "draw")]
mod draw;
mod due;
mod event;
mod exchanges;
#[cfg(feature = "flash")]
pub mod flash;
#[cfg(any(feature = "fast", feature = "alloc"))]
mod id_table;
mod instant;
#[cfg(feature = "alloc")]
pub mod journal;
mod limits;
mod line;
#[cfg(feature = "defmt")]
mod log;
mod machine;
mod now;
mod offer;
mod parts;
mod poll;
mod pump;
mod receipt;
#[cfg(feature = "alloc")]
mod receipt_index;
mod receipt_list;
mod receipts;
mod record;
mod request;
#[cfg(feature = "alloc")]
mod ring;
mod rx_buffer;
mod sender;
mod settle;
pub mod snapshot;
mod store;
mod stored;
#[cfg(feature = "fast")]
mod straight;
mod subscribing;
mod tables;
#[cfg(feature = "topic-alias")]
mod topic_alias;
mod transmit;
mod violation;
mod words;

pub use action::Action;
#[doc(hidden)]
pub use action::{Asked, Place};
pub use answer::Sender;
pub use client::Client;
pub use config::{Acknowledge, Config, Lost, Offline};
pub use delivery::{AckToken, Delivery, Message};
#[cfg(feature = "draw")]
pub use draw::Draw;
pub use event::{Cause, Event, GiveUp, Ticket};
pub use instant::Instant;
pub use limits::Limits;
#[doc(hidden)]
pub use now::Now;
pub use request::{AcknowledgeError, Connect, ConnectError, ControlError, Publish, RequestError};
pub use rx_buffer::RxBuffer;

pub use store::{Fixed, Store};
#[cfg(feature = "alloc")]
pub use store::{Heap, HeapLimits};
pub use violation::Violation;

pub use mqtt_proto::{
    Auth, ConnAck, DecodeError, DecodeErrorKind, Disconnect, EncodeError, Field, PacketType,
    PayloadFormat, Properties, Property, PropertyId, QoS, ReasonCode, ReasonCodes, RetainHandling,
    Subscription, SubscriptionOptions, TopicError, TopicFilter, TopicName, Will,
};
