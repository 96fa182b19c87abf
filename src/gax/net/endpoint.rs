//! The origin of a service.

use crate::gax::error::Error;
use http::{Uri, uri};
use std::{fmt, net::IpAddr};
use tonic::Code;

/// The origin of a service, such as `https://example.googleapis.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(Uri);

impl Endpoint {
    /// Parses `https://host`, `https://host:port`, or the same with `http` for plaintext.
    ///
    /// # Errors
    /// If the scheme is not `http` or `https`, if there is no host, or if there is a path, a query or a
    /// user.
    pub fn new(text: impl AsRef<str>) -> Result<Self, Error> {
        let text = text.as_ref();
        let refuse = || {
            let shown = without_user(text);
            let message =
                format!("not an endpoint such as https://example.googleapis.com: {shown:?}");
            Error::new(Code::InvalidArgument, message)
        };
        let uri: Uri = text.parse().map_err(|_| refuse())?;
        let is_known = matches!(uri.scheme_str(), Some("http" | "https"));
        let is_bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
        let is_hosted = uri.host().is_some_and(|host| !host.is_empty());
        let is_open = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        if is_known && is_bare && is_hosted && is_open { Ok(Self(uri)) } else { Err(refuse()) }
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.0
    }

    pub(super) fn host(&self) -> &str {
        let host = self.0.host().unwrap_or_default();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.0.scheme() == Some(&uri::Scheme::HTTPS)
    }

    /// Whether the host is this machine, so that plaintext crosses no network.
    ///
    /// This counts on the dialling: it opens connections to `localhost` on loopback addresses only,
    /// whatever a resolver says.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.host();
        host == LOCALHOST || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Whether secrets can be sent there: encrypted, or to this machine without detours. Through a
    /// proxy or a connector, what is meant for this machine may leave it.
    pub(crate) fn keeps_secrets(&self, has_detour: bool) -> bool {
        self.is_encrypted() || (self.is_loopback() && !has_detour)
    }
}

/// The name of this machine ([RFC 6761](https://www.rfc-editor.org/rfc/rfc6761#section-6.3)).
pub(crate) const LOCALHOST: &str = "localhost";

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_string().trim_end_matches('/'))
    }
}

/// The part of a text that may be shown: an invalid origin may hold a user and a password before the
/// host.
pub(crate) fn without_user(text: &str) -> &str {
    text.rsplit_once('@').map_or(text, |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_bare_origins() {
        for good in ["https://example.googleapis.com", "http://127.0.0.1:8080/", "http://[::1]:9"] {
            assert!(Endpoint::new(good).is_ok(), "{good}");
        }
        for bad in
            ["", "example.googleapis.com", "ftp://h", "https://h/v1", "https://u:p@h", "https://"]
        {
            assert!(Endpoint::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_error_of_an_invalid_endpoint_shows_the_host_without_the_user_and_the_password() {
        for (text, shown) in [
            ("https://user:p4ss@host:1", "\"host:1\""),
            ("https://user:p4@ss@host", "\"host\""),
            ("ftp://host", "\"ftp://host\""),
        ] {
            let message = Endpoint::new(text).expect_err("not a bare origin").to_string();
            assert!(message.contains(shown), "{message}");
            assert!(!message.contains("user") && !message.contains("ss@"), "{message}");
        }
    }

    #[test]
    fn loopback_is_this_machine_alone() {
        let is_loopback = |text| Endpoint::new(text).expect("valid").is_loopback();
        assert!(is_loopback("http://localhost:1"));
        assert!(is_loopback("http://127.0.0.9"));
        assert!(is_loopback("http://[::1]:80"));
        assert!(!is_loopback("http://10.0.0.1"));
        assert!(!is_loopback("http://localhost.example.com"));
    }

    #[test]
    fn secrets_go_over_plaintext_to_this_machine_without_detours() {
        let keeps =
            |text, has_detour| Endpoint::new(text).expect("valid").keeps_secrets(has_detour);
        assert!(keeps("https://example.com", true) && keeps("https://127.0.0.1", true));
        assert!(keeps("http://127.0.0.1:1", false) && !keeps("http://127.0.0.1:1", true));
        assert!(keeps("http://localhost:1", false) && !keeps("http://localhost:1", true));
        assert!(!keeps("http://example.com", false));
    }
}
