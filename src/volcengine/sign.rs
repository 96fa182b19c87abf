//! Volcengine's request signature: an HMAC-SHA256 over what is sent, valid for 900 s.
//!
//! All of it is a function of its input; the date is part of that. The headers that are signed are
//! the headers that are sent: both come from [`Message::headers`].

use super::AccessKey;
use hmac::{Hmac, KeyInit, Mac};
use prost_types::Timestamp;
use sha2::{Digest, Sha256};
use std::{fmt::Write, time::SystemTime};

const ALGORITHM: &str = "HMAC-SHA256";
const REGION: &str = "cn-north-1";
const SERVICE: &str = "live";
const TERMINATOR: &str = "request";

/// The parts of a request that its signature covers. Method and path are always `POST /`.
pub(super) struct Message<'a> {
    /// `Action=…&Version=…`: sorted already, and of characters that need no encoding.
    pub(super) query: &'a str,
    /// With the port, unless that is 80 or 443.
    pub(super) host: &'a str,
    /// As [`date`] writes it.
    pub(super) date: &'a str,
    /// Of the very bytes that are sent, as [`sha256`] gives it.
    pub(super) body_hash: &'a str,
    pub(super) session_token: Option<&'a str>,
}

impl Message<'_> {
    /// The headers that are sent and signed, by name.
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

    /// The value of `Authorization`.
    pub(super) fn authorization(&self, keys: &AccessKey) -> String {
        let [.., key] = derive_keys(keys.secret_key(), self.day());
        let signature = hex(&mac(&key, &self.string_to_sign()));
        format!(
            "{ALGORITHM} Credential={}/{}, SignedHeaders={}, Signature={signature}",
            keys.access_key(),
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

/// The keys for a day, for its region, for the service there, and for signing.
fn derive_keys(secret_key: &str, day: &str) -> [[u8; 32]; 4] {
    let day = mac(secret_key.as_bytes(), day);
    let region = mac(&day, REGION);
    let service = mac(&region, SERVICE);
    [day, region, service, mac(&service, TERMINATOR)]
}

fn mac(key: &[u8], text: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

/// The hash of these bytes in lower-case hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes all text");
        text
    })
}

/// Such as `20240102T030405Z`: the basic form of ISO 8601, in UTC.
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
    fn every_vector_is_reproduced() {
        let vectors = serde_json::from_str::<Value>(VECTORS).expect("JSON");
        let vectors = vectors["vectors"].as_array().expect("a list");
        assert_eq!(vectors.len(), 6);
        for vector in vectors {
            let text = |key: &str| vector[key].as_str().expect("text");
            let token = text("session_token");
            let keys = AccessKey::new(text("access_key_id"), text("secret_access_key"));
            let keys = keys.expect("valid keys");
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
            let derived = derive_keys(keys.secret_key(), message.day()).map(|key| hex(&key));
            let expected = ["k_date", "k_region", "k_service", "k_signing"].map(text);
            assert_eq!(derived, expected, "{name}");
            let authorization = message.authorization(&keys);
            assert_eq!(authorization, text("authorization"), "{name}");
            assert!(authorization.ends_with(text("signature")), "{name}");
        }
    }

    #[test]
    fn dates_are_whole_seconds_in_utc() {
        let at = |seconds, nanos| date(UNIX_EPOCH + Duration::new(seconds, nanos));
        assert_eq!(at(0, 0), "19700101T000000Z");
        assert_eq!(at(1_704_164_645, 999_999_999), "20240102T030405Z");
        assert_eq!(at(1_709_251_199, 1), "20240229T235959Z");
    }
}
