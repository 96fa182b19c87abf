//! Connections: the limits of the pool, GOAWAY, keepalive, and the end of clients and runtimes.
//!
//! Most tests use a paused clock and streams in memory, so that 50 ms take exactly 50 ms.

mod peer;

use futures_util::FutureExt;
use livestream_client::{
    Error, LivestreamClient, PoolLimits,
    model::{StartChannelRequest, channel::StreamingState},
    name::LocationName,
    policy::RetryPolicy,
    telemetry::ConnectionState,
};
use peer::{Peer, chain, channel};
use std::{
    pin::pin,
    sync::mpsc,
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};
use tokio::{
    runtime::{self, Runtime},
    task::JoinSet,
    time::{Instant, advance, sleep},
};
use tokio_stream::StreamExt;
use tonic::Code;

const TAKES: Duration = Duration::from_millis(50);

fn pool(max_connections: usize) -> PoolLimits {
    PoolLimits::default().with_max_connections(max_connections)
}

/// Makes these calls at once; returns when every call has succeeded.
async fn flood(client: &LivestreamClient, calls: usize) {
    let mut tasks = JoinSet::new();
    for _ in 0..calls {
        let client = client.clone();
        tasks.spawn(async move { client.get_channel(&channel()).await });
    }
    for outcome in tasks.join_all().await {
        outcome.expect("the server answers every call");
    }
}

