//! A blocking MQTT 5.0 client on threads that drives itself: no async runtime inside.
//!
//! ```no_run
//! use mqtt_std::{Client, Options, QoS};
//! use std::time::Duration;
//!
//! let client = Client::connect("mqtt://localhost", Options::new("sensor-7"))?;
//! let readings = client.subscribe("sensors/+/temperature", QoS::AtLeastOnce)?;
//! client
//!     .publish("sensors/7/temperature", "21.5")
//!     .qos(QoS::ExactlyOnce)
//!     .send()?
//!     .acknowledged()?;
//! if let Some(message) = readings.recv() {
//!     println!("{}: {}", message.topic, message.text());
//! }
//! client.close(Duration::from_secs(5))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it promises
//!
//! - One thread of its own keeps the connection. Nothing stalls because a handle is not used.
//! - A publish returns when the message is in the queue; its [`Token`] always resolves.
//! - A lost connection is made again, and everything at QoS 1 and 2 goes on where it was. When
//!   the server has lost the session, every [`Subscription`] is subscribed again.
//! - A slow reader holds up nothing: each stream has its own bounded buffer.
//! - [`Client::close`] returns by its deadline, and says what was left.
//!
//! # Addresses
//!
//! [`Client::connect`] knows `mqtt://`, and `unix://` where the system has such sockets; `mqtts://` needs
//! the feature `tls`, `ws://` the feature `websocket`, and `wss://` both. The cryptography of TLS
//! is the feature `ring`, which is on by default, `aws-lc-rs`, or a provider of the program's own.
//! Any other stream is brought with [`Client::connect_over`].
//!
//! # Errors
//!
//! [`ConnectError`], [`PublishError`], [`DeliveryError`] (of a token) and [`SubscribeError`] say
//! what went wrong in words to act on. [`Cause`] is why a connection ended: the network's, the
//! server's or the application's doing.

#![cfg_attr(
    feature = "broker",
    doc = "\n# Without a server\n\n[`Broker`] is one, in the same program and in one line: see \
           the module [`broker`]. It is a feature, on by default."
)]

#[cfg(feature = "broker")]
pub mod broker;
mod client;
mod dialer;
mod messages;
mod publish;
mod request;
mod state;
mod subscription;
mod token;
pub mod transport;
mod wait;
mod worker;

#[cfg(feature = "broker")]
pub use broker::Broker;
pub use client::Client;
pub use messages::Messages;
pub use publish::Publication;
pub use request::Requester;
pub use state::States;
pub use subscription::Subscription;
pub use token::{Restored, Token};

pub use bytes::Bytes;
pub use mqtt_driver::salvage;
pub use mqtt_driver::{
    AcknowledgeError, Address, AddressError, AnswerError, Awaited, Buffer, Cause, ConnectError,
    Counters, Credentials, DeliveryError, Fsync, Message, MessageProperties, Options, Overflow,
    PublishError, Queue, Salvaged, State, StoreError, SubscribeError, SubscribeOptions,
    Undelivered, WhenFull, Will,
};
pub use mqtt_driver::{Scheme, TlsError, WebSocketError};
#[cfg(feature = "tls")]
pub use mqtt_driver::{Tls, tls};
pub use mqtt_session::{
    GiveUp, Lost, Offline, PayloadFormat, QoS, ReasonCode, RetainHandling, TopicError, TopicFilter,
    TopicName, Violation,
};
