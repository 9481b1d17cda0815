//! Where the records are, and which packet identifiers they have: with the feature `fast` for any
//! number of them, otherwise for a few.

#[cfg(feature = "fast")]
mod linked;
#[cfg(feature = "fast")]
mod queues;
#[cfg(not(feature = "fast"))]
mod scanned;

#[cfg(feature = "fast")]
pub(crate) use linked::{Tables, WirePlace};
#[cfg(not(feature = "fast"))]
pub(crate) use scanned::{Tables, find_id, oldest};

/// The index that names no record.
#[cfg(feature = "fast")]
pub(crate) const NIL: u16 = u16::MAX;
