//! The engine of the clients: what every Google API over gRPC has in common.
//!
//! GAX ("Google API extensions") is the established name for this part of a client library. It knows
//! gRPC and the API conventions (AIPs), and it names no service: a client gives it the facts of its
//! methods, which are generated from the service definitions.
//!
//! A call goes straight down from an API method to the wire, and straight back up:
//!
//! ```text
//! call, page, operation   one request, one listing, one long-running operation
//!   stack                 headers, deadline, retries, authentication: tower services
//!     net                 connections: dialling, TLS, HTTP/2, the pool
//! ```
//!
//! Below them stand plain facts and decisions: `rpc`, `name`, `error` and `policy`.

#![expect(
    clippy::manual_async_fn,
    reason = "an async fn keeps its arguments twice, and allocators are slow above a kilobyte"
)]

#[cfg(feature = "adc")]
mod adc;
mod body;
pub(crate) mod call;
pub(crate) mod client;
pub(crate) mod context;
pub mod credentials;
pub(crate) mod descriptor;
mod details;
pub(crate) mod error;
pub(crate) mod name;
pub(crate) mod net;
pub(crate) mod observe;
pub(crate) mod operation;
pub(crate) mod page;
mod planted;
pub mod policy;
pub(crate) mod poll;
pub mod rpc;
pub(crate) mod stack;
mod sync;
pub(crate) mod transport_error;
