//! How much a stream holds for whoever reads it.

/// What becomes of messages for which a stream has no room, because nobody reads it.
///
/// There is no policy that waits: a reader that is slow, or gone, must not hold up pings,
/// acknowledgements and the other streams. What was dropped is counted.
///
/// Where nothing may be dropped, the server is to hold back what is not read yet: with
/// [`Options::manual_acknowledgement`](crate::Options::manual_acknowledgement) messages of QoS 1
/// and 2 are acknowledged when they are done with, and no more of them come than
/// [`Options::receive_maximum`](crate::Options::receive_maximum) says; a stream that holds as many
/// never overflows by them. The command `mqtt sub` works like that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Overflow {
    /// The oldest messages make room for the new one.
    #[default]
    DropOldest,
    /// The new message is dropped.
    DropNewest,
}

/// How much a stream holds for its reader, and what becomes of the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Buffer {
    /// Messages at most; at least 1.
    pub messages: usize,
    /// Bytes of topics and payloads at most; one message is held whatever its size.
    pub bytes: usize,
    /// What becomes of the rest.
    pub overflow: Overflow,
}

impl Default for Buffer {
    /// 10,000 messages and 16 MiB; the oldest are dropped.
    fn default() -> Self {
        Self {
            messages: 10_000,
            bytes: 16 << 20,
            overflow: Overflow::DropOldest,
        }
    }
}
