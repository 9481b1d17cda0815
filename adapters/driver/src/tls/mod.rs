//! TLS over any stream that does not block, with rustls.
//!
//! [`Tls`] and [`ServerTls`] say what is wanted; the connector and the acceptor made of them put a
//! [`TlsStream`] over a stream. Handshakes need no call of their own: they go on as the stream is
//! read, written and flushed.

mod client;
mod pem;
mod provider;
mod rejection;
mod server;
mod stream;
#[cfg(all(test, any(feature = "ring", feature = "aws-lc-rs")))]
mod tests;
mod unverified;

pub use client::{Tls, TlsConnector};
pub use rustls;
pub use server::{ServerTls, TlsAcceptor};
pub use stream::TlsStream;
