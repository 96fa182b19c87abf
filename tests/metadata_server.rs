//! Default credentials without a file: the metadata server of Google Cloud, which answers, answers
//! late, or does not exist. Each case runs in its own process, because it needs its own environment.

mod peer;

use livestream_client::{Error, LivestreamClient, Tls};
use peer::{Peer, chain, channel, in_child, is_child, tls::Authority, token::TokenService};
use std::{
    env,
    net::TcpListener,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};
use tokio::{
    runtime::{self, Runtime},
    task::JoinSet,
};
use tonic::Code;

const TOKEN: &str =
    r#"{"access_token": "m3tadata-token", "expires_in": 3600, "token_type": "Bearer"}"#;
const TOKEN_PATH: &str = "/computeMetadata/v1/instance/service-accounts/default/token";
const UNIVERSE_PATH: &str = "/computeMetadata/v1/universe/universe-domain";

fn runtime() -> Runtime {
    runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// A client of this server, with default credentials.
async fn client(peer: &Peer) -> LivestreamClient {
    let authority = Authority::new();
    let at = peer.listen_tls(authority.server(&["h2"])).await;
    let tls = Tls::without_roots().with_ca_pem(authority.pem()).expect("a certificate");
    let client = LivestreamClient::builder().endpoint(format!("https://localhost:{}", at.port()));
    let client = match env::var("CLIENT_UNIVERSE") {
        Ok(domain) => client.universe_domain(domain),
        Err(_) => client,
    };
    client.tls(tls).build().expect("no file is no error")
}

async fn call(client: &LivestreamClient) -> Result<(), Error> {
    client.get_channel(&channel()).await.map(drop)
}

/// Runs the test in a process without a home, with this metadata server.
#[track_caller]
fn with_metadata_server(test: &str, host: &str, more: &[(&str, &str)]) {
    let own = [("HOME", env!("CARGO_TARGET_TMPDIR")), ("GCE_METADATA_HOST", host)];
    in_child(test, &own.into_iter().chain(more.iter().copied()).collect::<Vec<_>>());
}

/// A metadata server that answers with a token, and with this status and text for its universe.
fn metadata_server(status: u16, universe: &'static str) -> TokenService {
    TokenService::answering_with(move |path| match path.split('?').next() {
        Some(TOKEN_PATH) => (200, TOKEN.to_owned()),
        Some(UNIVERSE_PATH) => (status, universe.to_owned()),
        _ => (404, String::new()),
    })
}

#[test]
fn a_missing_metadata_server_fails_the_first_call_within_three_seconds() {
    if is_child() {
        runtime().block_on(async {
            let peer = Peer::new();
            let client = client(&peer).await;
            let begun = Instant::now();
            // The default policy retries what may pass for 60 s.
            let error = call(&client).await.expect_err("there are no credentials");
            let took = begun.elapsed();
            assert!(took < Duration::from_secs(3), "{took:?}: {error:?}");
            assert_eq!((error.code(), error.attempts()), (Code::Unauthenticated, 1), "{error:?}");
            let told = chain(&error);
            assert!(told.contains("gcloud auth application-default login"), "{told}");
            let host = env::var("GCE_METADATA_HOST").expect("told");
            assert!(told.contains(&host), "the error names the host: {told}");
            assert!(!error.may_have_run() && peer.calls().is_empty());

            // Many calls at once fail as fast.
            let begun = Instant::now();
            let mut calls = JoinSet::new();
            for _ in 0..100 {
                let client = client.clone();
                calls.spawn(async move { call(&client).await });
            }
            for outcome in calls.join_all().await {
                assert!(outcome.expect_err("no credentials").is_unauthenticated());
            }
            let took = begun.elapsed();
            assert!(took < Duration::from_secs(3), "{took:?}");
        });
        return;
    }
    let name = "a_missing_metadata_server_fails_the_first_call_within_three_seconds";
    with_metadata_server(name, "metadata.invalid", &[]);
    // Connections are opened, but nobody answers.
    let black_hole = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let at = black_hole.local_addr().expect("it is bound").to_string();
    with_metadata_server(name, &at, &[]);
}

#[test]
fn a_missing_metadata_server_is_noticed_across_short_attempts() {
    if is_child() {
        runtime().block_on(async {
            let client = client(&Peer::new()).await;
            let begun = Instant::now();
            let call = client.get_channel(&channel()).attempt_timeout(Duration::from_millis(300));
            let error = call.await.expect_err("there are no credentials");
            assert_eq!(error.code(), Code::Unauthenticated, "{error:?}");
            let took = begun.elapsed();
            assert!(took < Duration::from_secs(8), "{took:?}: {error:?}");
        });
        return;
    }
    let name = "a_missing_metadata_server_is_noticed_across_short_attempts";
    let black_hole = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let at = black_hole.local_addr().expect("it is bound").to_string();
    with_metadata_server(name, &at, &[]);
}

#[test]
fn a_metadata_server_is_asked_once_whether_it_is_there() {
    if is_child() {
        runtime().block_on(async {
            let peer = Peer::new();
            let client = client(&peer).await;
            for _ in 0..3 {
                call(&client).await.expect("answered");
            }
            assert_eq!(peer.header("authorization"), ["Bearer m3tadata-token"; 3]);
        });
        return;
    }
    let name = "a_metadata_server_is_asked_once_whether_it_is_there";
    for (status, universe) in [(200, "googleapis.com\n"), (200, ""), (404, "<html>no</html>")] {
        let server = metadata_server(status, universe);
        with_metadata_server(name, &server.address.to_string(), &[]);
        let paths = server.paths();
        let universes = paths.iter().filter(|path| *path == UNIVERSE_PATH).count();
        assert_eq!((universes, paths.len()), (1, 2), "{paths:?}");
    }
}

#[test]
fn a_busy_metadata_server_is_retried() {
    if is_child() {
        runtime().block_on(async {
            let peer = Peer::new();
            call(&client(&peer).await).await.expect("answered in the end");
            assert_eq!(peer.header("authorization"), ["Bearer m3tadata-token"]);
        });
        return;
    }
    let name = "a_busy_metadata_server_is_retried";
    let asked = AtomicUsize::new(0);
    let server = TokenService::answering_with(move |path| match path.split('?').next() {
        Some(UNIVERSE_PATH) if asked.fetch_add(1, Ordering::Relaxed) == 0 => (503, String::new()),
        Some(UNIVERSE_PATH) => (200, "googleapis.com".to_owned()),
        _ => (200, TOKEN.to_owned()),
    });
    with_metadata_server(name, &server.address.to_string(), &[]);
    let universes = server.paths().iter().filter(|path| *path == UNIVERSE_PATH).count();
    assert_eq!(universes, 2, "{:?}", server.paths());
}

#[test]
fn a_token_of_another_universe_of_the_metadata_server_is_not_sent() {
    if is_child() {
        runtime().block_on(async {
            let peer = Peer::new();
            let outcome = call(&client(&peer).await).await;
            match env::var("MISMATCH") {
                Err(_) => outcome.expect("the universes are the same"),
                Ok(own) => {
                    let error = outcome.expect_err("another universe");
                    assert_eq!(error.code(), Code::FailedPrecondition, "{error:?}");
                    let told = error.to_string();
                    assert!(told.contains(&own) && told.contains("universe"), "{told}");
                    assert!(!error.may_have_run() && error.attempts() == 1, "{error:?}");
                    assert!(peer.calls().is_empty());
                }
            }
        });
        return;
    }
    let name = "a_token_of_another_universe_of_the_metadata_server_is_not_sent";
    let at = |server: &TokenService| server.address.to_string();
    let (other, google) = (metadata_server(200, "other.test\n"), metadata_server(404, ""));
    with_metadata_server(name, &at(&other), &[("MISMATCH", "other.test")]);
    with_metadata_server(name, &at(&other), &[("CLIENT_UNIVERSE", "other.test")]);
    with_metadata_server(name, &at(&google), &[]);
    // The domain of the client does not change that of the credentials.
    for setting in ["CLIENT_UNIVERSE", "GOOGLE_CLOUD_UNIVERSE_DOMAIN"] {
        let wrong = [(setting, "other.test"), ("MISMATCH", "googleapis.com")];
        with_metadata_server(name, &at(&google), &wrong);
    }
}
