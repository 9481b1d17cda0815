//! The tests, over the `client` of the world that compiles them.

use super::client;

mod closing;
mod connecting;
mod network;
pub(super) mod peer;
mod publishing;
mod receiving;
mod requesting;
