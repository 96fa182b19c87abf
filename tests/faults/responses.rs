//! Responses with an error, with an error after a message, and responses that are not valid gRPC.

use super::{
    CHANNEL, assert_failed, channel, millis, preview, read,
    server::{Exchange, Server, finish, framed, send},
    start, within,
};
use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use livestream_client::{
    model::{GetChannelRequest, livestream_service_client::LivestreamServiceClient},
    policy::RetryPolicy,
    proto::google::rpc,
};
use prost::Message;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

const DEADLINE: std::time::Duration = millis(2000);

/// A server that responds to every call in the same way.
async fn respond_always(answer: fn(Exchange)) -> Server {
    Server::start(move |exchange| async move { answer(exchange) }).await
}

/// The trailers of a status with an `ErrorInfo`, which every error of Google's services has.
fn refusal() -> Vec<(&'static str, String)> {
    let details = ErrorDetails::with_error_info("CHANNEL_RUNNING", "livestream", []);
    let status = Status::with_error_details(Code::FailedPrecondition, "stop it first", details);
    let mut headers = http::HeaderMap::new();
    status.add_header(&mut headers).expect("a status fits into headers");
    let text = |name| headers[name].to_str().expect("ASCII").to_owned();
    ["grpc-status", "grpc-message", "grpc-status-details-bin"].map(|name| (name, text(name))).into()
}

#[tokio::test]
async fn an_error_in_headers_or_trailers_keeps_its_code_and_details() {
    let server = Server::start(|exchange| async {
        let refusal = refusal();
        let refusal = refusal.iter().map(|(name, value)| (*name, &**value)).collect::<Vec<_>>();
        match exchange.number {
            1 => exchange.fail_with(&refusal),
            2 => finish(exchange.begin(), &refusal),
            _ => {
                let mut stream = exchange.begin();
                send(&mut stream, framed(&channel()));
                finish(stream, &refusal);
            }
        }
    })
    .await;
    let client = server.client().build().expect("a client");
    for attempts in 1..=3 {
        let error = within(DEADLINE, start(&client)).await.expect_err("refused");
        assert_failed(&error, Code::FailedPrecondition, 1, false);
        assert_eq!(error.message(), "stop it first");
        assert_eq!(error.reason(), Some("CHANNEL_RUNNING"));
        assert_eq!(server.attempts(), attempts, "a refused call is not retried");
    }
}

#[tokio::test]
async fn a_response_without_grpc_status_is_unknown() {
    let server = Server::start(|exchange| async {
        let mut stream = exchange.begin();
        send(&mut stream, framed(&channel()));
        stream.send_data(Bytes::new(), true).expect("the stream is open");
    })
    .await;
    let client = server.client().build().expect("a client");
    let error = within(DEADLINE, read(&client)).await.expect_err("no status");
    assert_failed(&error, Code::Unknown, 1, false);
    assert!(error.message().contains("without a grpc-status"), "{error}");
    let error = within(DEADLINE, preview(&client)).await.expect_err("no status");
    assert_failed(&error, Code::Unknown, 1, true);
    assert_eq!(server.attempts(), 2);
}

#[tokio::test]
async fn an_html_response_is_an_error_that_names_its_content_type() {
    let server = respond_always(|exchange| exchange.respond_html(200)).await;
    let client = server.client().build().expect("a client");
    let error = within(DEADLINE, read(&client)).await.expect_err("not a gRPC response");
    assert_failed(&error, Code::Unknown, 1, false);
    assert!(error.message().contains("text/html"), "{error}");

    let server = respond_always(|exchange| exchange.respond_html(404)).await;
    let client = server.client().build().expect("a client");
    let error = within(DEADLINE, start(&client)).await.expect_err("not a gRPC response");
    assert_failed(&error, Code::Unimplemented, 1, false);
    assert_eq!(server.attempts(), 1);
}

#[tokio::test]
async fn an_ok_without_a_message_is_an_answer_of_the_service_whatever_its_content_type() {
    let server = respond_always(|exchange| {
        exchange.fail_with(&[("grpc-status", "0"), ("content-type", "text/html")]);
    })
    .await;
    let client = server.client().build().expect("a client");
    let error = within(DEADLINE, read(&client)).await.expect_err("no message");
    assert_failed(&error, Code::Internal, 1, false);
}

