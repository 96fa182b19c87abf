//! The control service over JSON, and the faults of the emulator over gRPC and JSON.

mod support;

use livestream_client::{
    model::{Channel, CreateInputRequest, UpdateChannelRequest, channel::StreamingState},
    name::{ChannelName, LocationName},
    policy::RetryPolicy,
    rpc::Rpc as _,
};
use livestream_emulator::{Emulator, Fault};
use prost::Message as _;
use serde_json::{Value, json};
use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use support::{
    CHANNEL, LOCATION, Service,
    json::{exchange, send},
};
use tokio::time::Instant;
use tonic::{Code, Status};

/// Calls the control service: its response, or the status of its error.
async fn control(emulator: &Emulator, path: &str, body: Value) -> Result<Value, u16> {
    let path = format!("/emulator/v1/{path}");
    let answer = send(emulator, "POST", &path, &body.to_string()).await;
    if answer.status == 200 { Ok(answer.json()) } else { Err(answer.status) }
}

async fn get(emulator: &Emulator, path: &str) -> Value {
    send(emulator, "GET", &format!("/emulator/v1/{path}"), "").await.json()
}

async fn list_inputs(emulator: &Emulator) -> Option<u16> {
    let path = format!("/v1/{LOCATION}/inputs");
    let answer = exchange(emulator.connect(), "GET", &path, &[], "").await;
    answer.map(|answer| answer.status)
}

fn location() -> LocationName {
    LOCATION.parse().expect("a name")
}

#[tokio::test]
async fn the_clock_is_read_advanced_set_paused_and_resumed() {
    let emulator = Emulator::builder().manual_clock().build();
    let clock = get(&emulator, "clock").await;
    assert_eq!(clock, json!({"time": "2026-01-01T00:00:00Z", "paused": true}));
    let clock = control(&emulator, "clock:advance", json!({"by": "90.5s"})).await;
    assert_eq!(clock.expect("valid")["time"], "2026-01-01T00:01:30.500Z");
    let clock =
        control(&emulator, "clock:set", json!({"time": "2026-01-02T00:00:00Z", "speed": 60}));
    let clock = clock.await.expect("valid");
    assert_eq!(clock["speed"], 60);
    assert_eq!(clock.get("paused"), None);
    let clock = control(&emulator, "clock:pause", json!({})).await.expect("valid");
    assert_eq!(clock["paused"], true);
    let clock = control(&emulator, "clock:resume", json!({})).await.expect("valid");
    assert_eq!((&clock["speed"], clock.get("paused")), (&json!(60), None));

    let refused = [
        ("clock:advance", json!({})),
        ("clock:advance", json!({"by": "-1s"})),
        ("clock:set", json!({"time": "2026-01-01T00:00:00Z"})),
        ("clock:set", json!({"speed": 0})),
    ];
    for (path, body) in refused {
        assert_eq!(control(&emulator, path, body.clone()).await, Err(400), "{path} {body}");
    }
}

#[tokio::test]
async fn encoders_connect_and_disconnect_and_channels_fail_and_recover() {
    let emulator = Emulator::builder().manual_clock().encoder_delay(None).build();
    let mut service = Service::on(emulator.clone());
    service.make_channel().await;
    let start = format!("/v1/{CHANNEL}:start");
    assert_eq!(send(&emulator, "POST", &start, "").await.status, 200);
    control(&emulator, "clock:advance", json!({"by": "600s"})).await.expect("valid");
    assert_eq!(service.state().await, StreamingState::AwaitingInput);
    control(&emulator, "encoders:connect", json!({"name": CHANNEL})).await.expect("there");
    assert_eq!(service.state().await, StreamingState::Streaming);
    control(&emulator, "encoders:disconnect", json!({"name": support::INPUT}))
        .await
        .expect("there");
    assert_eq!(service.state().await, StreamingState::AwaitingInput);
    let error = json!({"name": CHANNEL, "error": {"code": 7, "message": "no bucket"}});
    control(&emulator, "resources:fail", error).await.expect("it runs");
    let failed = service.channel().await;
    assert_eq!(failed.streaming_state(), StreamingState::StreamingError);
    let error = failed.streaming_error.expect("set");
    assert_eq!((error.code, &*error.message), (7, "no bucket"));
    control(&emulator, "channels:recover", json!({"name": CHANNEL})).await.expect("in error");
    let state = json!({"name": CHANNEL, "state": "STREAMING_NO_INPUT"});
    control(&emulator, "channels:setStreamingState", state).await.expect("a state");
    assert_eq!(service.state().await, StreamingState::StreamingNoInput);

    let absent = json!({"name": format!("{LOCATION}/channels/absent")});
    for path in ["encoders:connect", "encoders:disconnect", "resources:fail", "channels:recover"] {
        assert_eq!(control(&emulator, path, absent.clone()).await, Err(404), "{path}");
    }
}

