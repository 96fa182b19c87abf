//! Scripted credentials on each attempt: which token is sent, how often the credentials are asked,
//! and the errors of a missing token. `credentials.rs` tests real credentials.

mod peer;

use google_cloud_auth::{
    credentials::{CacheableResource, Credentials, CredentialsProvider, EntityTag},
    errors::CredentialsError,
};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Request, Response};
use livestream_client::{Builder, Error, LivestreamClient};
use peer::{Peer, chain, channel};
use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{io::duplex, time::Instant};
use tonic::{Code, body::Body};
use tower::Service;

/// Credentials that take one step of a script for each request; after the script, they return the
/// last token.
#[derive(Clone, Debug, Default)]
struct Script(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    steps: VecDeque<Step>,
    current: Option<(EntityTag, &'static str)>,
    asked: usize,
    unchanged: usize,
}

#[derive(Clone, Debug)]
enum Step {
    Give(&'static str),
    FailForNow,
    FailForGood,
    Panic,
    /// Report an unchanged token, even if there is none.
    ClaimUnchanged,
}

impl Script {
    fn of(steps: impl IntoIterator<Item = Step>) -> Self {
        let script = Self::default();
        script.0.lock().expect("unpoisoned").steps = steps.into_iter().collect();
        script
    }

    fn then(&self, step: Step) {
        self.0.lock().expect("unpoisoned").steps.push_back(step);
    }

    /// The number of requests for a token, and the number of them answered with "unchanged".
    fn asked(&self) -> (usize, usize) {
        let state = self.0.lock().expect("unpoisoned");
        (state.asked, state.unchanged)
    }

    fn step(&self) -> Option<Step> {
        let mut state = self.0.lock().expect("unpoisoned");
        state.asked += 1;
        state.steps.pop_front()
    }
}

impl CredentialsProvider for Script {
    async fn headers(
        &self,
        known: Extensions,
    ) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        let step = self.step();
        let mut state = self.0.lock().expect("unpoisoned");
        match step {
            Some(Step::Give(token)) => state.current = Some((EntityTag::new(), token)),
            Some(Step::FailForNow) => return Err(CredentialsError::from_msg(true, "busy")),
            Some(Step::FailForGood) => return Err(CredentialsError::from_msg(false, "revoked")),
            Some(Step::ClaimUnchanged) => return Ok(CacheableResource::NotModified),
            Some(Step::Panic) => {
                drop(state);
                panic!("as these credentials are known to do");
            }
            None => {}
        }
        let (entity_tag, token) = state.current.clone().expect("the script gives a token first");
        if known.get::<EntityTag>() == Some(&entity_tag) {
            state.unchanged += 1;
            return Ok(CacheableResource::NotModified);
        }
        let text = |text: &str| HeaderValue::try_from(text).expect("visible ASCII");
        let data = HeaderMap::from_iter([
            (http::header::AUTHORIZATION, text(&format!("Bearer {token}"))),
            (HeaderName::from_static("x-goog-user-project"), text("of-the-credentials")),
        ]);
        Ok(CacheableResource::New { entity_tag, data })
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}

/// A channel that responds with these codes, then with OK, and records the request headers.
#[derive(Clone, Default)]
struct Wire {
    statuses: Arc<Mutex<VecDeque<&'static str>>>,
    seen: Arc<Mutex<Vec<HeaderMap>>>,
}

impl Wire {
    fn answering(statuses: impl IntoIterator<Item = &'static str>) -> Self {
        let statuses = Arc::new(Mutex::new(statuses.into_iter().collect()));
        Self { statuses, seen: Arc::default() }
    }

    fn service(
        &self,
    ) -> impl Service<
        Request<Body>,
        Response = Response<Body>,
        Error = Infallible,
        Future = impl Future<Output = Result<Response<Body>, Infallible>> + Send,
    > + Clone
    + Send
    + Sync
    + 'static {
        let wire = self.clone();
        tower::service_fn(move |request: Request<Body>| {
            wire.seen.lock().expect("unpoisoned").push(request.headers().clone());
            let status = wire.statuses.lock().expect("unpoisoned").pop_front();
            let answer = Response::builder()
                .header("content-type", "application/grpc")
                .header("grpc-status", status.unwrap_or("5"));
            std::future::ready(Ok(answer.body(Body::empty()).expect("valid headers")))
        })
    }

    fn header(&self, name: &str) -> Vec<String> {
        let seen = self.seen.lock().expect("unpoisoned");
        let text = |value: &HeaderValue| value.to_str().expect("visible ASCII").to_owned();
        seen.iter().map(|headers| headers.get(name).map(text).unwrap_or_default()).collect()
    }
}

fn client(wire: &Wire, script: &Script) -> Builder<LivestreamClient> {
    let credentials = Credentials::from(script.clone());
    LivestreamClient::builder().channel(wire.service()).credentials(credentials)
}

/// Makes one call, which ends with NOT_FOUND.
async fn call(client: &LivestreamClient) -> Error {
    client.get_channel(&channel()).await.expect_err("there is no such channel")
}

#[tokio::test]
async fn an_unchanged_token_is_reused() {
    let (wire, script) = (Wire::default(), Script::of([Step::Give("first")]));
    let client = client(&wire, &script).build().expect("valid");
    for _ in 0..3 {
        assert!(call(&client.clone()).await.is_not_found());
    }
    assert_eq!(script.asked(), (3, 2), "asked for each call, and unchanged twice");
    script.then(Step::Give("second"));
    call(&client).await;
    call(&client).await;
    let sent = ["first", "first", "first", "second", "second"].map(|t| format!("Bearer {t}"));
    assert_eq!(wire.header("authorization"), sent);
    assert_eq!(script.asked(), (5, 3));
}

#[tokio::test(start_paused = true)]
async fn each_attempt_fetches_the_current_token() {
    let wire = Wire::answering(["14", "14"]);
    let script = Script::of(["stale", "staler", "fresh"].map(Step::Give));
    let error = call(&client(&wire, &script).build().expect("valid")).await;
    assert_eq!((error.code(), error.attempts()), (Code::NotFound, 3));
    assert_eq!(wire.header("authorization"), ["Bearer stale", "Bearer staler", "Bearer fresh"]);
}

#[tokio::test(start_paused = true)]
async fn a_transient_token_error_is_retried() {
    let wire = Wire::default();
    let script = Script::of([Step::FailForNow, Step::FailForNow, Step::Give("late")]);
    let client = client(&wire, &script).build().expect("valid");
    // Even a mutation without a `request_id` is retried, since nothing has been sent.
    let name = format!("{}/inputs/i", "projects/p/locations/us-central1").parse().expect("a name");
    let error = client.preview_input(&name).await.expect_err("there is no such input");
    assert_eq!((error.code(), error.attempts()), (Code::NotFound, 3));
    assert_eq!(wire.header("authorization"), ["Bearer late"]);
}

#[tokio::test(start_paused = true)]
async fn a_transient_token_error_until_the_deadline_ends_the_call_with_its_cause() {
    let (wire, script) = (Wire::default(), Script::of(vec![Step::FailForNow; 1_000]));
    let client = client(&wire, &script).build().expect("valid");
    let begun = Instant::now();
    let error = client.get_channel(&channel()).timeout(Duration::from_secs(5)).await;
    let error = error.expect_err("no token");
    assert!(begun.elapsed() <= Duration::from_millis(5_050), "{:?}", begun.elapsed());
    assert_eq!(error.code(), Code::Unavailable, "{error:?}");
    assert!(!error.may_have_run());
    assert!(chain(&error).contains("token") && chain(&error).contains("busy"), "{error:?}");
    assert!(wire.header("authorization").is_empty(), "nothing is sent without a token");
}

#[tokio::test(start_paused = true)]
async fn a_permanent_token_error_fails_the_call_at_once_with_advice() {
    let cases = [
        (Step::FailForGood, "build the client anew", "revoked"),
        (Step::Panic, "Tokio runtime", "crypto provider"),
        (Step::ClaimUnchanged, "never gave one", ""),
    ];
    for (step, advice, cause) in cases {
        let (wire, script) = (Wire::default(), Script::of([step.clone()]));
        let client = client(&wire, &script).build().expect("valid");
        let error = call(&client).await;
        assert_eq!((error.code(), error.attempts()), (Code::Unauthenticated, 1), "{step:?}");
        assert!(error.to_string().contains(advice), "{step:?}: {error}");
        assert!(chain(&error).contains(cause), "{step:?}: {}", chain(&error));
        assert!(!error.may_have_run(), "{step:?}");
        assert!(wire.header("authorization").is_empty(), "{step:?}");

        // The client works again once the credentials do.
        script.then(Step::Give("better"));
        assert!(call(&client).await.is_not_found(), "{step:?}");
        assert_eq!(wire.header("authorization"), ["Bearer better"], "{step:?}");
    }
}

#[tokio::test]
async fn the_builders_quota_project_overrides_the_quota_project_of_the_credentials() {
    let (wire, script) = (Wire::default(), Script::of([Step::Give("t")]));
    call(&client(&wire, &script).build().expect("valid")).await;
    let own = client(&wire, &script).quota_project("of-the-builder").build().expect("valid");
    call(&own).await;
    call(&own).await;
    let sent = ["of-the-credentials", "of-the-builder", "of-the-builder"];
    assert_eq!(wire.header("x-goog-user-project"), sent);

    let error = client(&wire, &script).quota_project("a\nb").build().expect_err("no header value");
    assert_eq!(error.code(), Code::InvalidArgument, "{error:?}");
}

#[tokio::test]
async fn a_users_layer_sees_the_token_and_debug_redacts_it() {
    let printed = Arc::new(Mutex::new(String::new()));
    let (wire, script) = (Wire::default(), Script::of([Step::Give("t0ken")]));
    let page = printed.clone();
    let layer = tower::layer::layer_fn(move |inner| {
        let page = page.clone();
        tower::ServiceExt::map_request(inner, move |request: Request<Body>| {
            assert_eq!(request.headers()["authorization"], "Bearer t0ken");
            page.lock().expect("unpoisoned").push_str(&format!("{request:?}"));
            request
        })
    });
    call(&client(&wire, &script).layer(layer).build().expect("valid")).await;
    let printed = printed.lock().expect("unpoisoned");
    assert!(printed.contains("authorization") && !printed.contains("t0ken"), "{printed}");
}

#[tokio::test]
async fn tokens_go_over_plaintext_only_to_loopback_unless_allowed() {
    let script = Script::of([Step::Give("t")]);
    let build = |origin: &str| {
        LivestreamClient::builder().endpoint(origin).credentials(Credentials::from(script.clone()))
    };
    for here in ["http://localhost:1", "http://127.0.0.1:1", "http://127.1.2.3:1", "http://[::1]:1"]
    {
        build(here).build().expect(here);
    }
    for there in [
        "http://10.0.0.1:1",
        "http://service.test",
        "http://localhost.service.test",
        "http://127.0.0.1.service.test",
        "http://0.0.0.0:1",
        "http://[::ffff:10.0.0.1]:1",
    ] {
        let error = build(there).build().expect_err(there);
        assert_eq!(error.code(), Code::FailedPrecondition, "{there}: {error:?}");
        assert!(error.to_string().contains(there), "{error}");
        assert!(error.to_string().contains("allow_plaintext_tokens"), "{error}");
        build(there).allow_plaintext_tokens().build().expect("on request");
        build(&there.replace("http", "https")).build().expect("encrypted");
    }
    // A custom connector can carry the connection to any host.
    let elsewhere = tower::service_fn(|_: http::Uri| async { Ok::<_, Infallible>(duplex(64).0) });
    let error = build("http://localhost:1").connector(elsewhere).build().expect_err("a tunnel");
    assert_eq!(error.code(), Code::FailedPrecondition, "{error:?}");
    assert_eq!(script.asked(), (0, 0), "building a client asks for no token");

    let peer = Peer::new();
    let builder = peer.client().credentials(Credentials::from(script)).allow_plaintext_tokens();
    builder.build().expect("on request").get_channel(&channel()).await.expect("answered");
    assert_eq!(peer.header("authorization"), ["Bearer t"]);
}

#[tokio::test]
async fn a_plaintext_endpoint_looks_for_no_default_credentials() {
    let peer = Peer::new();
    peer.client().build().expect("valid").get_channel(&channel()).await.expect("answered");
    assert_eq!(peer.header("authorization"), [""]);
}

#[tokio::test]
async fn a_call_can_set_its_own_quota_project() {
    let peer = Peer::new();
    let script = Script::of([Step::Give("t")]);
    let builder = peer.client().credentials(Credentials::from(script)).allow_plaintext_tokens();
    let client = builder.quota_project("the-clients").build().expect("valid");
    let project = HeaderName::from_static("x-goog-user-project");
    let call = client.get_channel(&channel()).header(project, HeaderValue::from_static("its-own"));
    call.await.expect("answered");
    assert_eq!(peer.header("x-goog-user-project"), ["its-own"]);
}
