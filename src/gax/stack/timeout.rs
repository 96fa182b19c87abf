//! The two limits on time: one for the call, one for each attempt.
//!
//! A timeout that ends at the response headers, or starts only once a connection is ready, lets a
//! stalled handshake or body hang for ever. These two bound everything below them: readiness,
//! connecting, sending, headers and, with [`Unary`](super::Unary) below, the body.

use super::{BoxFuture, CallContext, Defaults, Lookup, call_when_ready};
use crate::gax::transport_error::{Course, Fault};
use crate::gax::{
    error::BoxError,
    policy::{Delivery, Retry, Timeouts},
    rpc::Class,
};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    runtime::Handle,
    time::{Instant, timeout_at},
};
use tonic::{Code, body::Body};
use tower::{Layer, Service};

/// Bounds a whole call, retries and waits included. Goes above [`Retrying`](super::Retrying).
#[derive(Clone, Debug)]
pub struct Deadline<S> {
    inner: S,
    defaults: Arc<Defaults>,
}

/// Puts [`Deadline`] over a service.
#[derive(Clone, Copy, Debug)]
pub struct DeadlineLayer {
    defaults: Defaults,
}

impl DeadlineLayer {
    /// Gives `timeouts` to each call whose path `lookup` knows; others pass through. A call that
    /// comes with a `grpc-timeout`, as by [`tonic::Request::set_timeout`], gets that in all.
    pub fn new(timeouts: Timeouts, lookup: Lookup) -> Self {
        Self::with_defaults(Defaults { timeouts, lookup, retry: Retry::default() })
    }

    pub(crate) const fn with_defaults(defaults: Defaults) -> Self {
        Self { defaults }
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Deadline { inner, defaults: Arc::new(self.defaults) }
    }
}

impl<S, B> Service<Request<Body>> for Deadline<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = BoxFuture<Self::Response, BoxError>;

    /// Always ready: waiting for readiness is part of the call's time.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if Handle::try_current().is_err() {
            return Box::pin(async { Err(needs_runtime().into()) });
        }
        let inner = self.inner.clone();
        let Some(mut context) = CallContext::of(&request, &self.defaults) else {
            return Box::pin(call_when_ready(inner, request));
        };
        let deadline = context.deadline(Instant::now());
        request.extensions_mut().insert(context);
        let call = timeout_at(deadline, call_when_ready(inner, request));
        Box::pin(call.map(move |outcome| match outcome {
            Ok(result) => result,
            // The attempt below ends at the same instant, and knows better what became of it.
            // Where it comes too late all the same, the worst is assumed.
            Err(_) => {
                let elapsed = context.timeouts.total();
                let may_have_run = context.class != Class::Read;
                let mut fault = Fault::timed_out(elapsed);
                fault.course = Course { attempts: 1, elapsed, may_have_run };
                Err(fault.into())
            }
        }))
    }
}

/// Timers and connections would panic outside a runtime.
fn needs_runtime() -> Fault {
    let message = "calls need a Tokio runtime: make them inside one";
    Fault::new(Code::FailedPrecondition, Delivery::NeverFinal, message)
}

/// Bounds one attempt by its own limit and by what is left of the call, and tells the service in
/// `grpc-timeout`. Goes below [`Retrying`](super::Retrying).
#[derive(Clone, Debug)]
pub struct AttemptTimeout<S> {
    inner: S,
    defaults: Arc<Defaults>,
}

/// Puts [`AttemptTimeout`] over a service.
#[derive(Clone, Copy, Debug)]
pub struct AttemptTimeoutLayer {
    defaults: Defaults,
}

impl AttemptTimeoutLayer {
    /// Gives `timeouts` to each call whose path `lookup` knows; others pass through.
    pub fn new(timeouts: Timeouts, lookup: Lookup) -> Self {
        Self::with_defaults(Defaults { timeouts, lookup, retry: Retry::default() })
    }

    pub(crate) const fn with_defaults(defaults: Defaults) -> Self {
        Self { defaults }
    }
}

impl<S> Layer<S> for AttemptTimeoutLayer {
    type Service = AttemptTimeout<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AttemptTimeout { inner, defaults: Arc::new(self.defaults) }
    }
}

