//! Token sources of a program's own: what is sent, how often a source is asked, what its errors and
//! panics mean, and that nothing shows a token. `auth.rs` has the credentials of google-cloud-auth.

mod peer;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, header::AUTHORIZATION};
use livestream_client::{
    Builder, Error, LivestreamClient,
    credentials::{Credentials, Token, TokenError, TokenFuture, TokenSource, UniverseDomainFuture},
    name::InputName,
    policy::RetryPolicy,
    stack::AuthLayer,
};
use peer::{Peer, chain, channel};
use std::{
    convert::Infallible,
    error::Error as StdError,
    fmt::Debug,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{io::duplex, time::Instant};
use tonic::{Code, body::Body};
use tower::Layer;

const SECRET: &str = "s3cret-of-the-test";

/// A builder whose tokens reach the peer over an unencrypted connection in memory.
fn builder(peer: &Peer, credentials: impl Into<Credentials>) -> Builder<LivestreamClient> {
    peer.client().credentials(credentials).allow_plaintext_tokens()
}

fn client(peer: &Peer, credentials: impl Into<Credentials>) -> LivestreamClient {
    builder(peer, credentials).retry(RetryPolicy::default()).build().expect("valid")
}

async fn call(client: &LivestreamClient) -> Result<(), Error> {
    client.get_channel(&channel()).timeout(Duration::from_secs(5)).await.map(drop)
}

/// Asserts that neither the error nor a cause of it shows the secret.
#[track_caller]
fn assert_redacted(value: &impl Debug) {
    for text in [format!("{value:?}"), format!("{value:#?}")] {
        assert!(!text.contains(SECRET), "{text}");
        let bytes = format!("{:?}", SECRET.as_bytes());
        assert!(!text.contains(bytes.trim_matches(['[', ']'])), "{text}");
    }
}

#[tokio::test]
async fn a_closure_sends_a_bearer_token() {
    let peer = Peer::new();
    let client = client(&peer, || async { Token::bearer("from-a-closure") });
    call(&client).await.expect("answered");
    assert_eq!(peer.header("authorization"), ["Bearer from-a-closure"]);
}

/// Gives an API key, and the project that pays for it.
struct ApiKey;

impl TokenSource for ApiKey {
    fn token(&self) -> TokenFuture<'_> {
        Box::pin(async {
            Ok(Token::from(HeaderMap::from_iter([
                (HeaderName::from_static("x-goog-api-key"), HeaderValue::from_static("a-key")),
                (HeaderName::from_static("x-goog-user-project"), HeaderValue::from_static("own")),
            ])))
        })
    }
}

#[tokio::test]
async fn a_source_sends_headers_other_than_a_bearer_token() {
    let peer = Peer::new();
    call(&client(&peer, ApiKey)).await.expect("answered");
    let paid = builder(&peer, ApiKey).quota_project("of-the-builder").build().expect("valid");
    call(&paid).await.expect("answered");
    assert_eq!(peer.header("authorization"), ["", ""]);
    assert_eq!(peer.header("x-goog-api-key"), ["a-key", "a-key"]);
    assert_eq!(peer.header("x-goog-user-project"), ["own", "of-the-builder"]);
}

/// Says that its tokens are for this universe, and counts how often it is asked.
struct Of(Option<&'static str>, Arc<AtomicUsize>);

impl TokenSource for Of {
    fn token(&self) -> TokenFuture<'_> {
        Box::pin(async { Token::bearer(SECRET) })
    }

    fn universe_domain(&self) -> UniverseDomainFuture<'_> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready(self.0.map(str::to_owned)))
    }
}

