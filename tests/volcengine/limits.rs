//! Retries, deadlines and the rate limit, on a paused clock.

use crate::{ID, Reply, Vendor, answer, create, delete, list, over, update};
use livestream_client::{
    LivestreamClient,
    policy::{RetryPolicy, Timeouts},
    volcengine::{
        ERROR_CODE, REQUEST_ID, TimeShift,
        model::{
            time_shift_service_client::TimeShiftServiceClient,
            time_shift_service_server::TimeShiftServiceServer,
        },
    },
};
use serde_json::Value;
use std::{convert::Infallible, future::pending, time::Duration};
use tokio::{
    io::{DuplexStream, duplex},
    net::TcpListener,
    runtime::Builder,
    time::Instant,
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Code, Request, transport::Server};
use tower::service_fn;

const SECOND: Duration = Duration::from_secs(1);

fn unavailable() -> Reply {
    answer(503, Some(("CommonErr", "Later.")), Value::Null)
}

#[tokio::test(start_paused = true)]
async fn list_is_retried() {
    let vendor = Vendor::new();
    vendor.reply([unavailable(), Reply::HangUp, Reply::Answer(502, String::new())]);
    let mut client = over(&vendor).build().unwrap().client();
    client.list_time_shift_presets(list()).await.unwrap();
    assert_eq!(vendor.seen().len(), 4);

    vendor.reply([answer(500, Some(("CommonErr", "")), Value::Null)]);
    let status = client.list_time_shift_presets(list()).await.unwrap_err();
    assert_eq!((status.code(), vendor.seen().len()), (Code::Unknown, 5));
}

