//! Spans follow OpenTelemetry's conventions for gRPC, version 1.45. The tests call all methods, and cover
//! the outcomes in `outcomes`, as raw stubs. `methods` has the typed calls, and `metrics.rs` the metrics.

mod outcomes;
mod peer;
mod spans;

use bytes::Bytes;
use http_body_util::Full;
use livestream_client::{LivestreamClient, methods::METHODS, name::InputName, rpc::Method};
use outcomes::{ADDRESS, Outcome, PORT, UNREADABLE, code_name, method_name, start_channel};
use peer::Peer;
use spans::{
    Entry, Recorder,
    attributes::{PeerAddress, TYPED, check_attributes},
};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tonic::{Code, Status, body::Body};
use tower::ServiceExt;

/// The names that the conventions have deprecated, up to version 1.45.
const DEPRECATED: &[&str] = &[
    "message.compressed_size",
    "message.id",
    "message.type",
    "message.uncompressed_size",
    "net.peer.ip",
    "net.peer.name",
    "net.peer.port",
    "net.sock.peer.addr",
    "net.sock.peer.port",
    "net.transport",
    "rpc.client.duration",
    "rpc.client.request.size",
    "rpc.client.requests_per_rpc",
    "rpc.client.response.size",
    "rpc.client.responses_per_rpc",
    "rpc.connect_rpc.error_code",
    "rpc.grpc.request.metadata",
    "rpc.grpc.response.metadata",
    "rpc.grpc.status_code",
    "rpc.message.compressed_size",
    "rpc.message.id",
    "rpc.message.type",
    "rpc.message.uncompressed_size",
    "rpc.request.metadata",
    "rpc.response.metadata",
    "rpc.response.status_code",
    "rpc.service",
    "rpc.system",
];

#[tokio::test(start_paused = true)]
async fn span_attributes_of_all_methods_are_those_of_the_conventions() {
    let (recorder, _guard) = Recorder::start();
    let mut outcomes = 0;
    for method in METHODS {
        for outcome in Outcome::all(method) {
            outcome.run(method).await;
            check(method, &outcome, &recorder.take());
            outcomes += 1;
        }
    }
    assert!(METHODS.len() > 60 && outcomes > 25 * METHODS.len(), "{outcomes} outcomes");
}

#[tokio::test(start_paused = true)]
async fn a_response_that_cannot_be_read_marks_the_span_of_its_call() {
    let (recorder, _guard) = Recorder::start();
    for (name, response) in UNREADABLE {
        start_channel(response).await;
        recorder.one("calls", "call").assert_fields(&[
            ("rpc.status_code", "OK"), // The service did answer so.
            ("error.type", "unreadable_response"),
            ("otel.status_code", "ERROR"),
        ]);
        assert!(!recorder.take().is_empty(), "{name}");
    }
}

/// Checks the spans of one call.
fn check(method: &Method, outcome: &Outcome, entries: &[Entry]) {
    let spans = |name| entries.iter().filter(move |entry| entry.name == name);
    let [call] = spans("call").collect::<Vec<_>>()[..] else {
        panic!("one span for the call of {outcome:?}: {entries:?}")
    };
    check_one(method, outcome.code, call);
    call.assert_fields(&[
        ("otel.name", method_name(method)),
        ("attempts", &outcome.previous.last().map_or(0, |previous| previous + 1).to_string()),
    ]);

    let attempts = spans("attempt").collect::<Vec<_>>();
    assert_eq!(attempts.len(), outcome.attempts.len(), "{outcome:?}: {entries:?}");
    let mut transparent = 0;
    for (at, attempt) in attempts.into_iter().enumerate() {
        check_one(method, outcome.attempts[at], attempt);
        assert_eq!(attempt.parent, call.span, "an attempt is a child of its call");
        attempt.assert_fields(&[("previous-rpc-attempts", &outcome.previous[at].to_string())]);
        transparent += u32::from(attempt.field("transparent-retry") == Some("true"));
        if at > 0 {
            attempt.assert_fields(&[
                ("gcp.grpc.resend_count", &at.to_string()),
                ("retry.reason", &code_name(outcome.attempts[at - 1])),
            ]);
            assert!(attempt.field("retry.delay").is_some(), "{attempt:?}");
        }
    }
    assert_eq!(transparent, outcome.transparent_retries, "{outcome:?}");
}

