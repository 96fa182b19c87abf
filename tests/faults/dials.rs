//! Connecting: stalled and refused dials, the backoff between them, and warming up.

use super::{
    CLIENT_DEADLINE as DEADLINE, assert_failed, client_for, listen, millis, pool, preview, read,
    within,
};
use crate::server::Server;
use livestream_client::{
    LivestreamClient, PoolLimits,
    policy::{RetryPolicy, Timeouts},
};
use std::{
    future::pending,
    io,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{
    io::{DuplexStream, duplex},
    net::TcpStream,
    time::{Instant, sleep},
};
use tonic::Code;

/// A connection to a server that answers mutations with NOT_FOUND, and reads never.
fn not_found() -> DuplexStream {
    let (near, far) = duplex(1 << 16);
    tokio::spawn(async move {
        let mut connection = h2::server::handshake(far).await.expect("an HTTP/2 client");
        let mut unanswered = Vec::new();
        while let Some(Ok((request, mut reply))) = connection.accept().await {
            if request.uri().path().ends_with("GetChannel") {
                unanswered.push(reply);
                continue;
            }
            let head = http::Response::builder()
                .header("content-type", "application/grpc")
                .header("grpc-status", "5");
            let _ = reply.send_response(head.body(()).expect("valid"), true);
        }
    });
    near
}

/// A connector whose dials are counted; those with these numbers never end.
fn counted<F>(
    stalled: Range<usize>,
    dial: F,
) -> (
    impl tower::Service<
        http::Uri,
        Response = DuplexStream,
        Error = io::Error,
        Future = impl Future<Output = io::Result<DuplexStream>> + Send,
    > + Clone
    + Send
    + Sync
    + 'static,
    Arc<AtomicUsize>,
)
where
    F: Fn() -> io::Result<DuplexStream> + Clone + Send + Sync + 'static,
{
    let dials = Arc::<AtomicUsize>::default();
    let counter = dials.clone();
    let connector = tower::service_fn(move |_: http::Uri| {
        let is_stalled = stalled.contains(&counter.fetch_add(1, Ordering::SeqCst));
        let dial = dial.clone();
        async move {
            if is_stalled {
                pending::<()>().await;
            }
            dial()
        }
    });
    (connector, dials)
}

fn client() -> livestream_client::Builder<LivestreamClient> {
    LivestreamClient::builder()
        .endpoint("http://service.test")
        .retry(RetryPolicy::never())
        .timeouts(Timeouts::new(millis(2_000)))
}

#[tokio::test(start_paused = true)]
async fn a_stalled_connect_is_joined_by_another_within_the_calls_deadline() {
    let (connector, dials) = counted(0..1, || Ok(not_found()));
    let client = client().connector(connector).build().expect("a client");
    let begun = Instant::now();
    let error = preview(&client).await.expect_err("the server answers NOT_FOUND");
    assert_eq!(error.code(), Code::NotFound, "{error:?}");
    assert_eq!(begun.elapsed().as_millis(), 1_000, "the second dial starts after a second");
    assert_eq!(dials.load(Ordering::SeqCst), 2);
}

/// One call at a time on each of two connections.
fn two_places() -> PoolLimits {
    PoolLimits::default().with_max_connections(2).with_max_calls_per_connection(1)
}

#[tokio::test(start_paused = true)]
async fn a_stalled_second_connect_is_joined_by_a_third_one() {
    let (connector, dials) = counted(1..2, || Ok(not_found()));
    let client = client().connector(connector).pool(two_places()).build().expect("a client");
    let _slow = tokio::spawn(read(&client).timeout(millis(20_000)).into_future());
    // Only the timer of idle connections is left.
    sleep(millis(2_000)).await;
    let error = preview(&client).await.expect_err("the server answers NOT_FOUND");
    assert_eq!(error.code(), Code::NotFound, "{error:?}");
    assert_eq!(dials.load(Ordering::SeqCst), 3);
}

#[test]
fn a_stalled_connect_is_joined_by_another_after_the_runtime_of_the_first_timer_has_ended() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().expect("a runtime")
    };
    let (connector, dials) = counted(1..2, || Ok(not_found()));
    let client = client().connector(connector).build().expect("a client");
    for _ in 0..2 {
        let error = runtime().block_on(async { preview(&client).await });
        let error = error.expect_err("the server answers NOT_FOUND");
        assert_eq!(error.code(), Code::NotFound, "{error:?}");
    }
    assert_eq!(dials.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_client_gives_up_its_dial() {
    let open = Arc::new(());
    let dials = open.clone();
    let connector = tower::service_fn(move |_: http::Uri| {
        let dial = dials.clone();
        async move {
            let _dial = dial;
            pending::<io::Result<DuplexStream>>().await
        }
    });
    let client = client().connector(connector).build().expect("a client");
    let error = preview(&client).timeout(millis(100)).await.expect_err("nothing is connected");
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert_eq!(Arc::strong_count(&open), 3, "the dial goes on without the call");
    drop(client);
    sleep(millis(1)).await;
    assert_eq!(Arc::strong_count(&open), 1);
}

#[tokio::test(start_paused = true)]
async fn two_thousand_calls_to_a_closed_port_dial_once_in_the_reconnect_backoff() {
    let (connector, dials) = counted(0..0, || Err(io::ErrorKind::ConnectionRefused.into()));
    let client = client().connector(connector).build().expect("a client");
    for _ in 0..2_000 {
        let error = preview(&client).await.expect_err("nothing listens");
        assert_failed(&error, Code::Unavailable, 1, false);
    }
    assert_eq!(dials.load(Ordering::SeqCst), 1);
    tokio::time::advance(millis(1_200)).await;
    preview(&client).await.expect_err("nothing listens");
    assert_eq!(dials.load(Ordering::SeqCst), 2, "after the first wait of 1 s and 20 %");
}

#[tokio::test]
async fn a_call_succeeds_as_soon_as_the_port_serves_again_although_other_connections_hang() {
    let (listener, port) = listen().await;
    let limits = PoolLimits::default()
        .with_max_connections(2)
        .with_max_calls_per_connection(1)
        .with_reconnect_backoff(millis(100), millis(100));
    let client = client_for(port).pool(limits).timeouts(Timeouts::new(millis(20_000)));
    let client = client.build().expect("a client");
    // The first call hangs on the only connection.
    let hanging = tokio::spawn(preview(&client).into_future());
    let mut first = super::frames::RawConnection::accept(&listener).await.expect("a connection");
    first.request().await.expect("the call");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let waiting = tokio::spawn(within(DEADLINE, read(&client)));
    // Its dial is refused until the port serves again.
    while TcpStream::connect(address).await.is_ok() {}
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option");
    socket.bind(address).expect("the port is free");
    let listener = socket.listen(16).expect("the port is ours");
    let _server = Server::on(listener, |exchange| async { exchange.succeed_by_method() });
    waiting.await.expect("no panic").expect("another dial starts after the backoff");
    hanging.abort();
}

#[tokio::test]
async fn connect_opens_a_connection_that_the_first_call_uses() {
    let server = Server::start(|exchange| async { exchange.succeed_by_method() }).await;
    let client = server.client().build().expect("a client");
    client.connect().await.expect("it listens");
    assert_eq!((server.connections(), server.attempts()), (1, 0));
    within(DEADLINE, preview(&client)).await.expect("an answer");
    assert_eq!(server.connections(), 1);
    client.connect().await.expect("it is open already");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn connect_tells_why_there_is_no_connection() {
    let (listener, port) = listen().await;
    drop(listener);
    let client = client_for(port).pool(pool()).build().expect("a client");
    let error = client.connect().await.expect_err("nothing listens");
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");
}

#[tokio::test]
async fn connect_times_out_with_the_clients_timeout() {
    // Nobody accepts, so no settings ever arrive.
    let (_listener, port) = listen().await;
    let client = client_for(port).timeouts(Timeouts::new(millis(100))).build().expect("a client");
    let error = within(millis(100), async { client.connect().await }).await.expect_err("silent");
    assert_eq!(error.code(), Code::DeadlineExceeded);
}
