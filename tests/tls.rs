//! TLS on real sockets: which certificates the client trusts, the certificate that it sends, and
//! ALPN for HTTP/2.

mod peer;

use livestream_client::{
    Builder, Error, LivestreamClient, PoolLimits, Tls,
    model::{StartChannelRequest, channel::StreamingState},
    name::LocationName,
    policy::{Backoff, RetryPolicy},
};
use peer::{Peer, chain, channel, tls::Authority};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use tokio_rustls::{TlsAcceptor, rustls::HandshakeKind};
use tokio_stream::StreamExt;
use tonic::Code;

fn client(at: SocketAddr, tls: Tls) -> Builder<LivestreamClient> {
    let origin = format!("https://localhost:{}", at.port());
    LivestreamClient::builder().endpoint(origin).anonymous().tls(tls).retry(RetryPolicy::never())
}

fn trusting(authority: &Authority) -> Tls {
    Tls::without_roots().with_ca_pem(authority.pem()).expect("a certificate")
}

async fn call(builder: Builder<LivestreamClient>) -> Result<(), Error> {
    builder.build()?.get_channel(&channel()).await.map(drop)
}

/// The error of a call that fails before it is sent, with its causes.
async fn refusal(builder: Builder<LivestreamClient>) -> String {
    let error = call(builder).await.expect_err("the connection is refused");
    assert_eq!(error.code(), Code::Unavailable, "{error:?}");
    assert!(!error.may_have_run(), "nothing was sent: {error:?}");
    chain(&error)
}

#[tokio::test]
async fn a_custom_ca_is_trusted_by_name_and_by_address() {
    let authority = Authority::new();
    let peer = Peer::new();
    let at = peer.listen_tls(authority.server(&["h2"])).await;
    call(client(at, trusting(&authority))).await.expect("trusted");
    let by_address = client(at, trusting(&authority)).endpoint(format!("https://{at}"));
    call(by_address).await.expect("the certificate names the address too");
    assert_eq!(peer.calls().len(), 2);
}

#[tokio::test]
async fn a_certificate_of_an_unknown_ca_is_refused_with_its_cause() {
    let (authority, stranger) = (Authority::new(), Authority::stranger());
    let peer = Peer::new();
    let at = peer.listen_tls(stranger.server(&["h2"])).await;
    for tls in [Tls::new(), trusting(&authority)] {
        let why = refusal(client(at, tls)).await;
        assert!(why.contains("no TLS connection to https://localhost"), "{why}");
        assert!(why.contains("UnknownIssuer") || why.contains("unknown issuer"), "{why}");
    }
    assert!(peer.calls().is_empty());
}

#[tokio::test]
async fn a_certificate_of_an_unknown_ca_is_not_retried() {
    let stranger = Authority::stranger();
    let peer = Peer::new();
    let at = peer.listen_tls(stranger.server(&["h2"])).await;
    let with_retries = client(at, Tls::new()).retry(RetryPolicy::default().with_seed(1));
    let error = call(with_retries).await.expect_err("an unknown issuer");
    assert_eq!(error.attempts(), 1, "a retry would fail in the same way: {error:?}");
    assert!(error.elapsed() < Duration::from_secs(5), "{error:?}");
}

#[tokio::test]
async fn a_tls_handshake_that_breaks_off_is_retried() {
    let authority = Authority::new();
    let acceptor = TlsAcceptor::from(Arc::new(authority.server(&["h2"])));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let at = listener.local_addr().expect("it is bound");
    let peer = Peer::new();
    let server = peer.clone();
    tokio::spawn(async move {
        drop(listener.accept().await);
        let (socket, _) = listener.accept().await.expect("another connection");
        server.serve(acceptor.accept(socket).await.expect("the client trusts it")).await;
    });
    let retry = RetryPolicy::new(Backoff::new(Duration::ZERO, Duration::ZERO, 1.0));
    let pool = PoolLimits::default().with_reconnect_backoff(Duration::ZERO, Duration::ZERO);
    call(client(at, trusting(&authority)).retry(retry).pool(pool)).await.expect("answered");
    assert_eq!(peer.calls().len(), 1);
}

#[tokio::test]
async fn an_untrusted_certificate_ends_watches_and_waits() {
    let stranger = Authority::stranger();
    let at = Peer::new().listen_tls(stranger.server(&["h2"])).await;
    let client = client(at, Tls::new()).build().expect("valid");
    let location = LocationName::new("p", "us-central1").expect("valid");
    let name = location.operation("operation-1").expect("valid");
    let operation = || client.resume::<StartChannelRequest>(&name);
    let (mut watch, mut progress) = (client.watch(&channel()), operation().progress());
    let ends = async {
        [
            watch.next().await.map(|item| item.map(drop)),
            progress.next().await.map(|item| item.map(drop)),
            Some(operation().wait().await.map(drop)),
            Some(client.shared_waits(&location).wait(operation()).await.map(drop)),
            Some(client.wait_until(&channel(), StreamingState::Streaming).await.map(drop)),
        ]
    };
    let ends = timeout(Duration::from_secs(20), ends).await.expect("no wait goes on");
    for end in ends {
        let error = end.expect("an item").expect_err("an unknown issuer");
        assert_eq!(error.code(), Code::Unavailable, "{error:?}");
        assert!(!error.is_transient(), "a later call ends the same: {error:?}");
        let why = chain(&error);
        assert!(why.contains("UnknownIssuer") || why.contains("unknown issuer"), "{why}");
    }
    assert!(watch.next().await.is_none() && progress.next().await.is_none());
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let authority = Authority::new();
    let at = Peer::new().listen_tls(authority.server(&["h2"])).await;
    let other_host =
        client(at, trusting(&authority)).endpoint(format!("https://[::1]:{}", at.port()));
    let why = refusal(
        other_host
            .connector(tower::service_fn(move |_: http::Uri| tokio::net::TcpStream::connect(at))),
    )
    .await;
    assert!(why.contains("not valid for name"), "{why}");
}

