//! What is due: the deadlines of a connection, and what is done when one is reached.

use crate::connection::Phase;
use crate::event::Cause;
use crate::instant::{Due, Moment};
use crate::line::Standing;
use crate::machine::Machine;
#[cfg(feature = "fast")]
use crate::sender::Outbox;
use crate::store::OutboundStore;

/// What runs out, in the order in which it is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Timer(usize);

impl Timer {
    /// The time limit of the phase, or of what the application began in it.
    const PHASE: Self = Self(0);
    /// The transport has to take what it was offered.
    const STALL: Self = Self(1);
    /// PINGRESP has to come.
    const PING: Self = Self(2);
    /// An acknowledgement has to come.
    const ACK: Self = Self(3);
    /// PINGREQ is due.
    const KEEP_ALIVE: Self = Self(4);
}

impl Machine {
    /// Acts on the deadlines that have been reached.
    #[cfg_attr(feature = "fast", cold)]
    pub(crate) fn on_due<O: OutboundStore>(&mut self, outbound: &mut O) {
        #[cfg(feature = "fast")]
        let expires = self.out.clock.has_come(self.out.next_expiry());
        #[cfg(not(feature = "fast"))]
        let expires = true;
        if expires {
            self.sender(outbound).expire();
        }
        let (due, timer) = self.first_due(outbound);
        if self.out.clock.has_come(due) {
            self.on_timer(timer, outbound);
        }
        #[cfg(feature = "fast")]
        {
            let due = self.next_deadline(outbound);
            self.out.clock.set_due(due);
        }
    }

    fn on_timer<O: OutboundStore>(&mut self, timer: Timer, outbound: &mut O) {
        let cause = match (self.phase, timer) {
            (Phase::BackOff, _) => {
                self.phase = Phase::Dial;
                return;
            }
            (Phase::Flush, _) => {
                self.phase = Phase::Close;
                return;
            }
            (Phase::AwaitConnAck, _) => Cause::ConnectTimeout,
            (_, Timer::PHASE) if self.out.line.standing == Standing::Stopping => Cause::Stopped,
            (_, Timer::PHASE) => Cause::AuthTimeout,
            (_, Timer::STALL) => {
                #[cfg(feature = "draw")]
                if self.is_starved() {
                    return self.give_up_drawing(outbound);
                }
                Cause::SendTimeout
            }
            (_, Timer::PING) => Cause::PingTimeout,
            (_, Timer::ACK) => Cause::AckTimeout,
            _ => {
                self.write_reserved(outbound, &[0xc0, 0]);
                if self.connection.ping_due == Moment::NEVER {
                    self.await_ping();
                }
                return;
            }
        };
        self.fail(cause);
    }

    /// PINGRESP has its time limit from now.
    #[cfg_attr(not(feature = "fast"), inline(never))]
    pub(crate) fn await_ping(&mut self) {
        let limit = self.out.config.ping_timeout.get();
        self.connection.ping_due = self.out.clock.arm_in(limit);
    }

    /// What of the running timers runs out first; of those that have, the first in their order.
    #[cfg_attr(not(feature = "fast"), inline(never))]
    fn first_due<O: OutboundStore>(&mut self, outbound: &mut O) -> (Due, Timer) {
        let mut timers = [Due::NEVER; 5];
        let connected = self.phase == Phase::Connected;
        if connected
            || matches!(
                self.phase,
                Phase::AwaitConnAck | Phase::BackOff | Phase::Flush
            )
        {
            timers[Timer::PHASE.0] = self.out.clock.until(self.connection.deadline);
        }
        if connected {
            timers[Timer::STALL.0] = self.stall_deadline();
            timers[Timer::PING.0] = self.out.clock.until(self.connection.ping_due);
            timers[Timer::ACK.0] = self.ack_deadline(outbound);
            timers[Timer::KEEP_ALIVE.0] = self.keep_alive_deadline();
        }
        let mut first = (Due::NEVER, Timer::PHASE);
        for (at, due) in timers.into_iter().enumerate() {
            let due = self.out.clock.not_before_now(due);
            if due < first.0 {
                first = (due, Timer(at));
            }
        }
        first
    }

    /// The earliest moment at which something is due by itself.
    pub(crate) fn next_deadline<O: OutboundStore>(&mut self, outbound: &mut O) -> Due {
        #[cfg(feature = "fast")]
        let expiry = self.out.next_expiry();
        #[cfg(not(feature = "fast"))]
        let expiry = self.sender(outbound).expire();
        self.first_due(outbound).0.min(expiry)
    }

    /// When the transport has taken no byte for too long.
    pub(crate) fn stall_deadline(&self) -> Due {
        if self.out.line.tx.is_empty() {
            return Due::NEVER;
        }
        let limit = self.out.config.ack_timeout.get();
        let since = self.out.line.stalled_since.moment();
        self.out.clock.after(since, limit)
    }

    /// When PINGREQ is due: a Keep Alive after the last byte sent (MQTT-3.1.2-20), also while
    /// the answer to an earlier one is awaited. What waits for the transport is as good as it.
    pub(crate) fn keep_alive_deadline(&self) -> Due {
        if self.connection.keep_alive == 0 || !self.out.line.tx.is_empty() {
            return Due::NEVER;
        }
        let interval = u32::from(self.connection.keep_alive).wrapping_mul(1_000);
        self.out.clock.after(self.out.line.last_sent, interval)
    }

    /// When an acknowledgement is overdue; a packet that is still coming in may hold it up.
    pub(crate) fn ack_deadline<O: OutboundStore>(&mut self, outbound: &mut O) -> Due {
        let deadline = self.sender(outbound).ack_deadline();
        if deadline == Due::NEVER || self.connection.unread == 0 {
            return deadline;
        }
        let limit = self.out.config.ack_timeout.get();
        deadline.max(self.out.clock.after(self.connection.last_life, limit))
    }
}

#[cfg(feature = "fast")]
impl Outbox {
    /// A message that waits expires by then.
    pub(crate) fn expires_by(&mut self, due: Due) {
        let first = self.next_expiry().min(due);
        self.exchanges.next_expiry = self.clock.alarm(first);
        self.clock.arm(due);
    }

    /// When the first of the messages that wait expires.
    fn next_expiry(&self) -> Due {
        self.clock.until(self.exchanges.next_expiry.moment())
    }
}
