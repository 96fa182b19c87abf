//! TLS on the port: gRPC and JSON.
#![cfg(feature = "program")]

mod support;

use livestream_client::{LivestreamClient, Tls, name::LocationName};
use livestream_emulator::Emulator;
use std::{fs, future::pending, path::PathBuf, process::Command};
use support::LOCATION;
use tokio::net::TcpListener;

fn pem(file: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/data/tls").join(file);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[tokio::test]
async fn a_client_with_the_authority_calls_over_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let emulator = Emulator::builder().manual_clock().build();
    let (certificate, key) = (pem("authority-server.pem"), pem("authority-server.key"));
    let serving = tokio::spawn(async move {
        emulator.serve_tls_until(listener, &certificate, &key, pending()).await
    });
    let tls = Tls::without_roots().with_ca_pem(pem("authority.pem")).expect("a certificate");
    let client = LivestreamClient::builder().endpoint(format!("https://{address}")).tls(tls);
    let client = client.anonymous().build().expect("valid settings");
    let location: LocationName = LOCATION.parse().expect("a name");
    assert!(client.list_channels(&location).await.expect("a page").channels.is_empty());
    let stranger = Tls::without_roots().with_ca_pem(pem("stranger.pem")).expect("a certificate");
    let client = LivestreamClient::builder().endpoint(format!("https://{address}")).tls(stranger);
    let client = client.anonymous().build().expect("valid settings");
    assert!(client.list_channels(&location).await.is_err(), "not its authority");
    serving.abort();
}

#[tokio::test]
async fn a_certificate_that_does_not_fit_its_key_is_refused() {
    let cases = [
        ("authority-server.pem", "stranger-server.key"),
        ("authority-server.key", "authority-server.key"),
        ("authority-server.pem", "authority-server.pem"),
    ];
    for (certificate, key) in cases {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let emulator = Emulator::new();
        let (first, second) = (pem(certificate), pem(key));
        let served = emulator.serve_tls_until(listener, &first, &second, pending());
        let error = served.await.expect_err("they do not fit");
        assert!(error.to_string().contains("cannot be used"), "{certificate}, {key}: {error}");
    }
}

#[test]
fn a_missing_certificate_is_an_error_with_its_path() {
    let output = Command::new(env!("CARGO_BIN_EXE_livestream-emulator"))
        .args(["--tls", "/no/such.pem", "/no/such.key"])
        .output()
        .expect("it starts");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/no/such.pem"));
}
