//! `defmt` prints slices; the views over wire bytes are none.

/// Formats the items like a slice: `[a, b, c]`.
pub(crate) fn format<T: defmt::Format>(f: defmt::Formatter<'_>, items: impl Iterator<Item = T>) {
    defmt::write!(f, "[");
    for (index, item) in items.enumerate() {
        if index > 0 {
            defmt::write!(f, ", ");
        }
        defmt::write!(f, "{}", item);
    }
    defmt::write!(f, "]");
}
