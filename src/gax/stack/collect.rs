//! Reads a unary answer to its end, so that nothing can stall after the layers above let go.
//!
//! What leaves here is a well-formed gRPC answer: HTTP errors, missing or malformed statuses and
//! malformed details are put right, so that no stub above has to survive them.

use super::{BoxFuture, CallContext, Lookup, after, timeout::told_timeout};
use crate::gax::transport_error::Fault;
use crate::gax::{error::BoxError, policy::Delivery};
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::{Buf, Bytes, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE,
};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};
use std::{
    pin::{Pin, pin},
    task::{Context, Poll},
};
use tokio::time::Instant;
use tonic::{Code, body::Body};
use tower::{Layer, Service};

/// Settles unary answers: reads the body and its trailers before the call returns.
#[derive(Clone, Debug)]
pub struct Unary<S> {
    inner: S,
    layer: UnaryLayer,
}

/// Puts [`Unary`] over a service.
#[derive(Clone, Copy, Debug)]
pub struct UnaryLayer {
    max_answer: usize,
    lookup: Lookup,
}

impl UnaryLayer {
    /// Refuses answers above `max_answer` bytes with OUT_OF_RANGE; acts on each call whose
    /// path `lookup` knows, others pass through.
    pub fn new(max_answer: usize, lookup: Lookup) -> Self {
        Self { max_answer, lookup }
    }
}

impl<S> Layer<S> for UnaryLayer {
    type Service = Unary<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Unary { inner, layer: *self }
    }
}

impl<S, B> Service<Request<Body>> for Unary<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Answer<B>>;
    type Error = BoxError;
    type Future = BoxFuture<Self::Response, BoxError>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let is_unary = CallContext::class_of(&request, self.layer.lookup).is_some();
        let told = told_timeout(request.headers()).map(|told| after(Instant::now(), told));
        let max_answer = self.layer.max_answer;
        let call = self.inner.call(request);
        Box::pin(async move {
            let response = call.await.map_err(Into::into)?;
            if !is_unary {
                return Ok(response.map(|body| Answer::Streaming(Box::pin(body))));
            }
            let answer = settle(response, max_answer).await?;
            if is_late(answer.body().code(), told) {
                let message = "the service gave up when the time was up";
                return Err(Fault::new(Code::DeadlineExceeded, Delivery::Unknown, message).into());
            }
            Ok(answer)
        })
    }
}

/// Whether the service only tells that the time was up: it keeps the deadline that it was told, which
/// is rounded down, and may be first to say so, as CANCELLED where it is built with tonic.
fn is_late(code: Option<Code>, told: Option<Instant>) -> bool {
    matches!(code, Some(Code::Cancelled | Code::DeadlineExceeded))
        && told.is_some_and(|told| Instant::now() >= told)
}

/// The body of an answer: all of it, where the call is unary.
#[derive(Debug)]
pub enum Answer<B> {
    /// Everything that was sent.
    Settled {
        /// The framed message; empty where there is none.
        data: Bytes,
        /// The trailers, where the answer has some.
        trailers: Option<HeaderMap>,
        /// The status of the call.
        code: Code,
    },
    /// The body as it comes, of a call that is not known to be unary.
    Streaming(Pin<Box<B>>),
}

impl<B> Answer<B> {
    /// The status of the call, once it is settled.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Settled { code, .. } => Some(*code),
            Self::Streaming(_) => None,
        }
    }

    /// The trailers of a settled answer, where it has some.
    pub fn trailers(&self) -> Option<&HeaderMap> {
        match self {
            Self::Settled { trailers, .. } => trailers.as_ref(),
            Self::Streaming(_) => None,
        }
    }
}

impl<B: HttpBody<Data = Bytes>> HttpBody for Answer<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.get_mut() {
            Self::Settled { data, trailers, .. } => Poll::Ready(if data.is_empty() {
                trailers.take().map(|trailers| Ok(Frame::trailers(trailers)))
            } else {
                Some(Ok(Frame::data(std::mem::take(data))))
            }),
            Self::Streaming(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Settled { data, trailers, .. } => data.is_empty() && trailers.is_none(),
            Self::Streaming(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Settled { data, .. } => SizeHint::with_exact(data.len() as u64),
            Self::Streaming(body) => body.size_hint(),
        }
    }
}

