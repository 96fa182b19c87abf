//! From an address to an open byte stream: DNS, TCP and proxies.
//!
//! Proxies come from the usual variables (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY` and their lower-case
//! forms).

use super::{endpoint::Endpoint, happy_eyeballs::Tcp};
use crate::gax::{
    context::BoxFuture,
    error::{BoxError, Error},
};
use http::Uri;
use hyper_util::{
    client::{
        legacy::connect::proxy::{SocksV4, SocksV5, Tunnel},
        proxy::matcher::{Intercept, Matcher},
    },
    rt::TokioIo,
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tonic::Code;
use tower::{Service, ServiceExt, util::BoxCloneSyncService};

/// A byte stream to a server.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

pub(crate) type BoxIo = Box<dyn Io>;

/// An open byte stream.
pub(crate) struct Dialled {
    pub(crate) io: BoxIo,
    /// The other end of a TCP connection: the server or a proxy.
    pub(crate) peer: Option<SocketAddr>,
}

/// How to open the byte stream below TLS.
#[derive(Clone, Debug)]
pub(crate) enum Dial {
    Tcp(Arc<Matcher>),
    Custom(BoxCloneSyncService<Uri, BoxIo, BoxError>),
}

impl Dial {
    /// Opens TCP connections, through the proxy that the environment names for this endpoint.
    pub(crate) fn to(endpoint: &Endpoint) -> Self {
        // Connections that stay on this machine need no proxy.
        let proxies =
            if endpoint.is_loopback() { Matcher::builder().build() } else { Matcher::from_env() };
        Self::Tcp(Arc::new(proxies))
    }

    /// Opens TCP connections through this proxy, whatever the environment names.
    pub(crate) fn through(proxy: &str, endpoint: &Endpoint) -> Result<Self, Error> {
        let matcher = Matcher::builder().all(proxy).build();
        let found = matcher.intercept(endpoint.uri());
        if !found.is_some_and(|found| PROXIES.contains(&found.uri().scheme_str().unwrap_or(""))) {
            // The message omits the text, which may hold a password.
            let message = "not a proxy such as http://proxy:3128 or socks5h://proxy:1080; \
                           the scheme is http, socks4, socks4a, socks5 or socks5h";
            return Err(Error::new(Code::InvalidArgument, message));
        }
        Ok(Self::Tcp(Arc::new(matcher)))
    }

    /// Opens byte streams with a service of the user's own.
    pub(crate) fn custom<S, IO>(connector: S) -> Self
    where
        S: Service<Uri, Response = IO> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let boxed = connector
            .map_response(|io| Box::new(io) as BoxIo)
            .map_err(Into::into as fn(S::Error) -> BoxError);
        Self::Custom(BoxCloneSyncService::new(boxed))
    }

    /// Opens a byte stream to this host. TCP gives it up if bytes stay unacknowledged for
    /// `user_timeout`.
    pub(crate) async fn open(
        &self,
        target: &Uri,
        user_timeout: Option<Duration>,
    ) -> Result<Dialled, BoxError> {
        match self {
            Self::Tcp(proxies) => dial_tcp(proxies, target, Tcp { user_timeout }).await,
            Self::Custom(dial) => {
                let io = dial.clone().oneshot(target.clone()).await?;
                Ok(Dialled { io, peer: None })
            }
        }
    }
}

async fn dial_tcp(proxies: &Matcher, target: &Uri, tcp: Tcp) -> Result<Dialled, BoxError> {
    let target = with_port(target)?;
    match proxies.intercept(&target) {
        None => open(tcp, target).await,
        Some(proxy) => dial_proxy(tcp, &proxy, target).await,
    }
}

/// The schemes of supported proxies.
const PROXIES: &[&str] = &["http", "socks4", "socks4a", "socks5", "socks5h"];

async fn dial_proxy(tcp: Tcp, proxy: &Intercept, target: Uri) -> Result<Dialled, BoxError> {
    let at = with_port(proxy.uri())?;
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

/// The origin with an explicit port: proxies need one for the target, and hyper-util knows no port for a
/// SOCKS proxy.
fn with_port(origin: &Uri) -> Result<Uri, BoxError> {
    let port = origin.port_u16().unwrap_or(match origin.scheme_str() {
        Some("https") => 443,
        Some(scheme) if scheme.starts_with("socks") => 1080,
        _ => 80,
    });
    let authority = format!("{}:{port}", origin.host().unwrap_or_default());
    let scheme = origin.scheme_str().unwrap_or("https");
    Ok(Uri::builder().scheme(scheme).authority(authority).path_and_query("/").build()?)
}

fn open<C>(connector: C, target: Uri) -> BoxFuture<Dialled, BoxError>
where
    C: Service<Uri, Response = TokioIo<TcpStream>> + Send + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send,
{
    Box::pin(async move {
        let io = connector.oneshot(target).await.map_err(Into::into)?.into_inner();
        let peer = io.peer_addr().ok();
        Ok(Dialled { io: Box::new(io), peer })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_without_a_port_has_that_of_its_scheme() {
        for (origin, expected) in [
            ("https://service.test", "https://service.test:443/"),
            ("http://service.test", "http://service.test:80/"),
            ("http://proxy.test:3128", "http://proxy.test:3128/"),
            ("socks4a://proxy.test", "socks4a://proxy.test:1080/"),
            ("socks5h://[::1]", "socks5h://[::1]:1080/"),
        ] {
            assert_eq!(with_port(&Uri::from_static(origin)).expect("a valid origin"), expected);
        }
    }
}
