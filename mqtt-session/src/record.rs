//! The records of the sending half: what each is, how far it has come, and in which place it is.

use crate::instant::Stamp;
use mqtt_proto::ReasonCode;

/// A ticket as a record keeps it; [`Tables::ticket`](crate::tables::Tables::ticket) makes it whole.
#[cfg(feature = "fast")]
pub(crate) type KeptTicket = u64;
#[cfg(not(feature = "fast"))]
pub(crate) type KeptTicket = u32;

/// One thing the application handed over: its ticket, its bytes, and how far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    pub(crate) ticket: KeptTicket,
    /// Where its block lies in the arena.
    #[cfg(feature = "fast")]
    pub(crate) offset: u32,
    /// How long the packet in it is.
    #[cfg(feature = "fast")]
    pub(crate) len: u32,
    /// Both of these, or where it has no block, its order in its place.
    #[cfg(not(feature = "fast"))]
    block: Block,
    /// While it is being sent: the place in the stream after its last byte. Once sent: when.
    pub(crate) mark: u32,
    /// The packet identifier, zero while it has none.
    pub(crate) id: u16,
    /// The next record of its place; while its slot is free, the next free slot.
    #[cfg(feature = "fast")]
    pub(crate) next: u16,
    #[cfg(feature = "fast")]
    pub(crate) prev: u16,
    /// Topic filters in a SUBSCRIBE or UNSUBSCRIBE; bytes of the topic name in a PUBLISH.
    pub(crate) count: u16,
    pub(crate) flags: Flags,
    pub(crate) stage: Stage,
    #[cfg(not(feature = "fast"))]
    pub(crate) place: Place,
    /// PUBREC's reason while PUBCOMP is awaited; the outcome while it waits to be told.
    #[cfg(feature = "fast")]
    pub(crate) reason: ReasonCode,
}

/// A block of an arena of less than 64 KiB: where it lies, and behind that how long it is.
#[cfg(not(any(feature = "fast", feature = "alloc")))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C, align(4))]
struct Block(u16, u16);

#[cfg(not(any(feature = "fast", feature = "alloc")))]
impl Block {
    const NONE: Self = Self(0, 0);

    const fn new(offset: u32, len: usize) -> Self {
        Self(offset as u16, len as u16)
    }

    const fn offset(self) -> usize {
        self.0 as usize
    }

    const fn set_offset(&mut self, offset: u32) {
        self.0 = offset as u16;
    }

    const fn len(self) -> usize {
        self.1 as usize
    }

    const fn ordered(order: u32) -> Self {
        Self(order as u16, order.wrapping_shr(16) as u16)
    }

    const fn order(self) -> u32 {
        self.0 as u32 | (self.1 as u32).wrapping_shl(16)
    }
}

/// A block of an arena that may be larger than 64 KiB: where it lies, and how long it is.
#[cfg(all(feature = "alloc", not(feature = "fast")))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Block(u32, u32);

#[cfg(all(feature = "alloc", not(feature = "fast")))]
impl Block {
    const NONE: Self = Self(0, 0);

    const fn new(offset: u32, len: usize) -> Self {
        Self(offset, len as u32)
    }

    const fn offset(self) -> usize {
        self.0 as usize
    }

    const fn set_offset(&mut self, offset: u32) {
        self.0 = offset;
    }

    const fn len(self) -> usize {
        self.1 as usize
    }

    const fn ordered(order: u32) -> Self {
        Self(order, 0)
    }

    const fn order(self) -> u32 {
        self.0
    }
}

/// Where a record is, from the call that made it to the event that settles it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// No record: the slot is free.
    #[cfg(not(feature = "fast"))]
    Free,
    /// What no window holds back: QoS 0 messages, SUBSCRIBE, UNSUBSCRIBE.
    Prompt,
    /// QoS 1 and 2 messages that were never sent, in order of publishing.
    Queued,
    /// Sent over an earlier transport and to be sent again, in order of first sending.
    Resume,
    /// QoS 0 messages written for the present transport, until they are told to be taken.
    Leaving,
    /// SUBSCRIBE and UNSUBSCRIBE on the wire and on the way there.
    Requests,
    /// Given up, identifier kept from use while the session lives.
    Reserved,
    /// Put aside for a moment, while others are put into order.
    #[cfg(feature = "fast")]
    Aside,
    // From here on all are in the window of the server; with that they are told apart at once.
    /// QoS 1 and 2 messages on the wire and on the way there, in order of first sending.
    Flight,
    // From here on there is no block.
    /// PUBREL on the wire and on the way there, in order of PUBREC.
    Released,
    /// PUBREL to be sent, in order of PUBREC.
    Release,
    // Here the window ends.
    /// Ended, and to be told.
    Ended,
}

/// What the record stands for, named for what is awaited. What has ended lies in front, so that it
/// is told from all else in one comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// Ended, waiting to be told to the application.
    Ended(crate::event::GiveUp),
    /// Ended well, waiting to be told.
    EndedWell,
    /// Given up, but the server may hold the identifier: it stays taken while the session lives.
    Reserved,
    /// A QoS 0 PUBLISH: the transport has to take its last byte.
    AwaitSent,
    /// A QoS 1 PUBLISH.
    AwaitPubAck,
    /// A QoS 2 PUBLISH whose payload is still kept.
    AwaitPubRec,
    /// A QoS 2 exchange past PUBREC: only its identifier is left.
    AwaitPubComp,
    AwaitSubAck,
    AwaitUnsubAck,
}