#[tokio::test]
async fn a_token_is_sent_only_within_the_universe_domain_of_its_source() {
    let (google, other) = (Some("googleapis.com"), Some("other.test"));
    for (own, theirs, is_same) in [
        (None, google, true),
        (None, None, true),
        (None, other, false),
        (other, other, true),
        (Some("Other.Test"), other, true),
        (other, google, false),
        (other, None, true),
    ] {
        let (peer, asked) = (Peer::new(), Arc::new(AtomicUsize::new(0)));
        let mut builder = builder(&peer, Of(theirs, asked.clone())).retry(RetryPolicy::default());
        if let Some(own) = own {
            builder = builder.universe_domain(own);
        }
        let client = builder.build().expect("valid");
        let outcomes = [call(&client).await, call(&client.clone()).await];
        if is_same {
            outcomes.into_iter().for_each(|outcome| outcome.expect("answered"));
            assert_eq!(peer.calls().len(), 2);
            assert_eq!(asked.load(Ordering::SeqCst), 1, "an agreement is remembered");
            continue;
        }
        let error = client.connect().await.expect_err("another universe");
        assert_eq!(error.code(), Code::FailedPrecondition, "{error:?}");
        for outcome in outcomes {
            let error = outcome.expect_err("another universe");
            assert_eq!(error.code(), Code::FailedPrecondition, "{error:?}");
            assert_eq!((error.attempts(), error.may_have_run()), (1, false), "{error:?}");
            let told = error.to_string();
            assert!(told.contains(theirs.expect("it differs")), "{told}");
            assert!(told.contains(own.unwrap_or("googleapis.com")), "{told}");
            assert_redacted(&error);
        }
        assert!(peer.calls().is_empty());
    }
}

#[tokio::test]
async fn an_auth_layer_sends_a_token_only_within_its_universe_domain() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let service = tower::service_fn(move |_: Request<Body>| {
        count.fetch_add(1, Ordering::SeqCst);
        std::future::ready(Ok::<_, Infallible>(Response::new(Body::empty())))
    });
    let layer = || AuthLayer::new(Of(Some("other.test"), Arc::default()));
    let send = |layer: AuthLayer| {
        tower::ServiceExt::oneshot(layer.layer(service.clone()), Request::new(Body::empty()))
    };
    let error = send(layer()).await.expect_err("the layer is for googleapis.com");
    let status = tonic::Status::from_error(error);
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    send(layer().universe_domain("other.test")).await.expect("the same universe");
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn clones_of_credentials_share_their_source() {
    let (peer, asked) = (Peer::new(), Arc::new(AtomicUsize::new(0)));
    let counter = asked.clone();
    let credentials = Credentials::from(move || {
        let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
        async move { Token::bearer(&format!("token-{number}")) }
    });
    for _ in 0..2 {
        call(&client(&peer, credentials.clone())).await.expect("answered");
    }
    assert_eq!(peer.header("authorization"), ["Bearer token-1", "Bearer token-2"]);
    assert_eq!(asked.load(Ordering::SeqCst), 2, "building a client asks for no token");
}

/// Fails as often as asked to, then gives a token.
fn failing(times: usize, fail: fn() -> TokenError) -> Credentials {
    let asked = AtomicUsize::new(0);
    Credentials::from(move || {
        let fails = asked.fetch_add(1, Ordering::SeqCst) < times;
        async move { if fails { Err(fail()) } else { Token::bearer("late") } }
    })
}

#[tokio::test(start_paused = true)]
async fn each_attempt_asks_for_a_token() {
    let statuses = Mutex::new(vec!["0", "14", "14"]);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let token = request.headers()[AUTHORIZATION].clone();
        log.lock().expect("unpoisoned").push(token);
        let status = statuses.lock().expect("unpoisoned").pop().unwrap_or("0");
        let answer = Response::builder().header("grpc-status", status).body(Body::empty());
        std::future::ready(Ok::<_, Infallible>(answer.expect("valid headers")))
    });
    let service = Arc::new(Mutex::new(service));
    let channel = tower::service_fn(move |request| {
        tower::Service::call(&mut *service.lock().expect("unpoisoned"), request)
    });
    let asked = AtomicUsize::new(0);
    let client = LivestreamClient::builder()
        .channel(channel)
        .credentials(move || {
            let number = asked.fetch_add(1, Ordering::SeqCst) + 1;
            async move { Token::bearer(&format!("token-{number}")) }
        })
        .build()
        .expect("valid");
    let error = call(&client).await.expect_err("the answer has no message");
    assert_eq!(error.attempts(), 3, "{error:?}");
    let seen = seen.lock().expect("unpoisoned");
    assert_eq!(*seen, ["Bearer token-1", "Bearer token-2", "Bearer token-3"]);
    assert!(seen.iter().all(HeaderValue::is_sensitive));
}

