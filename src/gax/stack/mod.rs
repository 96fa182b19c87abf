//! The tower stack that every call goes through, and the connections below it.
//!
//! ```text
//! Headers      who is calling, and which origin: the same for every attempt
//!   Retry      the request as bytes, sent until `policy::verdict` says stop or the deadline is near
//!     AttemptTimeout   what this attempt really has, told to the service in `grpc-timeout`
//!       Unary          the whole answer, trailers included, so that the timeout above covers it
//!         Auth         a fresh token for each attempt
//!           your own layers
//!             Connections
//! ```
//!
//! The call's deadline needs no layer of its own here: `Retry` begins nothing after it, and nothing
//! that it begins outlasts `AttemptTimeout`. Under another stub put [`Deadline`] on top:
//! [`RetryLayer::new`] takes no timeouts, and would give every call 60 s.
//!
//! Each layer works on `http::Request<tonic::body::Body>` and can be used under any tonic stub. A
//! layer acts on unary calls that it knows, by the options that a [`Call`](crate::Call) sends along
//! or by their path; anything else passes through untouched.

#![expect(
    clippy::manual_async_fn,
    reason = "an async fn keeps its arguments twice, and allocators are slow above a kilobyte"
)]

pub(crate) mod auth;
pub(crate) mod collect;
pub(crate) mod headers;
pub(crate) mod retry;
pub(crate) mod timeout;

use crate::gax::net::bottom::Base;
use crate::gax::transport_error::Fault;
use auth::{Auth, AuthLayer};
use collect::{Unary, UnaryLayer};
use headers::{Headers, HeadersLayer};
use retry::{RetryLayer, Retrying};
use timeout::{AttemptTimeout, AttemptTimeoutLayer, told_timeout};

use crate::gax::{
    error::BoxError,
    policy::{Budget, Delivery, Retry, Timeouts},
    rpc::Class,
};
use futures_util::{FutureExt, future::Either};
use std::{pin::Pin, time::Duration};
use tokio::time::{Instant, timeout_at};
use tonic::{Code, body::Body};
use tower::{Service, ServiceBuilder, ServiceExt};

pub(crate) type BoxFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// The stack over the client's connections.
pub(crate) type Stack = Headers<Retrying<AttemptTimeout<Unary<Auth<Base>>>>>;

/// Puts the stack together; its order is argued above.
pub(crate) fn stack(
    defaults: Defaults,
    budget: Budget,
    headers: HeadersLayer,
    unary: UnaryLayer,
    auth: AuthLayer,
    base: Base,
) -> Stack {
    ServiceBuilder::new()
        .layer(headers)
        .layer(RetryLayer::with_defaults(defaults, budget))
        .layer(AttemptTimeoutLayer::with_defaults(defaults))
        .layer(unary)
        .layer(auth)
        .service(base)
}

/// What holds for a call that brings no options of its own, and which calls there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Defaults {
    pub(crate) timeouts: Timeouts,
    pub(crate) retry: Retry,
    pub(crate) lookup: Lookup,
}

/// Finds the class of a unary method by its path; `None` for what must pass through untouched.
pub type Lookup = fn(path: &str) -> Option<Class>;

impl Defaults {
    pub(crate) fn new(lookup: Lookup) -> Self {
        Self { timeouts: Timeouts::default(), retry: Retry::default(), lookup }
    }
}

/// One call's options and deadline: travels in the request's extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallContext {
    pub(crate) class: Class,
    pub(crate) timeouts: Timeouts,
    pub(crate) retry: Retry,
    pub(crate) deadline: Option<Instant>,
}

impl CallContext {
    /// What the caller sent along, or what the path is known for; a raw stub's call tells its
    /// time in `grpc-timeout`.
    fn of(request: &http::Request<Body>, defaults: &Defaults) -> Option<Self> {
        request.extensions().get().copied().or_else(|| {
            let class = Self::class_of(request, defaults.lookup)?;
            let Defaults { mut timeouts, retry, .. } = *defaults;
            if let Some(total) = told_timeout(request.headers()) {
                timeouts = timeouts.with_total(total);
            }
            Some(Self { class, timeouts, retry, deadline: None })
        })
    }

    /// The class of a call that the layers act on; `None` for what passes through untouched.
    fn class_of(request: &http::Request<Body>, lookup: Lookup) -> Option<Class> {
        let told = request.extensions().get::<Self>().map(|context| context.class);
        told.or_else(|| lookup(request.uri().path()))
    }

    /// The deadline of the call or, below [`AttemptTimeout`], of the attempt; `None` for what passes
    /// through untouched.
    pub(crate) fn deadline_of(request: &http::Request<Body>) -> Option<Instant> {
        request.extensions().get::<Self>()?.deadline
    }

    /// The deadline, set now unless a layer above has set it.
    fn deadline(&mut self, now: Instant) -> Instant {
        *self.deadline.get_or_insert_with(|| after(now, self.timeouts.total()))
    }
}

/// `now + wait`, or thirty years from now where that overflows.
fn after(now: Instant, wait: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(86_400 * 365 * 30);
    now.checked_add(wait.min(FAR)).unwrap_or(now)
}

/// Calls the service once it is ready. Tower's `oneshot` does the same, but moves the request from
/// one state to the next on its way, which costs more than the rest of it.
fn call_when_ready<S: Service<R>, R>(
    mut service: S,
    request: R,
) -> impl Future<Output = Result<S::Response, BoxError>>
where
    S::Error: Into<BoxError>,
{
    async move {
        service.ready().await.map_err(Into::into)?;
        service.call(request).await.map_err(Into::into)
    }
}

/// Waits for what a request cannot be sent without. Where the time runs out here, rather than in the
/// layers above, it is known that nothing was sent.
pub(crate) fn before_sending<T>(
    deadline: Option<Instant>,
    what: &str,
    wait: impl Future<Output = Result<T, Fault>>,
) -> impl Future<Output = Result<T, Fault>> {
    let Some(deadline) = deadline else { return Either::Left(wait) };
    Either::Right(timeout_at(deadline, wait).map(move |outcome| {
        outcome.unwrap_or_else(|_| {
            let message = format!("time ran out before there was {what}");
            Err(Fault::new(Code::DeadlineExceeded, Delivery::Never, message))
        })
    }))
}
