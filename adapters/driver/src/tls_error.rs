//! What can go wrong with TLS, with advice.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;

/// Why there is no TLS connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TlsError {
    // The application's doing.
    /// Nothing brings cryptography: neither a feature nor the program.
    NoProvider,
    /// A file or folder could not be read.
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: Arc<io::Error>,
    },
    /// There is no certificate where one was to be.
    NoCertificate {
        /// The file, or what the bytes were for.
        source: String,
    },
    /// There is no private key where one was to be.
    NoKey {
        /// The file, or what the bytes were for.
        source: String,
    },
    /// What is there is not PEM, not a certificate or not a key that can be used.
    Unusable {
        /// The file, or what the bytes were for.
        source: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The certificate and the private key do not belong together.
    KeyMismatch,
    /// This machine has no list of those whom it trusts.
    NoPlatformRoots(String),
    /// Neither a host name nor an IP address, so that no certificate can be for it.
    ServerName(String),
    /// The settings contradict each other or the provider's abilities.
    Settings(String),

    // The peer's doing.
    /// The peer's certificate is too old, or this machine's clock is wrong.
    Expired,
    /// The peer's certificate is not valid yet, or this machine's clock is wrong.
    NotValidYet,
    /// The peer's certificate was issued by somebody who is not trusted here.
    UnknownIssuer,
    /// The server's certificate is for other names.
    WrongName {
        /// The name that was asked for.
        expected: String,
        /// The names that it is for.
        presented: Vec<String>,
    },
    /// The peer's certificate was revoked.
    Revoked,
    /// Something else is wrong with the peer's certificate.
    BadCertificate(String),
    /// The peer wants a certificate, and there is none.
    CertificateRequired,
    /// The peer does not accept the certificate of this side.
    CertificateRefused(String),
    /// The peer speaks none of the protocols that were offered (ALPN).
    NoCommonProtocol,
    /// The peer gave up, with an alert.
    Alert(String),
    /// There is no version or cipher that both sides know.
    Incompatible(String),
    /// The peer closed the stream before there was TLS.
    ClosedEarly,
    /// What came is not TLS, or breaks its rules.
    Violation(String),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoProvider => f.write_str(
                "TLS has no cryptography: switch on the feature \"ring\" or \"aws-lc-rs\", or \
                 give a provider",
            ),
            Self::File { path, error } => write!(f, "{} cannot be read: {error}", path.display()),
            Self::NoCertificate { source } => write!(f, "{source} holds no certificate in PEM"),
            Self::NoKey { source } => write!(f, "{source} holds no private key in PEM"),
            Self::Unusable { source, reason } => write!(f, "{source} cannot be used: {reason}"),
            Self::KeyMismatch => f.write_str("the private key does not belong to the certificate"),
            Self::NoPlatformRoots(reason) => write!(
                f,
                "this machine has no list of trusted certificate authorities ({reason}); install \
                 one (ca-certificates) or name a file"
            ),
            Self::ServerName(name) => write!(
                f,
                "{name:?} is neither a host name nor an IP address that a certificate could be for"
            ),
            Self::Settings(reason) => write!(f, "TLS cannot be set up: {reason}"),
            Self::Expired => f.write_str(
                "the other side's certificate has expired, or this machine's clock is wrong",
            ),
            Self::NotValidYet => f.write_str(
                "the other side's certificate is not valid yet, or this machine's clock is wrong",
            ),
            Self::UnknownIssuer => f.write_str(
                "the other side's certificate was issued by somebody who is not trusted here; is \
                 a file of certificate authorities missing?",
            ),
            Self::WrongName {
                expected,
                presented,
            } => {
                write!(f, "the server's certificate is not for {expected:?}")?;
                if !presented.is_empty() {
                    write!(f, ", only for {}", presented.join(", "))?;
                }
                Ok(())
            }
            Self::Revoked => f.write_str("the other side's certificate was revoked"),
            Self::BadCertificate(reason) => {
                write!(f, "the other side's certificate cannot be used: {reason}")
            }
            Self::CertificateRequired => {
                f.write_str("the other side wants a certificate, and got none")
            }
            Self::CertificateRefused(reason) => {
                write!(
                    f,
                    "the other side does not accept the certificate: {reason}"
                )
            }
            Self::NoCommonProtocol => {
                f.write_str("the other side speaks none of the protocols that were offered (ALPN)")
            }
            Self::Alert(alert) => write!(f, "the other side refused TLS: {alert}"),
            Self::Incompatible(reason) => {
                write!(f, "the two sides have no way of TLS in common: {reason}")
            }
            Self::ClosedEarly => f.write_str(
                "the other side closed the connection in the middle of the TLS handshake; is TLS \
                 spoken at that port?",
            ),
            Self::Violation(reason) => write!(
                f,
                "what the other side sends is not TLS as it should be ({reason}); is TLS spoken \
                 at that port?"
            ),
        }
    }
}

impl std::error::Error for TlsError {}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        let kind = match error {
            TlsError::ClosedEarly => ErrorKind::UnexpectedEof,
            TlsError::Alert(_)
            | TlsError::CertificateRequired
            | TlsError::CertificateRefused(_)
            | TlsError::NoCommonProtocol => ErrorKind::ConnectionAborted,
            _ => ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}
