//! HTTP/JSON: the same service on the same port, in the form of the REST reference.

mod support;

use livestream_client::{LivestreamClient, model, name::LocationName};
use livestream_emulator::{Emulator, Fault};
use serde_json::{Value, json};
use std::time::Duration;
use support::{
    LOCATION, Service,
    json::{Answer, exchange, send},
};
use tokio::net::{TcpListener, TcpStream};

const CHANNEL: &str = r#"{
    "output": {"uri": "gs://bucket/news/"},
    "elementaryStreams": [{"key": "sound", "audioStream": {"bitrateBps": 128000}}],
    "muxStreams": [{"key": "sound", "elementaryStreams": ["sound"]}],
    "manifests": [{"key": "main", "type": "HLS", "muxStreams": ["sound"]}],
    "retentionConfig": {"retentionWindowDuration": "86400s"},
    "labels": {"show": "news"}
}"#;

fn emulator() -> Emulator {
    Emulator::builder().manual_clock().build()
}

/// The path of something in the location.
fn v1(rest: &str) -> String {
    format!("/v1/{LOCATION}/{rest}")
}

async fn create_channel(emulator: &Emulator, id: &str) -> Value {
    let path = v1(&format!("channels?channelId={id}"));
    let answer = send(emulator, "POST", &path, CHANNEL).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    emulator.advance(Duration::from_secs(10));
    answer.json()
}

#[tokio::test]
async fn a_channel_is_created_read_updated_listed_and_deleted_over_json() {
    let emulator = emulator();
    let operation = create_channel(&emulator, "news").await;
    let name = format!("{LOCATION}/channels/news");
    assert_eq!(operation["metadata"]["target"], name);
    let metadata = "type.googleapis.com/google.cloud.video.livestream.v1.OperationMetadata";
    assert_eq!(operation["metadata"]["@type"], metadata);
    assert_eq!(operation.get("done"), None);

    let operation = operation["name"].as_str().expect("a name");
    let done = send(&emulator, "GET", &format!("/v1/{operation}"), "").await.json();
    assert_eq!((&done["done"], &done["response"]["name"]), (&json!(true), &json!(name)));
    assert_eq!(done["response"]["retentionConfig"]["retentionWindowDuration"], "86400s");

    let channel = send(&emulator, "GET", &v1("channels/news"), "").await.json();
    assert_eq!(channel["streamingState"], "STOPPED");
    let path = v1("channels/news?updateMask=retentionConfig");
    let body =
        r#"{"labels": {"show": "late"}, "retentionConfig": {"retentionWindowDuration": "60s"}}"#;
    let update = send(&emulator, "PATCH", &path, body).await;
    assert_eq!(update.status, 200, "{}", update.text);
    emulator.advance(Duration::from_secs(30));
    let channel = send(&emulator, "GET", &v1("channels/news"), "").await.json();
    assert_eq!(channel["retentionConfig"]["retentionWindowDuration"], "60s");
    assert_eq!(channel["labels"], json!({"show": "news"}));
    assert_eq!(channel["output"]["uri"], "gs://bucket/news/");

    create_channel(&emulator, "evening").await;
    let page =
        send(&emulator, "GET", &v1("channels?pageSize=1&orderBy=createTime%20desc"), "").await;
    let page = page.json();
    assert!(page["channels"][0]["name"].as_str().expect("a name").ends_with("/evening"));
    let token = page["nextPageToken"].as_str().expect("a second page");
    let path = v1(&format!("channels?page_size=1&orderBy=createTime+desc&pageToken={token}"));
    let page = send(&emulator, "GET", &path, "").await.json();
    assert_eq!(page["channels"][0]["name"], name);
    assert_eq!(page.get("nextPageToken"), None);
    let path = v1(
        "channels?filter=name:news%20labels.show%20%3D%20%22news%22%20AND%20streamingState%3DSTOPPED",
    );
    let page = send(&emulator, "GET", &path, "").await.json();
    assert_eq!(page["channels"].as_array().map(Vec::len), Some(1));

    let start = send(&emulator, "POST", &v1("channels/news:start"), "{}").await;
    assert_eq!(start.json()["metadata"]["verb"], "start");
    let refused = send(&emulator, "DELETE", &v1("channels/news"), "").await;
    assert_eq!(
        (refused.status, &refused.json()["error"]["status"]),
        (400, &json!("FAILED_PRECONDITION"))
    );
    let delete = send(&emulator, "DELETE", &v1("channels/evening?force=true"), "").await.json();
    emulator.advance(Duration::from_secs(30));
    let operation = delete["name"].as_str().expect("a name");
    let done = send(&emulator, "GET", &format!("/v1/{operation}"), "").await.json();
    let empty = json!({"@type": "type.googleapis.com/google.protobuf.Empty"});
    assert_eq!(done["response"], empty, "the official Python client reads no other form");
    let list = send(&emulator, "GET", &v1("operations?filter=metadata.verb%3Ddelete"), "").await;
    assert_eq!(list.json()["operations"][0]["response"], empty);
    assert_eq!(send(&emulator, "GET", &v1("channels/evening"), "").await.status, 404);
}

