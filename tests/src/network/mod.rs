//! Several clients and a broker, joined by a simulated network under virtual time.
//!
//! A seed decides everything: who takes part, the weather, the script, and every chance on the
//! way. [`run`] lives through it and holds both machines against what is promised
//! ([`Property`]): end to end, in the applications, and on the wire. What it finds is told by
//! [`report`]: the shortest script that still shows it, the history of that, and the command
//! that runs just that again.
//!
//! | file | what it is |
//! | --- | --- |
//! | `plan` | what a seed stands for |
//! | `world` | what takes part, and the order in which things happen |
//! | `link` | a transport: latency, chunks, stalls, cuts, half-open ends |
//! | `peer`, `machine`, `application` | a client: its surroundings, its store, its promises |
//! | `watch` | the rules that show on the wire, for both ends |
//! | `post` | who has to get which message |
//! | `broken` | the promises, in words |

mod application;
mod broken;
mod dice;
mod history;
mod letter;
mod link;
mod machine;
mod peer;
mod plan;
mod post;
mod runs;
mod watch;
mod world;

pub use broken::{Broken, Found, Property};
pub use plan::{Plan, Step, What};
pub use runs::{report, run_all};

use mqtt_session::Instant;
use std::panic::{AssertUnwindSafe, catch_unwind};
use world::World;

/// When a run begins.
const START: Instant = Instant::from_secs(1_000);

/// How much has happened in a run, or in many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Messages that a client took in.
    pub published: u64,
    /// Messages that came to an application.
    pub delivered: u64,
    /// Links that were cut.
    pub cuts: u64,
    /// Clients and brokers that died.
    pub deaths: u64,
    /// Clients that were at odds with the broker about which session it is, and began anew.
    pub at_odds: u64,
}

/// Lives through a plan.
///
/// # Errors
/// A promise was broken.
pub fn run(plan: &Plan) -> Result<Seen, Broken> {
    lives(plan, false).0
}

/// Lives through a plan; the history, if it is wanted.
fn lives(plan: &Plan, record: bool) -> (Result<Seen, Broken>, Vec<String>) {
    let mut world = World::new(plan, record);
    let result = catch_unwind(AssertUnwindSafe(|| world.run()));
    let result = match result {
        Ok(result) => result,
        Err(panic) => {
            let what = panic.downcast_ref::<String>().cloned();
            let what = what.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).into()));
            Err(Property::NoPanic.broken(what.unwrap_or_default()))
        }
    };
    if let Err(broken) = &result {
        world.history.note(world.now, || broken.to_string());
    }
    (result.map(|()| world.seen), world.history.lines)
}
