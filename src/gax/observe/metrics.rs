//! Metrics, through the `metrics` facade: the recorder that a program installs receives them.
//!
//! The names and labels are those of OpenTelemetry's conventions for RPC, and of gRPC where the
//! conventions have none: [A66](https://github.com/grpc/proposal/blob/master/A66-otel-stats.md) for
//! attempts, [A96](https://github.com/grpc/proposal/blob/master/A96-retry-otel-stats.md) for retries and
//! [A94](https://github.com/grpc/proposal/blob/master/A94-subchannel-otel-metrics.md) for connections.
//!
//! Labels are few and bounded: a method, a code, a server, a reason. Resource names are not labels.

use super::{
    attributes::{UNREADABLE, code_name, method},
    connections::SHUTDOWN,
    observer::Observer,
    server::Server,
};
use crate::gax::policy::Decision;
use http::{Uri, request::Parts};
use metrics::{
    Gauge, Label, SharedString, Unit, counter, describe_counter, describe_gauge,
    describe_histogram, gauge, histogram,
};
use std::{fmt, time::Duration};
use tokio::time::Instant;
use tonic::Code;

const CALL_DURATION: &str = "rpc.client.call.duration";
const ATTEMPTS: &str = "grpc.client.attempt.started";
const ATTEMPT_DURATION: &str = "grpc.client.attempt.duration";
const RETRIES: &str = "grpc.client.call.retries";
const TRANSPARENT_RETRIES: &str = "grpc.client.call.transparent_retries";
const RETRY_DELAY: &str = "grpc.client.call.retry_delay";
const IN_FLIGHT: &str = concat!(env!("CARGO_CRATE_NAME"), ".calls.in_flight");
const OPEN: &str = "grpc.subchannel.open_connections";
const OPENED: &str = "grpc.subchannel.connection_attempts_succeeded";
const UNOPENED: &str = "grpc.subchannel.connection_attempts_failed";
const CLOSED: &str = "grpc.subchannel.disconnections";

/// The histograms, each with the boundaries of its buckets that the conventions recommend.
///
/// The `metrics` facade cannot pass them to a recorder, so hand them to the one that you install:
///
/// ```ignore
/// let mut builder = PrometheusBuilder::new();
/// for (name, buckets) in HISTOGRAM_BUCKETS {
///     builder = builder.set_buckets_for_metric(Matcher::Full((*name).to_owned()), buckets)?;
/// }
/// ```
pub const HISTOGRAM_BUCKETS: &[(&str, &[f64])] = &[
    (
        CALL_DURATION,
        &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0],
    ),
    (ATTEMPT_DURATION, LATENCIES),
    (RETRIES, &[1.0, 2.0, 3.0, 4.0, 5.0]),
    (TRANSPARENT_RETRIES, &[1.0, 2.0, 3.0, 4.0, 5.0, 10.0]),
    (RETRY_DELAY, LATENCIES),
];

/// The boundaries of gRFC A66, in seconds.
const LATENCIES: &[f64] = &[
    0.0, 0.00001, 0.00005, 0.0001, 0.0003, 0.0006, 0.0008, 0.001, 0.002, 0.003, 0.004, 0.005,
    0.006, 0.008, 0.01, 0.013, 0.016, 0.02, 0.025, 0.03, 0.04, 0.05, 0.065, 0.08, 0.1, 0.13, 0.16,
    0.2, 0.25, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0,
];

/// Tells the recorder the units and what the metrics mean.
pub(super) fn describe() {
    let seconds = Unit::Seconds;
    describe_histogram!(
        CALL_DURATION,
        seconds,
        "Duration of an outgoing gRPC call, with its retries and pauses"
    );
    describe_counter!(ATTEMPTS, "Attempts started");
    describe_histogram!(ATTEMPT_DURATION, seconds, "Duration of an attempt");
    describe_histogram!(RETRIES, "Retries of a call that was retried, without transparent ones");
    describe_histogram!(
        TRANSPARENT_RETRIES,
        "Transparent retries of a call, whose request no server application saw"
    );
    describe_histogram!(
        RETRY_DELAY,
        seconds,
        "Time without an active attempt, of a call that was retried"
    );
    describe_gauge!(IN_FLIGHT, "Calls in progress");
    describe_gauge!(OPEN, "Open connections");
    describe_counter!(OPENED, "Connections opened");
    describe_counter!(UNOPENED, "Connections that could not be opened");
    describe_counter!(CLOSED, "Connections that ended, by the reason");
}

/// The duration of a call, until it is known how it ended.
pub(super) struct CallDuration {
    method: SharedString,
    server: Option<Server>,
    begun: Instant,
    outcome: Outcome,
}

/// The code of the server or the client, and what failed if that is not the code.
struct Outcome {
    code: Code,
    error_type: Option<&'static str>,
}

impl CallDuration {
    pub(super) fn begin(observer: &Observer, uri: &Uri) -> Self {
        let server = observer.server.clone().or_else(|| Server::of(uri));
        let outcome = Outcome { code: Code::Cancelled, error_type: None };
        Self {
            method: method(uri.path()).to_owned().into(),
            server,
            begun: Instant::now(),
            outcome,
        }
    }

    pub(super) fn ended(mut self, code: Code) {
        self.outcome.code = code;
    }

    pub(super) fn unreadable(mut self) {
        self.outcome = Outcome { code: Code::Ok, error_type: Some(UNREADABLE) };
    }

