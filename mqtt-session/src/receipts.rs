//! The receiving half: what came in and what is owed for it.
//!
//! Of the session, it keeps the identifiers of QoS 2 messages between PUBLISH and PUBREL; of the
//! connection, the acknowledgements that are owed, the quota and the topic aliases.

use crate::config::Acknowledge;
use crate::delivery::AckToken;
use crate::exchanges::Work;
use crate::id_table;
use crate::owed::{Owed, OwedKind, Ring};
use crate::request::AcknowledgeError;
use crate::sender::Sending;
use crate::store::{InboundStore, OutboundStore};
use crate::violation::Violation;
use mqtt_proto::{
    Ack, PacketId, PacketType, Properties, Property, Publish, QoS, ReasonCode, Sender as From,
};

/// PUBREC is owed, or waits for the application.
pub(crate) const OWED: u16 = 0;
/// PUBREC was written for the present transport; PUBREL is awaited.
pub(crate) const OPEN: u16 = 1;
/// PUBREC was written for an earlier transport; PUBLISH or PUBREL comes again.
pub(crate) const EARLIER: u16 = 2;

/// What is known of a message that comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Known {
    /// It was delivered before.
    pub(crate) seen: bool,
    /// What its identifier stands for.
    state: Option<u16>,
}

impl Known {
    const NOT: Self = Self {
        seen: false,
        state: None,
    };
}

/// What outlives a transport on the receiving side; the identifiers are in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Receipts {
    /// The number of the next message that is to be acknowledged: rising, never reused.
    next_token: u64,
}

/// What is made afresh for each transport on the receiving side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Intake {
    /// PUBACK and PUBREC in order of arrival (MQTT-4.6.0-2, MQTT-4.6.0-3).
    pub(crate) acks: Ring,
    /// PUBCOMP, and PUBREL for what is unknown.
    pub(crate) releases: Ring,
    /// QoS 2 messages of this connection between PUBREC and PUBCOMP.
    pub(crate) open: u16,
    /// What CONNECT allowed the server.
    pub(crate) receive_maximum: u16,
    pub(crate) topic_alias_maximum: u16,
    pub(crate) problem_information: bool,
    pub(crate) maximum_packet_size: u32,
    /// A PUBLISH that is being delivered in parts.
    pub(crate) partial: Option<Partial>,
    /// Acknowledgements for which nothing was in flight.
    pub(crate) unsolicited: u32,
}

/// How far a PUBLISH that is larger than the input buffer has been delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Partial {
    pub(crate) offset: u32,
    /// Less than 256 MiB, as every packet.
    pub(crate) total: u32,
    /// A QoS 2 message that was delivered before: its payload passes unseen.
    pub(crate) duplicate: bool,
}

impl Intake {
    pub(crate) const fn new() -> Self {
        Self {
            acks: Ring::new(),
            releases: Ring::new(),
            open: 0,
            receive_maximum: u16::MAX,
            topic_alias_maximum: 0,
            problem_information: true,
            maximum_packet_size: u32::MAX,
            partial: None,
            unsolicited: 0,
        }
    }
}

impl Intake {
    /// Whether any acknowledgement is owed.
    pub(crate) const fn owes(&self) -> bool {
        !(self.acks.is_empty() && self.releases.is_empty())
    }
}

/// The receiving half of the session beside that of the connection.
pub(crate) struct Receiver<'a, I> {
    pub(crate) receipts: &'a mut Receipts,
    pub(crate) intake: &'a mut Intake,
    pub(crate) store: &'a mut I,
}

impl Receipts {
    pub(crate) const fn new() -> Self {
        Self { next_token: 1 }
    }
}

