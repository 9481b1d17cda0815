//! tokio with one thread, which drives every client and waits for nothing else.

use crate::facade;
use std::sync::LazyLock;
use std::sync::mpsc::channel;
use std::thread;
use tokio::runtime::{Builder, Handle, Runtime};

#[path = "futures/mod.rs"]
mod futures;
#[path = "one_thread/mod.rs"]
mod one_thread;
#[path = "suite/mod.rs"]
mod suite;

pub(crate) use self::suite::outage::outage;
use self::{One as Own, suite::peer};

#[derive(Debug)]
pub(crate) enum One {}

impl facade::World for One {
    type Runtime = mqtt_tokio::Tokio;
    type Brief = OneThread;

    fn wait<T>(future: impl Future<Output = T>) -> T {
        static HANDLE: LazyLock<Handle> = LazyLock::new(|| {
            let (sender, handle) = channel();
            thread::spawn(move || {
                let runtime = <OneThread as facade::Brief>::start().0;
                sender.send(runtime.handle().clone()).unwrap();
                runtime.block_on(std::future::pending::<()>());
            });
            handle.recv().unwrap()
        });
        HANDLE.block_on(future)
    }
}

/// It does something only while somebody waits.
pub(crate) struct OneThread(Runtime);

impl facade::Brief for OneThread {
    type Runtime = mqtt_tokio::Tokio;

    fn start() -> Self {
        Self(Builder::new_current_thread().enable_all().build().unwrap())
    }

    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.block_on(future)
    }

    fn shut_down(self) {
        drop(self);
    }
}

/// The client, and the streams of its own that the suite needs.
mod client {
    pub(crate) use mqtt_tokio::*;

    crate::facade::client_of!(super::One);
}

/// What no other world has: there, no future that a thread blocks on shares it with a client.
mod main_future {
    use super::one_thread::fairness::{play, read_all};

    #[test]
    fn it_loses_nothing_of_ten_thousand_messages_at_once() {
        play(|_client, messages| read_all(messages));
    }
}