#[tokio::test]
async fn an_http_503_is_unavailable_and_retried() {
    let server = Server::start(|exchange| async {
        if exchange.number < 3 { exchange.respond_html(503) } else { exchange.succeed(&channel()) }
    })
    .await;
    let client = server.client().build().expect("a client");
    within(DEADLINE, read(&client)).await.expect("the third attempt succeeds");
    assert_eq!(server.attempts(), 3);

    let server = respond_always(|exchange| exchange.respond_html(503)).await;
    let client = server.client().build().expect("a client");
    let call = start(&client).retry(super::short_backoff().with_max_attempts(3));
    let error = within(DEADLINE, call).await.expect_err("unavailable");
    assert_failed(&error, Code::Unavailable, 3, true);
    let error = within(DEADLINE, preview(&client)).await.expect_err("unavailable");
    assert_failed(&error, Code::Unavailable, 1, true);
    assert_eq!(server.attempts(), 4);
}

#[tokio::test]
async fn a_malformed_grpc_status_is_unknown_and_shown() {
    for raw in ["gone", "17", "-1", "", "0x0", "00", "05", "+5", "99999999999999999999"] {
        let server = Server::start(move |exchange| async move {
            if exchange.number == 1 {
                exchange.fail_with(&[("grpc-status", raw)]);
            } else {
                let mut stream = exchange.begin();
                send(&mut stream, framed(&channel()));
                finish(stream, &[("grpc-status", raw)]);
            }
        })
        .await;
        let client = server.client().build().expect("a client");
        for _ in 0..2 {
            let error = within(DEADLINE, read(&client)).await.expect_err("no status");
            assert_failed(&error, Code::Unknown, 1, false);
            assert!(error.message().contains(&format!("{raw:?}")), "{error}");
        }
        assert_eq!(server.attempts(), 2);
    }
}

/// Status details with a `RetryInfo` whose delay no duration can hold.
fn retry_info_out_of_range(seconds: i64) -> String {
    let delay = prost_types::Duration { seconds, nanos: i32::MIN };
    let info = tonic_types::pb::RetryInfo { retry_delay: Some(delay) };
    let detail = prost_types::Any {
        type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(),
        value: info.encode_to_vec(),
    };
    let info = tonic_types::pb::ErrorInfo { reason: "BUSY".to_owned(), ..Default::default() };
    let reason = prost_types::Any {
        type_url: "type.googleapis.com/google.rpc.ErrorInfo".to_owned(),
        value: info.encode_to_vec(),
    };
    let (code, message) = (Code::Unavailable as i32, "busy".to_owned());
    let status = rpc::Status { code, message, details: vec![detail, reason] };
    BASE64_STANDARD.encode(status.encode_to_vec())
}

#[tokio::test]
async fn a_retry_info_out_of_range_is_dropped_and_the_other_details_are_kept() {
    for seconds in [i64::MIN, -1, i64::MAX] {
        let details = retry_info_out_of_range(seconds);
        let server = Server::start(move |exchange| {
            let details = details.clone();
            async move {
                exchange.fail_with(&[("grpc-status", "14"), ("grpc-status-details-bin", &details)]);
            }
        })
        .await;
        let client = server.client().build().expect("a client");
        let call = read(&client).retry(RetryPolicy::never());
        let error = within(DEADLINE, call).await.expect_err("unavailable");
        assert_failed(&error, Code::Unavailable, 1, false);
        assert_eq!(error.reason(), Some("BUSY"), "{seconds}");
        assert!(error.details().retry_info().is_none(), "{seconds}");
    }
}

/// Malformed details: not base64, not a `google.rpc.Status`, and a detail that does not decode as
/// its type.
const MALFORMED_DETAILS: [&str; 3] =
    ["%%%", "/////w", "Gi0KKHR5cGUuZ29vZ2xlYXBpcy5jb20vZ29vZ2xlLnJwYy5FcnJvckluZm8SAf8"];

#[tokio::test]
async fn malformed_status_details_are_dropped_and_the_code_is_kept() {
    for details in MALFORMED_DETAILS {
        let server = Server::start(move |exchange| async move {
            let status = [
                ("grpc-status", "9"),
                ("grpc-message", "no"),
                ("grpc-status-details-bin", details),
            ];
            match exchange.number % 2 {
                1 => exchange.fail_with(&status),
                _ => finish(exchange.begin(), &status),
            }
        })
        .await;
        let client = server.client().build().expect("a client");
        for _ in 0..2 {
            let error = within(DEADLINE, start(&client)).await.expect_err("refused");
            assert_failed(&error, Code::FailedPrecondition, 1, false);
            assert_eq!((error.message(), error.reason()), ("no", None));
        }
        // tonic's parser panics on invalid base64, so the stack keeps it from a raw stub.
        let mut stub = LivestreamServiceClient::new(client.stack());
        for _ in 0..2 {
            let request = GetChannelRequest { name: CHANNEL.into() };
            let status = within(DEADLINE, stub.get_channel(request)).await.expect_err("refused");
            assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, "no"));
            assert!(status.get_error_details().error_info().is_none());
        }
        assert_eq!(server.attempts(), 4);
    }
}

