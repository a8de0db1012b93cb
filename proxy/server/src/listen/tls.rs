//! TLS at the edge: versions 1.2 and 1.3, no early data, the protocol chosen by ALPN.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

/// A certificate and its key, ready to accept connections.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

/// Why a certificate and key were refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The certificate file is not PEM.
    #[error("the certificate is not PEM")]
    Certificate(#[source] pem::Error),
    /// The certificate file holds no certificate.
    #[error("no certificate in the file")]
    NoCertificate,
    /// The key file holds no PEM private key.
    #[error("no private key in the file")]
    Key(#[source] pem::Error),
    /// The two do not belong together, or are of a kind that is not supported.
    #[error("certificate and key cannot be used")]
    Refused(#[source] rustls::Error),
}

impl Tls {
    /// Reads a certificate chain and its private key, both PEM.
    ///
    /// # Errors
    ///
    /// [`TlsError`] when either cannot be read or they do not fit.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(TlsError::Certificate)?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(TlsError::Key)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(TlsError::Refused)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // A request that can be replayed is not ours to answer. Both are the defaults, said aloud.
        config.max_early_data_size = 0;
        config.send_half_rtt_data = false;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// What shakes hands.
    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        &self.0
    }
}
