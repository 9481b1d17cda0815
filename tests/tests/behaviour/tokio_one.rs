//! tokio with one thread, which drives every client and waits for nothing else.

use crate::facade;
use std::sync::LazyLock;
use std::sync::mpsc::channel;
use std::thread;
use tokio::runtime::{Builder, Handle};

#[path = "futures/mod.rs"]
mod futures;
#[path = "suite/mod.rs"]
mod suite;

pub(crate) use self::suite::outage::outage;
use self::{One as Own, suite::peer};

#[derive(Debug)]
pub(crate) enum One {}

impl facade::World for One {
    type Runtime = mqtt_tokio::Tokio;

    fn wait<T>(future: impl Future<Output = T>) -> T {
        static HANDLE: LazyLock<Handle> = LazyLock::new(|| {
            let (sender, handle) = channel();
            thread::spawn(move || {
                let runtime = Builder::new_current_thread().enable_all().build().unwrap();
                sender.send(runtime.handle().clone()).unwrap();
                runtime.block_on(std::future::pending::<()>());
            });
            handle.recv().unwrap()
        });
        HANDLE.block_on(future)
    }
}

/// The client, and the streams of its own that the suite needs.
mod client {
    pub(crate) use mqtt_tokio::*;

    crate::facade::client_of!(super::One);
}
