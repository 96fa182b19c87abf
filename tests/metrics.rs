//! Metrics follow OpenTelemetry's conventions for RPC, version 1.45, and gRPC's proposals A66, A94 and
//! A96. The tests call all methods, and cover the outcomes in `outcomes`.

mod outcomes;
mod peer;

use http::{HeaderName, HeaderValue};
use livestream_client::{
    LivestreamClient, Tls,
    credentials::Token,
    methods::METHODS,
    model::{Input, StartChannelRequest},
    name::{InputName, LocationName},
    policy::RetryPolicy,
    proto::google::{
        longrunning::{Operation, operation},
        rpc,
    },
    rpc::Method,
    telemetry::HISTOGRAM_BUCKETS,
};
use livestream_emulator::Emulator;
use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Label, Metadata, Recorder, SharedString,
    Unit,
};
use outcomes::{ADDRESS, Outcome, PORT, UNREADABLE, code_name, method_name, start_channel};
use peer::{Peer, tls::Authority};
use prost::Message;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::timeout;
use tonic::{Code, Status};

/// Keeps the recorded values by name and labels, as text.
#[derive(Default)]
struct MetricsStore {
    numbers: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    durations: Mutex<BTreeMap<String, Arc<Series>>>,
    units: Mutex<BTreeMap<String, Option<Unit>>>,
}

#[derive(Default)]
struct Series(Mutex<Vec<f64>>);

impl HistogramFn for Series {
    fn record(&self, value: f64) {
        self.0.lock().expect("no test panics under the lock").push(value);
    }
}

fn text(key: &Key) -> String {
    let labels = key.labels().map(|label: &Label| format!("{}={}", label.key(), label.value()));
    format!("{}{{{}}}", key.name(), labels.collect::<Vec<_>>().join(","))
}

impl MetricsStore {
    fn describe(&self, name: KeyName, unit: Option<Unit>) {
        let mut units = self.units.lock().expect("no test panics under the lock");
        units.insert(name.as_str().to_owned(), unit);
    }

    /// Removes the histograms, and the counters that are not zero.
    fn take(&self) -> (BTreeMap<String, Vec<f64>>, BTreeMap<String, u64>) {
        let durations = std::mem::take(&mut *self.durations.lock().expect("no panic"));
        let samples = durations.into_iter().map(|(key, series)| {
            (key, series.0.lock().expect("no test panics under the lock").clone())
        });
        let numbers = std::mem::take(&mut *self.numbers.lock().expect("no panic"));
        let numbers =
            numbers.into_iter().map(|(key, number)| (key, number.load(Ordering::Relaxed)));
        (samples.collect(), numbers.filter(|(_, number)| *number > 0).collect())
    }

    fn number(&self, key: &Key) -> Arc<AtomicU64> {
        let mut numbers = self.numbers.lock().expect("no test panics under the lock");
        numbers.entry(text(key)).or_default().clone()
    }

    #[track_caller]
    fn bits(&self, key: &str) -> u64 {
        let numbers = self.numbers.lock().expect("no test panics under the lock");
        let number = numbers.get(key);
        number.unwrap_or_else(|| panic!("no {key}: {numbers:?}")).load(Ordering::Relaxed)
    }

    #[track_caller]
    fn gauge(&self, key: &str) -> f64 {
        f64::from_bits(self.bits(key))
    }
}

