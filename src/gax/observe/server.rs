//! The server that calls are for, as spans and metrics name it.

use http::Uri;
use std::sync::Arc;

/// The server that a client is configured for. Telemetry names this one and not the address that a
/// connection reached, so that the number of values stays small.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) address: Arc<str>,
    pub(super) port: Option<u16>,
    /// The same in one text, as gRPC's metrics have it.
    #[cfg(feature = "metrics")]
    pub(super) target: Arc<str>,
}

impl Server {
    /// The server of an origin; `None` if it has no host.
    pub(super) fn of(origin: &Uri) -> Option<Self> {
        let (address, port) = (host(origin)?, port(origin));
        Some(Self {
            address: address.into(),
            port,
            #[cfg(feature = "metrics")]
            target: match port {
                Some(port) => format!("{}:{port}", origin.host()?).into(),
                None => address.into(),
            },
        })
    }
}

/// The host of an origin, without the brackets of an IPv6 address.
pub(super) fn host(origin: &Uri) -> Option<&str> {
    origin.host().map(|host| host.trim_matches(['[', ']']))
}

/// The port of an origin, or the default port of its scheme if it has none.
pub(super) fn port(origin: &Uri) -> Option<u16> {
    let usual = || match origin.scheme_str()? {
        "https" => Some(443),
        "http" => Some(80),
        _ => None,
    };
    origin.port_u16().or_else(usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_address_and_port_of_an_origin() {
        let of = |origin: &'static str| {
            Server::of(&Uri::from_static(origin))
                .map(|server| (server.address.to_string(), server.port))
        };
        let named = |address: &str, port| Some((address.to_owned(), Some(port)));
        assert_eq!(of("https://service.test"), named("service.test", 443));
        assert_eq!(of("http://127.0.0.1:8080"), named("127.0.0.1", 8080));
        assert_eq!(of("http://[::1]"), named("::1", 80));
        assert_eq!(of("/google.longrunning.Operations/GetOperation"), None);
    }

    #[cfg(feature = "metrics")]
    #[test]
    fn the_target_of_an_origin_has_brackets_around_ipv6() {
        let of = |origin| Server::of(&Uri::from_static(origin)).map(|s| s.target.to_string());
        assert_eq!(of("https://service.test").as_deref(), Some("service.test:443"));
        assert_eq!(of("http://[::1]").as_deref(), Some("[::1]:80"));
    }
}
