//! The sending half of the session: what outlives a transport.

use crate::arena::Arena;
use crate::instant::Alarm;
use crate::tables::Tables;

/// What the next poll has to look at: nothing is looked for that nobody noted here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Work(u8);

impl Work {
    /// The transport has taken a QoS 0 message, which is to be told.
    pub(crate) const TAKEN: u8 = 4;
    /// Something may have to be told, a QoS 0 message that was taken among it.
    pub(crate) const TELL: u8 = 1 | Self::TAKEN;
    /// Something may be able to leave that could not before.
    pub(crate) const PUMP: u8 = 2;

    pub(crate) fn note(&mut self, what: u8) {
        self.0 |= what;
    }

    pub(crate) fn done(&mut self, what: u8) {
        self.0 &= !what;
    }

    pub(crate) const fn has(self, what: u8) -> bool {
        self.0 & what != 0
    }

    #[cfg(feature = "fast")]
    pub(crate) const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Whether this is all there is to do.
    #[cfg(feature = "fast")]
    pub(crate) const fn is_only(self, what: u8) -> bool {
        self.0 == what
    }
}

/// The records, the bytes of what waits or is unacknowledged, and what is to be done with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Exchanges {
    pub(crate) work: Work,
    pub(crate) tables: Tables,
    pub(crate) arena: Arena,
    /// When the first of the messages that wait expires.
    pub(crate) next_expiry: Alarm,
}

impl Exchanges {
    pub(crate) const fn new() -> Self {
        Self {
            work: Work(0),
            tables: Tables::new(),
            arena: Arena::new(),
            next_expiry: Alarm::NEVER,
        }
    }
}