impl Recorder for MetricsStore {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(name, unit);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(name, unit);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(name, unit);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.number(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.number(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let mut durations = self.durations.lock().expect("no test panics under the lock");
        Histogram::from_arc(durations.entry(text(key)).or_default().clone())
    }
}

/// The labels of OpenTelemetry's conventions.
fn of_convention(method: &Method, code: Code) -> String {
    let status = code_name(code);
    let mut labels = format!("rpc.system.name=grpc,rpc.method={}", method_name(method));
    labels.push_str(&format!(",rpc.status_code={status}"));
    if code != Code::Ok {
        labels.push_str(&format!(",error.type={status}"));
    }
    format!("{labels},server.address={ADDRESS},server.port={PORT}")
}

/// The labels of gRPC's own metrics.
fn of_grpc(method: &Method) -> String {
    format!("grpc.method={},grpc.target={ADDRESS}:{PORT}", method_name(method))
}

fn camera() -> InputName {
    InputName::new("p", "us-central1", "camera").expect("valid")
}

#[tokio::test(start_paused = true)]
async fn metrics_of_all_methods_have_the_names_and_labels_of_the_conventions() {
    let store = MetricsStore::default();
    let _guard = metrics::set_default_local_recorder(&store);
    for method in METHODS {
        for outcome in Outcome::all(method) {
            outcome.run(method).await;
            check(method, &outcome, &store);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_response_cannot_be_read_is_an_error_in_its_duration() {
    let store = MetricsStore::default();
    let _guard = metrics::set_default_local_recorder(&store);
    for (name, response) in UNREADABLE {
        let error = start_channel(response).await;
        assert_eq!(error.code(), Code::Internal, "{name}: {error:?}");
        assert!(error.may_have_run(), "{name}: {error:?}");
        let (samples, _) = store.take();
        let durations = samples.keys().filter(|key| key.starts_with("rpc.client.call.duration"));
        let method = "google.cloud.video.livestream.v1.LivestreamService/StartChannel";
        let expected = format!(
            "rpc.client.call.duration{{rpc.system.name=grpc,rpc.method={method},\
             rpc.status_code=OK,error.type=unreadable_response,\
             server.address={ADDRESS},server.port={PORT}}}"
        );
        assert_eq!(durations.collect::<Vec<_>>(), [&expected], "{name}");
    }
}

/// Checks that a call left exactly these samples.
fn check(method: &Method, outcome: &Outcome, store: &MetricsStore) {
    let Outcome { code, ref attempts, retries, transparent_retries, .. } = *outcome;
    let (samples, numbers) = store.take();
    let (of_grpc, mut expected) = (of_grpc(method), BTreeMap::new());
    let mut expect = |key: String| *expected.entry(key).or_insert(0) += 1;
    expect(format!("rpc.client.call.duration{{{}}}", of_convention(method, code)));
    for code in attempts {
        let status = code_name(*code);
        expect(format!("grpc.client.attempt.duration{{{of_grpc},grpc.status={status}}}"));
    }
    for (name, retries) in [("retries", retries), ("transparent_retries", transparent_retries)] {
        if retries > 0 {
            let key = format!("grpc.client.call.{name}{{{of_grpc}}}");
            assert_eq!(samples[&key], [f64::from(retries)], "{outcome:?}");
            expect(key);
        }
    }
    let is_idle = retries > 0 || outcome.name.contains("between attempts");
    if is_idle {
        let key = format!("grpc.client.call.retry_delay{{{of_grpc}}}");
        assert!(samples[&key][0] > 0.0, "{outcome:?}: {samples:?}");
        expect(key);
    }
    let found = samples.iter().map(|(key, samples)| (key.clone(), samples.len()));
    assert_eq!(found.collect::<BTreeMap<_, _>>(), expected, "{outcome:?} of {method:?}");

    let started = format!("grpc.client.attempt.started{{{of_grpc}}}");
    let started = (!attempts.is_empty()).then_some((started, attempts.len() as u64));
    let started = started.into_iter().collect::<BTreeMap<_, _>>();
    assert_eq!(numbers, started, "{outcome:?} of {method:?}");
}

#[tokio::test(start_paused = true)]
async fn call_and_retry_durations_are_in_seconds() {
    let store = MetricsStore::default();
    let _guard = metrics::set_default_local_recorder(&store);
    let client = Emulator::new().client();
    let location = LocationName::new("p", "us-central1").expect("valid");
    for _ in 0..3 {
        client.list_inputs(&location).await.expect("answered");
    }
    let units = store.units.lock().expect("no test panics under the lock").clone();
    let (samples, _) = store.take();
    assert!(samples.len() >= 2, "{samples:?}");
    for (name, _) in HISTOGRAM_BUCKETS {
        let is_time = name.ends_with("duration") || name.ends_with("delay");
        assert_eq!(units[*name], is_time.then_some(Unit::Seconds), "{name}");
    }
    for key in samples.keys() {
        let name = key.split('{').next().expect("a name");
        assert!(HISTOGRAM_BUCKETS.iter().any(|(known, _)| *known == name), "{name}");
    }
    // The conventions' recommendation.
    let expected =
        [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
    assert_eq!(HISTOGRAM_BUCKETS[0], ("rpc.client.call.duration", &expected[..]));
    for (name, buckets) in HISTOGRAM_BUCKETS {
        assert!(buckets.is_sorted(), "{name}");
    }
}

const IN_FLIGHT: &str = "livestream_client.calls.in_flight{}";
const OPEN: &str = "grpc.subchannel.open_connections";
const OPENED: &str = "grpc.subchannel.connection_attempts_succeeded";
const UNOPENED: &str = "grpc.subchannel.connection_attempts_failed";
const CLOSED: &str = "grpc.subchannel.disconnections";

#[tokio::test(start_paused = true)]
async fn gauges_count_open_calls_and_connections() {
    let store = MetricsStore::default();
    let _guard = metrics::set_default_local_recorder(&store);
    let peer = Peer::new().taking(Duration::from_secs(60));
    let client = peer.client().build().expect("a client");
    let target = "grpc.target=service.test:80";
    let open = format!("{OPEN}{{{target},grpc.security_level=none}}");

    let calls = ["a", "b"].map(|id| {
        let input = camera().parent().input(id).expect("valid");
        timeout(Duration::from_secs(2), client.get_input(&input).into_future())
    });
    let calls = tokio::spawn(futures_util::future::join_all(calls));
    peer.until_in_flight(2).await;
    assert_eq!(store.gauge(IN_FLIGHT), 2.0);
    assert_eq!(store.gauge(&open), 1.0);
    assert_eq!(store.bits(&format!("{OPENED}{{{target}}}")), 1);

    for outcome in calls.await.expect("no panic") {
        outcome.expect_err("the server takes longer");
    }
    assert_eq!(store.gauge(IN_FLIGHT), 0.0);
    drop(client);
    peer.until_open(0).await;
    assert_eq!(store.gauge(&open), 0.0);
    let shutdown = format!("{CLOSED}{{{target},grpc.disconnect_error=subchannel shutdown}}");
    assert_eq!(store.bits(&shutdown), 1);
}

#[tokio::test(start_paused = true)]
async fn disconnections_have_the_reason_of_the_goaway_or_the_keepalive() {
    let store = MetricsStore::default();
    let _guard = metrics::set_default_local_recorder(&store);
    let closed = |why: &str| {
        store.bits(&format!("{CLOSED}{{grpc.target=service.test:80,grpc.disconnect_error={why}}}"))
    };
    let peer = Peer::new();
    let client = peer.client().build().expect("a client");
    client.get_input(&camera()).await.expect("answered");
    peer.drain();
    peer.until_open(0).await;
    tokio::task::yield_now().await;
    assert_eq!(closed("GOAWAY NO_ERROR"), 1);

    let peer = Peer::new().taking(Duration::from_secs(600));
    let second = Duration::from_secs(1);
    let client = peer.client().keep_alive(second, second).build().expect("a client");
    let call = tokio::spawn(client.get_input(&camera()).into_future());
    peer.until_in_flight(1).await;
    peer.fall_silent();
    call.await.expect("no panic").expect_err("the connection is dead");
    tokio::task::yield_now().await;
    assert_eq!(closed("connection timed out"), 1);
}

#[tokio::test]
async fn connections_that_cannot_be_opened_are_counted_and_tls_is_a_security_level() {
    let store = MetricsStore::default();
    let _guard = metrics::set_default_local_recorder(&store);
    let (peer, authority) = (Peer::new(), Authority::new());
    let port = peer.listen_tls(authority.server(&["h2"])).await.port();
    let builder = || {
        LivestreamClient::builder()
            .endpoint(format!("https://localhost:{port}"))
            .anonymous()
            .retry(RetryPolicy::never())
    };
    let untrusted = builder().build().expect("a client");
    untrusted.get_input(&camera()).await.expect_err("nobody knows this authority");
    let target = format!("grpc.target=localhost:{port}");
    assert_eq!(store.bits(&format!("{UNOPENED}{{{target}}}")), 1);

    let trusted = Tls::without_roots().with_ca_pem(authority.pem()).expect("a certificate");
    let trusted = builder().tls(trusted).build().expect("a client");
    trusted.get_input(&camera()).await.expect("answered");
    let level = "grpc.security_level=privacy_and_integrity";
    assert_eq!(store.gauge(&format!("{OPEN}{{{target},{level}}}")), 1.0);
    assert_eq!(store.bits(&format!("{OPENED}{{{target}}}")), 1);
}

#[tokio::test(start_paused = true)]
async fn labels_contain_no_secret_and_no_resource() {
    let store = MetricsStore::default();
    let _guard = metrics::set_default_local_recorder(&store);
    let peer = Peer::new().answering(|path, _| match path.rsplit('/').next() {
        Some("GetInput") => {
            Ok(Input { uri: "s3cret-of-the-test".to_owned(), ..Input::default() }.encode_to_vec())
        }
        Some("PreviewInput") => Ok(b"\xffs3cret-of-the-test".to_vec()),
        Some("GetOperation") => {
            let error = rpc::Status { code: 9, message: "s3cret".to_owned(), details: vec![] };
            let result = Some(operation::Result::Error(error));
            Ok(Operation { done: true, result, ..Operation::default() }.encode_to_vec())
        }
        _ => Err(Status::failed_precondition("s3cret-of-the-test")),
    });
    let secret = HeaderValue::from_static("s3cret-of-the-test");
    let token = || async { Token::bearer("s3cret-of-the-test") };
    let client = peer.client().credentials(token).allow_plaintext_tokens();
    let client = client.propagator(|headers| {
        headers.insert("baggage", HeaderValue::from_static("s3cret-of-the-test"));
    });
    let client = client.build().expect("a client");
    let header = HeaderName::from_static("x-secret");
    client.get_input(&camera()).header(header, secret).await.expect("answered");
    client.preview_input(&camera()).await.expect_err("it cannot be decoded");
    let channel = peer::channel();
    let refused = client.start_channel(&channel).await.expect_err("it is refused");
    assert!(refused.message().contains("s3cret"), "the text itself arrived");
    let operation = channel.parent().operation("o").expect("valid");
    let mut failed = client.resume::<StartChannelRequest>(&operation);
    failed.wait().await.expect_err("the operation has failed");
    drop(timeout(Duration::ZERO, client.get_input(&camera()).send()).await);
    let bearer = "Bearer s3cret-of-the-test";
    assert_eq!(peer.header("authorization")[0], bearer, "the token itself arrived");

    let (samples, numbers) = store.take();
    let labels = samples.keys().chain(numbers.keys()).cloned().collect::<Vec<_>>().join("\n");
    assert!(labels.contains("GetInput") && labels.contains(OPENED), "{labels}");
    for outcome in ["unreadable_response", "FAILED_PRECONDITION", "CANCELLED"] {
        assert!(labels.contains(outcome), "{labels}");
    }
    for secret in ["s3cret", "camera", "us-central1"] {
        assert!(!labels.contains(secret), "{labels}");
    }
}
