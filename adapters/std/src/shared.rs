//! What the handles and the client's thread share: the machine behind one lock.
//!
//! A handle calls the machine itself, so that what it asks for is accepted or refused before its
//! call returns; the thread does everything that follows from it. The lock is held for no wait.

use crate::ledger::{Ledger, Pending};
use crate::slot::{Slot, wait_until};
use crate::token::Token;
use bytes::Bytes;
use mqtt_driver::{
    AcknowledgeError, Cause, Options, PublishError, Queue, State, Undelivered, WhenFull,
};
use mqtt_session::{AckToken, Client, Heap, Publish, QoS, ReasonCode, RequestError};
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Payloads of this length and above are held and written as they are; below, one copy beside
/// the header saves a system call.
const HELD: usize = 1024;

pub(crate) struct Shared {
    core: Mutex<Core>,
    /// The state has changed, or nothing is left to be settled.
    changed: Condvar,
    /// There is room in the queue again.
    room: Condvar,
    waker: mio::Waker,
    /// The moment that the machine takes for zero.
    epoch: Instant,
}

pub(crate) struct Core {
    pub(crate) machine: Client<Heap>,
    pub(crate) ledger: Ledger,
    queue: Queue,
    /// Threads that wait for room.
    waiting: usize,
    /// The thread sleeps, or will without looking here again: it has to be woken.
    pub(crate) asleep: bool,
    /// Until when the client has to be closed.
    pub(crate) closing: Option<Instant>,
}

/// A message on its way to the machine.
pub(crate) struct Request<'a> {
    pub(crate) publish: Publish<'a>,
    pub(crate) payload: &'a Bytes,
    pub(crate) qos: QoS,
    /// Bytes of topic and payload.
    pub(crate) size: usize,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(options: &Options, waker: mio::Waker) -> Self {
        Self {
            core: Mutex::new(Core {
                machine: Client::new(options.config(), Heap::new(options.limits())),
                ledger: Ledger::new(options.unmatched, !options.clean_start),
                queue: options.queue,
                waiting: 0,
                asleep: false,
                closing: None,
            }),
            changed: Condvar::new(),
            room: Condvar::new(),
            waker,
            epoch: Instant::now(),
        }
    }

    /// The machine's time.
    pub(crate) fn now(&self) -> mqtt_session::Instant {
        self.machine_time(Instant::now())
    }

    pub(crate) fn machine_time(&self, at: Instant) -> mqtt_session::Instant {
        mqtt_session::Instant::from_micros(0).after(at.saturating_duration_since(self.epoch))
    }

    /// When that is; None when it never comes.
    pub(crate) fn wall_time(&self, at: mqtt_session::Instant) -> Option<Instant> {
        if at == mqtt_session::Instant::NEVER {
            return None;
        }
        self.epoch
            .checked_add(Duration::from_micros(at.as_micros()))
    }

    /// A panic elsewhere leaves no half-made change behind: each call of the machine is whole.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a call of the application: the thread takes it from here.
    pub(crate) fn release(&self, mut core: MutexGuard<'_, Core>) {
        let wake = std::mem::take(&mut core.asleep);
        drop(core);
        if wake {
            self.wake();
        }
    }

    pub(crate) fn wake(&self) {
        // It fails only when the system is out of resources; then deadlines still come.
        let _ = self.waker.wake();
    }

    /// Tells those that wait what the thread has brought about.
    pub(crate) fn tell(&self, core: &mut Core) {
        if std::mem::take(&mut core.ledger.freed) && core.waiting > 0 {
            self.room.notify_all();
        }
        if std::mem::take(&mut core.ledger.changed) {
            self.changed.notify_all();
        }
    }

    /// Waits until `ready` gives something, or `deadline` has come.
    pub(crate) fn wait<T>(
        &self,
        deadline: Option<Instant>,
        mut ready: impl FnMut(&mut Core) -> Option<T>,
    ) -> Option<T> {
        let mut core = self.lock();
        loop {
            if let Some(value) = ready(&mut core) {
                return Some(value);
            }
            let timed_out;
            (core, timed_out) = wait_until(&self.changed, core, deadline);
            if timed_out {
                return ready(&mut core);
            }
        }
    }

    /// Hands a message to the machine, waiting for room where that is the policy.
    pub(crate) fn publish(&self, request: &Request<'_>) -> Result<Token, PublishError> {
        let size = request.size;
        let mut core = self.lock();
        if size > core.queue.bytes {
            let maximum = core.queue.bytes;
            return Err(PublishError::LargerThanQueue { len: size, maximum });
        }
        let deadline = match core.queue.when_full {
            WhenFull::BlockFor(limit) => Instant::now().checked_add(limit),
            WhenFull::Block | WhenFull::Refuse => None,
        };
        loop {
            if let Some(token) = core.publish(self.now(), request)? {
                self.release(core);
                return Ok(token);
            }
            if core.queue.when_full == WhenFull::Refuse {
                return Err(PublishError::QueueFull);
            }
            core.waiting += 1;
            let timed_out;
            (core, timed_out) = wait_until(&self.room, core, deadline);
            core.waiting -= 1;
            if timed_out {
                return Err(PublishError::QueueFull);
            }
        }
    }

    pub(crate) fn acknowledge(
        &self,
        token: AckToken,
        reason: ReasonCode,
    ) -> Result<(), AcknowledgeError> {
        let mut core = self.lock();
        if core.ledger.is_ended() {
            return Err(AcknowledgeError::Ended);
        }
        let result = core.machine.acknowledge(token, reason);
        self.release(core);
        result.map_err(AcknowledgeError::Refused)
    }

    /// Has the client closed by `deadline`, and waits for that until then.
    pub(crate) fn close(&self, deadline: Instant) -> Undelivered {
        let mut core = self.lock();
        let earlier = core.closing.map_or(deadline, |other| other.min(deadline));
        core.closing = Some(earlier);
        // Who waits for room is to be told that there is no use.
        self.room.notify_all();
        self.release(core);
        self.wait(Some(deadline), |core| core.ledger.is_ended().then_some(()));
        self.end(&Cause::Closed)
    }

    /// Settles everything; what was left. Only the first cause counts.
    pub(crate) fn end(&self, cause: &Cause) -> Undelivered {
        let mut core = self.lock();
        let left = core.ledger.end(cause);
        self.tell(&mut core);
        self.room.notify_all();
        left
    }
}

