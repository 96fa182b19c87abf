//! A call ends at its deadline, wherever the server stalls.

use super::{
    assert_failed, channel, client_for, listen, millis, preview, read,
    server::{Server, framed, send},
    start, within,
};
use bytes::Bytes;
use livestream_client::{LivestreamClient, policy::Timeouts};
use std::{convert::Infallible, future::pending, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::DuplexStream,
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Notify,
    task::JoinSet,
    time::timeout,
};
use tonic::Code;

const DEADLINE: Duration = millis(300);

#[tokio::test]
async fn a_call_whose_connection_never_opens_ends_at_its_deadline() {
    let (listener, _queue) = full_backlog().await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let client = client_for(port).build().expect("a client");
    let error = within(DEADLINE, read(&client).timeout(DEADLINE)).await.expect_err("no answer");
    assert_failed(&error, Code::DeadlineExceeded, 1, false);
    // Without a connection, nothing was sent.
    let error = within(DEADLINE, start(&client).timeout(DEADLINE)).await.expect_err("no answer");
    assert_failed(&error, Code::DeadlineExceeded, 1, false);
}

/// A listener with a full queue: it accepts no further connection.
async fn full_backlog() -> io::Result<(TcpListener, Vec<TcpStream>)> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let listener = socket.listen(1)?;
    let mut queue = Vec::new();
    while let Ok(connected) = timeout(millis(50), TcpStream::connect(listener.local_addr()?)).await
    {
        queue.push(connected?);
    }
    Ok((listener, queue))
}

#[tokio::test]
async fn a_call_through_a_stalled_connector_ends_at_its_deadline() {
    let connector = tower::service_fn(|_: http::Uri| pending::<Result<DuplexStream, io::Error>>());
    let client = client_for(1).connector(connector).build().expect("a client");
    let error = within(DEADLINE, preview(&client).timeout(DEADLINE)).await.expect_err("no answer");
    assert_failed(&error, Code::DeadlineExceeded, 1, false);
}

#[tokio::test]
async fn an_attempt_without_a_connection_is_retried() {
    let connector = tower::service_fn(|_: http::Uri| pending::<Result<DuplexStream, io::Error>>());
    let timeouts = Timeouts::new(DEADLINE).with_attempt(millis(50));
    let client = client_for(1).connector(connector).timeouts(timeouts).build().expect("a client");
    let error = within(DEADLINE, preview(&client)).await.expect_err("no answer");
    assert_eq!((error.code(), error.may_have_run()), (Code::DeadlineExceeded, false));
    assert!(error.attempts() > 1, "it was never sent, so it is retried: {error:?}");
}

#[tokio::test]
async fn a_stalled_tls_handshake_ends_at_the_deadline_or_the_connect_timeout() {
    let (listener, port) = listen().await;
    let held = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((socket, _)) = listener.accept().await {
            held.push(socket);
        }
    });
    let builder = client_for(port).endpoint(format!("https://127.0.0.1:{port}")).anonymous();
    let client = builder.build().expect("a client");
    let error = within(DEADLINE, read(&client).timeout(DEADLINE)).await.expect_err("no answer");
    assert_failed(&error, Code::DeadlineExceeded, 1, false);

    // The connect timeout covers the TLS handshake and leaves time for further attempts.
    let builder = client_for(port).endpoint(format!("https://127.0.0.1:{port}")).anonymous();
    let client = builder.connect_timeout(millis(100)).build().expect("a client");
    let call = preview(&client).retry(super::short_backoff().with_max_attempts(2));
    let error = within(DEADLINE, call.timeout(DEADLINE)).await.expect_err("no connection");
    assert_failed(&error, Code::Unavailable, 2, false);
    held.abort();
}

#[tokio::test]
async fn a_call_to_a_silent_server_ends_at_its_deadline() {
    let server = Server::start(|exchange| async {
        let _ = exchange.until_reset().await;
    })
    .await;
    let client = server.client().timeouts(Timeouts::new(DEADLINE)).build().expect("a client");
    let error = within(DEADLINE, read(&client)).await.expect_err("no answer");
    assert_failed(&error, Code::DeadlineExceeded, 1, false);
    let error = within(DEADLINE, start(&client)).await.expect_err("no answer");
    assert_failed(&error, Code::DeadlineExceeded, 1, true);
    assert_eq!(server.attempts(), 2);
}

#[tokio::test]
async fn a_body_that_stalls_after_the_headers_ends_at_the_deadline() {
    let server = Server::start(|exchange| async {
        let _stream = exchange.begin();
        pending::<()>().await;
    })
    .await;
    let client = server.client().timeouts(Timeouts::new(DEADLINE)).build().expect("a client");
    let error = within(DEADLINE, read(&client)).await.expect_err("no answer");
    assert_failed(&error, Code::DeadlineExceeded, 1, false);
    let error = within(DEADLINE, preview(&client)).await.expect_err("no answer");
    assert_failed(&error, Code::DeadlineExceeded, 1, true);
    assert_eq!(server.attempts(), 2);
}

