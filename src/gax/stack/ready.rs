//! Waiting for a service to be ready, as part of a call.

use crate::gax::error::BoxError;
use tower::{Service, ServiceExt};

/// Calls the service once it is ready. Tower's `oneshot` does the same, but moves the request from
/// one state to the next on its way, which costs more than the rest of it.
pub(crate) fn call_when_ready<S: Service<R>, R>(
    service: &mut S,
    request: R,
) -> impl Future<Output = Result<S::Response, BoxError>>
where
    S::Error: Into<BoxError>,
{
    async move {
        service.ready().await.map_err(Into::into)?;
        service.call(request).await.map_err(Into::into)
    }
}
