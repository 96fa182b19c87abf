//! The body of a request on its way down the stack.

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::{
    pin::Pin,
    task::{Context, Poll},
};
use tonic::{Status, body::Body};

/// What a request carries.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// One framed gRPC message: each attempt sends the same bytes, so its `request_id` holds.
    Message(Bytes),
    /// The body of a raw stub's call that is not known to be unary.
    Stream(Body),
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match self.get_mut() {
            Self::Message(message) if message.is_empty() => Poll::Ready(None),
            Self::Message(message) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(message))))),
            Self::Stream(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Message(message) => message.is_empty(),
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Message(message) => SizeHint::with_exact(message.len() as u64),
            Self::Stream(body) => body.size_hint(),
        }
    }
}

impl From<RequestBody> for Body {
    fn from(body: RequestBody) -> Self {
        match body {
            RequestBody::Message(_) => Self::new(body),
            RequestBody::Stream(body) => body,
        }
    }
}
