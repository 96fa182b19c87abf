//! A request that certainly never arrived is retried. A request that may have been carried out is
//! retried only if the service can recognise the repeat.

use super::{
    assert_failed, channel, client_for,
    frames::RawConnection,
    listen, millis, preview, read,
    server::{Exchange, Server, framed, send},
    start, within,
};
use h2::Reason;
use http::{HeaderValue, header::CONNECTION};
use http_body_util::BodyExt;
use livestream_client::{
    methods::classify,
    model::{
        GetChannelRequest, PreviewInputRequest, livestream_service_client::LivestreamServiceClient,
    },
    policy::{CallPolicy, RetryPolicy},
    rpc::Rpc,
    stack::PolicyLayer,
};
use std::{
    future::{Ready, ready},
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service, ServiceExt};

const DEADLINE: std::time::Duration = millis(2000);

/// A server that responds to the first request with `fault` and answers all others.
async fn fault_once(fault: fn(Exchange)) -> Server {
    Server::start(move |exchange| async move {
        if exchange.number == 1 { fault(exchange) } else { exchange.succeed_by_method() }
    })
    .await
}

/// As gRPC maps the error codes of HTTP/2. Only what the server sends counts as its quota.
#[tokio::test]
async fn a_reset_with_enhance_your_calm_is_a_quota_and_inadequate_security_is_a_permission() {
    let reasons = [
        (Reason::ENHANCE_YOUR_CALM, Code::ResourceExhausted),
        (Reason::INADEQUATE_SECURITY, Code::PermissionDenied),
    ];
    for (reason, code) in reasons {
        let server = Server::start(move |exchange| async move { exchange.reset(reason) }).await;
        let client = server.client().retry(RetryPolicy::never()).build().expect("a client");
        let error = within(DEADLINE, read(&client)).await.expect_err("reset");
        assert_eq!(error.code(), code, "{reason}: {error}");
    }
}

#[tokio::test]
async fn refused_stream_is_retried_for_every_request() {
    let refuse: fn(Exchange) = |exchange| exchange.reset(Reason::REFUSED_STREAM);

    let server = fault_once(refuse).await;
    let client = server.client().build().expect("a client");
    within(DEADLINE, read(&client)).await.expect("retried");
    assert_eq!(server.attempts(), 2);

    let server = fault_once(refuse).await;
    let client = server.client().build().expect("a client");
    within(DEADLINE, preview(&client)).await.expect("retried");
    assert_eq!(server.attempts(), 2);

    let server = fault_once(refuse).await;
    let client = server.client().without_request_ids().build().expect("a client");
    let _started = within(DEADLINE, start(&client)).await.expect("retried");
    assert_eq!(server.attempts(), 2);
}

/// A server that sends the headers of its first response, then resets the stream.
async fn reset_after_headers(reason: Reason) -> Server {
    Server::start(move |exchange| async move {
        if exchange.number == 1 {
            let mut stream = exchange.begin();
            until_written().await;
            stream.send_reset(reason);
        } else {
            exchange.succeed_by_method();
        }
    })
    .await
}

/// Lets the task of the server's connection write the headers, which a reset would replace.
async fn until_written() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn refused_stream_after_the_response_headers_does_not_prove_that_nothing_ran() {
    let server = reset_after_headers(Reason::REFUSED_STREAM).await;
    let client = server.client().build().expect("a client");
    let error = within(DEADLINE, preview(&client)).await.expect_err("the response was lost");
    assert_failed(&error, Code::Unavailable, 1, true);
    assert_eq!(server.attempts(), 1, "a mutation without request_id is not sent twice");

    let server = reset_after_headers(Reason::REFUSED_STREAM).await;
    let client = server.client().build().expect("a client");
    within(DEADLINE, read(&client)).await.expect("a read is retried");
    assert_eq!(server.attempts(), 2);
}

#[tokio::test]
async fn rst_stream_no_error_after_the_response_headers_is_a_lost_response() {
    let server = reset_after_headers(Reason::NO_ERROR).await;
    let client = server.client().build().expect("a client");
    within(DEADLINE, read(&client)).await.expect("a read is retried");
    assert_eq!(server.attempts(), 2);

    let server = reset_after_headers(Reason::NO_ERROR).await;
    let client = server.client().build().expect("a client");
    let error = within(DEADLINE, preview(&client)).await.expect_err("the response was lost");
    assert_failed(&error, Code::Unavailable, 1, true);
}

