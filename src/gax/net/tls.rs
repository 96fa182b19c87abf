//! Encryption: the trusted authorities and the client's certificate.

#[cfg(feature = "adc")]
use crate::gax::credentials::TokenError;
use crate::gax::error::{BoxError, Error};
use std::{fmt, sync::Arc};
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tonic::Code;

/// The TLS settings of a client. Unless set otherwise, it trusts Mozilla's root certificates, which are
/// built into this crate because slim containers have none of their own.
#[derive(Clone)]
pub struct Tls {
    roots: RootCertStore,
    identity: Option<Arc<Identity>>,
}

struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Tls {
    /// Trusts Mozilla's root certificates.
    pub fn new() -> Self {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        Self { roots, identity: None }
    }

    /// Trusts no authority yet, for a service with a private authority.
    pub fn without_roots() -> Self {
        Self { roots: RootCertStore::empty(), identity: None }
    }

    /// Trusts the operating system's root certificates as well.
    ///
    /// # Errors
    /// If the system has no root certificate that can be read.
    #[cfg(feature = "native-roots")]
    pub fn with_native_roots(mut self) -> Result<Self, Error> {
        let found = rustls_native_certs::load_native_certs();
        let (added, _) = self.roots.add_parsable_certificates(found.certs);
        if added > 0 {
            return Ok(self);
        }
        let error = Error::new(Code::FailedPrecondition, "the system has no root certificates");
        Err(match found.errors.into_iter().next() {
            Some(cause) => error.with_source(cause),
            None => error,
        })
    }

    /// Trusts the authorities in this PEM text as well.
    ///
    /// # Errors
    /// If the text holds no certificate, or one that cannot be read.
    pub fn with_ca_pem(mut self, pem: impl AsRef<[u8]>) -> Result<Self, Error> {
        for certificate in certificates(pem.as_ref())? {
            let unfit = |e| invalid("a certificate authority cannot be used", e);
            self.roots.add(certificate).map_err(unfit)?;
        }
        Ok(self)
    }

    /// Presents this certificate chain to a service that asks for one (mTLS). Both texts are PEM.
    ///
    /// # Errors
    /// If the chain holds no certificate or the key text no private key that can be read.
    pub fn with_identity_pem(
        mut self,
        chain: impl AsRef<[u8]>,
        key: impl AsRef<[u8]>,
    ) -> Result<Self, Error> {
        let chain = certificates(chain.as_ref())?;
        let key = PrivateKeyDer::from_pem_slice(key.as_ref())
            .map_err(|_| Error::new(Code::InvalidArgument, "the PEM text holds no private key"))?;
        self.identity = Some(Arc::new(Identity { chain, key }));
        Ok(self)
    }

    /// The rustls configuration, with HTTP/2 in ALPN.
    pub(crate) fn config(&self) -> Result<ClientConfig, Error> {
        let builder = ClientConfig::builder_with_provider(crypto_provider()?)
            .with_safe_default_protocol_versions()
            .map_err(|e| invalid("TLS cannot be set up", e))?
            .with_root_certificates(self.roots.clone());
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => builder
                .with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())
                .map_err(|e| invalid("the client's certificate and key do not fit", e))?,
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }
}

impl Default for Tls {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("roots", &self.roots.len())
            .field("identity", &self.identity.as_ref().map(|_| "[redacted]"))
            .finish()
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|e| invalid("a certificate in the PEM text cannot be read", e))?;
    if found.is_empty() {
        return Err(Error::new(Code::InvalidArgument, "the PEM text holds no certificate"));
    }
    Ok(found)
}

fn invalid(message: &'static str, source: impl Into<BoxError>) -> Error {
    Error::new(Code::InvalidArgument, message).with_source(source)
}

/// The provider that the program installed, or the one that this crate was built with.
fn crypto_provider() -> Result<Arc<CryptoProvider>, Error> {
    CryptoProvider::get_default().cloned().or_else(built_in_provider).ok_or_else(|| {
        let message = "no cryptography for TLS: enable the feature `ring` or `aws-lc`, \
                       or install a rustls crypto provider";
        Error::new(Code::FailedPrecondition, message)
    })
}

/// Gives the process a default provider, if it has none.
#[cfg(feature = "adc")]
pub(crate) fn ensure_default_crypto_provider() -> Result<(), TokenError> {
    if CryptoProvider::get_default().is_some() {
        return Ok(());
    }
    let provider = built_in_provider().ok_or_else(|| {
        let message = "no cryptography for the credentials: enable the feature `ring` or `aws-lc`, or \
                       install a rustls crypto provider (`CryptoProvider::install_default`)";
        TokenError::because(message)
    })?;
    // An error means that another thread was faster, which is as good.
    let _ = CryptoProvider::install_default(Arc::unwrap_or_clone(provider));
    Ok(())
}

fn built_in_provider() -> Option<Arc<CryptoProvider>> {
    #[cfg(feature = "ring")]
    let provider = Some(tokio_rustls::rustls::crypto::ring::default_provider());
    #[cfg(all(feature = "aws-lc", not(feature = "ring")))]
    let provider = Some(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    #[cfg(not(any(feature = "ring", feature = "aws-lc")))]
    let provider = None;
    provider.map(Arc::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_roots_trusts_the_given_authorities_only() {
        assert!(!Tls::new().roots.is_empty());
        assert!(Tls::without_roots().roots.is_empty());
        let pem = include_str!("../../../tests/data/tls/authority.pem");
        let tls = Tls::without_roots().with_ca_pem(pem).expect("a certificate");
        assert_eq!(tls.roots.len(), 1);
    }

    #[cfg(feature = "adc")]
    #[test]
    fn a_process_without_a_default_crypto_provider_gets_one() {
        ensure_default_crypto_provider().expect("a built-in provider");
        assert!(CryptoProvider::get_default().is_some());
    }
}
