//! What the server keeps of a client beyond one connection.

use mqtt_proto::{Properties, Property, Publish, QoS};
use std::collections::{BTreeMap, BTreeSet};

/// A session, as the server has it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    pub(crate) client_id: String,
    /// PUBLISH from the client, by identifier; also those that are over.
    pub(crate) from_client: BTreeMap<u16, FromClient>,
    /// QoS 2 messages that were passed on and not released.
    pub(crate) passed_on: BTreeSet<u16>,
    pub(crate) to_client: Vec<ToClient>,
    /// How often PUBREL was sent: after the first, the client may not know the message any more.
    pub(crate) releases: BTreeMap<u16, usize>,
    pub(crate) last_id: u16,
    /// PUBLISH packets of which only the beginning came, without the identifier: when they came.
    pub(crate) fragments: Vec<u64>,
    /// Messages of QoS 1 and 2 that came, or began to.
    pub(crate) seen: BTreeSet<u64>,
    /// Counts first transmissions.
    pub(crate) clock: u64,
}

/// An exchange that the client began.
#[derive(Clone, Debug)]
pub(crate) struct FromClient {
    pub(crate) qos: QoS,
    pub(crate) content: Option<Content>,
    pub(crate) stage: Stage,
    /// When its first byte came.
    pub(crate) since: u64,
    /// When PUBREC was last sent.
    pub(crate) received: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// A part of PUBLISH came.
    Begun,
    /// PUBLISH came.
    Published,
    /// PUBREC was sent.
    Received,
    /// The last acknowledgement was sent.
    Over,
}

/// The number of a message of which at least the number came.
pub(crate) fn begun_uid(payload: &[u8]) -> Option<u64> {
    payload.first_chunk::<8>().copied().map(u64::from_le_bytes)
}

/// What must be the same when a message is sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) retain: bool,
    pub(crate) properties: Vec<String>,
}

impl Content {
    pub(crate) fn of(publish: &Publish<'_>, topic: &str) -> Self {
        Self {
            topic: topic.to_owned(),
            payload: publish.payload.to_vec(),
            retain: publish.retain,
            properties: lasting(&publish.properties),
        }
    }

    pub(crate) fn uid(&self) -> u64 {
        uid(&self.payload).unwrap_or(0)
    }
}

/// The properties that do not depend on when and over which connection a message is sent.
fn lasting(properties: &Properties<'_>) -> Vec<String> {
    properties
        .iter()
        .filter(|property| {
            !matches!(
                property,
                Property::TopicAlias(_) | Property::MessageExpiryInterval(_)
            )
        })
        .map(|property| format!("{property:?}"))
        .collect()
}

/// An exchange that the server began.
#[derive(Clone, Debug)]
pub(crate) struct ToClient {
    pub(crate) id: u16,
    pub(crate) qos: QoS,
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    /// PUBREC came: PUBREL is to follow, and no PUBLISH any more.
    pub(crate) received: bool,
}

impl Session {
    pub(crate) fn new(client_id: String) -> Self {
        Self {
            client_id,
            ..Self::default()
        }
    }

    pub(crate) fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// The next identifier for a message to the client.
    pub(crate) fn next_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if self.to_client.iter().all(|open| open.id != self.last_id) {
                self.releases.remove(&self.last_id);
                return self.last_id;
            }
        }
    }
}

/// A payload that tells its message from all others, and whether it arrived whole.
pub(crate) fn payload(uid: u64, len: usize) -> Vec<u8> {
    let mut payload = uid.to_le_bytes().to_vec();
    payload.extend((0..len).map(|at| filler(uid, at)));
    payload
}

fn filler(uid: u64, at: usize) -> u8 {
    (uid as u8).wrapping_mul(31).wrapping_add(at as u8)
}

/// The message that a payload belongs to, if it is as it was made.
pub(crate) fn uid(payload: &[u8]) -> Option<u64> {
    let (uid, rest) = payload.split_first_chunk::<8>()?;
    let uid = u64::from_le_bytes(*uid);
    let whole = rest
        .iter()
        .enumerate()
        .all(|(at, byte)| *byte == filler(uid, at));
    whole.then_some(uid)
}
