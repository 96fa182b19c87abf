//! The HTTP front: gRPC, gRPC-Web and JSON on one port, with CORS for browsers.

mod builtin;
mod cors;
mod errors;
mod pool;
mod query;
mod routes;
mod transcode;
mod world;

pub(super) use pool::POOL;
pub(super) use transcode::from_json;

use super::emulator::Emulator;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use tonic::body::Body;
use tower::Layer as _;

/// Answers a request of any kind.
pub(super) async fn answer(emulator: &Emulator, request: Request<Body>) -> Response<Body> {
    let kind = request.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.starts_with("application/grpc") && !kind.starts_with("application/grpc-web") {
        return match builtin::answer(request).await {
            Ok(response) => response,
            Err(request) => serve(emulator.service(), request).await,
        };
    }
    let origin = request.headers().get(header::ORIGIN).cloned();
    if request.method() == Method::OPTIONS {
        return cors::preflight(&request);
    }
    let response = if kind.starts_with("application/grpc-web") {
        serve(tonic_web::GrpcWebLayer::new().layer(emulator.service()), request).await
    } else {
        answer_http(emulator, request).await
    };
    cors::allow(response, origin)
}

async fn answer_http(emulator: &Emulator, request: Request<Body>) -> Response<Body> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/healthz") => {
            errors::text_response(StatusCode::OK, "{\"status\":\"SERVING\"}\n".to_owned())
        }
        (&Method::GET, "/") => page(),
        (&Method::GET, "/emulator/v1/world") => {
            errors::json(StatusCode::OK, &world::world(emulator), true)
        }
        (&Method::GET, "/emulator/v1/world:stream") => {
            world::stream(emulator, request.extensions().get().cloned())
        }
        _ => transcode::answer(emulator.service(), request).await,
    }
}

/// The page for people: one file, without anything from elsewhere.
fn page() -> Response<Body> {
    const CONTENT: &str = include_str!("page.html");
    const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                          connect-src 'self'; img-src data:";
    let mut response = Response::new(Body::new(http_body_util::Full::from(CONTENT)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=UTF-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

async fn serve<S>(mut service: S, request: Request<Body>) -> Response<Body>
where
    S: tower::Service<Request<Body>, Response = Response<Body>, Error = std::convert::Infallible>,
{
    match service.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
