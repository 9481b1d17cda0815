//! What can be wrong with what was kept.

/// Why a session could not be taken over. The client is as new as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ImportError {
    /// The client was started or has messages: only a new one can take a session over.
    InUse,
    /// There are fewer bytes than the session says it has, or than any can have.
    TooShort,
    /// It does not begin as a session does: it is something else, or erased memory.
    NotASession,
    /// It was written by a version of this crate that this one does not know.
    Version(u16),
    /// The checksum is wrong: the bytes are damaged.
    Checksum,
    /// The store has no room for it. Without the feature `fast`, nor has it for a ticket since
    /// which more than 2^32 were issued.
    DoesNotFit,
    /// A message in it has its payload drawn from the application, which this build cannot do: it
    /// lacks the feature `draw`.
    PayloadDrawn,
    /// The checksum is right, but what stands before this place is nothing that an export writes.
    Inconsistent {
        /// A place in the bytes.
        at: usize,
    },
}

crate::words::words! { ImportError:
    Self::InUse => "the client is not new";
    Self::TooShort => "the session is cut short";
    Self::NotASession => "this is no session";
    Self::Version(version) => "the session has version {}, which is not known", version;
    Self::Checksum => "the session is damaged: its checksum is wrong";
    Self::DoesNotFit => "the store has no room for the session";
    Self::PayloadDrawn => "a payload is to be drawn, and this build lacks the feature draw";
    Self::Inconsistent { at } => "the session contradicts itself before byte {}", at;
}

impl core::error::Error for ImportError {}

/// A buffer is too small for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TooSmall {
    /// How many bytes it has to have.
    pub needed: usize,
}

crate::words::words! { TooSmall:
    Self { needed } => "the session takes {} bytes", needed;
}

impl core::error::Error for TooSmall {}
