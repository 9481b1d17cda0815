//! smol: its global executor.

use crate::facade;

#[path = "futures/mod.rs"]
mod futures;
#[path = "one_thread/mod.rs"]
mod one_thread;
#[path = "suite/mod.rs"]
mod suite;

pub(crate) use self::suite::outage::outage;
use self::{Global as Own, suite::peer};

#[derive(Debug)]
pub(crate) enum Global {}

impl facade::World for Global {
    type Runtime = mqtt_smol::Smol;
    type Brief = brief::Own;

    fn wait<T>(future: impl Future<Output = T>) -> T {
        smol::block_on(future)
    }
}

/// The global executor lives as long as the process. One of the test's own stands for it where it
/// is to end; timers and sockets are the same.
mod brief {
    use crate::facade::Brief;
    use mqtt_driver::tasks::{NoRuntime, Runtime};
    use mqtt_smol::Smol;
    use smol::Executor;
    use std::cell::RefCell;
    use std::io;
    use std::net::SocketAddr;
    #[cfg(unix)]
    use std::path::Path;
    use std::sync::Arc;
    use std::task::Context;
    use std::time::Instant;

    thread_local! {
        static EXECUTOR: RefCell<Option<Arc<Executor<'static>>>> = const { RefCell::new(None) };
    }

    pub(crate) struct Own(Arc<Executor<'static>>);

    impl Brief for Own {
        type Runtime = Within;

        fn start() -> Self {
            let executor = Arc::new(Executor::new());
            EXECUTOR.set(Some(Arc::clone(&executor)));
            Self(executor)
        }

        fn wait<T>(&self, future: impl Future<Output = T>) -> T {
            smol::block_on(self.0.run(future))
        }

        fn shut_down(self) {
            EXECUTOR.set(None);
            let executor = Arc::into_inner(self.0);
            drop(executor.expect("no other handle"));
        }
    }

    /// What it offers: that of smol, but for its tasks.
    pub(crate) enum Within {}

    impl Runtime for Within {
        type Timer = <Smol as Runtime>::Timer;
        type Tcp = <Smol as Runtime>::Tcp;
        #[cfg(unix)]
        type Unix = <Smol as Runtime>::Unix;

        fn now() -> Instant {
            Smol::now()
        }

        fn timer(at: Instant) -> Self::Timer {
            Smol::timer(at)
        }

        fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Result<(), NoRuntime> {
            let executor = EXECUTOR.with_borrow(Option::clone).ok_or(NoRuntime)?;
            executor.spawn(task).detach();
            Ok(())
        }

        async fn unblock<T: Send + 'static>(
            blocking: impl FnOnce() -> T + Send + 'static,
        ) -> Option<T> {
            Smol::unblock(blocking).await
        }

        async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
            Smol::resolve(host, port).await
        }

        async fn connect(address: SocketAddr) -> io::Result<Self::Tcp> {
            Smol::connect(address).await
        }

        fn yield_now(cx: &mut Context<'_>) {
            Smol::yield_now(cx);
        }

        #[cfg(unix)]
        async fn connect_unix(path: &Path) -> io::Result<Self::Unix> {
            Smol::connect_unix(path).await
        }
    }
}

/// The client, and the streams of its own that the suite needs.
mod client {
    pub(crate) use mqtt_smol::*;

    crate::facade::client_of!(super::Global);
}
