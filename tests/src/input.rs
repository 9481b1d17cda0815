//! How large the input buffer of a conversation is.

/// Bytes: more than any packet of a conversation needs. `tests/small_input.rs` holds the same
/// conversations with another size.
pub const INPUT: usize = 4096;
