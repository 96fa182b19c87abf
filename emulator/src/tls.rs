//! TLS on the port, for clients that refuse to speak without it.

use super::{emulator::Emulator, net};
use std::{fmt, io, sync::Arc};
use tokio::net::TcpListener;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

/// The certificate and the key of a server.
#[derive(Clone)]
pub struct Identity(Arc<ServerConfig>);

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

impl Identity {
    /// Reads a certificate, with those of its issuers after it, and its key, in PEM format.
    ///
    /// # Errors
    /// If one of them cannot be read, or if they do not fit together.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> io::Result<Self> {
        let invalid = |what: &str, error: &dyn fmt::Display| {
            let text = format!("the {what} cannot be used: {error}");
            io::Error::new(io::ErrorKind::InvalidInput, text)
        };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<_, _>>()
            .map_err(|error| invalid("certificate", &error))?;
        if chain.is_empty() {
            return Err(invalid("certificate", &"the file has none"));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| invalid("key", &error))?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| invalid("cryptography", &error))?;
        let mut config = config
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| invalid("certificate or the key", &error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

impl Emulator {
    /// [`Emulator::serve_until`] with TLS: HTTP/2 or HTTP/1.1, as the client selects by ALPN.
    ///
    /// There is still no authentication of clients.
    ///
    /// # Errors
    /// If the listener fails.
    pub async fn serve_tls_until(
        &self,
        listener: TcpListener,
        identity: &Identity,
        stop: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let acceptor = TlsAcceptor::from(identity.0.clone());
        let accept = move |stream| {
            let acceptor = acceptor.clone();
            async move { acceptor.accept(stream).await }
        };
        net::serve(self, listener, accept, stop).await
    }
}
