//! What the whole-system tests share: a real broker to talk to, and the check that the
//! tests cover the standard statement by statement.

pub mod csv;
pub mod cut;
#[cfg(unix)]
pub mod far_end;
pub mod hall;
pub mod input;
pub mod mosquitto;
pub mod network;
pub mod process;
pub mod required;
pub mod server;
pub mod statements;
pub mod talk;
pub mod transcript;
pub mod wire_rules;

/// As many exchanges as a store can hold.
pub const MANY: u16 = u16::MAX - 1;

/// The programs of the page are compiled and run.
#[cfg(all(unix, doctest))]
#[doc = include_str!("../../docs/porting.md")]
mod porting {}
