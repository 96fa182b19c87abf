//! The bottom of the stack: the client's own connections, or whatever service a user gives.

use super::{connection::Incoming, pool::Connections};
use crate::gax::error::BoxError;
use crate::gax::stack::BoxFuture;
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

/// Where requests go in the end.
#[derive(Clone, Debug)]
pub(crate) enum Base {
    Connections(Connections),
    Custom(Custom),
}

/// A service that a user brings: a channel, or layers over the client's own connections.
pub(crate) type Custom = BoxCloneSyncService<Request<Body>, Response<Body>, BoxError>;

/// A response body of either.
#[derive(Debug)]
pub(crate) enum BaseBody {
    Incoming(Incoming),
    Custom(Body),
}

impl Service<Request<Body>> for Base {
    type Response = Response<BaseBody>;
    type Error = BoxError;
    type Future = BoxFuture<Self::Response, BoxError>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self {
            Self::Connections(connections) => connections.poll_ready(cx),
            Self::Custom(custom) => custom.poll_ready(cx),
        }
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self {
            Self::Connections(connections) => {
                let call = connections.clone().send(request);
                Box::pin(call.map_ok(|response| response.map(BaseBody::Incoming)))
            }
            Self::Custom(custom) => {
                let call = custom.call(request);
                Box::pin(call.map_ok(|response| response.map(BaseBody::Custom)))
            }
        }
    }
}

impl HttpBody for BaseBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Incoming(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Self::Custom(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Incoming(body) => body.is_end_stream(),
            Self::Custom(body) => body.is_end_stream(),
        }
    }
}

/// Boxes a service for [`Base::Custom`].
pub(crate) fn custom<S, B>(service: S) -> Custom
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
