//! A fresh token for each attempt.

use super::ready::call_when_ready;
use crate::gax::{
    body::AttemptDeadline,
    context::{BoxFuture, before_sending},
    credentials::{Credentials, DEFAULT_UNIVERSE_DOMAIN, Token, TokenError},
    error::BoxError,
    planted::planted,
    policy::Sent,
    transport_error::TransportError,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};
use tonic::Code;
use tower::{Layer, Service};

/// Adds the credentials' headers to each attempt. It belongs below the retries.
#[derive(Clone, Debug)]
pub struct Auth<S> {
    inner: S,
    signer: Option<Arc<Signer>>,
}

/// Puts [`Auth`] over a service.
#[derive(Clone, Debug)]
pub struct AuthLayer(Option<Arc<Signer>>);

const USER_PROJECT: HeaderName = HeaderName::from_static("x-goog-user-project");

#[derive(Debug)]
struct Signer {
    credentials: Credentials,
    quota_project: Option<HeaderValue>,
    universe_domain: String,
    /// Whether the credentials are known to be of this universe, or cannot tell.
    is_same_universe: AtomicBool,
}

impl AuthLayer {
    /// Asks these credentials for a token for each attempt: a
    /// [`TokenSource`](crate::gax::credentials::TokenSource) such as a closure, or credentials of
    /// `google-cloud-auth` (feature `adc`).
    ///
    /// The layer cannot see whether the connection below is encrypted; the client's builder can,
    /// and refuses tokens over plaintext.
    pub fn new(credentials: impl Into<Credentials>) -> Self {
        Self(Some(Arc::new(Signer {
            credentials: credentials.into(),
            quota_project: None,
            universe_domain: DEFAULT_UNIVERSE_DOMAIN.to_owned(),
            is_same_universe: AtomicBool::new(false),
        })))
    }

    /// Sends no credentials: for an emulator.
    pub const fn anonymous() -> Self {
        Self(None)
    }

    /// Sets the universe domain of the service below: `googleapis.com` unless set. Tokens of another
    /// universe are not sent: the call fails as `FAILED_PRECONDITION`.
    pub fn universe_domain(self, domain: impl Into<String>) -> Self {
        self.edit(|signer| signer.universe_domain = domain.into())
    }

    /// Fetches a token, so that the next call finds one.
    pub(crate) async fn prepare(&self) -> Result<(), TransportError> {
        let Some(signer) = &self.0 else { return Ok(()) };
        signer.token().await.map(drop)
    }

    /// Bills `project` for the calls' quota, whatever the credentials say.
    pub(crate) fn with_quota_project(self, project: Option<HeaderValue>) -> Self {
        self.edit(|signer| signer.quota_project = project)
    }

    /// Services that this layer is over already keep their settings.
    fn edit(self, edit: impl FnOnce(&mut Signer)) -> Self {
        let Some(signer) = self.0 else { return self };
        let mut signer = Signer {
            credentials: signer.credentials.clone(),
            quota_project: signer.quota_project.clone(),
            universe_domain: signer.universe_domain.clone(),
            is_same_universe: AtomicBool::new(false),
        };
        edit(&mut signer);
        Self(Some(Arc::new(signer)))
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = Auth<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Auth { inner, signer: self.0.clone() }
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
        let (mut inner, signer) = (self.inner.clone(), self.signer.clone());
        Box::pin(async move {
            if let Some(signer) = signer {
                let deadline = request.attempt_deadline();
                let signed = signer.sign(request.headers_mut());
                before_sending(deadline, "a token", signed).await?;
            }
            call_when_ready(&mut inner, request).await
        })
    }
}

impl Signer {
    async fn sign(&self, headers: &mut HeaderMap) -> Result<(), TransportError> {
        let token = self.token().await?;
        // The call's own project goes before the client's, and that before the credentials'.
        let project = headers.get(USER_PROJECT).or(self.quota_project.as_ref()).cloned();
        for (name, value) in token.headers() {
            headers.insert(name, value.clone());
        }
        if let Some(project) = project {
            headers.insert(USER_PROJECT, project);
        }
        Ok(())
    }

    /// A token that may be sent to this universe.
    async fn token(&self) -> Result<Token, TransportError> {
        let token = self.credentials.token().await.map_err(refused)?;
        self.require_same_universe().await?;
        Ok(token)
    }

    /// Only an agreement is remembered: credentials may learn later what they belong to.
    async fn require_same_universe(&self) -> Result<(), TransportError> {
        planted!("sends tokens to another universe", return Ok(()));
        if self.is_same_universe.load(Ordering::Relaxed) {
            return Ok(());
        }
        let own = &self.universe_domain;
        match self.credentials.universe_domain().await.map_err(refused)? {
            Some(theirs) if !theirs.eq_ignore_ascii_case(own) => {
                let message = format!(
                    "the credentials belong to the universe domain {theirs}, and the client calls \
                     {own}: use credentials of {own}, or set `universe_domain`"
                );
                Err(TransportError::new(Code::FailedPrecondition, Sent::No, message).permanent())
            }
            _ => {
                self.is_same_universe.store(true, Ordering::Relaxed);
                Ok(())
            }
        }
    }
}

fn refused(error: TokenError) -> TransportError {
    let message = error.to_string();
    let refusal = if error.is_transient() {
        TransportError::new(Code::Unavailable, Sent::No, message)
    } else {
        TransportError::new(Code::Unauthenticated, Sent::No, message).permanent()
    };
    match error.into_source() {
        Some(source) => refusal.with_source(source),
        None => refusal,
    }
}
