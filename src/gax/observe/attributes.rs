//! The attributes that spans and numbers have in common.

use http::Uri;

/// The service and the method that an HTTP/2 path names.
pub(super) fn parts_of(path: &str) -> (&str, &str) {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.rsplit_once('/').unwrap_or(("", path))
}

/// A server's host.
pub(super) fn host(server: &Uri) -> Option<&str> {
    server.host().map(|host| host.trim_matches(['[', ']']))
}

/// A server's port, or the default port of its scheme if the address has none.
pub(super) fn port(server: &Uri) -> Option<u16> {
    let usual = || match server.scheme_str()? {
        "https" => Some(443),
        "http" => Some(80),
        _ => None,
    };
    server.port_u16().or_else(usual)
}
