//! How a client goes on: what the machine wants is done over a transport, and what becomes of
//! that is told to the machine and to the application.

use crate::error::{Awaited, Cause};
use crate::ledger::Ledger;
use crate::options::{Credentials, Options};
use crate::renewal::Renewal;
use crate::shared::{Core, Shared};
use crate::state::State;
use mqtt_session::{Action, Event, Property, ReasonCode, RxBuffer, Ticket};
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Instant;

/// The largest header (a topic of 64 KiB and properties) fits into half of it. The system gives
/// the memory only as it is touched, which small messages do from the front.
const INPUT: usize = 256 << 10;

/// How many bytes are written before it is looked whether any have come, so that a peer that
/// takes all it is given is still heard.
const BUDGET: usize = 1 << 20;

/// What has come from the server and is not used up. An adapter reads into its spare room.
pub type Input = RxBuffer<Box<[u8]>>;

/// What carries a client's bytes: streams to the server, one after the other. No call waits.
pub trait Transport {
    /// Begins to open a stream. What comes of it is told by [`Transport::opened`].
    ///
    /// # Errors
    /// The attempt cannot even begin.
    fn open(&mut self) -> io::Result<()>;

    /// Gives up the attempt to open a stream; whether one was being made.
    fn give_up(&mut self) -> bool;

    /// What has come of the attempt, once: the stream is open, and these are the credentials to
    /// be used on it.
    fn opened(&mut self) -> Option<Result<Credentials, Cause>>;

    /// Writes what can be written now; None when that is nothing, until
    /// [`Transport::takes_again`]. Without a stream nothing is taken, and that is `Some(0)`.
    fn write(&mut self, bytes: &[u8]) -> Option<usize>;

    /// As [`Transport::write`], of several slices, one after the other. By default, of the first
    /// that is not empty.
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> Option<usize> {
        let first = slices.iter().find(|slice| !slice.is_empty());
        self.write(first.map_or(&[], |slice| slice))
    }

    /// Whether the stream took no more bytes and now does; told once.
    fn takes_again(&mut self) -> bool;

    /// Whether the stream has ended and all that came over it was read, and with which error;
    /// None while it goes on, and without a stream.
    fn ended(&mut self) -> Option<Option<io::Error>>;

    /// Whether there may be something to be read now.
    fn may_read(&self) -> bool;

    /// Closes the stream, if there is one, in good order: what was written is to reach the
    /// server (MQTT-3.14.4-2).
    fn hang_up(&mut self);
}

/// What an adapter does after a [turn](Course::turn); then it is the next one's.
#[derive(Debug)]
pub enum Next {
    /// Nothing but, where they share a thread, let others run: who waits has been woken.
    Tell,
    /// Reads once into the input, if something has come.
    Read,
    /// Waits for the transport or to be woken, until the earliest deadline, if there is any.
    Sleep(Option<Instant>),
    /// The client has ended: this goes to [`Shared::end`].
    End(Cause),
}

/// A client on its way from its first attempt to its end.
#[derive(Debug)]
pub struct Course {
    shared: Arc<Shared>,
    options: Options,
    /// Whether the client ends when the first attempt fails.
    once: bool,
    /// Until when the attempt has to succeed.
    open_until: Option<Instant>,
    /// What is known of the end of the connection beyond what the machine knows.
    cause: Option<Cause>,
    stopping: bool,
    renewal: Renewal,
    /// Bytes that came and were not used up when the last turn ended.
    unused: usize,
    /// The machine wants a part of a payload from the application.
    wanted: Option<Ticket>,
    /// Room for such a part.
    part: Vec<u8>,
}

impl Course {
    /// Sets the machine going. With `once`, the client ends when the first attempt fails.
    #[must_use]
    pub fn new(shared: Arc<Shared>, options: Options, once: bool) -> Self {
        shared.lock().machine.start(shared.now());
        Self {
            shared,
            renewal: Renewal::new(options.renews),
            options,
            once,
            open_until: None,
            cause: None,
            stopping: false,
            unused: 0,
            wanted: None,
            part: Vec::new(),
        }
    }

    /// A buffer for what comes in.
    #[must_use]
    pub fn input() -> Input {
        RxBuffer::new(vec![0; INPUT].into_boxed_slice())
    }