/// Keeps `in_flight` calls in flight: as many tasks make `rounds` calls each.
async fn sustain(client: &LivestreamClient, in_flight: usize, rounds: usize) -> Duration {
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..in_flight {
        let client = client.clone();
        tasks.spawn(async move {
            for _ in 0..rounds {
                client.get_channel(&channel()).await.expect("the server answers every call");
            }
        });
    }
    tasks.join_all().await;
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_thousand_concurrent_calls_take_one_round_on_the_pool_and_ten_on_one_connection() {
    let (in_flight, rounds) = (1_000, 4);
    let ideal = TAKES * rounds;
    let run = async |max_connections| {
        let peer = Peer::new().allowing(100).taking(TAKES);
        let client = peer.client().pool(pool(max_connections)).build().expect("valid");
        (sustain(&client, in_flight, rounds as usize).await, peer.most_open())
    };
    let (on_pool, connections) = run(16).await;
    let (on_one, _) = run(1).await;
    println!("ideal {ideal:?}, pool {on_pool:?} on {connections} connections, one {on_one:?}");
    assert!(on_pool <= ideal.mul_f64(1.5), "{on_pool:?}");
    assert!(on_one >= ideal * 10, "{on_one:?}");
    assert!((10..=12).contains(&connections), "{connections}");
}

#[tokio::test(start_paused = true)]
async fn the_pool_opens_at_most_max_connections() {
    let peer = Peer::new().allowing(100).taking(TAKES);
    let client = peer.client().pool(pool(3)).build().expect("valid");
    flood(&client, 1_000).await;
    assert_eq!((peer.most_open(), peer.most_streams()), (3, 100));
}

#[tokio::test(start_paused = true)]
async fn the_pool_opens_a_second_connection_before_the_first_is_full() {
    let peer = Peer::new().allowing(100).taking(TAKES);
    let client = peer.client().build().expect("valid");
    flood(&client, 1).await;
    flood(&client, 90).await;
    assert_eq!(peer.opened(), 1, "90 of 100 places leave room");
    flood(&client, 95).await;
    peer.until_open(2).await;
    assert_eq!(peer.most_streams(), 95, "no call waited for the second connection");
}

#[tokio::test(start_paused = true)]
async fn a_connection_respects_the_servers_max_concurrent_streams() {
    let peer = Peer::new().allowing(10).taking(TAKES);
    let client = peer.client().pool(pool(4)).build().expect("valid");
    let begun = Instant::now();
    flood(&client, 100).await;
    assert_eq!((peer.most_open(), peer.most_streams()), (4, 10));
    assert_eq!(begun.elapsed().as_millis() / TAKES.as_millis(), 3, "40 at a time");
}

#[tokio::test(start_paused = true)]
async fn a_connection_drains_after_goaway_and_new_calls_use_another() {
    let peer = Peer::new().taking(TAKES);
    // The retry policy resends the calls that the GOAWAY excludes, since they never ran.
    let client = peer.client().retry(RetryPolicy::default()).build().expect("valid");
    let running = tokio::spawn({
        let client = client.clone();
        async move { flood(&client, 60).await }
    });
    peer.until_in_flight(60).await;
    peer.drain();
    flood(&client, 60).await;
    running.await.expect("the calls in flight succeed");
    assert_eq!((peer.opened(), peer.calls().len()), (2, 120), "no call was lost or served twice");
}

#[tokio::test(start_paused = true)]
async fn no_call_waits_for_a_full_connection_after_goaway() {
    let peer = Peer::new().allowing(1).taking(Duration::from_secs(30));
    let client = peer.client().pool(pool(1)).build().expect("valid");
    let begun = Instant::now();
    let running = tokio::spawn({
        let client = client.clone();
        async move { flood(&client, 1).await }
    });
    peer.until_in_flight(1).await;
    peer.drain();
    advance(Duration::from_secs(1)).await;
    flood(&client, 1).await;
    running.await.expect("the call in flight succeeds");
    assert_eq!(begun.elapsed().as_secs(), 31, "the second call did not wait for the first");
}

#[tokio::test(start_paused = true)]
async fn keepalive_detects_a_silent_server_while_a_call_waits() {
    let peer = Peer::new().taking(Duration::from_secs(3_600));
    let client = peer.client().keep_alive(Duration::from_secs(10), Duration::from_secs(5));
    let client = client.build().expect("valid");
    let begun = Instant::now();
    let call = tokio::spawn(client.stop_channel(&channel()).into_future());
    peer.until_in_flight(1).await;
    peer.fall_silent();
    let error = call.await.expect("no panic").expect_err("the server is silent");
    assert_eq!(begun.elapsed().as_secs(), 2, "a ping after 1 s, and no answer for as long");
    assert_eq!(error.code(), Code::Unavailable, "{error:?}");
    assert!(error.may_have_run(), "it was sent: {error:?}");
}

#[tokio::test(start_paused = true)]
async fn keepalive_keeps_the_connection_of_a_slow_server_that_answers_pings() {
    let peer = Peer::new().taking(Duration::from_secs(50));
    let client = peer.client().keep_alive(Duration::from_secs(1), Duration::from_secs(1));
    let client = client.build().expect("valid");
    flood(&client, 1).await;
    assert_eq!(peer.opened(), 1);
}

#[tokio::test(start_paused = true)]
async fn keepalive_with_zero_durations_keeps_a_healthy_connection() {
    let peer = Peer::new().taking(Duration::from_secs(1));
    let client = peer.client().keep_alive(Duration::ZERO, Duration::ZERO).build().expect("valid");
    flood(&client, 1).await;
    assert_eq!(peer.opened(), 1);
}

#[tokio::test(start_paused = true)]
async fn idle_connections_close_after_a_minute_and_the_last_after_five() {
    let peer = Peer::new().taking(TAKES);
    let client = peer.client().build().expect("valid");
    flood(&client, 1_000).await;
    assert!(peer.most_open() >= 10, "{}", peer.most_open());
    sleep(Duration::from_secs(59)).await;
    assert_eq!(peer.open(), peer.most_open(), "none has been idle for a minute");
    sleep(Duration::from_secs(2)).await;
    peer.until_open(1).await;
    sleep(Duration::from_secs(238)).await;
    assert_eq!(peer.open(), 1);
    sleep(Duration::from_secs(2)).await;
    peer.until_open(0).await;
    flood(&client, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_at_its_max_age_is_replaced_without_losing_a_call() {
    let peer = Peer::new().taking(TAKES);
    let age = Duration::from_secs(600);
    let client = peer.client().pool(pool(1).with_max_age(age)).build().expect("valid");
    let begun = Instant::now();
    while begun.elapsed() < 3 * age {
        flood(&client, 1).await;
        advance(Duration::from_secs(10)).await;
    }
    assert!((3..=4).contains(&peer.opened()), "{} connections", peer.opened());
    assert!(peer.most_open() <= 2, "the old one stays until the new one is open");
}

#[tokio::test(start_paused = true)]
async fn a_call_beyond_the_wait_queue_is_resource_exhausted_and_not_sent() {
    let peer = Peer::new().allowing(1).taking(TAKES);
    let limits = pool(1).with_max_waiting(1);
    let client = peer.client().pool(limits).build().expect("valid");
    client.connect().await.expect("a connection");
    let calls = [0, 1, 2].map(|_| tokio::spawn(client.get_channel(&channel()).into_future()));
    let mut outcomes = Vec::new();
    for call in calls {
        outcomes.push(call.await.expect("no panic"));
    }
    let error = outcomes.pop().expect("three").expect_err("two are in front of it");
    assert_eq!(error.code(), Code::ResourceExhausted, "{error:?}");
    assert!(!error.may_have_run());
    assert!(outcomes.into_iter().all(|outcome| outcome.is_ok()));
    assert_eq!(peer.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn connections_close_when_the_last_clone_of_the_client_is_dropped() {
    let peer = Peer::new();
    let client = peer.client().build().expect("valid");
    let clone = client.clone();
    flood(&client, 150).await;
    drop(client);
    flood(&clone, 1).await;
    assert!(peer.most_open() > 0);
    drop(clone);
    peer.until_open(0).await;
}

#[tokio::test(start_paused = true)]
async fn diagnostics_list_ready_suspect_and_draining_connections() {
    let peer = Peer::new().allowing(10).taking(Duration::from_secs(30));
    let client = peer.client().pool(pool(4)).build().expect("valid");
    let pool = || client.diagnostics().pool.expect("the client has a pool");
    assert!(pool().connections.is_empty());
    let slow = tokio::spawn(client.get_channel(&channel()).into_future());
    peer.until_in_flight(1).await;
    let [ready] = &pool().connections[..] else { panic!("{:?}", pool()) };
    assert_eq!((ready.state, ready.streams, ready.max_streams), (ConnectionState::Ready, 1, 10));
    assert_eq!((ready.peer, pool().max_connections), (None, 4), "it is in memory");

    peer.drain();
    sleep(Duration::from_millis(1)).await; // The GOAWAY arrives.
    client.connect().await.expect("another connection");
    let states: Vec<_> = pool().connections.iter().map(|found| found.state).collect();
    assert_eq!(states, [ConnectionState::Ready, ConnectionState::Draining]);
    slow.await.expect("no panic").expect("the call ends on the first connection");
    let states: Vec<_> = pool().connections.iter().map(|found| found.state).collect();
    assert_eq!(states, [ConnectionState::Ready], "the first connection is closed");

    let lost = tokio::spawn(client.stop_channel(&channel()).timeout(TAKES).into_future());
    peer.until_in_flight(1).await;
    peer.fall_silent();
    lost.await.expect("no panic").expect_err("nothing arrives");
    let [suspect] = &pool().connections[..] else { panic!("{:?}", pool()) };
    assert_eq!((suspect.state, suspect.streams), (ConnectionState::Suspect, 0));
}

#[tokio::test(start_paused = true)]
async fn diagnostics_list_each_draining_connection_until_its_calls_end() {
    let peer = Peer::new().allowing(10).taking(Duration::from_secs(30));
    let client = peer.client().pool(pool(4)).build().expect("valid");
    let mut slow = Vec::new();
    for number in 1..=2 {
        slow.push(tokio::spawn(client.get_channel(&channel()).into_future()));
        peer.until_in_flight(number).await;
        peer.drain();
        sleep(Duration::from_millis(1)).await; // The GOAWAY arrives.
        client.connect().await.expect("another connection");
    }
    let draining = || {
        let pool = client.diagnostics().pool.expect("the client has a pool");
        let states = pool.connections.iter().map(|found| found.state);
        states.filter(|state| *state == ConnectionState::Draining).count()
    };
    assert_eq!(draining(), 2);
    for call in slow {
        call.await.expect("no panic").expect("the call ends on its connection");
    }
    assert_eq!(draining(), 0);
}

fn runtime() -> Runtime {
    runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

#[test]
fn a_client_works_in_a_second_runtime_after_the_first_has_ended() {
    let peer = Peer::new().allowing(2).taking(TAKES);
    let address = runtime().block_on(peer.listen());
    let client = LivestreamClient::builder()
        .endpoint(format!("http://{address}"))
        .retry(RetryPolicy::never())
        .pool(pool(8));
    let client = client.build().expect("valid");
    runtime().block_on(flood(&client, 16));
    assert!(peer.opened() > 4, "many connections: {}", peer.opened());
    runtime().block_on(flood(&client, 16));
}

/// Polls a call once in the context of a runtime that has ended.
fn call_after_the_end() -> Result<(), Error> {
    let peer = Peer::new();
    let ended = runtime();
    let handle = ended.handle().clone();
    let client = peer.client().build()?;
    drop(ended);
    let _context = handle.enter();
    let mut call = pin!(client.get_channel(&channel()).into_future());
    match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome.map(drop),
        Poll::Pending => panic!("nothing wakes this call"),
    }
}

#[test]
fn a_call_in_a_runtime_that_shuts_down_ends_with_an_error() {
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || sender.send(call_after_the_end()));
    let outcome =
        ended.recv_timeout(Duration::from_secs(20)).expect("the call neither hangs nor panics");
    let error = outcome.expect_err("no runtime can run the call");
    assert_eq!(error.code(), Code::Unavailable, "{}", chain(&error));
}

#[test]
fn a_call_outside_a_runtime_fails_and_names_tokio() {
    let client = LivestreamClient::builder().endpoint("http://127.0.0.1:1").build();
    let client = client.expect("no credentials, so no runtime is needed");
    let mut call = pin!(client.get_channel(&channel()).into_future());
    let Poll::Ready(Err(error)) = call.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    else {
        panic!("the call ends at once, with an error");
    };
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert!(error.to_string().contains("Tokio runtime"), "{error}");
}

#[test]
fn waits_outside_a_runtime_fail_and_name_tokio() {
    let client = LivestreamClient::builder().endpoint("http://127.0.0.1:1").build();
    let client = client.expect("no credentials, so no runtime is needed");
    let location = LocationName::new("p", "l").expect("a name");
    let name = location.operation("operation-1").expect("a name");
    let resumed = || client.resume::<StartChannelRequest>(&name);
    let errors = [
        resumed().wait().now_or_never().expect("at once").map(drop).expect_err("no runtime"),
        client
            .shared_waits(&location)
            .wait(resumed())
            .now_or_never()
            .expect("at once")
            .map(drop)
            .expect_err("no runtime"),
        client
            .wait_until(&location.channel("c").expect("a name"), StreamingState::Streaming)
            .now_or_never()
            .expect("at once")
            .map(drop)
            .expect_err("no runtime"),
    ];
    for error in errors {
        assert_eq!(error.code(), Code::FailedPrecondition, "{error:?}");
        assert!(error.message().contains("Tokio runtime"), "{error}");
    }
}

#[test]
fn calls_and_waits_in_a_runtime_without_timers_fail_and_name_them() {
    let without_timers = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let peer = Peer::new();
    let client = peer.client().build().expect("valid");
    let location = LocationName::new("p", "l").expect("a name");
    let name = location.operation("operation-1").expect("a name");
    let resumed = || client.resume::<StartChannelRequest>(&name);
    let channel = location.channel("c").expect("a name");
    let errors = without_timers.expect("a runtime").block_on(async {
        [
            client.get_channel(&channel).await.map(drop),
            resumed().wait().await.map(drop),
            resumed().progress().next().await.expect("an item").map(drop),
            client.shared_waits(&location).wait(resumed()).await.map(drop),
            client.wait_until(&channel, StreamingState::Streaming).await.map(drop),
            client.watch(&channel).next().await.expect("an item").map(drop),
        ]
    });
    for outcome in errors {
        let error = outcome.expect_err("there are no timers");
        assert_eq!(error.code(), Code::FailedPrecondition, "{error:?}");
        assert!(error.message().contains("enable_time"), "{error}");
    }
    assert_eq!(peer.opened(), 0);
}

#[test]
fn a_call_in_a_runtime_without_io_fails_and_does_not_hang() {
    let without_io = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let outcome = without_io.expect("a runtime").block_on(async {
        let client = LivestreamClient::builder().endpoint("http://127.0.0.1:1");
        let client = client.retry(RetryPolicy::never()).build().expect("valid");
        client.get_channel(&channel()).timeout(Duration::from_secs(30)).await.map(drop)
    });
    let error = outcome.expect_err("no connection can be opened");
    assert_eq!(error.code(), Code::Unavailable, "{error:?}");
    assert!(error.elapsed() < Duration::from_secs(10), "{error:?}");
}
