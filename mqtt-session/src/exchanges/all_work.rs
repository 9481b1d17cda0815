//! What the next poll has to look at: with few records, all there is.

/// Nothing is noted, and everything is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Work;

impl Work {
    pub(crate) const NONE: Self = Self;
    pub(crate) const TAKEN: u8 = 0;
    pub(crate) const TELL: u8 = 0;
    pub(crate) const PUMP: u8 = 0;

    pub(crate) fn note(self, _what: u8) {}

    pub(crate) fn done(self, _what: u8) {}

    pub(crate) const fn has(self, _what: u8) -> bool {
        true
    }
}
