//! The spans and events of calls, operations and connections. `secrets.rs` shows that they contain
//! no secret.

mod peer;

use livestream_client::{
    LivestreamClient,
    model::{GetInputRequest, Input, input, livestream_service_client::LivestreamServiceClient},
    name::{InputName, LocationName},
    policy::RetryPolicy,
};
use livestream_emulator::Emulator;
use peer::Peer;
use std::{
    collections::BTreeMap,
    fmt::Debug,
    future::ready,
    mem,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    task::yield_now,
    time::{Instant, timeout},
};
use tonic::body::Body;
use tower::{BoxError, ServiceExt, layer::layer_fn, service_fn, util::BoxCloneSyncService};
use tracing::{
    Event, Instrument, Metadata, Subscriber,
    field::{Field, Visit},
    info_span,
    span::{Attributes, Id, Record},
    subscriber::{self, DefaultGuard},
};

const OURS: &str = "livestream_client::";

/// Records all spans and events of this crate, and the spans around them.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    entries: Vec<Entry>,
    /// All spans, also those of other crates. The id of a span is its index plus one.
    spans: Vec<Span>,
    /// The spans that the thread has entered, outermost first.
    entered: Vec<usize>,
}

struct Span {
    metadata: &'static Metadata<'static>,
    parent: Option<usize>,
    fields: Fields,
    handles: usize,
}

/// An event, or a span at its end.
#[derive(Clone, Debug)]
struct Entry {
    target: String,
    /// The span's name, or the event's message.
    name: String,
    /// The name of the span around it.
    within: Option<String>,
    fields: Fields,
}

#[derive(Clone, Debug, Default)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}

impl Fields {
    fn of(record: impl FnOnce(&mut dyn Visit)) -> Self {
        let mut fields = Self::default();
        record(&mut fields);
        fields
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let fields = Fields::of(|fields| attributes.record(fields));
        let mut seen = self.seen();
        let parent = seen.around(attributes.is_contextual(), attributes.parent());
        seen.spans.push(Span { metadata: attributes.metadata(), parent, fields, handles: 1 });
        Id::from_u64(seen.spans.len() as u64)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        let fields = Fields::of(|fields| values.record(fields));
        self.seen().spans[index(id)].fields.0.extend(fields.0);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::of(|fields| event.record(fields));
        let name = fields.0.remove("message").unwrap_or_default();
        let mut seen = self.seen();
        let within = seen.around(event.is_contextual(), event.parent());
        seen.keep(event.metadata(), name, within, fields);
    }

    fn enter(&self, id: &Id) {
        self.seen().entered.push(index(id));
    }

    fn exit(&self, id: &Id) {
        let mut seen = self.seen();
        let last = seen.entered.iter().rposition(|entered| *entered == index(id));
        seen.entered.remove(last.expect("it was entered"));
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.seen().spans[index(id)].handles += 1;
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        let mut seen = self.seen();
        let span = &mut seen.spans[index(&id)];
        span.handles -= 1;
        if span.handles > 0 {
            return false;
        }
        let (metadata, parent) = (span.metadata, span.parent);
        let fields = mem::take(&mut span.fields);
        seen.keep(metadata, metadata.name().to_owned(), parent, fields);
        true
    }
}

fn index(id: &Id) -> usize {
    usize::try_from(id.into_u64() - 1).expect("made of an index")
}

impl Seen {
    /// The span around a new span or event.
    fn around(&self, is_contextual: bool, parent: Option<&Id>) -> Option<usize> {
        if is_contextual { self.entered.last().copied() } else { parent.map(index) }
    }

    fn keep(&mut self, of: &Metadata<'_>, name: String, within: Option<usize>, fields: Fields) {
        if let Some(target) = of.target().strip_prefix(OURS) {
            let within = within.map(|span| self.spans[span].metadata.name().to_owned());
            self.entries.push(Entry { target: target.to_owned(), name, within, fields });
        }
    }
}

impl Recorder {
    /// Records this thread. A test runs on it with all its tasks.
    fn start() -> (Self, DefaultGuard) {
        let recorder = Self::default();
        let guard = subscriber::set_default(recorder.clone());
        (recorder, guard)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().expect("no test panics under the lock")
    }

    fn all(&self, target: &str, name: &str) -> Vec<Entry> {
        let seen = self.seen();
        let found =
            seen.entries.iter().filter(|entry| entry.target == target && entry.name == name);
        found.cloned().collect()
    }

    /// The one entry of this name.
    #[track_caller]
    fn one(&self, target: &str, name: &str) -> Entry {
        let all = self.all(target, name);
        let [one] = &all[..] else { panic!("expected one {name:?} of {target}: {all:?}") };
        one.clone()
    }

