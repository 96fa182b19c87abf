//! How a client is put together: what it calls, as whom, and by which policy.

mod declare;
mod mixins;

pub(crate) use declare::client;
pub(crate) use mixins::mixins;

#[cfg(feature = "adc")]
use crate::gax::adc::application_default;
#[cfg(not(feature = "adc"))]
use crate::gax::credentials::application_default;
use crate::gax::{
    call::Core,
    context::Classify,
    credentials::Credentials,
    error::{BoxError, Error},
    net::{
        bottom::{Bottom, BoxChannel, box_channel},
        connection::Keepalive,
        connector::Connector,
        dial::BoxIo,
        endpoint::{Endpoint, without_user},
        pool::{Connections, PoolLimits},
        tls::Tls,
    },
    policy::{Budget, CallPolicy, PollPolicy, RetryPolicy, Timeouts},
    rpc::Idempotency,
    stack::{self, auth::AuthLayer, buffer::Buffer, headers::HeadersLayer},
};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri};
use http_body::Body as HttpBody;
use std::{env, fmt, marker::PhantomData, sync::Arc, time::Duration};
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service, ServiceExt, util::BoxCloneSyncService};

/// A client that a [`Builder`] can build.
pub trait Client: sealed::Sealed + Sized {
    /// The service's host below the universe domain, such as `livestream`.
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
    fn over(core: Arc<Core>) -> Self;
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

/// A service over the whole stack, for a raw tonic stub.
///
/// Its error is a [`Status`], so that a task can be spawned around a stub's call: with a boxed error,
/// the compiler cannot see that the call is `Send`.
pub type GrpcStack = BoxCloneSyncService<Request<Body>, Response<Body>, Status>;

/// Boxes a service for a raw tonic stub.
pub(crate) fn grpc_stack<S, B>(service: S) -> GrpcStack
where
    S: Service<Request<Body>, Response = Response<B>, Error = Status>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let service = service.map_response(|response: Response<B>| response.map(Body::new));
    BoxCloneSyncService::new(service)
}

/// The stack of a client, for a raw tonic stub.
pub(crate) fn client_stack(core: &Core, classify: Classify) -> GrpcStack {
    grpc_stack(Buffer::new(core.stack.clone(), core.policy.clone(), classify))
}

