//! The connections below the stack: from an address to an HTTP/2 stream.

pub(crate) mod bottom;
pub(crate) mod connect;
pub(crate) mod connection;
pub(crate) mod pool;
pub(crate) mod tls;
