//! Topic aliases for messages that leave (section 3.3.2.3.4): they live as long as one transport.

use crate::pump::packet_range;
use crate::record::Flags;
use crate::sender::Sending;
use crate::store::OutboundStore;
use crate::stored::Layout;
use crate::transmit::RESERVE;

/// Which aliases the server knows. At first it is all zero, so that a static client takes no room in a
/// program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Aliases {
    /// How many are set: those from 1 on.
    set: u16,
    /// Which was set or replaced last.
    last: u16,
    /// How many may be set.
    pub(crate) limit: u16,
}

impl Aliases {
    pub(crate) const NONE: Self = Self {
        set: 0,
        last: 0,
        limit: 0,
    };

    /// Which is set or replaced next.
    const fn next(&self) -> u16 {
        if self.last >= self.limit {
            1
        } else {
            self.last.wrapping_add(1)
        }
    }

    /// The alias that was next is set.
    fn was_set(&mut self) {
        self.last = self.next();
        self.set = self.set.max(self.last);
    }
}

impl<O: OutboundStore> Sending<'_, O> {
    /// Writes a message with a topic alias, where its topic has or gets one, the packet is
    /// within the server's limit, and there is room. The alias is committed with the packet.
    ///
    /// Whether it was written; `None` where it goes without an alias. What will have room with its
    /// alias waits for it, so that it does not matter when the transport takes how much.
    pub(crate) fn write_aliased(
        &mut self,
        slot: u16,
        (start, end): (usize, usize),
    ) -> Option<bool> {
        if self.out.line.aliases.limit == 0 {
            return None;
        }
        let layout = Layout::of(self.store.arena().get(start..end)?)?;
        let (alias, with_topic) = self.choose_alias(start, &layout);
        let packet = self.store.arena().get(start..end)?;
        let len = layout.aliased_len(packet, with_topic)?;
        if len > self.out.line.limits().maximum_packet_size as usize {
            return None;
        }
        if !self.has_room(len) {
            let fits = len.saturating_add(RESERVE) <= self.store.transmit().len();
            return fits.then_some(false);
        }
        let (from, to) = layout.topic_range(start);
        if with_topic && !self.store.keep_alias(alias, from, to) {
            return None;
        }
        let parts = self.store.parts();
        let packet = parts.arena.get(start..end)?;
        let out = self.out.line.tx.room(parts.transmit, len)?;
        layout.write_aliased(packet, with_topic, alias, out)?;
        let how = if with_topic {
            self.out.line.aliases.was_set();
            Flags::ALIAS_SET
        } else {
            Flags::ALIAS_ALONE
        };
        if let Some(record) = self.store.records().get_mut(usize::from(slot)) {
            record.flags.set(how);
        }
        self.commit(len);
        Some(true)
    }

    /// The alias for a message's topic, and whether the topic has to go with it.
    fn choose_alias(&mut self, start: usize, layout: &Layout) -> (u16, bool) {
        let (from, to) = layout.topic_range(start);
        if let Some(alias) = self.store.find_alias(self.out.line.aliases.set, from, to) {
            return (alias, false);
        }
        (self.out.line.aliases.next(), true)
    }

    /// How many bytes the present transport gets for a record that was written with an alias.
    pub(crate) fn aliased_len(&mut self, slot: u16) -> Option<usize> {
        let record = self.store.records().get(usize::from(slot)).copied()?;
        let with_topic = record.flags.has(Flags::ALIAS_SET);
        if !with_topic && !record.flags.has(Flags::ALIAS_ALONE) {
            return None;
        }
        let (start, end) = packet_range(&record);
        let packet = self.store.arena().get(start..end)?;
        Layout::of(packet)?.aliased_len(packet, with_topic)
    }
}
