//! Every RPC of this crate has a method, and every method sends the request of the service
//! definition.
//!
//! The table in `cases` is written by hand, so it checks what `build.rs` reads from the
//! annotations: path, routing field, request and response. It covers exactly the methods of
//! [`METHODS`]: a new RPC in a service definition fails here until it has a method and a case.

mod case;
mod cases;
mod mixins;
mod recorder;
mod resources;
#[path = "../spans/mod.rs"]
mod spans;
mod visionai;

use livestream_client::methods::{self, METHODS};
use spans::attributes::{PeerAddress, TYPED, check_attributes};
use std::{collections::BTreeSet, time::Duration};

const LIVESTREAM: &str = "google.cloud.video.livestream.v1.LivestreamService";
const STREAMS: &str = "google.cloud.visionai.v1.StreamsService";
const OPERATIONS: &str = "google.longrunning.Operations";
const LOCATIONS: &str = "google.cloud.location.Locations";

/// A case of any client.
struct Case {
    service: &'static str,
    name: &'static str,
    route: String,
    resource: String,
    run: case::Run,
}

fn all_cases() -> Vec<Case> {
    fn add<C>(cases: &mut Vec<Case>, service: &'static str, more: Vec<case::Case<C>>) {
        let more = more.into_iter();
        cases.extend(more.map(|case::Case { name, route, resource, run, .. }| Case {
            service,
            name,
            route,
            resource,
            run,
        }));
    }
    let mut cases = Vec::new();
    add(&mut cases, LIVESTREAM, cases::livestream());
    add(&mut cases, OPERATIONS, mixins::livestream::operations());
    add(&mut cases, LOCATIONS, mixins::livestream::locations());
    add(&mut cases, STREAMS, visionai::visionai());
    add(&mut cases, OPERATIONS, mixins::visionai::operations());
    add(&mut cases, LOCATIONS, mixins::visionai::locations());
    cases
}

#[test]
fn the_cases_cover_exactly_the_methods() {
    let covered = all_cases().iter().map(|c| (c.service, c.name)).collect::<BTreeSet<_>>();
    let spoken = METHODS.iter().map(|m| (m.service(), m.name())).collect::<BTreeSet<_>>();
    assert_eq!(covered, spoken);
}

#[tokio::test(start_paused = true)]
async fn every_method_sends_the_request_of_the_service_definition() {
    for Case { service, name, route, run, .. } in all_cases() {
        let sent = run.await;
        assert_eq!(sent.method, http::Method::POST, "{name}");
        assert_eq!(sent.path, format!("/{service}/{name}"));
        assert_eq!(sent.header("content-type"), ["application/grpc"], "{name}");
        assert_eq!(sent.header("x-goog-request-params"), [route], "{name}");
        assert_eq!(sent.timeout(), time_of(service, name), "{service}/{name}");
        let api_client = sent.header("x-goog-api-client").join(" ");
        assert!(api_client.starts_with("gl-rust/"), "{name}: {api_client:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn spans_of_all_typed_methods_have_the_attributes_of_the_conventions() {
    let (recorder, _guard) = spans::Recorder::start();
    for Case { service, name, resource, run, .. } in all_cases() {
        let sent = run.await;
        let method = methods::of_path(&sent.path).expect("a known method");
        let [calls, attempts] = ["call", "attempt"].map(|span| {
            let mut spans = recorder.all("calls", span);
            // An operation keeps the span of its call open.
            spans.sort_by_key(|entry| entry.span);
            spans
        });
        assert_eq!((calls.len(), attempts.len()), (2, 2), "{service}/{name}");
        for (at, status) in ["OK", "NOT_FOUND"].into_iter().enumerate() {
            let (call, attempt) = (&calls[at], &attempts[at]);
            assert_eq!(attempt.parent, call.span, "an attempt is a child of its call");
            for span in [call, attempt] {
                check_attributes(method, status, span, PeerAddress::Unknown);
            }
            call.assert_fields(&[("gcp.resource.destination.id", &resource), ("attempts", "1")]);
            assert_eq!(call.field("request_id"), sent.request_id.as_deref(), "{call:?}");
            attempt.assert_none(TYPED);
        }
        recorder.take();
    }
}

/// The default timeout of a call.
fn time_of(service: &str, name: &str) -> Duration {
    Duration::from_secs(match (service, name) {
        (STREAMS, "CreateCluster") => 600,
        (STREAMS, "CreateStream" | "CreateEvent" | "CreateSeries") => 300,
        _ => 60,
    })
}

#[tokio::test(start_paused = true)]
async fn a_call_by_its_request_has_the_default_timeout_of_the_typed_method() {
    use livestream_client::{
        proto::google::longrunning::Operation,
        visionai::{StreamsClient, model::*},
    };
    let name = "projects/p/locations/l/operations/o".to_owned();
    let recorder = recorder::Recorder::answering(&Operation { name, ..Default::default() });
    let client = StreamsClient::builder().channel(recorder.clone()).build();
    let client = client.expect("nothing else is needed");
    let location = resources::name::<livestream_client::name::LocationName>(resources::LOCATION);
    let cluster = location.cluster("shop").expect("a valid id");
    macro_rules! compare {
        ($($typed:expr),+ $(,)?) => {$(
            let typed = $typed;
            let method = format!("{:?}", typed.request());
            let request = typed.request().clone();
            let _ = typed.await.expect("answered");
            let expected = recorder.take_only().timeout();
            let _ = client.call(request).await.expect("answered");
            assert_eq!(recorder.take_only().timeout(), expected, "{method}");
        )+};
    }
    compare! {
        client.create_cluster(&location, Cluster::default(), "shop"),
        client.create_stream(&cluster, Stream::default(), "entrance"),
        client.create_event(&cluster, Event::default(), "day"),
        client.create_series(&cluster, Series::default(), "entrance-day"),
        client.delete_cluster(&cluster),
    }
}

#[tokio::test(start_paused = true)]
async fn the_callers_timeout_overrides_the_longer_timeout_of_a_method() {
    use livestream_client::{
        policy::Timeouts,
        proto::google::longrunning::Operation,
        visionai::{StreamsClient, model::Cluster},
    };
    let name = "projects/p/locations/l/operations/o".to_owned();
    let recorder = recorder::Recorder::answering(&Operation { name, ..Default::default() });
    let attempt = Duration::from_secs(20);
    let short = Timeouts::new(Duration::from_secs(30)).with_attempt(attempt);
    let builder = StreamsClient::builder().channel(recorder.clone());
    let client = builder.timeouts(short).build().expect("nothing else is needed");
    let create =
        client.create_cluster(&resources::name(resources::LOCATION), Cluster::default(), "c");

    let _ = create.clone().await.expect("answered");
    assert_eq!(recorder.take_only().timeout(), attempt, "attempts keep the client's limit");
    let attempt = Duration::from_secs(3600);
    let _ = create.clone().attempt_timeout(attempt).await.expect("answered");
    assert_eq!(recorder.take_only().timeout(), Duration::from_secs(600), "the method's own");
    let total = Duration::from_secs(7);
    let _ = create.timeout(total).await.expect("answered");
    assert_eq!(recorder.take_only().timeout(), total);
}