    /// The one entry of this name. Waits for other tasks to record it.
    async fn wait_for(&self, target: &str, name: &str) -> Entry {
        let begun = Instant::now();
        while self.all(target, name).is_empty() && begun.elapsed() < Duration::from_secs(20) {
            yield_now().await;
        }
        self.one(target, name)
    }
}

impl Entry {
    fn field(&self, name: &str) -> Option<&str> {
        self.fields.0.get(name).map(String::as_str)
    }

    #[track_caller]
    fn assert_fields(&self, expected: &[(&str, &str)]) {
        for (name, value) in expected {
            assert_eq!(self.field(name), Some(*value), "{name} of {self:?}");
        }
    }
}

fn location() -> LocationName {
    LocationName::new("p", "us-central1").expect("valid")
}

fn camera() -> InputName {
    InputName::new("p", "us-central1", "camera").expect("valid")
}

fn rtmp() -> Input {
    Input { r#type: input::Type::RtmpPush.into(), ..Input::default() }
}

type Below = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, BoxError>;

/// A client whose first attempt gets UNAVAILABLE.
fn client_with_one_failure(emulator: &Emulator) -> LivestreamClient {
    let is_first = Arc::new(AtomicBool::new(true));
    let layer = layer_fn(move |below: Below| {
        let is_first = is_first.clone();
        service_fn(move |request: http::Request<Body>| {
            let (below, is_first) = (below.clone(), is_first.swap(false, Ordering::Relaxed));
            async move {
                if !is_first {
                    return below.oneshot(request).await;
                }
                let refused = http::Response::builder().header("grpc-status", "14");
                Ok(refused.body(Body::empty()).expect("the header is valid"))
            }
        })
    });
    emulator.client_builder().layer(layer).build().expect("a client")
}

#[tokio::test(start_paused = true)]
async fn a_call_is_one_span_and_an_attempt_one_event() {
    let (recorder, _guard) = Recorder::start();
    let client = client_with_one_failure(&Emulator::new());
    let create = client.create_input(&location(), rtmp(), "camera");
    let id = create.request().request_id.clone();
    let operation = create.into_future().instrument(info_span!(target: "a program", "setup")).await;
    let operation = operation.expect("the second attempt succeeds");

    let call = recorder.one("calls", "call");
    call.assert_fields(&[
        ("otel.name", "google.cloud.video.livestream.v1.LivestreamService/CreateInput"),
        ("otel.kind", "client"),
        ("rpc.system", "grpc"),
        ("rpc.service", "google.cloud.video.livestream.v1.LivestreamService"),
        ("rpc.method", "CreateInput"),
        ("rpc.grpc.status_code", "0"),
        ("server.address", "emulator.internal"),
        ("server.port", "80"),
        ("resource", location().as_str()),
        ("request_id", &id),
        ("attempts", "2"),
    ]);
    assert_eq!(call.field("otel.status_code"), None, "a retry is not an error");
    assert_eq!(call.within.as_deref(), Some("setup"));

    let first = recorder.one("calls", "tried again");
    first.assert_fields(&[("attempt", "1"), ("code", "Unavailable"), ("sent", "Answered")]);
    assert!(first.field("delay").is_some(), "{first:?}");
    let second = recorder.one("calls", "answered");
    second.assert_fields(&[("attempt", "2"), ("code", "Ok")]);
    assert_eq!(
        [first.within, second.within],
        [const { Some("call") }; 2].map(|s| s.map(Into::into))
    );

    let started = recorder.one("operations", "started");
    started.assert_fields(&[("operation", operation.name().as_str())]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_has_its_code_and_the_stop_reason() {
    let (recorder, _guard) = Recorder::start();
    let client = Emulator::new().client();
    client.get_input(&camera()).await.expect_err("there is none");

    let call = recorder.one("calls", "call");
    call.assert_fields(&[
        ("rpc.method", "GetInput"),
        ("rpc.grpc.status_code", "5"),
        ("otel.status_code", "ERROR"),
        ("resource", camera().as_str()),
        ("attempts", "1"),
    ]);
    assert_eq!(call.field("request_id"), None, "a read has none");
    let last = recorder.one("calls", "given up");
    last.assert_fields(&[("attempt", "1"), ("code", "NotFound"), ("stop", "Final")]);
}

#[tokio::test(start_paused = true)]
async fn the_span_of_a_dropped_call_is_cancelled() {
    let (recorder, _guard) = Recorder::start();
    let client = Peer::new().taking(Duration::from_secs(60)).client().build().expect("a client");
    let call = client.get_input(&camera());
    timeout(Duration::from_secs(1), call.into_future()).await.expect_err("it takes longer");
    let call = recorder.one("calls", "call");
    call.assert_fields(&[("rpc.grpc.status_code", "1"), ("otel.status_code", "ERROR")]);
}

#[tokio::test(start_paused = true)]
async fn a_call_of_a_raw_stub_has_a_span() {
    let (recorder, _guard) = Recorder::start();
    let mut stub = LivestreamServiceClient::new(Emulator::new().client().stack());
    let get = GetInputRequest { name: camera().to_string() };
    stub.get_input(get).await.expect_err("there is none");
    let call = recorder.one("calls", "call");
    call.assert_fields(&[("rpc.method", "GetInput"), ("rpc.grpc.status_code", "5")]);
    assert_eq!(call.field("resource"), None, "the message is encoded already");
}

#[tokio::test(start_paused = true)]
async fn poll_events_name_the_operation() {
    let (recorder, _guard) = Recorder::start();
    let client = Emulator::builder().speed(1).build().client();
    let mut create =
        client.create_input(&location(), rtmp(), "camera").await.expect("it is accepted");
    create.wait().await.expect("it succeeds");

    let operation = create.name().as_str();
    let polls = recorder.all("operations", "polled");
    let (last, before) = polls.split_last().expect("it is polled");
    last.assert_fields(&[("operation", operation), ("is_done", "true")]);
    assert!(!before.is_empty(), "an input takes some time");
    for poll in before {
        poll.assert_fields(&[("operation", operation), ("is_done", "false")]);
    }
    let pauses = recorder.all("operations", "pausing");
    assert_eq!(pauses.len(), before.len());
    for (polls, pause) in (1..).zip(&pauses) {
        pause.assert_fields(&[("operation", operation), ("polls", &polls.to_string())]);
        assert!(pause.field("pause").is_some(), "{pause:?}");
    }
    let gets = recorder.all("calls", "call");
    let gets = gets.iter().filter(|call| call.field("rpc.method") == Some("GetOperation"));
    let asked = gets.map(|get| get.field("resource").expect("known")).collect::<Vec<_>>();
    assert_eq!(asked, vec![operation; polls.len()]);
}

#[tokio::test]
async fn connection_events_cover_open_goaway_and_close() {
    let (recorder, _guard) = Recorder::start();
    let peer = Peer::new();
    let client = peer.client().build().expect("a client");
    client.get_input(&camera()).await.expect("answered");
    let server = [("server.address", "service.test"), ("server.port", "80")];
    recorder.one("connections", "opened").assert_fields(&server);
    assert!(recorder.all("connections", "GOAWAY").is_empty());

    peer.drain();
    let goaway = recorder.wait_for("connections", "GOAWAY").await;
    goaway.assert_fields(&[server[0], ("why", "NO_ERROR")]);
    let closed = recorder.wait_for("connections", "closed").await;
    closed.assert_fields(&server);
    assert_eq!(closed.field("why"), None, "the connection closed normally");
}

#[tokio::test(start_paused = true)]
async fn a_connection_closed_by_keepalive_has_a_reason() {
    let (recorder, _guard) = Recorder::start();
    let peer = Peer::new().taking(Duration::from_secs(600));
    let second = Duration::from_secs(1);
    let client = peer.client().keep_alive(second, second).build().expect("a client");
    let call = tokio::spawn(client.get_input(&camera()).into_future());
    peer.until_in_flight(1).await;
    peer.fall_silent();
    call.await.expect("no panic").expect_err("the connection is dead");
    let closed = recorder.wait_for("connections", "closed").await;
    closed.assert_fields(&[("why", "a ping went unanswered")]);
}

#[tokio::test]
async fn a_failed_connection_has_a_reason() {
    let (recorder, _guard) = Recorder::start();
    let refuse = service_fn(|_: http::Uri| ready(Err::<tokio::net::TcpStream, _>("refused")));
    let client = LivestreamClient::builder()
        .endpoint("http://service.test:8470")
        .connector(refuse)
        .retry(RetryPolicy::never())
        .build()
        .expect("a client");
    client.get_input(&camera()).await.expect_err("there is no server");
    recorder.one("connections", "not opened").assert_fields(&[
        ("server.address", "service.test"),
        ("server.port", "8470"),
        ("why", "no connection to http://service.test:8470"),
    ]);
    let last = recorder.one("calls", "given up");
    last.assert_fields(&[("code", "Unavailable"), ("sent", "No"), ("stop", "Attempts")]);
}
