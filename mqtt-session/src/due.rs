//! What is due: the deadlines of a connection, and what is done when one is reached.

use crate::connection::Phase;
use crate::event::Cause;
use crate::instant::Instant;
use crate::line::Standing;
use crate::machine::Machine;
use crate::store::OutboundStore;

/// What runs out, in the order in which it is looked at.
#[derive(Clone, Copy)]
enum Timer {
    /// The time limit of the phase, or of what the application began in it.
    Phase,
    /// The transport has to take what it was offered.
    Stall,
    /// PINGRESP has to come.
    Ping,
    /// An acknowledgement has to come.
    Ack,
    /// PINGREQ is due.
    KeepAlive,
}

impl Timer {
    const ALL: [Self; 5] = [
        Self::Phase,
        Self::Stall,
        Self::Ping,
        Self::Ack,
        Self::KeepAlive,
    ];
}

impl Machine {
    /// Acts on the deadlines that have been reached.
    #[cold]
    pub(crate) fn on_due<O: OutboundStore>(&mut self, outbound: &mut O) {
        let now = self.out.clock.now;
        #[cfg(feature = "message-expiry")]
        if now >= self.out.exchanges.expiry() {
            self.sender(outbound).expire();
        }
        let timers = self.timers(outbound);
        let due = timers.iter().zip(Timer::ALL).find(|(at, _)| **at <= now);
        if let Some((_, timer)) = due {
            self.on_timer(timer, outbound);
        }
        self.out.clock.due = self.next_deadline(outbound);
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
            (_, Timer::Phase) if self.out.line.standing == Standing::Stopping => Cause::Stopped,
            (_, Timer::Phase) => Cause::AuthTimeout,
            (_, Timer::Stall) => {
                #[cfg(feature = "draw")]
                if self.is_starved() {
                    return self.give_up_drawing(outbound);
                }
                Cause::SendTimeout
            }
            (_, Timer::Ping) => Cause::PingTimeout,
            (_, Timer::Ack) => Cause::AckTimeout,
            (_, Timer::KeepAlive) => {
                self.write_reserved(outbound, &[0xc0, 0]);
                if self.connection.ping_due == Instant::NEVER {
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
        self.connection.ping_due = self.out.clock.now.plus_millis(limit);
    }

    /// When each timer runs out, as far as it runs in this phase.
    fn timers<O: OutboundStore>(&mut self, outbound: &mut O) -> [Instant; 5] {
        let mut timers = [Instant::NEVER; 5];
        let connected = self.phase == Phase::Connected;
        if connected
            || matches!(
                self.phase,
                Phase::AwaitConnAck | Phase::BackOff | Phase::Flush
            )
        {
            timers[0] = self.connection.deadline;
        }
        if connected {
            timers[1] = self.stall_deadline();
            timers[2] = self.connection.ping_due;
            timers[3] = self.ack_deadline(outbound);
            timers[4] = self.keep_alive_deadline();
        }
        timers
    }

    /// The earliest moment at which something is due by itself.
    pub(crate) fn next_deadline<O: OutboundStore>(&mut self, outbound: &mut O) -> Instant {
        let expiry = self.out.exchanges.expiry();
        let timers = self.timers(outbound);
        timers.iter().fold(expiry, |first, at| first.min(*at))
    }

    /// When the transport has taken no byte for too long.
    pub(crate) fn stall_deadline(&self) -> Instant {
        if self.out.line.tx.is_empty() {
            return Instant::NEVER;
        }
        self.out
            .line
            .stalled_since
            .instant()
            .plus_millis(self.out.config.ack_timeout.get())
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

    /// When an acknowledgement is overdue; a packet that is still coming in may hold it up.
    pub(crate) fn ack_deadline<O: OutboundStore>(&mut self, outbound: &mut O) -> Instant {
        let deadline = self.sender(outbound).ack_deadline();
        if deadline == Instant::NEVER || self.connection.unread == 0 {
            return deadline;
        }
        deadline.max(
            self.connection
                .last_life
                .plus_millis(self.out.config.ack_timeout.get()),
        )
    }
}
