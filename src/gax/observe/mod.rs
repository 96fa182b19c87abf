//! Telemetry: spans and events (feature `tracing`) and metrics (feature `metrics`).
//!
//! The rest of the crate reports what happens in one line; only this module knows which features are
//! on. Without them, the types have no size, the functions are empty, and futures pass through
//! unchanged. Nothing here receives a message, a header or a text from the service, so that telemetry
//! cannot contain a payload or a secret.

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

/// A call in progress. Dropping it before its end cancels the call.
#[derive(Debug)]
pub(crate) struct Call {
    #[cfg(feature = "tracing")]
    span: spans::Call,
    #[cfg(feature = "metrics")]
    metrics: metrics::Call,
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    #[cfg(feature = "tracing")]
    server: Uri,
    #[cfg(feature = "metrics")]
    _place: metrics::Connection,
}

// Without the features, telemetry costs nothing.
#[cfg(not(any(feature = "tracing", feature = "metrics")))]
const _: () = assert!(size_of::<(Call, Connection)>() == 0 && !std::mem::needs_drop::<Call>());

/// Attaches the resource and the request id to a request, for the span of its call.
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

    /// Runs an attempt within the call.
    #[inline]
    pub(crate) fn over<F: Future>(&self, attempt: F) -> impl Future<Output = F::Output> + use<F> {
        #[cfg(feature = "tracing")]
        let attempt = self.span.over(attempt);
        attempt
    }

    /// Reports that the attempt with this number succeeded, and the call with it.
    #[inline]
    pub(crate) fn succeeded(&mut self, attempt: u32) {
        #[cfg(feature = "tracing")]
        self.span.succeeded(attempt);
        #[cfg(feature = "metrics")]
        self.metrics.attempted(Code::Ok);
        self.ended(Code::Ok);
    }

    /// Reports a failed attempt, and what follows it.
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

    /// Reports the end of the call.
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

    /// Reports that the connection takes no more calls. Calls that are in progress may go on for a long
    /// time.
    #[inline]
    pub(crate) fn refused(&self, why: &h2::Error) {
        #[cfg(feature = "tracing")]
        spans::refused(&self.server, why);
    }

    /// Reports the end of the connection.
    #[inline]
    pub(crate) fn closed(self, why: Result<(), BoxError>) {
        #[cfg(feature = "tracing")]
        spans::closed(&self.server, &why);
    }
}

/// Reports that no connection could be opened. `why` is this crate's own message.
#[inline]
pub(crate) fn unopened(server: &Uri, why: &str) {
    #[cfg(feature = "tracing")]
    spans::unopened(server, why);
}

/// Reports that the service has started an operation.
#[inline]
pub(crate) fn started(operation: &OperationName) {
    #[cfg(feature = "tracing")]
    spans::started(operation);
}

/// Reports that the service has sent the state of an operation.
#[inline]
pub(crate) fn polled(operation: &OperationName, is_done: bool) {
    #[cfg(feature = "tracing")]
    spans::polled(operation, is_done);
}

/// Reports the pause before the next poll of an operation.
#[inline]
pub(crate) fn pausing(operation: &OperationName, polls: u32, pause: Duration) {
    #[cfg(feature = "tracing")]
    spans::pausing(operation, polls, pause);
}
