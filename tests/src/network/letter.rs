//! Messages as the suite knows them: each payload says whose it is, and no two are the same.

use core::fmt;
use mqtt_proto::QoS;
use mqtt_session::Instant;

/// Which message: by publisher, life of the publisher, and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    /// The client that published it.
    pub(crate) publisher: usize,
    /// Which of its lives: a client that comes back without its state begins a new one.
    pub(crate) life: u16,
    /// Rising in the order of publishing.
    pub(crate) number: u32,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.publisher, self.life, self.number)
    }
}

impl Key {
    /// The payload of this message.
    #[must_use]
    pub(crate) fn payload(&self, large: bool) -> Vec<u8> {
        let mut payload = format!("{self} ").into_bytes();
        let len = if large { 300 } else { 12 };
        let filler = (0u8..26).map(|letter| b'a' + letter).cycle();
        payload.extend(filler.take(len));
        payload
    }

    /// Which message a payload is of, from its beginning.
    #[must_use]
    pub(crate) fn of(payload: &[u8]) -> Option<Self> {
        let end = payload.iter().position(|byte| *byte == b' ')?;
        let mut parts = core::str::from_utf8(&payload[..end]).ok()?.split('.');
        let key = Self {
            publisher: parts.next()?.parse().ok()?,
            life: parts.next()?.parse().ok()?,
            number: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(key)
    }
}

/// A message that a client took in, and what became of it on the way to the broker.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    /// Where to.
    pub(crate) topic: &'static str,
    /// How.
    pub(crate) qos: QoS,
    /// Whether it is a large one.
    pub(crate) large: bool,
    /// Message Expiry Interval in seconds.
    pub(crate) expiry: Option<u32>,
    /// When it was handed over.
    pub(crate) at: Instant,
    /// Links of its publisher that had been opened then.
    pub(crate) links: u32,
    /// How often all of it came to a broker.
    pub(crate) arrivals: u32,
    /// When the copy that came to the broker and lives longest expires there.
    pub(crate) expires: Option<Instant>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_says_which_message_it_is() {
        let key = Key {
            publisher: 3,
            life: 2,
            number: 17,
        };
        for large in [false, true] {
            assert_eq!(Key::of(&key.payload(large)), Some(key));
        }
        assert_eq!(Key::of(b"3.2"), None);
        assert_eq!(Key::of(b"3.2.x "), None);
    }
}
