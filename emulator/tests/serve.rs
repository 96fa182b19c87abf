//! The emulator over HTTP/2: within the process and through loopback.

mod support;

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use livestream_client::{
    model::{GetChannelRequest, ListChannelsRequest, ListChannelsResponse},
    name::LocationName,
    rpc::Rpc,
};
use livestream_emulator::{Emulator, Faults, Limit};
use prost::Message as _;
use std::{
    convert::Infallible,
    future::{Pending, pending},
    task::{Context, Poll, Waker},
    time::Duration,
};
use support::{LOCATION, Service, input};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tonic::{Code, Status, body::Body};
use tower::{Layer as _, Service as _};

/// Opens HTTP/2 on a connection.
async fn open<C>(connection: C) -> SendRequest<Bytes>
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (send, connection) = h2::client::handshake(connection).await.expect("HTTP/2");
    tokio::spawn(connection);
    send
}

/// Makes a unary call, and returns the frame of the response or the code of the error.
async fn call<R: Rpc>(h2: &SendRequest<Bytes>, path: &str, request: &R) -> Result<Bytes, Code> {
    let mut h2 = h2.clone().ready().await.expect("open");
    let head = http::Request::post(format!("http://emulator{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .expect("a request");
    let (answer, mut body) = h2.send_request(head, false).expect("sent");
    let message = request.encode_to_vec();
    let mut frame = vec![0];
    frame.extend_from_slice(&(message.len() as u32).to_be_bytes());
    frame.extend_from_slice(&message);
    body.send_data(frame.into(), true).expect("sent");

    let mut answer = answer.await.expect("an answer");
    let mut data = BytesMut::new();
    while let Some(chunk) = answer.body_mut().data().await {
        data.extend_from_slice(&chunk.expect("data"));
    }
    let trailers = answer.body_mut().trailers().await.expect("trailers");
    let headers = trailers.as_ref().unwrap_or(answer.headers());
    match Code::from_bytes(headers["grpc-status"].as_bytes()) {
        Code::Ok => Ok(data.freeze()),
        code => Err(code),
    }
}

fn list() -> ListChannelsRequest {
    let parent = "projects/p/locations/us-central1".to_owned();
    ListChannelsRequest { parent, ..Default::default() }
}

#[tokio::test]
async fn an_unknown_path_gets_unimplemented_with_a_message() {
    let emulator = Emulator::builder().manual_clock().build();
    let known = ListChannelsRequest::METHOD.path();
    for path in ["/nonsense", "/google.iam.v1.IAMPolicy/GetIamPolicy", &format!("{known}Absent")] {
        let request = http::Request::post(path)
            .header("content-type", "application/grpc")
            .body(Body::empty())
            .expect("a request");
        let answer = emulator.service().call(request).await.expect("infallible");
        let status = Status::from_header_map(answer.headers()).expect("a status");
        assert_eq!(status.code(), Code::Unimplemented, "{path}");
        assert!(status.message().contains(path), "{}", status.message());
    }
}

async fn check(h2: SendRequest<Bytes>) {
    let path = ListChannelsRequest::METHOD.path();
    let frame = call(&h2, path, &list()).await.expect("a page");
    let page = ListChannelsResponse::decode(frame.slice(5..)).expect("of its type");
    assert_eq!(page, ListChannelsResponse::default());

    let absent = GetChannelRequest { name: format!("{}/channels/absent", list().parent) };
    let refusal = call(&h2, GetChannelRequest::METHOD.path(), &absent).await;
    assert_eq!(refusal, Err(Code::NotFound));
    for path in ["/google.iam.v1.IAMPolicy/GetIamPolicy", "/nonsense"] {
        assert_eq!(call(&h2, path, &absent).await, Err(Code::Unimplemented), "{path}");
    }
}

#[tokio::test]
async fn connect_serves_grpc_without_a_network() {
    let emulator = Emulator::builder().manual_clock().build();
    check(open(emulator.connect()).await).await;
    check(open(emulator.connect()).await).await;
}

#[tokio::test]
async fn serve_serves_grpc_on_loopback() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let emulator = Emulator::builder().manual_clock().build();
    let serving = tokio::spawn(async move { emulator.serve(listener).await });
    check(open(TcpStream::connect(address).await.expect("listening")).await).await;
    serving.abort();
}

#[tokio::test(start_paused = true)]
async fn virtual_time_runs_at_the_speed_of_the_builder() {
    let emulator = Emulator::builder().speed(60).build();
    let begin = emulator.now();
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(emulator.now(), begin + Duration::from_secs(600));
    emulator.advance(Duration::from_secs(1));
    assert_eq!(emulator.now(), begin + Duration::from_secs(601));
}

#[test]
fn clones_share_one_state() {
    let emulator = Emulator::builder().manual_clock().build();
    let begin = emulator.now();
    emulator.clone().advance(Duration::from_secs(7));
    assert_eq!(emulator.now(), begin + Duration::from_secs(7));
}

#[tokio::test]
async fn the_seed_determines_operation_names() {
    let mut names = Vec::new();
    for seed in [1, 1, 2] {
        let emulator = Emulator::builder().manual_clock().seed(seed).build();
        let mut service = Service::on(emulator);
        let request = service.create_input_request("camera");
        let operation = service.live.create_input(request).await.expect("accepted");
        names.push(operation.into_inner().name);
    }
    assert_eq!(names[0], names[1]);
    assert_ne!(names[0], names[2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_requests_are_served_one_by_one() {
    let emulator = Emulator::builder().manual_clock().limit(Limit::Inputs, 1).build();
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..20 {
        let mut service = Service::on(emulator.clone());
        let request = service.create_input_request(&format!("camera-{n}"));
        calls.spawn(async move { service.live.create_input(request).await.is_ok() });
    }
    let accepted = calls.join_all().await;
    assert_eq!(accepted.iter().filter(|&&accepted| accepted).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn faults_happen_in_order_one_for_each_attempt() {
    let (emulator, faults) = (Emulator::builder().manual_clock().build(), Faults::new());
    let client = emulator.client_builder().layer(faults.clone()).build().expect("valid");
    let location: LocationName = LOCATION.parse().expect("valid");

    faults.refuse(1, Status::unavailable("down"));
    faults.lose_answers(1);
    let create = client.create_input(&location, input(), "camera").await;
    assert!(!create.expect("the third attempt succeeds").is_done());
    assert_eq!(faults.attempts(), 3);
    let started = emulator.client().list_operations(&location).items().collect().await;
    assert_eq!(started.expect("a listing").len(), 1, "executed once");

    faults.refuse(1, Status::permission_denied("not you"));
    let refused = client.list_inputs(&location).await.expect_err("final");
    assert_eq!((refused.code(), refused.message()), (Code::PermissionDenied, "not you"));
    assert_eq!(faults.attempts(), 4);
}

#[tokio::test]
async fn a_fault_for_no_attempts_does_nothing() {
    let (emulator, faults) = (Emulator::builder().manual_clock().build(), Faults::new());
    let client = emulator.client_builder().layer(faults.clone()).build().expect("valid");
    faults.refuse(0, Status::permission_denied("not you"));
    client.list_inputs(&LOCATION.parse().expect("valid")).await.expect("no fault");
    assert_eq!(faults.attempts(), 1);
}

/// A service that is never ready.
struct Busy;

impl tower::Service<http::Request<Body>> for Busy {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pending<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Pending
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        pending()
    }
}

#[tokio::test]
async fn the_fault_layer_is_ready_when_the_service_below_it_is() {
    let mut busy = Faults::new().layer(Busy);
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(busy.poll_ready(cx).is_pending());
    let mut idle = Faults::new().layer(Emulator::new().service());
    assert!(idle.poll_ready(cx).is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_paused_clock_stands_still_until_it_is_resumed() {
    let emulator = Emulator::builder().speed(60).build();
    let begin = emulator.now();
    emulator.pause();
    assert!(emulator.is_paused());
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(emulator.now(), begin);
    emulator.resume();
    assert!(!emulator.is_paused());
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(emulator.now(), begin + Duration::from_secs(600));
}

#[tokio::test(start_paused = true)]
async fn a_connection_of_a_listener_ends_if_the_head_of_a_request_takes_thirty_seconds() {
    const HEAD: &[u8] = b"GET / HTTP/1.1\r\n";
    let emulator = Emulator::builder().manual_clock().build();
    let minute = Duration::from_secs(60);

    let mut local = emulator.connect();
    local.write_all(HEAD).await.expect("open");
    let end = tokio::time::timeout(minute, local.read_to_end(&mut Vec::new())).await;
    assert!(end.is_err(), "a connection within the process has no timers");

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let serving = tokio::spawn(async move { emulator.serve(listener).await });
    let mut remote = TcpStream::connect(address).await.expect("listening");
    remote.write_all(HEAD).await.expect("open");
    let begun = tokio::time::Instant::now();
    let end = tokio::time::timeout(minute, remote.read_to_end(&mut Vec::new())).await;
    end.expect("the server ends it").expect("in order");
    assert_eq!(begun.elapsed().as_secs(), 30);
    serving.abort();
}

#[tokio::test(start_paused = true)]
async fn a_stalled_attempt_ends_at_its_deadline_and_does_not_reach_the_service() {
    let (emulator, faults) = (Emulator::builder().manual_clock().build(), Faults::new());
    let client = emulator.client_builder().layer(faults.clone()).build().expect("valid");
    let location: LocationName = LOCATION.parse().expect("valid");
    let (second, begun) = (Duration::from_secs(1), tokio::time::Instant::now());

    faults.stall(1);
    let stalled = client.create_input(&location, input(), "camera").timeout(second).await;
    assert_eq!(stalled.expect_err("too late").code(), Code::DeadlineExceeded);
    assert_eq!((begun.elapsed().as_secs(), faults.attempts()), (1, 1));
    let started = client.list_operations(&location).items().collect().await;
    assert!(started.expect("a listing").is_empty());

    faults.stall(1);
    client.list_inputs(&location).attempt_timeout(second).await.expect("the second attempt");
    assert_eq!(faults.attempts(), 4);
}

/// A server on loopback that runs on the clock of the test.
async fn listening(emulator: &Emulator) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let emulator = emulator.clone();
    tokio::spawn(async move { emulator.serve(listener).await });
    address
}

#[tokio::test]
async fn each_silent_connection_of_a_listener_is_closed_after_its_limit() {
    const PREFACE: &str = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let address = listening(&Emulator::builder().manual_clock().build()).await;
    let list = format!("/v1/{LOCATION}/channels");
    let keep_alive = format!("GET {list} HTTP/1.1\r\nhost: e\r\n\r\n");
    let body = format!("POST {list} HTTP/1.1\r\nhost: e\r\ncontent-length: 9\r\n\r\nabc");
    let chunks = format!("POST {list} HTTP/1.1\r\nhost: e\r\ntransfer-encoding: chunked\r\n\r\n3");
    let cases = [
        ("", 30),
        ("G", 30),
        ("PRI * HT", 30),
        (&PREFACE[..23], 30),
        // A ping that is not answered.
        (PREFACE, 60),
        ("GET / HT", 30),
        (&*keep_alive, 30),
        (&*body, 30),
        (&*chunks, 30),
    ];
    let mut connections = Vec::new();
    for (part, limit) in cases.repeat(5) {
        let mut connection = TcpStream::connect(address).await.expect("listening");
        connection.write_all(part.as_bytes()).await.expect("open");
        connections.push((connection, part.to_owned(), limit));
    }
    // The listener accepts connections in order: when the last one is served, all others are accepted, and
    // the clock may skip idle time.
    let mut last = TcpStream::connect(address).await.expect("listening");
    last.write_all(keep_alive.as_bytes()).await.expect("open");
    last.read_exact(&mut [0; 12]).await.expect("a response");
    tokio::time::pause();

    let mut silent = tokio::task::JoinSet::new();
    for (mut connection, part, limit) in connections {
        silent.spawn(async move {
            let begun = tokio::time::Instant::now();
            let end = async { while connection.read(&mut [0; 1024]).await.is_ok_and(|n| n > 0) {} };
            let end = tokio::time::timeout(Duration::from_secs(600), end).await;
            assert!(end.is_ok(), "{part:?} stays open");
            assert!(begun.elapsed().as_secs() <= limit + 1, "{part:?}: {:?}", begun.elapsed());
        });
    }
    silent.join_all().await;
}