#[tokio::test]
async fn a_response_that_cannot_be_decoded_may_have_run_and_reports_its_attempts() {
    const NOT_A_MESSAGE: &[u8] = &[0, 0, 0, 0, 1, 0xff];
    for answer in [NOT_A_MESSAGE, &NOT_A_MESSAGE[..3], &[]] {
        let server = Server::start(move |exchange| async move {
            if exchange.number == 1 {
                return exchange.fail(Code::Unavailable);
            }
            let mut stream = exchange.begin();
            send(&mut stream, answer);
            finish(stream, &[("grpc-status", "0")]);
        })
        .await;
        let client = server.client().build().expect("a client");
        let error = within(DEADLINE, start(&client)).await.expect_err("no message");
        assert_failed(&error, Code::Internal, 2, true);
        assert!(error.elapsed() > millis(0), "{error:?}");
        let error = within(DEADLINE, preview(&client)).await.expect_err("no message");
        assert_failed(&error, Code::Internal, 1, true);
        assert!(error.elapsed() > millis(0), "{error:?}");
        let error = within(DEADLINE, read(&client)).await.expect_err("no message");
        assert_failed(&error, Code::Internal, 1, false);
        assert!(error.elapsed() > millis(0), "{error:?}");
        assert_eq!(server.attempts(), 4);
    }
}

#[tokio::test]
async fn response_headers_beyond_64_kib_are_refused() {
    let server = respond_always(|exchange| {
        let message = "x".repeat(100 << 10);
        exchange.fail_with(&[("grpc-status", "9"), ("grpc-message", &message)]);
    })
    .await;
    let client = server.client().build().expect("a client");
    let call = read(&client).retry(RetryPolicy::never());
    let error = within(DEADLINE, call).await.expect_err("too much");
    assert!(error.message().len() < 1000, "{} bytes", error.message().len());
    assert_ne!(error.code(), Code::FailedPrecondition, "{error:?}");
}

#[tokio::test]
async fn a_grpc_message_that_is_not_utf8_keeps_its_code() {
    let server = respond_always(|exchange| {
        exchange.fail_with(&[("grpc-status", "9"), ("grpc-message", "caf%C3%A9 %FF%zz")]);
    })
    .await;
    let client = server.client().build().expect("a client");
    let error = within(DEADLINE, start(&client)).await.expect_err("refused");
    assert_failed(&error, Code::FailedPrecondition, 1, false);
    assert_eq!(error.message(), "café \u{fffd}%zz");
}

#[tokio::test]
async fn a_response_beyond_max_response_size_is_neither_read_nor_retried() {
    const LIMIT: usize = 1 << 20;
    let offered = Arc::new(AtomicUsize::new(0));
    let counted = offered.clone();
    let server = Server::start(move |exchange| {
        let offered = counted.clone();
        async move {
            // The first response announces a gigabyte; the second exceeds the length that it
            // announces.
            let prefix = if exchange.number == 1 { 1_u32 << 30 } else { 1 << 10 };
            let mut stream = exchange.begin();
            send(&mut stream, [&[0][..], &prefix.to_be_bytes()].concat());
            let chunk = Bytes::from(vec![0; 1 << 16]);
            loop {
                stream.reserve_capacity(chunk.len());
                match std::future::poll_fn(|cx| stream.poll_capacity(cx)).await {
                    Some(Ok(granted)) => {
                        let granted = granted.min(chunk.len());
                        offered.fetch_add(granted, Ordering::SeqCst);
                        send(&mut stream, chunk.slice(..granted));
                    }
                    _ => return,
                }
            }
        }
    })
    .await;
    let client = server.client().max_response_size(LIMIT).build().expect("a client");
    for attempts in 1..=2 {
        let error = within(DEADLINE, read(&client)).await.expect_err("too long");
        assert_failed(&error, Code::ResourceExhausted, 1, false);
        assert!(error.message().contains("limit"), "{error}");
        assert_eq!(server.attempts(), attempts);
    }
    // The bytes that are read, and those that the stream's window lets the server send unread.
    let most = 2 * (LIMIT + (2 << 20) + (1 << 16));
    let offered = offered.load(Ordering::SeqCst);
    assert!(offered <= most, "the client took {offered} bytes");

    // A service that responds may have carried out the request, whatever the length of the
    // response.
    let error = within(DEADLINE, preview(&client)).await.expect_err("too long");
    assert_failed(&error, Code::ResourceExhausted, 1, true);
    // The connection stays usable.
    assert_eq!(server.connections(), 1);
}
