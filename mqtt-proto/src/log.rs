//! What `defmt` cannot derive.

/// Formats the items like a slice: `[a, b, c]`. The views over wire bytes are none.
pub(crate) fn list<T: defmt::Format>(f: defmt::Formatter<'_>, items: impl Iterator<Item = T>) {
    defmt::write!(f, "[");
    for (index, item) in items.enumerate() {
        if index > 0 {
            defmt::write!(f, ", ");
        }
        defmt::write!(f, "{}", item);
    }
    defmt::write!(f, "]");
}

/// Bytes that a log counts and does not show, because there may be many or they are secret.
pub(crate) struct Size(usize);

impl Size {
    pub(crate) const fn of(bytes: &[u8]) -> Self {
        Self(bytes.len())
    }
}

impl defmt::Format for Size {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=usize} bytes", self.0);
    }
}
