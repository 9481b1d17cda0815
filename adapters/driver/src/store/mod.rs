//! The session in a file, so that it outlives the program: the machine's changes are appended to
//! a log before anything leaves that depends on them.
//!
//! What is appended is small, and the log is begun anew, with what is still open, when it has
//! grown to several times that.

mod error;
mod log;
mod recover;
#[cfg(test)]
mod test;

pub use error::StoreError;
pub use recover::{Salvaged, salvage};

use log::{Lock, Log};
use mqtt_session::journal::Journal;
use mqtt_session::{Client, Heap, Ticket};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// When what was appended is forced to the disk. Until then it is with the operating system:
/// safe from the end of the program, however sudden, but not from that of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fsync {
    /// When the system does it by itself.
    Never,
    /// Each time so many changes are not on the disk; 0 is taken for 1.
    Every(u32),
    /// So long after a change at the latest, while the client's loop runs.
    Interval(Duration),
    /// Before a publish or an acknowledgement returns, and before anything leaves that depends
    /// on a change.
    Always,
}

/// Where a session is kept, and how.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    pub(crate) fsync: Fsync,
}

/// The log of a client's session, and what of the session is in it.
#[derive(Debug)]
pub(crate) struct Store {
    journal: Journal,
    log: Log,
    place: Place,
    lock: Lock,
    failure: Option<StoreError>,
}

/// Microseconds since the epoch of Unix.
fn wall() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    })
}

impl Store {
    /// Opens the log at a place, has the machine, which is new, take over what is in it, and
    /// begins it anew with that.
    pub(crate) fn open(
        place: &Place,
        machine: &mut Client<Heap>,
        now: mqtt_session::Instant,
    ) -> Result<Self, StoreError> {
        let lock = Lock::take(&place.path)?;
        if let Some(image) = recover::read(&place.path)? {
            let session = image.snapshot(wall());
            machine.import(now, &session).map_err(|error| {
                let path = place.path.clone();
                StoreError::Session { path, error }
            })?;
        }
        let (journal, log) = begin(place, machine)?;
        Ok(Self {
            journal,
            log,
            place: place.clone(),
            lock,
            failure: None,
        })
    }

    /// What has gone wrong: nothing may leave any more, and nothing is accepted.
    pub(crate) fn failure(&self) -> Option<&StoreError> {
        self.failure.as_ref()
    }

    /// A message was published: it is accepted once it is kept.
    pub(crate) fn published(&mut self, machine: &mut Client<Heap>, ticket: Ticket) {
        self.journal
            .published(machine, ticket, wall(), &mut self.log);
        self.write(true);
    }

    /// Bytes are about to leave, or the application has acknowledged: what that depends on is
    /// kept first.
    pub(crate) fn sending(&mut self, machine: &mut Client<Heap>) {
        self.journal.sending(machine, wall(), &mut self.log);
        self.write(true);
        if self.failure.is_none() && self.log.is_long() {
            match begin(&self.place, machine) {
                Ok((journal, log)) => (self.journal, self.log) = (journal, log),
                Err(error) => self.failure = Some(error),
            }
        }
    }

    /// A message was settled. Should that be forgotten, it is settled once more.
    pub(crate) fn settled(&mut self, machine: &mut Client<Heap>, ticket: Ticket) {
        self.journal.settled(machine, ticket, &mut self.log);
    }

    /// A connection has begun or ended.
    pub(crate) fn changed(&mut self, machine: &mut Client<Heap>) {
        self.journal.all(machine, wall(), &mut self.log);
    }

    /// The loop is about to wait: what is noted goes to the system. When it has to be on the
    /// disk, if that is some time from now.
    pub(crate) fn waiting(&mut self, clock: Instant) -> Option<Instant> {
        self.write(false);
        if self.log.sync_due().is_some_and(|due| due <= clock) {
            let synced = self.log.sync();
            self.note(synced);
        }
        self.log.sync_due()
    }

    /// Nothing more will be noted.
    pub(crate) fn close(mut self) {
        self.write(false);
        if self.place.fsync != Fsync::Never {
            let synced = self.log.sync();
            self.note(synced);
        }
        drop(self.lock);
    }

    /// Hands what is noted to the system, and has it on the disk where that is wanted; at
    /// once if `needed`.
    fn write(&mut self, needed: bool) {
        if self.failure.is_none() {
            let written = self.log.write(needed);
            self.note(written);
        }
    }

    fn note(&mut self, result: std::io::Result<()>) {
        if let Err(error) = result
            && self.failure.is_none()
        {
            self.failure = Some(StoreError::io(&self.place.path, error));
        }
    }
}

/// A new log in place of the one there is, with all that is open.
fn begin(place: &Place, machine: &mut Client<Heap>) -> Result<(Journal, Log), StoreError> {
    let failed = |error| StoreError::io(&place.path, error);
    let mut journal = Journal::new();
    let mut log = Log::begin(&place.path, place.fsync).map_err(failed)?;
    journal.all(machine, wall(), &mut log);
    log.take_its_place(&place.path).map_err(failed)?;
    Ok((journal, log))
}
