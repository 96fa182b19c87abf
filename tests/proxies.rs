//! Proxies: configured, taken from the environment, or bypassed. A proxy sees only the name and the
//! port of the service.

mod peer;

use livestream_client::{Builder, LivestreamClient, Tls, policy::RetryPolicy};
use peer::{
    Peer, chain, channel, in_child, is_child,
    proxy::{Proxy, Tape},
    tls::Authority,
};
use std::{env, fs};
use tonic::Code;

const TOKEN: &str = "x-goog-api-key";

fn client(origin: &str, authority: &Authority) -> Builder<LivestreamClient> {
    let tls = Tls::without_roots().with_ca_pem(authority.pem()).expect("a certificate");
    LivestreamClient::builder().endpoint(origin).anonymous().tls(tls).retry(RetryPolicy::never())
}

#[tokio::test]
async fn a_call_goes_through_a_connect_proxy_with_tls_inside() {
    let authority = Authority::new();
    let peer = Peer::new();
    let (proxy, tape) = (Proxy::default(), Tape::default());
    let at = proxy.listen_http(peer.listen_tls(authority.server(&["h2"])).await).await;
    let at = tape.listen(at).await;
    let client = client("https://service.test", &authority)
        .proxy(format!("http://me:p%40ss@{at}"))
        .build()
        .expect("valid");
    let secret = http::HeaderValue::from_static("wrapped-secret");
    let call = client.get_channel(&channel()).header(TOKEN.parse().expect("a valid name"), secret);
    call.await.expect("the proxy connects to the server");

    assert_eq!(peer.header(TOKEN), ["wrapped-secret"]);
    let asked = proxy.asked();
    assert!(asked[0].starts_with("CONNECT service.test:443 HTTP/1.1\r\n"), "{asked:?}");
    let basic = "Proxy-Authorization: Basic bWU6cEBzcw==\r\n";
    assert!(asked[0].contains(basic), "the user and the password, decoded: {asked:?}");
    let bytes = tape.bytes();
    assert!(bytes.windows(7).any(|seen| seen == b"CONNECT"), "the tap records this connection");
    for secret in ["wrapped-secret", "channels/c", "GetChannel"] {
        let passed = bytes.windows(secret.len()).any(|seen| seen == secret.as_bytes());
        assert!(!passed, "{secret} went over the connection in plaintext");
    }
}

#[tokio::test]
async fn a_call_goes_through_a_socks_proxy_that_resolves_the_name() {
    let authority = Authority::new();
    let peer = Peer::new();
    let proxy = Proxy::default();
    let at = proxy.listen_socks(peer.listen_tls(authority.server(&["h2"])).await).await;
    let client = client("https://service.test:8443", &authority);
    let client = client.proxy(format!("socks5h://{at}")).build().expect("valid");
    client.get_channel(&channel()).await.expect("the proxy connects to the server");
    assert_eq!(proxy.asked(), ["service.test:8443"]);
}

#[tokio::test]
async fn a_socks4_proxy_gets_an_address_and_a_socks4a_proxy_gets_the_name() {
    let authority = Authority::new();
    let peer = Peer::new();
    let proxy = Proxy::default();
    let at = proxy.listen_socks(peer.listen_tls(authority.server(&["h2"])).await).await;
    for scheme in ["socks4", "socks4a"] {
        let client = client("https://localhost:8443", &authority);
        let client = client.proxy(format!("{scheme}://{at}")).build().expect("valid");
        client.get_channel(&channel()).await.expect("the proxy connects to the server");
    }
    assert_eq!(proxy.asked(), ["127.0.0.1:8443", "localhost:8443"]);
}

#[tokio::test]
async fn a_proxy_is_asked_for_port_80_of_a_plaintext_endpoint() {
    let proxy = Proxy::default();
    let at = proxy.listen_http(Peer::new().listen().await).await;
    let client = client("http://service.test", &Authority::new());
    let client = client.proxy(format!("http://{at}")).build().expect("valid");
    client.get_channel(&channel()).await.expect("the proxy connects to the server");
    let asked = proxy.asked();
    assert!(asked[0].starts_with("CONNECT service.test:80 HTTP/1.1\r\n"), "{asked:?}");
}

