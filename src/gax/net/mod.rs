//! The connections below the stack: from an address to an HTTP/2 stream.

pub(crate) mod bottom;
mod connection;
pub(crate) mod connector;
pub(crate) mod dial;
pub(crate) mod endpoint;
mod happy_eyeballs;
pub(crate) mod liveness;
pub(crate) mod pool;
pub(crate) mod tls;
mod traffic;
