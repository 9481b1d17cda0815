//! What the adapters of the MQTT 5.0 client share, whatever runtime they are for. It knows no
//! runtime, no socket and no thread.
//!
//! An adapter makes a [`Shared`] for its handles and a [`Course`] for its loop, which takes a
//! [turn](Course::turn) over the adapter's [`Transport`], does what that says, and takes the next.
//!
//! There is one way to wait, for tasks and threads alike: what is waited for is a future that
//! registers a [`Waker`](std::task::Waker), and takes it back when it is dropped. An adapter
//! awaits it, or has a thread sleep until the waker wakes it.
//!
//! An application uses an adapter, such as `mqtt-std`, which gives it these types under the same
//! names.

#![forbid(unsafe_code)]

mod accept;
mod address;
mod buffer;
mod connect;
mod counters;
mod course;
mod draw;
mod error;
mod inbox;
mod layers;
mod ledger;
mod line;
mod message;
mod options;
mod payloads;
#[cfg(all(
    test,
    any(
        feature = "websocket",
        all(feature = "tls", any(feature = "ring", feature = "aws-lc-rs"))
    )
))]
mod pipe;
mod publication;
mod question;
mod reader;
mod renewal;
mod requests;
mod router;
mod shared;
mod slot;
mod state;
mod subscribe;
#[cfg(feature = "tasks")]
pub mod tasks;
mod tickets;
#[cfg(feature = "tls")]
pub mod tls;
mod tls_error;
mod trace;
mod waiters;
#[cfg(test)]
mod waking;
#[cfg(feature = "websocket")]
mod websocket;
mod websocket_error;

pub use accept::{Accept, Request};
pub use address::{Address, AddressError, Scheme};
pub use buffer::{Buffer, Overflow};
pub use counters::Counters;
pub use course::{Course, Input, Next, Transport};
pub use draw::PayloadSource;
pub use error::{
    AcknowledgeError, AnswerError, Awaited, Cause, ConnectError, DeliveryError, PublishError,
    SubscribeError, Undelivered,
};
pub use inbox::{Inbox, Item, NextItem};
pub use layers::{Layered, Layers, ServerLayers};
pub use ledger::Outcome;
pub use line::{Carrier, Line};
pub use message::{Message, MessageProperties};
pub use options::{
    Asked, Coming, Credentials, Login, Options, Queue, WhenFull, Will, whole_seconds,
};
pub use publication::{Draws, Publication, Target, WrongTopic};
pub use question::Answer;
pub use shared::{Shared, Subscribing, When};
pub use slot::{Filled, Slot};
pub use state::State;
pub use subscribe::SubscribeOptions;
#[cfg(feature = "tls")]
pub use tls::Tls;
pub use tls_error::TlsError;
pub use waiters::{Place, Wakes};
#[cfg(feature = "websocket")]
pub use websocket::WebSocket;
pub use websocket_error::WebSocketError;
