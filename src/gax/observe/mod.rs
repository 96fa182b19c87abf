//! Telemetry: spans and events (feature `tracing`), metrics (feature `metrics`), and diagnostics.
//!
//! The rest of the crate reports what happens in one line; only this module knows which features are
//! on. Without them, the functions are empty, and futures pass through unchanged. Nothing here receives
//! a message, a header or a text from the service, so that telemetry cannot contain a payload or a
//! secret.

#![cfg_attr(not(all(feature = "tracing", feature = "metrics")), allow(unused_variables))]

mod attributes;
#[cfg(feature = "tracing")]
mod connection_events;
#[cfg(any(feature = "tracing", feature = "metrics"))]
mod connections;
pub(crate) mod diagnostics;
mod health;
mod json;
#[cfg(feature = "metrics")]
pub(crate) mod metrics;
mod observer;
#[cfg(feature = "tracing")]
mod operations;
#[cfg(any(feature = "tracing", feature = "metrics"))]
mod server;
#[cfg(feature = "tracing")]
mod spans;

pub(crate) use observer::{Observer, Propagator};

use crate::gax::{
    error::BoxError,
    name::OperationName,
    policy::{Attempt, Decision, Sent, Stop},
    rpc::Rpc,
};
use health::{Begun, Failure, Streak};
use http::{Extensions, Request, Uri, request::Parts};
use std::{net::SocketAddr, time::Duration};
use tokio::time::Instant;
use tonic::Code;

/// A call in progress. Dropping it before its end cancels the call.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    observer: &'a Observer,
    path: &'a str,
    begun: Begun,
    attempts: u32,
    is_over: bool,
    sent: Option<Sent>,
    stop: Option<Stop>,
    #[cfg(feature = "tracing")]
    span: spans::Call,
    #[cfg(feature = "metrics")]
    metrics: metrics::Call,
}

/// The duration of a call. It ends where the outcome is known: where a typed call has read the
/// response, or where a raw stub takes it. Dropping it before its end cancels the call.
#[derive(Debug)]
#[must_use]
pub(crate) struct CallDuration {
    #[cfg(feature = "metrics")]
    metric: metrics::CallDuration,
}

/// The call that an operation began with. The span of a wait links to it.
#[derive(Clone, Debug, Default)]
pub struct Began {
    #[cfg(feature = "tracing")]
    span: Option<tracing::Span>,
}

/// A wait for an operation.
#[derive(Debug)]
pub(crate) struct Wait {
    #[cfg(feature = "tracing")]
    span: operations::Wait,
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    #[cfg(feature = "tracing")]
    server: Uri,
    #[cfg(feature = "tracing")]
    peer: Option<SocketAddr>,
    #[cfg(any(feature = "tracing", feature = "metrics"))]
    refused: std::sync::OnceLock<Option<&'static str>>,
    #[cfg(feature = "metrics")]
    place: metrics::Connection,
}

// Without the features, telemetry costs a few words on the stack.
#[cfg(not(any(feature = "tracing", feature = "metrics")))]
const _: () = assert!(
    size_of::<(CallDuration, Began, Wait, Connection)>() == 0
        && !std::mem::needs_drop::<(CallDuration, Began, Wait, Connection)>()
);

/// Tells the recorder the units of the metrics and what they mean.
#[inline]
pub(crate) fn describe() {
    #[cfg(feature = "metrics")]
    metrics::describe();
}

impl Observer {
    /// Begins a typed call: its span gets the resource and the request id.
    #[inline]
    pub(crate) fn tell<B>(&self, wrapped: &mut Request<B>, request: &impl Rpc) -> Began {
        Began {
            #[cfg(feature = "tracing")]
            span: spans::tell(self, wrapped, request),
        }
    }

    /// Begins to measure a call to this URI.
    #[inline]
    pub(crate) fn time(&self, uri: &Uri) -> CallDuration {
        CallDuration {
            #[cfg(feature = "metrics")]
            metric: metrics::CallDuration::begin(self, uri),
        }
    }

    /// When a call began, in time and among the answers of the service.
    #[inline]
    pub(crate) fn begin(&self, at: Instant) -> Begun {
        self.health.begin(at)
    }

    /// Reports a call whose response has been read.
    #[inline]
    pub(crate) fn answered(&self) {
        if let Some(streak) = self.health.answered() {
            #[cfg(feature = "tracing")]
            spans::answers_again(self.server.as_ref(), streak);
        }
    }

