//! An MQTT 5.0 client for smol that drives itself.
//!
//! ```no_run
//! use mqtt_smol::{Client, Options, QoS};
//! use std::time::Duration;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect("mqtt://localhost", Options::new("sensor-7")).await?;
//! let mut readings = client.subscribe("sensors/+/temperature", QoS::AtLeastOnce).await?;
//! client
//!     .publish("sensors/7/temperature", "21.5")
//!     .qos(QoS::ExactlyOnce)
//!     .await?
//!     .acknowledged()
//!     .await?;
//! while let Some(message) = readings.next().await {
//!     println!("{}: {}", message.topic, message.text());
//! }
//! client.close(Duration::from_secs(5)).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//!
//! - A task of its own keeps the connection. Nothing stalls because a handle is not used.
//! - A publish is ready when the message is in the queue; its [`Token`] always resolves.
//! - A lost connection is made again, and everything at QoS 1 and 2 goes on where it was. When
//!   the server has lost the session, every [`Subscription`] is subscribed again.
//! - A slow reader holds up nothing: each stream has its own bounded buffer.
//! - Any future may be dropped at any await: no message, no ticket and no byte is lost by it.
//! - [`Client::close`] is ready by its deadline, and says what was left.
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

#![forbid(unsafe_code)]

mod io;
mod runtime;

pub use io::{Io, dial};
pub use runtime::Smol;

/// The client: see [`mqtt_driver::tasks::Client`].
pub type Client = mqtt_driver::tasks::Client<Smol>;

/// One reader of one filter: see [`mqtt_driver::tasks::Subscription`].
pub type Subscription = mqtt_driver::tasks::Subscription<Smol>;

/// A message to be published, made by [`Client::publish`]; awaiting it hands it over.
pub type Publication<'a> = mqtt_driver::Publication<'a, Client>;

pub use bytes::Bytes;
pub use mqtt_driver::salvage;
pub use mqtt_driver::tasks::{Dial, Messages, Restored, States, Token};
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
