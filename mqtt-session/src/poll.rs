//! The one output: what is due, what came in, what may leave, and when to come back.

use crate::action::Action;
use crate::connection::{Phase, Verdict};
use crate::delivery::{AckToken, Delivery, Message};
use crate::dispatch::{Told, may_owe};
use crate::event::{Cause, Event};
use crate::instant::Instant;
use crate::line::Standing;
use crate::machine::{Machine, Stores};
use crate::receipts::Partial;
use crate::rx_buffer::Rx;
use crate::sender::Sender;
use crate::slots::Flags;
use crate::store::{InboundStore, OutboundStore};
use crate::transmit::Next;
use crate::violation::Violation;
use core::time::Duration;
use mqtt_proto::{
    FixedHeader, Frame, HeaderFrame, PacketId, PacketType, Publish, QoS, Sender as From, TopicName,
    frame,
};

impl Machine {
    pub(crate) fn poll<'a>(
        &'a mut self,
        now: Instant,
        stores: Stores<'a>,
        mut rx: Rx<'a>,
    ) -> Action<'a> {
        let Stores { outbound, inbound } = stores;
        self.clock.advance(now);
        if self.clock.is_due() {
            self.on_due(outbound);
        }
        if self.notices.any
            && let Some(event) = self.next_notice(&mut rx)
        {
            return Action::Event(event);
        }
        if !self.exchanges.ended.is_empty()
            && let Some(event) = self.next_ended(outbound)
        {
            return Action::Event(event);
        }
        if self.phase.reads() {
            match self.read(outbound, inbound, &mut rx) {
                Told::Nothing => {}
                Told::Event(event) => return Action::Event(event),
                Told::Message(publish, token) => {
                    return self.deliver(outbound, inbound, publish, token, None);
                }
                Told::Part(publish, token, part) => {
                    return self.deliver(outbound, inbound, publish, token, Some(part));
                }
            }
        }
        self.write(outbound, inbound);
        if self.phase.writes()
            && let Some((part, start, end)) = self.next_bytes(outbound)
        {
            let whole = match part {
                Source::Transmit => outbound.transmit(),
                Source::Arena => outbound.arena(),
                Source::Payload(slot) => outbound.payload(slot),
            };
            return Action::Send(whole.get(start..end).unwrap_or_default());
        }
        match self.phase {
            Phase::Dial => {
                self.phase = Phase::AwaitTransport;
                return Action::Open;
            }
            Phase::Flush if self.line.tx.is_empty() => {
                self.phase = Phase::AwaitClosed;
                return Action::Close;
            }
            Phase::Close => {
                self.phase = Phase::AwaitClosed;
                return Action::Close;
            }
            Phase::Rest(false) => {
                self.phase = Phase::Rest(true);
                return Action::Done;
            }
            _ => {}
        }
        let deadline = self.next_deadline(outbound);
        self.clock.due = deadline;
        Action::Timeout(deadline)
    }

    /// Which bytes are to be offered to the transport next, if it is not offered any now.
    fn next_bytes(
        &mut self,
        outbound: &mut (dyn OutboundStore + 'static),
    ) -> Option<(Source, usize, usize)> {
        let (source, start, end) = match self.line.tx.next() {
            Next::Nothing => return None,
            Next::Buffered(start, end) => (Source::Transmit, start, end),
            Next::Large(large) => {
                let (start, end) = self.sender(outbound).large_range(&large);
                let source = if large.apart {
                    Source::Payload(large.slot)
                } else {
                    Source::Arena
                };
                (source, start, end)
            }
        };
        self.line.tx.offer(end.saturating_sub(start));
        Some((source, start, end))
    }

    /// Processes packets until one brings something the application should know.
    fn read<'p>(
        &mut self,
        outbound: &mut (dyn OutboundStore + 'static),
        inbound: &mut (dyn InboundStore + 'static),
        rx: &mut Rx<'p>,
    ) -> Told<'p> {
        self.note_life(rx);
        let told = loop {
            let step = self.read_one(
                Stores {
                    outbound: &mut *outbound,
                    inbound: &mut *inbound,
                },
                rx,
            );
            match step {
                Ok(Step::Told(Told::Nothing)) if self.phase.reads() => {}
                Ok(Step::Told(told)) => break told,
                Ok(Step::Wait) => break Told::Nothing,
                Err(violation) => break Told::Event(self.violate(violation, outbound)),
            }
        };
        self.connection.unread = rx.cursor.len();
        told
    }

    fn read_one<'p>(
        &mut self,
        mut stores: Stores<'_>,
        rx: &mut Rx<'p>,
    ) -> Result<Step<'p>, Violation> {
        let Some(bytes) = rx.news() else {
            return Ok(Step::Wait);
        };
        if let Some(partial) = self.intake.partial {
            return self.read_part(partial, bytes, stores, rx);
        }
        let raw = match frame(bytes, self.intake.maximum_packet_size)? {
            Frame::Whole(raw) => raw,
            Frame::Partial { need } => {
                let total = bytes.len().saturating_add(need);
                if total > rx.capacity() {
                    return self.begin_parts(bytes, stores, rx);
                }
                rx.cursor.want(total);
                return Ok(Step::Wait);
            }
        };
        if self.phase.verdict(raw.packet_type()) == Verdict::Break {
            // What is wrong by itself is told as that, and not as coming at a wrong moment.
            raw.decode(From::Server)?;
            return Err(Violation::Unexpected(raw.packet_type()));
        }
        // Room first, then the packet.
        if may_owe(raw.packet_type()) && !self.has_room_to_owe(&mut stores) {
            return Ok(Step::Wait);
        }
        rx.cursor.consume(raw.len());
        self.dispatch(raw, stores).map(Step::Told)
    }

    fn has_room_to_owe(&mut self, stores: &mut Stores<'_>) -> bool {
        let (mut sender, mut receiver) = self.halves(Stores {
            outbound: &mut *stores.outbound,
            inbound: &mut *stores.inbound,
        });
        if receiver.has_room() {
            return true;
        }
        receiver.pump(&mut sender);
        receiver.has_room()
    }

    /// A PUBLISH that does not fit the input buffer: its header stays, its payload passes.
    fn begin_parts<'p>(
        &mut self,
        bytes: &'p [u8],
        stores: Stores<'_>,
        rx: &mut Rx<'p>,
    ) -> Result<Step<'p>, Violation> {
        let header = FixedHeader::parse(bytes, self.intake.maximum_packet_size)?
            .filter(|header| header.packet_type() == PacketType::Publish)
            .ok_or(Violation::LargerThanBuffer)?;
        if self.phase.verdict(PacketType::Publish) == Verdict::Break {
            return Err(Violation::Unexpected(PacketType::Publish));
        }
        let body = bytes.get(header.len()..).unwrap_or_default();
        // Half the buffer is left for the payload, so that the header is looked at again only
        // once for as many bytes as it has itself.
        let most = rx.capacity() / 2;
        match Publish::decode_header(header, body, From::Server)? {
            HeaderFrame::Partial { need } => {
                let total = bytes.len().saturating_add(need);
                if total > most {
                    return Err(Violation::LargerThanBuffer);
                }
                rx.cursor.want(total);
                Ok(Step::Wait)
            }
            HeaderFrame::Whole {
                publish,
                header_len,
            } => {
                let pinned = header.len().saturating_add(header_len);
                if pinned > most {
                    return Err(Violation::LargerThanBuffer);
                }
                let (_, mut receiver) = self.halves(stores);
                let fresh = receiver.admit(&publish)?;
                let total = header.packet_len().saturating_sub(pinned);
                self.intake.partial = Some(Partial {
                    offset: 0,
                    total,
                    duplicate: !fresh,
                });
                rx.cursor.pin(pinned);
                Ok(Step::Told(Told::Nothing))
            }
        }
    }

    /// The next part, once the buffer is full of it or it is the last.
    fn read_part<'p>(
        &mut self,
        partial: Partial,
        bytes: &'p [u8],
        mut stores: Stores<'_>,
        rx: &mut Rx<'p>,
    ) -> Result<Step<'p>, Violation> {
        let (pinned, gap) = rx.cursor.pinned();
        let left = partial.total.saturating_sub(partial.offset);
        let part_len = left.min(rx.capacity().saturating_sub(pinned));
        let start = pinned.saturating_add(gap);
        let Some(payload) = bytes.get(start..start.saturating_add(part_len)) else {
            rx.cursor.want(pinned.saturating_add(part_len));
            return Ok(Step::Wait);
        };
        let header = FixedHeader::parse(bytes, u32::MAX)?.ok_or(Violation::LargerThanBuffer)?;
        let body = bytes.get(header.len()..pinned).unwrap_or_default();
        let HeaderFrame::Whole { mut publish, .. } =
            Publish::decode_header(header, body, From::Server)?
        else {
            return Err(Violation::LargerThanBuffer);
        };
        publish.payload = payload;
        let last = part_len == left;
        let mut token = None;
        if last {
            if !self.has_room_to_owe(&mut stores) {
                return Ok(Step::Wait);
            }
            token = self.accept_last_part(&publish, partial.duplicate, stores)?;
        }
        rx.cursor.pass(part_len);
        if last {
            rx.cursor.unpin();
            self.intake.partial = None;
        } else {
            let offset = partial.offset.saturating_add(part_len);
            self.intake.partial = Some(Partial { offset, ..partial });
        }
        if partial.duplicate {
            return Ok(Step::Told(Told::Nothing));
        }
        let part = Part {
            offset: partial.offset,
            total: partial.total,
        };
        Ok(Step::Told(Told::Part(publish, token, part)))
    }

    fn accept_last_part(
        &mut self,
        publish: &Publish<'_>,
        duplicate: bool,
        stores: Stores<'_>,
    ) -> Result<Option<AckToken>, Violation> {
        let Some(id) = publish.packet_id.map(PacketId::value) else {
            return Ok(None);
        };
        debug_assert_ne!(publish.qos, QoS::AtMostOnce);
        let acknowledge = self.config.acknowledge;
        let (mut sender, mut receiver) = self.halves(stores);
        receiver.accept(publish.qos, id, duplicate, acknowledge, &mut sender)
    }

    /// Bytes that come in are a sign of life: answers have their time limit from there.
    fn note_life(&mut self, rx: &Rx<'_>) {
        let unread = rx.cursor.len();
        if unread > self.connection.unread {
            self.connection.last_life = self.clock.now;
            if self.connection.ping_deadline.is_some() {
                let deadline = self.clock.now.plus_millis(self.config.ping_timeout);
                self.connection.ping_deadline = Some(deadline);
            }
        }
    }

    fn deliver<'a>(
        &'a mut self,
        outbound: &'a mut (dyn OutboundStore + 'static),
        inbound: &'a mut (dyn InboundStore + 'static),
        publish: Publish<'a>,
        token: Option<AckToken>,
        part: Option<Part>,
    ) -> Action<'a> {
        let topic = match publish.topic {
            Some(topic) => topic,
            None => {
                let inbound: &'a (dyn InboundStore + 'static) = inbound;
                let alias = publish.properties.topic_alias().unwrap_or(0);
                let kept = core::str::from_utf8(inbound.alias(alias));
                // What is kept for an alias came in as a topic name, and was there when the
                // message was admitted.
                match kept.ok().and_then(|kept| TopicName::new(kept).ok()) {
                    Some(topic) => topic,
                    None => return Action::Event(self.violate(Violation::NoTopic, outbound)),
                }
            }
        };
        let Part { offset, total } = part.unwrap_or(Part {
            offset: 0,
            total: publish.payload.len(),
        });
        Action::Deliver(Delivery {
            message: Message {
                topic,
                payload: publish.payload,
                offset,
                total,
                qos: publish.qos,
                retain: publish.retain,
                dup: publish.dup,
                properties: publish.properties,
                token,
            },
            sender: Sender {
                config: &self.config,
                exchanges: &mut self.exchanges,
                line: &mut self.line,
                store: outbound,
                clock: &mut self.clock,
            },
        })
    }

    /// Writes what may leave; when the application wants to stop and all has left that can,
    /// DISCONNECT.
    fn write(
        &mut self,
        outbound: &mut (dyn OutboundStore + 'static),
        inbound: &mut (dyn InboundStore + 'static),
    ) {
        if !self.line.is_up() {
            return;
        }
        let (mut sender, mut receiver) = self.halves(Stores {
            outbound: &mut *outbound,
            inbound,
        });
        receiver.pump(&mut sender);
        sender.pump();
        if sender.line.standing == Standing::Stopping
            && sender.is_drained()
            && receiver.is_drained()
        {
            self.write_disconnect(mqtt_proto::ReasonCode::NORMAL_DISCONNECTION, outbound);
            self.flush();
        }
    }

    /// Acts on the deadlines that have been reached.
    fn on_due(&mut self, outbound: &mut (dyn OutboundStore + 'static)) {
        let now = self.clock.now;
        if now >= self.exchanges.next_expiry {
            self.sender(outbound).expire();
        }
        match self.phase {
            Phase::AwaitConnAck if now >= self.connection.deadline => {
                self.fail(Cause::ConnectTimeout)
            }
            Phase::BackOff if now >= self.connection.deadline => self.phase = Phase::Dial,
            Phase::Flush if now >= self.connection.deadline => self.phase = Phase::Close,
            Phase::Connected => self.on_due_connected(outbound),
            _ => {}
        }
        self.clock.due = self.next_deadline(outbound);
    }

    fn on_due_connected(&mut self, outbound: &mut (dyn OutboundStore + 'static)) {
        let now = self.clock.now;
        if self.line.standing == Standing::Stopping && now >= self.connection.deadline {
            self.fail(Cause::Stopped);
        } else if self.stall_deadline() <= now {
            self.fail(Cause::SendTimeout);
        } else if self
            .connection
            .ping_deadline
            .is_some_and(|deadline| deadline <= now)
        {
            self.fail(Cause::PingTimeout);
        } else if self.ack_deadline(outbound) <= now {
            self.fail(Cause::AckTimeout);
        } else if self.keep_alive_deadline() <= now {
            let packet = mqtt_proto::Packet::PingReq;
            self.write_reserved(
                outbound,
                |out| packet.encode(From::Client, out),
                packet.encoded_len(),
            );
            self.connection.ping_deadline = Some(now.plus_millis(self.config.ping_timeout));
        }
    }

    /// When the transport has taken no byte for too long.
    fn stall_deadline(&self) -> Instant {
        if self.line.tx.is_empty() {
            return Instant::NEVER;
        }
        self.line.stalled_since.plus_millis(self.config.ack_timeout)
    }

    /// When PINGREQ is due: a Keep Alive after the last byte sent (MQTT-3.1.2-20).
    fn keep_alive_deadline(&self) -> Instant {
        if self.connection.keep_alive == 0 || self.connection.ping_deadline.is_some() {
            return Instant::NEVER;
        }
        let interval = Duration::from_secs(u64::from(self.connection.keep_alive));
        self.line.last_sent.after(interval)
    }

    /// When an acknowledgement is overdue; a packet that is still coming in may hold it up.
    fn ack_deadline(&mut self, outbound: &mut (dyn OutboundStore + 'static)) -> Instant {
        let deadline = self.sender(outbound).ack_deadline();
        if deadline == Instant::NEVER || self.connection.unread == 0 {
            return deadline;
        }
        deadline.max(
            self.connection
                .last_life
                .plus_millis(self.config.ack_timeout),
        )
    }

    /// The earliest moment at which something is due by itself.
    fn next_deadline(&mut self, outbound: &mut (dyn OutboundStore + 'static)) -> Instant {
        let expiry = self.exchanges.next_expiry;
        match self.phase {
            Phase::AwaitConnAck | Phase::BackOff | Phase::Flush => {
                expiry.min(self.connection.deadline)
            }
            Phase::Connected => {
                let stopping = if self.line.standing == Standing::Stopping {
                    self.connection.deadline
                } else {
                    Instant::NEVER
                };
                expiry
                    .min(stopping)
                    .min(self.stall_deadline())
                    .min(self.connection.ping_deadline.unwrap_or(Instant::NEVER))
                    .min(self.keep_alive_deadline())
                    .min(self.ack_deadline(outbound))
            }
            _ => expiry,
        }
    }

    fn next_notice<'e>(&mut self, rx: &mut Rx<'_>) -> Option<Event<'e>> {
        if core::mem::take(&mut self.notices.stale_input) {
            rx.cursor.clear();
        }
        if core::mem::take(&mut self.notices.delivery_cut) {
            return Some(Event::DeliveryCut);
        }
        if let Some((cause, retry)) = self.notices.disconnected.take() {
            return Some(Event::Disconnected { cause, retry });
        }
        if core::mem::take(&mut self.notices.session_lost) {
            return Some(Event::SessionLost);
        }
        self.notices.any = false;
        None
    }

    fn next_ended<'e>(
        &mut self,
        outbound: &mut (dyn OutboundStore + 'static),
    ) -> Option<Event<'e>> {
        let (ticket, flags, outcome) = self.sender(outbound).next_ended()?;
        let request = flags.has(Flags::SUBSCRIBE) || flags.has(Flags::UNSUBSCRIBE);
        Some(match outcome {
            Err(cause) if request => Event::Unanswered { ticket, cause },
            outcome => Event::Published {
                ticket,
                outcome,
                properties: mqtt_proto::Properties::EMPTY,
            },
        })
    }
}

/// Where bytes that are offered lie.
enum Source {
    Transmit,
    Arena,
    Payload(u16),
}

/// What one look at the input brought.
enum Step<'p> {
    Told(Told<'p>),
    /// There is nothing to process, or no room to.
    Wait,
}

/// Which part of a payload a delivery has.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    offset: usize,
    total: usize,
}
