//! Real credentials of google-cloud-auth with a token service on loopback, and the environment
//! variables for them. Each case runs in its own process, because it needs its own environment,
//! crypto provider and runtimes.

mod peer;

use google_cloud_auth::credentials::{service_account, user_account};
use livestream_client::{
    Builder, Error, LivestreamClient, Tls, credentials::Token, policy::RetryPolicy,
};
use peer::{Peer, chain, channel, in_child, is_child, tls::Authority, token::TokenService};
use serde_json::{Value, json};
use std::{
    env, fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::runtime::{self, Runtime};
use tokio_rustls::rustls;
use tonic::Code;

/// The services for the child process of a test: a service with TLS, and a token service.
struct Cloud {
    peer: Peer,
    tokens: TokenService,
    variables: Vec<(&'static str, String)>,
}

const TOKEN: &str = r#"{"access_token": "real-t0ken", "expires_in": 3600, "token_type": "Bearer"}"#;

impl Cloud {
    /// `name` is the name of the test, for a folder of its own.
    fn new(name: &str, status: u16, token: &str) -> Self {
        let (peer, authority) = (Peer::new(), Authority::new());
        let tokens = TokenService::answering(status, token);
        let at = runtime().block_on(peer.listen_tls(authority.server(&["h2"])));
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).expect("the target folder can be written");
        let write = |file: &str, text: String| {
            let path = folder.join(file);
            fs::write(&path, text).expect("the target folder can be written");
            path.to_str().expect("a plain path").to_owned()
        };
        let user = authorized_user(&format!("http://{}/token", tokens.address));
        let variables = vec![
            ("ORIGIN", format!("https://localhost:{}", at.port())),
            ("CA", write("ca.pem", authority.pem().to_owned())),
            ("GOOGLE_APPLICATION_CREDENTIALS", write("user.json", user.to_string())),
        ];
        Self { peer, tokens, variables }
    }

    #[track_caller]
    fn run(&self, test: &str, more: &[(&str, &str)]) {
        let own = self.variables.iter().map(|(name, value)| (*name, value.as_str()));
        in_child(test, &own.chain(more.iter().copied()).collect::<Vec<_>>());
    }
}

fn authorized_user(token_uri: &str) -> Value {
    json!({
        "type": "authorized_user",
        "client_id": "an-id",
        "client_secret": "cl1ent-secret",
        "refresh_token": "r3fresh-token",
        "quota_project_id": "of-the-file",
        "token_uri": token_uri,
    })
}

fn runtime() -> Runtime {
    runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// The client of the [`Cloud`] in the child process.
fn client() -> Builder<LivestreamClient> {
    let pem = fs::read(env::var_os("CA").expect("told")).expect("written by the parent");
    let tls = Tls::without_roots().with_ca_pem(pem).expect("a certificate");
    let origin = env::var("ORIGIN").expect("told");
    LivestreamClient::builder().endpoint(origin).tls(tls)
}

async fn call(client: &LivestreamClient) -> Result<(), Error> {
    client.get_channel(&channel()).timeout(Duration::from_secs(5)).await.map(drop)
}

/// Asserts that the error contains the advice and no secret.
#[track_caller]
fn assert_helps(error: &Error, code: Code, advice: &str) {
    let told = format!("{} {error:?}", chain(error));
    assert_eq!(error.code(), code, "{told}");
    assert!(told.contains(advice), "{told}");
    assert!(!error.may_have_run(), "{told}");
    for secret in ["cl1ent-secret", "r3fresh-token", "PRIVATE KEY"] {
        assert!(!told.contains(secret), "{told}");
    }
}

#[test]
fn default_credentials_supply_token_scope_and_quota_project() {
    if is_child() {
        runtime().block_on(async {
            let mut builder = client();
            if let Ok(project) = env::var("OF_THE_BUILDER") {
                builder = builder.quota_project(project).scopes(["scope-a", "scope-b"]);
            }
            let client = builder.build().expect("the environment has credentials");
            call(&client).await.expect("answered");
            call(&client.clone()).await.expect("answered");
        });
        return;
    }
    let name = "default_credentials_supply_token_scope_and_quota_project";
    let cloud = Cloud::new(name, 200, TOKEN);
    cloud.run(name, &[]);
    cloud.run(name, &[("GOOGLE_CLOUD_QUOTA_PROJECT", "of-the-environment")]);
    let both = [("GOOGLE_CLOUD_QUOTA_PROJECT", "x"), ("OF_THE_BUILDER", "of-the-builder")];
    cloud.run(name, &both);

    assert_eq!(cloud.peer.header("authorization"), ["Bearer real-t0ken"; 6]);
    let projects = ["of-the-file", "of-the-environment", "of-the-builder"];
    let projects = projects.into_iter().flat_map(|project| [project; 2]).collect::<Vec<_>>();
    assert_eq!(cloud.peer.header("x-goog-user-project"), projects);
    let asked = cloud.tokens.asked();
    assert_eq!(asked.len(), 3, "one token for both calls of a client");
    assert!(asked[0].contains("https://www.googleapis.com/auth/cloud-platform"), "{asked:?}");
    assert!(asked[2].contains("scope-a scope-b"), "{asked:?}");
}

#[test]
fn default_credentials_need_no_runtime_to_be_built() {
    if is_child() {
        let client = client().build().expect("the environment has credentials");
        runtime().block_on(call(&client)).expect("answered");
        return;
    }
    let name = "default_credentials_need_no_runtime_to_be_built";
    let cloud = Cloud::new(name, 200, TOKEN);
    cloud.run(name, &[]);
    assert_eq!(cloud.peer.header("authorization"), ["Bearer real-t0ken"]);
}

#[test]
fn default_credentials_outlive_the_runtime_in_which_they_were_built() {
    if is_child() {
        // The first runtime ends, or stops, before it could fetch the token.
        let ended = runtime().block_on(async { client().build() });
        let ended = ended.expect("the environment has credentials");
        runtime().block_on(call(&ended)).expect("answered");

        let parked = runtime();
        let client = parked.block_on(async { client().build() });
        let client = client.expect("the environment has credentials");
        runtime().block_on(call(&client)).expect("answered");
        drop(parked);
        // Dropped inside a runtime, before and after the first call.
        runtime().block_on(async {
            drop((ended, client));
            drop(self::client().build().expect("the environment has credentials"));
        });
        assert_threads_end("google-credenti");
        return;
    }
    let name = "default_credentials_outlive_the_runtime_in_which_they_were_built";
    let cloud = Cloud::new(name, 200, TOKEN);
    cloud.run(name, &[]);
    assert_eq!(cloud.peer.header("authorization"), ["Bearer real-t0ken"; 2]);
}

/// Asserts that no thread of this name is left, where the system can tell.
fn assert_threads_end(name: &str) {
    let begun = Instant::now();
    let is_left = || {
        let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let mut names = threads.map(|thread| fs::read_to_string(thread.path().join("comm")));
        names.any(|found| found.is_ok_and(|found| found.trim() == name))
    };
    while is_left() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{name} goes on");
        std::thread::yield_now();
    }
}

#[test]
fn own_credentials_whose_runtime_has_ended_fail_with_advice() {
    if is_child() {
        install_crypto_provider().expect("the first");
        let own = runtime().block_on(async {
            user_account::Builder::new(authorized_user("http://127.0.0.1:1")).build()
        });
        let client = client().credentials(own.expect("well-formed")).build().expect("valid");
        let error = runtime().block_on(call(&client)).expect_err("nobody fetches the token");
        assert_helps(&error, Code::Unauthenticated, "Tokio runtime in which they were built");
        assert_eq!(error.attempts(), 1, "no retry brings the runtime back");
        return;
    }
    let name = "own_credentials_whose_runtime_has_ended_fail_with_advice";
    Cloud::new(name, 200, TOKEN).run(name, &[]);
}

fn install_crypto_provider() -> Result<(), Arc<rustls::crypto::CryptoProvider>> {
    rustls::crypto::ring::default_provider().install_default()
}

#[test]
fn a_program_can_install_its_crypto_provider_after_the_client_is_built() {
    if is_child() {
        runtime().block_on(async {
            let client = client().build().expect("the environment has credentials");
            assert!(rustls::crypto::CryptoProvider::get_default().is_none());
            install_crypto_provider().expect("the program is the first to install one");
            call(&client).await.expect("answered");
        });
        return;
    }
    let name = "a_program_can_install_its_crypto_provider_after_the_client_is_built";
    let cloud = Cloud::new(name, 200, TOKEN);
    cloud.run(name, &[]);
    assert_eq!(cloud.peer.header("authorization"), ["Bearer real-t0ken"]);
}

#[test]
fn a_client_with_its_own_token_source_installs_no_crypto_provider() {
    if is_child() {
        runtime().block_on(async {
            let client = client().credentials(|| async { Token::bearer("own") }).build();
            call(&client.expect("valid")).await.expect("answered");
            assert!(rustls::crypto::CryptoProvider::get_default().is_none());
        });
        return;
    }
    let name = "a_client_with_its_own_token_source_installs_no_crypto_provider";
    let cloud = Cloud::new(name, 200, TOKEN);
    cloud.run(name, &[]);
    assert_eq!(cloud.peer.header("authorization"), ["Bearer own"]);
}

#[test]
fn a_token_outlives_the_runtime_that_fetched_it() {
    if is_child() {
        let built = runtime().block_on(async {
            let client = client().build()?;
            call(&client).await.map(|()| client)
        });
        let client = built.expect("answered");
        runtime().block_on(call(&client)).expect("the token is still good");
        return;
    }
    let name = "a_token_outlives_the_runtime_that_fetched_it";
    let cloud = Cloud::new(name, 200, TOKEN);
    cloud.run(name, &[]);
    assert_eq!(cloud.peer.header("authorization"), ["Bearer real-t0ken"; 2]);
}

#[test]
fn credentials_without_a_crypto_provider_fail_with_advice() {
    if is_child() {
        runtime().block_on(async {
            // Built directly with google-cloud-auth, which does not install a crypto provider.
            let credentials = user_account::Builder::new(authorized_user("http://127.0.0.1:1"));
            let credentials = credentials.build().expect("well-formed");
            let client = client().credentials(credentials).build().expect("valid");
            let error = call(&client).await.expect_err("nothing can be signed or encrypted");
            assert_helps(&error, Code::Unauthenticated, "CryptoProvider::install_default");
        });
        return;
    }
    let name = "credentials_without_a_crypto_provider_fail_with_advice";
    Cloud::new(name, 200, TOKEN).run(name, &[]);
}

#[test]
fn permanently_refused_credentials_fail_with_advice() {
    if is_child() {
        runtime().block_on(async {
            let client = client().build().expect("well-formed");
            let error = call(&client).await.expect_err("the grant is gone");
            assert_helps(&error, Code::Unauthenticated, "build the client anew");
            assert!(chain(&error).contains("invalid_grant"), "{}", chain(&error));
            // The task that refreshes the token has ended; later calls fail at once with the same
            // cause.
            let again = call(&client).await.expect_err("the grant is still gone");
            assert_helps(&again, Code::Unauthenticated, "invalid_grant");
            assert_eq!((error.attempts(), again.attempts()), (1, 1));
        });
        return;
    }
    let name = "permanently_refused_credentials_fail_with_advice";
    let cloud = Cloud::new(name, 400, r#"{"error": "invalid_grant"}"#);
    cloud.run(name, &[]);
    assert_eq!(cloud.tokens.asked().len(), 1);
    assert!(cloud.peer.calls().is_empty(), "nothing is sent without a token");
}

#[test]
fn an_unavailable_token_service_makes_the_call_unavailable() {
    if is_child() {
        runtime().block_on(async {
            let client = client().retry(RetryPolicy::never()).build().expect("well-formed");
            let error = call(&client).await.expect_err("no token");
            assert_helps(&error, Code::Unavailable, "no token could be fetched");
            assert!(chain(&error).contains("503"), "{}", chain(&error));
        });
        return;
    }
    let name = "an_unavailable_token_service_makes_the_call_unavailable";
    Cloud::new(name, 503, "{}").run(name, &[]);
}

#[test]
fn a_service_account_with_an_unusable_key_fails_with_advice() {
    if is_child() {
        runtime().block_on(async {
            // An elliptic-curve key, where the service requires RSA.
            let (_, key) = Authority::new().client();
            let account = json!({
                "client_email": "a@b", "private_key_id": "i", "private_key": key, "project_id": "p",
            });
            install_crypto_provider().expect("the first");
            let credentials = service_account::Builder::new(account).build().expect("well-formed");
            let client = client().credentials(credentials).build().expect("valid");
            let error = call(&client).await.expect_err("the key does not do");
            assert_helps(&error, Code::Unauthenticated, "RSA");
        });
        return;
    }
    let name = "a_service_account_with_an_unusable_key_fails_with_advice";
    Cloud::new(name, 200, TOKEN).run(name, &[]);
}

#[test]
fn missing_credentials_fail_with_advice() {
    if is_child() {
        runtime().block_on(async {
            match env::var_os("GOOGLE_APPLICATION_CREDENTIALS") {
                Some(_) => {
                    let error = client().build().expect_err("no such file, or no such thing in it");
                    let advice = "gcloud auth application-default login";
                    assert_helps(&error, Code::Unauthenticated, advice);
                }
                // Without a file, google-cloud-auth uses the metadata server, which only a call
                // reaches.
                None => {
                    let client =
                        client().retry(RetryPolicy::never()).build().expect("perhaps in a cloud");
                    let error = call(&client).await.expect_err("not in a cloud");
                    let advice = "gcloud auth application-default login";
                    assert_helps(&error, Code::Unavailable, advice);
                }
            }
        });
        return;
    }
    let name = "missing_credentials_fail_with_advice";
    let mut cloud = Cloud::new(name, 200, TOKEN);
    let (_, file) = cloud.variables.pop().expect("the credentials come last");
    let variable = "GOOGLE_APPLICATION_CREDENTIALS";
    cloud.run(name, &[(variable, "/no/such/file.json")]);
    for text in ["", "{}", r#"{"type": "unheard-of"}"#, r#"{"type": "authorized_user"}"#] {
        fs::write(&file, text).expect("the target folder can be written");
        cloud.run(name, &[(variable, &file)]);
    }
    let empty = env!("CARGO_TARGET_TMPDIR");
    cloud.run(name, &[("HOME", empty), ("GCE_METADATA_HOST", "127.0.0.1:1")]);
    assert!(cloud.peer.calls().is_empty());
}

// Other systems use a certificate store that no variable can empty.
#[cfg(target_os = "linux")]
#[test]
fn missing_root_certificates_fail_with_advice() {
    if is_child() {
        runtime().block_on(async {
            let client = client().retry(RetryPolicy::never()).build().expect("well-formed");
            let error = call(&client).await.expect_err("the token service cannot be trusted");
            assert_helps(&error, Code::Unauthenticated, "ca-certificates");
        });
        return;
    }
    let name = "missing_root_certificates_fail_with_advice";
    Cloud::new(name, 200, TOKEN).run(name, &[("SSL_CERT_FILE", "/dev/null")]);
}

#[test]
fn the_emulator_variable_selects_plaintext_without_credentials() {
    if is_child() {
        runtime().block_on(async {
            // An emulator gets neither the environment's credentials nor configured ones.
            let client = LivestreamClient::new().expect("an emulator needs nothing");
            call(&client).await.expect("answered");
            let own = user_account::Builder::new(authorized_user("http://127.0.0.1:1"));
            let own = own.build().expect("well-formed");
            let client = LivestreamClient::builder().credentials(own).build().expect("valid");
            call(&client).await.expect("answered");
            // A configured endpoint takes precedence over the emulator.
            let elsewhere = LivestreamClient::builder().endpoint("http://127.0.0.1:1");
            let elsewhere = elsewhere.retry(RetryPolicy::never()).build().expect("valid");
            call(&elsewhere).await.expect_err("nobody listens there");
        });
        return;
    }
    let name = "the_emulator_variable_selects_plaintext_without_credentials";
    let (cloud, emulator) = (Cloud::new(name, 200, TOKEN), Peer::new());
    let at = runtime().block_on(emulator.listen()).to_string();
    cloud.run(name, &[("LIVESTREAM_EMULATOR_HOST", &at)]);
    let with_scheme = format!("http://{at}/");
    cloud.run(name, &[("LIVESTREAM_EMULATOR_HOST", &with_scheme)]);
    assert_eq!(emulator.header("authorization"), [""; 4]);
    assert!(cloud.tokens.asked().is_empty());
}

#[test]
fn an_emulator_on_another_host_gets_no_credentials() {
    if is_child() {
        runtime().block_on(async {
            let built = LivestreamClient::new();
            match env::var("EXPECTED").expect("told").as_str() {
                "client" => drop(built.expect("no token, so nothing to protect")),
                told => assert_helps(&built.expect_err("no host"), Code::InvalidArgument, told),
            }
        });
        return;
    }
    let name = "an_emulator_on_another_host_gets_no_credentials";
    let variable = |host| ("LIVESTREAM_EMULATOR_HOST", host);
    in_child(name, &[variable("emulator:8080"), ("EXPECTED", "client")]);
    in_child(name, &[variable("emul ator"), ("EXPECTED", "not an endpoint")]);
}

#[test]
fn a_token_of_another_universe_is_not_sent() {
    if is_child() {
        runtime().block_on(async {
            let client = client().build().expect("the environment has credentials");
            let error = call(&client).await.expect_err("the credentials are of googleapis.com");
            assert_helps(&error, Code::FailedPrecondition, "googleapis.com");
            assert_helps(&error, Code::FailedPrecondition, "other.test");
            assert_eq!(error.attempts(), 1, "a retry would end the same");
        });
        return;
    }
    let name = "a_token_of_another_universe_is_not_sent";
    let cloud = Cloud::new(name, 200, TOKEN);
    cloud.run(name, &[("GOOGLE_CLOUD_UNIVERSE_DOMAIN", "other.test")]);
    assert!(cloud.peer.calls().is_empty());
}

#[test]
fn the_default_endpoint_follows_the_universe_domain() {
    if is_child() {
        let (expected, own) = (env::var("EXPECTED").expect("told"), env::var("OWN"));
        let (sender, dialled) = std::sync::mpsc::channel();
        let dial = tower::service_fn(move |target: http::Uri| {
            sender.send(target).expect("the test waits for it");
            async { Err::<tokio::net::TcpStream, _>(std::io::Error::other("not today")) }
        });
        runtime().block_on(async {
            let mut builder = LivestreamClient::builder().anonymous().connector(dial);
            if let Ok(domain) = own {
                builder = builder.universe_domain(domain);
            }
            let client = builder.retry(RetryPolicy::never()).build().expect("valid");
            call(&client).await.expect_err("not today");
        });
        assert_eq!(dialled.recv().expect("it was dialled"), expected.as_str());
        return;
    }
    let name = "the_default_endpoint_follows_the_universe_domain";
    let google = ("EXPECTED", "https://livestream.googleapis.com/");
    let other = ("EXPECTED", "https://livestream.other.test/");
    let variable = |domain| ("GOOGLE_CLOUD_UNIVERSE_DOMAIN", domain);
    in_child(name, &[google]);
    in_child(name, &[google, variable("")]);
    in_child(name, &[other, variable("other.test")]);
    in_child(name, &[other, variable("third.test"), ("OWN", "other.test")]);
    // A custom connector takes precedence over the emulator.
    in_child(name, &[google, ("LIVESTREAM_EMULATOR_HOST", "127.0.0.1:1")]);
}

#[test]
fn an_invalid_endpoint_is_refused_and_its_password_is_not_shown() {
    let refused = |builder: Builder<LivestreamClient>| {
        let shown = format!("{builder:?}");
        let error = builder.anonymous().build().expect_err("not an endpoint");
        assert_eq!(error.code(), Code::InvalidArgument, "{error:?}");
        let told = format!("{shown} {error} {error:?}");
        assert!(!told.contains("p4ss"), "{told}");
        error.to_string()
    };
    let endpoint = |text: &str| refused(LivestreamClient::builder().endpoint(text));
    for text in ["", "host", "host:443", "ftp://host", "https://", "https://h/v1", "https://h?q"] {
        assert!(endpoint(text).contains("https://example.googleapis.com"), "{text}");
    }
    endpoint("https://me:p4ss@host");
    for domain in ["a b", "x/y", "me:x@host"] {
        refused(LivestreamClient::builder().universe_domain(domain));
    }
    let unnamed = LivestreamClient::builder().endpoint("https://under_score.-x-").anonymous();
    let error = unnamed.build().expect_err("no certificate can name it");
    assert!(error.to_string().contains("no certificate can name"), "{error}");
}