/// RFC 9113, section 8.1: a server may answer in full, and then reset the stream with NO_ERROR
/// because it does not need the rest of the request.
#[tokio::test]
async fn rst_stream_no_error_after_a_complete_response_is_a_success() {
    const NO_ERROR: u32 = 0;
    let (listener, port) = listen().await;
    let serving = tokio::spawn(async move {
        let mut connection = RawConnection::accept(&listener).await?;
        let stream = connection.request().await?;
        connection.succeed(stream, &framed(&channel())).await?;
        connection.reset(stream, NO_ERROR).await?;
        connection.closed().await;
        io::Result::Ok(())
    });
    let client = client_for(port).build().expect("a client");
    let call = read(&client).retry(RetryPolicy::never());
    assert_eq!(within(DEADLINE, call).await.expect("a whole response"), channel());
    drop(client);
    serving.await.expect("no panic").expect("the client followed the script");
}

#[tokio::test]
async fn refused_stream_on_every_attempt_has_not_run() {
    let server = Server::start(|exchange| async { exchange.reset(Reason::REFUSED_STREAM) }).await;
    let client = server.client().build().expect("a client");
    let call = preview(&client).retry(super::short_backoff().with_max_attempts(3));
    let error = within(DEADLINE, call).await.expect_err("never accepted");
    assert_failed(&error, Code::Unavailable, 3, false);
    assert_eq!(server.attempts(), 4, "the transparent retry does not count");
}

/// Faults that follow a complete request; in some, the response has begun.
const AFTER_ARRIVAL: [fn(Exchange); 5] = [
    |exchange| exchange.reset(Reason::INTERNAL_ERROR),
    |exchange| exchange.reset(Reason::CANCEL),
    |exchange| exchange.hang_up(),
    |exchange| {
        let mut stream = exchange.begin();
        send(&mut stream, framed(&channel()).slice(..3));
        stream.send_reset(Reason::INTERNAL_ERROR);
    },
    |exchange| {
        let line = exchange.connection_breaker();
        let mut stream = exchange.begin();
        send(&mut stream, framed(&channel()).slice(..3));
        line.notify_one();
    },
];

#[tokio::test]
async fn a_read_or_a_mutation_with_request_id_is_retried_after_a_lost_response() {
    for fault in AFTER_ARRIVAL {
        let server = fault_once(fault).await;
        let client = server.client().build().expect("a client");
        within(DEADLINE, read(&client)).await.expect("retried");
        assert_eq!(server.attempts(), 2);

        let server = fault_once(fault).await;
        let client = server.client().build().expect("a client");
        let _started = within(DEADLINE, start(&client)).await.expect("retried");
        let [first, second] = server.requests().try_into().ok().expect("two attempts");
        assert_eq!(first.body, second.body, "the request_id holds");
    }
}

#[tokio::test]
async fn a_mutation_without_request_id_fails_after_a_lost_response_and_may_have_run() {
    for fault in AFTER_ARRIVAL {
        let server = fault_once(fault).await;
        let client = server.client().build().expect("a client");
        let error = within(DEADLINE, preview(&client)).await.expect_err("not retried");
        assert_failed(&error, Code::Unavailable, 1, true);
        assert!(error.to_string().contains("may have been carried out"), "{error}");
        assert_eq!(server.attempts(), 1);

        let server = fault_once(fault).await;
        let client = server.client().without_request_ids().build().expect("a client");
        let error = within(DEADLINE, start(&client)).await.expect_err("not retried");
        assert_failed(&error, Code::Unavailable, 1, true);
        assert_eq!(server.attempts(), 1);
    }
}

#[tokio::test]
async fn a_mutation_that_is_lost_first_and_refused_later_may_have_run() {
    let server = Server::start(|exchange| async {
        match exchange.number {
            1 => exchange.hang_up(),
            _ => exchange.fail(Code::FailedPrecondition),
        }
    })
    .await;
    let client = server.client().build().expect("a client");
    let error = within(DEADLINE, start(&client)).await.expect_err("refused");
    assert_failed(&error, Code::FailedPrecondition, 2, true);
}

/// A socket that is bound but does not listen: its port refuses connections.
fn bound_socket() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("loopback has ports");
    let address = socket.local_addr().expect("bound");
    (socket, address)
}