#[tokio::test]
async fn a_client_certificate_is_sent_on_request() {
    let authority = Authority::new();
    let peer = Peer::new();
    let at = peer.listen_tls(authority.server_of_clients()).await;
    let (chain, key) = authority.client();
    let shown =
        trusting(&authority).with_identity_pem(chain, key).expect("the key fits the certificate");
    call(client(at, shown)).await.expect("a known client certificate");

    refusal(client(at, trusting(&authority))).await;
    let (chain, key) = Authority::stranger().client();
    let unknown =
        trusting(&authority).with_identity_pem(chain, key).expect("the key fits the certificate");
    refusal(client(at, unknown)).await;
    assert_eq!(peer.calls().len(), 1);
}

#[tokio::test]
async fn a_server_without_http2_in_alpn_is_refused() {
    let authority = Authority::new();
    for protocols in [&[][..], &["http/1.1"]] {
        let peer = Peer::new();
        let at = peer.listen_tls(authority.server(protocols)).await;
        let why = refusal(client(at, trusting(&authority))).await;
        assert!(why.contains("HTTP/2 by ALPN") || why.contains("NoApplicationProtocol"), "{why}");
        assert!(peer.calls().is_empty());
    }
}

#[tokio::test]
async fn a_server_without_tls_is_refused() {
    let at = Peer::new().listen().await;
    let why = refusal(client(at, Tls::new())).await;
    assert!(why.contains("no TLS connection"), "{why}");
}

#[tokio::test]
async fn the_second_connection_of_a_client_resumes_the_tls_session() {
    let authority = Authority::new();
    let acceptor = TlsAcceptor::from(Arc::new(authority.server(&["h2"])));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let at = listener.local_addr().expect("it is bound");
    let (peer, (seen, mut handshakes)) = (Peer::new(), mpsc::unbounded_channel());
    let server = peer.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let io = acceptor.accept(socket).await.expect("the client trusts the authority");
            seen.send(io.get_ref().1.handshake_kind()).expect("the test waits");
            let server = server.clone();
            tokio::spawn(async move { server.serve(io).await });
        }
    });
    let client = client(at, trusting(&authority)).build().expect("a client");
    client.get_channel(&channel()).await.expect("answered");
    peer.drain();
    peer.until_open(0).await;
    client.get_channel(&channel()).await.expect("answered on another connection");
    assert_eq!(handshakes.recv().await, Some(Some(HandshakeKind::Full)));
    assert_eq!(handshakes.recv().await, Some(Some(HandshakeKind::Resumed)));
    assert_eq!(peer.opened(), 2);
}

#[test]
fn an_invalid_certificate_or_key_is_refused_by_the_builder() {
    let (chain, key) = Authority::new().client();
    let text = |outcome: Result<Tls, Error>| {
        let error = outcome.expect_err("not a valid certificate or key");
        assert_eq!(error.code(), Code::InvalidArgument);
        error.to_string()
    };
    assert!(text(Tls::new().with_ca_pem("")).contains("no certificate"));
    assert!(text(Tls::new().with_ca_pem(key)).contains("no certificate"));
    assert!(text(Tls::new().with_identity_pem("", key)).contains("no certificate"));
    assert!(text(Tls::new().with_identity_pem(chain, "")).contains("no private key"));
    let garbled = chain.replace("MII", "!!!");
    assert!(text(Tls::new().with_ca_pem(garbled)).contains("cannot be read"));

    let (_, other) = Authority::stranger().client();
    let mismatched = Tls::new().with_identity_pem(chain, other).expect("each can be read");
    let builder =
        LivestreamClient::builder().endpoint("https://localhost").anonymous().tls(mismatched);
    let error = builder.build().expect_err("the key belongs to another certificate");
    assert_eq!(error.code(), Code::InvalidArgument, "{error:?}");
    assert!(error.to_string().contains("do not fit"), "{error}");
}

/// `SSL_CERT_FILE` replaces the system's certificates for a whole process.
#[cfg(feature = "native-roots")]
#[tokio::test]
async fn native_roots_are_trusted_beside_a_custom_ca() {
    if !peer::is_child() {
        for file in ["authority.pem", "README.md", "no such file"] {
            let file = format!("{}/tests/data/tls/{file}", env!("CARGO_MANIFEST_DIR"));
            let variables = [("SSL_CERT_FILE", file.as_str())];
            peer::in_child("native_roots_are_trusted_beside_a_custom_ca", &variables);
        }
        return;
    }
    let (authority, stranger) = (Authority::new(), Authority::stranger());
    let roots = trusting(&stranger).with_native_roots();
    if !std::env::var("SSL_CERT_FILE").expect("the parent sets it").ends_with("authority.pem") {
        let error = roots.expect_err("the file holds no certificate");
        assert_eq!(error.code(), Code::FailedPrecondition, "{error:?}");
        return;
    }
    let roots = roots.expect("the file holds a certificate");
    for trusted in [authority, stranger] {
        let at = Peer::new().listen_tls(trusted.server(&["h2"])).await;
        call(client(at, roots.clone())).await.expect("trusted");
    }
}
