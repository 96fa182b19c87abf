//! Application Default Credentials, and everything else that google-cloud-auth builds, as token
//! sources (feature `adc`).
//!
//! Its credentials answer `NotModified` while the token that a tag names is still good; the token of
//! the last answer is kept here between calls. Whatever they do, a call gets an error, never a panic:
//! they are known to panic where their runtime is gone.

use crate::gax::{
    credentials::{Credentials, Token, TokenError, TokenFuture, TokenSource, without_panic},
    error::Error,
    net::tls,
};
use google_cloud_auth::{
    credentials::{self as google, Builder, CacheableResource, EntityTag},
    errors::CredentialsError,
};
use http::Extensions;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, PoisonError},
};
use tonic::Code;

/// Credentials of google-cloud-auth, and the last token that they gave.
struct Cached {
    credentials: google::Credentials,
    last: Mutex<Option<(EntityTag, Token)>>,
}

/// For a type of your own that implements `CredentialsProvider`, go by way of
/// `google_cloud_auth::credentials::Credentials::from`.
impl From<google::Credentials> for Credentials {
    fn from(credentials: google::Credentials) -> Self {
        Self::from(Cached { credentials, last: Mutex::default() })
    }
}

impl TokenSource for Cached {
    fn token(&self) -> TokenFuture<'_> {
        Box::pin(async {
            let mut known = Extensions::new();
            if let Some((tag, _)) = &*self.last.lock().unwrap_or_else(PoisonError::into_inner) {
                known.insert(tag.clone());
            }
            let fresh = without_panic(self.credentials.headers(known)).await;
            let fresh = fresh.ok_or_else(panicked)?.map_err(refused)?;

            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            if let CacheableResource::New { entity_tag, data } = fresh {
                *last = Some((entity_tag, Token::from(data)));
            }
            let (_, token) = last.as_ref().ok_or_else(|| {
                let message = "the credentials say that a token is unchanged, but never gave one";
                TokenError::because(message)
            })?;
            Ok(token.clone())
        })
    }
}

fn panicked() -> TokenError {
    let message = "the credentials panicked. Either the Tokio runtime in which they were built has \
                   ended: build them, and the client, in one that lives as long as the client. Or \
                   they were built before the program had a rustls crypto provider: install one \
                   first (`CryptoProvider::install_default`). Or the system has no root \
                   certificates to reach the token service with: install some (`ca-certificates`)";
    TokenError::because(message)
}

fn refused(error: CredentialsError) -> TokenError {
    if error.is_transient() {
        let message = "no token could be fetched for the moment; outside Google Cloud, \
                       `gcloud auth application-default login` gives credentials";
        TokenError::transient(error).with_message(message)
    } else {
        let message = "the credentials give no token, and will not by themselves: \
                       put right what the source names, and build the client anew";
        TokenError::permanent(error).with_message(message)
    }
}

/// [Application Default Credentials](https://cloud.google.com/docs/authentication/application-default-credentials)
/// with the given scopes.
pub(crate) fn application_default(
    scopes: &[String],
    quota_project: Option<&str>,
    universe_domain: Option<&str>,
) -> Result<Credentials, Error> {
    if tokio::runtime::Handle::try_current().is_err() {
        let message = "Application Default Credentials refresh themselves on a Tokio runtime: \
                       build the client inside one";
        return Err(Error::new(Code::FailedPrecondition, message));
    }
    // google-cloud-auth signs with the process's default provider, and panics where there is none.
    tls::install_crypto_provider();
    let mut builder = Builder::default().with_scopes(scopes);
    if let Some(project) = quota_project {
        builder = builder.with_quota_project_id(project);
    }
    if let Some(domain) = universe_domain {
        builder = builder.with_universe_domain(domain);
    }
    let built = catch_unwind(AssertUnwindSafe(|| builder.build()));
    let missing = "no usable Application Default Credentials: run `gcloud auth application-default login`, \
                   set GOOGLE_APPLICATION_CREDENTIALS, or give credentials to the client's builder";
    match built {
        Ok(Ok(credentials)) => Ok(credentials.into()),
        Ok(Err(e)) => Err(Error::new(Code::Unauthenticated, missing).with_source(e)),
        Err(_) => Err(Error::new(Code::Unauthenticated, missing)),
    }
}
