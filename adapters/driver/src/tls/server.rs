//! What a server wants of TLS.

use super::pem::{Identity, Source};
use super::provider::provider;
use super::stream::TlsStream;
use crate::tls_error::TlsError;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// How a server uses TLS: who it is, and whether clients have to show a certificate.
#[derive(Clone)]
pub struct ServerTls {
    provider: Option<Arc<CryptoProvider>>,
    from: From,
    clients: Vec<Source>,
    alpn: Vec<Vec<u8>>,
}

#[derive(Clone)]
enum From {
    Identity(Identity),
    Config(Arc<ServerConfig>),
}

impl ServerTls {
    fn new(from: From) -> Self {
        Self {
            provider: None,
            from,
            clients: Vec::new(),
            alpn: Vec::new(),
        }
    }

    /// A PEM file with the server's certificate and those that vouch for it, and one with its
    /// private key.
    #[must_use]
    pub fn from_files(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self::new(From::Identity(Identity::files(chain, key)))
    }

    /// As [`ServerTls::from_files`], with the texts in PEM.
    #[must_use]
    pub fn from_pem(chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        Self::new(From::Identity(Identity::pem(chain, key)))
    }

    /// As [`ServerTls::from_files`], in DER: the certificate first, then those that vouch for it.
    #[must_use]
    pub fn from_der(chain: Vec<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        Self::new(From::Identity(Identity::der(chain, key)))
    }

    /// A configuration of rustls that is used as it is.
    #[must_use]
    pub fn custom(config: Arc<ServerConfig>) -> Self {
        Self::new(From::Config(config))
    }

    /// Lets in only clients with a certificate that one of those in a PEM file vouches for. May
    /// be called again.
    #[must_use]
    pub fn client_roots_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.clients.push(Source::File(path.into()));
        self
    }

    /// As [`ServerTls::client_roots_file`], with the text in PEM.
    #[must_use]
    pub fn client_roots_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        let name = "the list of those who vouch for clients".into();
        self.clients.push(Source::Pem(name, pem.into()));
        self
    }

    /// The protocols of which a client that offers any (ALPN) has to offer one. By default what
    /// a client offers does not matter.
    #[must_use]
    pub fn alpn<P: Into<Vec<u8>>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.alpn = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// The cryptography; by default as for [`Tls::provider`](super::Tls::provider).
    #[must_use]
    pub fn provider(mut self, provider: Arc<CryptoProvider>) -> Self {
        self.provider = Some(provider);
        self
    }

    /// Reads what there is to be read.
    ///
    /// # Errors
    /// [`TlsError`], for what is the application's doing.
    pub fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let identity = match &self.from {
            From::Config(config) => {
                let config = Arc::clone(config);
                return Ok(TlsAcceptor { config });
            }
            From::Identity(identity) => identity,
        };
        let provider = provider(self.provider.as_ref())?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = if self.clients.is_empty() {
            builder.with_no_client_auth()
        } else {
            let mut roots = RootCertStore::empty();
            for source in &self.clients {
                source.trust(&mut roots)?;
            }
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            let verifier = verifier.map_err(|error| TlsError::Settings(error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        };
        let (chain, key) = identity.read()?;
        let mut config = builder.with_single_cert(chain, key)?;
        config.alpn_protocols.clone_from(&self.alpn);
        let config = Arc::new(config);
        Ok(TlsAcceptor { config })
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the identity, which may hold a private key.
        f.debug_struct("ServerTls")
            .field("asks_clients", &!self.clients.is_empty())
            .finish_non_exhaustive()
    }
}

/// Puts TLS over a server's streams.
#[derive(Clone, Debug)]
pub struct TlsAcceptor {
    config: Arc<ServerConfig>,
}

impl TlsAcceptor {
    /// Puts TLS over a stream from a client. Nothing is sent before the client has begun.
    ///
    /// # Errors
    /// [`TlsError::Settings`].
    pub fn over<S>(&self, stream: S) -> Result<TlsStream<S>, TlsError> {
        let connection = ServerConnection::new(Arc::clone(&self.config))?;
        Ok(TlsStream::new(connection.into(), stream))
    }
}