/// Checks a span of a raw stub's call over a channel of the test's own.
fn check_one(method: &Method, code: Code, span: &Entry) {
    check_attributes(method, &code_name(code), span, PeerAddress::Unknown);
    span.assert_fields(&[("server.address", ADDRESS), ("server.port", PORT)]);
    span.assert_none(TYPED);
}

#[tokio::test]
async fn spans_of_all_methods_over_tcp_have_the_attributes_of_the_conventions() {
    let (recorder, _guard) = Recorder::start();
    let peer = Peer::new().answering(|_, request| match request {
        [] => Ok(Vec::new()),
        _ => Err(Status::not_found("no such resource")),
    });
    let address = peer.listen().await;
    let client = LivestreamClient::builder().endpoint(format!("http://{address}")).build();
    let client = client.expect("a client");
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    let place = [
        ("network.peer.address", &*ip),
        ("network.peer.port", &*port),
        ("server.address", &*ip),
        ("server.port", &*port),
    ];
    for method in METHODS {
        for (message, status) in [(&[0; 5][..], "OK"), (&[0, 0, 0, 0, 1, 0], "NOT_FOUND")] {
            let body = Body::new(Full::new(Bytes::from_static(message)));
            let request = http::Request::post(method.path()).body(body).expect("a valid path");
            client.stack().oneshot(request).await.expect("answered");
            for span in ["call", "attempt"] {
                let span = recorder.one("calls", span);
                check_attributes(method, status, &span, PeerAddress::Known);
                span.assert_fields(&place);
            }
            recorder.take();
        }
    }
}

#[tokio::test]
async fn spans_and_connection_events_have_the_peer_address_of_a_tcp_connection() {
    let (recorder, _guard) = Recorder::start();
    let address = Peer::new().listen().await;
    let client = LivestreamClient::builder().endpoint(format!("http://{address}")).build();
    let camera = InputName::new("p", "us-central1", "camera").expect("valid");
    client.expect("a client").get_input(&camera).await.expect("answered");
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    let peer = [("network.peer.address", &*ip), ("network.peer.port", &*port)];
    for entry in [("calls", "call"), ("calls", "attempt"), ("connections", "opened")] {
        recorder.one(entry.0, entry.1).assert_fields(&peer);
    }
}

#[test]
fn no_deprecated_telemetry_name_is_left() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = ["README.md", "emulator/README.md"].map(|file| root.join(file)).to_vec();
    for folder in ["src", "emulator/src", "examples", "benches"] {
        collect(&root.join(folder), &mut files);
    }
    assert!(files.len() > 150, "{} files", files.len());
    let mut found = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("it is text");
        for (number, line) in (1..).zip(text.lines()) {
            let names = DEPRECATED.iter().filter(|name| holds(line, name));
            found.extend(names.map(|name| format!("{}:{number}: {name}", file.display())));
        }
    }
    assert_eq!(found, [""; 0]);
    assert!(holds("`rpc.system`", "rpc.system") && !holds("rpc.system.name", "rpc.system"));
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("it is a folder") {
        let path = entry.expect("it can be read").path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        match extension {
            None if path.is_dir() && !path.ends_with("target") => collect(&path, files),
            Some("rs" | "md" | "txt" | "toml") => files.push(path),
            _ => {}
        }
    }
}

/// Whether a line has this name as a whole.
fn holds(line: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    line.match_indices(name).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + name.len()..]);
        // A dot ends a sentence, unless a name goes on after it.
        let mut after = after.chars();
        let goes_on = match after.next() {
            Some('.') => after.next().is_some_and(is_part),
            Some(c) => is_part(c),
            None => false,
        };
        !before.ends_with(is_part) && !goes_on
    })
}
