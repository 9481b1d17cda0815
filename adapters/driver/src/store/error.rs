//! What can go wrong with a session in a file.

use mqtt_session::snapshot::ImportError;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a session cannot be kept in a file, or taken from it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// The system refused.
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: Arc<io::Error>,
    },
    /// Another client has its session there.
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is something else, or of a version that is not known.
    NotALog {
        /// The file.
        path: PathBuf,
    },
    /// The file is damaged before its end: what is behind that place cannot be trusted. An end
    /// that was not written whole is no damage; it is cut off.
    /// [`salvage`](crate::salvage) keeps what is before it.
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where, in bytes from its front.
        at: u64,
        /// How many messages that are not settled are before it.
        unsettled: usize,
    },
    /// The session in the file does not fit the options: its messages are more than the queue has
    /// room for.
    Session {
        /// The file.
        path: PathBuf,
        /// Why it was not taken over.
        error: ImportError,
    },
}

impl StoreError {
    pub(super) fn io(path: &Path, error: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            error: Arc::new(error),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, error } => {
                write!(
                    f,
                    "the session in {} cannot be kept: {error}",
                    path.display()
                )
            }
            Self::InUse { path } => {
                write!(f, "another client has its session in {}", path.display())
            }
            Self::NotALog { path } => write!(f, "there is no session in {}", path.display()),
            Self::Damaged {
                path,
                at,
                unsettled,
            } => write!(
                f,
                "the session in {} is damaged at byte {at}; {unsettled} messages before that can \
                 be salvaged",
                path.display()
            ),
            Self::Session { path, error } => {
                write!(
                    f,
                    "the session in {} is not taken over: {error}",
                    path.display()
                )
            }
        }
    }
}

impl std::error::Error for StoreError {}
