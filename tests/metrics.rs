//! Metrics: durations, attempts, and gauges of open calls and connections.

mod peer;

use livestream_client::name::{InputName, LocationName};
use livestream_emulator::Emulator;
use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Label, Metadata, Recorder, SharedString,
    Unit,
};
use peer::Peer;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::timeout;

/// Keeps the recorded values by name and labels, as text.
#[derive(Default)]
struct MetricsStore {
    numbers: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    durations: Mutex<BTreeMap<String, Arc<Series>>>,
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

    #[track_caller]
    fn durations(&self, key: &str) -> Vec<f64> {
        let durations = self.durations.lock().expect("no test panics under the lock");
        let keys = durations.keys().collect::<Vec<_>>();
        let series = durations.get(key).unwrap_or_else(|| panic!("no {key}: {keys:?}"));
        series.0.lock().expect("no test panics under the lock").clone()
    }
}

impl Recorder for MetricsStore {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

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

fn labels(method: &str, code: u8) -> String {
    let service = "google.cloud.video.livestream.v1.LivestreamService";
    format!("{{rpc.service={service},rpc.method={method},rpc.grpc.status_code={code}}}")
}

fn camera() -> InputName {
    InputName::new("p", "us-central1", "camera").expect("valid")
}

#[tokio::test(start_paused = true)]
async fn calls_are_timed_and_attempts_counted_by_method_and_code() {
    let store = MetricsStore::default();
    let _guard = metrics::set_default_local_recorder(&store);
    let client = Emulator::new().client();
    let location = LocationName::new("p", "us-central1").expect("valid");
    for _ in 0..3 {
        client.list_inputs(&location).await.expect("answered");
    }
    client.get_input(&camera()).await.expect_err("there is none");

    for (method, code, times) in [("ListInputs", 0, 3), ("GetInput", 5, 1)] {
        let labels = labels(method, code);
        assert_eq!(store.bits(&format!("rpc.client.attempts{labels}")), times);
        let durations = store.durations(&format!("rpc.client.duration{labels}"));
        assert_eq!(durations.len() as u64, times);
    }
    assert_eq!(store.gauge("rpc.client.calls{}"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn gauges_count_open_calls_and_a_dropped_call_is_cancelled() {
    let store = MetricsStore::default();
    let _guard = metrics::set_default_local_recorder(&store);
    let peer = Peer::new().taking(Duration::from_secs(60));
    let client = peer.client().build().expect("a client");
    let connections = "rpc.client.connections{server.address=service.test,server.port=80}";

    let calls = ["a", "b"].map(|id| {
        let input = camera().parent().input(id).expect("valid");
        timeout(Duration::from_secs(2), client.get_input(&input).into_future())
    });
    let calls = tokio::spawn(futures_util::future::join_all(calls));
    peer.until_in_flight(2).await;
    assert_eq!(store.gauge("rpc.client.calls{}"), 2.0);
    assert_eq!(store.gauge(connections), 1.0);

    for outcome in calls.await.expect("no panic") {
        outcome.expect_err("the server takes longer");
    }
    assert_eq!(store.gauge("rpc.client.calls{}"), 0.0);
    let durations = store.durations(&format!("rpc.client.duration{}", labels("GetInput", 1)));
    assert_eq!(durations.iter().map(|seconds| seconds.round()).collect::<Vec<_>>(), [2.0, 2.0]);

    drop(client);
    peer.until_open(0).await;
    assert_eq!(store.gauge(connections), 0.0);
}
