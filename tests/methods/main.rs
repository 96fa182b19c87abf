//! Every RPC that this crate speaks has a method, and every method sends what the service
//! definition says.
//!
//! The table in `cases` is written by hand, so it is a second opinion on what `build.rs` reads from
//! the annotations: path, routed field, request and answer. It has to cover exactly the methods of
//! [`METHODS`]: an RPC that is added to a service definition fails here until it has a method and a
//! case.

mod case;
mod cases;
mod recorder;
mod resources;

use case::Case;
use livestream_client::rpc::METHODS;
use std::collections::BTreeSet;

const LIVESTREAM: &str = "google.cloud.video.livestream.v1.LivestreamService";
const OPERATIONS: &str = "google.longrunning.Operations";
const LOCATIONS: &str = "google.cloud.location.Locations";

fn all_cases() -> impl Iterator<Item = (&'static str, Case)> {
    let in_service = |service| move |case| (service, case);
    cases::livestream()
        .into_iter()
        .map(in_service(LIVESTREAM))
        .chain(cases::operations().into_iter().map(in_service(OPERATIONS)))
        .chain(cases::locations().into_iter().map(in_service(LOCATIONS)))
}

#[test]
fn there_is_a_case_for_every_method_and_for_nothing_else() {
    let covered = all_cases().map(|(service, case)| (service, case.name)).collect::<BTreeSet<_>>();
    let spoken = METHODS.iter().map(|m| (m.service(), m.name())).collect::<BTreeSet<_>>();
    assert_eq!(covered, spoken);
}

#[tokio::test]
async fn every_method_sends_what_the_service_definition_says() {
    for (service, Case { name, route, run }) in all_cases() {
        let sent = run.await;
        assert_eq!(sent.method, http::Method::POST, "{name}");
        assert_eq!(sent.path, format!("/{service}/{name}"));
        assert_eq!(sent.header("content-type"), ["application/grpc"], "{name}");
        assert_eq!(sent.header("x-goog-request-params"), [route], "{name}");
        let api_client = sent.header("x-goog-api-client").join(" ");
        assert!(api_client.starts_with("gl-rust/"), "{name}: {api_client:?}");
    }
}
