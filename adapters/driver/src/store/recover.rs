//! A log is read again: whole, up to an end that was not written whole, or up to where it is
//! damaged.

use super::error::StoreError;
use super::log::{FRAME, HEADER, Lock, Log, MAGIC, MARKER, beside, checksum};
use super::{Fsync, wall};
use mqtt_session::journal::{Image, Journal};
use mqtt_session::{Client, Config, Heap, HeapLimits, Instant};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What was kept of a damaged log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salvaged {
    /// How many messages that are not settled are in the log now.
    pub unsettled: usize,
    /// The damaged file, where it was damaged: nothing of it is thrown away.
    pub damaged: Option<PathBuf>,
}

/// What a file holds.
enum Content {
    /// All there is; what may lie behind it was never written whole.
    Whole(Image),
    /// What is before this place.
    Damaged(Image, u64),
}

/// Entries of a log, with the place each begins at.
struct Frames<'b> {
    bytes: &'b [u8],
    salt: [u8; 8],
    at: usize,
}

impl<'b> Frames<'b> {
    /// The entry at a place, if there is one that is whole.
    fn entry_at(&self, at: usize) -> Option<&'b [u8]> {
        let (frame, behind) = self.bytes.get(at..)?.split_first_chunk::<FRAME>()?;
        let [m0, m1, m2, m3, l0, l1, l2, l3, sum @ ..] = *frame;
        if [m0, m1, m2, m3] != MARKER {
            return None;
        }
        let entry = behind.get(..u32::from_le_bytes([l0, l1, l2, l3]) as usize)?;
        let right = checksum(self.salt, at as u64, entry) == u32::from_le_bytes(sum);
        right.then_some(entry)
    }

    /// Whether any entry that is whole lies behind this place.
    fn any_behind(&self) -> bool {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        rest.windows(MARKER.len())
            .zip(self.at..)
            .any(|(window, at)| window == MARKER && self.entry_at(at).is_some())
    }
}

fn content(bytes: &[u8]) -> Option<Content> {
    let (header, _) = bytes.split_first_chunk::<HEADER>()?;
    let (magic, salt) = header.split_first_chunk::<8>()?;
    if *magic != MAGIC {
        return None;
    }
    let mut frames = Frames {
        bytes,
        salt: salt.try_into().ok()?,
        at: HEADER,
    };
    let mut image = Image::new();
    while let Some(entry) = frames.entry_at(frames.at) {
        if image.apply(entry).is_err() {
            return Some(Content::Damaged(image, frames.at as u64));
        }
        frames.at += FRAME + entry.len();
    }
    // A log has an entry before it is one.
    Some(if frames.at == HEADER || frames.any_behind() {
        Content::Damaged(image, frames.at as u64)
    } else {
        Content::Whole(image)
    })
}

fn load(path: &Path) -> Result<Option<Content>, StoreError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io(path, error)),
    };
    let content = content(&bytes);
    content.map(Some).ok_or_else(|| StoreError::NotALog {
        path: path.to_owned(),
    })
}

/// The session at a path; None where there is no file.
pub(super) fn read(path: &Path) -> Result<Option<Image>, StoreError> {
    Ok(match load(path)? {
        None => None,
        Some(Content::Whole(image)) => Some(image),
        Some(Content::Damaged(image, at)) => {
            return Err(StoreError::Damaged {
                path: path.to_owned(),
                at,
                unsettled: image.unsettled(),
            });
        }
    })
}

/// Makes a damaged session usable again, as far as it goes: what is before the damage becomes the
/// session, and the damaged file is kept beside it, with `.damaged` behind its name.
///
/// What is lost with the rest may be messages, and the knowledge that some were sent or received:
/// these may come twice.
///
/// # Errors
/// See [`StoreError`]; the file is as it was then.
pub fn salvage(path: impl AsRef<Path>) -> Result<Salvaged, StoreError> {
    let path = path.as_ref();
    let failed = |error| StoreError::io(path, error);
    let _lock = Lock::take(path)?;
    let image = match load(path)? {
        Some(Content::Damaged(image, _)) => image,
        whole => {
            let image = match whole {
                Some(Content::Whole(image)) => image,
                _ => Image::new(),
            };
            return Ok(Salvaged {
                unsettled: image.unsettled(),
                damaged: None,
            });
        }
    };
    let limits = HeapLimits {
        bytes: usize::MAX,
        ..HeapLimits::default()
    };
    let mut client = Client::new(Config::default(), Heap::new(limits));
    let now = Instant::from_secs(0);
    let session = image.snapshot(wall());
    client
        .import(now, &session)
        .map_err(|error| StoreError::Session {
            path: path.to_owned(),
            error,
        })?;
    let mut log = Log::begin(path, Fsync::Always).map_err(failed)?;
    Journal::new().all(&mut client, wall(), &mut log);
    let damaged = beside(path, ".damaged");
    fs::copy(path, &damaged).map_err(failed)?;
    log.take_its_place(path).map_err(failed)?;
    Ok(Salvaged {
        unsettled: image.unsettled(),
        damaged: Some(damaged),
    })
}
