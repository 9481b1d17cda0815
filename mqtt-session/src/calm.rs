//! The way of most polls: a live connection on which nothing is to be done but to take the
//! answers to messages, to send and to wait. Whatever else there is, [`Machine::poll`] sees to.

use crate::exchanges::Work;
use crate::instant::Instant;
use crate::line::{ACK_DUE_UNKNOWN, Standing};
use crate::machine::Machine;
use crate::rx_buffer::{Rx, RxCursor};
use crate::settle::Answer;
use crate::store::OutboundStore;
use mqtt_proto::{PacketType, ReasonCode};

/// Bytes of an acknowledgement in its shortest form.
pub(crate) const SHORT_ACK: usize = 4;

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

    /// Takes answers to messages in their shortest form from the front of the input, up to the
    /// first that settles one; what the last of them did.
    #[inline(always)]
    pub(crate) fn read_short_acks(
        &mut self,
        outbound: &mut (dyn OutboundStore + 'static),
        rx: Rx<'_>,
    ) -> Option<Answer> {
        self.note_life(&rx);
        let mut last = None;
        while self.only_reads()
            && let Some(bytes) = rx.news()
            && let Some((packet, id)) = self.short_ack(bytes)
        {
            let mut sender = self.sender(outbound);
            let answer = sender.answered_in_turn(packet, id, ReasonCode::SUCCESS);
            if answer.is_none() {
                break;
            }
            last = answer;
            rx.cursor.consume(SHORT_ACK);
            self.connection.unread = rx.cursor.len();
            if let Some(Answer::Settled(..)) = answer {
                break;
            }
        }
        last
    }

    /// An answer to a message of ours in the four bytes that nearly all have: success, and no
    /// properties. What it is and its packet identifier.
    #[inline]
    pub(crate) fn short_ack(&self, bytes: &[u8]) -> Option<(PacketType, u16)> {
        let &[first, length, high, low] = bytes.first_chunk::<SHORT_ACK>()?;
        let packet = match first {
            0x40 => PacketType::PubAck,
            0x50 => PacketType::PubRec,
            0x70 => PacketType::PubComp,
            _ => return None,
        };
        let id = u16::from_be_bytes([high, low]);
        let fits = self.intake.maximum_packet_size as usize >= SHORT_ACK;
        (length == 2 && id != 0 && fits && self.reads_plainly(packet)).then_some((packet, id))
    }

    /// Which bytes of the transmit buffer are offered to the transport.
    #[inline]
    pub(crate) fn next_buffered(&mut self) -> Option<(usize, usize)> {
        self.out.line.tx.offer_buffered()
    }

    /// The deadline, where it is known without a search.
    #[inline]
    pub(crate) fn calm_deadline(&mut self) -> Option<Instant> {
        if self.out.line.tx.has_next() || self.out.line.ack_due == ACK_DUE_UNKNOWN {
            return None;
        }
        let deadline = self
            .transport_deadline()
            .min(self.out.exchanges.next_expiry)
            .min(self.connection.ping_due)
            .min(self.connection.deadline)
            .min(self.out.line.ack_due);
        self.out.clock.due = deadline;
        Some(deadline)
    }
}
