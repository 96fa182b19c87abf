//! The builder of [`TimeShift`].

use super::{AccessKey, Inner, MAX_RESPONSE, TimeShift, https, rate_limiter::RateLimiter};
use crate::gax::{
    error::{BoxError, Error},
    net::{
        dial::Dial,
        endpoint::{Endpoint, without_user},
        tls::Tls,
    },
    policy::{Budget, CallPolicy, RetryPolicy, Timeouts},
};
use http::Uri;
use std::{fmt, sync::Arc, time::Duration};
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::Code;
use tower::Service;

const ORIGIN: &str = "https://live.volcengineapi.com";

/// Builds a [`TimeShift`]. The defaults are suitable for production.
///
/// # Examples
///
/// ```no_run
/// # fn main() -> Result<(), livestream_client::Error> {
/// use livestream_client::{policy::Timeouts, volcengine::{AccessKey, TimeShift}};
/// use std::time::Duration;
///
/// let service = TimeShift::builder()
///     .access_key(AccessKey::new("AKLTEXAMPLE", "c2VjcmV0")?)
///     .timeouts(Timeouts::new(Duration::from_secs(20)).with_attempt(Duration::from_secs(5)))
///     .requests_per_second(5)
///     .build()?;
/// # Ok(()) }
/// ```
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    access_key: Option<AccessKey>,
    origin: String,
    tls: Tls,
    proxy: Option<String>,
    dial: Option<Dial>,
    allows_plaintext_tokens: bool,
    connect_timeout: Duration,
    requests_per_second: u32,
    policy: CallPolicy,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            access_key: None,
            origin: ORIGIN.to_owned(),
            tls: Tls::new(),
            proxy: None,
            dial: None,
            allows_plaintext_tokens: false,
            connect_timeout: Duration::from_secs(10),
            requests_per_second: 10,
            policy: CallPolicy::new().with_max_response_size(MAX_RESPONSE),
        }
    }

    /// Sets the access key. The default is the access key from the
    /// [environment](AccessKey::from_env).
    pub fn access_key(mut self, access_key: AccessKey) -> Self {
        self.access_key = Some(access_key);
        self
    }

    /// Sets the origin of the service. The default is `https://live.volcengineapi.com`.
    ///
    /// An `http` origin must be a loopback address, such as `http://127.0.0.1:8080`, without a proxy
    /// or a connector.
    pub fn endpoint(mut self, origin: impl Into<String>) -> Self {
        self.origin = origin.into();
        self
    }

    /// Sets the TLS configuration, such as trusted certificate authorities.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// Sets a proxy, such as `http://proxy:3128` or `socks5h://proxy:1080`. The default is the
    /// proxy from the environment.
    pub fn proxy(mut self, proxy: impl Into<String>) -> Self {
        self.proxy = Some(proxy.into());
        self
    }

    /// Sets a service that opens byte streams, in place of TCP connections. TLS runs over them if
    /// the endpoint is `https`.
    pub fn connector<S, IO>(mut self, connector: S) -> Self
    where
        S: Service<Uri, Response = IO> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.dial = Some(Dial::custom(connector));
        self
    }

    /// Allows signed requests over plaintext to hosts other than this machine, through a proxy and
    /// through a connector. Anyone on the network can then read the session token and use the
    /// signature. Without this, `build` refuses such a configuration.
    pub fn allow_plaintext_tokens(mut self) -> Self {
        self.allows_plaintext_tokens = true;
        self
    }

    /// Sets the maximum time to open a connection, including the TLS handshake. The default is 10
    /// s.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// Sets the timeouts of calls and attempts. The default is 60 s.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.policy.timeouts = timeouts;
        self
    }

    /// Sets the retry policy for listing presets. The client does not retry other calls.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.policy.retry = retry;
        self
    }

    /// Sets the retry budget, which limits the load of retries on a failing service.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.policy.budget = budget;
        self
    }

    /// Sets the maximum number of requests in any second, including retries. Further requests wait.
    ///
    /// The default is 10, which is the vendor's limit for one user. 0 is the same as 1.
    pub fn requests_per_second(mut self, max: u32) -> Self {
        self.requests_per_second = max;
        self
    }

    /// Builds the service. This sends nothing.
    ///
    /// # Errors
    /// Returns an error if there is no access key, if the endpoint is not an origin or not allowed,
    /// if the proxy is not valid, or if the TLS configuration fails.
    pub fn build(self) -> Result<TimeShift, Error> {
        let endpoint = Endpoint::new(&self.origin)?;
        let has_detour = self.proxy.is_some() || self.dial.is_some();
        if !endpoint.keeps_secrets(has_detour) && !self.allows_plaintext_tokens {
            let message = format!(
                "session tokens and signatures are not sent over plaintext to {endpoint}: use https, \
                 or `allow_plaintext_tokens` where the network is trusted"
            );
            return Err(Error::new(Code::FailedPrecondition, message));
        }
        let dial = match (self.dial, self.proxy) {
            (Some(dial), _) => dial,
            (None, Some(proxy)) => Dial::through(&proxy, &endpoint)?,
            (None, None) => Dial::to(&endpoint),
        };
        Ok(TimeShift(Arc::new(Inner {
            https: https::https(dial, &self.tls, self.connect_timeout)?,
            host: host(&endpoint),
            endpoint,
            access_key: self.access_key.map_or_else(AccessKey::from_env, Ok)?,
            rate_limiter: RateLimiter::new(self.requests_per_second),
            policy: self.policy,
        })))
    }
}

/// The value of the `host` header, which is signed. It includes the port unless that is 80 or 443.
fn host(endpoint: &Endpoint) -> String {
    let uri = endpoint.uri();
    let name = uri.host().unwrap_or_default();
    match uri.port_u16() {
        None | Some(80 | 443) => name.to_owned(),
        Some(port) => format!("{name}:{port}"),
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("origin", &without_user(&self.origin))
            .field("access_key", &self.access_key)
            .field("tls", &self.tls)
            .field("requests_per_second", &self.requests_per_second)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_header_omits_the_ports_80_and_443() {
        for (origin, expected) in [
            ("https://live.volcengineapi.com", "live.volcengineapi.com"),
            ("https://live.volcengineapi.com:443", "live.volcengineapi.com"),
            ("http://127.0.0.1:80/", "127.0.0.1"),
            ("https://127.0.0.1:18080", "127.0.0.1:18080"),
            ("http://[::1]:8080", "[::1]:8080"),
        ] {
            assert_eq!(host(&Endpoint::new(origin).expect(origin)), expected);
        }
    }

    #[test]
    fn access_key_is_refused_for_a_plaintext_endpoint() {
        let key = AccessKey::new("AKSHOWN", "SKSHOWN").expect("valid");
        let builder = TimeShift::builder().access_key(key).endpoint("https://me:SHOWN@host");
        let shown = format!("{builder:?}");
        assert!(!shown.contains("SHOWN"), "{shown}");
        let result = builder.endpoint("http://live.volcengineapi.com").build();
        assert!(result.expect_err("plaintext").is_failed_precondition());
    }
}
