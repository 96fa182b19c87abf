//! Faults between the client and the service, most of them on real sockets.
//!
//! Each test injects a fault and checks the code, the number of attempts (as the server counts them
//! and as the error reports them), whether the request may have been carried out, and that the call
//! ends at most 50 ms after its deadline.
//!
//! There are two faulty servers: `server` speaks HTTP/2 through h2 and answers each call by a
//! script; `frames` writes single frames by hand, in sequences that h2 does not send.

mod backoff;
mod deadlines;
mod dials;
mod disconnects;
mod frames;
mod goaway;
#[path = "../support/grpc.rs"]
mod grpc;
mod responses;
mod retries;
mod server;
mod settings;
mod silence;
mod tokens;

use livestream_client::{
    Builder, Call, Error, LivestreamClient, PoolLimits,
    model::{Channel, GetChannelRequest, PreviewInputRequest, StartChannelRequest},
    policy::{Backoff, Budget, RetryPolicy, Timeouts},
    proto::google::longrunning::Operation,
};
use std::{pin::pin, time::Duration};
use tokio::{net::TcpListener, time::Instant};

/// The timeout of [`client_for`].
const CLIENT_DEADLINE: Duration = millis(2000);
const CHANNEL: &str = "projects/p/locations/us-central1/channels/news";
const INPUT: &str = "projects/p/locations/us-central1/inputs/camera";

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A client for `http://127.0.0.1:port` that waits a few milliseconds between attempts.
fn client_for(port: u16) -> Builder<LivestreamClient> {
    LivestreamClient::builder()
        .endpoint(format!("http://127.0.0.1:{port}"))
        .retry(short_backoff())
        .budget(Budget::unlimited())
        .timeouts(Timeouts::new(millis(2000)))
        .pool(pool())
}

/// A pool that connects again at once after a failure.
fn pool() -> PoolLimits {
    PoolLimits::default().with_reconnect_backoff(millis(0), millis(0))
}

fn short_backoff() -> RetryPolicy {
    RetryPolicy::new(Backoff::new(millis(2), millis(5), 1.3))
}

/// A read.
fn read(client: &LivestreamClient) -> Call<GetChannelRequest> {
    client.call(GetChannelRequest { name: CHANNEL.into() })
}

/// A mutation with a `request_id`, unless the client is built without request ids.
fn start(client: &LivestreamClient) -> Call<StartChannelRequest> {
    client.call(StartChannelRequest { name: CHANNEL.into(), ..Default::default() })
}

/// A mutation without a `request_id`.
fn preview(client: &LivestreamClient) -> Call<PreviewInputRequest> {
    client.call(PreviewInputRequest { name: INPUT.into() })
}

fn channel() -> Channel {
    Channel { name: CHANNEL.into(), ..Default::default() }
}

fn operation() -> Operation {
    let name = "projects/p/locations/us-central1/operations/operation-1".into();
    Operation { name, ..Default::default() }
}

/// A listener on loopback and its port.
async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has ports");
    let port = listener.local_addr().expect("bound").port();
    (listener, port)
}

/// Awaits a call and asserts that it ends at most 50 ms after its deadline. A timer measures the
/// deadline: a busy machine delays the timer as much as the call.
async fn within<C: IntoFuture>(deadline: Duration, call: C) -> C::Output {
    let mut call = pin!(call.into_future());
    tokio::select! {
        biased;
        output = &mut call => return output,
        () = tokio::time::sleep(deadline) => {}
    }
    let due = Instant::now();
    let output = call.await;
    let late = due.elapsed();
    assert!(late <= millis(50), "ended {late:?} after its deadline of {deadline:?}");
    output
}

/// Asserts the code, the attempts and the `may_have_run` of an error.
#[track_caller]
fn assert_failed(error: &Error, code: tonic::Code, attempts: u32, may_have_run: bool) {
    let actual = (error.code(), error.attempts(), error.may_have_run());
    assert_eq!(actual, (code, attempts, may_have_run), "{error:?}");
}
