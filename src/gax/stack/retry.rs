//! Sends a request until [`verdict`] says stop.
//!
//! The request's body is collected once; every attempt sends the same bytes, so that the
//! `request_id` in it holds.

use super::{BoxFuture, CallContext, Defaults, Lookup, collect::Answer};
use crate::gax::transport_error::{Course, Fault};
use crate::gax::{
    error::BoxError,
    observe,
    policy::{
        Attempt, Budget, Delivery, Retry, ServerDelay, Timeouts, Verdict, may_have_run, verdict,
    },
    rpc::Class,
};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, request};
use http_body_util::{BodyExt, Full};
use std::{
    mem,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, sleep};
use tonic::{Code, body::Body};
use tonic_types::StatusExt;
use tower::{Layer, Service, ServiceExt};

/// Repeats failed unary calls, as far as it is safe and worthwhile.
#[derive(Clone, Debug)]
pub struct Retrying<S> {
    inner: S,
    defaults: Defaults,
    budget: Budget,
}

/// Puts [`Retrying`] over a service that settles its answers ([`Unary`](super::Unary)).
#[derive(Clone, Debug)]
pub struct RetryLayer {
    defaults: Defaults,
    budget: Budget,
}

impl RetryLayer {
    /// Retries each call whose path `lookup` knows, by its class; others pass through.
    pub fn new(retry: Retry, budget: Budget, lookup: Lookup) -> Self {
        let timeouts = Timeouts::default();
        Self::with_defaults(Defaults { timeouts, retry, lookup }, budget)
    }

    pub(crate) const fn with_defaults(defaults: Defaults, budget: Budget) -> Self {
        Self { defaults, budget }
    }
}

impl<S> Layer<S> for RetryLayer {
    type Service = Retrying<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Retrying { inner, defaults: self.defaults, budget: self.budget.clone() }
    }
}

impl<S, B> Service<Request<Body>> for Retrying<S>
where
    S: Service<Request<Body>, Response = Response<Answer<B>>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response<Answer<B>>;
    type Error = BoxError;
    type Future = BoxFuture<Self::Response, BoxError>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let next = self.inner.clone();
        let mut ready = mem::replace(&mut self.inner, next);
        let Some(context) = CallContext::of(&request, &self.defaults) else {
            let call = ready.call(request);
            return Box::pin(async { call.await.map_err(Into::into) });
        };
        let budget = self.budget.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            repeat(ready, head, body, context, &budget).await
        })
    }
}

impl<S: Clone> Retrying<S> {
    /// Sends a request whose body is already in one piece.
    pub(crate) fn send<B>(
        &self,
        request: Request<Bytes>,
        context: CallContext,
    ) -> impl Future<Output = Result<Response<Answer<B>>, BoxError>>
    where
        S: Service<Request<Body>, Response = Response<Answer<B>>>,
        S::Error: Into<BoxError>,
    {
        let (head, body) = request.into_parts();
        repeat(self.inner.clone(), head, body, context, &self.budget)
    }
}

fn repeat<S, B>(
    mut service: S,
    head: request::Parts,
    body: Bytes,
    mut context: CallContext,
    budget: &Budget,
) -> impl Future<Output = Result<Response<Answer<B>>, BoxError>>
where
    S: Service<Request<Body>, Response = Response<Answer<B>>>,
    S::Error: Into<BoxError>,
{
    async move {
        let begun = Instant::now();
        let deadline = context.deadline(begun);
        let mut jitter = context.retry.jitter();
        let mut course = Course::default();
        let mut observed = observe::Call::begin(&head);
        let outcome = loop {
            // Ready right before each attempt, after any wait: readiness may not keep that long.
            if let Err(error) = service.ready().await {
                let fault = Fault::from_error(error.into());
                observed.ended(fault.code);
                break Err(fault);
            }
            course.attempts += 1;
            let attempt = observed.over(service.call(rebuild(&head, &body, context))).await;
            let outcome = attempt.map_err(|error| Fault::from_error(error.into()));
            if is_success(&outcome) {
                budget.deposit();
                observed.succeeded(course.attempts);
                break outcome;
            }
            let attempt = weigh(&outcome, &context, &mut course, begun.elapsed(), deadline);
            let verdict = verdict(&context.retry, &attempt, budget, jitter.f64());
            observed.failed(&attempt, verdict);
            let Verdict::RetryAfter(wait) = verdict else { break outcome };
            sleep(wait).await;
            // A timer may come late; an attempt may not.
            if Instant::now() >= deadline {
                observed.ended(attempt.code);
                break outcome;
            }
        };
        course.elapsed = begun.elapsed();
        conclude(outcome, course)
    }
}

