//! The facts of every method that this build speaks, generated from the service definitions.

use crate::gax::rpc::{
    Filtered, Idempotency, InvalidField, LongRunning, LongRunningKind, Method, Ordered, Page,
    Paged, Redacted, Rpc, UnaryKind, require, sealed,
};

/// The method that an HTTP/2 path names; `None` where this build does not speak it.
pub fn of_path(path: &str) -> Option<&'static Method> {
    METHODS.binary_search_by(|method| method.path().cmp(path)).ok().map(|at| METHODS[at])
}

/// The methods of this crate, as a raw stub calls them: whether the encoded request carries a
/// `request_id` cannot be seen, so a mutation counts as one without.
pub fn classify(path: &str) -> Option<Idempotency> {
    of_path(path).map(|method| match method.idempotency() {
        Idempotency::Safe => Idempotency::Safe,
        Idempotency::ByRequestId | Idempotency::None => Idempotency::None,
    })
}

include!(concat!(env!("OUT_DIR"), "/facts.rs"));
