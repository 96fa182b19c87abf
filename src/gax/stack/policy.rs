//! The policy of this crate for other people's stubs, as one layer.

use super::{buffer::Buffer, collect::ResponseBody, retry::Retry};
use crate::gax::{
    body::{RequestBody, into_tonic},
    context::{BoxFuture, Classify},
    error::BoxError,
    observe::Observer,
    policy::CallPolicy,
};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use std::{
    sync::Arc,
    task::{Context, Poll},
};
use tonic::{Status, body::Body};
use tower::{Layer, Service};

/// Puts [`Policy`] over a service, such as a tonic channel.
///
/// A call whose path `classify` knows is bounded, retried and collected: it ends within its timeout,
/// the last byte of the response included. A stub's own timeout ([`tonic::Request::set_timeout`])
/// replaces the policy's for that call.
///
/// Every other call is sent once, and its body is not collected. If it has a timeout of its own, it
/// ends by then; otherwise the policy's timeout limits the wait for the response headers.
///
/// A stub's message is encoded before a layer sees it, so that nobody can tell whether it carries a
/// `request_id`. Classify a mutation as [`Idempotency::None`](crate::rpc::Idempotency::None) unless
/// all its callers set an id.
#[derive(Clone, Debug)]
pub struct PolicyLayer {
    policy: CallPolicy,
    classify: Classify,
}

impl PolicyLayer {
    /// Applies `policy` to each call to a unary method that `classify` knows.
    pub fn new(policy: CallPolicy, classify: Classify) -> Self {
        Self { policy, classify }
    }
}

impl<S> Layer<S> for PolicyLayer {
    type Service = Policy<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { policy, classify } = self.clone();
        let observer = Arc::new(Observer::default());
        let retry = Retry::new(TonicBody(inner), policy.clone(), observer.clone());
        Policy(Buffer::new(retry, policy, classify, observer))
    }
}

/// Bounds, retries and collects unary calls. Made by [`PolicyLayer`].
#[derive(Clone, Debug)]
pub struct Policy<S>(Buffer<Retry<TonicBody<S>>>);

impl<S, B> Service<Request<Body>> for Policy<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<B>>;
    type Error = Status;
    type Future = BoxFuture<Self::Response, Status>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.0.call(request)
    }
}

/// Hands requests to a service that takes tonic's body.
#[derive(Clone, Debug)]
struct TonicBody<S>(S);

impl<S: Service<Request<Body>>> Service<Request<RequestBody>> for TonicBody<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        self.0.call(into_tonic(request))
    }
}
