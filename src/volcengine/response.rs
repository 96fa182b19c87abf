//! Parsing of HTTP responses.
//!
//! A response with an `Error` in the body is a failure even if the HTTP status is 200. A response
//! with an HTTP error status is a failure even if the body has no `Error`.

use super::{AccessKey, ERROR_CODE, REQUEST_ID, wire::Action};
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use tonic::{
    Code, Response, Status,
    metadata::{MetadataMap, MetadataValue},
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Body {
    response_metadata: Metadata,
    #[serde(default)]
    result: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    #[serde(default)]
    request_id: Value,
    error: Option<ErrorBody>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ErrorBody {
    code: Value,
    message: Value,
}

/// Parses the response to an action. Replaces the access key if the response contains it.
pub(super) fn parse<A: Action>(
    http: StatusCode,
    body: &[u8],
    access_key: &AccessKey,
) -> Result<Response<A::Response>, Status> {
    let Ok(body) = serde_json::from_slice::<Body>(body) else {
        let message = format!("HTTP {http}, and the body is not a response of this API");
        return Err(Status::new(code_of(http, ""), message));
    };
    let Metadata { request_id, error } = body.response_metadata;
    let text = |value: &Value| access_key.redact(value.as_str().unwrap_or_default());
    let id = text(&request_id);
    if error.is_some() || !http.is_success() {
        let ErrorBody { code, message } = error.unwrap_or_default();
        return Err(error_status(http, &text(&code), &text(&message), &id));
    }
    match A::parse(body.result) {
        Ok(message) => {
            let mut response = Response::new(message);
            insert(response.metadata_mut(), REQUEST_ID, &id);
            Ok(response)
        }
        Err(e) => {
            let message = format!("the response to {} cannot be parsed: {e}", A::NAME);
            let mut status = Status::unknown(access_key.redact(&message));
            insert(status.metadata_mut(), REQUEST_ID, &id);
            Err(status)
        }
    }
}

fn error_status(http: StatusCode, code: &str, message: &str, id: &str) -> Status {
    let message = match (message, code) {
        ("", "") => format!("HTTP {http}"),
        ("", code) => code.to_owned(),
        (message, "") => message.to_owned(),
        (message, code) => format!("{message} ({code})"),
    };
    let mut status = Status::new(code_of(http, code), message);
    insert(status.metadata_mut(), REQUEST_ID, id);
    insert(status.metadata_mut(), ERROR_CODE, code);
    status
}

fn insert(metadata: &mut MetadataMap, name: &'static str, value: &str) {
    if let Ok(value) = MetadataValue::try_from(value)
        && !value.is_empty()
    {
        metadata.insert(name, value);
    }
}

/// The gRPC code for a failure, from the service's error code or else from the HTTP status.
fn code_of(http: StatusCode, code: &str) -> Code {
    match code {
        "InvalidAccessKey" | "SignatureDoesNotMatch" | "InvalidTimestamp" => Code::Unauthenticated,
        "AccessDenied" | "LackPolicy" => Code::PermissionDenied,
        "ServiceNotFound" | "InvalidActionOrVersion" => Code::Unimplemented,
        _ if code.starts_with("RequestForbidden") => Code::PermissionDenied,
        _ if code.starts_with("InvalidParam") || code.starts_with("Missing") => {
            Code::InvalidArgument
        }
        _ if code.ends_with("FlowLimitExceeded") => Code::ResourceExhausted,
        _ => match http {
            StatusCode::TOO_MANY_REQUESTS => Code::ResourceExhausted,
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
            StatusCode::GATEWAY_TIMEOUT => Code::DeadlineExceeded,
            _ => Code::Unknown,
        },
    }
}
