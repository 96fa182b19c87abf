//! What the client is asked to do, and what must hold of the client as a whole.

use crate::{
    calls::{Call, Shared},
    network::Network,
    server::{AUTHORITY, LOCATION, Service},
    tokens::Tokens,
    trace::Trace,
    truth::Schedule,
};
use livestream_client::{
    LivestreamClient, PoolLimits,
    model::GetChannelRequest,
    policy::{Backoff, Budget, PollPolicy, RetryPolicy},
    telemetry::ConnectionState,
};
use std::time::Duration;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

/// How long a client may take to recover once nothing fails any more: keepalives find connections that
/// are dead, and the longest reconnect backoff ends.
pub(crate) const RECOVERY: Duration = Duration::from_secs(600);

/// What a run draws for its client.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) attempts: u32,
    budget: Option<(u32, f64)>,
    max_connections: usize,
    max_calls: usize,
    connect_timeout: Duration,
    pub(crate) has_request_ids: bool,
}

/// Runs a random workload, checks each call, and then that a healed service is reached.
pub(crate) async fn run(
    rng: &mut fastrand::Rng,
    network: &Network,
    service: &Service,
    tokens: Option<Tokens>,
    trace: &Trace,
) {
    let faults = network.faults();
    let begun = Instant::now();
    let mut settings = Settings::draw(rng);
    if faults.are_long() {
        // Few calls would last for as long as the faults.
        (settings.attempts, settings.budget) = (u32::MAX, None);
    }
    trace.log("client", || format!("{settings:?}"));
    trace.log("tokens", || format!("{:?}", tokens.as_ref().map(|tokens| &tokens.faults)));
    let client = settings.client(rng, network, tokens);
    let healing = tokio::spawn(network.clone().fail_and_heal());
    let watching =
        tokio::spawn(settings.clone().watch(client.clone(), service.clone(), trace.clone()));
    let channels = rng.usize(..4);
    for number in 0..channels {
        let starts_at = begun + Duration::from_secs(rng.u64(..60));
        let streams_at = starts_at + Duration::from_secs(rng.u64(..60));
        let lives = Duration::from_secs(rng.u64(..200));
        let deleted_at = (rng.u8(..3) == 0).then(|| starts_at + lives);
        let schedule = Schedule { starts_at, streams_at, deleted_at };
        service.truth.add_channel(format!("{LOCATION}/channels/w{number}"), schedule);
    }
    let heals_at = begun + faults.heals_at;
    let shared = Shared::new(
        rng,
        &client,
        service,
        trace,
        &settings,
        (heals_at, faults.are_long()),
        channels,
    );
    let mut calls = JoinSet::new();
    let most = if faults.are_long() { 10 } else { 40 };
    for number in 0..rng.u32(1..most) {
        let call = Call::draw(number, rng, shared.clone());
        calls.spawn(call.run());
        if rng.bool() {
            sleep(Duration::from_millis(rng.u64(..3_000))).await;
        }
    }
    drop(shared);
    calls.join_all().await;
    healing.await.expect("it ends");
    watching.abort();
    let budget = settings.budget;
    let (retries, successes) = service.truth.retries();
    let most = budget.map(|(capacity, refill)| f64::from(capacity) + f64::from(successes) * refill);
    trace.require(most.is_none_or(|most| retries as f64 <= most), "retry budget", || {
        format!("{retries} retries after {successes} successes, with {budget:?}")
    });
    // Idle connections close meanwhile, and the longest reconnect backoff ends.
    sleep(Duration::from_secs(400)).await;
    check_idle(&client, trace);
    for _ in 0..2 {
        let name = format!("{LOCATION}/channels/healed");
        let healed = client.call(GetChannelRequest { name }).timeout(Duration::from_secs(60)).await;
        trace.require(healed.is_ok(), "a healed service is reached", || format!("{healed:?}"));
    }
    drop(client);
    check_closed(network, trace).await;
}