    /// Reports a call whose response the client could not read.
    #[cold]
    pub(crate) fn unreadable(&self, path: &str, attempts: u32, begun: Begun) {
        let (sent, stop) = (Some(Sent::Answered), Some(Stop::Final));
        let (method, ended) = (attributes::method(path).to_owned(), Instant::now());
        let code = Code::Internal;
        self.failed(Failure { method, code, attempts, begun, ended, sent, stop });
    }

    fn failed(&self, failure: Failure) {
        let code = failure.code;
        self.warn(code, self.health.failed(failure));
    }

    fn dropped(&self, call: Failure) {
        let code = call.code;
        self.warn(code, self.health.dropped(call));
    }

    fn warn(&self, code: Code, due: Option<Streak>) {
        if let Some(streak) = due {
            #[cfg(feature = "tracing")]
            spans::keeps_failing(self.server.as_ref(), code, streak);
        }
    }
}

impl CallDuration {
    /// Reports the end of the call with this code.
    #[inline]
    pub(crate) fn ended(self, code: Code) {
        #[cfg(feature = "metrics")]
        self.metric.ended(code);
    }

    /// Reports the end of a call whose response the client could not read.
    #[inline]
    pub(crate) fn unreadable(self) {
        #[cfg(feature = "metrics")]
        self.metric.unreadable();
    }
}

impl Began {
    /// Reports that the client could not read the response of the call.
    #[inline]
    pub(crate) fn unreadable(&self) {
        #[cfg(feature = "tracing")]
        if let Some(span) = &self.span {
            spans::failed(span, attributes::UNREADABLE);
        }
    }
}

impl<'a> Call<'a> {
    #[inline]
    pub(crate) fn begin(observer: &'a Observer, head: &'a Parts, begun: Instant) -> Self {
        Self {
            observer,
            path: head.uri.path(),
            begun: observer.begin(begun),
            attempts: 0,
            is_over: false,
            sent: None,
            stop: None,
            #[cfg(feature = "tracing")]
            span: spans::Call::begin(observer, head),
            #[cfg(feature = "metrics")]
            metrics: metrics::Call::begin(observer, head),
        }
    }

    /// Begins the attempt with this number, and lets the propagator add its headers to the request.
    #[inline]
    pub(crate) fn attempt<B>(&mut self, attempts: u32, request: &mut Request<B>) {
        self.attempts = attempts;
        #[cfg(feature = "tracing")]
        self.span.attempt(self.observer, attempts, request);
        #[cfg(feature = "metrics")]
        self.metrics.attempt();
        if let Some(propagator) = &self.observer.propagator {
            let headers = request.headers_mut();
            #[cfg(feature = "tracing")]
            self.span.within(|| observer::propagate(propagator, headers));
            #[cfg(not(feature = "tracing"))]
            observer::propagate(propagator, headers);
        }
    }

    /// Runs the attempt.
    #[inline]
    pub(crate) fn over<F: Future>(&self, attempt: F) -> impl Future<Output = F::Output> + use<F> {
        #[cfg(feature = "tracing")]
        let attempt = self.span.over(attempt);
        attempt
    }

    /// Reports that the attempt succeeded, and the call with it.
    #[inline]
    pub(crate) fn succeeded(&mut self) {
        #[cfg(feature = "tracing")]
        self.span.succeeded();
        self.ended(Code::Ok);
    }

    /// Reports a failed attempt, and what follows it.
    #[inline]
    pub(crate) fn failed(&mut self, attempt: &Attempt, verdict: Decision) {
        self.sent = Some(attempt.sent);
        #[cfg(feature = "tracing")]
        self.span.failed(attempt, verdict);
        #[cfg(feature = "metrics")]
        self.metrics.failed(attempt.code, verdict);
        if let Decision::Stop(stop) = verdict {
            self.stop = Some(stop);
            self.ended(attempt.code);
        }
    }

    /// Reports the end of the call. If it is a success, the caller has yet to read the response, and
    /// tells the [`Observer`] how that went.
    #[inline]
    pub(crate) fn ended(&mut self, code: Code) {
        self.end(code);
        if code != Code::Ok {
            self.observer.failed(self.failure(code));
        }
    }

    #[inline]
    fn end(&mut self, code: Code) {
        self.is_over = true;
        #[cfg(feature = "tracing")]
        self.span.ended(code);
        #[cfg(feature = "metrics")]
        self.metrics.ended(code);
    }

