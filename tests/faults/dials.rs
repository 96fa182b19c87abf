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
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{
    io::{DuplexStream, duplex},
    net::TcpStream,
    time::Instant,
};
use tonic::Code;

/// A connector whose dials are counted; the first `stalled` of them never end.
fn counted<F>(
    stalled: usize,
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
        let is_stalled = counter.fetch_add(1, Ordering::SeqCst) < stalled;
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
    let (connector, dials) = counted(1, || {
        let (near, far) = duplex(1 << 16);
        tokio::spawn(async move {
            let mut connection = h2::server::handshake(far).await.expect("an HTTP/2 client");
            while let Some(Ok((_, mut reply))) = connection.accept().await {
                let head = http::Response::builder()
                    .header("content-type", "application/grpc")
                    .header("grpc-status", "5");
                let _ = reply.send_response(head.body(()).expect("valid"), true);
            }
        });
        Ok(near)
    });
    let client = client().connector(connector).build().expect("a client");
    let begun = Instant::now();
    let error = preview(&client).await.expect_err("the server answers NOT_FOUND");
    assert_eq!(error.code(), Code::NotFound, "{error:?}");
    assert_eq!(begun.elapsed().as_millis(), 1_000, "the second dial starts after a second");
    assert_eq!(dials.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn two_thousand_calls_to_a_closed_port_dial_once_in_the_reconnect_backoff() {
    let (connector, dials) = counted(0, || Err(io::ErrorKind::ConnectionRefused.into()));
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
