//! The way of most polls: a live connection on which nothing is to be done but to take the
//! answers to messages, to send and to wait. Whatever else there is, [`Machine::poll`] sees to.

use crate::connection::Phase;
use crate::event::Event;
use crate::exchanges::Work;
use crate::instant::Instant;
use crate::line::{ACK_DUE_UNKNOWN, Standing};
use crate::machine::Machine;
use crate::rx_buffer::{Rx, RxCursor};
use crate::settle::Answer;
use crate::store::OutboundStore;
use crate::straight::short_ack::{PUBACK, PUBCOMP, PUBREC, SHORT_ACK};
use crate::transmit::Buffered;
use mqtt_proto::{PacketType, ReasonCode};

/// What a calm connection does next.
pub(crate) enum Calm {
    /// Offer this part of the transmit buffer to the transport.
    Send(usize, usize),
    Wait(Instant),
    /// Wait, once it is looked up which answer is awaited longest.
    LookUp,
    Otherwise,
}

/// What became of an answer at the front of the input.
pub(crate) enum ShortAck<'e> {
    /// It settled a message.
    Settled(Event<'e>),
    /// It was taken, and there is nothing to tell.
    Taken,
    /// It is something else.
    Otherwise,
}

impl Machine {
    /// Takes the caller's time. Whether this is a live connection with nothing due.
    #[inline]
    pub(crate) fn is_calm(&mut self, now: Instant) -> bool {
        self.out.clock.advance(now);
        // What stands up is connected.
        self.out.line.standing == Standing::Up && !self.out.clock.is_due()
    }

    /// Whether all there is to do is to tell that a QoS 0 message was taken.
    #[inline]
    pub(crate) fn only_tells_taken(&self) -> bool {
        self.out.exchanges.work.is_only(Work::TAKEN)
    }

    /// Whether nothing is to be done but for the input.
    #[inline]
    pub(crate) fn only_reads(&self) -> bool {
        self.out.exchanges.work.is_none()
    }

    /// Whether all input is read.
    #[inline]
    pub(crate) fn has_read(&self, rx: &RxCursor) -> bool {
        // Bytes that came are a sign of life, also those that complete nothing.
        rx.len() == 0 && self.connection.unread == 0
    }

    /// What lies at the front of the input, if it is an answer to a message of ours in the four
    /// bytes that nearly all have: success, and no properties. What it is and its packet
    /// identifier.
    #[inline]
    pub(crate) fn short_ack(&self, rx: &Rx<'_>) -> Option<(PacketType, u16)> {
        let packet = match rx.front::<1>()? {
            [PUBACK] => PacketType::PubAck,
            [PUBREC] => PacketType::PubRec,
            [PUBCOMP] => PacketType::PubComp,
            _ => return None,
        };
        Some((packet, self.short_ack_of(packet, rx)?))
    }

    /// The packet identifier of what lies at the front of the input, if it is this answer in those
    /// four bytes.
    #[inline(always)]
    pub(crate) fn short_ack_of(&self, packet: PacketType, rx: &Rx<'_>) -> Option<u16> {
        let &[first, length, high, low] = rx.front::<SHORT_ACK>()?;
        let id = u16::from_be_bytes([high, low]);
        let fits = self.intake.maximum_packet_size as usize >= SHORT_ACK;
        let short = first == (packet as u8) << 4 && length == 2 && id != 0 && fits;
        let reads = self.phase == Phase::Connected && self.intake.partial.is_none();
        (short && reads).then_some(id)
    }

    /// Takes the answer at the front of the input, if it is one of those.
    pub(crate) fn take_short_ack<'e, O: OutboundStore>(
        &mut self,
        outbound: &mut O,
        rx: &mut Rx<'_>,
    ) -> ShortAck<'e> {
        let Some((packet, id)) = self.short_ack(rx) else {
            return ShortAck::Otherwise;
        };
        let answer = self
            .sender(outbound)
            .acknowledged(packet, id, ReasonCode::SUCCESS);
        let taken = match answer {
            Ok(Answer::Settled(ticket, reason)) => {
                ShortAck::Settled(Event::published(ticket, reason))
            }
            Ok(Answer::Continues(..) | Answer::Quiet) => ShortAck::Taken,
            // It has changed nothing, and is looked at again with all others.
            Ok(Answer::Unsolicited | Answer::Unknown) | Err(_) => {
                return ShortAck::Otherwise;
            }
        };
        self.consume_short_ack(rx.cursor);
        taken
    }

    /// What [`Machine::short_ack`] showed is done with.
    #[inline]
    pub(crate) fn consume_short_ack(&mut self, rx: &mut RxCursor) {
        rx.consume(SHORT_ACK);
        self.connection.unread = rx.len();
    }

    /// Which part of the transmit buffer is offered to the transport, if that may be told at once.
    #[inline]
    pub(crate) fn next_buffered(&mut self) -> Option<(usize, usize)> {
        match self.out.line.tx.offer_buffered() {
            Buffered::Offered(start, end) => {
                self.out.line.begin_stall(self.out.clock.now);
                Some((start, end))
            }
            _ => None,
        }
    }

    /// What is to be done where nothing is to be read.
    #[inline(always)]
    pub(crate) fn calm_output(&mut self) -> Calm {
        let transport = match self.out.line.tx.offer_buffered() {
            Buffered::Offered(start, end) => {
                self.out.line.begin_stall(self.out.clock.now);
                return Calm::Send(start, end);
            }
            Buffered::Nothing => self.keep_alive_deadline(),
            Buffered::Pending => self.stall_deadline(),
            Buffered::Large => return Calm::Otherwise,
        };
        if self.out.line.ack_due == ACK_DUE_UNKNOWN {
            return Calm::LookUp;
        }
        let deadline = transport
            .min(self.out.exchanges.next_expiry.moment())
            .min(self.connection.ping)
            .min(self.connection.deadline)
            .min(self.out.line.ack_due);
        self.out.clock.due = deadline;
        Calm::Wait(deadline)
    }
}