/// The scope that the API asks of its callers.
const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Builds a client. Everything has a default that suits a backend in production.
///
/// ```no_run
/// # async fn example() -> Result<(), livestream_client::Error> {
/// use livestream_client::{LivestreamClient, policy::Timeouts};
/// use std::time::Duration;
///
/// let client = LivestreamClient::builder()
///     .timeouts(Timeouts::new(Duration::from_secs(30)).with_attempt(Duration::from_secs(10)))
///     .build()?;
/// # Ok(()) }
/// ```
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
    dial: Option<BoxCloneSyncService<Uri, BoxIo, BoxError>>,
    channel: Option<BoxChannel>,
    layers: Vec<Wrap>,
    connect_timeout: Duration,
    keepalive: Option<Keepalive>,
    pool: PoolLimits,
    policy: CallPolicy,
    fills_request_ids: bool,
    poll: PollPolicy,
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
            client: PhantomData,
        }
    }

    /// Calls this origin instead of the service's own, such as `https://host:port`, or
    /// `http://127.0.0.1:8080` for plaintext. Over plaintext no credentials are looked for.
    pub fn endpoint(mut self, origin: impl Into<String>) -> Self {
        self.endpoint = Some(origin.into());
        self
    }

    /// The universe that the service is part of; `googleapis.com` unless set here or by
    /// `GOOGLE_CLOUD_UNIVERSE_DOMAIN`.
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

    /// Calls without credentials: for an emulator.
    pub fn anonymous(mut self) -> Self {
        self.identity = Some(Identity::Anonymous);
        self
    }

    /// The project that is billed for the calls and whose quota they use, instead of the one that
    /// `GOOGLE_CLOUD_QUOTA_PROJECT` or the credentials name.
    pub fn quota_project(mut self, project: impl Into<String>) -> Self {
        self.quota_project = Some(project.into());
        self
    }

    /// The OAuth 2.0 scopes of Application Default Credentials; `cloud-platform` unless set.
    pub fn scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Sends tokens over plaintext to hosts other than this machine, where anyone on the way can
    /// read them. Refused unless allowed here.
    pub fn allow_plaintext_tokens(mut self) -> Self {
        self.allows_plaintext_tokens = true;
        self
    }

    /// Whom to trust, and which certificate to show.
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
        self.dial = Some(BoxCloneSyncService::new(boxed));
        self
    }

    /// Calls this service instead of opening connections: a channel of your own. It is trusted to
    /// be encrypted; credentials go to it only where given by hand.
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

    /// Puts a layer of your own right above the connections: it sees every attempt, with its token.
    /// The last one added is the outermost.
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

    /// How long opening a connection may take, DNS to HTTP/2; 10 s unless set.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// Pings a connection with calls on it every `interval`, and gives it up if no answer comes
    /// within `timeout`; 30 s and 10 s unless set, and at least 100 ms each.
    pub fn keep_alive(mut self, interval: Duration, timeout: Duration) -> Self {
        const LEAST: Duration = Duration::from_millis(100);
        let (interval, timeout) = (interval.max(LEAST), timeout.max(LEAST));
        self.keepalive = Some(Keepalive { interval, timeout });
        self
    }

    /// Never pings: a connection whose peer is gone is found out by the calls on it, each in its time.
    pub fn without_keep_alive(mut self) -> Self {
        self.keepalive = None;
        self
    }

    /// How many connections to open, and what each carries.
    pub fn pool(mut self, limits: PoolLimits) -> Self {
        self.pool = limits;
        self
    }

    /// How long calls, and attempts, may take unless they say otherwise.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.policy.timeouts = timeouts;
        self
    }

    /// How calls are retried unless they say otherwise.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.policy.retry = retry;
        self
    }

    /// What retries may cost a failing service; shared by all clones of the client.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.policy.budget = budget;
        self
    }

    /// How waits, for operations and for states of resources, poll unless they say otherwise.
    pub fn poll_policy(mut self, policy: PollPolicy) -> Self {
        self.poll = policy;
        self
    }

    /// The longest answer that is read, in bytes; 64 MiB unless set.
    pub fn max_response_size(mut self, bytes: usize) -> Self {
        self.policy.max_response_size = bytes;
        self
    }

    /// Sends mutations without a `request_id` where the caller gives none. They are then retried
    /// only if they surely never arrived.
    pub fn without_request_ids(mut self) -> Self {
        self.fills_request_ids = false;
        self
    }

    /// Builds the client. Nothing is connected until the first call.
    ///
    /// # Errors
    /// If the endpoint or a setting cannot be used, if tokens would go over plaintext, or if no
    /// credentials are found. Application Default Credentials need a Tokio runtime around this, and
    /// the feature `adc`: without it, `https` needs [`credentials`](Self::credentials) or
    /// [`anonymous`](Self::anonymous).
    pub fn build(mut self) -> Result<C, Error> {
        set_by_variable(&mut self.universe_domain, "GOOGLE_CLOUD_UNIVERSE_DOMAIN");
        set_by_variable(&mut self.quota_project, "GOOGLE_CLOUD_QUOTA_PROJECT");
        let endpoint = self.find_endpoint()?;
        let auth = self.authenticate(&endpoint)?;
        let headers = HeadersLayer::new(endpoint.uri()).expect("an endpoint is a whole origin");
        let bottom = self.take_bottom(endpoint)?;
        let stack = stack::stack(&headers, self.policy.clone(), &auth, bottom);
        Ok(C::over(Arc::new(Core {
            stack,
            policy: self.policy,
            fills_request_ids: self.fills_request_ids,
            poll: self.poll,
        })))
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
        let domain = self.universe_domain.as_deref().unwrap_or("googleapis.com");
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
            None => {
                let domain = self.universe_domain.as_deref();
                application_default(&self.scopes, quota_project, domain)?
            }
        };
        // Through a proxy or a connector, what is meant for this machine may leave it.
        let stays_here = endpoint.is_loopback() && self.proxy.is_none() && self.dial.is_none();
        let is_private = endpoint.is_encrypted() || stays_here || self.channel.is_some();
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
        Ok(AuthLayer::new(credentials).with_quota_project(project))
    }

    fn take_bottom(&mut self, endpoint: Endpoint) -> Result<Bottom, Error> {
        let mut bottom = match self.channel.take() {
            Some(channel) => Bottom::Channel(channel),
            None => {
                let mut connector = Connector::new(endpoint, &self.tls, self.connect_timeout)?;
                if let Some(proxy) = &self.proxy {
                    connector = connector.with_proxy(proxy)?;
                }
                if let Some(dial) = self.dial.take() {
                    connector = connector.with_dial(dial);
                }
                Bottom::Connections(Connections::new(connector, self.pool, self.keepalive))
            }
        };
        for wrap in self.layers.drain(..) {
            bottom = Bottom::Channel(wrap(bottom.into_channel()));
        }
        Ok(bottom)
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