    /// Does everything that can be done without waiting.
    pub fn turn(&mut self, transport: &mut impl Transport, input: &mut Input) -> Next {
        let shared = Arc::clone(&self.shared);
        let mut core = shared.lock();
        let came = input.len().saturating_sub(self.unused);
        core.ledger.counters.bytes_received += came as u64;
        let next = self.act(&mut core, transport, input);
        self.unused = input.len();
        core.asleep = matches!(next, Next::Sleep(_));
        drop(core);
        if let Some(ticket) = self.wanted.take() {
            shared.supply(ticket, &mut self.part);
        }
        next
    }

    fn act(&mut self, core: &mut Core, transport: &mut impl Transport, input: &mut Input) -> Next {
        let clock = self.shared.clock();
        let now = self.shared.machine_time(clock);
        core.last_turn = now;
        self.note_stream(core, transport, clock);
        let mut budget = BUDGET;
        let mut delivered = 0;
        let deadline = loop {
            self.note_closing(core, transport, clock);
            core.ask(now);
            match core.machine.poll(now, input) {
                Action::Open => self.open(core, transport, clock),
                Action::Send(_) => {
                    if let Err(cause) = core.note_sending() {
                        transport.hang_up();
                        return Next::End(cause);
                    }
                    let taken = match core.machine.offer_all() {
                        [bytes, [], []] => transport.write(bytes),
                        slices => transport.write_vectored(&slices.map(IoSlice::new)),
                    };
                    if let Some(taken) = taken {
                        core.machine.sent(now, taken);
                        budget = budget.saturating_sub(taken);
                        core.ledger.counters.bytes_sent += taken as u64;
                    }
                    if budget == 0 {
                        return Next::Read;
                    }
                }
                Action::Deliver(delivery) => {
                    let unheld = core.ledger.deliver(&self.shared, &delivery.message);
                    for token in unheld {
                        // Stale is as good: it is not to be acknowledged any more.
                        let _ = core.machine.acknowledge(token, ReasonCode::SUCCESS);
                    }
                    delivered += 1;
                    if core.ledger.has_to_tell(delivered) {
                        return Next::Tell;
                    }
                }
                Action::Event(Event::PayloadWanted { ticket }) => {
                    self.wanted = Some(ticket);
                    return Next::Read;
                }
                Action::Event(event) => {
                    let end = self.on_event(&mut core.ledger, &event, clock);
                    match event {
                        Event::Published { ticket, .. } => core.note_settled(ticket),
                        Event::Connected(_) | Event::Disconnected { .. } => core.note_changed(),
                        _ => {}
                    }
                    if let Some(end) = end {
                        return Next::End(end);
                    }
                }
                Action::Close => {
                    transport.hang_up();
                    core.machine.closed(now);
                }
                Action::Timeout(deadline) => {
                    if !self.may_stop(core, clock) {
                        break deadline;
                    }
                }
                Action::Done if self.renewal.begins() => core.machine.start(now),
                Action::Done => return Next::End(self.cause.take().unwrap_or(Cause::Closed)),
            }
        };
        if self.stopping && core.closing.is_some_and(|closing| closing <= clock) {
            // What could be written was written; the rest has no time left.
            transport.hang_up();
            return Next::End(Cause::Closed);
        }
        let sync = core.note_waiting(clock);
        if let Some(cause) = core.store_failure() {
            transport.hang_up();
            return Next::End(cause);
        }
        let has_room = !input.spare().is_empty();
        if has_room && transport.may_read() {
            return Next::Read;
        }
        let machine = self.shared.wall_time(deadline);
        let others = [self.open_until, core.closing, sync];
        Next::Sleep(others.into_iter().chain([machine]).flatten().min())
    }

    fn may_stop(&self, core: &Core, clock: Instant) -> bool {
        let over = |deadline| deadline <= clock || core.ledger.unsettled() == 0;
        !self.stopping && core.closing.is_some_and(over)
    }

    /// Stops the machine once nothing is left to be settled, or the time is over.
    fn note_closing(&mut self, core: &mut Core, transport: &mut impl Transport, clock: Instant) {
        if !self.may_stop(core, clock) {
            return;
        }
        self.stopping = true;
        let now = self.shared.machine_time(clock);
        let ends = self.options.ends_session();
        let expiry = [Property::SessionExpiryInterval(0)];
        let reason = ReasonCode::NORMAL_DISCONNECTION;
        if !ends || core.machine.stop_with(now, reason, &expiry).is_err() {
            core.machine.stop(now);
        }
        if transport.give_up() {
            self.open_until = None;
            core.machine.closed(now);
        }
    }

