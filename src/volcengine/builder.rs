//! How the service is put together: as whom it signs, what it calls, and within which limits.

use super::{AccessKey, Inner, MAX_RESPONSE, TimeShift, https, rate_limiter::RateLimiter};
use crate::gax::{
    error::{BoxError, Error},
    net::{
        dial::{BoxIo, Dial},
        endpoint::Endpoint,
        tls::Tls,
    },
    policy::{Budget, CallPolicy, RetryPolicy, Timeouts},
};
use http::Uri;
use std::{fmt, sync::Arc, time::Duration};
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::Code;
use tower::{Service, ServiceExt, util::BoxCloneSyncService};

const ORIGIN: &str = "https://live.volcengineapi.com";

/// Builds a [`TimeShift`]. Everything has a default that suits a backend in production.
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
            connect_timeout: Duration::from_secs(10),
            requests_per_second: 10,
            policy: CallPolicy::new().with_max_response_size(MAX_RESPONSE),
        }
    }

    /// Signs with these keys, instead of those in the environment.
    pub fn access_key(mut self, key: AccessKey) -> Self {
        self.access_key = Some(key);
        self
    }

    /// Calls this origin instead of `https://live.volcengineapi.com`. Plaintext, such as
    /// `http://127.0.0.1:8080`, only where it stays on this machine.
    pub fn endpoint(mut self, origin: impl Into<String>) -> Self {
        self.origin = origin.into();
        self
    }

    /// Whom to trust.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// Goes through this proxy, such as `http://proxy:3128` or `socks5h://proxy:1080`, instead of
    /// the one that the environment names.
    pub fn proxy(mut self, proxy: impl Into<String>) -> Self {
        self.proxy = Some(proxy.into());
        self
    }

    /// Lets this service open the byte streams, instead of TCP; TLS goes over them where the
    /// endpoint says `https`.
    pub fn connector<S, IO>(mut self, connector: S) -> Self
    where
        S: Service<Uri, Response = IO> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let boxed = connector
            .map_response(|io| Box::new(io) as BoxIo)
            .map_err(Into::into as fn(S::Error) -> BoxError);
        self.dial = Some(Dial::Custom(BoxCloneSyncService::new(boxed)));
        self
    }

    /// How long opening a connection may take, TLS included; 10 s unless set.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// How long calls, and attempts, may take; 60 s unless set.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.policy.timeouts = timeouts;
        self
    }

    /// How listing is retried; nothing else is.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.policy.retry = retry;
        self
    }

    /// What retries may cost a failing service.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.policy.budget = budget;
        self
    }

    /// The most requests in any second, retries included; others wait for their turn. 10 unless
    /// set, which is what the vendor allows one user. 0 counts as 1.
    pub fn requests_per_second(mut self, most: u32) -> Self {
        self.requests_per_second = most;
        self
    }

    /// Puts the service together. Nothing is sent yet.
    ///
    /// # Errors
    /// If there are no keys, the endpoint is not an origin, the proxy is not one, or TLS cannot be
    /// set up.
    pub fn build(self) -> Result<TimeShift, Error> {
        let endpoint = Endpoint::new(&self.origin)?;
        if !endpoint.is_encrypted() && !endpoint.is_loopback() {
            let message = format!("keys are not used over plaintext to {endpoint}: use https");
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
            keys: self.access_key.map_or_else(AccessKey::from_env, Ok)?,
            pace: RateLimiter::new(self.requests_per_second),
            policy: self.policy,
        })))
    }
}

/// What is sent, and signed, as the host: with its port, unless that is 80 or 443.
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
            .field("origin", &self.origin)
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
    fn the_port_is_part_of_the_host_unless_it_is_a_usual_one() {
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
    fn keys_are_not_used_over_plaintext_to_other_machines() {
        let keys = AccessKey::new("AKSHOWN", "SKSHOWN").expect("valid");
        let builder = TimeShift::builder().access_key(keys);
        let shown = format!("{builder:?}");
        assert!(!shown.contains("SHOWN"), "{shown}");
        let refused = builder.endpoint("http://live.volcengineapi.com").build();
        assert!(refused.expect_err("plaintext").is_failed_precondition());
    }
}
