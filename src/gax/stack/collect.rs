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

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{
        FutureExt,
        stream::{self, StreamExt},
    };
    use http_body_util::{Empty, StreamBody};
    use std::convert::Infallible;

    type Outcome<B> = Result<Response<ResponseBody<B>>, TransportError>;

    fn fields(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let parse =
            |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        pairs.iter().map(parse).collect()
    }

    /// Collects a response with the HTTP status OK of which this much has arrived. `None` if the
    /// outcome depends on the rest.
    fn collected<B>(headers: &HeaderMap, body: B, max_size: usize) -> Option<Outcome<B>>
    where
        B: HttpBody<Data = Bytes, Error = Infallible>,
    {
        let mut response = Response::new(body);
        *response.headers_mut() = headers.clone();
        collect(response, max_size).now_or_never()
    }

    /// The headers of a gRPC response.
    fn grpc() -> HeaderMap {
        fields(&[("content-type", "application/grpc")])
    }

    /// The start of a body whose end does not arrive.
    fn begun(data: &[&'static [u8]]) -> impl HttpBody<Data = Bytes, Error = Infallible> + use<> {
        let data = data.iter().map(|data| Ok(Frame::data(Bytes::from_static(data))));
        StreamBody::new(stream::iter(data.collect::<Vec<_>>()).chain(stream::pending()))
    }

    /// A body that ends with trailers.
    fn whole(
        data: &[&'static [u8]],
        trailers: &[(&'static str, &'static str)],
    ) -> impl HttpBody<Data = Bytes, Error = Infallible> + use<> {
        let data = data.iter().map(|data| Ok(Frame::data(Bytes::from_static(data))));
        let frames = data.chain([Ok(Frame::trailers(fields(trailers)))]);
        StreamBody::new(stream::iter(frames.collect::<Vec<_>>()))
    }

    /// The message, the trailers and the code of a response that is complete.
    fn parts<B>(outcome: Option<Outcome<B>>) -> (Bytes, Option<HeaderMap>, Code) {
        let response = outcome.expect("the response is complete").expect("no error");
        match response.into_body() {
            ResponseBody::Collected { data, trailers, code } => (data, trailers, code),
            ResponseBody::Streaming(_) => panic!("the response was not collected"),
        }
    }

    const MESSAGE: &[u8] = b"\0\0\0\0\x03abc";

    #[test]
    fn an_error_in_the_headers_ends_the_call_before_the_body_does() {
        let headers = fields(&[("content-type", "application/grpc"), ("grpc-status", "5")]);
        let (data, trailers, code) = parts(collected(&headers, begun(&[MESSAGE]), 3));
        assert_eq!((data, trailers, code), (Bytes::new(), None, Code::NotFound));
    }

    #[test]
    fn an_ok_in_the_headers_precedes_a_message_and_the_status_of_the_trailers() {
        let headers = fields(&[("content-type", "application/grpc"), ("grpc-status", "0")]);
        let (data, _, code) = parts(collected(&headers, whole(&[MESSAGE], &[]), 3));
        assert_eq!((&*data, code), (MESSAGE, Code::Ok));
        let trailers = [("grpc-status", "9")];
        let (_, _, code) = parts(collected(&headers, whole(&[MESSAGE], &trailers), 3));
        assert_eq!(code, Code::FailedPrecondition);
    }

    #[test]
    fn an_ok_in_the_headers_of_an_empty_response_outranks_http() {
        let headers = fields(&[("content-type", "text/html"), ("grpc-status", "0")]);
        let (data, trailers, code) = parts(collected(&headers, Empty::new(), 3));
        assert_eq!((data, trailers, code), (Bytes::new(), None, Code::Ok));
    }

    #[test]
    fn a_message_in_one_data_frame_is_not_copied_and_one_in_several_is_joined() {
        let ok = [("grpc-status", "0")];
        let (data, ..) = parts(collected(&grpc(), whole(&[MESSAGE], &ok), 3));
        assert_eq!(data.as_ptr(), MESSAGE.as_ptr());
        for split in 1..MESSAGE.len() {
            let (first, rest) = MESSAGE.split_at(split);
            let (data, ..) = parts(collected(&grpc(), whole(&[first, rest], &ok), 3));
            assert_eq!(data, MESSAGE, "split at {split}");
        }
    }

    #[test]
    fn a_message_above_the_limit_is_refused_once_its_length_has_arrived() {
        let prefix = &MESSAGE[..PREFIX];
        for arrived in [&[prefix][..], &[&prefix[..2], &prefix[2..]], &[MESSAGE]] {
            let outcome = collected(&grpc(), begun(arrived), 2).expect("the length has arrived");
            let error = outcome.err().expect("three bytes are more than two");
            assert_eq!((error.code(), error.sent), (Code::ResourceExhausted, Sent::Answered));
            assert!(collected(&grpc(), begun(arrived), 3).is_none(), "three bytes are allowed");
        }
        let unfinished = collected(&grpc(), begun(&[&prefix[..PREFIX - 1]]), 2);
        assert!(unfinished.is_none(), "the length has not arrived");
    }

    #[test]
    fn malformed_details_are_removed_from_the_trailers_of_a_success() {
        let trailers = [("grpc-status", "0"), ("grpc-status-details-bin", "%%%")];
        let (data, trailers, code) = parts(collected(&grpc(), whole(&[MESSAGE], &trailers), 3));
        assert_eq!((&*data, code), (MESSAGE, Code::Ok));
        assert_eq!(trailers, Some(fields(&[("grpc-status", "0")])));
    }

    #[test]
    fn an_http_status_without_a_grpc_status_becomes_the_code_of_grpcs_table() {
        for (status, code) in [
            (200, Code::Unknown),
            (400, Code::Internal),
            (401, Code::Unauthenticated),
            (403, Code::PermissionDenied),
            (404, Code::Unimplemented),
            (418, Code::Unknown),
            (429, Code::Unavailable),
            (500, Code::Unknown),
            (502, Code::Unavailable),
            (503, Code::Unavailable),
            (504, Code::Unavailable),
        ] {
            let mut response = Response::new(begun(&[]));
            *response.status_mut() = status.try_into().expect("an HTTP status");
            let outcome = collect(response, 3).now_or_never();
            let response = outcome.expect("the body is not read").expect("a status");
            assert_eq!(response.body().code(), Some(code), "{status}");
            assert_eq!(response.status(), StatusCode::OK, "{status}");
            assert_eq!(response.headers()[STATUS], (code as i32).to_string(), "{status}");
        }
    }
}
