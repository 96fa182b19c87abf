//! The builder of a client: its endpoint, its credentials, its connections and its policy.

mod connect;
mod declare;
mod mixins;
mod shared;
pub(crate) mod stub;

pub use connect::Preparation;
pub(crate) use declare::client;
pub(crate) use mixins::mixins;
pub use stub::GrpcStack;
pub(crate) use stub::client_stack;

#[cfg(feature = "adc")]
use crate::gax::adc::application_default;
#[cfg(not(feature = "adc"))]
use crate::gax::credentials::application_default;
use crate::gax::{
    call::{Call, Core},
    credentials::{Credentials, DEFAULT_UNIVERSE_DOMAIN},
    error::{BoxError, Error},
    name::OperationName,
    net::{
        bottom::{Bottom, BoxChannel, box_channel},
        connector::Connector,
        dial::Dial,
        endpoint::{Endpoint, without_user},
        liveness::{Keepalive, MIN_PING_INTERVAL},
        pool::{Connections, PoolLimits},
        tls::Tls,
    },
    observe::{self, Observer, Propagator},
    operation::Operation,
    policy::{Budget, CallPolicy, PollPolicy, RetryPolicy, Timeouts},
    rpc::{Idempotency, LongRunning, Rpc},
    stack::{self, auth::AuthLayer, headers::HeadersLayer},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use http_body::Body as HttpBody;
use shared::Shared;
use std::{env, fmt, marker::PhantomData, sync::Arc, time::Duration};
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::{Code, body::Body};
use tower::{Layer, Service, layer::layer_fn};

/// A client that a [`Builder`] can build.
pub trait Client: sealed::Sealed + Sized {
    /// The first part of the service's host name: the part before the universe domain.
    const SERVICE: &'static str;
    /// The variable that names an emulator's `host:port`.
    const EMULATOR_VARIABLE: &'static str;

    /// Builds a client of this kind: what the client's own `builder` gives, for generic code.
    fn builder() -> Builder<Self> {
        Builder::new()
    }

    /// The methods that a raw stub over this client's stack calls, by their HTTP/2 path.
    #[doc(hidden)]
    fn classify(path: &str) -> Option<Idempotency>;

    #[doc(hidden)]
    fn over(core: Arc<Core>, preparation: Preparation) -> Self;

    #[doc(hidden)]
    fn core(&self) -> &Arc<Core>;

    /// Returns a call for a request message of any method, as the client's own `call` does.
    ///
    #[doc = include_str!("../../guide/examples/generic_call.md")]
    fn call<R: Rpc>(&self, request: R) -> Call<R> {
        Call::new(self.core().clone(), request)
    }

    /// Resumes an operation that a request of type `R` started, as the client's own `resume` does.
    fn resume<R: LongRunning>(
        &self,
        operation: &OperationName,
    ) -> Operation<R::Output, R::Metadata> {
        Operation::resumed(self.core().clone(), operation.clone()).started_by::<R>()
    }

    /// Returns the whole stack as a service for a raw tonic stub, as the client's own `stack` does.
    fn stack(&self) -> GrpcStack {
        client_stack(self.core(), Self::classify)
    }
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

/// The scope that the API asks of its callers.
const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Builds a client. The defaults suit a backend in production.
///
#[doc = include_str!("../../guide/examples/builder.md")]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder<C> {
    endpoint: Option<String>,
    universe_domain: Option<String>,
    identity: Option<Identity>,
    quota_project: Option<String>,
    scopes: Vec<String>,
    allows_plaintext_tokens: bool,
    tls: Tls,
    proxy: Option<String>,
    dial: Option<Dial>,
    channel: Option<BoxChannel>,
    layers: Vec<Wrap>,
    connect_timeout: Duration,
    keepalive: Option<Keepalive>,
    pool: PoolLimits,
    policy: CallPolicy,
    fills_request_ids: bool,
    poll: PollPolicy,
    propagator: Option<Propagator>,
    client: PhantomData<fn() -> C>,
}

type Wrap = Box<dyn FnOnce(BoxChannel) -> BoxChannel + Send + Sync>;

enum Identity {
    Anonymous,
    Given(Credentials),
}

impl<C: Client> Builder<C> {
    pub(crate) fn new() -> Self {
        Self {
            endpoint: None,
            universe_domain: None,
            identity: None,
            quota_project: None,
            scopes: vec![CLOUD_PLATFORM.to_owned()],
            allows_plaintext_tokens: false,
            tls: Tls::new(),
            proxy: None,
            dial: None,
            channel: None,
            layers: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            keepalive: Some(Keepalive {
                interval: Duration::from_secs(30),
                timeout: Duration::from_secs(10),
            }),
            pool: PoolLimits::default(),
            policy: CallPolicy::new(),
            fills_request_ids: true,
            poll: PollPolicy::default(),
            propagator: None,
            client: PhantomData,
        }
    }

    /// Sets the origin to call instead of the service's own, such as `https://host:port`, or
    /// `http://127.0.0.1:8080` for plaintext. For plaintext, the builder does not look for credentials.
    pub fn endpoint(mut self, origin: impl Into<String>) -> Self {
        self.endpoint = Some(origin.into());
        self
    }

    /// Sets the universe domain of the service: `googleapis.com` unless set here or by the variable
    /// `GOOGLE_CLOUD_UNIVERSE_DOMAIN`. Tokens of another universe are not sent: the call fails as
    /// `FAILED_PRECONDITION`.
    pub fn universe_domain(mut self, domain: impl Into<String>) -> Self {
        self.universe_domain = Some(domain.into());
        self
    }

    /// Calls with these credentials instead of
    /// [Application Default Credentials](https://cloud.google.com/docs/authentication/application-default-credentials):
    /// a [`TokenSource`](crate::gax::credentials::TokenSource) of your own, such as a closure, or
    /// credentials of `google-cloud-auth` (feature `adc`).
    ///
    #[doc = include_str!("../../guide/examples/credentials.md")]
    pub fn credentials(mut self, credentials: impl Into<Credentials>) -> Self {
        self.identity = Some(Identity::Given(credentials.into()));
        self
    }

    /// Calls without credentials, for an emulator.
    pub fn anonymous(mut self) -> Self {
        self.identity = Some(Identity::Anonymous);
        self
    }

    /// Sets the project that pays for the calls with its quota and its bill, instead of the project
    /// that `GOOGLE_CLOUD_QUOTA_PROJECT` or the credentials name.
    pub fn quota_project(mut self, project: impl Into<String>) -> Self {
        self.quota_project = Some(project.into());
        self
    }

    /// Sets the OAuth 2.0 scopes of Application Default Credentials: `cloud-platform` unless set.
    pub fn scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Allows tokens over plaintext to hosts other than this machine, where anyone on the network can
    /// read them. Without this, `build` refuses such an endpoint.
    pub fn allow_plaintext_tokens(mut self) -> Self {
        self.allows_plaintext_tokens = true;
        self
    }

    /// Sets the trusted authorities and the client's certificate.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// Connects through this proxy, such as `http://proxy:3128` or `socks5h://proxy:1080`, instead of
    /// the proxy that the environment names.
    pub fn proxy(mut self, proxy: impl Into<String>) -> Self {
        self.proxy = Some(proxy.into());
        self
    }

    /// Opens byte streams with this service instead of TCP. TLS runs over them if the endpoint is
    /// `https`.
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

    /// Sends requests to this service, a channel of your own, instead of opening connections.
    ///
    /// The client assumes that the channel is encrypted. It sends credentials only if you set them.
    pub fn channel<S, B>(mut self, channel: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.channel = Some(box_channel(channel));
        self
    }

    /// Adds a layer of your own directly above the connections. It sees every attempt, with its token.
    /// The last layer added is the outermost.
    ///
    /// The layer's service must be `Clone`, because calls run at the same time. For a service that is
    /// not, use [`shared_layer`](Self::shared_layer).
    pub fn layer<L, B>(mut self, layer: L) -> Self
    where
        L: Layer<BoxChannel> + Send + Sync + 'static,
        L::Service: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request<Body>>>::Error: Into<BoxError>,
        <L::Service as Service<Request<Body>>>::Future: Send,
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.layers.push(Box::new(move |inner| box_channel(layer.layer(inner))));
        self
    }

    /// Adds a layer of your own whose service cannot be cloned, such as tower's `RateLimitLayer`.
    ///
    /// All calls share the one service. A call waits while another call waits for the service to be
    /// ready. The layer is in the same place as one of [`layer`](Self::layer).
    pub fn shared_layer<L, B>(self, layer: L) -> Self
    where
        L: Layer<BoxChannel> + Send + Sync + 'static,
        L::Service: Service<Request<Body>, Response = Response<B>> + Send + 'static,
        <L::Service as Service<Request<Body>>>::Error: Into<BoxError>,
        <L::Service as Service<Request<Body>>>::Future: Send,
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.layer(layer_fn(move |inner| Shared::new(layer.layer(inner))))
    }

    /// Limits the time to open a connection, from DNS to the HTTP/2 settings: 10 s unless set.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// Pings a connection that carries calls every `interval`, and closes it if nothing comes within
    /// `timeout`: 30 s and 10 s unless set, at least 10 s and 100 ms. The interval doubles when a server
    /// says that it is too short
    /// ([gRFC A8](https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md)). `timeout`
    /// is TCP's user timeout as well
    /// ([gRFC A18](https://github.com/grpc/proposal/blob/master/A18-tcp-user-timeout.md)).
    ///
    /// Besides, a connection that is silent for a second while a call waits is pinged once, and takes
    /// no new calls until something arrives.
    pub fn keep_alive(mut self, interval: Duration, timeout: Duration) -> Self {
        let interval = interval.max(MIN_PING_INTERVAL);
        let timeout = timeout.max(Duration::from_millis(100));
        self.keepalive = Some(Keepalive { interval, timeout });
        self
    }

    /// Never pings. Calls on a connection whose peer is gone then wait until their own timeouts.
    pub fn without_keep_alive(mut self) -> Self {
        self.keepalive = None;
        self
    }

    /// Sets the number of connections and of the calls on each.
    pub fn pool(mut self, limits: PoolLimits) -> Self {
        self.pool = limits;
        self
    }

    /// Sets the timeouts of calls and attempts. A call can replace them.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.policy.timeouts = timeouts;
        self
    }

    /// Sets how calls are retried. A call can replace it.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.policy.retry = retry;
        self
    }

    /// Sets the budget for retries, which all clones of the client share.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.policy.budget = budget;
        self
    }

    /// Sets how waits for operations and for states of resources poll. A wait can replace it.
    pub fn poll_policy(mut self, policy: PollPolicy) -> Self {
        self.poll = policy;
        self
    }

    /// Sets the maximum size of a response message in bytes: 64 MiB unless set.
    pub fn max_response_size(mut self, bytes: usize) -> Self {
        self.policy.max_response_size = bytes;
        self
    }

    /// Leaves `request_id` empty unless the caller sets it. A mutation without an id is sent again only
    /// if it certainly never reached the service.
    pub fn without_request_ids(mut self) -> Self {
        self.fills_request_ids = false;
        self
    }

    /// Continues traces in the service: `propagator` writes the headers of the current trace, such as
    /// `traceparent` ([W3C Trace Context](https://www.w3.org/TR/trace-context/)), into an empty map.
    ///
    /// The client calls it for each attempt, inside the span of the attempt. It adds these headers to
    /// the request, but for those that the request has already. Calls that pass through a raw stub
    /// untouched get none.
    ///
    #[doc = include_str!("../../guide/examples/propagator.md")]
    pub fn propagator(
        mut self,
        propagator: impl Fn(&mut HeaderMap) + Send + Sync + 'static,
    ) -> Self {
        self.propagator = Some(Arc::new(propagator));
        self
    }

    /// Builds the client. Nothing is connected until the first call.
    ///
    /// # Errors
    /// Fails if the endpoint or a setting is invalid, if tokens would go over plaintext, or if the file of
    /// Application Default Credentials cannot be used. They need the feature `adc`: without it, `https`
    /// needs [`credentials`](Self::credentials) or [`anonymous`](Self::anonymous).
    pub fn build(mut self) -> Result<C, Error> {
        set_by_variable(&mut self.universe_domain, "GOOGLE_CLOUD_UNIVERSE_DOMAIN");
        set_by_variable(&mut self.quota_project, "GOOGLE_CLOUD_QUOTA_PROJECT");
        let endpoint = self.find_endpoint()?;
        let auth = self.authenticate(&endpoint)?;
        let headers = HeadersLayer::new(endpoint.uri()).expect("an endpoint is a whole origin");
        observe::describe();
        let observer = Arc::new(Observer::new(endpoint.uri(), self.propagator.take()));
        let (bottom, connections) = self.take_bottom(endpoint)?;
        if let Some(connections) = &connections {
            observer.watch_pool(connections.diagnostics());
        }
        let limit = self.policy.timeouts.total();
        let preparation = Preparation { auth: auth.clone(), connections, limit };
        let policy = self.policy.clone();
        let stack = stack::stack(&headers, policy, &auth, bottom, observer.clone());
        Ok(C::over(
            Arc::new(Core {
                stack,
                policy: self.policy,
                fills_request_ids: self.fills_request_ids,
                poll: self.poll,
                observer,
            }),
            preparation,
        ))
    }

    fn find_endpoint(&mut self) -> Result<Endpoint, Error> {
        if let Some(origin) = &self.endpoint {
            return Endpoint::new(origin);
        }
        let is_own = self.channel.is_some() || self.dial.is_some();
        if let Some(host) = variable(C::EMULATOR_VARIABLE).filter(|_| !is_own) {
            self.identity = Some(Identity::Anonymous);
            let origin = if host.contains("://") { host } else { format!("http://{host}") };
            return Endpoint::new(origin);
        }
        let domain = self.universe_domain.as_deref().unwrap_or(DEFAULT_UNIVERSE_DOMAIN);
        Endpoint::new(format!("https://{}.{domain}", C::SERVICE))
    }

    fn authenticate(&mut self, endpoint: &Endpoint) -> Result<AuthLayer, Error> {
        let quota_project = self.quota_project.as_deref();
        let credentials = match self.identity.take() {
            Some(Identity::Anonymous) => return Ok(AuthLayer::anonymous()),
            Some(Identity::Given(credentials)) => credentials,
            None if self.channel.is_some() || !endpoint.is_encrypted() => {
                return Ok(AuthLayer::anonymous());
            }
            None => application_default(&self.scopes, quota_project)?,
        };
        let has_detour = self.proxy.is_some() || self.dial.is_some();
        let is_private = endpoint.keeps_secrets(has_detour) || self.channel.is_some();
        if !is_private && !self.allows_plaintext_tokens {
            let message = format!(
                "tokens are not sent over plaintext to {endpoint}: use https, \
                 or `allow_plaintext_tokens` where the network is trusted"
            );
            return Err(Error::new(Code::FailedPrecondition, message));
        }
        let project = quota_project.map(HeaderValue::try_from).transpose().map_err(|e| {
            Error::new(Code::InvalidArgument, "the quota project is not a header value")
                .with_source(e)
        })?;
        let domain = self.universe_domain.as_deref().unwrap_or(DEFAULT_UNIVERSE_DOMAIN);
        Ok(AuthLayer::new(credentials).with_quota_project(project).universe_domain(domain))
    }

    fn take_bottom(&mut self, endpoint: Endpoint) -> Result<(Bottom, Option<Connections>), Error> {
        let (mut bottom, connections) = match self.channel.take() {
            Some(channel) => (Bottom::Channel(channel), None),
            None => {
                let user_timeout = self.keepalive.map(|keepalive| keepalive.timeout);
                let mut connector = Connector::new(endpoint, &self.tls, self.connect_timeout)?
                    .with_user_timeout(user_timeout);
                if let Some(proxy) = &self.proxy {
                    connector = connector.with_proxy(proxy)?;
                }
                if let Some(dial) = self.dial.take() {
                    connector = connector.with_dial(dial);
                }
                let connections = Connections::new(connector, self.pool, self.keepalive);
                (Bottom::Connections(connections.clone()), Some(connections))
            }
        };
        for wrap in self.layers.drain(..) {
            bottom = Bottom::Channel(wrap(bottom.into_channel()));
        }
        Ok((bottom, connections))
    }
}

fn set_by_variable(setting: &mut Option<String>, name: &str) {
    *setting = setting.take().or_else(|| variable(name));
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

impl<C> fmt::Debug for Builder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("endpoint", &self.endpoint.as_deref().map(without_user))
            .field("universe_domain", &self.universe_domain)
            .field("quota_project", &self.quota_project)
            .field("tls", &self.tls)
            .field("pool", &self.pool)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