    /// The labels of OpenTelemetry's conventions.
    fn labels(&self) -> Vec<Label> {
        let Outcome { code, error_type } = self.outcome;
        let mut labels = Vec::with_capacity(6);
        labels.push(Label::new("rpc.system.name", "grpc"));
        labels.push(Label::new("rpc.method", self.method.clone()));
        labels.push(Label::new("rpc.status_code", code_name(code)));
        let error_type = error_type.or_else(|| (code != Code::Ok).then(|| code_name(code)));
        labels.extend(error_type.map(|error_type| Label::new("error.type", error_type)));
        if let Some(Server { address, port, .. }) = &self.server {
            labels.push(Label::new("server.address", address.clone()));
            labels.extend(port.map(|port| Label::new("server.port", port.to_string())));
        }
        labels
    }
}

impl Drop for CallDuration {
    fn drop(&mut self) {
        histogram!(CALL_DURATION, self.labels()).record(self.begun.elapsed());
    }
}

impl fmt::Debug for CallDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallDuration").field("method", &self.method).finish_non_exhaustive()
    }
}

/// A call in progress: its attempts and the time between them.
pub(super) struct Call {
    method: SharedString,
    server: Option<Server>,
    attempt_begun: Option<Instant>,
    /// The end of the last attempt, and whether a transparent retry follows it.
    idle: Option<(Instant, bool)>,
    retries: u32,
    transparent_retries: u32,
    delay: Duration,
    in_flight: Gauge,
}

impl Call {
    pub(super) fn begin(observer: &Observer, head: &Parts) -> Self {
        let in_flight = gauge!(IN_FLIGHT);
        in_flight.increment(1.0);
        Self {
            method: method(head.uri.path()).to_owned().into(),
            server: observer.server.clone().or_else(|| Server::of(&head.uri)),
            attempt_begun: None,
            idle: None,
            retries: 0,
            transparent_retries: 0,
            delay: Duration::ZERO,
            in_flight,
        }
    }

    pub(super) fn attempt(&mut self) {
        if let Some((since, is_transparent)) = self.idle.take() {
            self.delay += since.elapsed();
            let retries =
                if is_transparent { &mut self.transparent_retries } else { &mut self.retries };
            *retries += 1;
        }
        counter!(ATTEMPTS, self.of_grpc()).increment(1);
        self.attempt_begun = Some(Instant::now());
    }

    pub(super) fn failed(&mut self, code: Code, verdict: Decision) {
        self.attempt_ended(code);
        if !matches!(verdict, Decision::Stop(_)) {
            self.idle = Some((Instant::now(), verdict == Decision::RetryTransparently));
        }
    }

    pub(super) fn ended(&mut self, code: Code) {
        self.attempt_ended(code);
        if let Some((since, _)) = self.idle.take() {
            self.delay += since.elapsed();
        }
        // A call without any is not reported.
        if self.retries > 0 {
            histogram!(RETRIES, self.of_grpc()).record(self.retries);
        }
        if self.transparent_retries > 0 {
            histogram!(TRANSPARENT_RETRIES, self.of_grpc()).record(self.transparent_retries);
        }
        if self.delay > Duration::ZERO {
            histogram!(RETRY_DELAY, self.of_grpc()).record(self.delay);
        }
    }

    /// Records the attempt that is in progress, if there is one.
    fn attempt_ended(&mut self, code: Code) {
        let Some(begun) = self.attempt_begun.take() else { return };
        let mut labels = self.of_grpc();
        labels.push(Label::new("grpc.status", code_name(code)));
        histogram!(ATTEMPT_DURATION, labels).record(begun.elapsed());
    }

    /// The labels of gRPC's own metrics.
    fn of_grpc(&self) -> Vec<Label> {
        let mut labels = Vec::with_capacity(3);
        labels.push(Label::new("grpc.method", self.method.clone()));
        let target = self.server.as_ref().map(|server| server.target.clone());
        labels.extend(target.map(|target| Label::new("grpc.target", target)));
        labels
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.in_flight.decrement(1.0);
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("method", &self.method).finish_non_exhaustive()
    }
}

/// An open connection. Its drop reports the end.
pub(super) struct Connection {
    open: Gauge,
    target: Vec<Label>,
    why: &'static str,
}

impl Connection {
    pub(super) fn opened(server: &Uri) -> Self {
        let target = target(server);
        counter!(OPENED, target.clone()).increment(1);
        let is_encrypted = server.scheme_str() == Some("https");
        let level = if is_encrypted { "privacy_and_integrity" } else { "none" };
        let mut labels = target.clone();
        labels.push(Label::new("grpc.security_level", level));
        let open = gauge!(OPEN, labels);
        open.increment(1.0);
        // Without another reason, the client's runtime has ended.
        Self { open, target, why: SHUTDOWN }
    }

    /// Reports the end with its reason.
    pub(super) fn closed(mut self, why: &'static str) {
        self.why = why;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.open.decrement(1.0);
        let mut labels = std::mem::take(&mut self.target);
        labels.push(Label::new("grpc.disconnect_error", self.why));
        counter!(CLOSED, labels).increment(1);
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

pub(super) fn unopened(server: &Uri) {
    counter!(UNOPENED, target(server)).increment(1);
}

fn target(server: &Uri) -> Vec<Label> {
    let target = Server::of(server).map(|server| Label::new("grpc.target", server.target));
    target.into_iter().collect()
}