#[test]
fn a_client_whose_first_runtime_stands_still_works_in_a_second_one() {
    let vendor = Vendor::new();
    let time_shift = over(&vendor).build().unwrap();
    let runtimes = [(); 2].map(|()| {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.expect("a runtime")
    });
    for runtime in &runtimes {
        let mut client = time_shift.client();
        runtime.block_on(client.list_time_shift_presets(list())).expect("an answer");
    }
    assert_eq!(vendor.seen().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn mutations_are_not_retried() {
    for reply in [unavailable(), Reply::HangUp, Reply::Answer(502, String::new())] {
        let vendor = Vendor::new();
        let mut client = over(&vendor).build().unwrap().client();
        vendor.reply([reply.clone(), reply.clone(), reply]);
        for status in [
            client.create_time_shift_preset(create()).await.unwrap_err(),
            client.update_time_shift_preset(update()).await.unwrap_err(),
            client.delete_time_shift_preset(delete()).await.unwrap_err(),
        ] {
            assert_eq!(status.code(), Code::Unavailable, "{status}");
        }
        assert_eq!(vendor.seen().len(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_to_a_silent_service_ends_at_its_deadline() {
    for (told, reply, expected) in [
        (None, Reply::Stall, 60),
        (None, Reply::StallInBody, 60),
        (Some(2), Reply::Stall, 2),
        (Some(2), Reply::StallInBody, 2),
        (Some(90), Reply::Stall, 90),
    ] {
        let vendor = Vendor::new();
        vendor.reply([reply]);
        let mut client = over(&vendor).build().unwrap().client();
        let mut request = Request::new(create());
        if let Some(told) = told {
            request.set_timeout(told * SECOND);
        }
        let begun = Instant::now();
        let status = client.create_time_shift_preset(request).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
        assert_eq!(begun.elapsed().as_secs(), expected);
        assert_eq!(vendor.seen().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_timeout_is_retried_only_for_list() {
    let vendor = Vendor::new();
    vendor.reply([Reply::Stall, Reply::StallInBody]);
    let timeouts = Timeouts::new(30 * SECOND).with_attempt(5 * SECOND);
    let mut client = over(&vendor).timeouts(timeouts).build().unwrap().client();
    let begun = Instant::now();
    client.list_time_shift_presets(list()).await.unwrap();
    assert!((10..13).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    assert_eq!(vendor.seen().len(), 3);

    vendor.reply([Reply::Stall]);
    let begun = Instant::now();
    let status = client.delete_time_shift_preset(delete()).await.unwrap_err();
    assert_eq!((status.code(), begun.elapsed().as_secs()), (Code::DeadlineExceeded, 5));
    assert_eq!(vendor.seen().len(), 4);
}

/// tonic does not enforce `grpc-timeout` in process, so the service does.
#[tokio::test(start_paused = true)]
async fn without_layers_the_service_enforces_grpc_timeout_itself() {
    for (told, expected) in [(Some(2), 2), (None, 7)] {
        let vendor = Vendor::new();
        vendor.reply([Reply::StallInBody]);
        let service = over(&vendor).timeouts(Timeouts::new(7 * SECOND)).build().unwrap();
        let mut bare = TimeShiftServiceClient::new(TimeShiftServiceServer::new(service));
        let mut request = Request::new(list());
        if let Some(told) = told {
            request.set_timeout(told * SECOND);
        }
        let begun = Instant::now();
        let status = bare.list_time_shift_presets(request).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
        assert_eq!(begun.elapsed().as_secs(), expected);
        assert_eq!(vendor.seen().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_never_opens_ends_at_the_connect_timeout() {
    let never = service_fn(|_| pending::<Result<DuplexStream, Infallible>>());
    // The other end stays silent, so that the TLS handshake cannot begin.
    let silent = service_fn(|_| async {
        let (near, far) = duplex(1 << 16);
        tokio::spawn(async move {
            let _held = far;
            pending::<()>().await
        });
        Ok::<_, Infallible>(near)
    });
    let builder = || over(&Vendor::new()).endpoint("https://live.volcengineapi.com");
    for builder in [builder().connector(never), builder().connector(silent)] {
        let service =
            builder.connect_timeout(3 * SECOND).retry(RetryPolicy::never()).build().unwrap();
        let begun = Instant::now();
        let status = service.client().create_time_shift_preset(create()).await.unwrap_err();
        assert_eq!((status.code(), begun.elapsed().as_secs()), (Code::Unavailable, 3), "{status}");
        assert!(status.message().contains("no connection within 3s"), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_rate_limit_holds_in_every_second() {
    for (limit, expected) in [(None, [10, 10, 5, 0]), (Some(4), [4, 4, 4, 4])] {
        let vendor = Vendor::new();
        let mut builder = over(&vendor);
        if let Some(limit) = limit {
            builder = builder.requests_per_second(limit);
        }
        let service = builder.build().unwrap();
        let begun = Instant::now();
        let calls = (0..25).map(|_| {
            // Clones and clients share the limit.
            let mut client = service.clone().client();
            tokio::spawn(async move { client.list_time_shift_presets(list()).await })
        });
        for call in calls.collect::<Vec<_>>() {
            call.await.unwrap().unwrap();
        }
        let seconds = vendor.seen().into_iter().map(|seen| (seen.at - begun).as_secs());
        let seconds = seconds.collect::<Vec<_>>();
        assert_eq!(seconds.len(), 25);
        let in_second = |n| seconds.iter().filter(|at| **at == n).count();
        assert_eq!([0, 1, 2, 3].map(in_second), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_rate_limit_counts_toward_the_deadline() {
    let vendor = Vendor::new();
    let service = over(&vendor).requests_per_second(1).build().unwrap();
    let mut client = service.client();
    client.list_time_shift_presets(list()).await.unwrap();
    let mut request = Request::new(list());
    request.set_timeout(SECOND / 2);
    let status = client.list_time_shift_presets(request).await.unwrap_err();
    assert_eq!((status.code(), vendor.seen().len()), (Code::DeadlineExceeded, 1));
    client.list_time_shift_presets(list()).await.unwrap();
}

#[tokio::test]
async fn the_service_can_be_served_as_a_gateway() {
    let vendor = Vendor::new();
    let service = TimeShift::builder()
        .access_key(crate::keys())
        .endpoint(vendor.listen().await)
        .build()
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = format!("http://{}", listener.local_addr().unwrap());
    let incoming = TcpListenerStream::new(listener);
    let server = TimeShiftServiceServer::new(service);
    tokio::spawn(Server::builder().serve_with_incoming(server, incoming));

    // The client of the gateway has no keys.
    let over = LivestreamClient::builder().endpoint(gateway).build().unwrap().stack();
    let mut client = TimeShiftServiceClient::new(over);
    client.create_time_shift_preset(create()).await.unwrap();
    assert_eq!(vendor.seen().len(), 1);

    vendor.reply([answer(403, Some(("LackPolicy", "No.")), Value::Null)]);
    let status = client.create_time_shift_preset(create()).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::PermissionDenied, "No. (LackPolicy)"));
    assert_eq!(status.metadata().get(ERROR_CODE).unwrap(), "LackPolicy");
    assert_eq!(status.metadata().get(REQUEST_ID).unwrap(), ID);
}
