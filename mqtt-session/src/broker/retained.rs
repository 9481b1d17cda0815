//! Retained messages (section 3.3.1.3): the last of each topic, bounded in number and bytes.

use super::message::{Kept, Message};
use super::tree::{Fruit, TopicTree};
use super::turns::cost_of;
use crate::instant::Instant;
use alloc::string::String;
use alloc::vec::Vec;
use mqtt_proto::ReasonCode;

#[derive(Clone, Debug, Default)]
struct Place(Option<Kept>);

impl Fruit for Place {
    fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Retained {
    tree: TopicTree<Place>,
    messages: usize,
    bytes: usize,
    /// From when on it pays to look for messages that have expired.
    next_sweep: Instant,
}

/// How much may be kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
    pub(crate) levels: usize,
}

impl Retained {
    pub(crate) fn new() -> Self {
        Self {
            tree: TopicTree::new(),
            messages: 0,
            bytes: 0,
            next_sweep: Instant::from_micros(0),
        }
    }

    /// How many are kept; those that have expired count until they are looked at, or their
    /// room is needed.
    pub(crate) fn len(&self) -> usize {
        self.messages
    }

    /// Replaces what is kept for the message's topic (MQTT-3.3.1-5); an empty payload only
    /// removes it (MQTT-3.3.1-6, MQTT-3.3.1-7).
    ///
    /// # Errors
    /// Quota exceeded when a bound is reached: what was kept before stays.
    pub(crate) fn replace(
        &mut self,
        message: &Message<'_>,
        now: Instant,
        bounds: Bounds,
    ) -> Result<(), ReasonCode> {
        let topic = message.topic.as_str();
        let before = self.tree.get(topic).and_then(|place| place.0.as_ref());
        let freed = before.map(Kept::len);
        if message.payload.is_empty() {
            if freed.is_some() {
                self.remove(topic);
            }
            return Ok(());
        }
        if topic.split('/').count() > bounds.levels {
            return Err(ReasonCode::QUOTA_EXCEEDED);
        }
        let kept = message.keep(now).ok_or(ReasonCode::QUOTA_EXCEEDED)?;
        let with = |held: &Self, freed: Option<usize>| {
            let bytes = held.bytes.saturating_sub(freed.unwrap_or(0));
            let bytes = bytes.saturating_add(kept.len());
            let messages = held.messages.saturating_add(usize::from(freed.is_none()));
            (bytes <= bounds.bytes && messages <= bounds.messages).then_some((bytes, messages))
        };
        let fits = match with(self, freed) {
            None if self.sweep(now) => {
                let before = self.tree.get(topic).and_then(|place| place.0.as_ref());
                let freed = before.map(Kept::len);
                with(self, freed)
            }
            fits => fits,
        };
        let (bytes, messages) = fits.ok_or(ReasonCode::QUOTA_EXCEEDED)?;
        if let Some(place) = self.tree.at(topic) {
            place.0 = Some(kept);
            self.bytes = bytes;
            self.messages = messages;
        }
        Ok(())
    }

    /// Removes all that have expired; whether it looked for them. It does so once a second at the
    /// most, since it looks at everything.
    fn sweep(&mut self, now: Instant) -> bool {
        if now < self.next_sweep {
            return false;
        }
        self.next_sweep = now.plus_secs(1);
        let mut expired: Vec<String> = Vec::new();
        self.tree.for_each(|place| {
            if let Some(kept) = place.0.as_ref().filter(|kept| kept.expires() <= now) {
                expired.extend(kept.topic().map(String::from));
            }
        });
        for topic in &expired {
            self.remove(topic);
        }
        true
    }

    /// Removes what is kept for a topic, if anything is.
    pub(crate) fn remove(&mut self, topic: &str) {
        let kept = self.tree.get_mut(topic).and_then(|place| place.0.take());
        if let Some(kept) = kept {
            self.messages = self.messages.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(kept.len());
            self.tree.prune(topic);
        }
    }

    /// Visits the messages whose topics a filter matches; those that have expired are removed. What
    /// it has cost.
    pub(crate) fn matching(
        &mut self,
        filter: &str,
        now: Instant,
        mut visit: impl FnMut(&Message<'_>),
    ) -> usize {
        let mut expired: Vec<String> = Vec::new();
        let mut found = 0usize;
        let visits = self.tree.topics_matching(filter, |place| {
            let Some(kept) = &place.0 else { return };
            match kept.message(now) {
                Some(message) => {
                    // As for any message that is handed over.
                    found = found.saturating_add(cost_of(message.payload.len()));
                    visit(&message);
                }
                None => expired.extend(kept.topic().map(String::from)),
            }
        });
        for topic in &expired {
            self.remove(topic);
        }
        visits.saturating_add(found)
    }
}
