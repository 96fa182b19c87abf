//! Reads answers. An `Error` in the body is a failure whatever the HTTP status says, and an HTTP
//! failure is one whatever the body says.

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
struct Answer {
    response_metadata: Metadata,
    #[serde(default)]
    result: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    #[serde(default)]
    request_id: Value,
    error: Option<Failure>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Failure {
    code: Value,
    message: Value,
}

/// The answer to an action, or the failure that it tells. What it repeats of the keys goes.
pub(super) fn read<A: Action>(
    http: StatusCode,
    body: &[u8],
    keys: &AccessKey,
) -> Result<Response<A::Answer>, Status> {
    let Ok(answer) = serde_json::from_slice::<Answer>(body) else {
        let message = format!("HTTP {http} without an answer of this API");
        return Err(Status::new(code_of(http, ""), message));
    };
    let Metadata { request_id, error } = answer.response_metadata;
    let text = |value: &Value| keys.redact(value.as_str().unwrap_or_default());
    let id = text(&request_id);
    if error.is_some() || !http.is_success() {
        let Failure { code, message } = error.unwrap_or_default();
        return Err(fail(http, &text(&code), &text(&message), &id));
    }
    match A::answer(answer.result) {
        Ok(answer) => {
            let mut response = Response::new(answer);
            add(response.metadata_mut(), REQUEST_ID, &id);
            Ok(response)
        }
        Err(e) => {
            let message = format!("the answer to {} cannot be read: {e}", A::NAME);
            let mut status = Status::unknown(keys.redact(&message));
            add(status.metadata_mut(), REQUEST_ID, &id);
            Err(status)
        }
    }
}

fn fail(http: StatusCode, code: &str, message: &str, id: &str) -> Status {
    let message = match (message, code) {
        ("", "") => format!("HTTP {http}"),
        ("", code) => code.to_owned(),
        (message, "") => message.to_owned(),
        (message, code) => format!("{message} ({code})"),
    };
    let mut status = Status::new(code_of(http, code), message);
    add(status.metadata_mut(), REQUEST_ID, id);
    add(status.metadata_mut(), ERROR_CODE, code);
    status
}

fn add(metadata: &mut MetadataMap, name: &'static str, value: &str) {
    if let Ok(value) = MetadataValue::try_from(value)
        && !value.is_empty()
    {
        metadata.insert(name, value);
    }
}

/// What a failure means: first by the service's own code, then by the HTTP status.
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
