//! The spans and events of calls and their attempts.
//!
//! A call is one span, and each attempt a child of it, as in
//! [gRFC A72](https://github.com/grpc/proposal/blob/master/A72-open-telemetry-tracing.md). Spans have
//! level INFO. Events have level DEBUG, but for one: a service that keeps failing. Targets are not
//! module paths, so that a filter keeps working when a module moves. The `otel.` fields are for
//! `tracing-opentelemetry`, which removes them.

use super::{
    attributes::{code_name, method},
    health::Streak,
    observer::Observer,
    server::{Server, host, port},
};
use crate::gax::{
    policy::{Attempt, Decision},
    rpc::Rpc,
};
use http::{Extensions, Request, Uri, request::Parts};
use std::{net::SocketAddr, time::Duration};
use tokio::time::Instant;
use tonic::Code;
use tracing::{
    Instrument, Level, Span, debug, field::Empty, info_span, level_filters::LevelFilter, warn,
};

const CALLS: &str = concat!(env!("CARGO_CRATE_NAME"), "::calls");

/// The spans that a request belongs to. They travel in its extensions.
#[derive(Clone, Debug)]
pub(super) struct Within {
    call: Span,
    attempt: Span,
}

/// Begins the span of a typed call, with the facts that only the message has.
pub(super) fn tell<B>(
    observer: &Observer,
    wrapped: &mut Request<B>,
    request: &impl Rpc,
) -> Option<Span> {
    if LevelFilter::current() < Level::INFO {
        return None;
    }
    let server = server_of(observer, wrapped.uri());
    let id = request.request_id().filter(|id| !id.is_empty());
    let call = call_span(wrapped.uri().path(), server, Some(request.route().1), id);
    if call.is_disabled() {
        return None;
    }
    let within = Within { call: call.clone(), attempt: Span::none() };
    wrapped.extensions_mut().insert(within);
    Some(call)
}

/// The attributes that decide on sampling must be there from the start.
fn call_span(
    path: &str,
    server: Option<(&str, Option<u16>)>,
    resource: Option<&str>,
    request_id: Option<&str>,
) -> Span {
    info_span!(
        target: CALLS,
        "call",
        otel.name = method(path),
        otel.kind = "client",
        otel.status_code = Empty,
        rpc.system.name = "grpc",
        rpc.method = method(path),
        rpc.status_code = Empty,
        "error.type" = Empty,
        server.address = server.map(|(address, _)| address),
        server.port = server.and_then(|(_, port)| port),
        network.peer.address = Empty,
        network.peer.port = Empty,
        gcp.client.artifact = env!("CARGO_PKG_NAME"),
        gcp.client.version = env!("CARGO_PKG_VERSION"),
        gcp.resource.destination.id = resource,
        request_id,
        attempts = Empty,
    )
}

/// The server that the client is configured for, or that of the request. A layer for another stub has
/// no configuration.
fn server_of<'a>(observer: &'a Observer, uri: &'a Uri) -> Option<(&'a str, Option<u16>)> {
    match &observer.server {
        Some(server) => Some((&server.address, server.port)),
        None => Some((host(uri)?, port(uri))),
    }
}

/// Why an attempt follows another.
#[derive(Clone, Copy, Debug)]
struct Retry {
    /// The end of the attempt before it.
    since: Instant,
    reason: Code,
    /// Whether it is a transparent retry, which does not count as an attempt.
    is_transparent: bool,
}

#[derive(Debug)]
pub(super) struct Call {
    span: Span,
    attempt: Span,
    attempts: u32,
    /// The requests so far, transparent retries included.
    requests: u32,
    retry: Option<Retry>,
}

impl Call {
    pub(super) fn begin(observer: &Observer, head: &Parts) -> Self {
        let span = match head.extensions.get::<Within>() {
            Some(within) => within.call.clone(),
            None => call_span(head.uri.path(), server_of(observer, &head.uri), None, None),
        };
        Self { span, attempt: Span::none(), attempts: 0, requests: 0, retry: None }
    }

    /// Begins the span of an attempt.
    pub(super) fn attempt<B>(
        &mut self,
        observer: &Observer,
        attempts: u32,
        request: &mut Request<B>,
    ) {
        self.attempts = attempts;
        let (resent, retry) = (self.requests, self.retry.take());
        self.requests += 1;
        if self.span.is_disabled() {
            return;
        }
        let uri = request.uri();
        let server = server_of(observer, uri);
        self.attempt = info_span!(
            target: CALLS,
            parent: &self.span,
            "attempt",
            otel.name = format_args!("Attempt.{}", method(uri.path())),
            otel.kind = "client",
            otel.status_code = Empty,
            rpc.system.name = "grpc",
            rpc.method = method(uri.path()),
            rpc.status_code = Empty,
            "error.type" = Empty,
            server.address = server.map(|(address, _)| address),
            server.port = server.and_then(|(_, port)| port),
            network.peer.address = Empty,
            network.peer.port = Empty,
            "previous-rpc-attempts" = attempts - 1,
            "transparent-retry" = retry.is_some_and(|retry| retry.is_transparent),
            gcp.grpc.resend_count = (resent > 0).then_some(resent),
            retry.delay = retry.map(|retry| retry.since.elapsed().as_secs_f64()),
            retry.reason = retry.map(|retry| code_name(retry.reason)),
        );
        let within = Within { call: self.span.clone(), attempt: self.attempt.clone() };
        request.extensions_mut().insert(within);
    }

