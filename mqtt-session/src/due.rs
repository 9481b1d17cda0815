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
#[derive(Clone, Copy)]
#[repr(u8)] // With the numbers of their causes, so that there is nothing to look up.
enum Timer {
    /// The time limit of the phase, or of what the application began in it.
    Phase = 0,
    /// What the application began while the connection lives has to end.
    Stop = 10,
    /// The transport has to take what it was offered.
    Stall = 9,
    /// PINGRESP has to come.
    Ping = 7,
    /// An acknowledgement has to come.
    Ack = 8,
    /// PINGREQ is due.
    KeepAlive = 12,
}

/// What runs out first.
struct First {
    due: Due,
    timer: Timer,
}

impl First {
    /// This runs out then, which is not before now.
    fn of(&mut self, timer: Timer, due: Due) {
        if due < self.due {
            *self = Self { due, timer };
        }
    }
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
        let First { due, timer } = self.first_due(outbound);
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
        let cause = match timer {
            Timer::Phase => match self.phase {
                Phase::BackOff => {
                    self.phase = Phase::Dial;
                    return;
                }
                Phase::Flush => {
                    self.phase = Phase::Close;
                    return;
                }
                _ => Cause::ConnectTimeout,
            },
            // Nothing else has a time limit while the connection lives but AUTH, if there is any.
            Timer::Stop
                if cfg!(feature = "auth") && self.out.line.standing != Standing::Stopping =>
            {
                Cause::AuthTimeout
            }
            Timer::Stop => Cause::Stopped,
            Timer::Stall => {
                #[cfg(feature = "draw")]
                if self.is_starved() {
                    return self.give_up_drawing(outbound);
                }
                Cause::SendTimeout
            }
            Timer::Ping => Cause::PingTimeout,
            Timer::Ack => Cause::AckTimeout,
            Timer::KeepAlive => {
                self.write_reserved(outbound, &[0xc0, 0]);
                if self.connection.ping == Moment::NEVER {
                    self.await_ping();
                }
                return;
            }
        };
        self.fail(cause);
    }

    /// PINGRESP has its time limit from now.
    pub(crate) fn await_ping(&mut self) {
        let limit = self.out.config.ping_timeout.get();
        self.connection.ping = self.out.clock.start(limit);
    }

    /// What of the running timers runs out first; of those that have, the first in their order.
    #[cfg_attr(not(feature = "fast"), inline(never))]
    fn first_due<O: OutboundStore>(&mut self, outbound: &mut O) -> First {
        let deadline = if self.phase.has_deadline() {
            self.connection.deadline
        } else {
            Moment::NEVER
        };
        let mut first = First {
            due: self.out.clock.until(deadline),
            timer: Timer::Stop,
        };
        if self.phase != Phase::Connected {
            first.timer = Timer::Phase;
            return first;
        }
        let ack = self.ack_deadline(outbound);
        let clock = &self.out.clock;
        let stall = clock.not_before_now(self.stall_deadline());
        first.of(Timer::Stall, stall);
        let limit = self.out.config.ping_timeout.get();
        first.of(Timer::Ping, clock.end(self.connection.ping, limit));
        first.of(Timer::Ack, self.out.clock.not_before_now(ack));
        let keep_alive = self.keep_alive_deadline();
        first.of(Timer::KeepAlive, self.out.clock.not_before_now(keep_alive));
        first
    }

    /// The earliest moment at which something is due by itself.
    pub(crate) fn next_deadline<O: OutboundStore>(&mut self, outbound: &mut O) -> Due {
        #[cfg(feature = "fast")]
        let expiry = self.out.next_expiry();
        #[cfg(not(feature = "fast"))]
        let expiry = self.sender(outbound).expire();
        self.first_due(outbound).due.min(expiry)
    }

    /// When the transport has taken no byte for too long. Since when it has had one to take is
    /// forgotten as soon as it takes any.
    pub(crate) fn stall_deadline(&self) -> Due {
        let limit = self.out.config.ack_timeout.get();
        let since = self.out.line.stalled_since.moment();
        self.out.clock.after_any(since, limit)
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
        if self.connection.unread == 0 {
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
        self.exchanges.next_expiry.moment()
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        Action, Client, Config, Connect, Event, Fixed, GiveUp, Instant, Publish, QoS, RxBuffer,
        TopicName,
    };

    /// A caller whose time is nearly over comes back at its end, not before now.
    #[test]
    fn a_deadline_does_not_lie_before_now_at_the_end_of_time() {
        // The end is as many microseconds after the epoch, or milliseconds.
        let now = match cfg!(feature = "fast") {
            true => Instant::from_micros(u64::MAX - 5),
            false => Instant::from_millis(u64::MAX - 5),
        };
        let mut client = Client::new(Config::new(), Fixed::<4, 2, 256, 128>::new());
        let mut input = RxBuffer::new([0; 64]);
        client.start(now);
        assert!(matches!(client.poll(now, &mut input), Action::Open));
        client.opened(now, &Connect::new("c")).unwrap();
        assert!(matches!(client.poll(now, &mut input), Action::Send(_)));
        match client.poll(now, &mut input) {
            Action::Timeout(deadline) => assert!(deadline >= now, "{deadline:?} at {now:?}"),
            other => panic!("{other:?}"),
        }
    }

    /// Whatever the epoch is, and however finely the caller counts: a server that says nothing
    /// after CONNACK is pinged and left, again and again, and a message that waits expires.
    #[test]
    fn a_deadline_that_is_reached_makes_progress_and_stays_until_then() {
        const WRAP: u64 = (1 << 32) * 1_000;
        for epoch in [
            0,
            1,
            999,
            1_001,
            WRAP / 2 - 3_000_500,
            WRAP - 2_000_001,
            WRAP - 1_000,
            1_700_000_000_000_333,
            u64::MAX / 2,
        ] {
            let mut now = Instant::from_micros(epoch);
            let mut client = Client::new(Config::new(), Fixed::<4, 2, 256, 128>::new());
            let mut input = RxBuffer::new([0; 64]);
            client.start(now);
            let connect = Connect {
                keep_alive: 1,
                ..Connect::new("c")
            };
            let publish = Publish::new(TopicName::new("t").unwrap(), b"21.5")
                .qos(QoS::AtLeastOnce)
                .message_expiry_interval(40);
            let (mut opened, mut pings, mut expired) = (0, 0, 0);
            let mut reached = None;
            for _ in 0..400 {
                match client.poll(now, &mut input) {
                    Action::Open if opened % 3 == 2 => {
                        opened += 1;
                        client.closed(now);
                    }
                    Action::Open => {
                        client.opened(now, &connect).unwrap();
                        opened += 1;
                        client.publish(now, &publish).ok();
                    }
                    Action::Send(bytes) => {
                        pings += usize::from(bytes == [0xc0, 0]);
                        let connects = bytes[0] == 0x10;
                        client.sent(now, 200);
                        if connects {
                            // Of one message at a time, so that the others wait.
                            let connack = [0x20, 6, 0, 0, 3, 0x21, 0, 1];
                            input.spare()[..8].copy_from_slice(&connack);
                            input.filled(8);
                        }
                    }
                    Action::Event(Event::Published { outcome, .. }) => {
                        expired += usize::from(outcome == Err(GiveUp::Expired));
                    }
                    Action::Event(_) => {}
                    Action::Close => client.closed(now),
                    Action::Timeout(deadline) => {
                        assert!(deadline > now, "{deadline:?} at {now:?}");
                        assert_ne!(reached, Some(deadline));
                        let early = Instant::from_micros(deadline.as_micros() - 1);
                        if early > now {
                            now = early;
                            let again = client.poll(now, &mut input);
                            assert!(
                                matches!(again, Action::Timeout(at) if at == deadline),
                                "{again:?}"
                            );
                        }
                        now = deadline;
                        reached = Some(deadline);
                        continue;
                    }
                    other => panic!("{other:?}"),
                }
                reached = None;
            }
            assert!(opened > 10 && pings > 10, "{opened} {pings} {epoch}");
            let runs = cfg!(feature = "message-expiry");
            assert_eq!(expired > 0, runs, "{epoch}");
        }
    }
}
