//! The body of a request on its way down the stack.

use crate::gax::{context::CallContext, rpc::Idempotency};
use bytes::Bytes;
use http::Request;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::{
    mem,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::time::Instant;
use tonic::{Status, body::Body};

/// What a request carries.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// The framed message of a unary call, with the call's options. Each attempt sends the same
    /// bytes, so the `request_id` in them holds.
    Message(Bytes, CallContext),
    /// The body of a raw stub's call that is not known to be unary.
    Stream(Body),
}

impl RequestBody {
    /// Whether the request may be sent twice: a read, or a mutation with a `request_id`.
    pub(crate) fn is_repeatable(&self) -> bool {
        matches!(self, Self::Message(_, context) if context.idempotency != Idempotency::None)
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match self.get_mut() {
            Self::Message(message, _) if message.is_empty() => Poll::Ready(None),
            Self::Message(message, _) => Poll::Ready(Some(Ok(Frame::data(mem::take(message))))),
            Self::Stream(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Message(message, _) => message.is_empty(),
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Message(message, _) => SizeHint::with_exact(message.len() as u64),
            Self::Stream(body) => body.size_hint(),
        }
    }
}

/// The same request for a service that takes tonic's body. The options of the call go along in the
/// extensions.
pub(crate) fn into_tonic(request: Request<RequestBody>) -> Request<Body> {
    let (mut head, body) = request.into_parts();
    let body = match body {
        RequestBody::Stream(body) => body,
        RequestBody::Message(_, context) => {
            head.extensions.insert(context);
            Body::new(body)
        }
    };
    Request::from_parts(head, body)
}

/// A request that may belong to an attempt with a deadline.
#[doc(hidden)]
pub trait AttemptDeadline {
    /// The deadline of the attempt, if there is one.
    fn attempt_deadline(&self) -> Option<Instant>;
}

impl AttemptDeadline for Request<RequestBody> {
    fn attempt_deadline(&self) -> Option<Instant> {
        match self.body() {
            RequestBody::Message(_, context) => context.deadline,
            RequestBody::Stream(_) => None,
        }
    }
}

impl AttemptDeadline for Request<Body> {
    fn attempt_deadline(&self) -> Option<Instant> {
        self.extensions().get::<CallContext>()?.deadline
    }
}
