//! Cancelled calls, dropped clients, and servers that restart.

use super::{
    assert_failed, channel,
    frames::{GOAWAY, RawConnection},
    listen, millis, preview, read,
    server::{Exchange, Server, framed},
    short_backoff, start, within,
};
use h2::Reason;
use livestream_client::{LivestreamClient, PoolLimits, policy::Timeouts};
use std::{convert::Infallible, future::IntoFuture, net::SocketAddr, sync::Arc};
use tokio::{
    io::duplex,
    net::TcpSocket,
    sync::{Notify, mpsc},
    task::JoinSet,
    time::{sleep, timeout},
};

const DEADLINE: std::time::Duration = millis(2000);

fn one_connection() -> PoolLimits {
    crate::pool().with_max_connections(1)
}

/// Room for one call at a time.
fn one_place() -> PoolLimits {
    crate::pool().with_max_connections(1).with_max_calls_per_connection(1)
}

#[tokio::test]
async fn a_dropped_call_sends_rst_stream_and_frees_its_place() {
    let arrived = Arc::new(Notify::new());
    let (resets, mut reset) = mpsc::unbounded_channel();
    let server = Server::start({
        let arrived = arrived.clone();
        move |exchange| {
            let (arrived, resets) = (arrived.clone(), resets.clone());
            async move {
                match exchange.number {
                    // The first call is dropped before the response headers, the second after them.
                    1 => {
                        arrived.notify_one();
                        let _ = resets.send(exchange.until_reset().await.ok());
                    }
                    2 => {
                        let mut stream = exchange.begin();
                        arrived.notify_one();
                        let reset = std::future::poll_fn(|cx| stream.poll_reset(cx)).await;
                        let _ = resets.send(reset.ok());
                    }
                    _ => exchange.succeed(&channel()),
                }
            }
        }
    })
    .await;
    let client = server.client().pool(one_place()).build().expect("a client");
    for _ in 0..2 {
        let call = tokio::spawn(read(&client).into_future());
        arrived.notified().await;
        // Another call waits for the place and is dropped too.
        assert!(timeout(millis(20), read(&client)).await.is_err(), "there is one place");
        call.abort();
        assert!(call.await.is_err_and(|e| e.is_cancelled()));
        assert_eq!(reset.recv().await.flatten(), Some(Reason::CANCEL));
    }
    within(DEADLINE, read(&client)).await.expect("there is a free place");
    assert_eq!(
        (server.attempts(), server.connections()),
        (3, 1),
        "the calls that waited sent nothing"
    );
}

#[tokio::test]
async fn a_call_at_its_deadline_sends_rst_stream_and_frees_its_place() {
    let (resets, mut reset) = mpsc::unbounded_channel();
    let server = Server::start(move |exchange| {
        let resets = resets.clone();
        async move {
            match exchange.number {
                1 => drop(resets.send(exchange.until_reset().await.ok())),
                _ => exchange.succeed(&channel()),
            }
        }
    })
    .await;
    let client = server.client().pool(one_place()).build().expect("a client");
    let error = within(millis(100), read(&client).timeout(millis(100))).await;
    assert!(error.expect_err("no answer").is_deadline_exceeded());
    assert_eq!(reset.recv().await.flatten(), Some(Reason::CANCEL));
    within(DEADLINE, read(&client)).await.expect("there is a free place");
}

#[tokio::test]
async fn a_dropped_client_closes_its_connection() {
    let server = Server::start(|exchange| async { exchange.succeed(&channel()) }).await;
    let client = server.client().build().expect("a client");
    within(DEADLINE, read(&client)).await.expect("an answer");
    let clone = client.clone();
    drop(client);
    within(DEADLINE, read(&clone)).await.expect("a clone keeps the connection");
    assert_eq!(server.connections(), 1);
    drop(clone);
    timeout(DEADLINE, server.until_no_connections()).await.expect("the connection is closed");
}

#[tokio::test]
async fn a_client_dropped_while_it_connects_closes_the_connection() {
    let (listener, port) = listen().await;
    let client = super::client_for(port).connect_timeout(millis(100)).build().expect("a client");
    let call = tokio::spawn(read(&client).into_future());
    let (socket, _) = listener.accept().await.expect("a connection");
    call.abort();
    drop(client);
    let closed = async {
        // Reads the client's preface and then the end of the stream.
        let mut bytes = [0; 256];
        loop {
            socket.readable().await.expect("a socket");
            match socket.try_read(&mut bytes) {
                Ok(0) => return,
                Err(e) if e.kind() != std::io::ErrorKind::WouldBlock => return,
                _ => {}
            }
        }
    };
    timeout(DEADLINE, closed).await.expect("the connect timeout closes it");
}

