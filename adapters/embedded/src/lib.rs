//! The MQTT 5.0 client for bare metal, over [`embedded-io`](embedded_io) and
//! [`embedded-io-async`](embedded_io_async): no allocator, no std, no task and no timer of its own.
//!
//! A [`Client`] holds the machine of [`mqtt_session`], the input buffer, the transport and the clock.
//! Each call of [`Client::turn`], or of [`Client::turn_blocking`] where nothing is async, does what
//! the machine asked for last, opens, writes, reads or waits, and brings what there is to tell: a
//! message, an event, a failure of the transport. Everything else returns at once: `publish`,
//! `subscribe`, `acknowledge`, `stop`.
//!
//! ```no_run
//! use mqtt_embedded::{Client, Turn, connect};
//! use mqtt_session::{Config, Event, Fixed, Instant, Publish, QoS, TopicName};
//!
//! # type Uart = mqtt_embedded::blocking::Timed<std::collections::VecDeque<u8>>;
//! # fn dial() -> Result<Uart, core::convert::Infallible> { todo!() }
//! # fn micros() -> u64 { 0 }
//! let hello = connect("sensor-7");
//! let mut client = Client::new(
//!     mqtt_session::Client::new(Config::new(), Fixed::<8, 8, 1024, 256>::new()),
//!     [0; 512],
//!     &hello,
//!     dial,
//!     || Instant::from_micros(micros()),
//! );
//! client.start();
//! loop {
//!     match client.turn_blocking(Instant::NEVER) {
//!         Turn::Event(Event::Connected(_)) => {
//!             let topic = TopicName::new("sensors/7/state")?;
//!             let ticket = client.publish(&Publish::new(topic, b"up").qos(QoS::AtLeastOnce));
//!             # let _ = ticket;
//!         }
//!         Turn::Message(delivery) => { /* lent until the next turn */ }
//!         Turn::Event(event) => { /* … */ }
//!         Turn::Failed(failed) => { /* the machine connects again by itself */ }
//!         Turn::Nothing => {}
//!         Turn::Done => break,
//!     }
//! }
//! # Ok::<(), mqtt_session::TopicError>(())
//! ```
//!
//! With async transports the same is `client.turn().await`. That future may be dropped at any await
//! without losing a byte or a message, so that it can be raced against what else the application
//! waits for; [`asynchronous::Transport`] says what the transport has to do for that.
//!
//! # Memory
//!
//! All of it is in the client: the tables and buffers of the store, sized by
//! [`Fixed`](mqtt_session::Fixed), and the input buffer, which may be an array or a slice lent for it. It has to hold
//! every packet that is not a PUBLISH; of a PUBLISH, topic name and properties may take three
//! quarters of it, and payloads of any size come in parts.
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

pub mod asynchronous;
pub mod blocking;
mod client;
mod clock;
mod turn;

pub use client::{Client, Machine, connect};
#[cfg(feature = "embassy-time")]
pub use clock::EmbassyTime;
pub use clock::{Clock, Timer};
pub use turn::{Failed, Turn};
