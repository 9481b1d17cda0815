//! What a client has done so far, in numbers.

/// What a client has done so far, and what it has to do: read at any time, counted from its
/// making on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Messages that were accepted for publishing.
    pub accepted: u64,
    /// Messages among them that ended well: acknowledged, or at QoS 0 taken by the stream.
    pub published: u64,
    /// Messages among them that were refused by the server, or given up.
    pub failed: u64,
    /// Messages that came from the server.
    pub received: u64,
    /// Messages among them that a stream had no room for, counted for each stream.
    pub dropped: u64,
    /// Bytes that the stream to the server has taken.
    pub bytes_sent: u64,
    /// Bytes that came from the server.
    pub bytes_received: u64,
    /// How often the server has accepted a connection: the first time, and each time again.
    pub connections: u64,
    /// QoS 1 and QoS 2 messages on the wire, without their acknowledgement.
    pub in_flight: usize,
    /// Messages that wait to be sent: QoS 0 messages until the stream has taken them.
    pub queued: usize,
}

impl Counters {
    /// How often a connection was made again.
    #[must_use]
    pub fn reconnects(&self) -> u64 {
        self.connections.saturating_sub(1)
    }
}