impl<I: InboundStore> Receiver<'_, I> {
    /// Holds a PUBLISH against the limits and resolves its topic alias; what is known of its
    /// identifier. A message that is known is not delivered again.
    pub(crate) fn admit(&mut self, publish: &Publish<'_>) -> Result<Known, Violation> {
        self.admit_alias(publish)?;
        self.admit_exchange(publish)
    }

    /// As [`Receiver::admit`], for one whose topic alias was resolved before.
    pub(crate) fn admit_exchange(&mut self, publish: &Publish<'_>) -> Result<Known, Violation> {
        match publish.packet_id {
            Some(id) => self.admit_id(publish.qos, id.value()),
            None => Ok(Known::NOT),
        }
    }

    /// Whether so many messages that wait to be accepted are within the quota.
    #[cfg(feature = "broker")]
    pub(crate) fn may_wait(&self, count: usize) -> bool {
        usize::from(self.outstanding()).saturating_add(count)
            <= usize::from(self.intake.receive_maximum)
    }

    /// Resolves the topic alias of a PUBLISH, if it has one.
    pub(crate) fn admit_alias(&mut self, publish: &Publish<'_>) -> Result<(), Violation> {
        match publish.properties.topic_alias() {
            Some(alias) => self.resolve_alias(publish, alias),
            // Without an alias there is a topic name: the codec saw to it.
            None => Ok(()),
        }
    }

    /// Holds the identifier of a PUBLISH against those that are known, and against the quota.
    pub(crate) fn admit_id(&mut self, qos: QoS, id: u16) -> Result<Known, Violation> {
        if qos == QoS::ExactlyOnce {
            let state = id_table::find(self.store.received(), id);
            if state.is_some() {
                return Ok(Known { seen: true, state });
            }
        }
        if self.outstanding() >= self.intake.receive_maximum {
            return Err(Violation::ReceiveMaximum);
        }
        Ok(Known::NOT)
    }

    /// The last part of a message has come: what is known of it now.
    pub(crate) fn known(&mut self, seen: bool, id: u16) -> Known {
        let state = id_table::find(self.store.received(), id);
        Known {
            seen,
            state: state.filter(|_| seen),
        }
    }

    /// Messages the server has not got its last acknowledgement for, as far as this connection
    /// is concerned (section 4.9).
    fn outstanding(&self) -> u16 {
        self.intake.acks.len().saturating_add(self.intake.open)
    }

    fn resolve_alias(&mut self, publish: &Publish<'_>, alias: u16) -> Result<(), Violation> {
        if alias == 0 || alias > self.intake.topic_alias_maximum {
            return Err(Violation::TopicAlias(alias));
        }
        match publish.topic {
            Some(topic) if self.store.set_alias(alias, topic.as_str().as_bytes()) => Ok(()),
            Some(_) => Err(Violation::TopicAliasTooLong),
            None if self.store.alias(alias).is_empty() => Err(Violation::UnknownTopicAlias(alias)),
            None => Ok(()),
        }
    }

    /// Whether one more PUBACK or PUBREC can be owed; makes the tables longer where the store
    /// can.
    fn has_room_for_receipt(&mut self) -> bool {
        !self.intake.acks.is_full(self.store.parts().acks) || self.grow()
    }

    /// Whether one more PUBCOMP, or PUBREL for what is unknown, can be owed; makes the tables
    /// longer where the store can.
    fn has_room_for_release(&mut self) -> bool {
        !self.intake.releases.is_full(self.store.parts().releases) || self.grow()
    }

    /// Makes room for one more PUBACK or PUBREC. When there is none a peer has gone beyond
    /// Receive Maximum, so nothing waits for it: [`Receiver::admit`] and [`Receiver::accept`] say
    /// what is wrong.
    pub(crate) fn make_room_for_receipt<O: OutboundStore>(&mut self, sender: &mut Sending<'_, O>) {
        if !self.has_room_for_receipt() {
            self.pump(sender);
        }
    }

    /// Whether PUBCOMP, or PUBREL for what is unknown, can be owed: room first, then the packet.
    pub(crate) fn make_room_for_release<O: OutboundStore>(
        &mut self,
        sender: &mut Sending<'_, O>,
    ) -> bool {
        if self.has_room_for_release() {
            return true;
        }
        self.pump(sender);
        self.has_room_for_release()
    }

    fn grow(&mut self) -> bool {
        let parts = self.store.parts();
        self.intake.acks.straighten(parts.acks);
        self.intake.releases.straighten(parts.releases);
        self.store.grow()
    }

    /// Remembers a QoS 2 message. The tables may have to grow for it although nothing is owed:
    /// a server may have many messages between PUBREC and PUBREL.
    pub(crate) fn remember(&mut self, id: u16, state: u16) -> bool {
        id_table::insert(self.store.received(), id, state)
            || (self.grow() && id_table::insert(self.store.received(), id, state))
    }

    /// A PUBLISH has been received whole: what is owed for it from now on.
    ///
    /// With automatic acknowledgement nothing can stop its acknowledgement any more; a QoS 2
    /// message counts as received. Otherwise the token lets the application acknowledge it.
    #[inline]
    pub(crate) fn accept<O: OutboundStore>(
        &mut self,
        qos: QoS,
        id: u16,
        known: Known,
        acknowledge: Acknowledge,
        sender: &mut Sending<'_, O>,
    ) -> Result<Option<AckToken>, Violation> {
        let manual = acknowledge == Acknowledge::Manually && !known.seen;
        let at_once = !manual && self.intake.acks.is_empty() && sender.out.line.is_up();
        let (kind, packet) = match qos {
            QoS::AtMostOnce => return Ok(None),
            QoS::AtLeastOnce if manual => (OwedKind::PubAckAwaited, PacketType::PubAck),
            QoS::AtLeastOnce => (OwedKind::PubAck, PacketType::PubAck),
            QoS::ExactlyOnce if manual => (OwedKind::PubRecAwaited, PacketType::PubRec),
            QoS::ExactlyOnce => (OwedKind::PubRec, PacketType::PubRec),
        };
        if qos == QoS::ExactlyOnce {
            match known.state {
                // The acknowledgement is on its way or in the application's hands.
                Some(OWED) => return Ok(None),
                Some(OPEN) => self.intake.open = self.intake.open.saturating_sub(1),
                _ => {}
            }
            if !self.remember(id, if at_once { OPEN } else { OWED }) {
                return Err(Violation::ReceiveMaximum);
            }
        }
        if at_once {
            if sender.write_ack(packet, id, ReasonCode::SUCCESS) {
                if qos == QoS::ExactlyOnce {
                    self.intake.open = self.intake.open.saturating_add(1);
                }
                return Ok(None);
            }
            sender.out.line.blocked = true;
            if qos == QoS::ExactlyOnce {
                id_table::insert(self.store.received(), id, OWED);
            }
        }
        let owed = Owed {
            id,
            kind,
            reason: ReasonCode::SUCCESS,
        };
        sender.out.exchanges.work.note(Work::PUMP);
        let parts = self.store.parts();
        if !self.intake.acks.push(parts.acks, owed) {
            return Err(Violation::ReceiveMaximum);
        }
        let token = AckToken(self.receipts.next_token);
        self.receipts.next_token = self.receipts.next_token.wrapping_add(1);
        Ok(manual.then_some(token))
    }

    /// Remembers a new QoS 2 message before anything is done with it.
    ///
    /// # Errors
    /// More are open than Receive Maximum allows, counting those of earlier connections.
    #[cfg(feature = "broker")]
    pub(crate) fn reserve(&mut self, publish: &Publish<'_>) -> Result<(), Violation> {
        match publish.packet_id {
            Some(id) if publish.qos == QoS::ExactlyOnce && !self.remember(id.value(), OWED) => {
                Err(Violation::ReceiveMaximum)
            }
            _ => Ok(()),
        }
    }

    /// As [`Receiver::accept`], acknowledging with this reason: what is 0x80 or above refuses the
    /// message.
    #[cfg(feature = "broker")]
    pub(crate) fn accept_with<O: OutboundStore>(
        &mut self,
        qos: QoS,
        id: u16,
        known: Known,
        reason: ReasonCode,
        sender: &mut Sending<'_, O>,
    ) -> Result<(), Violation> {
        if reason == ReasonCode::SUCCESS {
            self.accept(qos, id, known, Acknowledge::Automatically, sender)?;
            return Ok(());
        }
        let token = self.accept(qos, id, known, Acknowledge::Manually, sender)?;
        if let Some(token) = token {
            // It was issued a moment ago, and whoever calls has chosen among the codes allowed.
            let _ = self.acknowledge(token, reason, &[], sender);
            self.pump(sender);
        }
        Ok(())
    }

    /// PUBREL came in: PUBCOMP is owed, with 0x92 when the identifier is unknown.
    pub(crate) fn released<O: OutboundStore>(
        &mut self,
        id: u16,
        sender: &mut Sending<'_, O>,
    ) -> Result<(), Violation> {
        let parts = self.store.parts();
        let (kind, reason) = match id_table::find(parts.received, id) {
            None => (
                OwedKind::PubCompUncounted,
                ReasonCode::PACKET_IDENTIFIER_NOT_FOUND,
            ),
            // PUBREC is still owed or in the application's hands: the server cannot have it.
            Some(OWED) => return Err(Violation::OutOfOrder(PacketType::PubRel)),
            Some(state) => {
                id_table::remove(parts.received, id);
                let kind = if state == OPEN {
                    OwedKind::PubComp
                } else {
                    OwedKind::PubCompUncounted
                };
                (kind, ReasonCode::SUCCESS)
            }
        };
        self.owe_release(Owed { id, kind, reason }, sender);
        Ok(())
    }

    /// PUBREC for an identifier that is not in use: PUBREL 0x92 is owed.
    pub(crate) fn unknown_pubrec<O: OutboundStore>(
        &mut self,
        id: u16,
        sender: &mut Sending<'_, O>,
    ) {
        let reason = ReasonCode::PACKET_IDENTIFIER_NOT_FOUND;
        self.owe_release(
            Owed {
                id,
                kind: OwedKind::PubRel,
                reason,
            },
            sender,
        );
    }

    fn owe_release<O: OutboundStore>(&mut self, owed: Owed, sender: &mut Sending<'_, O>) {
        if self.intake.releases.is_empty() && self.write(owed, sender) {
            return;
        }
        // There was room before the packet was taken.
        sender.out.exchanges.work.note(Work::PUMP);
        let pushed = self.intake.releases.push(self.store.parts().releases, owed);
        debug_assert!(pushed);
    }

    /// Writes an acknowledgement that is ready; false when there is no room for it.
    fn write<O: OutboundStore>(&mut self, owed: Owed, sender: &mut Sending<'_, O>) -> bool {
        let packet = match owed.kind {
            OwedKind::PubAck => PacketType::PubAck,
            OwedKind::PubRec => PacketType::PubRec,
            OwedKind::PubComp | OwedKind::PubCompUncounted => PacketType::PubComp,
            OwedKind::PubRel => PacketType::PubRel,
            OwedKind::PubAckAwaited | OwedKind::PubRecAwaited => return false,
        };
        if !sender.out.line.is_up() {
            return false;
        }
        if !sender.write_ack(packet, owed.id, owed.reason) {
            sender.out.line.blocked = true;
            return false;
        }
        self.written(owed);
        true
    }

    /// An acknowledgement was written: a PUBREC changes what its identifier stands for, a
    /// PUBCOMP gives its place in Receive Maximum back.
    fn written(&mut self, owed: Owed) {
        if owed.kind == OwedKind::PubComp {
            self.intake.open = self.intake.open.saturating_sub(1);
        }
        if owed.kind != OwedKind::PubRec {
            return;
        }
        let received = self.store.received();
        if owed.reason.is_failure() {
            // The identifier is a new message's from here on (MQTT-4.3.3-9).
            id_table::remove(received, owed.id);
        } else {
            id_table::insert(received, owed.id, OPEN);
            self.intake.open = self.intake.open.saturating_add(1);
        }
    }

    /// Writes what is owed and may leave, as far as there is room.
    pub(crate) fn pump<O: OutboundStore>(&mut self, sender: &mut Sending<'_, O>) {
        while let Some(owed) = self.intake.acks.first(self.store.parts().acks) {
            if !self.write(owed, sender) {
                break;
            }
            self.intake.acks.pop(self.store.parts().acks);
        }
        while let Some(owed) = self.intake.releases.first(self.store.parts().releases) {
            if !self.write(owed, sender) {
                break;
            }
            self.intake.releases.pop(self.store.parts().releases);
        }
    }

    /// Whether an acknowledgement that may leave has not been written.
    pub(crate) fn is_drained(&mut self) -> bool {
        let acks = self.intake.acks.first(self.store.parts().acks);
        let waits =
            |owed: Owed| matches!(owed.kind, OwedKind::PubAckAwaited | OwedKind::PubRecAwaited);
        acks.is_none_or(waits) && self.intake.releases.is_empty()
    }

    /// The application acknowledges. With properties it has to be the oldest, and to fit.
    pub(crate) fn acknowledge<O: OutboundStore>(
        &mut self,
        token: AckToken,
        reason: ReasonCode,
        properties: &[Property<'_>],
        sender: &mut Sending<'_, O>,
    ) -> Result<(), AcknowledgeError> {
        let first = self
            .receipts
            .next_token
            .wrapping_sub(u64::from(self.intake.acks.len()));
        let index = token
            .0
            .checked_sub(first)
            .and_then(|index| u16::try_from(index).ok());
        let index = index.ok_or(AcknowledgeError::Stale)?;
        let parts = self.store.parts();
        let entry = self.intake.acks.get_mut(parts.acks, index);
        let entry = entry.ok_or(AcknowledgeError::Stale)?;
        let (ready, packet) = match entry.kind {
            OwedKind::PubAckAwaited => (OwedKind::PubAck, PacketType::PubAck),
            OwedKind::PubRecAwaited => (OwedKind::PubRec, PacketType::PubRec),
            _ => return Err(AcknowledgeError::Stale),
        };
        let side = sender.out.side;
        // Nobody but a server knows whether anyone subscribes.
        let unknown = side == From::Client && reason == ReasonCode::NO_MATCHING_SUBSCRIBERS;
        if unknown || !reason.is_allowed(packet, side) {
            return Err(AcknowledgeError::Reason(reason));
        }
        let owed = Owed {
            id: entry.id,
            kind: ready,
            reason,
        };
        if !properties.is_empty() {
            return self.acknowledge_with(owed, packet, index, properties, sender);
        }
        *entry = owed;
        sender.out.exchanges.work.note(Work::PUMP);
        Ok(())
    }

    fn acknowledge_with<O: OutboundStore>(
        &mut self,
        owed: Owed,
        packet: PacketType,
        index: u16,
        properties: &[Property<'_>],
        sender: &mut Sending<'_, O>,
    ) -> Result<(), AcknowledgeError> {
        let Some(packet_id) = PacketId::new(owed.id) else {
            return Err(AcknowledgeError::Stale);
        };
        let mut ack = Ack {
            packet_id,
            reason: owed.reason,
            properties: Properties::new(properties),
        };
        let mut len = ack.encoded_len().map_err(AcknowledgeError::Invalid)?;
        // Reason String and User Property may not make it too large for the server
        // (MQTT-3.4.2-2, MQTT-3.4.2-3, MQTT-3.5.2-2, MQTT-3.5.2-3): they are left out then.
        if len > sender.out.line.limits.maximum_packet_size as usize {
            ack.properties = Properties::EMPTY;
            len = ack.encoded_len().map_err(AcknowledgeError::Invalid)?;
        }
        if index != 0 || !sender.out.line.is_up() || !sender.has_room(len) {
            return Err(AcknowledgeError::PropertiesCannotWait);
        }
        let out = sender.out.line.tx.room(sender.store.transmit(), len);
        let out = out.ok_or(AcknowledgeError::PropertiesCannotWait)?;
        let written = ack
            .encode(packet, sender.out.side, out)
            .map_err(AcknowledgeError::Invalid)?;
        sender.commit(written);
        self.intake.acks.pop(self.store.parts().acks);
        self.written(owed);
        // Later ones may have waited for this one.
        sender.out.exchanges.work.note(Work::PUMP);
        Ok(())
    }

    /// The transport is gone. What was not acknowledged comes again; what was, is remembered.
    /// True when a part of a message was delivered, and its last part was not.
    pub(crate) fn cut(&mut self) -> bool {
        let parts = self.store.parts();
        while let Some(owed) = self.intake.acks.first(parts.acks) {
            let received = match owed.kind {
                // Delivered but not acknowledged by the application: it is not received yet.
                OwedKind::PubRecAwaited => false,
                OwedKind::PubRec => !owed.reason.is_failure(),
                _ => true,
            };
            if !received {
                id_table::remove(parts.received, owed.id);
            }
            self.intake.acks.pop(parts.acks);
        }
        id_table::for_each(parts.received, |value| *value = EARLIER);
        let cut = self
            .intake
            .partial
            .is_some_and(|partial| !partial.duplicate && partial.offset > 0);
        *self.intake = Intake::new();
        self.store.clear_aliases();
        cut
    }

    /// The session is gone: so are the identifiers in it.
    pub(crate) fn session_lost(&mut self) {
        id_table::clear(self.store.received());
    }
}
