//! Time shift on Volcengine, against a stand-in for the vendor that verifies every signature.

#![allow(clippy::unwrap_used)]

mod failures;
mod limits;
mod requests;
mod signatures;
mod vendor;

use livestream_client::volcengine::{
    AccessKey, Builder, TimeShift,
    model::{
        CreateTimeShiftPresetRequest, DeleteTimeShiftPresetRequest, ListTimeShiftPresetsRequest,
        UpdateTimeShiftPresetRequest,
    },
};
use vendor::{ACCESS_KEY, Reply, SECRET_KEY, Vendor};

/// The request id in every response.
const ID: &str = "20240102030405010203040506070809";

fn keys() -> AccessKey {
    AccessKey::new(ACCESS_KEY, SECRET_KEY).unwrap()
}

/// A builder of a service that connects to the vendor in memory.
fn over(vendor: &Vendor) -> Builder {
    TimeShift::builder()
        .access_key(keys())
        .endpoint("http://127.0.0.1:18080")
        .connector(vendor.connector())
        .allow_plaintext_tokens()
}

/// A response of the vendor with this error besides the request id, and this result.
fn answer(status: u16, error: Option<(&str, &str)>, result: serde_json::Value) -> Reply {
    let mut body = serde_json::json!({"ResponseMetadata": {"RequestId": ID}, "Result": result});
    if let Some((code, message)) = error {
        let error = serde_json::json!({"CodeN": 10_001, "Code": code, "Message": message});
        body["ResponseMetadata"]["Error"] = error;
    }
    Reply::Answer(status, body.to_string())
}

fn create() -> CreateTimeShiftPresetRequest {
    CreateTimeShiftPresetRequest {
        vhost: "push.example.com".into(),
        app: "live".into(),
        max_shift_time: 86_400,
        pull_domain: "pull.example.com".into(),
        ..Default::default()
    }
}

fn update() -> UpdateTimeShiftPresetRequest {
    UpdateTimeShiftPresetRequest {
        vhost: "push.example.com".into(),
        app: "live".into(),
        max_shift_time: 259_200,
        ..Default::default()
    }
}

fn delete() -> DeleteTimeShiftPresetRequest {
    DeleteTimeShiftPresetRequest { vhost: "push.example.com".into(), app: "live".into() }
}

fn list() -> ListTimeShiftPresetsRequest {
    ListTimeShiftPresetsRequest::default()
}