/// No call is left in a client that does nothing.
pub(crate) fn check_idle(client: &LivestreamClient, trace: &Trace) {
    let pool = client.diagnostics().pool.expect("the client has its own connections");
    let busy = pool.connections.iter().map(|connection| connection.streams).sum::<usize>();
    let left = (busy, pool.opening, pool.waiting);
    trace.require(left == (0, 0, 0), "nothing is left", || {
        format!("{busy} leases, {} openings, {} waiters", pool.opening, pool.waiting)
    });
}

/// The connections of a client that was dropped are closed.
pub(crate) async fn check_closed(network: &Network, trace: &Trace) {
    // The time in which a connection must close, and a lookup of a name that is under way.
    sleep(Duration::from_secs(10)).await;
    let held = network.ledger.held();
    trace.require(held.is_empty(), "nothing is left", || format!("connections {held:?}"));
}

impl Settings {
    pub(crate) fn draw(rng: &mut fastrand::Rng) -> Self {
        Self {
            attempts: [1, 3, u32::MAX][rng.usize(..3)],
            budget: [None, None, Some((3, 0.1)), Some((20, 0.5))][rng.usize(..4)],
            max_connections: rng.usize(1..5),
            max_calls: rng.usize(1..20),
            connect_timeout: Duration::from_secs(rng.u64(2..=10)),
            has_request_ids: rng.u8(..8) > 0,
        }
    }

    pub(crate) fn client(
        &self,
        rng: &mut fastrand::Rng,
        network: &Network,
        tokens: Option<Tokens>,
    ) -> LivestreamClient {
        let network = network.clone();
        let limits = PoolLimits::default()
            .with_max_connections(self.max_connections)
            .with_max_calls_per_connection(self.max_calls);
        let backoff =
            Backoff::new(Duration::from_millis(rng.u64(1..2_000)), Duration::from_secs(10), 1.3);
        let retry =
            RetryPolicy::new(backoff).with_max_attempts(self.attempts).with_seed(rng.u64(..));
        let poll = Backoff::new(Duration::from_secs(1), Duration::from_secs(20), 1.5);
        let keepalive = (Duration::from_secs(rng.u64(10..60)), Duration::from_secs(rng.u64(1..20)));
        let mut builder = LivestreamClient::builder()
            .endpoint(format!("http://{AUTHORITY}"))
            .connector(tower::service_fn(move |_: http::Uri| network.clone().dial()))
            .connect_timeout(self.connect_timeout)
            .keep_alive(keepalive.0, keepalive.1)
            .pool(limits)
            .budget(
                self.budget
                    .map_or_else(Budget::unlimited, |(most, refill)| Budget::new(most, refill)),
            )
            .poll_policy(PollPolicy::new(poll, Duration::from_secs(3_600)))
            .retry(retry);
        if let Some(tokens) = tokens {
            builder = builder.credentials(tokens).allow_plaintext_tokens();
        }
        if !self.has_request_ids {
            builder = builder.without_request_ids();
        }
        builder.build().expect("a client")
    }

    /// Looks at the pool now and then.
    async fn watch(self, client: LivestreamClient, service: Service, trace: Trace) {
        /// The calls on a connection whose limit is not known yet.
        const EARLY: usize = 8;
        let most_streams = self.max_calls.min(EARLY.max(service.faults().most_streams() as usize));
        loop {
            sleep(Duration::from_millis(1_130)).await;
            let pool = client.diagnostics().pool.expect("the client has its own connections");
            let ready = pool.connections.iter().filter(|it| it.state == ConnectionState::Ready);
            let ready = ready.filter(|it| it.age > self.connect_timeout).count();
            // Connections that were opened in a race to replace silent ones seem older after a jump.
            let is_known = !trace.has_jumped_within(self.connect_timeout);
            trace.require(!is_known || ready <= self.max_connections, "connection limit", || {
                format!("{ready} of {} connections", self.max_connections)
            });
            let busiest = pool.connections.iter().map(|it| it.streams).max().unwrap_or(0);
            trace.require(busiest <= most_streams, "stream limit", || {
                format!("{busiest} of {most_streams} calls on a connection")
            });
        }
    }
}
