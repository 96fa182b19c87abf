//! What a client tells of its work: spans and events (feature `tracing`), numbers (feature `metrics`).
//!
//! The rest of the crate says in one line what happens; here alone it is known whether anybody
//! listens. Without the features the types have no size, the functions are empty, and futures pass
//! through as they are. Nothing here is ever given a message, a header or the service's own words,
//! so that no listener can come by a payload or a secret.

#![cfg_attr(not(all(feature = "tracing", feature = "metrics")), allow(unused_variables))]

#[cfg(any(feature = "tracing", feature = "metrics"))]
mod attributes;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "tracing")]
mod spans;

use crate::gax::{
    error::BoxError,
    name::OperationName,
    policy::{Attempt, Decision},
    rpc::Rpc,
};
use http::{Request, Uri, request::Parts};
use std::time::Duration;
use tonic::Code;

/// A call under way; whoever drops it before it has ended gives it up.
#[derive(Debug)]
pub(crate) struct Call {
    #[cfg(feature = "tracing")]
    span: spans::Call,
    #[cfg(feature = "metrics")]
    metrics: metrics::Call,
}

/// A connection, from when it is open to when it is dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    #[cfg(feature = "tracing")]
    server: Uri,
    #[cfg(feature = "metrics")]
    _place: metrics::Connection,
}

// Off costs nothing.
#[cfg(not(any(feature = "tracing", feature = "metrics")))]
const _: () = assert!(size_of::<(Call, Connection)>() == 0 && !std::mem::needs_drop::<Call>());

/// Lets the span of this request's call know what the path does not tell: the resource, the id.
#[inline]
pub(crate) fn tell<B>(wrapped: &mut Request<B>, request: &impl Rpc) {
    #[cfg(feature = "tracing")]
    spans::tell(wrapped, request);
}

impl Call {
    #[inline]
    pub(crate) fn begin(head: &Parts) -> Self {
        Self {
            #[cfg(feature = "tracing")]
            span: spans::Call::begin(head),
            #[cfg(feature = "metrics")]
            metrics: metrics::Call::begin(head),
        }
    }

    /// An attempt that happens within the call.
    #[inline]
    pub(crate) fn over<F: Future>(&self, attempt: F) -> impl Future<Output = F::Output> + use<F> {
        #[cfg(feature = "tracing")]
        let attempt = self.span.over(attempt);
        attempt
    }

    /// The attempt of this number succeeded, and the call with it.
    #[inline]
    pub(crate) fn succeeded(&mut self, attempt: u32) {
        #[cfg(feature = "tracing")]
        self.span.succeeded(attempt);
        #[cfg(feature = "metrics")]
        self.metrics.attempted(Code::Ok);
        self.ended(Code::Ok);
    }

    /// An attempt failed, and this follows from it.
    #[inline]
    pub(crate) fn failed(&mut self, attempt: &Attempt, verdict: Decision) {
        #[cfg(feature = "tracing")]
        self.span.failed(attempt, verdict);
        #[cfg(feature = "metrics")]
        self.metrics.attempted(attempt.code);
        if let Decision::Stop(_) = verdict {
            self.ended(attempt.code);
        }
    }

    /// The call is over.
    #[inline]
    pub(crate) fn ended(&mut self, code: Code) {
        #[cfg(feature = "tracing")]
        self.span.ended(code);
        #[cfg(feature = "metrics")]
        self.metrics.ended(code);
    }
}

impl Connection {
    #[inline]
    pub(crate) fn opened(server: &Uri) -> Self {
        #[cfg(feature = "tracing")]
        spans::opened(server);
        Self {
            #[cfg(feature = "tracing")]
            server: server.clone(),
            #[cfg(feature = "metrics")]
            _place: metrics::Connection::opened(server),
        }
    }

    /// Runs the connection to its end; `refusal` is why it takes no more calls, once it does not.
    #[inline]
    pub(crate) async fn over(
        self,
        driving: impl Future<Output = Result<(), BoxError>>,
        refusal: impl Fn() -> Option<h2::Error>,
    ) {
        #[cfg(feature = "tracing")]
        let driving = spans::drive(&self.server, driving, refusal);
        let _ = driving.await;
    }
}

/// No connection came to be. `why` is this crate's own message.
#[inline]
pub(crate) fn unopened(server: &Uri, why: &str) {
    #[cfg(feature = "tracing")]
    spans::unopened(server, why);
}

/// The service has started an operation.
#[inline]
pub(crate) fn started(operation: &OperationName) {
    #[cfg(feature = "tracing")]
    spans::started(operation);
}

/// The service has told how an operation stands.
#[inline]
pub(crate) fn polled(operation: &OperationName, is_done: bool) {
    #[cfg(feature = "tracing")]
    spans::polled(operation, is_done);
}

/// A wait pauses before it asks for an operation again.
#[inline]
pub(crate) fn pausing(operation: &OperationName, polls: u32, pause: Duration) {
    #[cfg(feature = "tracing")]
    spans::pausing(operation, polls, pause);
}
