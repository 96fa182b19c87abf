//! The events of connections.

use super::server::{host, port};
use http::Uri;
use std::net::SocketAddr;
use tracing::debug;

const CONNECTIONS: &str = concat!(env!("CARGO_CRATE_NAME"), "::connections");

/// An event of a connection to this server.
macro_rules! connection {
    ($server:expr, $peer:expr, { $($field:tt)* }, $what:literal) => {
        debug!(
            target: CONNECTIONS,
            {
                server.address = host($server),
                server.port = port($server),
                network.peer.address = $peer.map(|peer| tracing::field::display(peer.ip())),
                network.peer.port = $peer.map(|peer| peer.port()),
                $($field)*
            },
            $what
        )
    };
}

pub(super) fn opened(server: &Uri, peer: Option<SocketAddr>) {
    connection!(server, peer, {}, "opened");
}

pub(super) fn unopened(server: &Uri, why: &str) {
    connection!(server, None::<SocketAddr>, { why }, "not opened");
}

pub(super) fn goaway(server: &Uri, peer: Option<SocketAddr>, why: &str) {
    connection!(server, peer, { why }, "GOAWAY");
}

pub(super) fn closed(server: &Uri, peer: Option<SocketAddr>, why: &str) {
    connection!(server, peer, { grpc.disconnect_error = why }, "closed");
}
