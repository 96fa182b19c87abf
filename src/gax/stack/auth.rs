//! A fresh token for each attempt, from google-cloud-auth.
//!
//! The credentials answer `NotModified` while the token that a tag names is still good; the headers
//! of the last answer are kept here between calls. Whatever the credentials do, a call gets an
//! error, never a panic: they are known to panic where their runtime is gone.

use super::ready::call_when_ready;
use crate::gax::{
    body::AttemptDeadline,
    context::{BoxFuture, before_sending},
    error::{BoxError, Error},
    net::tls,
    policy::Sent,
    transport_error::TransportError,
};
use google_cloud_auth::{
    credentials::{Builder, CacheableResource, Credentials, EntityTag},
    errors::CredentialsError,
};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Request};
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};
use tonic::Code;
use tower::{Layer, Service};

/// Adds the credentials' headers to each attempt. It belongs below the retries.
#[derive(Clone, Debug)]
pub struct Auth<S> {
    inner: S,
    tokens: Option<Arc<Tokens>>,
}

/// Puts [`Auth`] over a service.
#[derive(Clone, Debug)]
pub struct AuthLayer(Option<Arc<Tokens>>);

const USER_PROJECT: HeaderName = HeaderName::from_static("x-goog-user-project");

struct Tokens {
    credentials: Credentials,
    quota_project: Option<HeaderValue>,
    last: Mutex<Option<(EntityTag, HeaderMap)>>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("quota_project", &self.quota_project).finish_non_exhaustive()
    }
}

impl AuthLayer {
    /// Sends the headers of these credentials.
    ///
    /// The layer cannot see whether the connection below is encrypted; the client's builder can,
    /// and refuses tokens over plaintext.
    pub fn new(credentials: impl Into<Credentials>) -> Self {
        let (credentials, last) = (credentials.into(), Mutex::default());
        Self(Some(Arc::new(Tokens { credentials, quota_project: None, last })))
    }

    /// Sends no credentials: for an emulator.
    pub const fn anonymous() -> Self {
        Self(None)
    }

    /// Bills `project` for the calls' quota, whatever the credentials say.
    pub(crate) fn with_quota_project(self, project: Option<HeaderValue>) -> Self {
        let Some(tokens) = self.0 else { return self };
        let credentials = tokens.credentials.clone();
        let last = Mutex::default();
        Self(Some(Arc::new(Tokens { credentials, quota_project: project, last })))
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
        Ok(Ok(credentials)) => Ok(credentials),
        Ok(Err(e)) => Err(Error::new(Code::Unauthenticated, missing).with_source(e)),
        Err(_) => Err(Error::new(Code::Unauthenticated, missing)),
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = Auth<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Auth { inner, tokens: self.0.clone() }
    }
}

impl<S, B, Response> Service<Request<B>> for Auth<S>
where
    S: Service<Request<B>, Response = Response> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Send + 'static,
    Request<B>: AttemptDeadline,
{
    type Response = Response;
    type Error = BoxError;
    type Future = BoxFuture<Response, BoxError>;

    /// Always ready: tonic's stubs turn an error from here into `Unknown`.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let (mut inner, tokens) = (self.inner.clone(), self.tokens.clone());
        Box::pin(async move {
            if let Some(tokens) = tokens {
                let deadline = request.attempt_deadline();
                let signed = tokens.sign(request.headers_mut());
                before_sending(deadline, "a token", signed).await?;
            }
            call_when_ready(&mut inner, request).await
        })
    }
}

impl Tokens {
    async fn sign(&self, headers: &mut HeaderMap) -> Result<(), TransportError> {
        let mut known = Extensions::new();
        if let Some((tag, _)) = &*self.last.lock().unwrap_or_else(PoisonError::into_inner) {
            known.insert(tag.clone());
        }
        let fresh = without_panic(self.credentials.headers(known)).await;
        let fresh = fresh.ok_or_else(panicked)?.map_err(refused)?;

        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let CacheableResource::New { entity_tag, mut data } = fresh {
            data.values_mut().for_each(|value| value.set_sensitive(true));
            *last = Some((entity_tag, data));
        }
        let (_, token) = last.as_ref().ok_or_else(|| {
            let message = "the credentials say that a token is unchanged, but never gave one";
            TransportError::new(Code::Unauthenticated, Sent::No, message).permanent()
        })?;
        // The call's own project goes before the client's, and that before the credentials'.
        let project = headers.get(USER_PROJECT).or(self.quota_project.as_ref()).cloned();
        for (name, value) in token {
            headers.insert(name, value.clone());
        }
        if let Some(project) = project {
            headers.insert(USER_PROJECT, project);
        }
        Ok(())
    }
}

/// `None` if the future panics.
async fn without_panic<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        polled.map_or(Poll::Ready(None), |poll| poll.map(Some))
    })
    .await
}

fn panicked() -> TransportError {
    let message = "the credentials panicked. Either the Tokio runtime in which they were built has \
                   ended: build them, and the client, in one that lives as long as the client. Or \
                   they were built before the program had a rustls crypto provider: install one \
                   first (`CryptoProvider::install_default`). Or the system has no root \
                   certificates to reach the token service with: install some (`ca-certificates`)";
    TransportError::new(Code::Unauthenticated, Sent::No, message).permanent()
}

fn refused(error: CredentialsError) -> TransportError {
    let fault = if error.is_transient() {
        let message = "no token could be fetched for the moment; outside Google Cloud, \
                       `gcloud auth application-default login` gives credentials";
        TransportError::new(Code::Unavailable, Sent::No, message)
    } else {
        let message = "the credentials give no token, and will not by themselves: \
                       put right what the source names, and build the client anew";
        TransportError::new(Code::Unauthenticated, Sent::No, message).permanent()
    };
    fault.with_source(error)
}
