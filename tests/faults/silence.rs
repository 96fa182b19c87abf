//! Peers that say nothing: a lost network path, a server that stops reading, and pings.

use super::{
    CHANNEL, CLIENT_DEADLINE as DEADLINE, channel, client_for,
    frames::{ACK, HEADERS, INITIAL_WINDOW_SIZE, PING, RawConnection},
    listen, millis, preview, read,
    server::{Server, framed},
    start, within,
};
use livestream_client::{
    LivestreamClient, PoolLimits,
    model::{Channel, PreviewInputResponse},
    policy::{RetryPolicy, Timeouts},
};
use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, advance, sleep, timeout},
};
use tonic::Code;

/// A network path that can lose everything, as when a NAT forgets its flows. New connections work.
struct Path {
    port: u16,
    lost: watch::Sender<usize>,
    dials: Arc<AtomicUsize>,
}

impl Path {
    async fn to(server: &Server) -> Self {
        let (listener, port) = listen().await;
        let (lost, dials) = (watch::Sender::new(0), Arc::<AtomicUsize>::default());
        tokio::spawn(forward(listener, server.port(), lost.subscribe(), dials.clone()));
        Self { port, lost, dials }
    }

    /// Loses all connections that are open now. No packet says so.
    fn lose_connections(&self) {
        self.lost.send_modify(|losses| *losses += 1);
    }

    fn dials(&self) -> usize {
        self.dials.load(Ordering::SeqCst)
    }
}

async fn forward(
    listener: TcpListener,
    port: u16,
    lost: watch::Receiver<usize>,
    dials: Arc<AtomicUsize>,
) {
    let mut connections = JoinSet::new();
    while let Ok((mut near, _)) = listener.accept().await {
        dials.fetch_add(1, Ordering::SeqCst);
        let mut lost = lost.clone();
        lost.mark_unchanged();
        connections.spawn(async move {
            let mut far = TcpStream::connect(("127.0.0.1", port)).await?;
            tokio::select! {
                copied = tokio::io::copy_bidirectional(&mut near, &mut far) => copied.map(drop),
                // The sockets stay open, and nobody reads them.
                _ = lost.changed() => std::future::pending().await,
            }
        });
    }
}

#[tokio::test]
async fn after_an_attempt_on_a_silent_connection_the_next_attempt_uses_another() {
    let server = Server::start(|exchange| async { exchange.succeed_by_method() }).await;
    let path = Path::to(&server).await;
    let timeouts = Timeouts::new(millis(2_000)).with_attempt(millis(200));
    let client = client_for(path.port).timeouts(timeouts).build().expect("a client");
    within(DEADLINE, read(&client)).await.expect("an answer");
    path.lose_connections();
    let begun = Instant::now();
    let _started = within(DEADLINE, start(&client)).await.expect("the second attempt arrives");
    assert!(begun.elapsed() < millis(1_000), "{:?}", begun.elapsed());
    assert_eq!((server.attempts(), path.dials()), (2, 2), "one attempt was lost");
}

#[tokio::test]
async fn the_call_after_a_deadline_on_a_silent_connection_succeeds() {
    let server = Server::start(|exchange| async { exchange.succeed_by_method() }).await;
    let path = Path::to(&server).await;
    let client = client_for(path.port).build().expect("a client");
    within(DEADLINE, read(&client)).await.expect("an answer");
    path.lose_connections();
    let lost = within(millis(100), preview(&client).timeout(millis(100))).await;
    assert_eq!(lost.expect_err("nothing arrives").code(), Code::DeadlineExceeded);
    let next = preview(&client).timeout(millis(1_000));
    within(DEADLINE, next).await.expect("it goes over a new connection");
    assert_eq!((server.attempts(), path.dials()), (2, 2));
}

#[tokio::test]
async fn a_read_leaves_a_silent_connection_within_two_seconds_without_an_attempt_limit() {
    let server = Server::start(|exchange| async { exchange.succeed_by_method() }).await;
    let path = Path::to(&server).await;
    let client = client_for(path.port).timeouts(Timeouts::new(millis(20_000)));
    let client = client.build().expect("a client");
    within(DEADLINE, read(&client)).await.expect("an answer");
    path.lose_connections();
    let begun = Instant::now();
    within(millis(20_000), read(&client)).await.expect("the second attempt arrives");
    let took = begun.elapsed();
    assert!(
        (millis(1_900)..millis(2_900)).contains(&took),
        "a ping after 1 s, unanswered: {took:?}"
    );
    assert_eq!(path.dials(), 2);
}

