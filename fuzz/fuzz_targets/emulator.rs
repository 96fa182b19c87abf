//! Sends any bytes as requests, one after the other. The emulator must respond to each of them and keep a
//! consistent state.

#![no_main]

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use libfuzzer_sys::fuzz_target;
use livestream_emulator::Emulator;
use livestream_client::{model::{ListChannelsRequest, livestream_service_client::LivestreamServiceClient}, methods::classify};
use livestream_client_fuzz::run;
use std::time::Duration;
use tonic::body::Body;
use tower::ServiceExt;

const SERVICES: [(&str, &[&str]); 4] = [
    (
        "google.cloud.video.livestream.v1.LivestreamService",
        &[
            "CreateChannel",
            "ListChannels",
            "GetChannel",
            "DeleteChannel",
            "UpdateChannel",
            "StartChannel",
            "StopChannel",
            "StartDistribution",
            "StopDistribution",
            "CreateInput",
            "ListInputs",
            "GetInput",
            "DeleteInput",
            "UpdateInput",
            "PreviewInput",
            "CreateEvent",
            "ListEvents",
            "GetEvent",
            "DeleteEvent",
            "ListClips",
            "GetClip",
            "CreateClip",
            "DeleteClip",
            "CreateDvrSession",
            "ListDvrSessions",
            "GetDvrSession",
            "DeleteDvrSession",
            "UpdateDvrSession",
            "CreateAsset",
            "DeleteAsset",
            "GetAsset",
            "ListAssets",
            "GetPool",
            "UpdatePool",
        ],
    ),
    (
        "google.longrunning.Operations",
        &["ListOperations", "GetOperation", "CancelOperation", "DeleteOperation", "WaitOperation"],
    ),
    ("google.cloud.location.Locations", &["ListLocations", "GetLocation"]),
    (
        "google.cloud.visionai.v1.StreamsService",
        &[
            "ListClusters",
            "GetCluster",
            "CreateCluster",
            "UpdateCluster",
            "DeleteCluster",
            "ListStreams",
            "GetStream",
            "CreateStream",
            "UpdateStream",
            "DeleteStream",
            "GetStreamThumbnail",
            "GenerateStreamHlsToken",
            "ListEvents",
            "GetEvent",
            "CreateEvent",
            "UpdateEvent",
            "DeleteEvent",
            "ListSeries",
            "GetSeries",
            "CreateSeries",
            "UpdateSeries",
            "DeleteSeries",
            "MaterializeChannel",
        ],
    ),
];

/// Replaces the number of a method: advances the clock by one minute for each byte of the request.
const WAIT: u8 = 0xff;

/// A flag in the number of a method: the request is the whole body, without a gRPC frame.
const BARE: u8 = 0x80;

// The input is a list of requests: the number of the method, the length in two bytes, the message.
fuzz_target!(|input: &[u8]| {
    let emulator = Emulator::builder().manual_clock().build();
    run(async {
        let mut input = input;
        while let [method, high, low, rest @ ..] = input {
            let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
            let (message, rest) = rest.split_at(length);
            input = rest;
            if *method == WAIT {
                emulator.advance(Duration::from_secs(60 * length as u64));
            } else {
                request(&emulator, *method, message).await;
            }
        }
        let parent = "projects/p/locations/us-central1".to_owned();
        let list = ListChannelsRequest { parent, ..Default::default() };
        let mut stub = LivestreamServiceClient::new(emulator.service());
        stub.list_channels(list).await.expect("the emulator still responds");
    });
});

async fn request(emulator: &Emulator, method: u8, message: &[u8]) {
    let prefix = [&[0], &(message.len() as u32).to_be_bytes()[..]].concat();
    let body = if method & BARE == 0 { [&prefix, message].concat() } else { message.to_vec() };
    let request = http::Request::post(path(usize::from(method & !BARE)))
        .header("content-type", "application/grpc")
        .body(Body::new(Full::new(Bytes::from(body))))
        .expect("a valid request");
    let Ok(answer) = emulator.service().oneshot(request).await;
    let (head, body) = answer.into_parts();
    let body = body.collect().await.expect("a body");
    let status =
        head.headers.get("grpc-status").or(body.trailers().and_then(|t| t.get("grpc-status")));
    assert!(status.is_some(), "a response without a status: {head:?}");
}

/// The path of a method. Numbers beyond the last method start again at the first.
fn path(number: usize) -> String {
    let all = SERVICES.iter().flat_map(|(service, methods)| {
        methods.iter().map(move |method| format!("/{service}/{method}"))
    });
    let count: usize = SERVICES.iter().map(|(_, methods)| methods.len()).sum();
    let path = all.into_iter().nth(number % count).expect("fewer than there are");
    let is_known = path.ends_with("/WaitOperation") || classify(&path).is_some();
    assert!(is_known, "no method: {path}");
    path
}