#[tokio::test(start_paused = true)]
async fn a_transient_token_error_is_retried_even_for_a_mutation_without_request_id() {
    let peer = Peer::new();
    let client = client(&peer, failing(2, || TokenError::transient("the vault is sealed")));
    let input = InputName::new("p", "us-central1", "i").expect("valid");
    client.preview_input(&input).await.expect("answered");
    assert_eq!(peer.header("authorization"), ["Bearer late"]);
}

#[tokio::test(start_paused = true)]
async fn a_transient_token_error_that_lasts_ends_as_unavailable_within_the_deadline() {
    let peer = Peer::new();
    let source = failing(usize::MAX, || TokenError::transient("the vault is sealed"));
    let begun = Instant::now();
    let error = call(&client(&peer, source)).await.expect_err("no token");
    assert!(begun.elapsed() <= Duration::from_millis(5_050), "{:?}", begun.elapsed());
    assert_eq!(error.code(), Code::Unavailable, "{error:?}");
    assert!(error.attempts() > 1 && !error.may_have_run(), "{error:?}");
    let source = error.source().expect("a reason").to_string();
    assert_eq!(source, "the vault is sealed");
    assert!(!error.to_string().contains("gcloud"), "no advice for another source: {error}");
    assert!(peer.header("authorization").is_empty(), "nothing is sent without a token");
}

