//! Volcengine's request signature: an HMAC-SHA256 of the request, which is valid for 900 s.
//!
//! The functions are pure, and the date is an argument. [`Message::headers`] provides both the
//! signed headers and the headers that are sent, so they are the same.

use super::AccessKey;
use hmac::{Hmac, KeyInit, Mac};
use prost_types::Timestamp;
use sha2::{Digest, Sha256};
use std::{fmt::Write, time::SystemTime};

const ALGORITHM: &str = "HMAC-SHA256";
const REGION: &str = "cn-north-1";
const SERVICE: &str = "live";
const TERMINATOR: &str = "request";

/// The signed parts of a request. Method and path are always `POST /`.
pub(super) struct Message<'a> {
    /// `Action=…&Version=…`, which is sorted and needs no encoding.
    pub(super) query: &'a str,
    /// The host with its port, unless that is 80 or 443.
    pub(super) host: &'a str,
    /// The date in the format of [`date`].
    pub(super) date: &'a str,
    /// The hash of the body from [`sha256`].
    pub(super) body_hash: &'a str,
    pub(super) session_token: Option<&'a str>,
}

impl Message<'_> {
    /// The signed headers, in the order of their names.
    pub(super) fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("content-type", "application/json"),
            ("host", self.host),
            ("x-content-sha256", self.body_hash),
            ("x-date", self.date),
        ]
        .into_iter()
        .chain(self.session_token.map(|token| ("x-security-token", token)))
    }

    /// The value of the `Authorization` header.
    pub(super) fn authorization(&self, access_key: &AccessKey) -> String {
        let [.., key] = derive_keys(access_key.secret_key(), self.day());
        let signature = hex(&mac(&key, &self.string_to_sign()));
        format!(
            "{ALGORITHM} Credential={}/{}, SignedHeaders={}, Signature={signature}",
            access_key.id(),
            self.scope(),
            self.signed_headers(),
        )
    }

    fn string_to_sign(&self) -> String {
        let hash = sha256(self.canonical_request().as_bytes());
        format!("{ALGORITHM}\n{}\n{}\n{hash}", self.date, self.scope())
    }

    fn canonical_request(&self) -> String {
        let headers =
            self.headers().map(|(name, value)| format!("{name}:{value}\n")).collect::<String>();
        let Self { query, body_hash, .. } = self;
        format!("POST\n/\n{query}\n{headers}\n{}\n{body_hash}", self.signed_headers())
    }

    fn signed_headers(&self) -> String {
        self.headers().map(|(name, _)| name).collect::<Vec<_>>().join(";")
    }

    fn scope(&self) -> String {
        format!("{}/{REGION}/{SERVICE}/{TERMINATOR}", self.day())
    }

    fn day(&self) -> &str {
        self.date.split('T').next().unwrap_or_default()
    }
}

/// The chain of derived keys: for the day, the region, the service, and the signature.
fn derive_keys(secret_key: &str, day: &str) -> [[u8; 32]; 4] {
    let day = mac(secret_key.as_bytes(), day);
    let region = mac(&day, REGION);
    let service = mac(&region, SERVICE);
    [day, region, service, mac(&service, TERMINATOR)]
}

fn mac(key: &[u8], text: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC accepts keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

/// The SHA-256 hash in lower-case hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String does not fail");
        text
    })
}

/// Formats a time in UTC in the basic format of ISO 8601, such as `20240102T030405Z`.
pub(super) fn date(at: SystemTime) -> String {
    let whole = Timestamp { nanos: 0, ..Timestamp::from(at) };
    whole.to_string().replace(['-', ':'], "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::time::{Duration, UNIX_EPOCH};

    const VECTORS: &str = include_str!("../../tests/data/volcengine_signatures.json");

    #[test]
    fn signature_matches_every_test_vector() {
        let vectors = serde_json::from_str::<Value>(VECTORS).expect("JSON");
        let vectors = vectors["vectors"].as_array().expect("a list");
        assert_eq!(vectors.len(), 6);
        for vector in vectors {
            let text = |key: &str| vector[key].as_str().expect("text");
            let token = text("session_token");
            let key = AccessKey::new(text("access_key_id"), text("secret_access_key"));
            let key = key.expect("a valid access key");
            let body_hash = sha256(text("body").as_bytes());
            let message = Message {
                query: text("canonical_query"),
                host: text("host"),
                date: text("x_date"),
                body_hash: &body_hash,
                session_token: (!token.is_empty()).then_some(token),
            };
            let name = text("name");
            assert_eq!(body_hash, text("body_sha256"), "{name}");
            assert_eq!(message.signed_headers(), text("signed_headers"), "{name}");
            assert_eq!(message.canonical_request(), text("canonical_request"), "{name}");
            assert_eq!(message.scope(), text("credential_scope"), "{name}");
            assert_eq!(message.string_to_sign(), text("string_to_sign"), "{name}");
            let derived = derive_keys(key.secret_key(), message.day()).map(|key| hex(&key));
            let expected = ["k_date", "k_region", "k_service", "k_signing"].map(text);
            assert_eq!(derived, expected, "{name}");
            let authorization = message.authorization(&key);
            assert_eq!(authorization, text("authorization"), "{name}");
            assert!(authorization.ends_with(text("signature")), "{name}");
        }
    }

    #[test]
    fn date_is_in_whole_seconds_and_utc() {
        let at = |seconds, nanos| date(UNIX_EPOCH + Duration::new(seconds, nanos));
        assert_eq!(at(0, 0), "19700101T000000Z");
        assert_eq!(at(1_704_164_645, 999_999_999), "20240102T030405Z");
        assert_eq!(at(1_709_251_199, 1), "20240229T235959Z");
    }
}
