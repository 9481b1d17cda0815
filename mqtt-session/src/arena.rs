//! Storage for packets that wait or are unacknowledged: with the feature `fast` for any number of
//! them, otherwise for a few.

#[cfg(feature = "fast")]
mod making_room;
#[cfg(not(feature = "fast"))]
mod packed;
#[cfg(feature = "fast")]
mod ring;

#[cfg(not(feature = "fast"))]
pub(crate) use packed::Arena;
#[cfg(feature = "fast")]
pub(crate) use ring::{Arena, BLOCK_HEADER};