    /// Tells the machine what has become of the stream since it was last asked.
    fn note_stream(&mut self, core: &mut Core, transport: &mut impl Transport, clock: Instant) {
        let now = self.shared.machine_time(clock);
        if let Some(opened) = transport.opened() {
            self.open_until = None;
            self.opened(core, transport, now, opened);
        }
        if self.open_until.is_some_and(|until| until <= clock) {
            self.open_until = None;
            transport.give_up();
            self.cause = Some(Cause::TimedOut {
                what: Awaited::Open,
                limit: self.options.time_to_open(),
            });
            core.machine.closed(now);
        }
        if transport.takes_again() {
            core.machine.sent(now, 0);
        }
        if let Some(broken) = transport.ended() {
            let broken = broken.map(Cause::broken);
            // What the peer said before it was gone says more.
            self.cause = self.cause.take().or(broken);
            transport.hang_up();
            core.machine.closed(now);
        }
    }

    fn open(&mut self, core: &mut Core, transport: &mut impl Transport, clock: Instant) {
        core.ledger.set_state(State::Connecting);
        match transport.open() {
            Ok(()) => self.open_until = clock.checked_add(self.options.time_to_open()),
            Err(error) => {
                transport.give_up();
                self.cause = Some(Cause::NotOpened(Arc::new(error)));
                core.machine.closed(self.shared.machine_time(clock));
            }
        }
    }

    fn opened(
        &mut self,
        core: &mut Core,
        transport: &mut impl Transport,
        now: mqtt_session::Instant,
        opened: Result<Credentials, Cause>,
    ) {
        let result = opened.and_then(|credentials| {
            self.renewal.attempt(&credentials)?;
            self.options.lend_connect(&credentials, |connect| {
                core.machine.opened(now, connect).map_err(Cause::Options)
            })
        });
        let Err(cause) = result else { return };
        if matches!(
            cause,
            Cause::Options(_) | Cause::WillTopic(_) | Cause::Refused { .. }
        ) {
            // The next attempt would fail alike.
            core.machine.stop(now);
        }
        self.cause = Some(cause);
        transport.hang_up();
        core.machine.closed(now);
    }

    /// Why the client ends, if it does.
    fn on_event(
        &mut self,
        ledger: &mut Ledger,
        event: &Event<'_>,
        clock: Instant,
    ) -> Option<Cause> {
        match event {
            Event::Connected(connack) => {
                self.once = false;
                self.cause = None;
                ledger.connected(connack.session_present);
            }
            Event::Refused(connack) => {
                self.cause = Some(Cause::Refused {
                    reason: connack.reason,
                    reason_string: owned(connack.properties.reason_string()),
                    server_reference: owned(connack.properties.server_reference()),
                });
            }
            Event::ServerDisconnect(disconnect) => {
                self.cause = Some(Cause::ServerDisconnect {
                    reason: disconnect.reason,
                    reason_string: owned(disconnect.properties.reason_string()),
                    server_reference: owned(disconnect.properties.server_reference()),
                });
            }
            Event::Violation(violation) => self.cause = Some(Cause::Violation(*violation)),
            Event::Disconnected {
                cause: known,
                retry,
            } => {
                let cause = self.cause.take();
                let cause = cause.unwrap_or_else(|| Cause::of(*known, &self.options));
                let retry = retry.and_then(|at| self.shared.wall_time(at));
                match retry.filter(|_| !self.once) {
                    Some(retry) => ledger.set_state(State::Waiting { cause, retry }),
                    None if self.stopping => return Some(Cause::Closed),
                    None if !self.once && self.renewal.is_worth_it(&cause, clock) => {
                        let retry = clock;
                        ledger.set_state(State::Waiting { cause, retry });
                    }
                    None => return Some(cause),
                }
            }
            Event::Published {
                ticket,
                outcome,
                properties,
            } => {
                ledger.published(*ticket, *outcome, properties);
            }
            Event::Subscribed {
                ticket,
                reasons,
                properties,
            }
            | Event::Unsubscribed {
                ticket,
                reasons,
                properties,
            } => {
                ledger.answered(*ticket, reasons, properties);
            }
            Event::Unanswered { ticket, .. } => ledger.unanswered(*ticket),
            Event::DeliveryCut => ledger.delivery_cut(),
            // `Connected` has said whether there is a session; the rest asks for nothing.
            _ => {}
        }
        None
    }
}

fn owned(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
}

#[cfg(test)]
mod tests;
