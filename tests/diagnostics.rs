//! Diagnostics: the limits, the retry budget, the outage and the last errors of a client.

mod peer;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use livestream_client::{
    LivestreamClient, PoolLimits,
    name::InputName,
    policy::{Backoff, Budget, RetryPolicy, Timeouts},
    telemetry::ConnectionState,
};
use livestream_emulator::{Emulator, Faults};
use peer::Peer;
use std::{future::pending, time::Duration};
use tokio::time::{sleep, timeout};
use tonic::{Code, Status, body::Body};
use tower::{BoxError, service_fn};

const SECOND: Duration = Duration::from_secs(1);

fn camera() -> InputName {
    InputName::new("p", "us-central1", "camera").expect("valid")
}

/// A client with four attempts a call, one at once after the other, and a budget of ten tokens.
fn client(faults: &Faults) -> LivestreamClient {
    let backoff = Backoff::new(Duration::ZERO, Duration::ZERO, 1.0);
    let builder = Emulator::new().client_builder().layer(faults.clone());
    let builder = builder.retry(RetryPolicy::new(backoff).with_max_attempts(4));
    let builder = builder.timeouts(Timeouts::new(30 * SECOND).with_attempt(10 * SECOND));
    builder.budget(Budget::new(10, 0.5)).build().expect("a client")
}

#[tokio::test(start_paused = true)]
async fn diagnostics_of_a_new_client_show_its_limits_and_no_errors() {
    let diagnostics = client(&Faults::new()).diagnostics();
    assert_eq!(diagnostics.endpoint.as_deref(), Some("http://emulator.internal"));
    assert_eq!(diagnostics.timeout, 30 * SECOND);
    assert_eq!(diagnostics.attempt_timeout, Some(10 * SECOND));
    assert_eq!(diagnostics.max_attempts, Some(4));
    let budget = diagnostics.budget.expect("it is limited");
    assert_eq!((budget.available, budget.capacity), (10.0, 10.0));
    assert_eq!(diagnostics.outage, None);
    assert_eq!(diagnostics.last_errors, []);
    let text = diagnostics.to_string();
    assert!(text.contains("timeouts: 30s for a call, 10s for an attempt, at most 4 attempts"));
    assert!(text.contains("last errors: none"), "{text}");

    let unlimited = Emulator::new().client_builder().budget(Budget::unlimited()).build();
    let diagnostics = unlimited.expect("a client").diagnostics();
    assert_eq!((diagnostics.budget, diagnostics.max_attempts), (None, None));
    assert!(diagnostics.to_string().contains("retry budget: unlimited"), "{diagnostics}");
}

