//! What the client is asked to do, and what must hold of each call.

use crate::{
    network::Network,
    server::{Known, Service},
    trace::Trace,
};
use livestream_client::{
    Error, LivestreamClient, PoolLimits,
    model::{GetChannelRequest, PreviewInputRequest, StartChannelRequest},
    policy::{Backoff, RetryPolicy, Timeouts},
    rpc::Rpc,
};
use std::time::Duration;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tonic::Code;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Read,
    Keyed,
    Unkeyed,
}

/// Runs a random workload, checks each call, and then that a healed service is reached.
pub(crate) async fn run(
    rng: &mut fastrand::Rng,
    network: &Network,
    service: &Service,
    trace: &Trace,
) {
    let client = client(rng, network);
    let mut calls = JoinSet::new();
    for number in 0..rng.u32(1..40) {
        let call = Call::draw(number, rng, service.clone(), trace.clone());
        calls.spawn(call.run(client.clone()));
        if rng.bool() {
            sleep(Duration::from_millis(rng.u64(..3_000))).await;
        }
    }
    calls.join_all().await;
    network.heal();
    // The longest reconnect backoff, and the time for a suspect to be given up.
    sleep(Duration::from_secs(200)).await;
    let healed =
        client.call(GetChannelRequest { name: "projects/p/locations/l/channels/healed".into() });
    let healed = healed.retry(RetryPolicy::default()).timeout(Duration::from_secs(60)).await;
    trace.require(healed.is_ok(), || format!("a call fails on a healed network: {healed:?}"));
}

fn client(rng: &mut fastrand::Rng, network: &Network) -> LivestreamClient {
    let network = network.clone();
    let limits = PoolLimits::default()
        .with_max_connections(rng.usize(1..5))
        .with_max_calls_per_connection(rng.usize(1..20));
    let attempts = [1, 3, u32::MAX][rng.usize(..3)];
    let backoff =
        Backoff::new(Duration::from_millis(rng.u64(1..2_000)), Duration::from_secs(10), 1.3);
    let retry = RetryPolicy::new(backoff).with_max_attempts(attempts).with_seed(rng.u64(..));
    LivestreamClient::builder()
        .endpoint("http://service.test")
        .connector(tower::service_fn(move |_: http::Uri| network.clone().dial()))
        .pool(limits)
        .retry(retry)
        .build()
        .expect("a client")
}

struct Call {
    name: String,
    kind: Kind,
    timeouts: Timeouts,
    /// When the caller loses interest.
    dropped_after: Option<Duration>,
    service: Service,
    trace: Trace,
}

impl Call {
    fn draw(number: u32, rng: &mut fastrand::Rng, service: Service, trace: Trace) -> Self {
        let total = Duration::from_millis([0, 100, 5_000, 30_000, 60_000, 600_000][rng.usize(..6)]);
        let mut timeouts = Timeouts::new(total);
        if rng.bool() {
            timeouts = timeouts.with_attempt(Duration::from_millis(rng.u64(100..5_000)));
        }
        let kind = [Kind::Read, Kind::Keyed, Kind::Unkeyed][rng.usize(..3)];
        let collection = if kind == Kind::Unkeyed { "inputs" } else { "channels" };
        Self {
            name: format!("projects/p/locations/l/{collection}/c{number}"),
            kind,
            timeouts,
            dropped_after: (rng.u8(..8) == 0).then(|| Duration::from_millis(rng.u64(..5_000))),
            service,
            trace,
        }
    }

    async fn run(self, client: LivestreamClient) {
        let Self { name, kind, timeouts, .. } = &self;
        self.trace.log("call", || format!("{kind:?} {name} {timeouts:?}"));
        let begun = Instant::now();
        let sending = self.send(&client);
        let outcome = match self.dropped_after {
            Some(limit) => timeout(limit, sending).await,
            None => Ok(sending.await),
        };
        let took = begun.elapsed();
        // A timer of tokio's has a precision of a millisecond.
        let limit = timeouts.total() + Duration::from_millis(2);
        self.trace.require(took <= limit, || format!("{name} took {took:?}"));
        match &outcome {
            Err(_) => self.trace.log("dropped", || name.clone()),
            Ok(Ok(())) => self.trace.log("answered", || name.clone()),
            Ok(Err(error)) => self.trace.log("failed", || {
                let (code, attempts) = (error.code(), error.attempts());
                format!("{name}: {code:?} after {attempts}: {}", error.message())
            }),
        }
        // Requests that are on their way arrive meanwhile.
        sleep(Duration::from_secs(100)).await;
        self.check(outcome.ok());
    }

    async fn send(&self, client: &LivestreamClient) -> Result<(), Error> {
        let name = self.name.clone();
        match self.kind {
            Kind::Read => self.timed(client.call(GetChannelRequest { name })).await.map(drop),
            Kind::Keyed => {
                let request = StartChannelRequest { name, ..Default::default() };
                self.timed(client.call(request)).await.map(drop)
            }
            Kind::Unkeyed => self.timed(client.call(PreviewInputRequest { name })).await.map(drop),
        }
    }

    fn timed<R: Rpc>(&self, call: livestream_client::Call<R>) -> livestream_client::Call<R> {
        let call = call.timeout(self.timeouts.total());
        match self.timeouts.attempt() {
            Some(limit) => call.attempt_timeout(limit),
            None => call,
        }
    }

    /// The promises of the client, compared with what the service knows.
    fn check(&self, outcome: Option<Result<(), Error>>) {
        let Self { name, kind, trace, .. } = self;
        let Known { read, carried_out } = self.service.known(name);
        if *kind != Kind::Read {
            trace.require(carried_out <= 1, || {
                format!("{name} was carried out {carried_out} times")
            });
        }
        match outcome {
            None => {}
            Some(Ok(())) => trace.require(carried_out > 0, || format!("{name} was lost")),
            Some(Err(error)) if error.may_have_run() || *kind == Kind::Read => {}
            Some(Err(error)) => {
                trace.require(carried_out == 0, || format!("{name} ran, despite {error:?}"));
                let is_answer =
                    error.code() != Code::Unavailable && error.code() != Code::DeadlineExceeded;
                trace.require(read == 0 || is_answer, || {
                    format!("{name} was read, despite {error:?}")
                });
            }
        }
    }
}
