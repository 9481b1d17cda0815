//! The file itself: entries one behind the other, each with its length and a checksum.
//!
//! ```text
//! magic 8 · a random number 8
//! then for each entry: marker 4 · length 4 · checksum 4 · the entry
//! ```
//!
//! The checksum is taken of the random number, of the entry's place in the file, of its length and
//! of the entry: what looks like an entry inside of a message is none.

use super::Fsync;
use super::error::StoreError;
use mqtt_session::journal::Entries;
use mqtt_session::snapshot::Crc32;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

pub(super) const MAGIC: [u8; 8] = *b"mq5log\0\x01";
pub(super) const HEADER: usize = 16;
/// No text contains it.
pub(super) const MARKER: [u8; 4] = *b"\xffmq5";
/// Marker, length and checksum.
pub(super) const FRAME: usize = 12;
/// A log of less is not begun anew.
const SMALL: u64 = 4 << 20;

/// A file beside another one: its name with something behind it.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

pub(super) fn checksum(salt: [u8; 8], at: u64, entry: &[u8]) -> u32 {
    let mut crc = Crc32::new();
    crc.update(&salt);
    crc.update(&at.to_le_bytes());
    crc.update(&(entry.len() as u64).to_le_bytes());
    crc.update(entry);
    crc.value()
}

/// Keeps other clients from a log. The system lets go of it when the program ends.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "held, not used")] File);

impl Lock {
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let name = beside(path, ".lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&name)
            .map_err(|error| StoreError::io(&name, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
                path: path.to_owned(),
            }),
            Err(TryLockError::Error(error)) => Err(StoreError::io(&name, error)),
        }
    }
}

/// A log that is written.
#[derive(Debug)]
pub(super) struct Log {
    file: File,
    fsync: Fsync,
    salt: [u8; 8],
    /// Entries that the system does not have yet.
    buffer: Vec<u8>,
    /// Where in the buffer an entry begins that is not at its end.
    open: Option<usize>,
    /// Bytes that the system has.
    written: u64,
    /// How many were written at first.
    first: u64,
    /// Entries that may not be on the disk, and since when.
    unsynced: u32,
    since: Option<Instant>,
}

impl Entries for Log {
    fn piece(&mut self, bytes: &[u8]) {
        if self.open.is_none() {
            self.open = Some(self.buffer.len());
            self.buffer.extend([0; FRAME]);
        }
        self.buffer.extend_from_slice(bytes);
    }

    fn end(&mut self) {
        let Some(start) = self.open.take() else {
            return;
        };
        let at = self.written + start as u64;
        let Some((frame, entry)) = self
            .buffer
            .get_mut(start..)
            .and_then(|frame| frame.split_first_chunk_mut::<FRAME>())
        else {
            return;
        };
        let len = u32::try_from(entry.len()).unwrap_or(u32::MAX);
        frame[..4].copy_from_slice(&MARKER);
        frame[4..8].copy_from_slice(&len.to_le_bytes());
        frame[8..].copy_from_slice(&checksum(self.salt, at, entry).to_le_bytes());
        self.unsynced = self.unsynced.saturating_add(1);
    }
}

impl Log {
    /// Begins a log beside the one at `path`.
    pub(super) fn begin(path: &Path, fsync: Fsync) -> io::Result<Self> {
        let file = File::create(beside(path, ".new"))?;
        // Two hashers have two sets of keys.
        let salt = RandomState::new().build_hasher().finish().to_le_bytes();
        let mut buffer = Vec::with_capacity(4096);
        buffer.extend(MAGIC);
        buffer.extend(salt);
        Ok(Self {
            file,
            fsync,
            salt,
            buffer,
            open: None,
            written: 0,
            first: 0,
            unsynced: 0,
            since: None,
        })
    }

    /// Takes the place of the log at `path`, once all of it is on the disk: whenever the power
    /// fails, one of the two is there whole.
    pub(super) fn take_its_place(&mut self, path: &Path) -> io::Result<()> {
        self.hand_over()?;
        self.first = self.written;
        self.sync()?;
        fs::rename(beside(path, ".new"), path)?;
        if cfg!(unix) {
            let folder = path.parent().filter(|folder| *folder != Path::new(""));
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        }
        Ok(())
    }

    /// Whether most of it is about what is settled.
    pub(super) fn is_long(&self) -> bool {
        self.written > SMALL.saturating_add(self.first.saturating_mul(4))
    }

    fn hand_over(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        if self.unsynced > 0 && self.since.is_none() {
            self.since = Some(Instant::now());
        }
        Ok(())
    }

    /// Hands what was noted to the system, and has it on the disk if that is due. `needed`: what
    /// follows depends on it.
    pub(super) fn write(&mut self, needed: bool) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.hand_over()?;
        }
        let due = match self.fsync {
            Fsync::Never => false,
            Fsync::Every(most) => self.unsynced >= most.max(1),
            Fsync::Interval(_) => self.sync_due().is_some_and(|due| due <= Instant::now()),
            Fsync::Always => needed && self.unsynced > 0,
        };
        if due { self.sync() } else { Ok(()) }
    }

    /// Until when what was written has to be on the disk, where time decides that.
    pub(super) fn sync_due(&self) -> Option<Instant> {
        match self.fsync {
            Fsync::Interval(span) => self.since?.checked_add(span),
            _ => None,
        }
    }

    /// Entries that may not be on the disk.
    #[cfg(test)]
    pub(super) fn unsynced(&self) -> u32 {
        self.unsynced
    }

    /// Goes on in another file.
    #[cfg(test)]
    pub(super) fn replace_file(&mut self, file: File) {
        self.file = file;
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.unsynced = 0;
        self.since = None;
        self.file.sync_data()
    }
}
