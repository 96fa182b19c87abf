//! The error statuses of the service: one function for each kind, with the details that the real
//! service attaches ([AIP-193](https://google.aip.dev/193)).

use livestream_client::{
    proto::google::rpc,
    rpc::{InvalidField, Method},
};
use prost::Message as _;
use std::{collections::HashMap, time::Duration};
use tonic::{Code, Status, body::Body};
use tonic_types::{ErrorDetails, StatusExt as _};

/// The domain of every `ErrorInfo`, except for those of Vision AI.
const DOMAIN: &str = "livestream.googleapis.com";
const VISION_DOMAIN: &str = "visionai.googleapis.com";

/// How many bytes of the trailers the violations of one request may take. Official clients refuse
/// trailers of more than 8 KiB.
const MAX_VIOLATIONS: usize = 5 * 1024;

/// How long a text in an error may be, in bytes. Names and values of requests have no such limit.
const MAX_TEXT: usize = 300;

/// No resource has this name.
pub(super) fn not_found(name: &str) -> Status {
    let message = format!("Resource '{}' was not found", short(name));
    refuse(Code::NotFound, message, "RESOURCE_NOT_FOUND", ("resource", name), |_| {})
}

/// The service is not in the location of this name.
pub(super) fn no_location(name: &str) -> Status {
    let location = short(name.split('/').nth(3).unwrap_or_default());
    let message =
        format!("Location '{location}' was not found, or the service is not offered there");
    refuse(Code::NotFound, message, "LOCATION_NOT_FOUND", ("resource", name), |_| {})
}

/// The id is taken.
pub(super) fn already_exists(name: &str) -> Status {
    let message = format!("Resource '{}' already exists", short(name));
    refuse(Code::AlreadyExists, message, "RESOURCE_ALREADY_EXISTS", ("resource", name), |_| {})
}

/// A field of the request violates a rule.
pub(super) fn invalid(field: &str, reason: impl Into<String>) -> Status {
    let (field, reason) = (&*short(field), short(&reason.into()));
    let message = format!("Invalid value for '{field}': {reason}");
    refuse(Code::InvalidArgument, message, "INVALID_FIELD", ("field", field), |details| {
        details.add_bad_request_violation(field, reason);
    })
}

/// A field of the request holds a variant that a newer service may know.
pub(super) fn unknown_variant(field: &str) -> Status {
    invalid(field, "is of a kind that the emulator does not know")
}

/// A field of the request violates one of the client's rules.
pub(super) fn invalid_field(violation: &InvalidField) -> Status {
    invalid(violation.field(), violation.reason())
}

/// Refuses a request that violates the client's rules.
///
/// # Errors
/// `INVALID_ARGUMENT` with the violations that fit into trailers.
pub(super) fn check(violations: &[InvalidField]) -> Result<(), Status> {
    check_in("", violations)
}

/// [`check`] for a resource that the request holds in `field`: the paths begin at the request.
///
/// # Errors
/// `INVALID_ARGUMENT` with the violations that fit into trailers.
pub(super) fn check_in(field: &str, violations: &[InvalidField]) -> Result<(), Status> {
    let path = |violation: &InvalidField| match field {
        "" => violation.field().to_owned(),
        field => format!("{field}.{}", violation.field()),
    };
    let Some(first) = violations.first().map(path) else { return Ok(()) };
    let texts = violations.iter().map(|violation| {
        let (path, reason) = (path(violation), violation.reason());
        let message = short(&format!("Invalid value for '{path}': {reason}"));
        (message, short(&path), short(reason))
    });
    let mut room = MAX_VIOLATIONS;
    let is_fitting = |(message, path, reason): &(String, String, String)| {
        // The message is also one of the details.
        let needed = percent_encoded(message) + 4 * (message.len() + path.len() + reason.len()) / 3;
        let is_fitting = room > needed;
        room = room.saturating_sub(needed);
        is_fitting
    };
    let fitting: Vec<_> = texts.take_while(is_fitting).collect();
    let mut messages: Vec<_> = fitting.iter().map(|(message, ..)| message.clone()).collect();
    if fitting.len() < violations.len() {
        messages.push(format!("and {} more", violations.len() - fitting.len()));
    }
    let message = messages.join("; ");
    Err(refuse(Code::InvalidArgument, message, "INVALID_FIELD", ("field", &first), |details| {
        for (_, path, reason) in fitting {
            details.add_bad_request_violation(path, reason);
        }
    }))
}

