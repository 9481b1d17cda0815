//! The receiving half: what came in and what is owed for it.
//!
//! Of the session, it keeps the identifiers of QoS 2 messages between PUBLISH and PUBREL; of the
//! connection, the acknowledgements that are owed, the quota and the topic aliases.

use crate::delivery::{AckToken, Number};
use crate::exchanges::Work;
use crate::receipt::{Receipt, Stage};
use crate::request::AcknowledgeError;
use crate::sender::Sending;
use crate::store::{InboundStore, OutboundStore};
use crate::violation::Breach;
#[cfg(feature = "broker")]
use crate::violation::Violation;
use core::num::NonZero;
#[cfg(feature = "broker")]
use mqtt_proto::Publish;
use mqtt_proto::{
    Ack, Fields, PacketId, PacketType, Properties, Property, QoS, ReasonCode, Sender as From,
    TopicName,
};

/// What outlives a transport on the receiving side; the identifiers are in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Receipts {
    /// Twice how many messages came in that are to be acknowledged.
    count: Number,
}

/// What is made afresh for each transport on the receiving side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "fast"), repr(C))] // Short instructions reach what lies in front.
pub(crate) struct Intake {
    /// What CONNECT allowed the server.
    pub(crate) receive_maximum: u16,
    #[cfg(feature = "topic-alias")]
    pub(crate) topic_alias_maximum: u16,
    pub(crate) problem_information: bool,
    /// What is owed and may leave waits for room.
    pub(crate) blocked: bool,
    pub(crate) maximum_packet_size: u32,
    /// A PUBLISH that is being delivered in parts.
    pub(crate) partial: Option<Partial>,
    /// Acknowledgements for which nothing was in flight.
    pub(crate) unsolicited: u32,
}

/// How far a PUBLISH that is larger than the input buffer has been delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Partial(NonZero<u32>);

impl Partial {
    const SEEN: u32 = 2;

    /// At its start, and whether it is a QoS 2 message that was delivered before: its payload passes
    /// unseen then.
    pub(crate) fn new(seen: bool) -> Self {
        // It is never zero, so that there being none takes no room.
        Self(NonZero::<u32>::MIN | if seen { Self::SEEN } else { 0 })
    }

    /// So many bytes behind.
    pub(crate) fn behind(self, len: usize) -> Self {
        // No packet has 2^30 bytes.
        Self(NonZero::<u32>::MIN | self.0.get().wrapping_add((len as u32) << 2))
    }

    pub(crate) fn offset(self) -> usize {
        (self.0.get() >> 2) as usize
    }

    pub(crate) fn is_seen(self) -> bool {
        self.0.get() & Self::SEEN != 0
    }

    /// Whether a part of it was told: it is not seen, which is the sign of the number that is turned,
    /// and not at its start, the number of which is that of there being one.
    fn was_told(partial: Option<Self>) -> bool {
        let number = partial.map_or(0, |partial| partial.0.get());
        (number.rotate_right(2) as i32) > 1 << 30
    }
}

impl Intake {
    /// What holds without a connection, over which nothing comes in.
    pub(crate) const fn new() -> Self {
        Self {
            receive_maximum: 0,
            #[cfg(feature = "topic-alias")]
            topic_alias_maximum: 0,
            problem_information: false,
            blocked: false,
            maximum_packet_size: 0,
            partial: None,
            unsolicited: 0,
        }
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
        Self { count: 0 }
    }

    /// Of the message that came in last. It is never zero, so that no token takes no room.
    pub(crate) fn last_token(&self) -> AckToken {
        AckToken(NonZero::<Number>::MIN | self.count)
    }

    /// How many messages came in behind that of this token.
    fn behind(&self, token: AckToken) -> Number {
        self.count.wrapping_sub(token.0.get() & !1) / 2
    }
}

/// Whether what is owed is written where it comes about. A client of few messages leaves that to the
/// poll, so that it does not lie on top of what the packet does.
pub(crate) const PUMPS_AT_ONCE: bool = cfg!(feature = "fast");