    /// Runs something inside the span of the attempt.
    pub(super) fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        self.attempt.in_scope(work)
    }

    pub(super) fn over<F: Future>(&self, attempt: F) -> impl Future<Output = F::Output> + use<F> {
        attempt.instrument(self.attempt.clone())
    }

    pub(super) fn succeeded(&mut self) {
        self.attempt_ended(Code::Ok);
        let Self { ref span, attempts, .. } = *self;
        span.in_scope(|| {
            debug!(target: CALLS, attempt = attempts, rpc.status_code = "OK", "answered");
        });
    }

    pub(super) fn failed(&mut self, attempt: &Attempt, verdict: Decision) {
        let Attempt { code, sent, attempts, .. } = *attempt;
        self.attempt_ended(code);
        let name = code_name(code);
        self.span.in_scope(|| match verdict {
            Decision::RetryAfter(delay) => {
                let delay = delay.as_secs_f64();
                debug!(
                    target: CALLS,
                    attempt = attempts, rpc.status_code = name, ?sent, retry.delay = delay,
                    "tried again"
                );
            }
            Decision::RetryTransparently => {
                debug!(
                    target: CALLS,
                    attempt = attempts, rpc.status_code = name, ?sent,
                    "sent again"
                );
            }
            Decision::Stop(stop) => {
                debug!(
                    target: CALLS,
                    attempt = attempts, rpc.status_code = name, ?sent, ?stop,
                    "given up"
                );
            }
        });
        let is_transparent = verdict == Decision::RetryTransparently;
        self.retry = Some(Retry { since: Instant::now(), reason: code, is_transparent });
    }

    pub(super) fn ended(&mut self, code: Code) {
        self.attempt_ended(code);
        self.span.record("attempts", self.attempts);
        record(&self.span, code);
    }

    /// Ends the span of the attempt, if one is in progress.
    fn attempt_ended(&mut self, code: Code) {
        record(&self.attempt, code);
        self.attempt = Span::none();
    }
}

/// Records the code with which a call or an attempt ended. Every code but OK is an error.
fn record(span: &Span, code: Code) {
    if span.is_disabled() {
        return;
    }
    span.record("rpc.status_code", code_name(code));
    if code != Code::Ok {
        failed(span, code_name(code));
    }
}

/// Marks the span of something that failed.
pub(super) fn failed(span: &Span, error_type: &str) {
    span.record("error.type", error_type);
    span.record("otel.status_code", "ERROR");
}

/// Records the address of the connection that a request goes to. The last one of a call counts.
pub(super) fn sent_to(request: &Extensions, peer: SocketAddr) {
    let Some(within) = request.get::<Within>() else { return };
    let address = peer.ip().to_string();
    for span in [&within.attempt, &within.call] {
        span.record("network.peer.address", &*address);
        span.record("network.peer.port", peer.port());
    }
}

/// Warns of a service that keeps failing. The caller limits the rate.
pub(super) fn keeps_failing(server: Option<&Server>, code: Code, streak: Streak) {
    let Streak { calls, since, .. } = streak;
    warn!(
        target: CALLS,
        {
            server.address = server.map(|server| &*server.address),
            server.port = server.and_then(|server| server.port),
            rpc.status_code = code_name(code),
            calls,
            seconds = rounded(since.elapsed())
        },
        "the service keeps failing"
    );
}

/// Reports the end of an outage.
pub(super) fn answers_again(server: Option<&Server>, streak: Streak) {
    let Streak { calls, since, .. } = streak;
    debug!(
        target: CALLS,
        {
            server.address = server.map(|server| &*server.address),
            server.port = server.and_then(|server| server.port),
            calls,
            seconds = rounded(since.elapsed())
        },
        "the service answers again"
    );
}

/// Whole tenths of a second.
fn rounded(time: Duration) -> f64 {
    (time.as_secs_f64() * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fmt::Debug,
        sync::{Arc, Mutex},
    };
    use tracing::{
        Event, Metadata, Subscriber,
        field::{Field, Visit},
        span::{Attributes, Id, Record},
        subscriber,
    };

    /// Records the values that spans get after their start.
    #[derive(Clone, Default)]
    struct Recorded(Arc<Mutex<Vec<RecordedValue>>>);

    /// A span, a field and its value.
    type RecordedValue = (u64, &'static str, String);

    struct Values<'a>(u64, &'a Recorded);

    impl Visit for Values<'_> {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            let mut values = self.1.0.lock().expect("no test panics under the lock");
            values.push((self.0, field.name(), format!("{value:?}")));
        }
    }

    impl Subscriber for Recorded {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, attributes: &Attributes<'_>) -> Id {
            Id::from_u64(if attributes.metadata().name() == "call" { 1 } else { 2 })
        }

        fn record(&self, span: &Id, values: &Record<'_>) {
            values.record(&mut Values(span.into_u64(), self));
        }

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, _: &Event<'_>) {}

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn the_peer_address_of_a_connection_is_recorded_for_the_attempt_and_the_call() {
        let recorded = Recorded::default();
        let _guard = subscriber::set_default(recorded.clone());
        let observer = Observer::new(&Uri::from_static("https://service.test"), None);
        let (head, ()) = Request::new(()).into_parts();
        let mut call = Call::begin(&observer, &head);
        let mut request = Request::from_parts(head, ());
        call.attempt(&observer, 1, &mut request);
        sent_to(request.extensions(), ([192, 0, 2, 7], 443).into());

        let values = recorded.0.lock().expect("no test panics under the lock");
        let expected = [2, 1].map(|span| {
            let of = |name, value: &str| (span, name, value.to_owned());
            [of("network.peer.address", "\"192.0.2.7\""), of("network.peer.port", "443")]
        });
        assert_eq!(values[..], expected.concat());
    }
}