    #[cold]
    fn failure(&self, code: Code) -> Failure {
        let Self { begun, attempts, sent, stop, .. } = *self;
        let (method, ended) = (attributes::method(self.path).to_owned(), Instant::now());
        Failure { method, code, attempts, begun, ended, sent, stop }
    }
}

impl Drop for Call<'_> {
    /// A call that is dropped before its end is cancelled, and so is its attempt.
    fn drop(&mut self) {
        if !self.is_over {
            self.end(Code::Cancelled);
            self.observer.dropped(self.failure(Code::Cancelled));
        }
    }
}

/// Reports the connection that a request is about to be sent on.
#[inline]
pub(crate) fn sent_to(request: &Extensions, peer: Option<SocketAddr>) {
    #[cfg(feature = "tracing")]
    if let Some(peer) = peer {
        spans::sent_to(request, peer);
    }
}

impl Connection {
    /// Reports a connection to this address, if the address is known.
    #[inline]
    pub(crate) fn opened_to(server: &Uri, peer: Option<SocketAddr>) -> Self {
        #[cfg(feature = "tracing")]
        connection_events::opened(server, peer);
        Self {
            #[cfg(feature = "tracing")]
            server: server.clone(),
            #[cfg(feature = "tracing")]
            peer,
            #[cfg(any(feature = "tracing", feature = "metrics"))]
            refused: std::sync::OnceLock::new(),
            #[cfg(feature = "metrics")]
            place: metrics::Connection::opened(server),
        }
    }

    /// Reports that the connection takes no more calls. Calls that are in progress may go on for a long
    /// time.
    #[inline]
    pub(crate) fn refused(&self, why: &h2::Error) {
        #[cfg(any(feature = "tracing", feature = "metrics"))]
        let why = self.refused.get_or_init(|| connections::refused(why));
        #[cfg(feature = "tracing")]
        if let Some(why) = why {
            connection_events::goaway(&self.server, self.peer, why);
        }
    }

    /// Reports the end of the connection.
    #[inline]
    pub(crate) fn closed(self, ended: Result<(), BoxError>) {
        #[cfg(any(feature = "tracing", feature = "metrics"))]
        let why = connections::disconnect_error(self.refused.get().copied(), &ended);
        #[cfg(feature = "tracing")]
        connection_events::closed(&self.server, self.peer, why);
        #[cfg(feature = "metrics")]
        self.place.closed(why);
    }
}

/// Reports that no connection could be opened. `why` is this crate's own message.
#[inline]
pub(crate) fn unopened(server: &Uri, why: &str) {
    #[cfg(feature = "tracing")]
    connection_events::unopened(server, why);
    #[cfg(feature = "metrics")]
    metrics::unopened(server);
}

impl Wait {
    /// Begins a wait for an operation, which may have begun with a call of this client.
    #[inline]
    pub(crate) fn begin(operation: &OperationName, began: &mut Began) -> Self {
        Self {
            #[cfg(feature = "tracing")]
            span: operations::Wait::begin(operation, began.span.take()),
        }
    }

    /// Runs the wait, or a part of it.
    #[inline]
    pub(crate) fn over<F: Future>(&self, wait: F) -> impl Future<Output = F::Output> + use<F> {
        #[cfg(feature = "tracing")]
        let wait = self.span.over(wait);
        wait
    }

    /// Reports the error that the wait ended with.
    #[inline]
    pub(crate) fn failed(&self, code: Code) {
        #[cfg(feature = "tracing")]
        self.span.failed(code);
    }
}

/// Reports that the service has started an operation.
#[inline]
pub(crate) fn started(operation: &OperationName) {
    #[cfg(feature = "tracing")]
    operations::started(operation);
}

/// Reports that the service has sent the state of an operation.
#[inline]
pub(crate) fn polled(operation: &OperationName, is_done: bool) {
    #[cfg(feature = "tracing")]
    operations::polled(operation, is_done);
}

/// Reports the pause before the next poll of an operation.
#[inline]
pub(crate) fn pausing(operation: &OperationName, polls: u32, pause: Duration) {
    #[cfg(feature = "tracing")]
    operations::pausing(operation, polls, pause);
}

/// Runs a future that is about to be spawned inside the span that is entered now.
#[inline]
pub(crate) fn inherit<F: Future>(future: F) -> impl Future<Output = F::Output> + use<F> {
    #[cfg(feature = "tracing")]
    let future = tracing::Instrument::in_current_span(future);
    future
}