fn is_success<B>(outcome: &Result<Response<Answer<B>>, Fault>) -> bool {
    outcome.as_ref().is_ok_and(|response| response.body().code() == Some(Code::Ok))
}

/// What is known of a failed attempt, for the decision on another.
fn weigh<B>(
    outcome: &Result<Response<Answer<B>>, Fault>,
    context: &CallContext,
    course: &mut Course,
    elapsed: Duration,
    deadline: Instant,
) -> Attempt {
    let (code, delivery, server_delay) = match outcome {
        Ok(response) => answered(response),
        Err(fault) => (fault.code, fault.delivery, ServerDelay::Unsaid),
    };
    course.may_have_run |=
        context.class != Class::Read && (may_have_run(code, delivery) || is_unread(outcome));
    Attempt {
        class: context.class,
        code,
        delivery,
        attempts: course.attempts,
        server_delay,
        remaining: deadline.saturating_duration_since(Instant::now()),
        elapsed,
        may_have_run: course.may_have_run,
    }
}

/// Whether the service answered, but with more than the client takes: it may well have acted.
fn is_unread<T>(outcome: &Result<T, Fault>) -> bool {
    outcome.as_ref().is_err_and(|fault| fault.delivery == Delivery::Answered)
}

/// The request of one attempt: the same head and the same bytes.
fn rebuild(head: &request::Parts, body: &Bytes, context: CallContext) -> Request<Body> {
    let mut request = Request::new(Body::new(Full::new(body.clone())));
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = head.uri.clone();
    *request.version_mut() = head.version;
    *request.headers_mut() = head.headers.clone();
    *request.extensions_mut() = head.extensions.clone();
    request.extensions_mut().insert(context);
    request
}

/// What the service's answer says for the decision.
fn answered<B>(response: &Response<Answer<B>>) -> (Code, Delivery, ServerDelay) {
    let code = response.body().code().unwrap_or(Code::Unknown);
    let delay = [Some(response.headers()), response.body().trailers()]
        .into_iter()
        .flatten()
        .map(server_delay)
        .find(|delay| *delay != ServerDelay::Unsaid);
    (code, Delivery::Answered, delay.unwrap_or_default())
}

fn server_delay(headers: &HeaderMap) -> ServerDelay {
    if let Some(pushback) = headers.get("grpc-retry-pushback-ms") {
        let millis = pushback.to_str().ok().and_then(|text| text.parse().ok());
        return millis
            .map_or(ServerDelay::Never, |ms| ServerDelay::After(Duration::from_millis(ms)));
    }
    tonic::Status::from_header_map(headers)
        .and_then(|status| status.get_details_retry_info()?.retry_delay)
        .map_or(ServerDelay::Unsaid, ServerDelay::After)
}

fn conclude<B>(
    outcome: Result<Response<Answer<B>>, Fault>,
    course: Course,
) -> Result<Response<Answer<B>>, BoxError> {
    match outcome {
        // What goes without saying costs nothing.
        outcome if course.attempts == 1 && is_success(&outcome) => Ok(outcome?),
        Ok(mut response) => {
            response.extensions_mut().insert(course);
            Ok(response)
        }
        Err(mut fault) => {
            fault.course = course;
            Err(fault.into())
        }
    }
}