#[tokio::test]
async fn an_unreachable_proxy_makes_the_call_unavailable() {
    let client = client("https://service.test", &Authority::new()).proxy("http://127.0.0.1:1");
    let client = client.build().expect("valid");
    let error = client.get_channel(&channel()).await.expect_err("the port refuses");
    assert_eq!(error.code(), Code::Unavailable, "{error:?}");
    assert!(chain(&error).contains("refused"), "{}", chain(&error));
}

#[test]
fn an_invalid_proxy_is_refused_and_its_password_is_not_shown() {
    for text in ["", "ftp://me:p4ss@proxy", "http://", "https://me:p4ss@proxy:1", "pro xy"] {
        let builder = LivestreamClient::builder().endpoint("https://service.test").anonymous();
        let error = builder.proxy(text).build().expect_err(text);
        assert_eq!(error.code(), Code::InvalidArgument, "{text}: {error:?}");
        assert!(!format!("{error:?} {error}").contains("p4ss"), "{error:?}");
    }
}

#[test]
fn a_token_is_not_sent_to_a_proxy_over_plaintext() {
    use google_cloud_auth::credentials::anonymous;
    let builder = |origin| {
        LivestreamClient::builder()
            .endpoint(origin)
            .credentials(anonymous::Builder::new().build())
            .proxy("http://127.0.0.1:1")
    };
    let error = builder("http://localhost:80").build().expect_err("the proxy is not this machine");
    assert_eq!(error.code(), Code::FailedPrecondition, "{error:?}");
    builder("http://localhost:80").allow_plaintext_tokens().build().expect("on request");
    builder("https://localhost:80").build().expect("encrypted through the proxy");
}

/// Each environment needs a process of its own.
#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_is_taken_from_the_environment() {
    if is_child() {
        let pem = fs::read(env::var_os("CA").expect("the parent sets it"))
            .expect("the authority is there");
        let tls = Tls::without_roots().with_ca_pem(pem).expect("a certificate");
        let origin = env::var("ORIGIN").expect("the parent sets it");
        let client = LivestreamClient::builder().endpoint(origin).anonymous().tls(tls);
        let client = client.retry(RetryPolicy::never()).build().expect("valid");
        let outcome = client.get_channel(&channel()).await;
        let is_reached = env::var("REACHES").expect("the parent sets it") == "yes";
        assert_eq!(outcome.is_ok(), is_reached, "{outcome:?}");
        return;
    }
    let authority = Authority::new();
    let file = env::temp_dir().join(format!("livestream-proxies-{}.pem", std::process::id()));
    fs::write(&file, authority.pem()).expect("a temporary file");
    let file_name = file.to_str().expect("a plain path");
    let peer = Peer::new();
    let server = peer.listen_tls(authority.server(&["h2"])).await;
    let (http, socks) = (Proxy::default(), Proxy::default());
    let http_at = format!("http://{}", http.listen_http(server).await);
    let socks_at = format!("socks5h://{}", socks.listen_socks(server).await);
    let run = |variables: &[(&str, &str)], origin: &str, reaches| {
        let common = [("CA", file_name), ("ORIGIN", origin), ("REACHES", reaches)];
        in_child("the_proxy_is_taken_from_the_environment", &[&common, variables].concat());
    };

    run(&[("HTTPS_PROXY", &http_at)], "https://service.test", "yes");
    run(&[("https_proxy", &http_at)], "https://service.test", "yes");
    assert_eq!(http.asked().len(), 2);
    run(&[("ALL_PROXY", &socks_at)], "https://service.test", "yes");
    assert_eq!(socks.asked(), ["service.test:443"]);

    // Without a proxy, this machine cannot resolve the name.
    run(&[("HTTPS_PROXY", &http_at), ("NO_PROXY", ".test")], "https://service.test", "no");
    run(&[("HTTP_PROXY", &http_at)], "https://service.test", "no");
    // A service on this machine is reached without a proxy.
    let local = format!("https://localhost:{}", server.port());
    run(&[("HTTPS_PROXY", "http://127.0.0.1:1")], &local, "yes");
    assert_eq!((http.asked().len(), socks.asked().len()), (2, 1), "none of these used a proxy");
    fs::remove_file(file).expect("it was written above");
}
