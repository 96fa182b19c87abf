//! Failures: the code, the vendor's message, and no key in either.

use crate::{ID, Reply, Vendor, answer, create, keys, list, over, vendor::ACCESS_KEY};
use livestream_client::{
    policy::RetryPolicy,
    volcengine::{ERROR_CODE, REQUEST_ID, TimeShift},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tonic::Code;

/// HTTP status, the vendor's code, and the gRPC code for both.
const FAILURES: &[(u16, &str, Code)] = &[
    (400, "InvalidParam", Code::InvalidArgument),
    (400, "InvalidParameter", Code::InvalidArgument),
    (400, "InvalidParameter.Vhost", Code::InvalidArgument),
    (400, "MissingParameter", Code::InvalidArgument),
    (400, "MissingRequestInfo", Code::InvalidArgument),
    (401, "InvalidAccessKey", Code::Unauthenticated),
    (401, "SignatureDoesNotMatch", Code::Unauthenticated),
    (400, "InvalidTimestamp", Code::Unauthenticated),
    (403, "RequestForbidden", Code::PermissionDenied),
    (403, "RequestForbidden.Vhost", Code::PermissionDenied),
    (403, "AccessDenied", Code::PermissionDenied),
    (403, "LackPolicy", Code::PermissionDenied),
    (404, "ServiceNotFound", Code::Unimplemented),
    (404, "InvalidActionOrVersion", Code::Unimplemented),
    (429, "AccountFlowLimitExceeded", Code::ResourceExhausted),
    (400, "FlowLimitExceeded", Code::ResourceExhausted),
    (500, "CommonErr", Code::Unknown),
    (400, "SomethingNew", Code::Unknown),
];

/// HTTP statuses that determine the code without a vendor's code.
const STATUSES: &[(u16, Code)] = &[
    (429, Code::ResourceExhausted),
    (502, Code::Unavailable),
    (503, Code::Unavailable),
    (504, Code::DeadlineExceeded),
    (400, Code::Unknown),
    (500, Code::Unknown),
    (302, Code::Unknown),
];

fn once(vendor: &Vendor) -> TimeShift {
    over(vendor).retry(RetryPolicy::never()).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_error_in_the_body_is_a_failure_with_any_http_status() {
    let vendor = Vendor::new();
    let mut client = once(&vendor).client();
    for (status, code, expected) in FAILURES {
        for http in [*status, 200] {
            vendor.reply([answer(http, Some((code, "Said so.")), json!({"PresetName": "p"}))]);
            let status = client.create_time_shift_preset(create()).await.unwrap_err();
            assert_eq!(status.code(), *expected, "{http} {code}");
            assert_eq!(status.message(), format!("Said so. ({code})"));
            assert_eq!(status.metadata().get(REQUEST_ID).unwrap(), ID, "{http} {code}");
            assert_eq!(status.metadata().get(ERROR_CODE).unwrap(), code, "{http} {code}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_http_failure_is_an_error_with_any_body() {
    let vendor = Vendor::new();
    let mut client = once(&vendor).client();
    for (http, expected) in STATUSES {
        vendor.reply([
            answer(*http, Some(("CommonErr", "")), Value::Null),
            answer(*http, None, json!({"List": []})),
            Reply::Answer(*http, "<html>no</html>".into()),
            Reply::Answer(*http, String::new()),
        ]);
        for (id, code) in [(true, true), (true, false), (false, false), (false, false)] {
            let status = client.list_time_shift_presets(list()).await.unwrap_err();
            assert_eq!(status.code(), *expected, "{http}: {status}");
            assert_eq!(status.metadata().contains_key(REQUEST_ID), id, "{http}: {status}");
            assert_eq!(status.metadata().contains_key(ERROR_CODE), code, "{http}: {status}");
            assert!(!status.message().is_empty(), "{http}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_malformed_response_is_an_error() {
    let vendor = Vendor::new();
    let mut client = once(&vendor).client();
    for body in ["", "{}", "[]", "null", "hello", r#"{"ResponseMetadata": 1}"#] {
        vendor.reply([Reply::Answer(200, body.into())]);
        let status = client.list_time_shift_presets(list()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unknown, "{body}");
        assert!(status.message().contains("the body is not a response of this API"), "{status}");
    }
    for result in [json!({"List": {}}), json!({"List": [{"Vhost": 1}]}), json!([1])] {
        vendor.reply([answer(200, None, result.clone())]);
        let status = client.list_time_shift_presets(list()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unknown, "{result}");
        assert!(status.message().contains("ListTimeShiftPresetV2 cannot be parsed"), "{status}");
        assert_eq!(status.metadata().get(REQUEST_ID).unwrap(), ID);
    }
    // An error of an unexpected shape is an error, too.
    for error in [json!({}), json!({"Code": 7, "Message": null})] {
        let body = json!({"ResponseMetadata": {"RequestId": ID, "Error": error}});
        vendor.reply([Reply::Answer(200, body.to_string())]);
        let status = client.create_time_shift_preset(create()).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Unknown, "HTTP 200 OK"));
    }
}

#[tokio::test]
async fn a_failed_connection_is_unavailable_and_names_the_endpoint() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let origin = format!("http://{closed}");
    let service =
        TimeShift::builder().access_key(keys()).endpoint(&origin).retry(RetryPolicy::never());
    let mut client = service.build().unwrap().client();
    let status = client.create_time_shift_preset(create()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains(&origin), "{status}");
    assert!(status.message().to_lowercase().contains("refused"), "{status}");
}

#[tokio::test]
async fn a_session_token_over_plaintext_is_refused_through_proxies_and_connectors() {
    let (seen, vendor) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), Vendor::new());
    let own = keys().with_session_token("STS2EXAMPLETOKEN==").unwrap();
    let at = |origin: &str| TimeShift::builder().access_key(own.clone()).endpoint(origin);
    let proxy = format!("http://{}", seen.local_addr().unwrap());
    for origin in ["http://127.0.0.1:18080", "http://localhost:18080", "http://[::1]:18080"] {
        at(origin).build().expect("this stays on the machine");
        for detour in [at(origin).proxy(&proxy), at(origin).connector(vendor.connector())] {
            let error = detour.build().expect_err("the token may leave the machine");
            assert!(error.is_failed_precondition(), "{error:?}");
            assert!(error.to_string().contains("allow_plaintext_tokens"), "{error}");
        }
        at(origin).proxy(&proxy).allow_plaintext_tokens().build().expect("allowed");
    }
    at("http://10.0.0.1:1").build().expect_err("another machine");
    at("https://service.test").proxy(&proxy).build().expect("encrypted");
}

#[tokio::test(start_paused = true)]
async fn debug_and_errors_redact_access_key_and_session_token() {
    const TOKEN: &str = "STS2EXAMPLETOKEN==";
    const SECRET: &str = "not+the/secret=of-this-one";
    let vendor = Vendor::with_session_token(TOKEN);
    let own = livestream_client::volcengine::AccessKey::new(ACCESS_KEY, SECRET);
    let own = own.unwrap().with_session_token(TOKEN).unwrap();
    let builder = over(&vendor).access_key(own);
    let mut shown = vec![format!("{builder:?}")];
    let service = builder.build().unwrap();
    let mut client = service.client();
    // The message quotes the signed text, which includes the session token.
    let mismatch = client.create_time_shift_preset(create()).await.unwrap_err();
    assert!(mismatch.message().contains("x-security-token:[redacted]"), "{mismatch}");
    shown.extend([format!("{service:?}"), format!("{client:?}"), format!("{mismatch:?}")]);

    let right = keys().with_session_token(TOKEN).unwrap();
    let mut client = over(&vendor).access_key(right).build().unwrap().client();
    let leak = format!("who is {ACCESS_KEY} with {TOKEN}?");
    vendor.reply([answer(401, Some((&leak, &leak)), Value::Null)]);
    let leaked = client.create_time_shift_preset(create()).await.unwrap_err();
    assert!(leaked.message().contains("who is [redacted] with [redacted]?"), "{leaked}");
    shown.push(format!("{leaked:?} {leaked}"));

    for text in shown {
        for key in [ACCESS_KEY, SECRET, TOKEN] {
            assert!(!text.contains(key), "{text}");
        }
    }
}