/// The resource, or another one that it depends on, is in a state that forbids the call. `kind` is
/// the rule, such as `WRONG_STATE`.
pub(super) fn precondition(kind: &str, subject: &str, reason: impl Into<String>) -> Status {
    let (subject, reason) = (&*short(subject), short(&reason.into()));
    let message = format!("'{subject}': {reason}");
    refuse(Code::FailedPrecondition, message, kind, ("resource", subject), |details| {
        details.add_precondition_failure_violation(kind, subject, reason);
    })
}

/// The resource is not in a state that the call needs.
pub(super) fn wrong_state(subject: &str, state: &str, needed: &str) -> Status {
    precondition("WRONG_STATE", subject, format!("is {state}, and the call needs {needed}"))
}

/// The limit on a kind of resource is reached.
pub(super) fn exhausted(subject: &str, what: &str, max: usize) -> Status {
    let subject = &*short(subject);
    let reason = format!("at most {max} {what} are allowed");
    let message = format!("Quota exceeded for '{subject}': {reason}");
    refuse(
        Code::ResourceExhausted,
        message,
        "RESOURCE_LIMIT_EXCEEDED",
        ("resource", subject),
        |details| {
            details.add_quota_failure_violation(subject, reason);
        },
    )
}

/// The quota of requests a minute is used up; the next minute begins after `wait`.
pub(super) fn too_many_requests(subject: &str, kind: &str, max: u32, wait: Duration) -> Status {
    let subject = &*short(subject);
    let reason = format!("at most {max} {kind} a minute are allowed");
    let message = format!("Quota exceeded for '{subject}': {reason}");
    refuse(
        Code::ResourceExhausted,
        message,
        "RATE_LIMIT_EXCEEDED",
        ("quota_location", subject),
        |details| {
            details.add_quota_failure_violation(subject, reason);
            details.set_retry_info(Some(wait));
        },
    )
}

/// The service does not offer the method or parameter.
pub(super) fn unimplemented(what: &str) -> Status {
    let message = format!("{} is not offered by this service", short(what));
    refuse(Code::Unimplemented, message, "METHOD_NOT_IMPLEMENTED", ("method", what), |_| {})
}

/// The error of a cancelled operation. It has no details: the REST form of the official Node client
/// reads none in an operation.
pub(super) fn cancelled() -> Status {
    Status::cancelled("The operation was cancelled")
}

fn refuse(
    code: Code,
    message: impl Into<String>,
    reason: &str,
    (key, value): (&str, &str),
    add: impl FnOnce(&mut ErrorDetails),
) -> Status {
    let metadata =
        HashMap::from([("service".to_owned(), DOMAIN.to_owned()), (key.to_owned(), short(value))]);
    let mut details = ErrorDetails::with_error_info(reason, DOMAIN, metadata);
    add(&mut details);
    Status::with_error_details(code, message, details)
}

/// The generated server has no message for a method that the service does not have.
pub(super) fn with_message(response: http::Response<Body>, path: &str) -> http::Response<Body> {
    let is_unknown = response.headers().get(Status::GRPC_STATUS).is_some_and(|s| s == "12")
        && !response.headers().contains_key(Status::GRPC_MESSAGE);
    if is_unknown { unimplemented(path).into_http() } else { response }
}

/// The beginning of a text.
fn short(text: &str) -> String {
    match text.len() {
        0..=MAX_TEXT => text.to_owned(),
        _ => format!("{}…", &text[..text.floor_char_boundary(MAX_TEXT)]),
    }
}

/// How long a text is as the value of `grpc-message`, at most.
fn percent_encoded(text: &str) -> usize {
    text.bytes().map(|byte| if byte.is_ascii_alphanumeric() { 1 } else { 3 }).sum()
}

/// The status with the service that the method belongs to in its `ErrorInfo`.
pub(super) fn for_service(method: &Method, status: Status) -> Status {
    if !method.service().starts_with("google.cloud.visionai.") {
        return status;
    }
    let mut details = status.get_error_details();
    let Some(mut info) = details.error_info().filter(|info| info.domain == DOMAIN).cloned() else {
        return status;
    };
    info.metadata.insert("service".to_owned(), VISION_DOMAIN.to_owned());
    details.set_error_info(info.reason, VISION_DOMAIN, info.metadata);
    Status::with_error_details(status.code(), status.message(), details)
}

/// The status as a message, for the error fields of resources and operations.
pub(super) fn to_message(status: &Status) -> rpc::Status {
    // A test can make a status with any bytes as its details. Code and message are always there.
    let details = rpc::Status::decode(status.details()).map(|whole| whole.details);
    rpc::Status {
        code: status.code() as i32,
        message: status.message().to_owned(),
        details: details.unwrap_or_default(),
    }
}