#[tokio::test(start_paused = true)]
async fn a_permanent_token_error_ends_the_call_as_unauthenticated() {
    let peer = Peer::new();
    let client = client(&peer, failing(1, || TokenError::permanent("the key is revoked")));
    let error = call(&client).await.expect_err("no token");
    assert_eq!((error.code(), error.attempts()), (Code::Unauthenticated, 1), "{error:?}");
    assert!(!error.may_have_run());
    assert!(chain(&error).contains("the key is revoked"), "{}", chain(&error));
    assert!(peer.header("authorization").is_empty());

    call(&client).await.expect("the next call asks again");
    assert_eq!(peer.header("authorization"), ["Bearer late"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_a_source_becomes_an_error() {
    let at_once: Credentials = Credentials::from(|| -> std::future::Ready<_> { panic!("at once") });
    let later = Credentials::from(|| async {
        tokio::task::yield_now().await;
        panic!("later")
    });
    for source in [at_once, later] {
        let peer = Peer::new();
        let error = call(&client(&peer, source)).await.expect_err("no token");
        assert_eq!((error.code(), error.attempts()), (Code::Unauthenticated, 1), "{error:?}");
        assert!(error.to_string().contains("the token source panicked"), "{error}");
        assert!(!error.may_have_run());
        assert!(peer.header("authorization").is_empty());
    }
}

#[test]
fn a_token_error_contains_its_reason() {
    for error in [TokenError::transient("busy"), TokenError::permanent("revoked")] {
        let reason = if error.is_transient() { "busy" } else { "revoked" };
        let source = std::error::Error::source(&error).expect("the reason");
        assert_eq!(source.to_string(), reason);
        assert!(!error.to_string().contains(reason), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_the_wait_for_a_slow_source_with_nothing_sent() {
    let peer = Peer::new();
    let begun = Instant::now();
    let error = call(&client(&peer, pending)).await.expect_err("no token");
    assert_eq!(begun.elapsed().as_secs(), 5, "{:?}", begun.elapsed());
    assert_eq!(error.code(), Code::DeadlineExceeded, "{error:?}");
    assert!(error.to_string().contains("token") && !error.may_have_run(), "{error}");
    assert!(peer.header("authorization").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_token_that_arrives_at_the_deadline_is_too_late() {
    let peer = Peer::new();
    let source = || async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        Token::bearer(SECRET)
    };
    let error = call(&client(&peer, source)).await.expect_err("no time is left");
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert!(error.message().contains("token"), "{error}");
    assert!(peer.header("authorization").is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_the_wait_of_an_auth_layer_below_the_client_with_nothing_sent() {
    let service = tower::service_fn(|request: Request<Body>| async move {
        panic!("sent: {request:?}");
        #[allow(unreachable_code, reason = "it tells the type")]
        Ok::<_, std::convert::Infallible>(Response::new(Body::empty()))
    });
    let layer = AuthLayer::new(Credentials::from(pending));
    let client = LivestreamClient::builder().channel(service).anonymous().layer(layer);
    let error = call(&client.build().expect("valid")).await.expect_err("no token");
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert!(error.message().ends_with("before there was a token"), "{error}");
}

#[tokio::test]
async fn a_token_that_is_no_header_value_is_an_error_that_does_not_show_it() {
    for bad in [format!("{SECRET}\n"), format!("{SECRET}\0"), String::new()] {
        let error = Token::bearer(&bad).expect_err("no header value");
        assert!(!error.is_transient());
        assert_redacted(&error);
        assert!(!chain(&error).contains(SECRET), "{}", chain(&error));

        let peer = Peer::new();
        let source = move || std::future::ready(Token::bearer(&bad));
        let error = call(&client(&peer, source)).await.expect_err("no token");
        assert_eq!((error.code(), error.attempts()), (Code::Unauthenticated, 1), "{error:?}");
        assert_redacted(&error);
        assert!(!chain(&error).contains(SECRET), "{}", chain(&error));
        assert!(peer.header("authorization").is_empty());
    }
}

#[tokio::test]
async fn no_debug_form_shows_a_token() {
    let peer = Peer::new();
    let token = Token::bearer(SECRET).expect("valid");
    let careless = HeaderMap::from_iter([(
        HeaderName::from_static("x-goog-api-key"),
        HeaderValue::from_static(SECRET),
    )]);
    assert_redacted(&token);
    assert_redacted(&Token::from(careless.clone()));

    let credentials = Credentials::from(move || std::future::ready(Ok(token.clone())));
    assert_redacted(&credentials);
    assert_redacted(&builder(&peer, credentials.clone()));
    let layer = AuthLayer::new(credentials.clone());
    assert_redacted(&layer);
    assert_redacted(&layer.layer(()));
    let client = client(&peer, credentials);
    call(&client).await.expect("answered");
    assert_redacted(&client);
    assert_redacted(&client.stack());

    let printed = Arc::new(Mutex::new(String::new()));
    let page = printed.clone();
    let print = tower::layer::layer_fn(move |inner| {
        let page = page.clone();
        tower::ServiceExt::map_request(inner, move |request: Request<Body>| {
            page.lock().expect("unpoisoned").push_str(&format!("{request:?}"));
            request
        })
    });
    let source = move || std::future::ready(Ok(Token::from(careless.clone())));
    call(&builder(&peer, source).layer(print).build().expect("valid")).await.expect("answered");
    let printed = printed.lock().expect("unpoisoned");
    assert!(printed.contains("x-goog-api-key"), "{printed}");
    assert_redacted(&*printed);
    assert_eq!(peer.header("x-goog-api-key"), ["", SECRET], "the token itself arrives");
}

#[tokio::test]
async fn tokens_of_a_source_are_refused_over_plaintext_except_to_this_machine() {
    let peer = Peer::new();
    let source = || async { Token::bearer(SECRET) };
    let error = peer.client().credentials(source).build().expect_err("the stream may go anywhere");
    assert_eq!(error.code(), Code::FailedPrecondition, "{error:?}");
    assert!(error.to_string().contains("allow_plaintext_tokens"), "{error}");
    assert_redacted(&error);
    assert_eq!(peer.opened(), 0);

    let build = |origin: &str| {
        LivestreamClient::builder().endpoint(origin).credentials(source).build().map(drop)
    };
    assert!(build("http://service.test").is_err());
    assert!(build("http://10.0.0.1:1").is_err());
    build("http://127.0.0.1:1").expect("this stays on the machine");
    build("https://service.test").expect("encrypted");
    let elsewhere = tower::service_fn(|_: Uri| async { Ok::<_, Infallible>(duplex(64).0) });
    let builder = LivestreamClient::builder().endpoint("http://localhost:1").credentials(source);
    assert!(builder.connector(elsewhere).build().is_err(), "a tunnel");
}
