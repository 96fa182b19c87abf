//! The entrance for raw stubs: collects the message of a unary call, so that it can be sent again.

use super::{collect::ResponseBody, grpc_timeout};
use crate::gax::{
    body::RequestBody,
    context::{BoxFuture, CallContext, Classify, not_sent, require_runtime},
    error::BoxError,
    observe::Observer,
    policy::CallPolicy,
    transport_error::TransportError,
};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use http_body_util::BodyExt;
use std::{
    sync::Arc,
    task::{Context, Poll},
};
use tokio::time::timeout;
use tonic::{Code, Status, body::Body};
use tower::Service;

/// Gives a stack the form that tonic's stubs need.
///
/// The error is a [`Status`], so that a task can be spawned around a stub's call: with a boxed
/// error, the compiler cannot see that the call is `Send`.
#[derive(Clone, Debug)]
pub struct Buffer<S> {
    inner: S,
    policy: CallPolicy,
    classify: Classify,
    observer: Arc<Observer>,
}

impl<S> Buffer<S> {
    pub(crate) fn new(
        inner: S,
        policy: CallPolicy,
        classify: Classify,
        observer: Arc<Observer>,
    ) -> Self {
        Self { inner, policy, classify, observer }
    }

    /// The options of a call to a known method; `grpc-timeout` is the stub's own timeout.
    fn context<B>(&self, request: &Request<B>) -> Option<CallContext> {
        let idempotency = (self.classify)(request.uri().path())?;
        let CallPolicy { mut timeouts, retry, .. } = self.policy;
        if let Some(total) = grpc_timeout::parse(request.headers()) {
            timeouts = timeouts.with_total(total);
        }
        Some(CallContext { idempotency, timeouts, retry, deadline: None })
    }
}

impl<S, B> Service<Request<Body>> for Buffer<S>
where
    S: Service<Request<RequestBody>, Response = Response<ResponseBody<B>>> + Clone + Send + 'static,
    S::Error: Into<TransportError>,
    S::Future: Send,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<B>>;
    type Error = Status;
    type Future = BoxFuture<Self::Response, Status>;

    /// Always ready: waiting for readiness is part of a call's time.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let context = self.context(&request);
        let mut inner = self.inner.clone();
        let observer = self.observer.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let Some(context) = context else {
                let call = inner.call(Request::from_parts(head, RequestBody::Stream(body)));
                return call.await.map_err(|e| e.into().into());
            };
            let duration = observer.time(&head.uri);
            let outcome = async {
                let message = RequestBody::Message(whole(body, context).await?, context);
                let call = inner.call(Request::from_parts(head, message));
                call.await.map_err(|e| e.into().into())
            };
            let outcome: Result<Self::Response, Status> = outcome.await;
            let code = code(&outcome);
            duration.ended(code);
            if code == Code::Ok {
                observer.answered();
            }
            outcome
        })
    }
}

fn code<B>(outcome: &Result<Response<ResponseBody<B>>, Status>) -> Code {
    match outcome {
        Ok(response) => response.body().code().unwrap_or(Code::Unknown),
        Err(status) => status.code(),
    }
}

/// The message of a unary call, which the stub has within the call's time.
async fn whole(body: Body, context: CallContext) -> Result<Bytes, Status> {
    require_runtime()?;
    let limit = context.timeouts.total();
    match timeout(limit, body.collect()).await {
        Ok(collected) => Ok(collected?.to_bytes()),
        Err(_) => Err(not_sent("before the stub had sent its message").into()),
    }
}
