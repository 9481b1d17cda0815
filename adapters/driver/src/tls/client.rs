//! What a client wants of TLS.

use super::pem::{Identity, Source, trust_folder};
use super::provider::provider;
use super::stream::TlsStream;
use super::unverified::Unverified;
use crate::tls_error::TlsError;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use rustls_platform_verifier::Verifier;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// How a client uses TLS: whom it trusts, and who it is. It goes into
/// [`Options::tls`](crate::Options::tls).
///
/// By default it trusts whom this machine trusts, shows no certificate, and offers the protocol
/// `mqtt` (`http/1.1` over WebSocket). Files are read once, when the client is made; trouble with
/// them is told then.
///
/// ```
/// use mqtt_driver::{Options, Tls};
///
/// let tls = Tls::new()
///     .roots_file("/etc/mqtt/ca.pem")
///     .identity_files("/etc/mqtt/client.pem", "/etc/mqtt/client.key");
/// let options = Options::new("sensor-7").tls(tls);
/// # let _ = options;
/// ```
#[derive(Clone, Default)]
pub struct Tls {
    config: Option<Arc<ClientConfig>>,
    provider: Option<Arc<CryptoProvider>>,
    /// Who may vouch for a server; where nobody was named, whom this machine trusts.
    roots: Vec<Source>,
    folders: Vec<PathBuf>,
    verifies_nothing: bool,
    identity: Option<Identity>,
    alpn: Option<Vec<Vec<u8>>>,
    server_name: Option<String>,
}

impl Tls {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A configuration of rustls that is used as it is; only [`Tls::server_name`] still counts
    /// beside it.
    #[must_use]
    pub fn custom(config: Arc<ClientConfig>) -> Self {
        Self {
            config: Some(config),
            ..Self::default()
        }
    }

    /// Trusts the certificates in a PEM file. This and the other roots count together, instead of
    /// whom this machine trusts.
    #[must_use]
    pub fn roots_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.roots.push(Source::File(path.into()));
        self
    }

    /// Trusts the certificates in all PEM files of a folder.
    #[must_use]
    pub fn roots_folder(mut self, path: impl Into<PathBuf>) -> Self {
        self.folders.push(path.into());
        self
    }

    /// Trusts the certificates in a text in PEM.
    #[must_use]
    pub fn roots_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        let source = Source::Pem("the list of roots".into(), pem.into());
        self.roots.push(source);
        self
    }

    /// Trusts one certificate in DER.
    #[must_use]
    pub fn root_der(mut self, der: impl Into<Vec<u8>>) -> Self {
        self.roots.push(Source::Der("the root".into(), der.into()));
        self
    }

    /// Trusts everybody: whoever sits between client and server can read and change everything.
    /// For tests on one's own machine.
    #[must_use]
    pub fn dangerously_trust_everybody(mut self) -> Self {
        self.verifies_nothing = true;
        self
    }

    /// Shows the server a certificate: a PEM file with it and those that vouch for it, and one
    /// with its private key.
    #[must_use]
    pub fn identity_files(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.identity = Some(Identity::files(chain, key));
        self
    }

    /// As [`Tls::identity_files`], with the texts in PEM.
    #[must_use]
    pub fn identity_pem(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.identity = Some(Identity::pem(chain, key));
        self
    }

    /// As [`Tls::identity_files`], in DER: the certificate first, then those that vouch for it.
    #[must_use]
    pub fn identity_der(mut self, chain: Vec<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.identity = Some(Identity::der(chain, key));
        self
    }

    /// The protocols that are offered (ALPN), the best one first; none offers nothing.
    #[must_use]
    pub fn alpn<P: Into<Vec<u8>>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.alpn = Some(protocols.into_iter().map(Into::into).collect());
        self
    }

    /// The name that the server's certificate has to be for, where that is not the host of the
    /// address.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// The cryptography. By default it is what the program has installed for all of rustls, or
    /// what the features `aws-lc-rs` and `ring` have built in, in that order.
    #[must_use]
    pub fn provider(mut self, provider: Arc<CryptoProvider>) -> Self {
        self.provider = Some(provider);
        self
    }

    /// Reads what there is to be read. `alpn` is offered where nothing else was chosen.
    ///
    /// # Errors
    /// [`TlsError`], for what is the application's doing.
    pub fn connector(&self, alpn: &[&[u8]]) -> Result<TlsConnector, TlsError> {
        let config = match &self.config {
            Some(config) => Arc::clone(config),
            None => Arc::new(self.client_config(alpn)?),
        };
        Ok(TlsConnector {
            config,
            server_name: self.server_name.clone(),
        })
    }

    fn client_config(&self, alpn: &[&[u8]]) -> Result<ClientConfig, TlsError> {
        let provider = provider(self.provider.as_ref())?;
        let verifier = self.verifier(&provider)?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let (chain, key) = identity.read()?;
                builder.with_client_auth_cert(chain, key)?
            }
        };
        config.alpn_protocols = match &self.alpn {
            Some(chosen) => chosen.clone(),
            None => alpn.iter().map(|name| name.to_vec()).collect(),
        };
        Ok(config)
    }

    fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
        let provider = Arc::clone(provider);
        if self.verifies_nothing {
            return Ok(Arc::new(Unverified(provider)));
        }
        if self.roots.is_empty() && self.folders.is_empty() {
            let verifier = Verifier::new(provider);
            let verifier =
                verifier.map_err(|error| TlsError::NoPlatformRoots(error.to_string()))?;
            return Ok(Arc::new(verifier));
        }
        let mut roots = RootCertStore::empty();
        for source in &self.roots {
            source.trust(&mut roots)?;
        }
        for folder in &self.folders {
            trust_folder(folder, &mut roots)?;
        }
        let roots = Arc::new(roots);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
        let verifier = verifier.map_err(|error| TlsError::Settings(error.to_string()))?;
        Ok(verifier)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the identity, which may hold a private key.
        f.debug_struct("Tls")
            .field("verifies_nothing", &self.verifies_nothing)
            .field("identity", &self.identity.is_some())
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

/// Puts TLS over a client's streams, with one memory of earlier sessions for all of them.
#[derive(Clone, Debug)]
pub struct TlsConnector {
    config: Arc<ClientConfig>,
    server_name: Option<String>,
}

impl TlsConnector {
    /// Puts TLS over a stream to `host`. Nothing is sent before the stream is used.
    ///
    /// # Errors
    /// [`TlsError::ServerName`] and [`TlsError::Settings`].
    pub fn over<S>(&self, host: &str, stream: S) -> Result<TlsStream<S>, TlsError> {
        let name = self.server_name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name)
            .map_err(|_| TlsError::ServerName(name.to_owned()))?
            .to_owned();
        let connection = ClientConnection::new(Arc::clone(&self.config), name)?;
        Ok(TlsStream::new(connection.into(), stream))
    }
}
