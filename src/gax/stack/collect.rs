//! Collects the response of a unary call: its message, its trailers and its status.
//!
//! The result is a well-formed gRPC response. HTTP errors, missing or malformed statuses and
//! malformed details are corrected here, so that no stub above has to survive them.

use super::stream::StreamingBody;
use crate::gax::{details, error::BoxError, policy::Sent, transport_error::TransportError};
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};
use std::{
    pin::{Pin, pin},
    task::{Context, Poll},
};
use tonic::Code;

/// The body of a response: the whole of it, if the call is unary.
#[derive(Debug)]
pub enum ResponseBody<B> {
    /// All that the service sent.
    Collected {
        /// The framed message; empty if there is none.
        data: Bytes,
        /// The trailers, if there are any.
        trailers: Option<HeaderMap>,
        /// The status of the call.
        code: Code,
    },
    /// The body as it arrives, of a call that is not known to be unary.
    Streaming(StreamingBody<B>),
}

impl<B> ResponseBody<B> {
    /// The status of the call, if its response was collected.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Collected { code, .. } => Some(*code),
            Self::Streaming(_) => None,
        }
    }

    /// The trailers of a collected response, if it has any.
    pub fn trailers(&self) -> Option<&HeaderMap> {
        match self {
            Self::Collected { trailers, .. } => trailers.as_ref(),
            Self::Streaming(_) => None,
        }
    }
}

impl<B> HttpBody for ResponseBody<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Collected { data, trailers, .. } => Poll::Ready(if data.is_empty() {
                trailers.take().map(|trailers| Ok(Frame::trailers(trailers)))
            } else {
                Some(Ok(Frame::data(std::mem::take(data))))
            }),
            Self::Streaming(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Collected { data, trailers, .. } => data.is_empty() && trailers.is_none(),
            Self::Streaming(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Collected { data, .. } => SizeHint::with_exact(data.len() as u64),
            Self::Streaming(body) => body.size_hint(),
        }
    }
}

/// Reads the response to its end.
pub(crate) async fn collect<B>(
    response: Response<B>,
    max_size: usize,
) -> Result<Response<ResponseBody<B>>, TransportError>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let (mut head, body) = response.into_parts();
    let collected = |data, trailers, code| ResponseBody::Collected { data, trailers, code };

    let early = correct_status(&mut head.headers);
    // Some proxies send OK ahead of a message; the message counts.
    if let Some(code) = early.filter(|code| *code != Code::Ok || body.is_end_stream()) {
        head.status = StatusCode::OK;
        return Ok(Response::from_parts(head, collected(Bytes::new(), None, code)));
    }
    if let Some((code, message)) = not_grpc(head.status, &head.headers) {
        head.status = StatusCode::OK;
        head.headers = status_headers(code, &message);
        return Ok(Response::from_parts(head, collected(Bytes::new(), None, code)));
    }

    let (data, mut trailers) = read(body, max_size).await?;
    let code = trailers.as_mut().and_then(correct_status).or(early).unwrap_or_else(|| {
        let missing = "the answer ended without a grpc-status";
        trailers = Some(status_headers(Code::Unknown, missing));
        Code::Unknown
    });
    Ok(Response::from_parts(head, collected(data, trailers, code)))
}

/// Collects the body. A single DATA frame, the usual case, is not copied.
async fn read<B>(body: B, max_size: usize) -> Result<(Bytes, Option<HeaderMap>), TransportError>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let mut body = pin!(body);
    let mut data = Bytes::new();
    let mut more = BytesMut::new();
    let mut trailers = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| TransportError::from_error(e.into()).after_headers())?;
        match frame.into_data() {
            Ok(chunk) if data.is_empty() => data = chunk,
            Ok(chunk) => {
                if more.is_empty() {
                    more.reserve(announced_length(&data).unwrap_or(0).min(max_size));
                    more.extend_from_slice(&data);
                }
                more.extend_from_slice(&chunk);
            }
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
        let announced = announced_length(if more.is_empty() { &data } else { &more });
        let longest = announced.unwrap_or(0).max(data.len()).max(more.len());
        if longest > max_size.saturating_add(PREFIX) {
            return Err(too_large(longest, max_size));
        }
    }
    Ok((if more.is_empty() { data } else { more.freeze() }, trailers))
}

/// The size of the flag and the length before each gRPC message, in bytes.
const PREFIX: usize = 5;

/// The length of the message with its prefix, once the prefix has arrived.
fn announced_length(data: &[u8]) -> Option<usize> {
    let mut length = data.get(1..PREFIX)?;
    Some(length.get_u32() as usize + PREFIX)
}

fn too_large(length: usize, max_size: usize) -> TransportError {
    let message = format!("an answer of {length} bytes is above the limit of {max_size}");
    TransportError::new(Code::ResourceExhausted, Sent::Answered, message)
}

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// The call's code, if these headers or trailers hold one. A malformed status becomes Unknown.
/// Malformed details are removed, because tonic's own parser panics on them.
fn correct_status(headers: &mut HeaderMap) -> Option<Code> {
    let raw = headers.get(STATUS)?;
    if raw == "0" && headers.len() == 1 {
        return Some(Code::Ok); // The usual trailers need no correction.
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
    match headers.get(DETAILS).map(|value| BASE64.decode(value)) {
        Some(Ok(status)) => {
            if let Some(readable) = details::without_unreadable(&status) {
                let encoded = HeaderValue::try_from(BASE64.encode(readable));
                headers.insert(DETAILS, encoded.expect("base64 is ASCII"));
            }
        }
        Some(Err(_)) => drop(headers.remove(DETAILS)),
        None => {}
    }
    Some(code)
}

/// The legible part of a message that is not UTF-8 below its percent-encoding: tonic would drop the
/// code as well.
fn legible(message: &HeaderValue) -> Option<HeaderValue> {
    let decoded = percent_decode(message.as_bytes());
    if decoded.clone().decode_utf8().is_ok() {
        return None;
    }
    let text = decoded.decode_utf8_lossy();
    HeaderValue::try_from(utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string()).ok()
}

/// Binary metadata may have padding or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The meaning of a response that is not a gRPC response, as
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