#[tokio::test(start_paused = true)]
async fn diagnostics_show_the_spent_budget_the_outage_and_the_last_errors() {
    let faults = Faults::new();
    let client = client(&faults);
    faults.refuse(8, Status::unavailable("t3xt-of-the-service"));
    for _ in 0..2 {
        client.get_input(&camera()).await.expect_err("four attempts are refused");
    }
    sleep(5 * SECOND).await;

    let diagnostics = client.clone().diagnostics();
    let budget = diagnostics.budget.expect("it is limited");
    assert!((budget.available - 4.0).abs() < 0.1, "two times three retries: {budget:?}");
    let outage = diagnostics.outage.expect("no call has succeeded");
    assert_eq!((outage.calls, outage.lasting.as_secs()), (2, 5));
    let [last, first] = &diagnostics.last_errors[..] else { panic!("{diagnostics}") };
    assert_eq!(first.code, Code::Unavailable);
    assert_eq!((last.attempts, last.age.as_secs()), (4, 5));
    assert!(last.method.ends_with("LivestreamService/GetInput"), "{last}");
    assert_eq!((last.sent.as_deref(), last.stop.as_deref()), (Some("Answered"), Some("Attempts")));
    let json: serde_json::Value = serde_json::from_str(&diagnostics.to_json()).expect("JSON");
    assert_eq!(json["outage"]["calls"], 2);
    assert_eq!(json["last_errors"][1]["code"], "UNAVAILABLE");
    for text in [diagnostics.to_string(), diagnostics.to_json(), format!("{diagnostics:?}")] {
        assert!(!text.contains("t3xt"), "texts of the service may hold anything: {text}");
    }

    client.get_input(&camera()).await.expect_err("there is none");
    let diagnostics = client.diagnostics();
    assert_eq!(diagnostics.outage, None, "NOT_FOUND is an answer");
    assert_eq!(diagnostics.last_errors[0].code, Code::NotFound);
    assert_eq!(diagnostics.last_errors.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn diagnostics_count_an_answer_that_cannot_be_decoded_as_a_failure() {
    let channel = service_fn(|_: http::Request<Body>| async {
        let body = Body::new(Full::new(Bytes::from_static(&[0, 0, 0, 0, 1, 0xff])));
        let answer = Response::builder().header("content-type", "application/grpc");
        Ok::<_, BoxError>(answer.header("grpc-status", "0").body(body).expect("valid headers"))
    });
    let client = LivestreamClient::builder().endpoint("https://service.test").channel(channel);
    let client = client.build().expect("a client");
    for _ in 0..3 {
        let error = client.get_input(&camera()).await.expect_err("0xff is no message");
        assert_eq!(error.code(), Code::Internal);
    }
    let diagnostics = client.diagnostics();
    assert_eq!(diagnostics.outage.map(|outage| outage.calls), Some(3));
    let [last, _, _] = &diagnostics.last_errors[..] else { panic!("{diagnostics}") };
    assert_eq!((last.code, last.attempts), (Code::Internal, 1));
    assert!(last.method.ends_with("LivestreamService/GetInput"), "{last}");
    assert_eq!((last.sent.as_deref(), last.stop.as_deref()), (Some("Answered"), Some("Final")));
}

#[tokio::test(start_paused = true)]
async fn diagnostics_show_calls_that_their_caller_dropped_at_a_silent_service() {
    let silent = service_fn(|_: http::Request<Body>| pending::<Result<Response<Body>, BoxError>>());
    let client = LivestreamClient::builder().endpoint("https://service.test").channel(silent);
    let client = client.build().expect("a client");
    for _ in 0..3 {
        timeout(5 * SECOND, client.get_input(&camera()).send()).await.expect_err("it is silent");
    }
    let diagnostics = client.diagnostics();
    let outage = diagnostics.outage.expect("no call has got an answer");
    assert_eq!((outage.calls, outage.lasting.as_secs()), (3, 15));
    let [last, _, _] = &diagnostics.last_errors[..] else { panic!("{diagnostics}") };
    assert_eq!((last.code, last.attempts, last.elapsed.as_secs()), (Code::Cancelled, 1, 5));
    assert_eq!((last.sent.as_deref(), last.stop.as_deref()), (None, None));
}

#[tokio::test]
async fn diagnostics_show_the_connections_with_their_calls_and_the_queue() {
    let peer = Peer::new().taking(60 * SECOND);
    let address = peer.listen().await;
    let limits = PoolLimits::default().with_max_connections(1).with_max_calls_per_connection(1);
    let builder = LivestreamClient::builder().endpoint(format!("http://{address}")).pool(limits);
    let client = builder.build().expect("a client");
    let pool = client.diagnostics().pool.expect("the client has a pool");
    assert_eq!((pool.connections.len(), pool.opening, pool.waiting), (0, 0, 0));
    assert_eq!(pool.max_connections, 1);

    let calls = [0, 1].map(|_| tokio::spawn(client.get_input(&camera()).into_future()));
    peer.until_in_flight(1).await;
    let is_settled = || client.diagnostics().pool.is_some_and(|p| (p.opening, p.waiting) == (0, 1));
    while !is_settled() {
        tokio::task::yield_now().await;
    }
    let pool = client.diagnostics().pool.expect("the client has a pool");
    let [connection] = &pool.connections[..] else { panic!("one connection: {pool}") };
    assert_eq!(connection.state, ConnectionState::Ready);
    assert_eq!(connection.peer, Some(address));
    assert_eq!((connection.streams, connection.max_streams, pool.waiting), (1, 1, 1));
    let json: serde_json::Value =
        serde_json::from_str(&client.diagnostics().to_json()).expect("JSON");
    assert_eq!(json["pool"]["connections"][0]["peer"], address.to_string());

    let [served, waiting] = calls;
    waiting.abort();
    assert!(waiting.await.is_err_and(|e| e.is_cancelled()));
    let pool = client.diagnostics().pool.expect("the client has a pool");
    assert_eq!(pool.waiting, 0, "a dropped call leaves the queue");
    served.abort();
}
