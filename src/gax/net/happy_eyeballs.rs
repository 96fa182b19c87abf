//! TCP connections to a host with several addresses.
//!
//! The addresses are tried in the order of
//! [RFC 8305](https://www.rfc-editor.org/rfc/rfc8305) and
//! [gRFC A61](https://github.com/grpc/proposal/blob/master/A61-IPv4-IPv6-dualstack-backends.md): the
//! families take turns, and the next address begins when one has failed or after 250 ms. So one dead
//! address does not hide the good ones. The first connection wins.

use crate::gax::{context::BoxFuture, error::BoxError};
use futures_util::stream::{FuturesUnordered, StreamExt};
use http::Uri;
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    net::{TcpStream, lookup_host},
    time::sleep,
};
use tower::Service;

/// The time before the next address is tried beside the first: RFC 8305's Connection Attempt Delay.
const NEXT_ADDRESS: Duration = Duration::from_millis(250);

/// The idle time before TCP's own keepalive, which keeps NATs from forgetting the connection.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);

/// Opens TCP connections.
#[derive(Clone, Debug)]
pub(super) struct Tcp {
    /// How long sent bytes may stay unacknowledged
    /// ([gRFC A18](https://github.com/grpc/proposal/blob/master/A18-tcp-user-timeout.md)).
    pub(super) user_timeout: Option<Duration>,
}

impl Service<Uri> for Tcp {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = BoxFuture<Self::Response, BoxError>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let user_timeout = self.user_timeout;
        Box::pin(async move {
            let stream = connect(resolve(&target).await?).await?;
            stream.set_nodelay(true)?;
            let socket = SockRef::from(&stream);
            socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(TCP_KEEPALIVE))?;
            #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
            socket.set_tcp_user_timeout(user_timeout)?;
            Ok(TokioIo::new(stream))
        })
    }
}

/// The addresses of a host, in the order of preference.
async fn resolve(target: &Uri) -> Result<Vec<SocketAddr>, BoxError> {
    let host = target.host().unwrap_or_default();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    // Only a proxy can be without a port here, and no proxy is `https`.
    let port = target.port_u16().unwrap_or(80);
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let found = usable(host, lookup_host((host, port)).await?);
    if found.is_empty() {
        return Err(format!("{host} has no usable address").into());
    }
    Ok(interleaved(found))
}

/// The addresses that a host may have. Tokens go to `localhost` without encryption, so the name must not
/// lead to another machine (RFC 6761).
fn usable(host: &str, found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    found.filter(|address| host != "localhost" || address.ip().is_loopback()).collect()
}

/// The same addresses with the families taking turns, the first one's first.
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_ipv6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (preferred, others): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_ipv6);
    let (mut preferred, mut others) = (preferred.into_iter(), others.into_iter());
    let mut ordered = Vec::new();
    loop {
        let before = ordered.len();
        ordered.extend(preferred.next());
        ordered.extend(others.next());
        if ordered.len() == before {
            return ordered;
        }
    }
}

/// Connects to the first address that answers.
async fn connect(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut addresses = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        attempts.extend(addresses.next().map(TcpStream::connect));
        if attempts.is_empty() {
            return Err(last);
        }
        let has_next = addresses.len() > 0;
        tokio::select! {
            Some(outcome) = attempts.next() => match outcome {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            },
            () = sleep(NEXT_ADDRESS), if has_next => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        net::{TcpListener, TcpSocket},
        time::{Instant, timeout},
    };

    fn addresses(text: &str) -> Vec<SocketAddr> {
        text.split(' ').map(|text| format!("{text}:1").parse().expect("an address")).collect()
    }

    #[test]
    fn address_families_take_turns_beginning_with_the_resolvers_first() {
        for (found, ordered) in [
            ("[::1] [::2] [::3] 10.0.0.1 10.0.0.2", "[::1] 10.0.0.1 [::2] 10.0.0.2 [::3]"),
            ("10.0.0.1 10.0.0.2 [::1]", "10.0.0.1 [::1] 10.0.0.2"),
            ("10.0.0.1", "10.0.0.1"),
        ] {
            assert_eq!(interleaved(addresses(found)), addresses(ordered), "{found}");
        }
    }

    #[test]
    fn localhost_has_loopback_addresses_only() {
        let found = addresses("10.0.0.1 127.0.0.1 [::1] [fe80::1]");
        assert_eq!(usable("localhost", found.iter().copied()), addresses("127.0.0.1 [::1]"));
        assert_eq!(usable("service.test", found.iter().copied()), found);
    }

    #[tokio::test]
    async fn a_proxy_without_a_port_is_at_port_80() {
        let proxy = "http://127.0.0.1".parse().expect("a URI");
        let found = resolve(&proxy).await.expect("an address");
        assert_eq!(found, ["127.0.0.1:80".parse().expect("an address")]);
    }

    /// An address whose SYNs nothing answers: a listener with a full backlog.
    async fn black_hole() -> (SocketAddr, Vec<TcpStream>, TcpListener) {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.2:0".parse().expect("an address")).expect("loopback has ports");
        let listener = socket.listen(0).expect("a listener");
        let address = listener.local_addr().expect("bound");
        let mut filling = Vec::new();
        // Linux drops SYNs once the backlog is full.
        while let Ok(Ok(stream)) =
            timeout(Duration::from_millis(100), TcpStream::connect(address)).await
        {
            filling.push(stream);
        }
        (address, filling, listener)
    }

    #[tokio::test]
    async fn a_black_holed_address_does_not_hide_the_next_one() {
        let (dead, _filling, _backlog) = black_hole().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has ports");
        let good = listener.local_addr().expect("bound");
        let begun = Instant::now();
        let stream = connect(vec![dead, good]).await.expect("the second address answers");
        assert_eq!(stream.peer_addr().expect("connected"), good);
        let took = begun.elapsed();
        assert!((NEXT_ADDRESS..4 * NEXT_ADDRESS).contains(&took), "{took:?}");
    }

    #[tokio::test]
    async fn a_refused_address_is_followed_by_the_next_one_at_once() {
        let closed = TcpListener::bind("127.0.0.1:0").await.expect("loopback has ports");
        let refused = closed.local_addr().expect("bound");
        drop(closed);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has ports");
        let good = listener.local_addr().expect("bound");
        let connected = timeout(NEXT_ADDRESS, connect(vec![refused, refused, good])).await;
        connected.expect("without a delay").expect("the last address answers");
        let error = connect(vec![refused]).await.expect_err("nothing listens");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn sockets_have_nodelay_keepalive_and_tcp_user_timeout() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has ports");
        let port = listener.local_addr().expect("bound").port();
        let user_timeout = Some(Duration::from_secs(10));
        let target = format!("http://localhost:{port}").parse().expect("a URI");
        let stream = Tcp { user_timeout }.call(target).await.expect("it listens").into_inner();
        let socket = SockRef::from(&stream);
        assert!(stream.nodelay().expect("an option"));
        assert!(socket.keepalive().expect("an option"));
        #[cfg(target_os = "linux")]
        assert_eq!(socket.tcp_user_timeout().expect("an option"), user_timeout);
    }
}
