//! From an address to an open byte stream: DNS, TCP, proxies, TLS.
//!
//! One limit covers all of it, the TLS handshake included: limits on TCP alone let a stalled
//! handshake hang for ever. Proxies come from the usual variables (`HTTPS_PROXY`, `ALL_PROXY`,
//! `NO_PROXY` and their lower-case forms).

use super::tls::Tls;
use crate::gax::{
    error::{BoxError, Error},
    policy::Delivery,
};
use crate::gax::{stack::BoxFuture, transport_error::Fault};
use http::{Uri, uri};
use hyper_util::{
    client::{
        legacy::connect::{
            HttpConnector,
            proxy::{SocksV4, SocksV5, Tunnel},
        },
        proxy::matcher::{Intercept, Matcher},
    },
    rt::TokioIo,
};
use std::{fmt, net::IpAddr, sync::Arc, time::Duration};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        self,
        pki_types::{InvalidDnsNameError, ServerName},
    },
};
use tonic::Code;
use tower::{Service, ServiceExt, util::BoxCloneSyncService};

/// Where a service is: an origin such as `https://livestream.googleapis.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(Uri);

impl Endpoint {
    /// Parses `https://host`, `https://host:port`, or the same with `http` for plaintext.
    ///
    /// # Errors
    /// If the text has no scheme `http` or `https`, no host, or more than a bare path.
    pub fn new(text: impl AsRef<str>) -> Result<Self, Error> {
        let text = text.as_ref();
        let refuse = || {
            let shown = without_user(text);
            let message =
                format!("not an endpoint such as https://livestream.googleapis.com: {shown:?}");
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

    fn host(&self) -> &str {
        let host = self.0.host().unwrap_or_default();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.0.scheme() == Some(&uri::Scheme::HTTPS)
    }

    /// Whether the host is this machine by name or address: plaintext to it crosses no network.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.host();
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_string().trim_end_matches('/'))
    }
}

/// What may be shown of a text that should be an origin: a user and a password may stand before
/// the host.
pub(crate) fn without_user(text: &str) -> &str {
    text.rsplit_once('@').map_or(text, |(_, host)| host)
}

/// A byte stream to a server.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

pub(crate) type BoxIo = Box<dyn Io>;

/// Opens byte streams to one endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    endpoint: Endpoint,
    dial: Dial,
    tls: Option<TlsTo>,
    limit: Duration,
}

/// How the bare stream below TLS comes to be.
#[derive(Clone, Debug)]
pub(crate) enum Dial {
    Tcp(Arc<Matcher>),
    Custom(BoxCloneSyncService<Uri, BoxIo, BoxError>),
}

#[derive(Clone)]
struct TlsTo {
    connector: TlsConnector,
    server: ServerName<'static>,
}

impl fmt::Debug for TlsTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsTo").field(&self.server).finish()
    }
}

impl Connector {
    /// Dials by TCP, or through the proxy that the environment names.
    pub(crate) fn new(endpoint: Endpoint, tls: &Tls, limit: Duration) -> Result<Self, Error> {
        let tls = endpoint.is_encrypted().then(|| TlsTo::new(&endpoint, tls)).transpose()?;
        let dial = Dial::to(&endpoint);
        Ok(Self { endpoint, dial, tls, limit })
    }

    /// Dials by TCP through this proxy, whatever the environment says.
    pub(crate) fn with_proxy(mut self, proxy: &str) -> Result<Self, Error> {
        self.dial = Dial::through(proxy, &self.endpoint)?;
        Ok(self)
    }

    /// Lets `connect` open the bare stream; TLS still goes over it where the endpoint has `https`.
    pub(crate) fn with_dial(mut self, dial: BoxCloneSyncService<Uri, BoxIo, BoxError>) -> Self {
        self.dial = Dial::Custom(dial);
        self
    }

    pub(super) async fn connect(&self) -> Result<BoxIo, Fault> {
        let io = self.dial.open(self.endpoint.uri()).await;
        let io = io.map_err(|e| self.unreachable("no connection to").with_source(e))?;
        let Some(tls) = &self.tls else { return Ok(io) };
        let encrypted = tls.connector.connect(tls.server.clone(), io).await;
        let encrypted = encrypted.map_err(|e| {
            let fault = self.unreachable("no TLS connection to");
            if is_distrust(&e) { fault.made_final() } else { fault }.with_source(e)
        })?;
        match encrypted.get_ref().1.alpn_protocol() {
            Some(b"h2") => Ok(Box::new(encrypted)),
            _ => Err(self.unreachable("no HTTP/2 by ALPN at").made_final()),
        }
    }

    /// The limit on connecting, DNS to HTTP/2 settings.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    pub(super) fn server(&self) -> &Uri {
        self.endpoint.uri()
    }

    pub(super) fn unreachable(&self, what: &str) -> Fault {
        Fault::new(Code::Unavailable, Delivery::Never, format!("{what} {}", self.endpoint))
    }
}

