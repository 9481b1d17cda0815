//! The sending half of the session: what outlives a transport.

#[cfg_attr(not(feature = "fast"), path = "exchanges/all_work.rs")]
mod work;

use crate::arena::Arena;
#[cfg(feature = "fast")]
use crate::instant::Alarm;
use crate::tables::Tables;

pub(crate) use work::Work;

/// The records, the bytes of what waits or is unacknowledged, and what is to be done with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Exchanges {
    pub(crate) work: Work,
    pub(crate) tables: Tables,
    pub(crate) arena: Arena,
    /// When the first of the messages that wait expires, at the earliest.
    #[cfg(feature = "fast")]
    pub(crate) next_expiry: Alarm,
}

impl Exchanges {
    pub(crate) const fn new() -> Self {
        Self {
            work: Work::NONE,
            tables: Tables::new(),
            arena: Arena::new(),
            #[cfg(feature = "fast")]
            next_expiry: Alarm::NEVER,
        }
    }
}
