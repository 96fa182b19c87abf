//! Spans and events, with OpenTelemetry's names for
//! [RPC attributes](https://opentelemetry.io/docs/specs/semconv/rpc/grpc/). The `otel.` fields are
//! for `tracing-opentelemetry`, which removes them.
//!
//! Spans have level INFO, events level DEBUG. Their targets are not module paths, so that a filter
//! keeps working when a module moves.

use super::attributes::{host, parts_of, port};
use crate::gax::{
    error::BoxError,
    name::OperationName,
    policy::{Attempt, Decision},
    rpc::Rpc,
};
use http::{Request, Uri, request::Parts};
use std::{sync::Arc, time::Duration};
use tonic::Code;
use tracing::{
    Instrument, Level, Span, debug,
    field::{self, Empty},
    info_span,
    level_filters::LevelFilter,
};

const CALLS: &str = concat!(env!("CARGO_CRATE_NAME"), "::calls");
const CONNECTIONS: &str = concat!(env!("CARGO_CRATE_NAME"), "::connections");
const OPERATIONS: &str = concat!(env!("CARGO_CRATE_NAME"), "::operations");

/// Facts that only the request has. They travel in its extensions.
#[derive(Debug)]
struct About {
    resource: String,
    request_id: Option<String>,
}

pub(super) fn tell<B>(wrapped: &mut Request<B>, request: &impl Rpc) {
    if LevelFilter::current() < Level::INFO {
        return;
    }
    let request_id = request.request_id().filter(|id| !id.is_empty()).map(str::to_owned);
    let about = About { resource: request.route().1.to_owned(), request_id };
    wrapped.extensions_mut().insert(Arc::new(about));
}

#[derive(Debug)]
pub(super) struct Call {
    span: Span,
    attempts: u32,
    is_over: bool,
}

impl Call {
    pub(super) fn begin(head: &Parts) -> Self {
        let about = head.extensions.get::<Arc<About>>();
        let span = info_span!(
            target: CALLS,
            "call",
            otel.name = head.uri.path().trim_start_matches('/'),
            otel.kind = "client",
            otel.status_code = Empty,
            rpc.system = "grpc",
            rpc.service = parts_of(head.uri.path()).0,
            rpc.method = parts_of(head.uri.path()).1,
            rpc.grpc.status_code = Empty,
            server.address = host(&head.uri),
            server.port = port(&head.uri),
            resource = about.map(|about| about.resource.as_str()),
            request_id = about.and_then(|about| about.request_id.as_deref()),
            attempts = Empty,
        );
        Self { span, attempts: 0, is_over: false }
    }

    pub(super) fn over<F: Future>(&self, attempt: F) -> impl Future<Output = F::Output> + use<F> {
        attempt.instrument(self.span.clone())
    }

    pub(super) fn succeeded(&mut self, attempt: u32) {
        self.attempts = attempt;
        self.span.in_scope(|| debug!(target: CALLS, attempt, code = ?Code::Ok, "answered"));
    }

    pub(super) fn failed(&mut self, attempt: &Attempt, verdict: Decision) {
        let Attempt { code, sent, attempts, .. } = *attempt;
        self.attempts = attempts;
        self.span.in_scope(|| match verdict {
            Decision::RetryAfter(delay) => {
                debug!(target: CALLS, attempt = attempts, ?code, ?sent, ?delay, "tried again");
            }
            Decision::RetryTransparently => {
                debug!(target: CALLS, attempt = attempts, ?code, ?sent, "sent again");
            }
            Decision::Stop(stop) => {
                debug!(target: CALLS, attempt = attempts, ?code, ?sent, ?stop, "given up");
            }
        });
    }

    pub(super) fn ended(&mut self, code: Code) {
        self.is_over = true;
        self.span.record("attempts", self.attempts);
        self.span.record("rpc.grpc.status_code", code as i32);
        if code != Code::Ok {
            self.span.record("otel.status_code", "ERROR");
        }
    }
}

impl Drop for Call {
    /// A call that is dropped before its end is cancelled.
    fn drop(&mut self) {
        if !self.is_over {
            self.ended(Code::Cancelled);
        }
    }
}

/// An event of a connection to this server.
macro_rules! connection {
    ($server:expr, $what:literal $(, $field:ident = $value:expr)*) => {
        debug!(
            target: CONNECTIONS,
            { server.address = host($server), server.port = port($server) $(, $field = $value)* },
            $what
        )
    };
}

pub(super) fn opened(server: &Uri) {
    connection!(server, "opened");
}

pub(super) fn unopened(server: &Uri, why: &str) {
    connection!(server, "not opened", why = why);
}

/// Reports a GOAWAY when it arrives.
pub(super) fn refused(server: &Uri, why: &h2::Error) {
    if why.is_go_away() && why.is_remote() {
        connection!(server, "GOAWAY", why = why.reason().map(field::debug));
    }
}

pub(super) fn closed(server: &Uri, ended: &Result<(), BoxError>) {
    connection!(server, "closed", why = ended.as_ref().err().map(words));
}

/// The text of an error, without the debug data that the server sent in its GOAWAY.
fn words(error: &BoxError) -> String {
    let reason = error.downcast_ref().and_then(h2::Error::reason);
    reason.map_or_else(|| error.to_string(), |reason| format!("{reason:?}"))
}

pub(super) fn started(operation: &OperationName) {
    debug!(target: OPERATIONS, operation = operation.as_str(), "started");
}

pub(super) fn polled(operation: &OperationName, is_done: bool) {
    debug!(target: OPERATIONS, operation = operation.as_str(), is_done, "polled");
}

pub(super) fn pausing(operation: &OperationName, polls: u32, pause: Duration) {
    debug!(target: OPERATIONS, operation = operation.as_str(), polls, ?pause, "pausing");
}
