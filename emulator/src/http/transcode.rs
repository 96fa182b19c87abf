//! HTTP/JSON to gRPC and back ([AIP-127](https://google.aip.dev/127)): the request becomes the gRPC
//! request of the same method, and takes the same way from there.

use super::{
    errors::{self, Refused},
    query::{self, System},
    routes::{self, BodyRule, Found, Route, Variable},
};
use crate::gate::{FromJson, Reset};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header,
    request::Parts,
};
use http_body_util::{BodyExt as _, Full};
use prost::Message as _;
use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::{Map, Value};
use serde_path_to_error::Track;
use std::convert::Infallible;
use tonic::{Status, body::Body};
use tonic_types::{ErrorDetails, StatusExt as _};
use tower::Service;

/// Answers a JSON request through a gRPC service.
///
/// # Errors
/// If the request is for no method, or cannot be read.
pub(super) async fn answer<S>(
    service: S,
    head: &Parts,
    body: Result<Bytes, String>,
) -> Result<Response<Body>, Box<Refused>>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let path = head.uri.path();
    let method = overridden(&head.method, &head.headers);
    let query = query::parse(head.uri.query().unwrap_or_default());
    let is_pretty = query.as_ref().map_or(true, |(system, _)| system.is_pretty);
    let (route, variables) = match routes::find(&method, path) {
        Found::Route(route, variables) => (route, variables),
        Found::OtherMethod(methods) => {
            return Err(Refused::method_not_allowed(head, &method, &methods));
        }
        Found::Nothing => return Err(Refused::not_found(head, &method, is_pretty)),
    };
    let rpc = &route.rpc;
    let path = format!("/{}/{}", rpc.parent_service().full_name(), rpc.name());
    // All paths begin with the name or the parent.
    let resource = variables.first().map(|variable| variable.value.clone()).unwrap_or_default();
    let read = || {
        let (system, parameters) = query.map_err(|reason| invalid("", reason))?;
        let body = body.map_err(|reason| invalid("", reason))?;
        Ok((message(route, variables, &parameters, &body)?, system))
    };
    let (message, system) = read().map_err(|status| {
        let response = errors::response(&status, is_pretty);
        Box::new(Refused { path: path.clone(), resource, status, unserved: None, response })
    })?;
    let mut request = Request::new(frame(&message));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = path.parse().expect("names of methods are valid in a path");
    *request.headers_mut() = metadata(&head.headers, &system);
    *request.extensions_mut() = head.extensions.clone();
    request.extensions_mut().insert(FromJson);
    let mut service = service;
    match service.call(request).await {
        Ok(response) => Ok(to_json(response, rpc.output(), &system).await),
        Err(never) => match never {},
    }
}

/// Some clients and proxies can send only GET and POST.
fn overridden(method: &Method, headers: &HeaderMap) -> Method {
    let other = headers.get("x-http-method-override").filter(|_| method == Method::POST);
    let other = other.and_then(|other| other.to_str().ok()?.to_uppercase().parse().ok());
    other.unwrap_or_else(|| method.clone())
}

/// The request message, from the path, the query and the body.
fn message(
    route: &Route,
    variables: Vec<Variable>,
    parameters: &[(String, String)],
    body: &[u8],
) -> Result<DynamicMessage, Status> {
    let input = route.rpc.input();
    let mut whole = Map::new();
    for (name, value) in parameters {
        let path: Vec<_> = name.split('.').collect();
        let in_body = match &route.body {
            BodyRule::Nothing => false,
            BodyRule::Request => true,
            BodyRule::Field(field) => query::camel_case(path[0]) == query::camel_case(field),
        };
        if in_body {
            let reason = format!("the query parameter '{name}' belongs into the body");
            return Err(invalid(name, reason));
        }
        query::insert(&mut whole, &input, &path, value).map_err(|reason| invalid(name, reason))?;
    }
    match &route.body {
        BodyRule::Nothing if body.iter().all(u8::is_ascii_whitespace) => {}
        BodyRule::Nothing => return Err(invalid("", "this method has no body")),
        BodyRule::Request => match read_json(body)? {
            Value::Object(fields) => whole.extend(fields),
            Value::Null => {}
            _ => return Err(invalid("", "the body is not a JSON object")),
        },
        BodyRule::Field(field) => {
            let key = query::camel_case(field);
            match read_json(body)? {
                Value::Null => {}
                value => drop(whole.insert(key, value)),
            }
        }
    }
    let mut message = from_json(&input, Value::Object(whole))?;
    for Variable { field, value } in variables {
        set(&mut message, &field, value);
    }
    Ok(message)
}

fn read_json(body: &[u8]) -> Result<Value, Status> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    serde_json::from_slice(body)
        .map_err(|error| invalid("", format!("the body is not JSON: {error}")))
}

