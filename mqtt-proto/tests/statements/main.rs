//! The standard, statement by statement: what the codec has to do with each of them.
//!
//! Above each test stands what it covers: numbered statements of the standard, and numbered points
//! of `pitfalls.csv`. The suite checks that none is left out.

mod acks;
mod connack;
mod connect;
mod disconnect_and_auth;
mod framing;
mod packets;
mod properties;
mod publish;
mod subscribe;
mod text;
mod topics;
mod vectors;
