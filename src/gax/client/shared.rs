//! One service for all calls, where a clone for each is not possible.

use crate::gax::{context::BoxFuture, error::BoxError};
use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::sync::Mutex;
use tower::{Service, ServiceExt};

/// Shares a service that is not `Clone`. The calls take turns until the service is ready for them,
/// and then run at the same time.
pub(super) struct Shared<S>(Arc<Mutex<S>>);

impl<S> Shared<S> {
    pub(super) fn new(service: S) -> Self {
        Self(Arc::new(Mutex::new(service)))
    }
}

impl<S, R> Service<R> for Shared<S>
where
    S: Service<R> + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<S::Response, BoxError>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        let shared = self.0.clone();
        Box::pin(async move {
            let response = {
                let mut service = shared.lock().await;
                service.ready().await.map_err(Into::into)?.call(request)
            };
            response.await.map_err(Into::into)
        })
    }
}

impl<S> Clone for Shared<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> fmt::Debug for Shared<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}
