//! What the adapters of the MQTT 5.0 client share, whatever runtime they are for. It knows no
//! runtime, no socket and no thread.
//!
//! An application uses an adapter, such as `mqtt-std`, which gives it these types under the same
//! names.

#![forbid(unsafe_code)]

mod address;
mod buffer;
mod connect;
mod error;
mod options;
mod state;
mod subscribe;

pub use address::{Address, AddressError};
pub use buffer::{Buffer, Overflow};
pub use error::{
    AcknowledgeError, Awaited, Cause, ConnectError, DeliveryError, PublishError, SubscribeError,
    Undelivered,
};
pub use options::{Credentials, Login, Options, Queue, WhenFull, Will, whole_seconds};
pub use state::State;
pub use subscribe::SubscribeOptions;
