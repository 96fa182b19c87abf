//! Errors in the JSON form of Google APIs ([AIP-193](https://google.aip.dev/193)).

use super::pool::POOL;
use http::{HeaderValue, Method, Response, StatusCode, header, request::Parts};
use livestream_client::proto::google::rpc;
use prost::Message as _;
use prost_reflect::DynamicMessage;
use serde_json::{Value, json};
use tonic::{Code, Status, body::Body};

/// The response for a status.
pub(super) fn response(status: &Status, is_pretty: bool) -> Response<Body> {
    let mut error = json!({
        "code": http_status(status.code()).as_u16(),
        "message": status.message(),
        "status": name(status.code()),
    });
    let details = details(status);
    if !details.is_empty() {
        error["details"] = Value::Array(details);
    }
    self::json(http_status(status.code()), &json!({ "error": error }), is_pretty)
}

/// A request that no method of a service has got.
pub(super) struct Refused {
    /// The gRPC path of the method that the request is for; the path of HTTP if there is none.
    pub(super) path: String,
    pub(super) resource: String,
    pub(super) status: Status,
    /// The method and the status of HTTP, if the request is for no method of a service.
    pub(super) unserved: Option<(Method, StatusCode)>,
    pub(super) response: Response<Body>,
}

impl Refused {
    /// No service has the path.
    pub(super) fn not_found(head: &Parts, method: &Method, is_pretty: bool) -> Box<Self> {
        let path = head.uri.path();
        let status = Status::not_found(format!("The path {path} was not found on this server"));
        let response = self::response(&status, is_pretty);
        Self::unserved(path, method, status, response)
    }

    /// The path exists with other methods only.
    pub(super) fn method_not_allowed(
        head: &Parts,
        method: &Method,
        allowed: &[Method],
    ) -> Box<Self> {
        let path = head.uri.path();
        let allowed = allowed.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        let message =
            format!("The path {path} is not offered with this HTTP method; use {allowed}");
        let error =
            json!({ "error": { "code": 405, "message": message, "status": "UNIMPLEMENTED" } });
        let mut response = json(StatusCode::METHOD_NOT_ALLOWED, &error, true);
        if let Ok(allowed) = HeaderValue::from_str(&allowed) {
            response.headers_mut().insert(header::ALLOW, allowed);
        }
        Self::unserved(path, method, Status::unimplemented(message), response)
    }

    fn unserved(
        path: &str,
        method: &Method,
        status: Status,
        response: Response<Body>,
    ) -> Box<Self> {
        Box::new(Self {
            path: path.to_owned(),
            resource: path.to_owned(),
            status,
            unserved: Some((method.clone(), response.status())),
            response,
        })
    }
}

/// A response with a JSON body.
pub(super) fn json(status: StatusCode, body: &Value, is_pretty: bool) -> Response<Body> {
    let text = if is_pretty { format!("{body:#}\n") } else { body.to_string() };
    text_response(status, text)
}

/// A response with a body that is JSON already.
pub(super) fn text_response(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::new(http_body_util::Full::from(text)));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json; charset=UTF-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// The details that have a JSON form.
fn details(status: &Status) -> Vec<Value> {
    let details = rpc::Status::decode(status.details()).map(|whole| whole.details);
    let details = details.unwrap_or_default().into_iter().filter_map(|any| {
        let any_type = POOL.get_message_by_name("google.protobuf.Any")?;
        let any = DynamicMessage::decode(any_type, &*any.encode_to_vec()).ok()?;
        serde_json::to_value(any).ok()
    });
    details.collect()
}

/// The HTTP status of a code, as `google.rpc.Code` documents it.
fn http_status(code: Code) -> StatusCode {
    let status = match code {
        Code::Ok => 200,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 400,
        Code::Unauthenticated => 401,
        Code::PermissionDenied => 403,
        Code::NotFound => 404,
        Code::AlreadyExists | Code::Aborted => 409,
        Code::ResourceExhausted => 429,
        Code::Cancelled => 499,
        Code::Unknown | Code::Internal | Code::DataLoss => 500,
        Code::Unimplemented => 501,
        Code::Unavailable => 503,
        Code::DeadlineExceeded => 504,
    };
    StatusCode::from_u16(status).expect("a status of three digits")
}

fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
