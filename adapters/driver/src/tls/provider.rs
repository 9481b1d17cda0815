//! Where the cryptography comes from.

use crate::tls_error::TlsError;
use rustls::crypto::CryptoProvider;
use std::sync::Arc;

/// What was chosen, or else what the program has installed for all of rustls, or else what a
/// feature has built in: with both, aws-lc-rs, because `ring` is on by default in the adapters.
pub(super) fn provider(
    chosen: Option<&Arc<CryptoProvider>>,
) -> Result<Arc<CryptoProvider>, TlsError> {
    let installed = || CryptoProvider::get_default().cloned();
    let built_in = || built_in().map(Arc::new);
    let found = chosen.cloned().or_else(installed).or_else(built_in);
    found.ok_or(TlsError::NoProvider)
}

#[cfg(feature = "aws-lc-rs")]
fn built_in() -> Option<CryptoProvider> {
    Some(rustls::crypto::aws_lc_rs::default_provider())
}

#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
fn built_in() -> Option<CryptoProvider> {
    Some(rustls::crypto::ring::default_provider())
}

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
fn built_in() -> Option<CryptoProvider> {
    None
}

#[cfg(all(test, not(any(feature = "ring", feature = "aws-lc-rs"))))]
mod tests {
    use crate::tls::{ServerTls, Tls};
    use crate::tls_error::TlsError;

    #[test]
    fn without_cryptography_there_is_an_error_and_no_panic() {
        let client = Tls::new().connector(&[b"mqtt"]).map(drop);
        let server = ServerTls::from_pem("", "").acceptor().map(drop);
        for result in [client, server] {
            assert!(matches!(result, Err(TlsError::NoProvider)), "{result:?}");
        }
        assert!(TlsError::NoProvider.to_string().contains("\"ring\""));
    }
}
