//! The spans of waits for operations, and the events of operations.
//!
//! The call that starts an operation and the wait for it are two spans: hours may pass between them,
//! and the wait may be in another process. The span of the wait follows from that of the call, which
//! `tracing-opentelemetry` turns into a link. A link is only possible while the span of the call is
//! open, so the operation keeps it open until the wait begins.

use super::{attributes::code_name, spans};
use crate::gax::name::OperationName;
use std::time::Duration;
use tonic::Code;
use tracing::{Instrument, Span, debug, field::Empty, info_span};

const OPERATIONS: &str = concat!(env!("CARGO_CRATE_NAME"), "::operations");

#[derive(Debug)]
pub(super) struct Wait(Span);

impl Wait {
    pub(super) fn begin(operation: &OperationName, began: Option<Span>) -> Self {
        let span = info_span!(
            target: OPERATIONS,
            "wait",
            otel.name = "wait",
            otel.kind = "internal",
            otel.status_code = Empty,
            error.type = Empty,
            gcp.resource.destination.id = operation.as_str(),
        );
        if let Some(call) = began {
            span.follows_from(&call);
        }
        Self(span)
    }

    pub(super) fn over<F: Future>(&self, wait: F) -> impl Future<Output = F::Output> + use<F> {
        wait.instrument(self.0.clone())
    }

    pub(super) fn failed(&self, code: Code) {
        spans::failed(&self.0, code_name(code));
    }
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