#[tokio::test]
async fn a_failed_resource_has_the_code_of_the_error_or_internal_without_one() {
    let errors = [
        (json!({"code": 7, "message": "no bucket"}), 7, "no bucket"),
        (json!({"message": "no bucket"}), 13, "no bucket"),
        (Value::Null, 13, "made to fail through the control service"),
    ];
    for (error, code, message) in errors {
        let mut service = Service::new();
        service.stream().await;
        let body = json!({"name": CHANNEL, "error": error});
        control(&service.emulator, "resources:fail", body).await.expect("it runs");
        let found = service.channel().await.streaming_error.expect("set");
        assert_eq!((found.code, &*found.message), (code, message));
    }
}

#[tokio::test]
async fn an_object_of_the_control_service_is_the_file_of_an_asset() {
    let emulator = Emulator::builder().manual_clock().build();
    let uri = "gs://bucket/logo.jpg";
    let object = json!({"uri": uri, "bytes": "1000", "crc32c": 0x0102_0304});
    control(&emulator, "objects", object).await.expect("a file");
    let elsewhere = json!({"uri": "s3://bucket/logo.jpg", "bytes": "1000"});
    assert_eq!(control(&emulator, "objects", elsewhere).await, Err(400));
    let create = format!("/v1/{LOCATION}/assets?assetId=logo");
    let asset = json!({"image": {"uri": uri}}).to_string();
    assert_eq!(send(&emulator, "POST", &create, &asset).await.status, 200);
    emulator.advance(Duration::from_secs(60));
    let asset = send(&emulator, "GET", &format!("/v1/{LOCATION}/assets/logo"), "").await.json();
    assert_eq!((&asset["state"], &asset["crc32c"]), (&json!("ACTIVE"), &json!("AQIDBA==")));
}

#[tokio::test]
async fn the_request_log_has_metadata_without_credentials_and_no_control_calls() {
    let emulator = Emulator::builder().manual_clock().build();
    let headers = [
        "authorization: Bearer secret-token",
        "x-goog-request-params: parent=p",
        "grpc-timeout: 1S",
    ];
    let path = format!("/v1/{LOCATION}/channels");
    exchange(emulator.connect(), "GET", &path, &headers, "").await.expect("a response");
    emulator.client().list_inputs(&location()).await.expect("a page");
    let absent = format!("/v1/{LOCATION}/channels/absent");
    assert_eq!(send(&emulator, "GET", &absent, "").await.status, 404);

    let log = get(&emulator, "requests").await;
    let requests = log["requests"].as_array().expect("a list");
    let methods: Vec<_> = requests.iter().map(|r| r["method"].as_str().unwrap_or("")).collect();
    assert_eq!(methods, ["ListChannels", "ListInputs", "GetChannel"]);
    let first = &requests[0];
    assert_eq!((&first["json"], &first["resource"]), (&json!(true), &json!(LOCATION)));
    assert_eq!(first["headers"]["x-goog-request-params"], "parent=p");
    assert_eq!(first["headers"]["authorization"], "[redacted]");
    for own in ["host", "content-length", "connection", "grpc-timeout"] {
        assert_eq!(first["headers"].get(own), None, "not for the service");
    }
    assert!(!log.to_string().contains("secret-token"));
    assert_eq!(requests[2]["status"]["code"], 5);
    for (query, expected) in [
        ("method=ListInputs", &["2"][..]),
        ("method=GetChannel&after=1", &["3"]),
        ("method=ListChannels&after=1", &[]),
        ("after=1", &["2", "3"]),
        (&format!("resource={LOCATION}"), &["1", "2"]),
        (&format!("resource={LOCATION}&method=ListInputs"), &["2"]),
    ] {
        let found = get(&emulator, &format!("requests?{query}")).await;
        let found = found["requests"].as_array().into_iter().flatten();
        let numbers: Vec<_> = found.filter_map(|request| request["number"].as_str()).collect();
        assert_eq!(numbers, expected, "{query}");
    }
    control(&emulator, "requests:clear", json!({})).await.expect("done");
    assert_eq!(get(&emulator, "requests").await, json!({}));
}

