//! Sends a request until [`decide`] says stop, each attempt within its limit.
//!
//! The message is in one piece: every attempt sends the same bytes, so the `request_id` in it holds.

use super::{
    collect::{ResponseBody, collect},
    grpc_timeout,
    ready::call_when_ready,
    stream::pass,
};
use crate::gax::{
    body::RequestBody,
    context::{BoxFuture, CallContext, after, not_sent, require_runtime},
    error::{BoxError, CallStats},
    observe::{self, Observer},
    planted::planted,
    policy::{
        Attempt, CallPolicy, Decision, Sent, ServerDelay, decide, may_have_run, repeatable_for,
    },
    rpc::Idempotency,
    transport_error::TransportError,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, request};
use http_body::Body as HttpBody;
use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, sleep, timeout_at};
use tonic::Code;
use tonic_types::StatusExt;
use tower::Service;

/// Repeats failed unary calls, as far as that is safe, within the deadline of each call.
#[derive(Clone, Debug)]
pub(crate) struct Retry<S> {
    inner: S,
    policy: Arc<CallPolicy>,
    observer: Arc<Observer>,
}

impl<S> Retry<S> {
    pub(crate) fn new(inner: S, policy: CallPolicy, observer: Arc<Observer>) -> Self {
        Self { inner, policy: Arc::new(policy), observer }
    }
}

impl<S, B> Service<Request<RequestBody>> for Retry<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<B>>;
    type Error = TransportError;
    type Future = BoxFuture<Self::Response, TransportError>;

    /// Always ready: waiting for readiness is part of an attempt's time.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let mut inner = self.inner.clone();
        let (head, body) = request.into_parts();
        match body {
            RequestBody::Message(message, context) => {
                let (policy, observer) = (self.policy.clone(), self.observer.clone());
                Box::pin(run(inner, policy, observer, head, message, context))
            }
            body @ RequestBody::Stream(_) => {
                let limit = self.policy.timeouts.total();
                Box::pin(async move {
                    let response = pass(&mut inner, Request::from_parts(head, body), limit).await?;
                    Ok(response.map(ResponseBody::Streaming))
                })
            }
        }
    }
}

/// One call, with all its attempts.
fn run<S, B>(
    mut service: S,
    policy: Arc<CallPolicy>,
    observer: Arc<Observer>,
    head: request::Parts,
    message: Bytes,
    context: CallContext,
) -> impl Future<Output = Result<Response<ResponseBody<B>>, TransportError>>
where
    S: Service<Request<RequestBody>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    async move {
        require_runtime()?;
        let begun = Instant::now();
        let deadline = after(begun, context.timeouts.total());
        let mut jitter = context.retry.jitter();
        let (mut stats, mut was_unseen) = (CallStats::default(), false);
        let mut observed = observe::Call::begin(&observer, &head, begun);
        let mut now = Instant::now();
        if now >= deadline {
            observed.ended(Code::DeadlineExceeded);
            return Err(not_sent("before the request was sent"));
        }
        let outcome = loop {
            stats.attempts += 1;
            let repeatable = repeatable_for(context.idempotency, stats.may_have_run);
            let limits = Limits::new(&context, now, deadline.min(after(begun, repeatable)));
            let mut request = rebuild(&head, &message, context, &limits);
            if stats.attempts > 1 {
                let previous = HeaderValue::from(stats.attempts - 1);
                request.headers_mut().insert(PREVIOUS_ATTEMPTS, previous);
            }
            planted!("changes the request id", change_id(&mut request, stats.attempts));
            observed.attempt(stats.attempts, &mut request);
            let attempt = attempt(&mut service, request, limits, policy.max_response_size);
            let outcome = observed.over(attempt).await;
            if is_success(&outcome) {
                policy.budget.deposit();
                observed.succeeded();
                break outcome;
            }
            let failed = attempt_outcome(&outcome, &context, &mut stats, begun, deadline);
            let failed = Attempt { was_unseen, ..failed };
            let decision = decide(&context.retry, &failed, &policy.budget, jitter.f64());
            observed.failed(&failed, decision);
            match decision {
                Decision::RetryTransparently => was_unseen = true,
                Decision::RetryAfter(wait) => sleep(wait).await,
                Decision::Stop(_) => break outcome,
            }
            // A timer may be late. An attempt must not be.
            now = Instant::now();
            if now >= deadline {
                observed.ended(failed.code);
                break outcome;
            }
            stats.attempts -= u32::from(decision == Decision::RetryTransparently);
        };
        with_stats(outcome, stats, begun)
    }
}

/// The number of attempts before this one
/// ([gRFC A6](https://github.com/grpc/proposal/blob/master/A6-client-retries.md)).
const PREVIOUS_ATTEMPTS: HeaderName = HeaderName::from_static("grpc-previous-rpc-attempts");

/// How long one attempt may take.
struct Limits {
    begun: Instant,
    limit: Duration,
    deadline: Instant,
}

impl Limits {
    /// The attempt's own limit, or what is left of the call's time if that is less.
    fn new(context: &CallContext, begun: Instant, deadline: Instant) -> Self {
        let left = deadline.saturating_duration_since(begun);
        planted!("checks the deadline before the wait only", let left = context.timeouts.total());
        let limit = context.timeouts.attempt().map_or(left, |attempt| attempt.min(left));
        Self { begun, limit, deadline: after(begun, limit) }
    }
}