impl Core {
    /// Why nothing more is accepted, if so.
    pub(crate) fn refusal(&self) -> Option<Cause> {
        match &self.ledger.state {
            State::Ended { cause } => Some(cause.clone()),
            _ => self.closing.map(|_| Cause::Closed),
        }
    }

    /// Asks the server for what it does not know yet, as far as that is possible now.
    pub(crate) fn ask(&mut self, now: mqtt_session::Instant) {
        self.ledger.ask(&mut self.machine, now);
    }

    /// Hands a message to the machine; None when there is no room for it now.
    fn publish(
        &mut self,
        now: mqtt_session::Instant,
        request: &Request<'_>,
    ) -> Result<Option<Token>, PublishError> {
        let Request {
            publish,
            payload,
            qos,
            size,
        } = request;
        let (qos, size) = (*qos, *size);
        if let Some(cause) = self.refusal() {
            return Err(PublishError::Ended(cause));
        }
        let load = self.ledger.load;
        if load.messages() >= self.queue.messages.clamp(1, 65_000)
            || load.bytes + size > self.queue.bytes
        {
            return Ok(None);
        }
        let accepted = if payload.len() >= HELD {
            self.machine
                .publish_bytes(now, publish, Bytes::clone(payload))
        } else {
            self.machine.publish(now, publish)
        };
        let ticket = match accepted {
            Ok(ticket) => ticket,
            Err(RequestError::TooMany | RequestError::NoRoom) => return Ok(None),
            Err(error) => return Err(PublishError::Refused(error)),
        };
        let slot = Arc::new(Slot::new());
        let token = Token {
            slot: Arc::clone(&slot),
            qos,
        };
        self.ledger
            .expect(ticket, Pending::Publish { slot, qos, size });
        Ok(Some(token))
    }
}
