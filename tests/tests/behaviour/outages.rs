//! The outages of all worlds, which take their time side by side.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::{LazyLock, Mutex};
use std::thread::{self, JoinHandle};

type Running = BTreeMap<&'static str, JoinHandle<()>>;

static RUNNING: LazyLock<Mutex<Running>> = LazyLock::new(|| {
    let worlds: [(_, fn()); 4] = [
        ("std_threads", crate::std_threads::outage),
        ("tokio_many", crate::tokio_many::outage),
        ("tokio_one", crate::tokio_one::outage),
        ("smol_global", crate::smol_global::outage),
    ];
    let begin = |(world, outage): (_, fn())| (world, thread::spawn(outage));
    Mutex::new(worlds.map(begin).into())
});

/// Waits for the outage of the world that this module belongs to, after all have begun.
pub(crate) fn wait_for(module: &str) {
    let mut running = RUNNING.lock().unwrap();
    let world = running
        .keys()
        .copied()
        .find(|world| module.split("::").any(|part| part == *world));
    let outage = running.remove(world.expect("a world")).expect("once only");
    drop(running);
    if let Err(panic) = outage.join() {
        resume_unwind(panic);
    }
}
