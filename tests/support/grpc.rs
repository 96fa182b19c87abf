//! gRPC messages and responses, encoded by hand.

// Each test binary uses a part of this module.
#![allow(dead_code)]

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body_util::{BodyExt, Full};
use tonic::body::Body;

/// An encoded message in an uncompressed gRPC frame.
pub(crate) fn frame(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(5 + message.len());
    frame.put_u8(0);
    frame.put_u32(message.len().try_into().expect("a test's message is short"));
    frame.put_slice(message);
    frame.freeze()
}

/// A response with an encoded message and the status OK.
pub(crate) fn response(message: &[u8]) -> Response<Body> {
    let status = (HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"));
    let trailers = HeaderMap::from_iter([status]);
    let body = Full::new(frame(message)).with_trailers(async { Some(Ok(trailers)) });
    let head = Response::builder().header("content-type", "application/grpc");
    head.body(Body::new(body)).expect("a valid header")
}
