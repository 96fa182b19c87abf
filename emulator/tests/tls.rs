//! TLS on the port: gRPC and JSON.
#![cfg(feature = "program")]

mod support;

use livestream_client::{LivestreamClient, Tls, name::LocationName};
use livestream_emulator::{Emulator, Identity};
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
    let identity = Identity::from_pem(&certificate, &key).expect("they fit");
    let serving =
        tokio::spawn(async move { emulator.serve_tls_until(listener, &identity, pending()).await });
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

#[test]
fn a_certificate_that_does_not_fit_its_key_is_refused() {
    let cases = [
        ("authority-server.pem", "stranger-server.key"),
        ("authority-server.key", "authority-server.key"),
        ("authority-server.pem", "authority-server.pem"),
    ];
    for (certificate, key) in cases {
        let error = Identity::from_pem(&pem(certificate), &pem(key)).expect_err("they do not fit");
        assert!(error.to_string().contains("cannot be used"), "{certificate}, {key}: {error}");
    }
}

/// The output of the program, which ends by itself.
fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_livestream-emulator")).args(arguments).output();
    let output = output.expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn path(file: &str) -> String {
    format!("{}/../tests/data/tls/{file}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_certificate_that_cannot_be_used_is_an_error_with_its_path_before_the_port_is_open() {
    let (certificate, key) = (path("authority-server.pem"), path("authority-server.key"));
    let (other, text) = (path("stranger-server.key"), path("../../../Cargo.toml"));
    let cases = [
        ("/no/such.pem", &*key, "/no/such.pem"),
        (&*certificate, "/no/such.key", "/no/such.key"),
        (&*text, &*key, "Cargo.toml"),
        (&*certificate, &*text, "Cargo.toml"),
        (&*certificate, &*other, "stranger-server.key"),
    ];
    for (certificate, key, name) in cases {
        let (code, out, error) = run(&["--tls", certificate, key]);
        assert_eq!((code, &*out), (Some(1), ""), "{error}");
        assert!(error.contains(name) && !error.contains("127.0.0.1"), "{name}: {error}");
    }
}

#[test]
fn a_listener_for_all_addresses_with_tls_has_no_warning_that_there_is_no_tls() {
    use std::{
        io::{BufRead as _, BufReader},
        process::Stdio,
    };
    let first_line = |tls: &[&str]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_livestream-emulator"))
            .args(["--listen", "0.0.0.0:0"])
            .args(tls)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        let mut errors = BufReader::new(program.stderr.take().expect("piped"));
        errors.read_line(&mut line).expect("a line");
        program.kill().expect("it runs");
        program.wait().expect("it ends");
        line
    };
    let (certificate, key) = (path("authority-server.pem"), path("authority-server.key"));
    let line = first_line(&["--tls", &certificate, &key]);
    assert!(line.contains("serving") && line.contains("https://"), "{line}");
    assert!(first_line(&[]).contains("there is no TLS"));
}
