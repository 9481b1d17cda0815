//! What is promised, in words, and that it was broken.

use core::fmt;

/// A promise that every run is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Property {
    /// QoS 2: exactly once, end to end, while the sessions are kept; never twice in any case.
    ExactlyOnce,
    /// QoS 1: at least once, end to end, while the sessions are kept; again only over a cut.
    AtLeastOnce,
    /// QoS 0: at most once.
    AtMostOnce,
    /// Messages of one publisher, topic and QoS first arrive in the order of publishing.
    Order,
    /// Each ticket is settled exactly once, and by what has happened.
    Tickets,
    /// No packet identifier is used for something new while its exchange is open.
    Identifiers,
    /// No more messages are unacknowledged than the peer's Receive Maximum allows.
    ReceiveMaximum,
    /// No packet is larger than the peer's Maximum Packet Size.
    PacketSize,
    /// Topic aliases are within the peer's maximum, and set on the connection that uses them.
    Aliases,
    /// Nothing is sent again on a live connection; on the next one with DUP, in the old order,
    /// ahead of what is new.
    Retransmission,
    /// What is acknowledged has come, was consumed, and is answered as the application said, in
    /// order.
    Acknowledgement,
    /// A connection begins afresh, and its bytes are whole packets.
    Streams,
    /// What waits counts its Message Expiry Interval down, and is not sent when it has passed.
    Expiry,
    /// What arrives is what was published, for someone who subscribed.
    Content,
    /// Two honest machines never accuse each other, nor give each other up for good.
    Harmony,
    /// Both machines come to rest in a bounded number of actions.
    Liveness,
    /// When traffic stops and the links have healed, all is settled and every queue is empty.
    Quiescence,
    /// Nothing panics.
    NoPanic,
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ExactlyOnce => "QoS 2 exactly once",
            Self::AtLeastOnce => "QoS 1 at least once",
            Self::AtMostOnce => "QoS 0 at most once",
            Self::Order => "order per publisher, topic and QoS",
            Self::Tickets => "each ticket settled exactly once",
            Self::Identifiers => "no identifier reused while open",
            Self::ReceiveMaximum => "Receive Maximum",
            Self::PacketSize => "Maximum Packet Size",
            Self::Aliases => "topic aliases",
            Self::Retransmission => "nothing sent again on a live connection",
            Self::Acknowledgement => "acknowledged as consumed",
            Self::Streams => "each connection begins afresh",
            Self::Expiry => "message expiry counted",
            Self::Content => "what arrives was published",
            Self::Harmony => "no accusations",
            Self::Liveness => "no livelock",
            Self::Quiescence => "quiescence",
            Self::NoPanic => "no panic",
        })
    }
}

/// A broken promise.
#[derive(Clone, Debug)]
pub struct Broken {
    /// Which one.
    pub property: Property,
    /// What happened.
    pub what: String,
}

/// Nothing, or a broken promise.
pub type Found = Result<(), Broken>;

impl Property {
    /// It holds if this does.
    ///
    /// # Errors
    /// It does not.
    pub fn holds(self, yes: bool, what: impl FnOnce() -> String) -> Found {
        if yes {
            Ok(())
        } else {
            Err(self.broken(what()))
        }
    }

    /// It does not hold.
    #[must_use]
    pub fn broken(self, what: impl Into<String>) -> Broken {
        Broken {
            property: self,
            what: what.into(),
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.property, self.what)
    }
}
