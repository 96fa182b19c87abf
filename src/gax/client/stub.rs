//! The stack of a client as a service for raw tonic stubs.

use crate::gax::{call::Core, context::Classify, error::BoxError, stack::buffer::Buffer};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tonic::{Status, body::Body};
use tower::{Service, ServiceExt, util::BoxCloneSyncService};

/// A service over the whole stack, for a raw tonic stub.
///
/// Its error is a [`Status`], so that a task can be spawned around a stub's call: with a boxed error,
/// the compiler cannot see that the call is `Send`.
pub type GrpcStack = BoxCloneSyncService<Request<Body>, Response<Body>, Status>;

/// Boxes a service for a raw tonic stub.
pub(crate) fn grpc_stack<S, B>(service: S) -> GrpcStack
where
    S: Service<Request<Body>, Response = Response<B>, Error = Status>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let service = service.map_response(|response: Response<B>| response.map(Body::new));
    BoxCloneSyncService::new(service)
}

/// The stack of a client, for a raw tonic stub.
pub(crate) fn client_stack(core: &Core, classify: Classify) -> GrpcStack {
    grpc_stack(Buffer::new(
        core.stack.clone(),
        core.policy.clone(),
        classify,
        core.observer.clone(),
    ))
}
