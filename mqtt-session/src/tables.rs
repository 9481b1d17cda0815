//! Where the records are, and which packet identifiers they have: with the feature `fast` for any
//! number of them, otherwise for a few.

#[cfg(feature = "fast")]
mod linked;
#[cfg(not(feature = "fast"))]
mod scanned;

#[cfg(feature = "fast")]
pub(crate) use linked::{NIL, Tables, WirePlace};
#[cfg(not(feature = "fast"))]
pub(crate) use scanned::Tables;
