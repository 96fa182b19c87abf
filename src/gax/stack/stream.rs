//! Calls that are not known to be unary: they pass through, within a deadline.

use super::{grpc_timeout, ready::call_when_ready};
use crate::gax::{
    context::{after, require_runtime},
    error::BoxError,
    transport_error::TransportError,
};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};
use tonic::Status;
use tower::Service;

/// Sends a request once. If it has a `grpc-timeout`, the whole call ends by then; otherwise the
/// response headers must arrive within `limit`, and the stream may last.
pub(crate) async fn pass<S, R, B>(
    service: &mut S,
    request: Request<R>,
    limit: Duration,
) -> Result<Response<StreamingBody<B>>, TransportError>
where
    S: Service<Request<R>, Response = Response<B>>,
    S::Error: Into<BoxError>,
{
    require_runtime()?;
    let whole = grpc_timeout::parse(request.headers());
    let limit = whole.unwrap_or(limit);
    let deadline = after(Instant::now(), limit);
    let response = timeout_at(deadline, call_when_ready(service, request)).await;
    let response = response.map_err(|_| TransportError::timed_out(limit))?;
    let response = response.map_err(TransportError::from_error)?;
    let bound = whole.map(|limit| Bound { timer: Box::pin(sleep_until(deadline)), limit });
    Ok(response.map(|body| StreamingBody { body: Some(Box::pin(body)), bound }))
}

/// The body of a response as it arrives.
#[derive(Debug)]
pub struct StreamingBody<B> {
    /// None once the deadline has passed, which resets the stream.
    body: Option<Pin<Box<B>>>,
    bound: Option<Bound>,
}

#[derive(Debug)]
struct Bound {
    timer: Pin<Box<Sleep>>,
    limit: Duration,
}

impl<B> HttpBody for StreamingBody<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        if let Poll::Ready(frame) = body.as_mut().poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let Some(bound) = &mut this.bound else { return Poll::Pending };
        ready!(bound.timer.as_mut().poll(cx));
        this.body = None;
        let error = TransportError::timed_out(bound.limit);
        Poll::Ready(Some(Err(Status::from(error).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(|body| body.is_end_stream())
    }
}
