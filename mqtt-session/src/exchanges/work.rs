//! What the next poll has to look at.

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

    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn note(&mut self, what: u8) {
        self.0 |= what;
    }

    pub(crate) fn done(&mut self, what: u8) {
        self.0 &= !what;
    }

    pub(crate) const fn has(self, what: u8) -> bool {
        self.0 & what != 0
    }

    pub(crate) const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Whether this is all there is to do.
    pub(crate) const fn is_only(self, what: u8) -> bool {
        self.0 == what
    }
}