#[tokio::test]
async fn refused_connections_are_retried() {
    let (_socket, address) = bound_socket();
    let dials = Arc::new(AtomicUsize::new(0));
    let counted = dials.clone();
    let connector = tower::service_fn(move |_: http::Uri| {
        counted.fetch_add(1, Ordering::SeqCst);
        TcpStream::connect(address)
    });
    let builder = client_for(address.port()).connector(connector);
    let client =
        builder.retry(super::short_backoff().with_max_attempts(4)).build().expect("a client");
    let error = within(DEADLINE, preview(&client)).await.expect_err("the port refuses");
    assert_failed(&error, Code::Unavailable, 4, false);
    assert_eq!(dials.load(Ordering::SeqCst), 4, "each attempt dials once");
}

#[tokio::test]
async fn a_call_reaches_a_server_that_starts_late() {
    let (socket, address) = bound_socket();
    let port = address.port();
    let client = client_for(port).build().expect("a client");
    let call = tokio::spawn(within(DEADLINE, preview(&client)));
    // At least one attempt is refused before the server listens.
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
    tokio::task::yield_now().await;
    let listener = socket.listen(16).expect("the port is ours");
    let server = Server::on(listener, |exchange| async { exchange.succeed_by_method() });
    call.await.expect("no panic").expect("retried until the server listens");
    assert_eq!(server.attempts(), 1);
}

#[tokio::test]
async fn a_connection_closed_before_any_request_is_reopened() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let server = tokio::spawn(async move {
        for _ in 0..2 {
            drop(listener.accept().await?);
        }
        io::Result::Ok(Server::on(listener, |exchange| async { exchange.succeed_by_method() }))
    });
    let client = client_for(port).build().expect("a client");
    within(DEADLINE, preview(&client)).await.expect("the third connection stays open");
    let server = server.await.expect("no panic")?;
    assert_eq!((server.attempts(), server.connections()), (1, 1));
    let request = &server.requests()[0];
    assert_eq!(request.message::<PreviewInputRequest>().name, super::INPUT);
    Ok(())
}

#[tokio::test]
async fn a_header_that_http2_forbids_is_refused_without_retry() {
    let server = Server::start(|exchange| async { exchange.succeed_by_method() }).await;
    let client = server.client().build().expect("a client");
    let call = preview(&client).header(CONNECTION, HeaderValue::from_static("close"));
    let error = within(DEADLINE, call).await.expect_err("HTTP/2 has no such header");
    assert_failed(&error, Code::InvalidArgument, 1, false);
    within(DEADLINE, preview(&client)).await.expect("the connection stays usable");
    assert_eq!((server.attempts(), server.connections()), (1, 1));
}

#[tokio::test]
async fn a_raw_request_without_a_message_is_sent_with_an_empty_body() {
    let server = Server::start(|exchange| async { exchange.succeed_by_method() }).await;
    let mut stack = server.client().build().expect("a client").stack();
    let request = http::Request::post(GetChannelRequest::METHOD.path()).body(Body::empty());
    let call = stack.ready().await.expect("always").call(request.expect("a valid request"));
    let response = within(DEADLINE, call).await.expect("an answer");
    let body = response.into_body().collect().await.expect("a message and trailers");
    assert_eq!(body.trailers().expect("a status")["grpc-status"], "0");
    let [request] = server.requests().try_into().ok().expect("one request");
    assert_eq!(request.body, "");
}

/// A service that responds UNAVAILABLE once and is never ready again.
#[derive(Clone, Default)]
struct NeverReadyAgain(Arc<AtomicUsize>);

impl tower::Service<http::Request<Body>> for NeverReadyAgain {
    type Response = http::Response<Body>;
    type Error = io::Error;
    type Future = Ready<Result<http::Response<Body>, io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match self.0.load(Ordering::Relaxed) {
            0 => Ok(()),
            _ => Err(io::ErrorKind::ConnectionRefused.into()),
        })
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        self.0.fetch_add(1, Ordering::Relaxed);
        ready(Ok(Status::unavailable("try again").into_http()))
    }
}

#[tokio::test(start_paused = true)]
async fn an_inner_service_that_is_never_ready_again_ends_the_call_with_unavailable() {
    let inner = NeverReadyAgain::default();
    let service = PolicyLayer::new(CallPolicy::new(), classify).layer(inner.clone());
    let origin = "http://in.process".parse().expect("an origin");
    let mut stub = LivestreamServiceClient::with_origin(service, origin);
    let request = GetChannelRequest { name: super::CHANNEL.into() };
    let status = stub.get_channel(request).await.expect_err("never ready again");
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert_eq!(inner.0.load(Ordering::Relaxed), 1);
}
