//! What the handle and the broker's thread share: the machine behind one lock.
//!
//! The handle calls the machine itself; the thread does everything that follows from it. The
//! lock is held for no wait.

use super::error::{BrokerPublishError, ShutdownError};
use super::notice::{Notice, Notices, WATCHED};
use super::{Access, BrokerConfig, BrokerLoad, ConnectionId};
use crate::wait::wait;
use mqtt_driver::{Inbox, Slot, Wakes};
use mqtt_session::{Instant as MachineTime, Publish, ReasonCode, broker};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

pub(super) type Machine = broker::Broker<Box<dyn Access + Send>>;

/// The longest that the thread stands back for those who wait for the lock.
const STAND_BACK: Duration = Duration::from_millis(1);

/// How much longer than to its deadline a shutdown waits for the thread, which has nothing left
/// to wait for then.
const GRACE: Duration = Duration::from_millis(250);

pub(super) struct Shared {
    core: Mutex<Core>,
    /// Callers that wait for the machine.
    waiting: AtomicUsize,
    /// A caller has had the machine.
    had: Condvar,
    /// Until when the broker has to be shut down. This and the next are apart from the machine,
    /// which is busy while an [`Access`] takes its time.
    closing: Mutex<Option<Instant>>,
    ended: Slot<Result<(), ShutdownError>>,
    waker: mio::Waker,
    /// The moment that the machine takes for zero.
    epoch: Instant,
}

pub(super) struct Core {
    pub(super) machine: Machine,
    /// The thread sleeps, or will without looking here again: it has to be woken.
    pub(super) asleep: bool,
    watchers: Vec<Weak<Inbox<Notice>>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(
        config: BrokerConfig,
        access: Box<dyn Access + Send>,
        waker: mio::Waker,
    ) -> Self {
        Self {
            core: Mutex::new(Core {
                machine: Machine::with_access(config, access),
                asleep: false,
                watchers: Vec::new(),
            }),
            waiting: AtomicUsize::new(0),
            had: Condvar::new(),
            closing: Mutex::default(),
            ended: Slot::default(),
            waker,
            epoch: Instant::now(),
        }
    }

    /// The machine's time.
    pub(super) fn machine_time(&self, at: Instant) -> MachineTime {
        MachineTime::from_micros(0).after(at.saturating_duration_since(self.epoch))
    }

    /// When that is; None when it never comes.
    pub(super) fn wall_time(&self, at: MachineTime) -> Option<Instant> {
        if at == MachineTime::NEVER {
            return None;
        }
        self.epoch
            .checked_add(Duration::from_micros(at.as_micros()))
    }

    /// The lock, for the thread.
    pub(super) fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives callers that wait their turn. The system's lock is not fair: a thread that is busy
    /// takes it again before anyone else has woken up.
    pub(super) fn stand_back(&self, core: MutexGuard<'_, Core>) {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            let result = self.had.wait_timeout(core, STAND_BACK);
            drop(result.unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// The lock, for a caller.
    fn enter(&self) -> MutexGuard<'_, Core> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let core = self.lock();
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        core
    }

    /// Ends a call: the thread takes it from here.
    fn leave(&self, mut core: MutexGuard<'_, Core>) {
        let wake = std::mem::take(&mut core.asleep);
        drop(core);
        self.had.notify_all();
        if wake {
            self.wake();
        }
    }

    fn wake(&self) {
        // It fails only when the system is out of resources; then deadlines still come.
        let _ = self.waker.wake();
    }

    fn has_ended(&self) -> bool {
        self.ended.value().is_some()
    }

    /// Until when the broker has to be shut down, if it has.
    pub(super) fn closing(&self) -> Option<Instant> {
        *self.closing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn publish(&self, publish: &Publish<'_>) -> Result<(), BrokerPublishError> {
        let mut core = self.enter();
        if self.has_ended() || self.closing().is_some() {
            self.leave(core);
            return Err(BrokerPublishError::Ended);
        }
        let now = self.machine_time(Instant::now());
        let result = core.machine.publish(now, publish);
        self.leave(core);
        result.map_err(|_| BrokerPublishError::NotRetained)
    }

    pub(super) fn disconnect(&self, connection: ConnectionId, reason: ReasonCode) {
        let mut core = self.enter();
        let now = self.machine_time(Instant::now());
        core.machine.disconnect(now, connection, reason);
        self.leave(core);
    }

    pub(super) fn load(&self) -> BrokerLoad {
        let core = self.enter();
        let load = if self.has_ended() {
            BrokerLoad::default()
        } else {
            core.machine.load()
        };
        self.leave(core);
        load
    }

    pub(super) fn watch(&self) -> Notices {
        let inbox = Inbox::new(WATCHED);
        let mut core = self.enter();
        if self.has_ended() {
            inbox.end(None, &mut Wakes::default());
        } else {
            core.watchers.push(Arc::downgrade(&inbox));
        }
        self.leave(core);
        Notices { inbox }
    }

    /// Has the broker shut down by `deadline`, and waits for that.
    pub(super) fn shutdown(&self, deadline: Instant) -> Result<(), ShutdownError> {
        let latest = deadline.checked_add(GRACE);
        let mut closing = self.closing.lock().unwrap_or_else(PoisonError::into_inner);
        *closing = Some(closing.map_or(deadline, |other| other.min(deadline)));
        drop(closing);
        self.wake();
        wait(latest, self.ended.filled()).unwrap_or(Err(ShutdownError::Stuck))
    }

    /// The thread has ended. Only the first call counts.
    pub(super) fn end(&self, result: Result<(), ShutdownError>) {
        let mut wakes = Wakes::default();
        self.ended.fill(result, &mut wakes);
        for inbox in self
            .lock()
            .watchers
            .drain(..)
            .filter_map(|inbox| inbox.upgrade())
        {
            inbox.end(None, &mut wakes);
        }
    }
}

impl Core {
    /// Tells those who watch.
    pub(super) fn tell(&mut self, notice: &Notice) {
        let mut wakes = Wakes::default();
        self.watchers.retain(|watcher| match watcher.upgrade() {
            Some(inbox) => {
                inbox.push(notice.clone(), &mut wakes, drop);
                true
            }
            None => false,
        });
    }
}