impl<I: InboundStore> Receiver<'_, I> {
    /// Holds a PUBLISH against the limits and resolves its topic alias; whether it was delivered
    /// before, so that it is not delivered again.
    #[inline]
    pub(crate) fn admit<O: OutboundStore>(
        &mut self,
        fields: &Fields<'_>,
        qos: QoS,
        sender: &mut Sending<'_, O>,
    ) -> Result<Partial, Breach> {
        if let Some(alias) = fields.properties().topic_alias() {
            self.resolve_alias(fields.topic, alias)?;
        }
        let seen = self.admit_exchange(fields.packet_id, qos, sender)?;
        Ok(Partial::new(seen))
    }

    /// As [`Receiver::admit`], for one that was decoded before.
    #[cfg(feature = "broker")]
    pub(crate) fn admit_publish<O: OutboundStore>(
        &mut self,
        publish: &Publish<'_>,
        sender: &mut Sending<'_, O>,
    ) -> Result<bool, Breach> {
        if let Some(alias) = publish.properties.topic_alias() {
            self.resolve_alias(publish.topic, alias)?;
        }
        self.admit_exchange(publish.packet_id, publish.qos, sender)
    }

    /// As [`Receiver::admit`], for one whose topic alias was resolved before.
    pub(crate) fn admit_exchange<O: OutboundStore>(
        &mut self,
        id: Option<PacketId>,
        qos: QoS,
        sender: &mut Sending<'_, O>,
    ) -> Result<bool, Breach> {
        if id.is_none() {
            return Ok(false);
        }
        if self.was_received(id, qos) {
            return Ok(true);
        }
        if self.is_full() && (!self.pump_at_once(sender) || self.is_full()) {
            return Err(Breach::ReceiveMaximum);
        }
        Ok(false)
    }

    /// Whether a QoS 2 message was delivered before, and is not released yet.
    pub(crate) fn was_received(&mut self, id: Option<PacketId>, qos: QoS) -> bool {
        match id {
            Some(id) if qos == QoS::ExactlyOnce => self.store.known(id.value()).is_some(),
            _ => false,
        }
    }

    /// Whether the server may not send another message that is to be acknowledged.
    fn is_full(&self) -> bool {
        self.store.outstanding() >= self.intake.receive_maximum
    }

    #[cfg(feature = "topic-alias")]
    fn resolve_alias(&mut self, topic: Option<TopicName<'_>>, alias: u16) -> Result<(), Breach> {
        if alias == 0 || alias > self.intake.topic_alias_maximum {
            return Err(Breach::TopicAlias(alias));
        }
        match topic {
            Some(topic) if self.store.set_alias(alias, topic.as_bytes()) => Ok(()),
            Some(_) => Err(Breach::TopicAliasTooLong),
            None if self.store.alias(alias).is_empty() => Err(Breach::UnknownTopicAlias(alias)),
            None => Ok(()),
        }
    }

    #[cfg(not(feature = "topic-alias"))]
    fn resolve_alias(&mut self, _: Option<TopicName<'_>>, alias: u16) -> Result<(), Breach> {
        Err(Breach::TopicAlias(alias))
    }

    /// A PUBLISH of QoS 1 or 2 has been received whole: what is owed for it from now on. `seen` says
    /// what [`Receiver::admit`] said. False, and nothing has changed, where there is no room for it.
    ///
    /// With automatic acknowledgement nothing can stop its acknowledgement any more; a QoS 2
    /// message counts as received. Otherwise its token lets the application acknowledge it.
    pub(crate) fn accept<O: OutboundStore>(
        &mut self,
        qos: QoS,
        id: u16,
        seen: bool,
        manually: bool,
        sender: &mut Sending<'_, O>,
    ) -> bool {
        let stage = Stage::of_ack(qos, manually && !seen);
        self.owe_receipt(seen, id, stage, ReasonCode::SUCCESS, sender)
    }

    /// PUBACK or PUBREC is owed from now on, if there is room.
    fn owe_receipt<O: OutboundStore>(
        &mut self,
        seen: bool,
        id: u16,
        stage: Stage,
        reason: ReasonCode,
        sender: &mut Sending<'_, O>,
    ) -> bool {
        // The acknowledgement may be on its way or in the application's hands.
        if seen && self.store.known(id).is_some_and(Stage::is_ack) {
            return true;
        }
        let owed = self.owe(Receipt { id, stage, reason }, sender);
        if owed {
            self.receipts.count = self.receipts.count.wrapping_add(2);
        }
        owed
    }

    /// PUBREL came in: PUBCOMP is owed, with 0x92 when the identifier is unknown. False, and
    /// nothing has changed, when there is no room for that.
    pub(crate) fn released<O: OutboundStore>(
        &mut self,
        id: u16,
        sender: &mut Sending<'_, O>,
    ) -> Result<bool, Breach> {
        let (stage, reason) = match self.store.known(id) {
            None => (
                Stage::PubCompUncounted,
                ReasonCode::PACKET_IDENTIFIER_NOT_FOUND,
            ),
            Some(Stage::Open) => (Stage::PubComp, ReasonCode::SUCCESS),
            Some(Stage::Earlier) => (Stage::PubCompUncounted, ReasonCode::SUCCESS),
            // PUBREC is still owed or in the application's hands: the server cannot have it.
            Some(_) => return Err(Breach::OutOfOrder(PacketType::PubRel)),
        };
        Ok(self.owe(Receipt { id, stage, reason }, sender))
    }

    /// PUBREC for an identifier that is not in use: PUBREL 0x92 is owed. False, and nothing has
    /// changed, when there is no room for that.
    pub(crate) fn unknown_pubrec<O: OutboundStore>(
        &mut self,
        id: u16,
        sender: &mut Sending<'_, O>,
    ) -> bool {
        let reason = ReasonCode::PACKET_IDENTIFIER_NOT_FOUND;
        let stage = Stage::PubRel;
        self.owe(Receipt { id, stage, reason }, sender)
    }

    /// An acknowledgement is owed from now on, and leaves as soon as it can; false, and nothing has
    /// changed, where there is no room.
    fn owe<O: OutboundStore>(&mut self, receipt: Receipt, sender: &mut Sending<'_, O>) -> bool {
        let put = self.store.put(receipt) || self.pump_at_once(sender) && self.store.put(receipt);
        self.pump_at_once(sender);
        put
    }

    /// Writes what is owed, if that is not to be left to the poll: there it is done before and after
    /// each packet.
    #[inline(always)]
    fn pump_at_once<O: OutboundStore>(&mut self, sender: &mut Sending<'_, O>) -> bool {
        if PUMPS_AT_ONCE {
            self.pump(sender);
        }
        PUMPS_AT_ONCE
    }

    /// Writes what is owed and may leave, as far as there is room.
    #[cfg_attr(not(feature = "fast"), inline(never))]
    pub(crate) fn pump<O: OutboundStore>(&mut self, sender: &mut Sending<'_, O>) {
        // Where there is no connection yet, all of it is looked at when there is one.
        if !sender.out.line.is_up() {
            return;
        }
        let write = |first: NonZero<u8>, receipt| sender.write_ack(first.get(), receipt);
        let blocked = !self.store.write_ready(write);
        self.intake.blocked = blocked;
        if blocked {
            sender.out.line.set_blocked(true);
        }
    }

    /// The application acknowledges. With properties it has to be the oldest, and to fit.
    pub(crate) fn acknowledge<O: OutboundStore>(
        &mut self,
        token: AckToken,
        reason: ReasonCode,
        properties: &[Property<'_>],
        sender: &mut Sending<'_, O>,
    ) -> Result<(), AcknowledgeError> {
        // That which came last is behind all others.
        let behind = self.receipts.behind(token);
        let last = self.store.acks().wrapping_sub(1);
        let index = u16::try_from(behind).map_or(u16::MAX, |behind| last.wrapping_sub(behind));
        let entry = self.store.ack(index).ok_or(AcknowledgeError::Stale)?;
        let (ready, packet) = match entry.stage {
            Stage::PubAckAwaited => (Stage::PubAck, PacketType::PubAck),
            Stage::PubRecAwaited => (Stage::PubRec, PacketType::PubRec),
            _ => return Err(AcknowledgeError::Stale),
        };
        let side = sender.out.side();
        // Nobody but a server knows whether anyone subscribes.
        let unknown = side == From::Client && reason == ReasonCode::NO_MATCHING_SUBSCRIBERS;
        if unknown || !reason.is_allowed(packet, side) {
            return Err(AcknowledgeError::Reason(reason));
        }
        let receipt = Receipt {
            id: entry.id,
            stage: ready,
            reason,
        };
        if !properties.is_empty() {
            return self.acknowledge_with(receipt, packet, index, properties, sender);
        }
        *entry = receipt;
        sender.out.exchanges.work.note(Work::PUMP);
        Ok(())
    }

    fn acknowledge_with<O: OutboundStore>(
        &mut self,
        receipt: Receipt,
        packet: PacketType,
        index: u16,
        properties: &[Property<'_>],
        sender: &mut Sending<'_, O>,
    ) -> Result<(), AcknowledgeError> {
        let Some(packet_id) = PacketId::new(receipt.id) else {
            return Err(AcknowledgeError::Stale);
        };
        let mut ack = Ack {
            packet_id,
            reason: receipt.reason,
            properties: Properties::new(properties),
        };
        let mut len = ack.encoded_len().map_err(AcknowledgeError::Invalid)?;
        // Reason String and User Property may not make it too large for the server
        // (MQTT-3.4.2-2, MQTT-3.4.2-3, MQTT-3.5.2-2, MQTT-3.5.2-3): they are left out then.
        if len > sender.out.line.limits().maximum_packet_size as usize {
            ack.properties = Properties::EMPTY;
            len = ack.encoded_len().map_err(AcknowledgeError::Invalid)?;
        }
        if index != 0 || !sender.out.line.is_up() || !sender.has_room(len) {
            return Err(AcknowledgeError::PropertiesCannotWait);
        }
        let out = sender.out.line.tx.room(sender.store.transmit(), len);
        let out = out.ok_or(AcknowledgeError::PropertiesCannotWait)?;
        let written = ack
            .encode(packet, sender.out.side(), out)
            .map_err(AcknowledgeError::Invalid)?;
        sender.commit(written);
        if let Some(entry) = self.store.ack(index) {
            *entry = receipt;
        }
        self.store.written(receipt);
        // Later ones may have waited for this one.
        sender.out.exchanges.work.note(Work::PUMP);
        Ok(())
    }

    /// The transport is gone. What was not acknowledged comes again; what was, is remembered.
    /// True when a part of a message was delivered, and its last part was not.
    pub(crate) fn cut(&mut self) -> bool {
        let partial = self.intake.partial.take();
        self.intake.unsolicited = 0;
        self.store.cut();
        self.store.clear_aliases();
        Partial::was_told(partial)
    }

    /// The session is gone: so are the identifiers in it.
    pub(crate) fn session_lost(&mut self) {
        self.store.clear();
    }
}

/// What a server does beside: it may find out only later what becomes of a message.
#[cfg(feature = "broker")]
impl Receiver<'_, <crate::store::Heap as crate::store::Store>::Inbound> {
    /// Whether so many messages that wait to be accepted are within the quota.
    pub(crate) fn may_wait(&self, count: usize) -> bool {
        usize::from(self.store.outstanding()).saturating_add(count)
            <= usize::from(self.intake.receive_maximum)
    }

    /// Remembers a new QoS 2 message before anything is done with it.
    ///
    /// # Errors
    /// More are open than Receive Maximum allows, counting those of earlier connections.
    pub(crate) fn reserve(&mut self, publish: &Publish<'_>) -> Result<(), Violation> {
        match publish.packet_id {
            Some(id) if publish.qos == QoS::ExactlyOnce && !self.store.remember(id.value()) => {
                Err(Violation::ReceiveMaximum)
            }
            _ => Ok(()),
        }
    }

    /// As [`Receiver::accept`], acknowledging with this reason: what is 0x80 or above refuses the
    /// message. It is success for one that was delivered before.
    pub(crate) fn accept_with<O: OutboundStore>(
        &mut self,
        qos: QoS,
        id: u16,
        seen: bool,
        reason: ReasonCode,
        sender: &mut Sending<'_, O>,
    ) -> Result<(), Violation> {
        let stage = match qos {
            QoS::AtMostOnce => return Ok(()),
            QoS::AtLeastOnce => Stage::PubAck,
            QoS::ExactlyOnce => Stage::PubRec,
        };
        if !self.owe_receipt(seen, id, stage, reason, sender) {
            return Err(Violation::ReceiveMaximum);
        }
        Ok(())
    }
}