impl<S, B> Service<Request<Body>> for AttemptTimeout<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = BoxFuture<Self::Response, BoxError>;

    /// Always ready: waiting for readiness is part of the attempt's time.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if Handle::try_current().is_err() {
            return Box::pin(async { Err(needs_runtime().into()) });
        }
        let inner = self.inner.clone();
        let Some(mut context) = CallContext::of(&request, &self.defaults) else {
            return Box::pin(call_when_ready(inner, request));
        };
        let now = Instant::now();
        let left = context.deadline(now).saturating_duration_since(now);
        let limit = context.timeouts.attempt().map_or(left, |attempt| attempt.min(left));
        request.headers_mut().insert(GRPC_TIMEOUT, encode_timeout(limit));
        let deadline = super::after(now, limit);
        context.deadline = Some(deadline);
        *request.extensions_mut().get_or_insert(context) = context;
        let call = timeout_at(deadline, call_when_ready(inner, request));
        Box::pin(call.map(move |outcome| match outcome {
            Ok(result) => result,
            Err(_) => Err(Fault::timed_out(limit).into()),
        }))
    }
}

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// At most eight digits and a unit, rounded down so that the service never waits for longer than
/// we do ([gRPC over HTTP/2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md)).
///
/// Above a second in milliseconds: one call's value is then mostly that of the last, which HTTP/2
/// sends as a single byte.
fn encode_timeout(limit: Duration) -> HeaderValue {
    const MOST: u64 = 99_999_999;
    // Below so many seconds, so many units to a second.
    const UNITS: [(u64, u64, u8); 3] =
        [(1, 1_000_000, b'u'), (MOST / 1000 + 1, 1000, b'm'), (MOST + 1, 1, b'S')];
    let (seconds, nanos) = (limit.as_secs(), u64::from(limit.subsec_nanos()));
    let (value, unit) = UNITS
        .into_iter()
        .find(|(below, ..)| seconds < *below)
        .map(|(_, each, unit)| (seconds * each + nanos * each / 1_000_000_000, unit))
        .or_else(|| Some((seconds / 60, b'M')).filter(|(value, _)| *value <= MOST))
        .unwrap_or(((seconds / 3600).min(MOST), b'H'));
    let mut text = [unit; 9];
    let (mut at, mut rest) = (8, value);
    loop {
        at -= 1;
        text[at] = b'0' + u8::try_from(rest % 10).expect("a digit");
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    HeaderValue::from_bytes(&text[at..]).expect("digits and a letter")
}

/// What `grpc-timeout` says; `None` where it is absent or malformed.
pub(crate) fn told_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let value = digits.parse::<u64>().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(value * 3600),
        "M" => Duration::from_secs(value * 60),
        "S" => Duration::from_secs(value),
        "m" => Duration::from_millis(value),
        "u" => Duration::from_micros(value),
        "n" => Duration::from_nanos(value),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_rounded_down_to_eight_digits_at_most() {
        let encoded = |limit| encode_timeout(limit).to_str().expect("ascii").to_owned();
        assert_eq!(encoded(Duration::ZERO), "0u");
        assert_eq!(encoded(Duration::from_nanos(50_000_999)), "50000u");
        assert_eq!(encoded(Duration::from_nanos(999_999_999)), "999999u");
        assert_eq!(encoded(Duration::from_secs(1)), "1000m");
        assert_eq!(encoded(Duration::from_nanos(59_999_999_999)), "59999m");
        assert_eq!(encoded(Duration::from_secs(99_999)), "99999000m");
        assert_eq!(encoded(Duration::from_secs(100_000)), "100000S");
        assert_eq!(encoded(Duration::from_secs(99_999_999)), "99999999S");
        assert_eq!(encoded(Duration::from_secs(100_000_000)), "1666666M");
        assert_eq!(encoded(Duration::from_secs(10_000_000_000)), "2777777H");
        assert_eq!(encoded(Duration::MAX), "99999999H");
    }

    #[test]
    fn told_timeouts_are_read_back_and_malformed_ones_are_not() {
        let told = |text: &'static str| {
            told_timeout(&HeaderMap::from_iter([(
                http::HeaderName::from_static("grpc-timeout"),
                HeaderValue::from_static(text),
            )]))
        };
        for (text, seconds) in [("2H", 7200.0), ("3M", 180.0), ("4S", 4.0), ("5m", 0.005)] {
            assert_eq!(told(text), Some(Duration::from_secs_f64(seconds)), "{text}");
        }
        assert_eq!(told("6u"), Some(Duration::from_micros(6)));
        assert_eq!(told("00000007n"), Some(Duration::from_nanos(7)));
        for malformed in ["", "S", "1", "-1S", "+1S", "123456789S", "1s"] {
            assert_eq!(told(malformed), None, "{malformed}");
        }
    }
}