/// Changes the last character of the `request_id`, which ends the message.
#[cfg(planted)]
fn change_id(request: &mut Request<RequestBody>, attempts: u32) {
    let RequestBody::Message(message, context) = request.body() else { return };
    if context.idempotency == Idempotency::ByRequestId {
        let (mut bytes, context) = (message.to_vec(), *context);
        *bytes.last_mut().expect("a frame") = b'0' + u8::try_from(attempts % 10).expect("a digit");
        *request.body_mut() = RequestBody::Message(bytes.into(), context);
    }
}

/// The request of one attempt: the same head and the same bytes, with the attempt's limits.
fn rebuild(
    head: &request::Parts,
    message: &Bytes,
    context: CallContext,
    limits: &Limits,
) -> Request<RequestBody> {
    let context = CallContext { deadline: Some(limits.deadline), ..context };
    let mut request = Request::new(RequestBody::Message(message.clone(), context));
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = head.uri.clone();
    *request.version_mut() = head.version;
    *request.headers_mut() = head.headers.clone();
    *request.extensions_mut() = head.extensions.clone();
    request
}

fn attempt<S, B>(
    service: &mut S,
    mut request: Request<RequestBody>,
    Limits { begun, limit, deadline }: Limits,
    max_response_size: usize,
) -> impl Future<Output = Result<Response<ResponseBody<B>>, TransportError>>
where
    S: Service<Request<RequestBody>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let (header, told) = grpc_timeout::encode(limit);
    request.headers_mut().insert(grpc_timeout::GRPC_TIMEOUT, header);
    let told = after(begun, told);
    async move {
        let exchange = async {
            let response = call_when_ready(service, request).await;
            let response = response.map_err(TransportError::from_error)?;
            collect(response, max_response_size).await
        };
        let outcome = timeout_at(deadline, exchange).await;
        let response = outcome.unwrap_or_else(|_| Err(TransportError::timed_out(limit)))?;
        if is_late(response.body().code(), told) {
            let message = "the service gave up when the time was up";
            return Err(TransportError::new(Code::DeadlineExceeded, Sent::Maybe, message));
        }
        Ok(response)
    }
}

/// Whether the service only says that time ran out. It keeps the deadline that the header says, which
/// is rounded down, and so may be first to give up. A service built with tonic says CANCELLED.
fn is_late(code: Option<Code>, told: Instant) -> bool {
    matches!(code, Some(Code::Cancelled | Code::DeadlineExceeded)) && Instant::now() >= told
}

fn is_success<B>(outcome: &Result<Response<ResponseBody<B>>, TransportError>) -> bool {
    outcome.as_ref().is_ok_and(|response| response.body().code() == Some(Code::Ok))
}

/// The facts about a failed attempt that the decision on another needs.
fn attempt_outcome<B>(
    outcome: &Result<Response<ResponseBody<B>>, TransportError>,
    context: &CallContext,
    stats: &mut CallStats,
    begun: Instant,
    deadline: Instant,
) -> Attempt {
    let (code, sent, is_permanent, server_delay) = match outcome {
        Ok(response) => (code(response), Sent::Answered, false, server_delay(response)),
        Err(error) => (error.code(), error.sent, error.is_permanent, ServerDelay::Unset),
    };
    // A response that the client cannot take was sent by a service that may well have acted.
    let is_unread = outcome.is_err() && sent == Sent::Answered;
    stats.may_have_run |=
        context.idempotency != Idempotency::Safe && (may_have_run(code, sent) || is_unread);
    planted!("tells of the last attempt only", stats.may_have_run = may_have_run(code, sent));
    Attempt {
        idempotency: context.idempotency,
        code,
        sent,
        is_permanent,
        attempts: stats.attempts,
        server_delay,
        remaining: deadline.saturating_duration_since(Instant::now()),
        elapsed: begun.elapsed(),
        may_have_run: stats.may_have_run,
        was_unseen: false,
    }
}

fn code<B>(response: &Response<ResponseBody<B>>) -> Code {
    response.body().code().unwrap_or(Code::Unknown)
}

/// How long the service asks to wait, in its headers or its trailers.
fn server_delay<B>(response: &Response<ResponseBody<B>>) -> ServerDelay {
    [Some(response.headers()), response.body().trailers()]
        .into_iter()
        .flatten()
        .map(delay_in)
        .find(|delay| *delay != ServerDelay::Unset)
        .unwrap_or_default()
}

fn delay_in(headers: &HeaderMap) -> ServerDelay {
    if let Some(pushback) = headers.get("grpc-retry-pushback-ms") {
        let millis = pushback.to_str().ok().and_then(|text| text.parse().ok());
        return millis
            .map_or(ServerDelay::Never, |ms| ServerDelay::After(Duration::from_millis(ms)));
    }
    tonic::Status::from_header_map(headers)
        .and_then(|status| status.get_details_retry_info()?.retry_delay)
        .map_or(ServerDelay::Unset, ServerDelay::After)
}

/// Lets the caller know of the attempts. A success at the first attempt says nothing, at no cost.
fn with_stats<B>(
    mut outcome: Result<Response<ResponseBody<B>>, TransportError>,
    stats: CallStats,
    begun: Instant,
) -> Result<Response<ResponseBody<B>>, TransportError> {
    if stats.attempts == 1 && is_success(&outcome) {
        return outcome;
    }
    let stats = CallStats { elapsed: begun.elapsed(), ..stats };
    match &mut outcome {
        Ok(response) => drop(response.extensions_mut().insert(stats)),
        Err(error) => error.stats = stats,
    }
    outcome
}
