use core::num::NonZeroU16;

/// A packet identifier, 1..=65,535 (section 2.2.1). Each end numbers its own exchanges.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketId(NonZeroU16);

impl PacketId {
    /// The identifier with this number; `None` for 0, which is not an identifier (MQTT-2.2.1-3).
    #[must_use]
    #[inline]
    pub const fn new(number: u16) -> Option<Self> {
        match NonZeroU16::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The first identifier.
    pub(crate) const MIN: Self = Self(NonZeroU16::MIN);

    /// The number, 1..=65,535.
    #[must_use]
    #[inline]
    pub const fn value(self) -> u16 {
        self.0.get()
    }
}

impl core::fmt::Display for PacketId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(&self.0, f)
    }
}

impl core::fmt::Debug for PacketId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for PacketId {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=u16}", self.value());
    }
}
