//! The bodies of JSON requests.

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::{HeaderMap, header};
use http_body_util::{BodyExt as _, Limited};
use std::io::Read as _;
use tonic::body::Body;

/// The largest body, in bytes, as it is sent and when it is inflated.
const MAX_BODY: usize = 10 * 1024 * 1024;

/// Reads a body, which can be compressed with gzip.
///
/// # Errors
/// Why it cannot be used.
pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, String> {
    let body = Limited::new(body, MAX_BODY).collect().await;
    let body = body.map_err(|_| "the body cannot be read, or is larger than 10 MiB")?.to_bytes();
    let encoding = headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes());
    match encoding.unwrap_or_default().to_ascii_lowercase().as_slice() {
        b"" | b"identity" => Ok(body),
        b"gzip" | b"x-gzip" => inflate(&body),
        other => {
            let other = String::from_utf8_lossy(other);
            Err(format!("the content encoding '{other}' is not offered; use `gzip`"))
        }
    }
}

fn inflate(body: &[u8]) -> Result<Bytes, String> {
    let mut inflated = Vec::new();
    let mut decoder = MultiGzDecoder::new(body).take(MAX_BODY as u64 + 1);
    let read = decoder.read_to_end(&mut inflated);
    read.map_err(|error| format!("the body is not in the gzip format: {error}"))?;
    if inflated.len() > MAX_BODY {
        return Err("the inflated body is larger than 10 MiB".to_owned());
    }
    Ok(inflated.into())
}