#[tokio::test]
async fn a_partial_message_or_missing_trailers_end_at_the_deadline() {
    let server = Server::start(|exchange| async {
        let message = framed(&channel());
        let length = if exchange.number == 1 { message.len() / 2 } else { message.len() };
        let mut stream = exchange.begin();
        send(&mut stream, Bytes::copy_from_slice(&message[..length]));
        pending::<()>().await;
    })
    .await;
    let client = server.client().timeouts(Timeouts::new(DEADLINE)).build().expect("a client");
    for attempts in 1..=2 {
        let error = within(DEADLINE, read(&client)).await.expect_err("no complete response");
        assert_failed(&error, Code::DeadlineExceeded, 1, false);
        assert_eq!(server.attempts(), attempts);
    }
}

#[tokio::test]
async fn a_call_whose_deadline_has_passed_is_not_sent() {
    let server = Server::start(|exchange| async { exchange.succeed_by_method() }).await;
    let client = server.client().build().expect("a client");
    within(DEADLINE, read(&client)).await.expect("the connection is open");
    for timeout in [Duration::ZERO, Duration::from_nanos(1)] {
        for error in [
            within(timeout, read(&client).timeout(timeout)).await.expect_err("no time"),
            within(timeout, preview(&client).timeout(timeout)).await.expect_err("no time"),
        ] {
            assert_failed(&error, Code::DeadlineExceeded, 0, false);
        }
    }
    assert_eq!(server.attempts(), 1, "only the first call");
}

#[tokio::test]
async fn a_call_whose_deadline_passes_while_it_waits_for_a_place_is_not_sent() {
    let (first, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begun, released) = (first.clone(), release.clone());
    let server = Server::start(move |exchange| {
        let (begun, released) = (begun.clone(), released.clone());
        async move {
            begun.notify_one();
            released.notified().await;
            exchange.succeed_by_method();
        }
    })
    .await;
    let one = crate::pool().with_max_connections(1).with_max_calls_per_connection(1);
    let client = server.client().pool(one).build().expect("a client");
    let blocking = tokio::spawn(read(&client).into_future());
    first.notified().await;
    let call = preview(&client).timeout(millis(200));
    let error = within(millis(200), call).await.expect_err("no place");
    assert_failed(&error, Code::DeadlineExceeded, 1, false);
    release.notify_one();
    blocking.await.expect("no panic").expect("a response");
    assert_eq!(server.attempts(), 1, "the second call is not sent late");
}

#[tokio::test]
async fn an_attempt_timeout_leaves_time_for_the_next_attempt() {
    let server = Server::start(|exchange| async {
        if exchange.number == 1 {
            let _ = exchange.until_reset().await;
        } else {
            exchange.succeed(&channel());
        }
    })
    .await;
    let client = server.client().build().expect("a client");
    let call = read(&client).attempt_timeout(millis(100));
    within(millis(2000), call).await.expect("the second attempt succeeds");
    assert_eq!(server.attempts(), 2);
}

/// A tonic server that enforces `grpc-timeout` responds CANCELLED; others respond
/// DEADLINE_EXCEEDED.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_enforces_grpc_timeout_yields_deadline_exceeded() {
    let server = Server::start(|exchange| async {
        tokio::time::sleep(exchange.request.timeout()).await;
        let code = if exchange.number % 2 == 0 { Code::Cancelled } else { Code::DeadlineExceeded };
        exchange.fail(code);
    })
    .await;
    let client = server.client().build().expect("a client");
    for _ in 0..20 {
        let mut calls = JoinSet::new();
        for _ in 0..15 {
            calls.spawn(read(&client).timeout(millis(20)).into_future());
        }
        // The caller gets the same error, whether the server or the client is first.
        for result in calls.join_all().await {
            let error = result.expect_err("no answer");
            assert_failed(&error, Code::DeadlineExceeded, 1, false);
        }
    }
    // An attempt that the server ends leaves time for the next one.
    let call = read(&client).attempt_timeout(millis(20)).timeout(millis(200));
    let error = within(millis(200), call).await.expect_err("no answer");
    assert_eq!(error.code(), Code::DeadlineExceeded, "{error:?}");
    assert!(error.attempts() > 2, "{error:?}");
}

/// `grpc-timeout` is rounded down, so a server that enforces it can be earlier than the client.
#[tokio::test(start_paused = true)]
async fn cancelled_at_the_rounded_grpc_timeout_is_deadline_exceeded() {
    let service = tower::service_fn(|request: http::Request<tonic::body::Body>| async move {
        assert_eq!(request.headers()["grpc-timeout"], "1999m");
        tokio::time::sleep(millis(1999)).await;
        let cancelled = tonic::Status::cancelled("Timeout expired");
        Ok::<_, Infallible>(cancelled.into_http::<tonic::body::Body>())
    });
    let client = LivestreamClient::builder().channel(service).build().expect("a client");
    let call = read(&client).timeout(Duration::from_micros(1_999_900));
    let error = call.await.expect_err("no answer");
    assert_failed(&error, Code::DeadlineExceeded, 1, false);
}
