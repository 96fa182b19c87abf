//! The headers that say who is calling, and the origin that the call goes to.

use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, header::USER_AGENT, uri};
use std::{
    sync::Arc,
    task::{Context, Poll},
};
use tower::{Layer, Service};

/// Adds `x-goog-api-client` and `user-agent`, and gives the request an origin if it has none.
#[derive(Clone, Debug)]
pub struct Headers<S> {
    inner: S,
    fixed: Arc<Fixed>,
}

/// Puts [`Headers`] over a service.
#[derive(Clone, Debug)]
pub struct HeadersLayer(Arc<Fixed>);

#[derive(Debug)]
struct Fixed {
    headers: HeaderMap,
    scheme: uri::Scheme,
    authority: uri::Authority,
}

const API_CLIENT: HeaderName = HeaderName::from_static("x-goog-api-client");

/// The language, this crate and the gRPC library, with their versions.
const API_CLIENT_VALUE: &str = concat!(
    "gl-rust/",
    env!("RUSTC_VERSION"),
    " gapic/",
    env!("CARGO_PKG_VERSION"),
    " grpc/tonic-0.14"
);

const AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

impl HeadersLayer {
    /// Sends calls to `origin`: a scheme and an authority. `None` if either is missing.
    pub fn new(origin: &Uri) -> Option<Self> {
        let headers = HeaderMap::from_iter([
            (API_CLIENT, HeaderValue::from_static(API_CLIENT_VALUE)),
            (USER_AGENT, HeaderValue::from_static(AGENT)),
        ]);
        let (scheme, authority) = (origin.scheme()?.clone(), origin.authority()?.clone());
        Some(Self(Arc::new(Fixed { headers, scheme, authority })))
    }
}

impl Fixed {
    /// Headers that are already there stay: the caller has set them.
    fn add_to<B>(&self, request: &mut Request<B>) {
        for (name, value) in &self.headers {
            request.headers_mut().entry(name).or_insert_with(|| value.clone());
        }
        if request.uri().authority().is_none() {
            let mut parts = std::mem::take(request.uri_mut()).into_parts();
            parts.scheme = Some(self.scheme.clone());
            parts.authority = Some(self.authority.clone());
            *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
        }
    }
}

impl<S> Layer<S> for HeadersLayer {
    type Service = Headers<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Headers { inner, fixed: self.0.clone() }
    }
}

impl<S, B> Service<Request<B>> for Headers<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        self.fixed.add_to(&mut request);
        self.inner.call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tower::{ServiceExt, limit::ConcurrencyLimit, service_fn};

    #[tokio::test]
    async fn headers_wait_until_the_inner_service_is_ready() {
        let echo = service_fn(|request: Request<()>| async { Ok::<_, ()>(request) });
        let origin = Uri::from_static("https://service.test");
        let layer = HeadersLayer::new(&origin).expect("an origin");
        // This service panics if it is called without being asked whether it is ready.
        let service = layer.layer(ConcurrencyLimit::new(echo, 1));
        let request = service.oneshot(Request::new(())).await.expect("it is ready");
        assert_eq!(request.headers()[USER_AGENT], AGENT);
    }
}
