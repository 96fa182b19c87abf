//! The stand-in accepts only valid signatures. The unit tests of the signing code compare the
//! crate's signatures with the vectors.

use crate::{
    list, over,
    vendor::{ACCESS_KEY, Raw, SECRET_KEY, Vendor, parse_date, verify},
};
use livestream_client::volcengine::{AccessKey, ERROR_CODE, REQUEST_ID, TimeShift};
use serde_json::Value;
use std::collections::BTreeMap;
use tonic::Code;

/// The requests of the vectors as a server receives them, with their session tokens and dates.
fn vectors() -> Vec<(Raw, String, i64)> {
    let vectors = include_str!("../data/volcengine_signatures.json");
    let vectors = serde_json::from_str::<Value>(vectors).unwrap();
    let vectors = vectors["vectors"].as_array().unwrap().iter();
    let vectors = vectors.map(|vector| {
        let text = |key: &str| vector[key].as_str().unwrap().to_owned();
        let mut headers = BTreeMap::from([
            ("authorization".into(), text("authorization")),
            ("content-type".into(), "application/json".into()),
            ("host".into(), text("host")),
            ("x-content-sha256".into(), text("body_sha256")),
            ("x-date".into(), text("x_date")),
        ]);
        let token = text("session_token");
        if !token.is_empty() {
            headers.insert("x-security-token".into(), token.clone());
        }
        let target = format!("/?{}", text("canonical_query"));
        let raw = Raw { method: text("method"), target, headers, body: text("body").into() };
        (raw, token, parse_date(&text("x_date")).unwrap())
    });
    vectors.collect()
}

#[test]
fn the_stand_in_accepts_every_signature_vector_for_900_seconds() {
    for (raw, token, sent) in vectors() {
        for (off, is_accepted) in
            [(0, true), (900, true), (-900, true), (901, false), (-901, false)]
        {
            let verified = verify(&raw, &token, sent + off);
            match verified {
                Ok(action) => assert!(is_accepted && raw.target.contains(&action), "{off}"),
                Err((_, code, _)) => assert_eq!((is_accepted, code), (false, "InvalidTimestamp")),
            }
        }
    }
}

#[test]
fn the_stand_in_refuses_a_signature_over_any_tampered_byte() {
    fn flip(text: &str, at: usize) -> String {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] ^= 1;
        String::from_utf8(bytes).unwrap()
    }
    let (mut accepted, mut tried) = (Vec::new(), 0);
    for (raw, token, sent) in vectors() {
        let mut attempt = |what: String, tampered: Raw| {
            tried += 1;
            if verify(&tampered, &token, sent).is_ok() {
                accepted.push(what);
            }
        };
        for at in 0..raw.body.len() {
            let mut tampered = raw.clone();
            tampered.body[at] ^= 1;
            attempt(format!("body {at}"), tampered);
        }
        for at in 0..raw.target.len() {
            let target = flip(&raw.target, at);
            attempt(format!("target {at}"), Raw { target, ..raw.clone() });
        }
        for (name, value) in &raw.headers {
            for at in 0..value.len() {
                let mut tampered = raw.clone();
                tampered.headers.insert(name.clone(), flip(value, at));
                attempt(format!("{name} {at}"), tampered);
            }
            let mut tampered = raw.clone();
            tampered.headers.remove(name);
            attempt(format!("no {name}"), tampered);
        }
        attempt("method".into(), Raw { method: "GET".into(), ..raw.clone() });
    }
    assert!(accepted.is_empty(), "{accepted:?}");
    assert!(tried > 2000, "{tried}");
}

#[tokio::test]
async fn signed_requests_over_tcp_are_accepted() {
    let vendor = Vendor::new();
    let service = TimeShift::builder().access_key(crate::keys()).endpoint(vendor.listen().await);
    let mut client = service.build().unwrap().client();
    for _ in 0..3 {
        client.list_time_shift_presets(list()).await.unwrap();
    }
    assert_eq!(vendor.seen().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_session_token_is_sent_and_signed() {
    let vendor = Vendor::with_session_token("STS2EXAMPLETOKEN==");
    let keys = crate::keys().with_session_token("STS2EXAMPLETOKEN==").unwrap();
    let mut client = over(&vendor).access_key(keys).build().unwrap().client();
    client.list_time_shift_presets(list()).await.unwrap();

    let mut client = over(&vendor).build().unwrap().client();
    let status = client.list_time_shift_presets(list()).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    assert_eq!(vendor.seen().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn wrong_keys_and_wrong_clocks_are_unauthenticated() {
    let near = SECRET_KEY.replace('0', "1");
    for (vendor, access_key, secret_key, code) in [
        (Vendor::new(), "AKLTSTRANGER", SECRET_KEY, "InvalidAccessKey"),
        (Vendor::new(), ACCESS_KEY, &*near, "SignatureDoesNotMatch"),
        (Vendor::with_clock_ahead(1000), ACCESS_KEY, SECRET_KEY, "InvalidTimestamp"),
        (Vendor::with_clock_ahead(-1000), ACCESS_KEY, SECRET_KEY, "InvalidTimestamp"),
    ] {
        let keys = AccessKey::new(access_key, secret_key).unwrap();
        let mut client = over(&vendor).access_key(keys).build().unwrap().client();
        let status = client.list_time_shift_presets(list()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{status}");
        assert_eq!(status.metadata().get(ERROR_CODE).unwrap(), code);
        assert_eq!(status.metadata().get(REQUEST_ID).unwrap(), crate::ID);
        assert!(vendor.seen().is_empty());
    }
}
