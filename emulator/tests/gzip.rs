//! Requests that are compressed with gzip.

use bytes::Bytes;
use http_body_util::BodyExt as _;
use livestream_client::{
    model::{ListChannelsRequest, ListChannelsResponse},
    rpc::Rpc,
};
use livestream_emulator::Emulator;
use prost::Message as _;
use std::io::Write as _;
use tower::Service as _;

/// Calls a method with a message that is compressed with gzip.
async fn call_gzip<R: Rpc>(emulator: &Emulator, request: &R) -> http::Response<tonic::body::Body> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&request.encode_to_vec()).expect("written");
    let message = gzip.finish().expect("compressed");
    let mut frame = vec![1];
    frame.extend_from_slice(&(message.len() as u32).to_be_bytes());
    frame.extend_from_slice(&message);
    let request = http::Request::post(R::METHOD.path())
        .header("content-type", "application/grpc")
        .header("grpc-encoding", "gzip")
        .body(tonic::body::Body::new(http_body_util::Full::new(Bytes::from(frame))))
        .expect("a request");
    emulator.service().call(request).await.expect("infallible")
}

#[tokio::test]
async fn a_gzip_request_is_read() {
    let emulator = Emulator::builder().manual_clock().build();
    let parent = "projects/p/locations/us-central1".to_owned();
    let request = ListChannelsRequest { parent, ..Default::default() };
    let answer = call_gzip(&emulator, &request).await;
    assert!(!answer.headers().contains_key("grpc-status"), "{:?}", answer.headers());
    let frame = answer.into_body().collect().await.expect("a body").to_bytes();
    let page = ListChannelsResponse::decode(frame.slice(5..)).expect("of its type");
    assert_eq!(page, ListChannelsResponse::default());
    let requests = emulator.requests();
    assert_eq!(requests[0].message(), None, "the log has no compressed messages");
}
