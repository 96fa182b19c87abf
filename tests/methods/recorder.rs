//! A service that records its requests and gives one fixed response. The client uses it as a custom
//! channel.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt, Full};
use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tonic::{Status, body::Body};

#[derive(Clone)]
pub(crate) struct Recorder {
    answer: Bytes,
    is_failing: Arc<AtomicBool>,
    sent: Arc<Mutex<Vec<Sent>>>,
}

/// One request as the service received it.
pub(crate) struct Sent {
    pub(crate) method: http::Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The `request_id` in the message.
    pub(crate) request_id: Option<String>,
}

impl Recorder {
    pub(crate) fn answering(message: &impl prost::Message) -> Self {
        let mut frame = BytesMut::new();
        frame.put_u8(0);
        frame.put_u32(message.encoded_len().try_into().expect("a test's answer is small"));
        message.encode(&mut frame).expect("the buffer grows");
        let (answer, is_failing) = (frame.freeze(), Arc::default());
        Self { answer, is_failing, sent: Arc::default() }
    }

    /// From now on, answers with NOT_FOUND.
    pub(crate) fn fail(&self) {
        self.is_failing.store(true, Ordering::Relaxed);
    }

    /// Removes and returns the only request.
    pub(crate) fn take_only(&self) -> Sent {
        let mut sent = self.sent.lock().expect("no test panics under the lock");
        assert_eq!(sent.len(), 1, "one call sends one request");
        sent.remove(0)
    }
}

impl tower::Service<http::Request<Body>> for Recorder {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let Self { answer, is_failing, sent } = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.expect("the client's body ends well").to_bytes();
            sent.lock().expect("no test panics under the lock").push(Sent {
                method: head.method,
                path: head.uri.path().to_owned(),
                headers: head.headers,
                body,
                request_id: None,
            });
            if is_failing.load(Ordering::Relaxed) {
                return Ok(Status::not_found("no such resource").into_http());
            }
            let trailers = HeaderMap::from_iter([(
                http::HeaderName::from_static("grpc-status"),
                HeaderValue::from_static("0"),
            )]);
            let body = Full::new(answer).with_trailers(async { Some(Ok(trailers)) });
            let response = http::Response::builder()
                .header(http::header::CONTENT_TYPE, "application/grpc")
                .body(Body::new(body))
                .expect("the header is valid");
            Ok(response)
        })
    }
}

impl Sent {
    /// All values of a header.
    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        let values = self.headers.get_all(name).iter();
        values.map(|value| value.to_str().expect("the value is visible ASCII")).collect()
    }

    /// The value of `grpc-timeout`.
    pub(crate) fn timeout(&self) -> Duration {
        let [text] = self.header("grpc-timeout")[..] else { panic!("one grpc-timeout expected") };
        let (digits, unit) = text.split_at(text.len() - 1);
        let count = digits.parse().expect("digits before the unit");
        match unit {
            "u" => Duration::from_micros(count),
            "m" => Duration::from_millis(count),
            "S" => Duration::from_secs(count),
            unit => panic!("no time of these tests is told in {unit}"),
        }
    }

    /// The message of the body: one uncompressed gRPC frame, and nothing after it.
    pub(crate) fn message<M: prost::Message + Default>(&self) -> M {
        let (prefix, message) = self.body.split_at(5);
        let length = u32::try_from(message.len()).expect("a test's request is small");
        assert_eq!(prefix[0], 0, "not compressed");
        assert_eq!(prefix[1..], length.to_be_bytes(), "the frame's length is that of the rest");
        M::decode(message).expect("the body holds the request message")
    }
}
