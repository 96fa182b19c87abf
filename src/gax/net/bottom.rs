//! The bottom of the stack: the client's own connections, or a service that a user brings.

use super::pool::{Connections, LeasedBody};
use crate::gax::{
    body::{RequestBody, into_tonic},
    context::BoxFuture,
    error::BoxError,
};
use bytes::Bytes;
use futures_util::TryFutureExt;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame};
use std::{
    pin::Pin,
    task::{Context, Poll},
};
use tonic::body::Body;
use tower::{Service, ServiceExt, util::BoxCloneSyncService};

/// The service that requests go to in the end.
#[derive(Clone, Debug)]
pub(crate) enum Bottom {
    Connections(Connections),
    Channel(BoxChannel),
}

/// A service that a user brings: a channel, or layers over the client's own connections.
pub(crate) type BoxChannel = BoxCloneSyncService<Request<Body>, Response<Body>, BoxError>;

/// The response body of either.
#[derive(Debug)]
pub(crate) enum BottomBody {
    Connection(LeasedBody),
    Channel(Body),
}

impl Bottom {
    /// The same as a service for layers of a user's own.
    pub(crate) fn into_channel(self) -> BoxChannel {
        match self {
            Self::Connections(connections) => box_channel(connections),
            Self::Channel(channel) => channel,
        }
    }
}

impl Service<Request<RequestBody>> for Bottom {
    type Response = Response<BottomBody>;
    type Error = BoxError;
    type Future = BoxFuture<Self::Response, BoxError>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self {
            // Calls wait for a connection within their own time.
            Self::Connections(_) => Poll::Ready(Ok(())),
            Self::Channel(channel) => channel.poll_ready(cx),
        }
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        match self {
            Self::Connections(connections) => {
                let call = connections.clone().send(request);
                Box::pin(call.map_ok(|response| response.map(BottomBody::Connection)))
            }
            Self::Channel(channel) => {
                let call = channel.call(into_tonic(request));
                Box::pin(call.map_ok(|response| response.map(BottomBody::Channel)))
            }
        }
    }
}

impl HttpBody for BottomBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Connection(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Self::Channel(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Connection(body) => body.is_end_stream(),
            Self::Channel(body) => body.is_end_stream(),
        }
    }
}

/// Boxes a service as a [`BoxChannel`].
pub(crate) fn box_channel<S, B>(service: S) -> BoxChannel
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let service = service
        .map_response(|response: Response<B>| response.map(Body::new))
        .map_err(Into::into as fn(S::Error) -> BoxError);
    BoxCloneSyncService::new(service)
}