impl Dial {
    /// By TCP, or through the proxy that the environment names for this endpoint.
    pub(crate) fn to(endpoint: &Endpoint) -> Self {
        // A proxy has no business with what never leaves this machine.
        let proxies =
            if endpoint.is_loopback() { Matcher::builder().build() } else { Matcher::from_env() };
        Self::Tcp(Arc::new(proxies))
    }

    /// By TCP through this proxy, whatever the environment says.
    pub(crate) fn through(proxy: &str, endpoint: &Endpoint) -> Result<Self, Error> {
        let matcher = Matcher::builder().all(proxy).build();
        let found = matcher.intercept(endpoint.uri());
        if !found.is_some_and(|found| PROXIES.contains(&found.uri().scheme_str().unwrap_or(""))) {
            // The text is not shown: it may hold a password.
            let message = "not a proxy such as http://proxy:3128 or socks5h://proxy:1080; \
                           the scheme is http, socks4, socks4a, socks5 or socks5h";
            return Err(Error::new(Code::InvalidArgument, message));
        }
        Ok(Self::Tcp(Arc::new(matcher)))
    }

    /// Opens a bare stream to this host.
    pub(crate) async fn open(&self, target: &Uri) -> Result<BoxIo, BoxError> {
        match self {
            Self::Tcp(proxies) => dial_tcp(proxies, target).await,
            Self::Custom(dial) => dial.clone().oneshot(target.clone()).await,
        }
    }
}

/// Whether the server's certificate is not trusted: it will not be at the next attempt either.
fn is_distrust(error: &std::io::Error) -> bool {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(tls, Some(rustls::Error::InvalidCertificate(_)))
}

impl TlsTo {
    fn new(endpoint: &Endpoint, tls: &Tls) -> Result<Self, Error> {
        let connector = TlsConnector::from(Arc::new(tls.config()?));
        let server = ServerName::try_from(endpoint.host().to_owned()).map_err(
            |e: InvalidDnsNameError| {
                let message = format!("no certificate can name {:?}", endpoint.host());
                Error::new(Code::InvalidArgument, message).with_source(e)
            },
        )?;
        Ok(Self { connector, server })
    }
}

async fn dial_tcp(proxies: &Matcher, target: &Uri) -> Result<BoxIo, BoxError> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(Duration::from_secs(60)));
    let target = with_port(target)?;
    match proxies.intercept(&target) {
        None => open(tcp, target).await,
        Some(proxy) => dial_proxy(tcp, &proxy, target).await,
    }
}

/// How proxies are spoken to.
const PROXIES: &[&str] = &["http", "socks4", "socks4a", "socks5", "socks5h"];

async fn dial_proxy(tcp: HttpConnector, proxy: &Intercept, target: Uri) -> Result<BoxIo, BoxError> {
    let at = proxy.uri().clone();
    match at.scheme_str() {
        Some("http") => {
            let tunnel = Tunnel::new(at, tcp);
            match proxy.basic_auth() {
                Some(auth) => open(tunnel.with_auth(auth.clone()), target).await,
                None => open(tunnel, target).await,
            }
        }
        Some("socks4" | "socks4a") => {
            let is_local = at.scheme_str() == Some("socks4");
            open(SocksV4::new(at, tcp).local_dns(is_local), target).await
        }
        Some("socks5" | "socks5h") => {
            let is_local = at.scheme_str() == Some("socks5");
            let socks = SocksV5::new(at, tcp).local_dns(is_local);
            match proxy.raw_auth() {
                Some((user, password)) => {
                    open(socks.with_auth(user.to_owned(), password.to_owned()), target).await
                }
                None => open(socks, target).await,
            }
        }
        other => {
            let scheme = other.unwrap_or_default();
            Err(format!("the proxy in the environment has scheme {scheme}: use one of {PROXIES:?}")
                .into())
        }
    }
}

/// Proxies need the port spelt out.
fn with_port(target: &Uri) -> Result<Uri, BoxError> {
    let port = match target.port_u16() {
        Some(port) => port,
        None if target.scheme() == Some(&uri::Scheme::HTTPS) => 443,
        None => 80,
    };
    let authority = format!("{}:{port}", target.host().unwrap_or_default());
    let scheme = target.scheme_str().unwrap_or("https");
    Ok(Uri::builder().scheme(scheme).authority(authority).path_and_query("/").build()?)
}

fn open<C, T>(connector: C, target: Uri) -> BoxFuture<BoxIo, BoxError>
where
    C: Service<Uri, Response = TokioIo<T>> + Send + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send,
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    Box::pin(async move {
        let io = connector.oneshot(target).await.map_err(Into::into)?;
        Ok(Box::new(io.into_inner()) as BoxIo)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_bare_origins() {
        for good in
            ["https://livestream.googleapis.com", "http://127.0.0.1:8080/", "http://[::1]:9"]
        {
            assert!(Endpoint::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "livestream.googleapis.com",
            "ftp://h",
            "https://h/v1",
            "https://u:p@h",
            "https://",
        ] {
            assert!(Endpoint::new(bad).is_err(), "{bad}");
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
}