/// A connector to servers in memory that answer by hand, so that a paused clock stands still while
/// they work. Returns the servers' ends.
fn connector() -> (
    impl tower::Service<
        http::Uri,
        Response = Counted,
        Error = Infallible,
        Future = impl Future<Output = Result<Counted, Infallible>> + Send,
    > + Clone
    + Send
    + Sync
    + 'static,
    mpsc::UnboundedReceiver<DuplexStream>,
    Arc<()>,
) {
    let (dials, dialled) = mpsc::unbounded_channel();
    let open = Arc::new(());
    let counted = open.clone();
    let connector = tower::service_fn(move |_: http::Uri| {
        let (near, far) = duplex(1 << 16);
        let _ = dials.send(far);
        std::future::ready(Ok(Counted(near, counted.clone())))
    });
    (connector, dialled, open)
}

/// The client's end of a connection; the count of the `Arc` tells how many are open.
struct Counted(DuplexStream, #[expect(dead_code, reason = "its drop counts")] Arc<()>);

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

fn client() -> livestream_client::Builder<LivestreamClient> {
    LivestreamClient::builder().endpoint("http://service.test").retry(RetryPolicy::never())
}

/// Serves one call after `takes`, with gRPC's default ping enforcement: a ping within five minutes of
/// the last one is a strike, and the third strike ends the connection. Returns the pings' times.
async fn enforce(io: DuplexStream, takes: Duration) -> io::Result<Vec<u64>> {
    let begun = Instant::now();
    let mut connection = RawConnection::over(io).await?;
    connection.settings(&[]).await?;
    let (mut pings, mut strikes, mut last) = (Vec::new(), 0, None);
    let mut call = None;
    loop {
        let due = call.map_or(Duration::from_secs(86_400), |(_, due): (u32, Instant)| {
            due.saturating_duration_since(Instant::now())
        });
        // Frames arrive whole here, so dropping the read loses nothing.
        let Ok(frame) = timeout(due, connection.read()).await else {
            let (stream, _) = call.take().expect("it is due");
            connection.succeed(stream, &framed(&channel())).await?;
            continue;
        };
        match frame {
            Ok((HEADERS, _, stream, _)) => call = Some((stream, Instant::now() + takes)),
            Ok((PING, flags, _, payload)) if flags & ACK == 0 => {
                pings.push(begun.elapsed().as_secs());
                let is_early = |last: Instant| last.elapsed() < Duration::from_secs(300);
                strikes += u32::from(last.replace(Instant::now()).is_some_and(is_early));
                if strikes > 2 {
                    connection.too_many_pings().await?;
                    return Ok(pings);
                }
                connection.pong(&payload).await?;
            }
            Ok(_) => {}
            Err(_) => return Ok(pings),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn keepalive_doubles_its_interval_after_goaway_too_many_pings() {
    let (connector, mut dialled, _) = connector();
    let client = client().connector(connector).retry(super::short_backoff());
    let client = client.timeouts(Timeouts::new(Duration::from_secs(3_600)));
    let client = client.build().expect("a client");
    let servers = tokio::spawn(async move {
        let mut pings = Vec::new();
        while let Some(io) = dialled.recv().await {
            pings.push(enforce(io, Duration::from_secs(200)).await.expect("no broken pipe"));
        }
        pings
    });
    let channel = read(&client).await.expect("a call of 200 s ends");
    assert_eq!(channel.name, CHANNEL);
    drop(client);
    let pings = servers.await.expect("no panic");
    let expected: [&[u64]; 3] = [&[1, 31, 61, 91], &[1, 61, 121, 181], &[1, 121]];
    assert_eq!(pings, expected);
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_is_not_ended_by_servers_with_default_ping_enforcement() {
    let (connector, mut dialled, _) = connector();
    let client = client().connector(connector).timeouts(Timeouts::new(Duration::from_secs(3_600)));
    let client = client.build().expect("a client");
    let call = tokio::spawn(read(&client).into_future());
    let io = dialled.recv().await.expect("a connection");
    let server = tokio::spawn(enforce(io, Duration::from_secs(90)));
    call.await.expect("no panic").expect("three pings are forgiven");
    drop(client);
    assert_eq!(server.await.expect("no panic").expect("no error"), [1, 31, 61]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_peer_stops_reading_closes_after_the_client_is_dropped() {
    let (connector, mut dialled, open) = connector();
    let client = client().connector(connector).without_keep_alive().build().expect("a client");
    let huge = Channel { name: CHANNEL.into(), output: None, ..Default::default() };
    let huge = livestream_client::model::UpdateChannelRequest {
        channel: Some(Channel {
            labels: (0..4).map(|i| (format!("k{i}"), "x".repeat(10 << 20))).collect(),
            ..huge
        }),
        ..Default::default()
    };
    let call = tokio::spawn(client.call(huge).timeout(Duration::from_secs(5)).into_future());
    let mut connection = RawConnection::over(dialled.recv().await.expect("a connection")).await;
    let connection = connection.as_mut().expect("the preface");
    connection.open_windows().await.expect("it is open");
    let error = call.await.expect("no panic").expect_err("the server does not read");
    assert_eq!(error.code(), Code::DeadlineExceeded, "{error:?}");
    drop(client);
    for _ in 0..10 {
        advance(Duration::from_secs(1)).await;
        sleep(Duration::ZERO).await;
    }
    assert_eq!(Arc::strong_count(&open), 1, "only the test is left");
}

#[tokio::test(start_paused = true)]
async fn a_suspect_connection_that_may_not_be_pinged_yet_is_closed() {
    let (server, builder) = Server::in_memory(|exchange| async {
        match exchange.number {
            1 | 3 => exchange.succeed_by_method(),
            _ => drop(exchange.until_reset().await),
        }
    });
    let client = builder.retry(RetryPolicy::never()).build().expect("a client");
    within(DEADLINE, read(&client)).await.expect("an answer");
    within(millis(100), read(&client).timeout(millis(100))).await.expect_err("no answer");
    // The connection is pinged, and answers.
    sleep(millis(100)).await;
    within(DEADLINE, read(&client)).await.expect("an answer");
    within(millis(100), read(&client).timeout(millis(100))).await.expect_err("no answer");
    // The next ping is due ten seconds after the first one.
    let closed = timeout(millis(2_000), server.until_no_connections()).await;
    assert!(closed.is_ok(), "a connection that takes no calls stays open");
    assert_eq!((server.attempts(), server.connections()), (4, 1));
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_deadline_passes_behind_a_large_request_is_deadline_exceeded() {
    let (connector, mut dialled, _) = connector();
    let client = client().connector(connector).build().expect("a client");
    let labels = [("k".to_owned(), "x".repeat(1 << 20))].into();
    let large = livestream_client::model::UpdateChannelRequest {
        channel: Some(Channel { name: CHANNEL.into(), labels, ..Default::default() }),
        ..Default::default()
    };
    let large = client.call(large).timeout(Duration::from_secs(20));
    let large = tokio::spawn(large.into_future());
    let io = dialled.recv().await.expect("a connection");
    let mut connection = RawConnection::over(io).await.expect("the preface");
    // The large request fills the socket and the window of the connection; nobody reads it.
    connection.settings(&[(INITIAL_WINDOW_SIZE, 1 << 20)]).await.expect("it is open");
    connection.widen(200 << 10).await.expect("it is open");
    sleep(millis(100)).await;
    let timeout = millis(500);
    let error = within(timeout, preview(&client).timeout(timeout)).await.expect_err("no room");
    super::assert_failed(&error, Code::DeadlineExceeded, 1, false);
    large.abort();
}

#[tokio::test(start_paused = true)]
async fn a_message_waits_for_the_flow_control_window_for_seconds() {
    let (connector, mut dialled, _) = connector();
    let client = client().connector(connector).without_keep_alive().build().expect("a client");
    let call = tokio::spawn(preview(&client).timeout(Duration::from_secs(30)).into_future());
    let io = dialled.recv().await.expect("a connection");
    let mut connection = RawConnection::over(io).await.expect("the preface");
    connection.settings(&[(INITIAL_WINDOW_SIZE, 0)]).await.expect("it is open");
    while connection.read().await.expect("it is open").0 != HEADERS {}
    sleep(Duration::from_secs(5)).await;
    connection.settings(&[(INITIAL_WINDOW_SIZE, 1 << 16)]).await.expect("it is open");
    let stream = connection.request().await.expect("the message");
    let response = framed(&PreviewInputResponse::default());
    connection.succeed(stream, &response).await.expect("it is open");
    call.await.expect("no panic").expect("an answer");
}

#[tokio::test]
async fn a_mutation_has_not_run_if_its_connection_ended_before_a_byte_was_written() {
    let (connector, mut dialled, _) = connector();
    let client = client().connector(connector).build().expect("a client");
    let serving = async {
        let mut connection = RawConnection::over(dialled.recv().await?).await.ok()?;
        connection.settings(&[]).await.ok()?;
        let stream = connection.request().await.ok()?;
        connection.succeed(stream, &framed(&channel())).await.ok()?;
        Some(connection)
    };
    let (answer, connection) = tokio::join!(read(&client).into_future(), serving);
    answer.expect("an answer");
    // Nothing runs between the end of the connection and the call.
    drop((connection, dialled));
    let error = preview(&client).await.expect_err("there is no server any more");
    super::assert_failed(&error, Code::Unavailable, 1, false);
}

#[tokio::test]
async fn a_client_whose_first_runtime_stands_still_works_in_a_second_one() {
    let server = Server::start(|exchange| async { exchange.succeed_by_method() }).await;
    let client = server.client().pool(PoolLimits::default()).build().expect("a client");
    let parked = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let parked = parked.expect("a runtime");
    let first = client.clone();
    let parked = tokio::task::spawn_blocking(move || {
        parked.block_on(async { read(&first).await.expect("an answer") });
        parked
    });
    // From here on nobody drives the first runtime, and its connection stands still.
    let parked = parked.await.expect("no panic");
    let call = preview(&client).timeout(millis(1_500)).retry(super::short_backoff());
    within(DEADLINE, call).await.expect("it goes over a connection of this runtime");
    assert_eq!((server.attempts(), server.connections()), (2, 2));
    parked.shutdown_background();
}

#[tokio::test(start_paused = true)]
async fn a_call_avoids_a_connection_that_has_not_acknowledged_a_ping() {
    let (connector, mut dialled, _) = connector();
    let client = client().connector(connector).build().expect("a client");
    let waiting = tokio::spawn(preview(&client).timeout(millis(60_000)).into_future());
    let first = dialled.recv().await.expect("a connection");
    let mut first = RawConnection::over(first).await.expect("a preface");
    first.settings(&[]).await.expect("the client reads");
    first.request().await.expect("a mutation, which stays where it is");
    sleep(millis(3_000)).await;

    let begun = Instant::now();
    let call = tokio::spawn(read(&client).into_future());
    let second = dialled.recv().await.expect("another connection");
    assert_eq!(begun.elapsed(), Duration::ZERO, "no ping is waited for");
    let mut second = RawConnection::over(second).await.expect("a preface");
    second.settings(&[]).await.expect("the client reads");
    let stream = second.request().await.expect("the read");
    second.succeed(stream, &framed(&channel())).await.expect("the client reads");
    call.await.expect("no panic").expect("an answer");
    waiting.abort();
}

#[tokio::test(start_paused = true)]
async fn keepalive_keeps_its_interval_after_goaway_no_error() {
    let (connector, mut dialled, _) = connector();
    let client = client().connector(connector).timeouts(Timeouts::new(Duration::from_secs(3_600)));
    let client = client.build().expect("a client");
    let call = tokio::spawn(read(&client).into_future());
    let drained = dialled.recv().await.expect("a connection");
    let mut drained = RawConnection::over(drained).await.expect("a preface");
    drained.settings(&[]).await.expect("the client reads");
    let stream = drained.request().await.expect("the call");
    drained.go_away(stream).await.expect("the client reads");
    drained.succeed(stream, &framed(&channel())).await.expect("the client reads");
    call.await.expect("no panic").expect("an answer");

    let call = tokio::spawn(read(&client).into_future());
    let io = dialled.recv().await.expect("another connection");
    let server = tokio::spawn(enforce(io, Duration::from_secs(90)));
    call.await.expect("no panic").expect("an answer");
    drop(client);
    assert_eq!(server.await.expect("no panic").expect("no error"), [1, 31, 61]);
}