#[tokio::test]
async fn the_mixins_have_the_paths_of_the_service() {
    let emulator = emulator();
    let operation =
        create_channel(&emulator, "news").await["name"].as_str().expect("one").to_owned();
    let list = send(&emulator, "GET", &v1("operations?filter=done%3Dtrue"), "").await.json();
    assert_eq!(list["operations"][0]["name"], operation);
    let cancel = send(&emulator, "POST", &format!("/v1/{operation}:cancel"), "").await;
    assert_eq!((cancel.status, cancel.json()), (200, json!({})));
    assert_eq!(send(&emulator, "DELETE", &format!("/v1/{operation}"), "").await.status, 200);
    assert_eq!(send(&emulator, "GET", &format!("/v1/{operation}"), "").await.status, 404);
    let locations = send(&emulator, "GET", "/v1/projects/p/locations?pageSize=2", "").await.json();
    assert_eq!(locations["locations"].as_array().map(Vec::len), Some(2));
    let location = send(&emulator, "GET", &format!("/v1/{LOCATION}"), "").await.json();
    assert_eq!(location["locationId"], "us-central1");
}

#[tokio::test]
async fn enums_are_names_or_numbers_and_int64_are_strings() {
    let emulator = emulator();
    let path = v1("inputs?inputId=camera&requestId=7f1d8c1e-6f4f-4c2b-9b39-0c6a4f1f7a01");
    assert_eq!(send(&emulator, "POST", &path, r#"{"type": 1, "tier": "UHD"}"#).await.status, 200);
    emulator.advance(Duration::from_secs(180));
    let named = send(&emulator, "GET", &v1("inputs/camera"), "").await;
    assert_eq!(
        (&named.json()["type"], &named.json()["tier"]),
        (&json!("RTMP_PUSH"), &json!("UHD"))
    );
    assert!(named.text.contains("\n  \""), "pretty by default");
    let headers: Vec<_> = named.head.lines().map(str::to_lowercase).collect();
    assert_eq!(headers.iter().filter(|line| line.starts_with("content-type:")).count(), 1);
    assert!(!headers.iter().any(|line| line.starts_with("grpc-")), "{headers:?}");
    for alt in ["$alt=json;enum-encoding=int", "%24alt=json%3Benum-encoding%3Dint"] {
        let path = v1(&format!("inputs/camera?{alt}&prettyPrint=false&alt=json&key=k"));
        let numbers = send(&emulator, "GET", &path, "").await;
        assert_eq!((&numbers.json()["type"], &numbers.json()["tier"]), (&json!(1), &json!(3)));
        assert!(!numbers.text.contains('\n'), "{}", numbers.text);
    }
}

#[tokio::test]
async fn errors_have_the_shape_of_the_api_with_details() {
    let emulator = emulator();
    let absent = send(&emulator, "GET", &v1("channels/absent"), "").await;
    let error = &absent.json()["error"];
    assert_eq!(
        (absent.status, &error["code"], &error["status"]),
        (404, &json!(404), &json!("NOT_FOUND"))
    );
    let info = &error["details"][0];
    assert_eq!(info["@type"], "type.googleapis.com/google.rpc.ErrorInfo");
    assert_eq!(info["domain"], "livestream.googleapis.com");
    assert_eq!(info["reason"], "RESOURCE_NOT_FOUND");

    let cases = [
        ("{", ""),
        ("[]", "channel"),
        ("7", "channel"),
        (r#"{"hologram": 3}"#, "channel"),
        (r#"{"output": {"uri": 7}}"#, "channel.output.uri"),
        (r#"{"muxStreams": [{"key": "a"}, {"container": {}}]}"#, "channel.muxStreams[1].container"),
        (r#"{"streamingState": "ON_AIR"}"#, "channel.streamingState"),
        (r#"{"retentionConfig": {"retentionWindowDuration": "soon"}}"#, "channel.retentionConfig"),
    ];
    for (body, field) in cases {
        let refused = send(&emulator, "POST", &v1("channels?channelId=c"), body).await;
        let error = &refused.json()["error"];
        assert_eq!((refused.status, &error["status"]), (400, &json!("INVALID_ARGUMENT")), "{body}");
        let found = error["details"][0]["fieldViolations"][0]["field"].as_str();
        let found = found.unwrap_or_default();
        assert!(found.starts_with(field) || field.starts_with(found), "{body}: {found}");
        assert!(!found.is_empty() || field.is_empty(), "{body}: {error}");
    }
    let queries =
        ["hologram=3", "channelId=c&channel.labels=x", "pageSize=1", "channelId=%FF", "alt=xml"];
    for query in queries {
        let refused = send(&emulator, "POST", &v1(&format!("channels?{query}")), CHANNEL).await;
        assert_eq!(refused.status, 400, "{query}");
        assert_eq!(refused.json()["error"]["status"], "INVALID_ARGUMENT", "{query}");
    }
    let body = send(&emulator, "GET", &v1("channels"), "{}").await;
    assert_eq!(body.status, 400, "a GET has no body");
}

#[tokio::test]
async fn unknown_paths_are_404_and_other_methods_405() {
    let emulator = emulator();
    for path in
        ["/", "/v1", "/v2/projects/p/locations", "/v1/projects/p/locations/l/channels/c:fly", "//"]
    {
        let answer = send(&emulator, "GET", path, "").await;
        // `/` is a page for people.
        assert!(answer.status == 404 || path == "/", "{path}: {}", answer.status);
    }
    let answer = send(&emulator, "PUT", &v1("channels/c"), "{}").await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, DELETE, PATCH")));
    assert_eq!(answer.json()["error"]["code"], 405);
}

#[tokio::test]
async fn a_browser_may_call_from_any_origin() {
    let emulator = emulator();
    let ask = [
        "origin: http://localhost:3000",
        "access-control-request-method: PATCH",
        "access-control-request-headers: authorization, x-goog-api-client",
    ];
    let answer = exchange(emulator.connect(), "OPTIONS", &v1("channels/c"), &ask, "").await;
    let answer = answer.expect("a response");
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://localhost:3000"));
    assert!(answer.header("access-control-allow-methods").is_some_and(|m| m.contains("PATCH")));
    assert_eq!(
        answer.header("access-control-allow-headers"),
        Some("authorization, x-goog-api-client")
    );
    let answer = exchange(emulator.connect(), "GET", &v1("channels/c"), &ask[..1], "").await;
    let answer = answer.expect("a response");
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://localhost:3000"));
    assert_eq!(answer.status, 404, "an error can be read too");
}

#[tokio::test]
async fn grpc_and_json_share_one_port_one_state_and_the_request_ids() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let emulator = emulator();
    let serving = tokio::spawn({
        let emulator = emulator.clone();
        async move { emulator.serve(listener).await }
    });
    let client = LivestreamClient::builder().endpoint(format!("http://{address}")).build();
    let client = client.expect("valid settings");
    let location: LocationName = LOCATION.parse().expect("a name");
    let id = "7f1d8c1e-6f4f-4c2b-9b39-0c6a4f1f7a01";
    let input = support::input();
    let create = client.create_input(&location, input, "camera").request_id(id);
    let operation = create.await.expect("accepted");

    let connect = || async { TcpStream::connect(address).await.expect("listening") };
    let path = v1(&format!("inputs?inputId=camera&requestId={id}"));
    let again = exchange(connect().await, "POST", &path, &[], r#"{"type": "RTMP_PUSH"}"#).await;
    assert_eq!(again.expect("a response").json()["name"], operation.name().as_str());
    emulator.advance(Duration::from_secs(180));
    let list = exchange(connect().await, "GET", &v1("inputs"), &[], "").await.expect("a response");
    assert!(list.head.starts_with("HTTP/1.1 200"), "{}", list.head);
    assert_eq!(list.json()["inputs"][0]["type"], "RTMP_PUSH");
    serving.abort();
}

#[tokio::test]
async fn a_method_override_header_stands_for_the_method() {
    let mut service = Service::new();
    service.make_input().await;
    let headers = ["x-http-method-override: PATCH"];
    let path = v1("inputs/camera?updateMask=tier");
    let connection = service.emulator.connect();
    let answer = exchange(connection, "POST", &path, &headers, r#"{"tier": "SD"}"#).await;
    let answer: Answer = answer.expect("a response");
    assert_eq!((answer.status, &answer.json()["metadata"]["verb"]), (200, &json!("update")));
}

#[tokio::test]
async fn grpc_web_is_served_to_browsers() {
    let emulator = emulator();
    let path = "/google.cloud.video.livestream.v1.LivestreamService/ListChannels";
    let headers = ["content-type: application/grpc-web-text", "origin: http://localhost:3000"];
    // An empty frame in Base64: a list without a parent is refused, with the status in trailers.
    let mut connection = emulator.connect();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: e\r\nconnection: close\r\n{}\r\n{}\r\ncontent-length: 8\r\n\r\nAAAAAAA=",
        headers[0], headers[1]
    );
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    connection.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.expect("text");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("grpc-status: 3"), "{answer}");
    assert!(answer.contains("access-control-allow-origin: http://localhost:3000"), "{answer}");
}

#[tokio::test]
async fn the_page_is_one_file_and_loads_nothing_from_elsewhere() {
    let page = send(&emulator(), "GET", "/", "").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=UTF-8"));
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("connect-src 'self'"));
    for outside in ["src=", "url(", "@import", "https://", "//cdn"] {
        assert!(!page.text.contains(outside), "{outside}");
    }
}

#[tokio::test]
async fn the_world_for_the_page_has_times_of_recordings_and_the_last_requests() {
    let mut service = Service::new();
    service.stream().await;
    let clip = model::CreateClipRequest {
        parent: support::CHANNEL.to_owned(),
        clip_id: "goal".to_owned(),
        clip: Some(service.clip_of(-2, -1)),
        ..Default::default()
    };
    service.live.create_clip(clip).await.expect("on air");
    let session = model::DvrSession::of_manifest("main", [service.dvr_window(60, 120)]);
    let session = model::CreateDvrSessionRequest {
        parent: support::CHANNEL.to_owned(),
        dvr_session_id: "match".to_owned(),
        dvr_session: Some(session),
        ..Default::default()
    };
    service.live.create_dvr_session(session).await.expect("valid");
    let world = send(&service.emulator, "GET", "/emulator/v1/world", "").await.json();
    let time = |seconds| json!(service.in_seconds(seconds).to_string());
    assert_eq!(world["time"], time(0));
    let channel = &world["world"]["channels"][0];
    assert_eq!(channel["clips"][0]["times"], json!([[time(-2), time(-1)]]));
    assert_eq!(channel["dvrSessions"][0]["times"], json!([[time(60), time(120)]]));
    let last = &world["requests"][0];
    let expected = json!({
        "number": last["number"],
        "time": time(0),
        "method": "CreateDvrSession",
        "resource": support::CHANNEL,
        "json": false,
        "code": "Ok",
        "message": "",
    });
    assert_eq!(*last, expected);
}

#[tokio::test]
async fn the_world_for_the_page_follows_every_change() {
    let mut service = Service::new();
    service.stream().await;
    let world = send(&service.emulator, "GET", "/emulator/v1/world", "").await.json();
    let channel = &world["world"]["channels"][0];
    assert_eq!((&channel["state"], &channel["activeInput"]), (&json!("STREAMING"), &json!("main")));
    assert_eq!(channel["onAir"].as_array().map(Vec::len), Some(1));
    assert_eq!(world["world"]["inputs"][0]["connected"], true);

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut connection = service.emulator.connect();
    let request = "GET /emulator/v1/world:stream HTTP/1.1\r\nhost: e\r\n\r\n";
    connection.write_all(request.as_bytes()).await.expect("sent");
    let mut text = String::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut read_until = async |wanted: &str| {
        while !text.contains(wanted) {
            let read = connection.read(&mut buffer);
            let count = tokio::time::timeout(Duration::from_secs(10), read).await;
            let count = count.unwrap_or_else(|_| panic!("no {wanted} in: {text}")).expect("open");
            assert!(count > 0, "closed");
            text.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    };
    read_until("data: {").await;
    service.live.stop_channel(support::name(support::CHANNEL)).await.expect("it runs");
    read_until("STOPPING").await;

    // The page has a clock of its own, which knows of no jumps.
    let jumped = service.emulator.now() + Duration::from_secs(5);
    service.emulator.advance(Duration::from_secs(5));
    let time = prost_types::Timestamp::from(jumped);
    read_until(&format!("\"time\":\"{time}\"")).await;
    service.emulator.set_speed(3);
    read_until("\"speed\":3,").await;
    service.emulator.pause();
    read_until("\"paused\":true").await;
}

#[tokio::test]
async fn the_stream_for_the_page_has_no_event_while_only_time_passes() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let emulator = Emulator::builder().speed(60).build();
    let mut connection = emulator.connect();
    let request = "GET /emulator/v1/world:stream HTTP/1.1\r\nhost: e\r\n\r\n";
    connection.write_all(request.as_bytes()).await.expect("sent");
    let mut text = String::new();
    let mut buffer = vec![0; 64 * 1024];
    let reading = async {
        loop {
            let count = connection.read(&mut buffer).await.expect("open");
            text.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    };
    let end: Result<(), _> = tokio::time::timeout(Duration::from_millis(2200), reading).await;
    assert!(end.is_err(), "it stays open");
    assert_eq!(text.matches("data: {").count(), 1, "{text}");
}

/// Requests with bodies on one connection, which stays open.
#[tokio::test]
async fn a_connection_goes_on_after_a_refusal_of_a_request_with_a_body() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let emulator = emulator();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let serving = tokio::spawn(async move { emulator.serve(listener).await });
    let mut connection = TcpStream::connect(address).await.expect("listening");
    let body = "x".repeat(1 << 20);
    let requests = [
        ("POST", "/v1/nonsense".to_owned(), "", "404"),
        ("PUT", v1("channels/c"), "", "405"),
        ("POST", v1("channels?alt=xml"), "", "400"),
        ("POST", v1("channels?channelId=c"), "", "400"),
        ("OPTIONS", v1("channels"), "", "204"),
        ("GET", "/healthz".to_owned(), "", "200"),
        ("POST", "/livestream.emulator.v1.Control/Fly".to_owned(), "application/grpc-web", "200"),
        ("GET", v1("channels"), "", "400"),
    ];
    for (method, path, kind, status) in &requests {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: e\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        connection.write_all(head.as_bytes()).await.expect("open");
        connection.write_all(body.as_bytes()).await.unwrap_or_else(|e| panic!("{path}: {e}"));
        let mut answer = Vec::new();
        while !answer.ends_with(b"}\n") && !answer.ends_with(b"\r\n\r\n") {
            let count = connection.read_buf(&mut answer).await.expect("open");
            assert!(count > 0, "{path}: {}", String::from_utf8_lossy(&answer));
        }
        let answer = String::from_utf8_lossy(&answer).to_lowercase();
        assert!(answer.starts_with(&format!("http/1.1 {status}")), "{path}: {answer}");
        if answer.contains("connection: close") {
            connection = TcpStream::connect(address).await.expect("listening");
        } else if answer.contains("transfer-encoding: chunked") {
            while !answer.ends_with("0\r\n\r\n") {
                assert!(connection.read_buf(&mut Vec::new()).await.expect("open") > 0);
            }
        }
    }
    serving.abort();
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_and_ends_its_connection_openly() {
    let body = " ".repeat(11 << 20);
    let path = v1("channels?channelId=c");
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (mut read, mut write) = tokio::io::split(emulator().connect());
    let head = format!("POST {path} HTTP/1.1\r\nhost: e\r\ncontent-length: {}\r\n\r\n", body.len());
    let sending = tokio::spawn(async move {
        let _ = write.write_all(format!("{head}{body}").as_bytes()).await;
    });
    let mut answer = String::new();
    let _ = read.read_to_string(&mut answer).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    sending.await.expect("sent");
}

#[tokio::test]
async fn the_fields_of_a_response_are_selected_in_every_form_of_google() {
    let mut service = Service::new();
    service.make_channel().await;
    let channel = |name: &str| json!({"name": support::CHANNEL, (name): "STOPPED"});
    let cases = [
        ("channels/news?fields=name,streamingState", channel("streamingState")),
        ("channels/news?$fields=name,streaming_state", channel("streamingState")),
        ("channels/news?%24fields=name%2CstreamingState", channel("streamingState")),
        ("channels/news?fields=output(uri)", json!({"output": {"uri": "gs://bucket/outputs/"}})),
        ("channels/news?fields=output/uri", json!({"output": {"uri": "gs://bucket/outputs/"}})),
        (
            "channels?fields=channels(name,streamingState)",
            json!({"channels": [channel("streamingState")]}),
        ),
        (
            "channels?fields=channels/name,channels(streamingState),nextPageToken",
            json!({"channels": [channel("streamingState")]}),
        ),
        (
            "channels?fields=channels(name,manifests(key,muxStreams))",
            json!({"channels": [{
                "name": support::CHANNEL,
                "manifests": [{"key": "main", "muxStreams": ["sound"]}],
            }]}),
        ),
    ];
    for (path, expected) in cases {
        let answer = send(&service.emulator, "GET", &v1(path), "").await;
        assert_eq!((answer.status, answer.json()), (200, expected), "{path}");
    }
    for fields in ["nonsense", "channels(", "channels)", "channels(nonsense)", "a,,b", "/name"] {
        let path = v1(&format!("channels?fields={fields}"));
        let answer = send(&service.emulator, "GET", &path, "").await;
        assert_eq!(answer.status, 400, "{fields}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_body_in_gzip_is_inflated_up_to_the_limit() {
    use std::io::Write as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let emulator = emulator();
    let zip = |text: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).expect("in memory");
        encoder.finish().expect("in memory")
    };
    let cases = [
        ("gzip", zip(br#"{"type": "RTMP_PUSH"}"#), "200"),
        ("identity", br#"{"type": "SRT_PUSH"}"#.to_vec(), "200"),
        ("gzip", zip(&vec![b' '; 11 << 20]), "400"),
        ("gzip", b"{}".to_vec(), "400"),
        ("gzip", zip(b"{}")[..12].to_vec(), "400"),
        ("br", b"{}".to_vec(), "400"),
    ];
    for (at, (encoding, body, status)) in cases.into_iter().enumerate() {
        let mut connection = emulator.connect();
        let path = v1(&format!("inputs?inputId=i{at}"));
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: e\r\nconnection: close\r\ncontent-encoding: {encoding}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        connection.write_all(&[head.as_bytes(), &body].concat()).await.expect("sent");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.expect("text");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{encoding} {at}: {answer}");
    }
}

#[tokio::test]
async fn the_log_has_the_requests_that_no_method_answers() {
    let emulator = emulator();
    let lines = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let sink = lines.clone();
    emulator.log_to(move |line| sink.lock().expect("no panic").push(line.to_owned()));
    let channel = v1("channels/c");
    for (method, path, body) in [
        ("GET", "/v1/nonsense?x=1", ""),
        ("PUT", &*channel, "{}"),
        ("POST", &v1("channels?channelId=c"), "{"),
        ("GET", &v1("channels?alt=xml"), ""),
        ("GET", &v1("channels/c?hologram=1"), ""),
        ("POST", "/emulator/v1/faults", "{"),
    ] {
        send(&emulator, method, path, body).await;
    }
    let log: Vec<_> = emulator
        .requests()
        .into_iter()
        .map(|r| (r.method().to_owned(), r.resource().to_owned(), r.code(), r.is_json()))
        .collect();
    use tonic::Code;
    let entry = |method: &str, resource: &str, code| {
        (method.to_owned(), resource.to_owned(), Some(code), true)
    };
    let expected = [
        entry("GET", "/v1/nonsense", Code::NotFound),
        entry("PUT", &channel, Code::Unimplemented),
        entry("CreateChannel", LOCATION, Code::InvalidArgument),
        entry("ListChannels", LOCATION, Code::InvalidArgument),
        entry("GetChannel", support::CHANNEL.trim_end_matches("news"), Code::InvalidArgument),
    ];
    let expected = expected.map(|mut entry| {
        if entry.1.ends_with('/') {
            entry.1.push('c');
        }
        entry
    });
    assert_eq!(log, expected);
    let lines = lines.lock().expect("no panic").clone();
    assert!(lines[0].starts_with("JSON GET /v1/nonsense 404 NotFound: "), "{lines:?}");
    assert!(lines[1].starts_with(&format!("JSON PUT {channel} 405 Unimplemented: ")), "{lines:?}");
    assert!(lines[2].starts_with(&format!("JSON CreateChannel {LOCATION} InvalidArgument: ")));
    assert_eq!(lines.len(), expected.len());
    let world = send(&emulator, "GET", "/emulator/v1/world", "").await.json();
    assert_eq!(world["requests"][4]["method"], "GET");
    assert_eq!(world["requests"][4]["resource"], "/v1/nonsense");
}

#[tokio::test]
async fn a_parameter_that_has_one_value_is_refused_if_it_is_there_twice() {
    let mut service = Service::new();
    service.make_input().await;
    let path = v1("inputs/camera?updateMask=tier&updateMask=labels");
    let answer = send(&service.emulator, "PATCH", &path, r#"{"tier": "SD"}"#).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    assert!(answer.text.contains("updateMask"), "{}", answer.text);
    let path = v1("inputs?pageSize=1&page_size=2");
    assert_eq!(send(&service.emulator, "GET", &path, "").await.status, 400);
}

#[tokio::test]
async fn the_page_and_the_health_answer_head_and_refuse_other_methods() {
    let emulator = emulator();
    for path in ["/", "/healthz"] {
        let get = send(&emulator, "GET", path, "").await;
        let head = send(&emulator, "HEAD", path, "").await;
        assert_eq!((head.status, &*head.text), (200, ""), "{path}");
        for header in ["content-type", "content-length"] {
            assert_eq!(head.header(header), get.header(header), "{path}: {header}");
        }
        let post = send(&emulator, "POST", path, "{}").await;
        assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD")), "{path}");
    }
}

/// A server on loopback that runs on the clock of the test.
async fn listening(emulator: &Emulator) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let emulator = emulator.clone();
    tokio::spawn(async move { emulator.serve(listener).await });
    address
}

#[tokio::test(start_paused = true)]
async fn a_body_that_arrives_slowly_is_read_to_its_end() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let address = listening(&emulator()).await;
    let mut connection = TcpStream::connect(address).await.expect("listening");
    let body = r#"{"type": "RTMP_PUSH"}"#;
    let head = format!(
        "POST /v1/{LOCATION}/inputs?inputId=a HTTP/1.1\r\nhost: e\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes()).await.expect("open");
    for byte in body.bytes() {
        tokio::time::sleep(Duration::from_secs(20)).await;
        connection.write_all(&[byte]).await.expect("open");
    }
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.expect("text");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn the_stream_for_the_page_and_a_delayed_answer_outlast_the_limit_of_silence() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let emulator = emulator();
    let address = listening(&emulator).await;
    let mut page = TcpStream::connect(address).await.expect("listening");
    let request = "GET /emulator/v1/world:stream HTTP/1.1\r\nhost: e\r\n\r\n";
    page.write_all(request.as_bytes()).await.expect("sent");
    assert_ne!(page.read(&mut [0; 64 * 1024]).await.expect("open"), 0);

    let delay = Duration::from_secs(300);
    emulator.inject(Fault::delay(delay).on_method("ListChannels"));
    let begun = tokio::time::Instant::now();
    let connection = TcpStream::connect(address).await.expect("listening");
    let answer = exchange(connection, "GET", &v1("channels"), &[], "").await;
    assert_eq!(answer.expect("a response").status, 200);
    assert!(begun.elapsed() >= delay);

    // The request in the log is an event; then the clock is one.
    emulator.advance(Duration::from_secs(5));
    let time = prost_types::Timestamp::from(emulator.now()).to_string();
    let (mut text, mut buffer) = (String::new(), vec![0; 64 * 1024]);
    while !text.contains(&time) {
        let count = page.read(&mut buffer).await.expect("open");
        assert!(count > 0, "closed");
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
}
