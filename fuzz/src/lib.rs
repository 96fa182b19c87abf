//! Shared by several targets: a runtime whose time passes at once, and responses made of bytes.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::{Body, Frame};
use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

/// Runs a future to its end, with waits that take no time.
pub fn run<T>(input: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(input)
}

/// An HTTP response in a text form: the status and the size of the body's chunks (`200 16`), the headers,
/// an empty line, the trailers, an empty line, the body.
#[derive(Clone, Debug)]
pub struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    frames: VecDeque<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Answer {
    /// Returns `None` if the bytes cannot be an HTTP response.
    pub fn read(input: &[u8]) -> Option<Self> {
        let (head, rest) = split(input, b"\n\n");
        let (trailers, body) = split(rest, b"\n\n");
        let (first, headers) = split(head, b"\n");
        let (status, chunk) = split(first, b" ");
        let chunk = std::str::from_utf8(chunk).ok()?.parse().unwrap_or(body.len());
        Some(Self {
            status: StatusCode::from_bytes(status).ok()?,
            headers: read_headers(headers),
            frames: body.chunks(chunk.max(1)).map(Bytes::copy_from_slice).collect(),
            trailers: (!trailers.is_empty()).then(|| read_headers(trailers)),
        })
    }

    pub fn into_response(mut self) -> Response<Self> {
        let headers = std::mem::take(&mut self.headers);
        let mut response = Response::new(self);
        *response.status_mut() = response.body().status;
        *response.headers_mut() = headers;
        response
    }
}

fn read_headers(lines: &[u8]) -> HeaderMap {
    let lines = lines.split(|&byte| byte == b'\n').map(|line| split(line, b": "));
    let read = lines.filter_map(|(name, value)| {
        Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?))
    });
    let mut headers = HeaderMap::new();
    for (name, value) in read {
        headers.append(name, value);
    }
    headers
}

/// Splits the input at the first `by`. If there is none, the second part is empty.
pub fn split<'a>(input: &'a [u8], by: &[u8]) -> (&'a [u8], &'a [u8]) {
    match input.windows(by.len()).position(|window| window == by) {
        Some(at) => (&input[..at], &input[at + by.len()..]),
        None => (input, &[]),
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = self.frames.pop_front().map(Frame::data);
        Poll::Ready(data.or_else(|| self.trailers.take().map(Frame::trailers)).map(Ok))
    }
}
