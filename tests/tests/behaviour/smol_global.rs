//! smol: its global executor.

use crate::facade;

#[path = "futures/mod.rs"]
mod futures;
#[path = "suite/mod.rs"]
mod suite;

pub(crate) use self::suite::outage::outage;
use self::{Global as Own, suite::peer};

#[derive(Debug)]
pub(crate) enum Global {}

impl facade::World for Global {
    type Runtime = mqtt_smol::Smol;

    fn wait<T>(future: impl Future<Output = T>) -> T {
        smol::block_on(future)
    }
}

/// The client, and the streams of its own that the suite needs.
mod client {
    pub(crate) use mqtt_smol::*;

    crate::facade::client_of!(super::Global);
}
