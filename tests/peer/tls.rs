//! Certificate authorities for tests; `tests/data/tls/README.md` says how they were made.

use std::sync::Arc;
use tokio_rustls::rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};

/// An authority and the certificates that it has issued.
pub struct Authority {
    pem: &'static str,
    /// Certificate and key, as PEM.
    server: (&'static str, &'static str),
    client: (&'static str, &'static str),
}

macro_rules! issued {
    ($name:literal) => {
        (
            include_str!(concat!("../data/tls/", $name, ".pem")),
            include_str!(concat!("../data/tls/", $name, ".key")),
        )
    };
}

impl Authority {
    pub fn new() -> Self {
        Self {
            pem: include_str!("../data/tls/authority.pem"),
            server: issued!("authority-server"),
            client: issued!("authority-client"),
        }
    }

    /// Another authority, unrelated to the first.
    pub fn stranger() -> Self {
        Self {
            pem: include_str!("../data/tls/stranger.pem"),
            server: issued!("stranger-server"),
            client: issued!("stranger-client"),
        }
    }

    /// Its own certificate.
    pub fn pem(&self) -> &'static str {
        self.pem
    }

    /// A client's chain and key, as PEM.
    pub fn client(&self) -> (&'static str, &'static str) {
        self.client
    }

    /// A server for `localhost`, `127.0.0.1` and `service.test` that offers these protocols.
    pub fn server(&self, alpn: &[&str]) -> ServerConfig {
        self.build(alpn, false)
    }

    /// A server that also requires a client certificate of this authority.
    pub fn server_of_clients(&self) -> ServerConfig {
        self.build(&["h2"], true)
    }

    fn build(&self, alpn: &[&str], asks_clients: bool) -> ServerConfig {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("the provider knows TLS 1.3");
        let builder = if asks_clients {
            let mut roots = RootCertStore::empty();
            roots.add(certificate(self.pem)).expect("an authority");
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("there is a root"))
        } else {
            builder.with_no_client_auth()
        };
        let (chain, key) = self.server;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
        let mut config = builder
            .with_single_cert(vec![certificate(chain)], key)
            .expect("the key fits the certificate");
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }
}

fn certificate(pem: &'static str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate")
}
