//! What `defmt` cannot derive.

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
