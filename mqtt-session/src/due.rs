//! What is due: the deadlines of a connection, and what is done when one is reached.

use crate::connection::Phase;
use crate::event::Cause;
use crate::instant::Instant;
use crate::line::Standing;
use crate::machine::Machine;
use crate::store::OutboundStore;

impl Machine {
    /// Acts on the deadlines that have been reached.
    #[cold]
    pub(crate) fn on_due<O: OutboundStore>(&mut self, outbound: &mut O) {
        let now = self.out.clock.now;
        if now >= self.out.exchanges.next_expiry {
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
        self.out.clock.due = self.next_deadline(outbound);
    }

    fn on_due_connected<O: OutboundStore>(&mut self, outbound: &mut O) {
        let now = self.out.clock.now;
        if now >= self.connection.deadline {
            self.fail(if self.out.line.standing == Standing::Stopping {
                Cause::Stopped
            } else {
                Cause::AuthTimeout
            });
        } else if self.stall_deadline() <= now {
            self.fail(Cause::SendTimeout);
        } else if self.connection.ping_due <= now {
            self.fail(Cause::PingTimeout);
        } else if self.ack_deadline(outbound) <= now {
            self.fail(Cause::AckTimeout);
        } else if self.keep_alive_deadline() <= now {
            self.write_reserved(outbound, &[0xc0, 0]);
            let deadline = now.plus_millis(self.out.config.ping_timeout);
            self.connection.ping_due = self.connection.ping_due.min(deadline);
        }
    }

    /// When the transport has taken no byte for too long.
    pub(crate) fn stall_deadline(&self) -> Instant {
        if self.out.line.tx.is_empty() {
            return Instant::NEVER;
        }
        self.out
            .line
            .stalled_since
            .plus_millis(self.out.config.ack_timeout)
    }

    /// When PINGREQ is due: a Keep Alive after the last byte sent (MQTT-3.1.2-20), also while
    /// the answer to an earlier one is awaited. What waits for the transport is as good as it.
    pub(crate) fn keep_alive_deadline(&self) -> Instant {
        if self.connection.keep_alive == 0 || !self.out.line.tx.is_empty() {
            return Instant::NEVER;
        }
        let interval = u32::from(self.connection.keep_alive);
        self.out.line.last_sent.plus_secs(interval)
    }

    /// What the transport is held to: to take what is offered, or else to be kept alive.
    #[inline]
    pub(crate) fn transport_deadline(&self) -> Instant {
        if self.out.line.tx.is_empty() {
            self.keep_alive_deadline()
        } else {
            self.stall_deadline()
        }
    }

    /// When an acknowledgement is overdue; a packet that is still coming in may hold it up.
    pub(crate) fn ack_deadline<O: OutboundStore>(&mut self, outbound: &mut O) -> Instant {
        if !self.out.exchanges.awaits_answer() {
            return Instant::NEVER;
        }
        let deadline = self.sender(outbound).ack_deadline();
        if deadline == Instant::NEVER || self.connection.unread == 0 {
            return deadline;
        }
        deadline.max(
            self.connection
                .last_life
                .plus_millis(self.out.config.ack_timeout),
        )
    }

    /// The earliest moment at which something is due by itself.
    pub(crate) fn next_deadline<O: OutboundStore>(&mut self, outbound: &mut O) -> Instant {
        let expiry = self.out.exchanges.next_expiry;
        match self.phase {
            Phase::AwaitConnAck | Phase::BackOff | Phase::Flush => {
                expiry.min(self.connection.deadline)
            }
            Phase::Connected => self.live_deadline(outbound),
            _ => expiry,
        }
    }

    /// The earliest deadline of a live connection.
    #[inline]
    pub(crate) fn live_deadline<O: OutboundStore>(&mut self, outbound: &mut O) -> Instant {
        let mut deadline = self
            .transport_deadline()
            .min(self.out.exchanges.next_expiry)
            .min(self.connection.ping_due)
            .min(self.connection.deadline);
        if self.out.exchanges.awaits_answer() {
            deadline = deadline.min(self.ack_deadline(outbound));
        }
        deadline
    }
}
