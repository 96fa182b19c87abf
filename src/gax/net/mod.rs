//! The connections below the stack: from an address to an HTTP/2 stream.

pub(crate) mod bottom;
pub(crate) mod connection;
pub(crate) mod connector;
pub(crate) mod dial;
pub(crate) mod endpoint;
pub(crate) mod pool;
pub(crate) mod tls;