#[tokio::test]
async fn a_status_fault_has_its_details_and_ends_after_its_count() {
    let emulator = Emulator::builder().manual_clock().build();
    let info = json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "QUOTA",
        "domain": "example.com",
    });
    let fault = json!({
        "method": "ListInputs",
        "resource": LOCATION,
        "times": 2,
        "status": {"code": 8, "message": "slow down", "details": [info]},
    });
    let injected = control(&emulator, "faults", fault.clone()).await.expect("valid");
    assert_eq!(injected["id"], "1");
    let client = emulator.client_builder().retry(RetryPolicy::never()).build().expect("valid");
    let refused = client.list_inputs(&location()).await.expect_err("a fault");
    assert_eq!((refused.code(), refused.message()), (Code::ResourceExhausted, "slow down"));
    assert_eq!(refused.reason(), Some("QUOTA"));
    let listed = get(&emulator, "faults").await;
    assert_eq!(
        (&listed["faults"][0]["times"], &listed["faults"][0]["status"]["code"]),
        (&json!("1"), &json!(8))
    );
    let path = format!("/v1/{LOCATION}/inputs");
    let answer = send(&emulator, "GET", &path, "").await;
    assert_eq!(
        (answer.status, &answer.json()["error"]["details"][0]["reason"]),
        (429, &json!("QUOTA"))
    );
    assert_eq!(list_inputs(&emulator).await, Some(200));

    control(&emulator, "faults", fault.clone()).await.expect("valid");
    let gone = send(&emulator, "DELETE", "/emulator/v1/faults/2", "").await;
    assert_eq!(gone.status, 200, "{}", gone.text);
    assert_eq!(send(&emulator, "DELETE", "/emulator/v1/faults/2", "").await.status, 404);
    control(&emulator, "faults", fault).await.expect("valid");
    control(&emulator, "faults:clear", json!({})).await.expect("done");
    assert_eq!(list_inputs(&emulator).await, Some(200));
    for bad in [json!({}), json!({"silence": {}, "rate": 2}), json!({"status": {"code": 0}})] {
        assert_eq!(control(&emulator, "faults", bad.clone()).await, Err(400), "{bad}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_fault_takes_real_time_and_a_silence_fault_ends_at_the_deadline() {
    let emulator = Emulator::builder().manual_clock().build();
    let client = emulator.client_builder().retry(RetryPolicy::never()).build().expect("valid");
    emulator.inject(Fault::delay(Duration::from_secs(3)).times(1));
    let begun = Instant::now();
    client.list_inputs(&location()).await.expect("a page");
    assert_eq!(begun.elapsed().as_secs(), 3);
    emulator.inject(Fault::silence().on_method("ListInputs"));
    let call = client.list_inputs(&location()).timeout(Duration::from_secs(5));
    assert_eq!(call.await.expect_err("silent").code(), Code::DeadlineExceeded);
    client.list_channels(&location()).await.expect("another method");
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_and_a_dropped_connection_differ_in_the_effect() {
    for (fault, executed) in [(Fault::answer_lost(), 1), (Fault::connection_dropped(), 0)] {
        let emulator = Emulator::builder().manual_clock().build();
        let client = emulator.client_builder().retry(RetryPolicy::never()).build().expect("valid");
        emulator.inject(fault.on_method("CreateInput").times(1));
        let create = client.create_input(&location(), support::input(), "camera").await;
        let error = create.expect_err("the connection is closed");
        assert_eq!(error.code(), Code::Unavailable, "{error}");
        let operations = client.list_operations(&location()).items().collect().await;
        assert_eq!(operations.expect("a listing").len(), executed);
    }
    // With retries both succeed, and only one operation begins.
    for fault in [Fault::answer_lost(), Fault::connection_dropped(), Fault::stream_reset()] {
        let emulator = Emulator::builder().manual_clock().build();
        let client = emulator.client();
        emulator.inject(fault.clone().on_method("ListInputs").times(1));
        client.list_inputs(&location()).await.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert_eq!(emulator.requests().len(), 2, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_go_away_fault_executes_the_request_and_later_ones_on_another_connection() {
    let emulator = Emulator::builder().manual_clock().build();
    let connections = Arc::new(AtomicUsize::new(0));
    let connector = {
        let (emulator, connections) = (emulator.clone(), connections.clone());
        tower::service_fn(move |_: http::Uri| {
            connections.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Ok::<_, Infallible>(emulator.connect()))
        })
    };
    let builder = emulator.client_builder().connector(connector);
    let client = builder.retry(RetryPolicy::never()).build().expect("valid");
    emulator.inject(Fault::go_away().times(1));
    for expected in [1, 2, 2] {
        client.list_inputs(&location()).await.expect("a page");
        assert_eq!(connections.load(Ordering::Relaxed), expected);
    }
    assert_eq!(emulator.requests().len(), 3);
}

#[tokio::test]
async fn faults_hit_json_requests_too() {
    let emulator = Emulator::builder().manual_clock().build();
    for kind in ["answerLost", "connectionDropped", "streamReset"] {
        let fault = json!({"method": "ListInputs", "times": 1, kind: {}});
        control(&emulator, "faults", fault).await.expect("valid");
        assert_eq!(list_inputs(&emulator).await, None, "{kind}");
        assert_eq!(list_inputs(&emulator).await, Some(200), "{kind}");
    }
    control(&emulator, "faults", json!({"times": 1, "goAway": {}})).await.expect("valid");
    assert_eq!(list_inputs(&emulator).await, Some(200));
}

#[tokio::test]
async fn a_fault_without_a_connection_is_unavailable() {
    let mut service = Service::new();
    service.emulator.inject(Fault::connection_dropped().times(1));
    let request = service.create_input_request("camera");
    let refused = service.live.create_input(request).await.expect_err("no connection to close");
    assert_eq!(refused.code(), Code::Unavailable);
}

#[tokio::test]
async fn reset_removes_everything_and_snapshots_restore_it() {
    let mut service = Service::new();
    service.stream().await;
    let emulator = service.emulator.clone();
    let made = control(&emulator, "snapshots", json!({"id": "on-air"})).await.expect("room");
    assert_eq!(made["id"], "on-air");
    let in_rust = emulator.snapshot();
    emulator.inject(Fault::status(Status::internal("no")).on_method("GetChannel"));
    control(&emulator, "state:reset", json!({})).await.expect("done");
    assert_eq!(get(&emulator, "requests").await, json!({}));
    assert_eq!(send(&emulator, "GET", &format!("/v1/{CHANNEL}"), "").await.status, 404);
    service.make_channel().await;
    assert_eq!(service.state().await, StreamingState::Stopped);

    for round in 0..2 {
        control(&emulator, "snapshots/on-air:restore", json!({})).await.expect("kept");
        assert_eq!(service.state().await, StreamingState::Streaming, "round {round}");
        let stop = send(&emulator, "POST", &format!("/v1/{CHANNEL}:stop"), "").await;
        assert_eq!(stop.status, 200, "{}", stop.text);
        emulator.advance(Duration::from_secs(60));
        assert_eq!(service.state().await, StreamingState::Stopped, "round {round}");
    }
    emulator.restore(&in_rust).expect("no state file is open");
    assert_eq!(service.state().await, StreamingState::Streaming);
    let absent = control(&emulator, "snapshots/absent:restore", json!({})).await;
    assert_eq!(absent, Err(404));
}

#[tokio::test]
async fn snapshots_without_an_id_are_numbered_and_there_are_at_most_a_hundred() {
    let emulator = Emulator::builder().manual_clock().build();
    let id = |made: Result<Value, u16>| made.expect("room")["id"].as_str().map(str::to_owned);
    for expected in ["snapshot-1", "snapshot-2"] {
        let made = control(&emulator, "snapshots", json!({})).await;
        assert_eq!(id(made).as_deref(), Some(expected));
    }
    for n in 3..=100 {
        let made = control(&emulator, "snapshots", json!({"id": format!("own-{n}")})).await;
        assert_eq!(id(made), Some(format!("own-{n}")));
    }
    assert_eq!(control(&emulator, "snapshots", json!({"id": "one-more"})).await, Err(429));
    let again = control(&emulator, "snapshots", json!({"id": "own-50"})).await;
    assert_eq!(id(again).as_deref(), Some("own-50"), "it takes the place of the first one");
}

#[tokio::test]
async fn an_update_is_logged_with_the_name_of_the_resource_in_it() {
    let mut service = Service::new();
    service.make_channel().await;
    let channel = Channel { name: CHANNEL.to_owned(), ..support::channel() };
    let request = UpdateChannelRequest { channel: Some(channel), ..Default::default() };
    service.live.update_channel(request).await.expect("accepted");
    let requests = service.emulator.requests();
    let last = requests.last().expect("logged");
    assert_eq!((last.method(), last.resource()), ("UpdateChannel", CHANNEL));
}

#[tokio::test]
async fn a_logged_request_has_its_path_its_message_and_its_error() {
    let mut service = Service::new();
    let lines = Arc::new(Mutex::new(Vec::new()));
    service.emulator.log_to({
        let lines = lines.clone();
        move |line| lines.lock().expect("no panic").push(line.to_owned())
    });
    let request = service.create_input_request("camera");
    service.live.create_input(request.clone()).await.expect("valid");
    let mut large = request.clone();
    large.input.as_mut().expect("set").labels.insert("note".to_owned(), "x".repeat(64 * 1024));
    let refusal = service.live.create_input(large).await.expect_err("the id is taken");

    let requests = service.emulator.requests();
    let [first, second] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!(first.path(), CreateInputRequest::METHOD.path());
    assert!(!first.is_json());
    let message = first.message().map(CreateInputRequest::decode);
    assert_eq!(message.expect("kept").expect("of its type"), request);
    assert_eq!((first.code(), first.error_message()), (Some(Code::Ok), ""));
    assert_eq!(second.message(), None, "too long");
    let found = (second.code(), second.error_message());
    assert_eq!(found, (Some(Code::AlreadyExists), refusal.message()));
    let expected = [
        format!("gRPC CreateInput {LOCATION} Ok"),
        format!("gRPC CreateInput {LOCATION} AlreadyExists: {}", refusal.message()),
    ];
    assert_eq!(*lines.lock().expect("no panic"), expected);
}

#[tokio::test]
async fn a_restored_snapshot_finishes_the_work_that_was_due_meanwhile() {
    let mut service = Service::new();
    service.make_input().await;
    service.create_channel("news", support::channel()).await.expect("valid");
    let snapshot = service.emulator.snapshot();
    service.emulator.reset();
    service.emulator.advance(Duration::from_secs(3600));
    service.emulator.restore(&snapshot).expect("no state file is open");
    let channel: ChannelName = CHANNEL.parse().expect("a name");
    assert_eq!(service.channel().await.name, channel.as_str());
}

#[tokio::test]
async fn the_id_and_the_number_of_a_project_are_one_in_the_control_service() {
    let builder = Emulator::builder().manual_clock().encoder_delay(None).project("p", 123);
    let mut service = Service::on(builder.build());
    let emulator = service.emulator.clone();
    let numbered = |name: &str| name.replace("projects/p/", "projects/123/");
    service.make_channel().await;
    service.live.start_channel(support::name(CHANNEL)).await.expect("it is stopped");
    emulator.advance(Duration::from_secs(600));
    let channel = json!({"name": numbered(CHANNEL)});
    for path in ["encoders:connect", "encoders:disconnect", "resources:fail", "channels:recover"] {
        control(&emulator, path, channel.clone()).await.expect(path);
    }
    let state = json!({"name": numbered(CHANNEL), "state": "STREAMING"});
    control(&emulator, "channels:setStreamingState", state).await.expect("a state");
    let made = service.create_channel("late", support::channel()).await.expect("room");
    let operation = made.into_inner().name;
    assert!(operation.starts_with("projects/123/"), "{operation}");
    let late: ChannelName =
        format!("{}/channels/late", numbered(LOCATION)).parse().expect("a name");
    assert!(emulator.operation_on(&late).is_some());
    control(&emulator, "resources:fail", json!({"name": operation})).await.expect("it runs");
    assert_eq!(service.error(&operation).await, Code::Internal);

    emulator.clear_requests();
    for own in [numbered(CHANNEL), CHANNEL.to_owned()] {
        service.live.get_channel(support::name(&own)).await.expect("there");
    }
    for own in [numbered(CHANNEL), CHANNEL.to_owned()] {
        let log = get(&emulator, &format!("requests?resource={own}")).await;
        assert_eq!(log["requests"].as_array().map(Vec::len), Some(2), "{own}: {log}");
    }
    for own in [numbered(LOCATION), LOCATION.to_owned(), "projects/123".to_owned()] {
        emulator.inject(Fault::status(Status::aborted("no")).on_resource(&own).times(2));
        for other in [numbered(CHANNEL), CHANNEL.to_owned()] {
            let refused = service.live.get_channel(support::name(&other)).await;
            assert_eq!(support::code(refused), Code::Aborted, "{own}: {other}");
        }
    }
}

#[tokio::test]
async fn a_state_file_larger_than_4_mib_is_loaded_over_grpc_with_gzip_and_as_json() {
    let begin = r#"{"journal":1,"seed":0,"time":"2026-01-01T00:00:00Z"}"#;
    let clock = r#"{"clock":{"time":"2026-01-01T00:00:00Z","real":"2026-01-01T00:00:00Z","speed":0,"paused":true}}"#;
    let journal = format!("{begin}\n{}", format!("{clock}\n").repeat(60_000));
    assert!(journal.len() > 5 * 1024 * 1024);
    let emulator = Emulator::builder().manual_clock().build();
    let loaded = control(&emulator, "state:load", json!({"journal": journal})).await;
    assert_eq!(loaded, Ok(json!({})));
    let mut message = vec![0x0a];
    prost::encode_length_delimiter(journal.len(), &mut message).expect("room");
    message.extend_from_slice(journal.as_bytes());
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &message).expect("room");
    let zipped = gzip.finish().expect("room");
    for (flag, body) in [(0, message), (1, zipped)] {
        let mut frame = vec![flag];
        frame.extend_from_slice(&u32::try_from(body.len()).expect("small").to_be_bytes());
        frame.extend_from_slice(&body);
        let request = http::Request::post("http://e/livestream.emulator.v1.Control/LoadState")
            .header("content-type", "application/grpc")
            .header("grpc-encoding", if flag == 1 { "gzip" } else { "identity" })
            .body(tonic::body::Body::new(http_body_util::Full::new(bytes::Bytes::from(frame))))
            .expect("valid");
        let response = tower::ServiceExt::oneshot(emulator.service(), request).await;
        let response = response.expect("infallible");
        let status = response.headers().get("grpc-status");
        assert!(status.is_none(), "flag {flag}: {:?}", response.headers());
    }
}
