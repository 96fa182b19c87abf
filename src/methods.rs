//! The properties of every RPC method in this build, generated from the service definitions.

use crate::gax::{
    descriptor::{Described, Descriptor, Field, Kind},
    rpc::{
        Filtered, Idempotency, InvalidField, LongRunning, LongRunningKind, Method, Ordered, Packed,
        Page, Paged, Read, Redacted, Rpc, UnaryKind, require, sealed,
    },
};

/// Returns the method with an HTTP/2 path, or `None` if this build does not contain it.
pub fn of_path(path: &str) -> Option<&'static Method> {
    METHODS.binary_search_by(|method| method.path().cmp(path)).ok().map(|at| METHODS[at])
}

/// Returns the idempotency of a method that a raw stub calls, or `None` if this build does not
/// contain the method.
///
/// A mutation is treated as not idempotent. The request is already encoded, so it is not known
/// whether it contains a `request_id`.
pub fn classify(path: &str) -> Option<Idempotency> {
    of_path(path).map(|method| match method.idempotency() {
        Idempotency::Safe => Idempotency::Safe,
        Idempotency::ByRequestId | Idempotency::None => Idempotency::None,
    })
}

include!(concat!(env!("OUT_DIR"), "/facts.rs"));
include!(concat!(env!("OUT_DIR"), "/message_fields.rs"));
include!(concat!(env!("OUT_DIR"), "/enums.rs"));
