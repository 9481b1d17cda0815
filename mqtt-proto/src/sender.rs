/// Who sent the packet (decoding) or will send it (encoding).
///
/// The direction decides which packets, properties and reason codes are legal; it is an argument
/// of validation, not a second codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sender {
    /// The client: it opened the network connection.
    Client,
    /// The server: it accepted the network connection.
    Server,
}

impl Sender {
    /// The other end of the connection.
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

crate::words::words! { Sender:
    Self::Client => "client";
    Self::Server => "server";
}
