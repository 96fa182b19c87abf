//! The attributes of spans that OpenTelemetry's conventions for gRPC, version 1.45, define.

use super::Entry;
use livestream_client::rpc::Method;
use std::collections::BTreeSet;

/// How strongly the conventions ask for an attribute.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Level {
    Required,
    /// If the call failed.
    IfFailed,
    /// If the name of the method is not the known one. Then the call has no span.
    IfUnknownMethod,
    /// If the client knows the address, that is, on its own connections over TCP.
    Recommended,
}

/// The attributes of the client span, which the spans of attempts have too,
/// [as documented](https://github.com/open-telemetry/semantic-conventions/blob/main/docs/rpc/grpc.md):
/// the required and the recommended ones, and those that are required under a condition.
const ATTRIBUTES: &[(&str, Level)] = &[
    ("rpc.system.name", Level::Required),
    ("rpc.method", Level::Required),
    ("rpc.status_code", Level::Required),
    ("server.address", Level::Required),
    ("server.port", Level::Required),
    ("error.type", Level::IfFailed),
    ("rpc.method_original", Level::IfUnknownMethod),
    ("network.peer.address", Level::Recommended),
    ("network.peer.port", Level::Recommended),
];

/// The other fields of calls and attempts: for `tracing-opentelemetry`, of gRPC and of Google's
/// clients, and this crate's own.
const OTHERS: &[&str] = &[
    "otel.name",
    "otel.kind",
    "otel.status_code",
    "previous-rpc-attempts",
    "transparent-retry",
    "gcp.client.artifact",
    "gcp.client.version",
    "gcp.grpc.resend_count",
    "attempts",
    "retry.delay",
    "retry.reason",
];

/// The fields that only a typed call has, because they come from its message.
pub const TYPED: &[&str] = &["gcp.resource.destination.id", "request_id"];

/// Whether the client knows the other end of the connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PeerAddress {
    Known,
    Unknown,
}

/// Checks a call or an attempt that ended with the code of this name.
#[track_caller]
pub fn check_attributes(method: &Method, status: &str, span: &Entry, peer: PeerAddress) {
    for (attribute, level) in ATTRIBUTES {
        let is_expected = match level {
            Level::Required => true,
            Level::IfFailed => status != "OK",
            Level::IfUnknownMethod => false,
            Level::Recommended => peer == PeerAddress::Known,
        };
        let value = span.field(attribute);
        assert_eq!(value.is_some(), is_expected, "{attribute}, {status}: {span:?}");
    }
    span.assert_fields(&[
        ("otel.kind", "client"),
        ("rpc.system.name", "grpc"),
        ("rpc.method", method.path().trim_start_matches('/')),
        ("rpc.status_code", status),
    ]);
    if status == "OK" {
        span.assert_none(&["otel.status_code"]);
    } else {
        span.assert_fields(&[("error.type", status), ("otel.status_code", "ERROR")]);
    }
    let known = ATTRIBUTES.iter().map(|(name, _)| *name);
    let known = known.chain(OTHERS.iter().copied()).chain(TYPED.iter().copied());
    let known = known.collect::<BTreeSet<_>>();
    let unknown = span.fields.0.keys().filter(|field| !known.contains(*field));
    assert_eq!(unknown.collect::<Vec<_>>(), [&""; 0], "{span:?}");
}
