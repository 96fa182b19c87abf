//! The spans and events of calls, operations and connections. `secrets.rs` shows that they contain
//! no secret.

mod peer;
mod spans;

use livestream_client::{
    LivestreamClient,
    model::{
        CreateInputRequest, GetInputRequest, Input, input,
        livestream_service_client::LivestreamServiceClient,
    },
    name::{InputName, LocationName},
    policy::RetryPolicy,
};
use livestream_emulator::Emulator;
use peer::Peer;
use spans::{Entry, Recorder};
use std::{
    future::{pending, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::{sleep, timeout};
use tokio_stream::StreamExt;
use tonic::body::Body;
use tower::{BoxError, ServiceExt, layer::layer_fn, service_fn, util::BoxCloneSyncService};
use tracing::{Instrument, Level, Span, info_span};

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

const SERVICE: &str = "google.cloud.video.livestream.v1.LivestreamService";

#[tokio::test(start_paused = true)]
async fn a_call_is_one_span_and_each_attempt_a_child_of_it() {
    let (recorder, _guard) = Recorder::start();
    let client = client_with_one_failure(&Emulator::new());
    let create = client.create_input(&location(), rtmp(), "camera");
    let id = create.request().request_id.clone();
    let operation = create.into_future().instrument(info_span!(target: "a program", "setup")).await;
    let name = operation.expect("the second attempt succeeds").name().clone();

    let method = format!("{SERVICE}/CreateInput");
    let call = recorder.one("calls", "call");
    call.assert_fields(&[
        ("otel.name", &method),
        ("otel.kind", "client"),
        ("rpc.system.name", "grpc"),
        ("rpc.method", &method),
        ("rpc.status_code", "OK"),
        ("server.address", "emulator.internal"),
        ("server.port", "80"),
        ("gcp.client.artifact", "livestream-client"),
        ("gcp.client.version", env!("CARGO_PKG_VERSION")),
        ("gcp.resource.destination.id", location().as_str()),
        ("request_id", &id),
        ("attempts", "2"),
    ]);
    call.assert_none(&["otel.status_code", "error.type"]);
    assert_eq!(call.within.as_deref(), Some("setup"));

    let attempts = recorder.all("calls", "attempt");
    let [first, second] = &attempts[..] else { panic!("two attempts: {attempts:?}") };
    let name_of_attempt = format!("Attempt.{method}");
    for attempt in [first, second] {
        assert_eq!(attempt.parent, call.span);
        attempt.assert_fields(&[
            ("otel.name", &name_of_attempt),
            ("otel.kind", "client"),
            ("rpc.system.name", "grpc"),
            ("rpc.method", &method),
        ]);
    }
    first.assert_fields(&[
        ("rpc.status_code", "UNAVAILABLE"),
        ("error.type", "UNAVAILABLE"),
        ("otel.status_code", "ERROR"),
        ("previous-rpc-attempts", "0"),
        ("transparent-retry", "false"),
    ]);
    first.assert_none(&["retry.delay", "retry.reason", "gcp.grpc.resend_count"]);
    second.assert_fields(&[
        ("rpc.status_code", "OK"),
        ("previous-rpc-attempts", "1"),
        ("transparent-retry", "false"),
        ("gcp.grpc.resend_count", "1"),
        ("retry.reason", "UNAVAILABLE"),
    ]);
    second.assert_none(&["otel.status_code", "error.type"]);
    let waited = second.field("retry.delay").and_then(|delay| delay.parse::<f64>().ok());

    let again = recorder.one("calls", "tried again");
    let event = [("attempt", "1"), ("rpc.status_code", "UNAVAILABLE"), ("sent", "Answered")];
    again.assert_fields(&event);
    let planned = again.field("retry.delay").and_then(|delay| delay.parse::<f64>().ok());
    let late = waited.expect("a number") - planned.expect("a number");
    assert!((0.0..0.01).contains(&late), "{late} s late");
    let answered = recorder.one("calls", "answered");
    answered.assert_fields(&[("attempt", "2"), ("rpc.status_code", "OK")]);
    assert_eq!([again.parent, answered.parent], [call.span; 2]);

    let started = recorder.one("operations", "started");
    started.assert_fields(&[("operation", name.as_str())]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_has_its_code_and_the_stop_reason() {
    let (recorder, _guard) = Recorder::start();
    let client = Emulator::new().client();
    client.get_input(&camera()).await.expect_err("there is none");

    let failure = [
        ("rpc.method", "google.cloud.video.livestream.v1.LivestreamService/GetInput"),
        ("rpc.status_code", "NOT_FOUND"),
        ("error.type", "NOT_FOUND"),
        ("otel.status_code", "ERROR"),
    ];
    let call = recorder.one("calls", "call");
    call.assert_fields(&failure);
    call.assert_fields(&[("gcp.resource.destination.id", camera().as_str()), ("attempts", "1")]);
    call.assert_none(&["request_id"]);
    recorder.one("calls", "attempt").assert_fields(&failure);
    let last = recorder.one("calls", "given up");
    last.assert_fields(&[("attempt", "1"), ("rpc.status_code", "NOT_FOUND"), ("stop", "Final")]);
}

#[tokio::test(start_paused = true)]
async fn the_spans_of_a_dropped_call_and_its_attempt_are_cancelled() {
    let (recorder, _guard) = Recorder::start();
    let client = Peer::new().taking(Duration::from_secs(60)).client().build().expect("a client");
    let call = client.get_input(&camera());
    timeout(Duration::from_secs(1), call.into_future()).await.expect_err("it takes longer");
    for span in ["call", "attempt"] {
        recorder.one("calls", span).assert_fields(&[
            ("rpc.status_code", "CANCELLED"),
            ("error.type", "CANCELLED"),
            ("otel.status_code", "ERROR"),
        ]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_of_a_raw_stub_has_spans() {
    let (recorder, _guard) = Recorder::start();
    let mut stub = LivestreamServiceClient::new(Emulator::new().client().stack());
    let get = GetInputRequest { name: camera().to_string() };
    stub.get_input(get).await.expect_err("there is none");
    let call = recorder.one("calls", "call");
    call.assert_fields(&[
        ("rpc.method", "google.cloud.video.livestream.v1.LivestreamService/GetInput"),
        ("rpc.status_code", "NOT_FOUND"),
        ("server.address", "emulator.internal"),
    ]);
    call.assert_none(&["gcp.resource.destination.id"]); // The message is encoded already.
    assert_eq!(recorder.one("calls", "attempt").parent, call.span);
}

#[tokio::test(start_paused = true)]
async fn the_propagator_writes_its_headers_for_each_attempt_inside_its_span() {
    let (recorder, _guard) = Recorder::start();
    let sent = Arc::new(Mutex::new(Vec::new()));
    let seen = sent.clone();
    let channel = service_fn(move |request: http::Request<Body>| {
        let headers = request.headers();
        let text = |name| headers[name].to_str().map(str::to_owned).expect("ASCII");
        let mut seen = seen.lock().expect("no test panics under the lock");
        seen.push((text("x-span"), text("content-type"), headers.contains_key("x-caller")));
        let status = if seen.len() < 3 { "14" } else { "5" };
        let answer = http::Response::builder().header("grpc-status", status);
        ready(Ok::<_, BoxError>(answer.body(Body::empty()).expect("the header is valid")))
    });
    let client = LivestreamClient::builder().channel(channel).propagator(|headers| {
        assert!(headers.is_empty(), "it sees no other header: {headers:?}");
        let span = Span::current().id().map_or(0, |id| id.into_u64());
        headers.insert("x-span", span.into());
        headers.insert("content-type", http::HeaderValue::from_static("text/plain"));
    });
    let name = http::HeaderName::from_static("x-caller");
    let get = client.build().expect("a client").get_input(&camera());
    get.header(name, http::HeaderValue::from_static("1")).await.expect_err("NOT_FOUND at last");

    let attempts = recorder.all("calls", "attempt");
    let spans = attempts.iter().map(|attempt| {
        // The recorder's id of a span is its index plus one.
        let id = attempt.span.expect("a span") + 1;
        (id.to_string(), "application/grpc".to_owned(), true)
    });
    let sent = sent.lock().expect("no test panics under the lock");
    assert_eq!(*sent, spans.collect::<Vec<_>>());
    assert_eq!(sent.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_an_operation_follows_from_its_call_and_contains_its_polls() {
    let (recorder, _guard) = Recorder::start();
    let client = Emulator::builder().speed(1).build().client();
    let mut create =
        client.create_input(&location(), rtmp(), "camera").await.expect("it is accepted");
    assert!(recorder.all("calls", "call").is_empty(), "open, so that the wait can follow from it");
    let show = info_span!(target: "a program", "show");
    create.wait().instrument(show).await.expect("it succeeds");

    let wait = recorder.one("operations", "wait");
    let operation = create.name().as_str();
    wait.assert_fields(&[
        ("otel.name", "wait"),
        ("otel.kind", "internal"),
        ("gcp.resource.destination.id", operation),
    ]);
    wait.assert_none(&["otel.status_code", "error.type"]);
    assert_eq!(wait.within.as_deref(), Some("show"));
    let calls = recorder.all("calls", "call");
    let (begun, polls): (Vec<&Entry>, Vec<&Entry>) = calls.iter().partition(|call| {
        call.field("rpc.method").is_some_and(|method| method.ends_with("CreateInput"))
    });
    let [begun] = begun[..] else { panic!("one call began it: {calls:?}") };
    assert_eq!(wait.follows, [begun.span.expect("a span")]);
    assert!(polls.len() > 1, "an input takes some time");
    for poll in &polls {
        poll.assert_fields(&[
            ("rpc.method", "google.longrunning.Operations/GetOperation"),
            ("gcp.resource.destination.id", operation),
        ]);
        assert_eq!(poll.parent, wait.span);
    }

    let polled = recorder.all("operations", "polled");
    assert_eq!(polled.len(), polls.len());
    let (last, before) = polled.split_last().expect("it is polled");
    last.assert_fields(&[("operation", operation), ("is_done", "true")]);
    for poll in before {
        poll.assert_fields(&[("operation", operation), ("is_done", "false")]);
        assert_eq!(poll.parent, wait.span);
    }
    let pauses = recorder.all("operations", "pausing");
    assert_eq!(pauses.len(), before.len());
    for (polls, pause) in (1..).zip(&pauses) {
        pause.assert_fields(&[("operation", operation), ("polls", &polls.to_string())]);
        assert!(pause.field("pause").is_some(), "{pause:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_span_of_a_call_closes_when_its_operation_is_polled_or_dropped() {
    let (recorder, _guard) = Recorder::start();
    let client = Emulator::builder().speed(1).build().client();
    let begun = || {
        let calls = recorder.all("calls", "call");
        let method = |call: &Entry| call.field("rpc.method").unwrap_or_default().to_owned();
        calls.iter().map(method).filter(|method| method.ends_with("CreateInput")).count()
    };
    let mut create = client.create_input(&location(), rtmp(), "a").await.expect("accepted");
    assert_eq!(begun(), 0, "a wait may follow");
    create.poll().await.expect("it goes on");
    assert_eq!(begun(), 1);
    drop(client.create_input(&location(), rtmp(), "b").await.expect("accepted"));
    assert_eq!(begun(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_resumed_wait_carries_the_name_of_its_operation_and_its_error() {
    let (recorder, _guard) = Recorder::start();
    let client = Emulator::builder().speed(1).build().client();
    let create = client.create_input(&location(), rtmp(), "camera").await.expect("accepted");
    let name = create.name().clone();
    drop(create);
    let mut resumed = client.resume::<CreateInputRequest>(&name);
    resumed.wait().await.expect("it succeeds");
    let wait = recorder.one("operations", "wait");
    wait.assert_fields(&[("gcp.resource.destination.id", name.as_str())]);
    assert!(wait.follows.is_empty(), "another process may have begun it: {wait:?}");

    recorder.take();
    let unknown = format!("{}/operations/none", location()).parse().expect("a name");
    let mut unknown = client.resume::<CreateInputRequest>(&unknown);
    unknown.wait().await.expect_err("there is none");
    let failure = [("error.type", "NOT_FOUND"), ("otel.status_code", "ERROR")];
    recorder.one("operations", "wait").assert_fields(&failure);
}

#[tokio::test(start_paused = true)]
async fn progress_and_shared_waits_for_an_operation_are_one_span_each() {
    let (recorder, _guard) = Recorder::start();
    let client = Emulator::builder().speed(1).build().client();
    let create = client.create_input(&location(), rtmp(), "camera").await.expect("accepted");
    let mut progress = create.clone().progress();
    let mut states = 0;
    while let Some(state) = progress.next().await {
        state.expect("it succeeds");
        states += 1;
    }
    drop(progress);
    let wait = recorder.one("operations", "wait");
    let calls = recorder.all("calls", "call");
    let polls = calls.iter().filter(|call| call.parent == wait.span).count();
    assert_eq!(polls, states - 1, "the first state is that of the response");

    recorder.take();
    client.shared_waits(&location()).wait(create).await.expect("it succeeds");
    let shared = recorder.one("operations", "wait");
    assert_eq!(shared.follows, wait.follows, "both follow from the same call");
}

#[tokio::test(start_paused = true)]
async fn pages_that_are_read_ahead_belong_to_the_span_of_the_listing() {
    let (recorder, _guard) = Recorder::start();
    let client = Emulator::new().client();
    for id in ["a", "b", "c"] {
        let create = client.create_input(&location(), rtmp(), id);
        create.wait().await.expect("it succeeds");
    }
    recorder.take();
    let list = client.list_inputs(&location()).page_size(1).items().collect();
    let show = info_span!(target: "a program", "show");
    assert_eq!(list.instrument(show).await.expect("listed").len(), 3);
    let calls = recorder.all("calls", "call");
    assert_eq!(calls.len(), 3);
    for call in calls {
        assert_eq!(call.within.as_deref(), Some("show"), "{call:?}");
    }
}

/// The level of each event.
fn levels(entries: &[Entry]) -> Vec<(&str, Level)> {
    let events = entries.iter().filter(|entry| entry.span.is_none());
    events.map(|event| (&*event.name, event.level)).collect()
}

#[tokio::test(start_paused = true)]
async fn no_event_of_a_call_that_succeeds_in_the_end_is_above_debug() {
    let (recorder, _guard) = Recorder::start();
    let client = client_with_one_failure(&Emulator::new());
    client.list_inputs(&location()).await.expect("the second attempt succeeds");
    let entries = recorder.take();
    let levels = levels(&entries);
    assert!(levels.iter().any(|(event, _)| *event == "tried again"), "{levels:?}");
    assert!(levels.iter().all(|(_, level)| *level >= Level::DEBUG), "{levels:?}");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_keeps_failing_is_a_warning_once_a_minute() {
    let (recorder, _guard) = Recorder::start();
    let is_down = Arc::new(AtomicBool::new(true));
    let state = is_down.clone();
    let channel = service_fn(move |_: http::Request<Body>| {
        let status = if state.load(Ordering::Relaxed) { "14" } else { "5" };
        let answer = http::Response::builder().header("grpc-status", status);
        ready(Ok::<_, BoxError>(answer.body(Body::empty()).expect("the header is valid")))
    });
    let builder = LivestreamClient::builder().endpoint("https://service.test:8443");
    let client = builder.channel(channel).retry(RetryPolicy::never()).build().expect("a client");
    let fail = async |times| {
        for _ in 0..times {
            client.get_input(&camera()).await.expect_err("never OK");
        }
    };
    fail(2).await;
    assert_eq!(recorder.all("calls", "the service keeps failing").len(), 0);
    fail(20).await;
    let warning = recorder.one("calls", "the service keeps failing");
    assert_eq!(warning.level, Level::WARN);
    warning.assert_fields(&[
        ("server.address", "service.test"),
        ("server.port", "8443"),
        ("rpc.status_code", "UNAVAILABLE"),
        ("calls", "3"),
    ]);
    sleep(Duration::from_secs(60)).await;
    fail(20).await;
    let warnings = recorder.all("calls", "the service keeps failing");
    assert_eq!(warnings.len(), 2);
    warnings[1].assert_fields(&[("calls", "23"), ("seconds", "60.0")]);

    is_down.store(false, Ordering::Relaxed);
    sleep(Duration::from_secs(60)).await;
    fail(20).await;
    assert_eq!(recorder.all("calls", "the service keeps failing").len(), 2, "it answers");
    let entries = recorder.take();
    let levels = levels(&entries);
    let above = levels.iter().filter(|(_, level)| *level < Level::DEBUG);
    assert_eq!(above.count(), 2, "{levels:?}");
}

#[tokio::test(start_paused = true)]
async fn calls_dropped_at_a_silent_service_are_a_warning_after_half_a_minute() {
    let (recorder, _guard) = Recorder::start();
    let channel =
        service_fn(|_: http::Request<Body>| pending::<Result<http::Response<Body>, BoxError>>());
    let builder = LivestreamClient::builder().endpoint("https://service.test:8443");
    let client = builder.channel(channel).build().expect("a client");
    let drop_after = async |limit: Duration, times| {
        for _ in 0..times {
            timeout(limit, client.get_input(&camera()).send()).await.expect_err("it is silent");
        }
    };
    drop_after(Duration::from_millis(900), 100).await;
    assert_eq!(recorder.all("calls", "the service keeps failing").len(), 0, "none has waited");
    drop_after(Duration::from_secs(5), 5).await;
    assert_eq!(recorder.all("calls", "the service keeps failing").len(), 0);
    drop_after(Duration::from_secs(5), 1).await;
    let warning = recorder.one("calls", "the service keeps failing");
    assert_eq!(warning.level, Level::WARN);
    let facts = [("rpc.status_code", "CANCELLED"), ("calls", "6"), ("seconds", "30.0")];
    warning.assert_fields(&facts);
}

#[tokio::test(start_paused = true)]
async fn answers_that_cannot_be_decoded_are_a_warning() {
    let (recorder, _guard) = Recorder::start();
    let channel = service_fn(|_: http::Request<Body>| {
        let answer = http::Response::builder().header("grpc-status", "0");
        ready(Ok::<_, BoxError>(answer.body(Body::empty()).expect("the header is valid")))
    });
    let builder = LivestreamClient::builder().endpoint("https://service.test:8443");
    let client = builder.channel(channel).build().expect("a client");
    for _ in 0..3 {
        client.get_input(&camera()).await.expect_err("OK without a message");
    }
    let warning = recorder.one("calls", "the service keeps failing");
    warning.assert_fields(&[("rpc.status_code", "INTERNAL"), ("calls", "3")]);
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
    goaway.assert_fields(&[server[0], ("why", "GOAWAY NO_ERROR")]);
    let closed = recorder.wait_for("connections", "closed").await;
    closed.assert_fields(&server);
    closed.assert_fields(&[("grpc.disconnect_error", "GOAWAY NO_ERROR")]);
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
    closed.assert_fields(&[("grpc.disconnect_error", "connection timed out")]);
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
    let event = [("rpc.status_code", "UNAVAILABLE"), ("sent", "No"), ("stop", "Attempts")];
    last.assert_fields(&event);
}