/// Facts about a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Flags(u16);

impl Flags {
    // What a server may refuse lies in front, in the order of its limits.
    /// It is a message that the server is to keep. With the feature `fast` the packet alone may say
    /// so.
    pub(crate) const RETAIN: Self = Self(1);
    /// It has a filter with a wildcard.
    pub(crate) const WILDCARD: Self = Self(1 << 1);
    /// It has a filter of a shared subscription.
    pub(crate) const SHARED: Self = Self(1 << 2);
    /// It has a subscription identifier.
    pub(crate) const IDENTIFIED: Self = Self(1 << 3);
    /// PUBREC said that nobody subscribes: the one bit of that reason code. It says that or success,
    /// where it does not refuse.
    #[cfg(not(feature = "fast"))]
    const NO_SUBSCRIBERS: Self = Self(ReasonCode::NO_MATCHING_SUBSCRIBERS.value() as u16);
    /// Its block begins with the moment it expires.
    pub(crate) const EXPIRES: Self = Self(1 << 5);
    /// Its payload is drawn from the application while it is sent.
    #[cfg(feature = "draw")]
    pub(crate) const DRAWN: Self = Self(1 << 6);
    /// Its payload was begun to be drawn, and will not be finished.
    #[cfg(feature = "draw")]
    pub(crate) const UNFINISHED: Self = Self(1 << 7);

    // What is set and cleared together lies within eight bits: a constant for all of it is short.
    /// An earlier transmission may have reached the server.
    pub(crate) const MAYBE_SEEN: Self = Self(1 << 8);
    /// It was written for the present transport, which has not taken all of it.
    pub(crate) const SENDING: Self = Self(1 << 9);
    /// Every byte of it was taken by the present transport.
    pub(crate) const ON_WIRE: Self = Self(1 << 10);
    /// It has a block in the arena.
    pub(crate) const STORED: Self = Self(1 << 11);
    /// Its payload is held by the store beside the arena.
    pub(crate) const PAYLOAD_APART: Self = Self(1 << 12);
    /// The present transport got it with a topic alias instead of its topic.
    pub(crate) const ALIAS_ALONE: Self = Self(1 << 13);
    /// The present transport got it with its topic and a topic alias for it.
    pub(crate) const ALIAS_SET: Self = Self(1 << 14);
    /// It is a SUBSCRIBE or an UNSUBSCRIBE.
    pub(crate) const REQUEST: Self = Self(1 << 15);

    /// A message written from the store.
    #[cfg(feature = "fast")]
    pub(crate) const STORED_SENDING: Self = Self(Self::STORED.0 | Self::SENDING.0);

    pub(crate) const fn has(self, flag: Self) -> bool {
        self.0 & flag.0 != 0
    }

    /// What of it a server may refuse: the lowest bits, one for each of those limits, in their order.
    pub(crate) const fn asks(self) -> u16 {
        self.0
    }

    pub(crate) fn set(&mut self, flag: Self) {
        self.0 |= flag.0;
    }

    pub(crate) fn clear(&mut self, flag: Self) {
        self.0 &= !flag.0;
    }

    /// The transport has taken every byte of it.
    #[inline]
    pub(crate) fn now_on_wire(&mut self) {
        self.0 = self.0 & !Self::SENDING.0 | Self::ON_WIRE.0 | Self::MAYBE_SEEN.0;
    }

    /// The transport is gone: what belonged to it is forgotten.
    pub(crate) fn forget_transport(&mut self) {
        self.0 &= !(Self::SENDING.0 | Self::ON_WIRE.0 | Self::ALIAS_SET.0 | Self::ALIAS_ALONE.0);
    }

    /// It has ended: nothing of it is stored any more, and nothing that belonged to a transport is
    /// of use.
    #[cfg(not(feature = "fast"))]
    pub(crate) fn end(&mut self) {
        self.forget_transport();
        self.0 &= !(Self::STORED.0 | Self::PAYLOAD_APART.0);
    }

    /// Whether the store holds bytes for it.
    #[cfg(feature = "fast")]
    #[inline]
    pub(crate) const fn holds(self) -> bool {
        self.0 & (Self::STORED.0 | Self::PAYLOAD_APART.0) != 0
    }

    /// Whether it is on the wire, with nothing to be freed beside the arena.
    #[cfg(feature = "fast")]
    #[inline]
    pub(crate) const fn awaits_answer(self) -> bool {
        self.0 & (Self::ON_WIRE.0 | Self::PAYLOAD_APART.0) == Self::ON_WIRE.0
    }

    /// PUBREC came: nothing of it is stored any more, and nothing of what follows is sent.
    #[inline]
    pub(crate) fn past_pubrec(&mut self) {
        self.0 &= !(Self::STORED.0 | Self::PAYLOAD_APART.0 | Self::ON_WIRE.0);
    }

