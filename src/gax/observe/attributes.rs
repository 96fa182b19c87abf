//! The names and values that spans, metrics and diagnostics have in common: those of
//! [OpenTelemetry's conventions for RPC](https://opentelemetry.io/docs/specs/semconv/rpc/grpc/), version
//! 1.45.

use tonic::Code;

/// The `error.type` of a call whose response the client could not read. Its code is the server's: OK.
#[cfg(any(feature = "tracing", feature = "metrics"))]
pub(super) const UNREADABLE: &str = "unreadable_response";

/// The fully qualified method that an HTTP/2 path names.
pub(super) fn method(path: &str) -> &str {
    path.strip_prefix('/').unwrap_or(path)
}

/// The name of a code in
/// [gRPC's list](https://github.com/grpc/grpc/blob/master/doc/statuscodes.md).
pub(super) const fn code_name(code: Code) -> &'static str {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_code_has_its_own_name() {
        let names = (0..17).map(|code| code_name(Code::from_i32(code)));
        let names = names.collect::<std::collections::BTreeSet<_>>();
        assert_eq!(names.len(), 17);
    }
}
