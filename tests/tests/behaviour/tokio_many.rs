//! tokio with several threads.

use crate::facade;
use std::sync::LazyLock;
use tokio::runtime::{Builder, Runtime};

#[path = "futures/mod.rs"]
mod futures;
#[path = "suite/mod.rs"]
mod suite;

pub(crate) use self::suite::outage::outage;
use self::{Many as Own, suite::peer};

#[derive(Debug)]
pub(crate) enum Many {}

impl facade::World for Many {
    type Runtime = mqtt_tokio::Tokio;
    type Brief = Runtime;

    fn wait<T>(future: impl Future<Output = T>) -> T {
        static RUNTIME: LazyLock<Runtime> = LazyLock::new(<Runtime as facade::Brief>::start);
        RUNTIME.block_on(future)
    }
}

impl facade::Brief for Runtime {
    type Runtime = mqtt_tokio::Tokio;

    fn start() -> Self {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(2).enable_all().build().unwrap()
    }

    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.block_on(future)
    }

    fn shut_down(self) {
        self.shutdown_background();
    }
}

/// The client, and the streams of its own that the suite needs.
mod client {
    pub(crate) use mqtt_tokio::*;

    crate::facade::client_of!(super::Many);
}