    /// Whether it is stored whole and nothing has to be looked up before it can be sent.
    #[cfg(feature = "fast")]
    pub(crate) const fn is_plain(self) -> bool {
        self.0 & !(Self::MAYBE_SEEN.0 | Self::RETAIN.0) == Self::STORED.0
    }
}

impl Stage {
    /// Whether this is a PUBLISH that is acknowledged.
    pub(crate) const fn is_exchange(self) -> bool {
        matches!(
            self,
            Self::AwaitPubAck | Self::AwaitPubRec | Self::AwaitPubComp
        )
    }

    /// Whether this is a PUBLISH that is sent, or sent again.
    #[cfg(feature = "topic-alias")]
    pub(crate) const fn is_publish(self) -> bool {
        matches!(
            self,
            Self::AwaitSent | Self::AwaitPubAck | Self::AwaitPubRec
        )
    }
}

impl Record {
    /// A record in no queue, for filling tables.
    pub(crate) const EMPTY: Self = Self {
        ticket: 0,
        #[cfg(feature = "fast")]
        offset: 0,
        #[cfg(feature = "fast")]
        len: 0,
        #[cfg(not(feature = "fast"))]
        block: Block::NONE,
        mark: 0,
        id: 0,
        #[cfg(feature = "fast")]
        next: crate::tables::NIL,
        #[cfg(feature = "fast")]
        prev: crate::tables::NIL,
        count: 0,
        flags: Flags(0),
        // All zero bits.
        stage: Stage::Ended(crate::event::GiveUp::ConnectionLost),
        #[cfg(not(feature = "fast"))]
        place: Place::Free,
        #[cfg(feature = "fast")]
        reason: ReasonCode::SUCCESS,
    };

    /// Where its block lies in the arena, with what may stand before the packet.
    pub(crate) const fn offset(&self) -> usize {
        #[cfg(feature = "fast")]
        return self.offset as usize;
        #[cfg(not(feature = "fast"))]
        self.block.offset()
    }

    /// How long the packet in its block is.
    pub(crate) const fn len(&self) -> usize {
        #[cfg(feature = "fast")]
        return self.len as usize;
        #[cfg(not(feature = "fast"))]
        self.block.len()
    }

    /// Where its block lies, and how long the packet in it is: what fits the arena is below 2 GiB.
    pub(crate) const fn set_block(&mut self, offset: u32, len: usize) {
        #[cfg(feature = "fast")]
        {
            self.offset = offset;
            self.len = len as u32;
        }
        #[cfg(not(feature = "fast"))]
        {
            self.block = Block::new(offset, len);
        }
    }

    /// Its block lies somewhere else.
    #[cfg(not(feature = "fast"))]
    pub(crate) const fn move_block(&mut self, offset: u32) {
        self.block.set_offset(offset);
    }

    /// The order in its place of what has no block.
    #[cfg(not(feature = "fast"))]
    pub(crate) const fn order(&self) -> u32 {
        self.block.order()
    }

    #[cfg(not(feature = "fast"))]
    pub(crate) const fn set_order(&mut self, order: u32) {
        self.block = Block::ordered(order);
    }

    /// PUBREC's reason while PUBCOMP is awaited; the outcome while it waits to be told.
    pub(crate) const fn reason(&self) -> ReasonCode {
        #[cfg(feature = "fast")]
        return self.reason;
        #[cfg(not(feature = "fast"))]
        if self.flags.has(Flags::NO_SUBSCRIBERS) {
            ReasonCode::NO_MATCHING_SUBSCRIBERS
        } else {
            ReasonCode::SUCCESS
        }
    }

    /// PUBREC came with this reason, which is no refusal.
    pub(crate) fn set_reason(&mut self, reason: ReasonCode) {
        #[cfg(feature = "fast")]
        {
            self.reason = reason;
        }
        #[cfg(not(feature = "fast"))]
        {
            let reason = u16::from(reason.value());
            self.flags.set(Flags(reason & Flags::NO_SUBSCRIBERS.0));
        }
    }

    /// It is settled, and its slot is free: it has no identifier.
    #[cfg(not(feature = "fast"))]
    pub(crate) fn finish(&mut self) {
        self.id = 0;
        // These are one word.
        self.flags = Flags(0);
        self.stage = Self::EMPTY.stage;
        self.place = Place::Free;
    }

    /// The place in which it awaits its answer, or waits to be sent again.
    #[cfg(feature = "fast")]
    pub(crate) fn place(&self) -> Place {
        match self.stage {
            Stage::AwaitSubAck | Stage::AwaitUnsubAck => Place::Requests,
            Stage::AwaitPubComp if self.flags.has(Flags::ON_WIRE) => Place::Released,
            Stage::AwaitPubComp => Place::Release,
            _ if self.flags.has(Flags::ON_WIRE) => Place::Flight,
            _ => Place::Resume,
        }
    }

    /// The time stamp in `mark` once the record is on the wire.
    pub(crate) fn sent_at(&self) -> Stamp {
        Stamp::from_raw(self.mark)
    }
}
