//! The tower stack that every call goes through.
//!
//! ```text
//! Buffer     only under raw stubs: a unary call's message, collected once
//! Headers    who is calling, and which origin: the same for every attempt
//! Retry      the deadline of the call, and attempts until `policy::decide` says stop;
//!            an attempt has a limit, sends it in `grpc-timeout`, and collects the whole response
//! Auth       a token for each attempt
//!            your own layers
//! Bottom     the client's connections, or a channel of your own
//! ```
//!
//! A typed call enters at `Headers`, because its message is in one piece already. A raw stub enters
//! at `Buffer`. Each layer has one entrance, `Service::call`, and passes on what it does not act on:
//! a call that is not known to be unary goes through once, within its own timeout.
//!
//! The limit of an attempt covers everything below it: readiness, a token, connecting, sending,
//! the response's headers, its body and its trailers. tonic's and tower's own timeouts end at the
//! headers, and let a stalled body hang.

pub(crate) mod auth;
pub(crate) mod buffer;
pub(crate) mod collect;
pub(crate) mod grpc_timeout;
pub(crate) mod headers;
pub(crate) mod policy;
mod ready;
pub(crate) mod retry;
pub(crate) mod stream;

use crate::gax::{net::bottom::Bottom, observe::Observer, policy::CallPolicy};
use auth::{Auth, AuthLayer};
use headers::{Headers, HeadersLayer};
use retry::Retry;
use std::sync::Arc;
use tower::Layer;

/// The stack over the client's connections.
pub(crate) type Stack = Headers<Retry<Auth<Bottom>>>;

/// Puts the stack together.
pub(crate) fn stack(
    headers: &HeadersLayer,
    policy: CallPolicy,
    auth: &AuthLayer,
    bottom: Bottom,
    observer: Arc<Observer>,
) -> Stack {
    headers.layer(Retry::new(auth.layer(bottom), policy, observer))
}
