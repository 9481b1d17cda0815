//! Certificates and keys from files and bytes.

use crate::tls_error::TlsError;
use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes, and where they come from. Never shown: some are private keys.
#[derive(Clone)]
pub(super) enum Source {
    File(PathBuf),
    Pem(Cow<'static, str>, Vec<u8>),
    Der(Cow<'static, str>, Vec<u8>),
}

/// A certificate with those that vouch for it, and its private key.
#[derive(Clone)]
pub(super) struct Identity {
    pub(super) chain: Vec<Source>,
    pub(super) key: Source,
}

pub(super) type Chain = Vec<CertificateDer<'static>>;

impl Source {
    fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Pem(name, _) | Self::Der(name, _) => name.clone().into_owned(),
        }
    }

    fn unusable(&self, reason: impl ToString) -> TlsError {
        TlsError::Unusable {
            source: self.name(),
            reason: reason.to_string(),
        }
    }

    fn pem(&self) -> Result<Cow<'_, [u8]>, TlsError> {
        match self {
            Self::File(path) => fs::read(path).map(Cow::Owned).map_err(at(path)),
            Self::Pem(_, bytes) | Self::Der(_, bytes) => Ok(Cow::Borrowed(bytes)),
        }
    }

    /// At least one certificate.
    pub(super) fn certificates(&self) -> Result<Chain, TlsError> {
        if let Self::Der(_, bytes) = self {
            return Ok(vec![CertificateDer::from(bytes.clone())]);
        }
        let pem = self.pem()?;
        let read: Result<Chain, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let chain = read.map_err(|error| self.unusable(error))?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate {
                source: self.name(),
            });
        }
        Ok(chain)
    }

    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        if let Self::Der(_, bytes) = self {
            let key = PrivateKeyDer::try_from(bytes.clone());
            return key.map_err(|error| self.unusable(error));
        }
        match PrivateKeyDer::from_pem_slice(&self.pem()?) {
            Ok(key) => Ok(key),
            Err(pem::Error::NoItemsFound) => Err(TlsError::NoKey {
                source: self.name(),
            }),
            Err(error) => Err(self.unusable(error)),
        }
    }

    /// Trusts every certificate there is.
    pub(super) fn trust(&self, roots: &mut RootCertStore) -> Result<(), TlsError> {
        for certificate in self.certificates()? {
            let added = roots.add(certificate);
            added.map_err(|error| self.unusable(error))?;
        }
        Ok(())
    }
}

impl Identity {
    pub(super) fn files(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            chain: vec![Source::File(chain.into())],
            key: Source::File(key.into()),
        }
    }

    pub(super) fn pem(chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        Self {
            chain: vec![Source::Pem("the certificate".into(), chain.into())],
            key: Source::Pem("the private key".into(), key.into()),
        }
    }

    pub(super) fn der(chain: Vec<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        let certificate = |der| Source::Der("the certificate".into(), der);
        Self {
            chain: chain.into_iter().map(certificate).collect(),
            key: Source::Der("the private key".into(), key.into()),
        }
    }

    pub(super) fn read(&self) -> Result<(Chain, PrivateKeyDer<'static>), TlsError> {
        let mut chain = Chain::new();
        for source in &self.chain {
            chain.extend(source.certificates()?);
        }
        Ok((chain, self.key.key()?))
    }
}

/// Trusts the certificates in the files of a folder, whatever else lies there.
pub(super) fn trust_folder(path: &Path, roots: &mut RootCertStore) -> Result<(), TlsError> {
    let before = roots.len();
    for entry in fs::read_dir(path).map_err(at(path))? {
        let file = entry.map_err(at(path))?.path();
        if file.is_file()
            && let Ok(certificates) = Source::File(file).certificates()
        {
            roots.add_parsable_certificates(certificates);
        }
    }
    if roots.len() == before {
        return Err(TlsError::NoCertificate {
            source: path.display().to_string(),
        });
    }
    Ok(())
}

fn at(path: &Path) -> impl Fn(io::Error) -> TlsError + '_ {
    move |error| TlsError::File {
        path: path.to_owned(),
        error: Arc::new(error),
    }
}
