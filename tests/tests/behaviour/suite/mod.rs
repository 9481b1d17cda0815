//! The tests, over the `client` of the world that compiles them.

use super::client;

mod closing;
mod connecting;
mod credentials;
mod crowd;
mod drawing;
mod network;
pub(super) mod outage;
pub(super) mod peer;
mod publishing;
mod receiving;
mod requesting;
mod slow_reader;
