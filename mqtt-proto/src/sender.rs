/// Who sent the packet (decoding) or will send it (encoding).
///
/// The direction decides which packets, properties and reason codes are legal; it is an argument
/// of validation, not a second codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
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

impl core::fmt::Display for Sender {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Server => "server",
        })
    }
}