/// Reads a message in its JSON form.
///
/// # Errors
/// `INVALID_ARGUMENT` with the path of the invalid field.
pub(crate) fn from_json(input: &MessageDescriptor, json: Value) -> Result<DynamicMessage, Status> {
    let mut track = Track::new();
    let tracked = serde_path_to_error::Deserializer::new(json, &mut track);
    let options = DeserializeOptions::new();
    DynamicMessage::deserialize_with_options(input.clone(), tracked, &options).map_err(|error| {
        let path = track.path().to_string();
        let path = path.trim_matches(['.', '?']);
        let reason = error.to_string();
        let reason =
            reason.strip_prefix(path).and_then(|r| r.strip_prefix(": ")).unwrap_or(&reason);
        invalid(path, reason)
    })
}

/// Sets a text field by its path.
fn set(message: &mut DynamicMessage, field: &[String], value: String) {
    match field {
        [] => {}
        [name] => drop(message.try_set_field_by_name(name, prost_reflect::Value::String(value))),
        [name, below @ ..] => {
            let inner =
                message.get_field_by_name_mut(name).and_then(|inner| inner.as_message_mut());
            if let Some(inner) = inner {
                set(inner, below, value);
            }
        }
    }
}

fn invalid(field: &str, reason: impl Into<String>) -> Status {
    let reason = reason.into();
    let message = match field {
        "" => format!("Invalid request: {reason}"),
        field => format!("Invalid request at '{field}': {reason}"),
    };
    let details = ErrorDetails::with_bad_request_violation(field, reason);
    Status::with_error_details(tonic::Code::InvalidArgument, message, details)
}

/// A gRPC body with one message.
fn frame(message: &DynamicMessage) -> Body {
    let length = message.encoded_len();
    let mut frame = Vec::with_capacity(5 + length);
    frame.push(0);
    frame.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    message.encode_raw(&mut frame);
    Body::new(Full::new(Bytes::from(frame)))
}

/// The headers of a request as gRPC metadata.
fn metadata(headers: &HeaderMap, system: &System) -> HeaderMap {
    /// Headers of the HTTP connection and body.
    const OWN: [HeaderName; 9] = [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::CONTENT_ENCODING,
        header::ACCEPT_ENCODING,
        header::HOST,
        header::TE,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    let mut metadata: HeaderMap = headers
        .iter()
        .filter(|(name, _)| !OWN.contains(name) && !name.as_str().starts_with("grpc-"))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    metadata.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    metadata.insert(header::TE, HeaderValue::from_static("trailers"));
    if let Some(fields) = system.fields.as_ref().and_then(|f| HeaderValue::from_str(f).ok()) {
        metadata.insert("x-goog-fieldmask", fields);
    }
    metadata
}

async fn to_json(
    response: Response<Body>,
    output: MessageDescriptor,
    system: &System,
) -> Response<Body> {
    let (head, body) = response.into_parts();
    if head.extensions.get::<Reset>().is_some() {
        return Response::from_parts(head, body);
    }
    let whole = match body.collect().await {
        Ok(whole) => whole,
        Err(status) => return errors::response(&status, system.is_pretty),
    };
    let refused = Status::from_header_map(&head.headers)
        .or_else(|| Status::from_header_map(whole.trailers()?))
        .filter(|status| status.code() != tonic::Code::Ok);
    if let Some(status) = refused {
        return errors::response(&status, system.is_pretty);
    }
    let bytes = whole.to_bytes();
    let message = bytes.get(5..).and_then(|bytes| DynamicMessage::decode(output, bytes).ok());
    let Some(message) = message else {
        let reason = "the response of the service cannot be read";
        return errors::response(&Status::internal(reason), system.is_pretty);
    };
    // The service sets no headers beside those of gRPC.
    match write_json(&message, system) {
        Ok(text) => errors::text_response(StatusCode::OK, text),
        Err(error) => {
            let reason = format!("the response has no JSON form: {error}");
            errors::response(&Status::internal(reason), system.is_pretty)
        }
    }
}

/// The JSON form of a message.
///
/// # Errors
/// If the message has none: a time out of range, or an unknown type in an `Any`.
pub(super) fn write_json(
    message: &DynamicMessage,
    system: &System,
) -> Result<String, serde_json::Error> {
    let options = SerializeOptions::new().use_enum_numbers(system.enums_as_numbers);
    let mut bytes = Vec::new();
    if system.is_pretty {
        message
            .serialize_with_options(&mut serde_json::Serializer::pretty(&mut bytes), &options)?;
    } else {
        message.serialize_with_options(&mut serde_json::Serializer::new(&mut bytes), &options)?;
    }
    let mut text = String::from_utf8(bytes).expect("JSON is UTF-8");
    if text.contains(EMPTY) {
        let mut value = serde_json::from_str(&text)?;
        shorten_empty(&mut value);
        text = if system.is_pretty { format!("{value:#}") } else { value.to_string() };
    }
    if system.is_pretty {
        text.push('\n');
    }
    Ok(text)
}

const EMPTY: &str = "type.googleapis.com/google.protobuf.Empty";

/// Google's services write an `Empty` in an `Any` without a `value`, and the official Python client
/// reads no other form.
fn shorten_empty(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields.get("@type").is_some_and(|name| name == EMPTY) {
                fields.remove("value");
            }
            fields.values_mut().for_each(shorten_empty);
        }
        Value::Array(items) => items.iter_mut().for_each(shorten_empty),
        _ => {}
    }
}