async fn settle<B>(
    response: Response<B>,
    max_answer: usize,
) -> Result<Response<Answer<B>>, BoxError>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let (mut head, body) = response.into_parts();
    let settled = |data, trailers, code| Answer::Settled { data, trailers, code };

    let early = put_status_right(&mut head.headers);
    // OK ahead of a message is odd, but some proxies do it; the message counts.
    if let Some(code) = early.filter(|code| *code != Code::Ok || body.is_end_stream()) {
        head.status = StatusCode::OK;
        return Ok(Response::from_parts(head, settled(Bytes::new(), None, code)));
    }
    if let Some((code, message)) = not_grpc(head.status, &head.headers) {
        head.status = StatusCode::OK;
        head.headers = status_headers(code, &message);
        return Ok(Response::from_parts(head, settled(Bytes::new(), None, code)));
    }

    let (data, mut trailers) = read(body, max_answer).await?;
    let code = trailers.as_mut().and_then(put_status_right).or(early).unwrap_or_else(|| {
        let missing = "the answer ended without a grpc-status";
        trailers = Some(status_headers(Code::Unknown, missing));
        Code::Unknown
    });
    Ok(Response::from_parts(head, settled(data, trailers, code)))
}

/// Collects the body; one DATA frame, the usual case, is not copied.
async fn read<B>(body: B, max_answer: usize) -> Result<(Bytes, Option<HeaderMap>), BoxError>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let mut body = pin!(body);
    let mut data = Bytes::new();
    let mut more = BytesMut::new();
    let mut trailers = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(Into::into)?;
        match frame.into_data() {
            Ok(chunk) if data.is_empty() => data = chunk,
            Ok(chunk) => {
                if more.is_empty() {
                    more.reserve(announced_length(&data).unwrap_or(0).min(max_answer));
                    more.extend_from_slice(&data);
                }
                more.extend_from_slice(&chunk);
            }
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
        let announced = announced_length(if more.is_empty() { &data } else { &more });
        let longest = announced.unwrap_or(0).max(data.len()).max(more.len());
        if longest > max_answer.saturating_add(PREFIX) {
            return Err(too_large(longest, max_answer).into());
        }
    }
    Ok((if more.is_empty() { data } else { more.freeze() }, trailers))
}

/// The flag byte and the length that stand before each gRPC message.
const PREFIX: usize = 5;

/// How long the answer is with its prefix, once the prefix is there.
fn announced_length(data: &[u8]) -> Option<usize> {
    let mut length = data.get(1..PREFIX)?;
    Some(length.get_u32() as usize + PREFIX)
}

fn too_large(length: usize, max_answer: usize) -> Fault {
    let message = format!("an answer of {length} bytes is above the limit of {max_answer}");
    Fault::new(Code::OutOfRange, Delivery::Answered, message)
}

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// The call's code, where these headers or trailers hold one. A malformed status becomes Unknown,
/// malformed details go: tonic's own parser panics on them.
fn put_status_right(headers: &mut HeaderMap) -> Option<Code> {
    let raw = headers.get(STATUS)?;
    if raw == "0" && headers.len() == 1 {
        return Some(Code::Ok); // The usual trailers, with nothing to put right.
    }
    // Only the shortest form counts, as with tonic's stubs: `00` is no success.
    let code = Code::from_bytes(raw.as_bytes());
    if code == Code::Unknown && raw != "2" {
        let message = format!("malformed grpc-status {raw:?}");
        headers.extend(status_headers(Code::Unknown, &message));
    }
    if let Some(message) = headers.get(MESSAGE).and_then(legible) {
        headers.insert(MESSAGE, message);
    }
    let is_base64 = |value: &HeaderValue| BASE64.decode(value).is_ok();
    if headers.get(DETAILS).is_some_and(|value| !is_base64(value)) {
        headers.remove(DETAILS);
    }
    Some(code)
}

/// A message that is not UTF-8 below its percent-encoding, with what can be read of it; tonic would
/// give up on its code too.
fn legible(message: &HeaderValue) -> Option<HeaderValue> {
    let decoded = percent_decode(message.as_bytes());
    if decoded.clone().decode_utf8().is_ok() {
        return None;
    }
    let text = decoded.decode_utf8_lossy();
    HeaderValue::try_from(utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string()).ok()
}

/// Binary metadata comes with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What an answer without a gRPC status means, if it is not a gRPC answer at all: as
/// [gRPC maps HTTP statuses](https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md).
fn not_grpc(status: StatusCode, headers: &HeaderMap) -> Option<(Code, String)> {
    let code = match status {
        StatusCode::OK => {
            let content = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
            let is_grpc = content.starts_with(b"application/grpc");
            let found = String::from_utf8_lossy(content);
            return (!is_grpc)
                .then(|| (Code::Unknown, format!("not a gRPC answer: content-type {found:?}")));
        }
        StatusCode::BAD_REQUEST => Code::Internal,
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::NOT_FOUND => Code::Unimplemented,
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Code::Unavailable,
        _ => Code::Unknown,
    };
    Some((code, format!("HTTP {status} without a grpc-status: something between answered")))
}

fn status_headers(code: Code, message: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let status = tonic::Status::new(code, message);
    if status.add_header(&mut headers).is_err() {
        headers.insert(STATUS, HeaderValue::from(code as i32));
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers
}
