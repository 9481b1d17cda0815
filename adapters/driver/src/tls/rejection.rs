//! What rustls says, in terms of who has to do something about it.

use crate::tls_error::TlsError;
use rustls::{AlertDescription, CertificateError, Error};

impl From<Error> for TlsError {
    fn from(error: Error) -> Self {
        match error {
            Error::InvalidCertificate(error) => of_certificate(error),
            Error::AlertReceived(alert) => of_alert(alert),
            Error::NoCertificatesPresented => Self::CertificateRequired,
            Error::NoApplicationProtocol => Self::NoCommonProtocol,
            Error::PeerIncompatible(error) => {
                Self::Incompatible(Error::PeerIncompatible(error).to_string())
            }
            Error::InconsistentKeys(_) => Self::KeyMismatch,
            Error::General(_)
            | Error::FailedToGetCurrentTime
            | Error::FailedToGetRandomBytes
            | Error::Other(_) => Self::Settings(error.to_string()),
            other => Self::Violation(other.to_string()),
        }
    }
}

fn of_certificate(error: CertificateError) -> TlsError {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsError::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TlsError::NotValidYet
        }
        CertificateError::UnknownIssuer => TlsError::UnknownIssuer,
        CertificateError::Revoked => TlsError::Revoked,
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => TlsError::WrongName {
            expected: expected.to_str().into_owned(),
            presented,
        },
        other => TlsError::BadCertificate(other.to_string()),
    }
}

fn of_alert(alert: AlertDescription) -> TlsError {
    let text = format!("{alert:?}");
    match alert {
        AlertDescription::CertificateRequired => TlsError::CertificateRequired,
        AlertDescription::NoApplicationProtocol => TlsError::NoCommonProtocol,
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA => TlsError::CertificateRefused(text),
        _ => TlsError::Alert(text),
    }
}
