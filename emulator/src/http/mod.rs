//! The HTTP front: gRPC, gRPC-Web and JSON on one port, with CORS for browsers.

mod builtin;
mod cors;
mod errors;
mod json_body;
mod pool;
mod query;
mod routes;
mod transcode;
mod world;

pub(super) use pool::POOL;
pub(super) use transcode::from_json;

use super::{control_proto::control_server, emulator::Emulator, gate::LoggedRequest};
use errors::Refused;
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body::Body as _;
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
    let (head, body) = request.into_parts();
    // Before any answer, so that the connection can go on.
    let body = json_body::read(&head.headers, body).await;
    let own = match head.uri.path() {
        "/" => Some(page as Own),
        "/healthz" => Some(health as Own),
        "/emulator/v1/world" => Some(world as Own),
        "/emulator/v1/world:stream" => Some(world_stream as Own),
        _ => None,
    };
    let answered = match own {
        Some(own) => answer_own(emulator, &head, own),
        None => transcode::answer(emulator.service(), &head, body).await,
    };
    answered.unwrap_or_else(|refused| {
        log(emulator, head, &refused);
        refused.response
    })
}

/// The answer to a GET that is for no method of a service.
type Own = fn(&Emulator, &Parts) -> Response<Body>;

fn answer_own(
    emulator: &Emulator,
    head: &Parts,
    answer: Own,
) -> Result<Response<Body>, Box<Refused>> {
    match head.method {
        Method::GET => Ok(answer(emulator, head)),
        Method::HEAD => {
            let (mut head, body) = answer(emulator, head).into_parts();
            // The stream of the world has no length, and ends when its body is dropped.
            if let Some(length) = body.size_hint().exact() {
                head.headers.insert(header::CONTENT_LENGTH, length.into());
            }
            Ok(Response::from_parts(head, Body::empty()))
        }
        _ => Err(Refused::method_not_allowed(head, &head.method, &[Method::GET, Method::HEAD])),
    }
}

/// Logs a request that no method has got.
fn log(emulator: &Emulator, head: Parts, refused: &Refused) {
    // The control service is not logged.
    let is_control = |path: &str| {
        path.starts_with("/emulator/v1/")
            || path.starts_with(&format!("/{}/", control_server::SERVICE_NAME))
    };
    if is_control(&refused.path) {
        return;
    }
    let number = emulator.log(LoggedRequest {
        number: 0,
        time: emulator.present(),
        path: refused.path.clone(),
        resource: refused.resource.clone(),
        headers: head.headers,
        is_json: true,
        message: None,
        outcome: None,
        unserved: refused.unserved.clone(),
    });
    emulator.log_end(number, refused.status.code(), refused.status.message());
}

fn health(_: &Emulator, _: &Parts) -> Response<Body> {
    errors::text_response(StatusCode::OK, "{\"status\":\"SERVING\"}\n".to_owned())
}

fn world(emulator: &Emulator, _: &Parts) -> Response<Body> {
    errors::json(StatusCode::OK, &world::world(emulator), true)
}

fn world_stream(emulator: &Emulator, head: &Parts) -> Response<Body> {
    world::stream(emulator, head.extensions.get().cloned())
}

/// The page for people: one file, without anything from elsewhere.
fn page(_: &Emulator, _: &Parts) -> Response<Body> {
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
