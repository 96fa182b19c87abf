//! Application Default Credentials, and everything else that google-cloud-auth builds, as token
//! sources (feature `adc`).
//!
//! Its credentials answer `NotModified` while the token that a tag names is still good; the token of
//! the last answer is kept here between calls. Whatever they do, a call gets an error, never a panic:
//! they are known to panic where their runtime is gone.
//!
//! Default credentials therefore have a runtime of their own ([`background`]), and are asked for
//! tokens only where there are any ([`metadata`]).

mod background;
mod metadata;

use self::{background::Background, metadata::Metadata};
use crate::gax::{
    credentials::{
        Credentials, DEFAULT_UNIVERSE_DOMAIN, Token, TokenError, TokenFuture, TokenSource,
        UniverseDomainFuture, without_panic,
    },
    error::Error,
};
use google_cloud_auth::{
    credentials::{self as google, Builder, CacheableResource, EntityTag},
    errors::CredentialsError,
};
use http::Extensions;
use std::{
    future::ready,
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

    /// Credentials that name none are of the default one.
    fn universe_domain(&self) -> UniverseDomainFuture<'_> {
        Box::pin(async {
            let domain = without_panic(self.credentials.universe_domain()).await.flatten();
            Some(domain.unwrap_or_else(|| DEFAULT_UNIVERSE_DOMAIN.to_owned()))
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

/// Credentials of google-cloud-auth that refresh themselves in the background.
struct DefaultCredentials {
    cached: Cached,
    background: Background,
    /// The metadata server, if the tokens come from there.
    metadata: Option<Metadata>,
}

impl TokenSource for DefaultCredentials {
    fn token(&self) -> TokenFuture<'_> {
        Box::pin(async {
            self.background.start()?;
            if let Some(metadata) = &self.metadata {
                metadata.require(self.background.handle()).await?;
            }
            self.cached.token().await
        })
    }

    fn universe_domain(&self) -> UniverseDomainFuture<'_> {
        match &self.metadata {
            // google-cloud-auth takes an error of the metadata server for the default domain.
            Some(metadata) => Box::pin(ready(metadata.universe_domain())),
            None => self.cached.universe_domain(),
        }
    }
}

/// [Application Default Credentials](https://cloud.google.com/docs/authentication/application-default-credentials)
/// with the given scopes. They belong to the universe that they name themselves.
pub(crate) fn application_default(
    scopes: &[String],
    quota_project: Option<&str>,
) -> Result<Credentials, Error> {
    let metadata = metadata::is_needed().then(Metadata::new);
    let mut builder = Builder::default().with_scopes(scopes);
    if let Some(project) = quota_project {
        builder = builder.with_quota_project_id(project);
    }
    let background = Background::new().map_err(|e| {
        let message = "the credentials need a thread of their own, which the system refuses";
        Error::new(Code::ResourceExhausted, message).with_source(e)
    })?;
    let built = {
        // The tasks that refresh the tokens begin with the first call.
        let _context = background.handle().enter();
        catch_unwind(AssertUnwindSafe(|| builder.build()))
    };
    let missing = "no usable Application Default Credentials: run `gcloud auth application-default login`, \
                   set GOOGLE_APPLICATION_CREDENTIALS, or give credentials to the client's builder";
    match built {
        Ok(Ok(credentials)) => {
            let cached = Cached { credentials, last: Mutex::default() };
            Ok(Credentials::from(DefaultCredentials { cached, background, metadata }))
        }
        Ok(Err(e)) => Err(Error::new(Code::Unauthenticated, missing).with_source(e)),
        Err(_) => Err(Error::new(Code::Unauthenticated, missing)),
    }
}