#[tokio::test]
async fn a_server_restart_under_load_fails_no_retryable_call() {
    const RESTARTS: usize = 5;
    let script = |exchange: Exchange| async {
        tokio::time::sleep(millis(3)).await;
        exchange.succeed_by_method();
    };
    let mut server = Server::start(script).await;
    let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
    let builder = server.client().timeouts(Timeouts::new(millis(10_000)));
    let limits = crate::pool().with_max_connections(4).with_max_calls_per_connection(4);
    let client = builder.pool(limits).build().expect("a client");

    let done = Arc::new(Notify::new());
    let mut workers = JoinSet::new();
    for _ in 0..12 {
        workers.spawn(work(client.clone(), done.clone()));
    }
    for _ in 0..RESTARTS {
        tokio::time::sleep(millis(60)).await;
        assert!(server.attempts() > 0, "under load");
        server.stop().await;
        tokio::time::sleep(millis(30)).await;
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("an option");
        socket.bind(address).expect("the port is free again");
        server = Server::on(socket.listen(64).expect("the port is ours"), script);
    }
    tokio::time::sleep(millis(60)).await;
    done.notify_waiters();
    let cut_off = workers.join_all().await.into_iter().sum::<usize>();
    println!("{cut_off} mutations without a request_id were cut off by {RESTARTS} restarts");
}

/// Makes calls until `done`; returns how many mutations without a request_id were cut off.
async fn work(client: LivestreamClient, done: Arc<Notify>) -> usize {
    let mut cut_off = 0;
    let mut done = std::pin::pin!(done.notified());
    loop {
        read(&client).await.expect("a read is retried");
        let _started = start(&client).await.expect("a mutation with a request_id is retried");
        if let Err(error) = preview(&client).await {
            assert!(error.may_have_run(), "it could have been retried: {error:?}");
            cut_off += 1;
        }
        if timeout(millis(0), &mut done).await.is_ok() {
            return cut_off;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_mutation_that_h2_writes_after_its_error_may_have_run() {
    let (connections, mut accepted) = mpsc::unbounded_channel();
    let connector = tower::service_fn(move |_: http::Uri| {
        let (ours, theirs) = duplex(64);
        let _ = connections.send(theirs);
        async { Ok::<_, Infallible>(ours) }
    });
    let builder = LivestreamClient::builder().endpoint("http://localhost").connector(connector);
    let client = builder.pool(one_connection()).retry(short_backoff()).build().expect("a client");
    let connecting = tokio::spawn(read(&client).into_future());
    let connection = accepted.recv().await.expect("a connection");
    let mut server = RawConnection::over(connection).await.expect("a preface");
    server.settings(&[]).await.expect("the client reads");
    server.request().await.expect("a request");
    connecting.abort();

    // Nobody reads any more. The first call fills the pipe; of the second, no byte fits.
    let _first = tokio::spawn(read(&client).into_future());
    sleep(millis(1)).await;
    let second = tokio::spawn(preview(&client).into_future());
    sleep(millis(1)).await;
    server.data_on_stream_zero().await.expect("the client reads");
    sleep(millis(1)).await;

    for _ in 0..2 {
        server.request().await.expect("h2 writes what it has taken");
    }
    let error = second.await.expect("no panic").expect_err("the connection is broken");
    assert_failed(&error, tonic::Code::Unavailable, 1, true);
}

#[tokio::test]
async fn a_dropped_client_sends_goaway() {
    let (listener, port) = listen().await;
    let client = crate::client_for(port).build().expect("a client");
    let call = tokio::spawn(read(&client).into_future());
    let mut server = RawConnection::accept(&listener).await.expect("a connection");
    let stream = server.request().await.expect("a request");
    server.succeed(stream, &framed(&channel())).await.expect("the client reads");
    call.await.expect("no panic").expect("an answer");
    drop(client);
    while server.read().await.expect("no end before the GOAWAY").0 != GOAWAY {}
}

#[tokio::test(start_paused = true)]
async fn a_blocked_connection_of_a_dropped_client_has_seconds_to_send_goaway() {
    let (connections, mut accepted) = mpsc::unbounded_channel();
    let connector = tower::service_fn(move |_: http::Uri| {
        let (ours, theirs) = duplex(64);
        let _ = connections.send(theirs);
        async { Ok::<_, Infallible>(ours) }
    });
    let builder = LivestreamClient::builder().endpoint("http://localhost").connector(connector);
    let client = builder.build().expect("a client");
    let call = tokio::spawn(read(&client).into_future());
    let connection = accepted.recv().await.expect("a connection");
    let mut server = RawConnection::over(connection).await.expect("a preface");
    server.settings(&[]).await.expect("the client reads");
    server.request().await.expect("a request");
    // The second call does not fit.
    let second = tokio::spawn(read(&client).into_future());
    sleep(millis(1)).await;
    call.abort();
    second.abort();
    drop(client);
    sleep(millis(4_000)).await;
    while server.read().await.expect("no end before the GOAWAY").0 != GOAWAY {}
}
