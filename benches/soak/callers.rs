//! The callers: 64 calls in flight, over four clients with different settings.

use crate::{faults::Credential as Fault, truth::Kind, world::World};
use fastrand::Rng;
use livestream_client::{
    Builder, Error, LivestreamClient, PoolLimits, Tls,
    credentials::{Token, TokenError},
    model::{
        Channel, GetChannelRequest, PreviewInputRequest, StartChannelRequest, UpdateChannelRequest,
    },
    policy::{Backoff, Budget, RetryPolicy, Timeouts},
};
use std::{
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

/// The clients, each with its number of calls in flight.
pub struct Callers(Vec<(LivestreamClient, usize)>);

/// How late a call may end.
const TOLERANCE: Duration = Duration::from_millis(50);

const LOCATION: &str = "projects/p/locations/us-central1";

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

impl Callers {
    pub fn new(plain: u16, encrypted: u16, world: &Arc<World>) -> Self {
        let builder = |origin: String, world: &Arc<World>| {
            LivestreamClient::builder()
                .endpoint(origin)
                .credentials(credentials(world.clone()))
                .retry(RetryPolicy::new(Backoff::new(millis(5), millis(100), 1.6)))
                .budget(Budget::unlimited())
        };
        let plaintext = || builder(format!("http://127.0.0.1:{plain}"), world);
        let reconnects = |initial, most| {
            PoolLimits::default().with_reconnect_backoff(millis(initial), millis(most))
        };
        let attempts = |limit| Timeouts::default().with_attempt(millis(limit));
        let ca = include_str!("../../tests/data/tls/authority.pem");
        let tls = Tls::without_roots().with_ca_pem(ca).expect("a certificate");
        let build = |builder: Builder<LivestreamClient>| builder.build().expect("valid settings");
        Self(vec![
            // Attempts have a limit, and connections as many calls as the server allows.
            (build(plaintext().pool(reconnects(5, 50)).timeouts(attempts(800))), 24),
            // No limit on attempts, the default budget; connections age and are few.
            (
                build(
                    plaintext()
                        .pool(
                            reconnects(10, 200)
                                .with_max_age(Duration::from_secs(5))
                                .with_idle_timeout(Duration::from_secs(1))
                                .with_max_connections(4)
                                .with_max_calls_per_connection(6),
                        )
                        .budget(Budget::default()),
                ),
                16,
            ),
            // One call on each connection.
            (
                build(
                    plaintext()
                        .pool(reconnects(5, 50).with_max_calls_per_connection(1))
                        .timeouts(attempts(500)),
                ),
                8,
            ),
            // TLS.
            (
                build(
                    builder(format!("https://localhost:{encrypted}"), world)
                        .tls(tls)
                        .pool(reconnects(5, 50))
                        .timeouts(attempts(1000)),
                ),
                16,
            ),
        ])
    }

    /// Calls until the run is over, and drops the clients.
    pub async fn run(self, world: Arc<World>) {
        world.watch_tasks();
        let mut callers = JoinSet::new();
        let mut seeds = Rng::with_seed(world.seed);
        for (client, in_flight) in self.0 {
            for _ in 0..in_flight {
                callers.spawn(call_in_turn(client.clone(), world.clone(), seeds.fork()));
            }
        }
        callers.join_all().await;
    }
}

/// A token of the usual length, unless there is none.
fn credentials(
    world: Arc<World>,
) -> impl Fn() -> Pin<Box<dyn Future<Output = Result<Token, TokenError>> + Send>> + Send + Sync {
    move || {
        let fault = world.token();
        Box::pin(async move {
            match fault {
                None => {}
                Some(Fault::TokenUnavailable) => {
                    return Err(TokenError::transient("no token at the moment"));
                }
                Some(Fault::TokenRefused) => {
                    return Err(TokenError::permanent("no token for this account"));
                }
                Some(Fault::TokenSlow) => sleep(millis(300)).await,
                Some(Fault::TokenNever) => std::future::pending().await,
            }
            Token::bearer(&"t".repeat(1000))
        })
    }
}

async fn call_in_turn(client: LivestreamClient, world: Arc<World>, mut rng: Rng) {
    const KINDS: [Kind; 12] = [
        Kind::Read,
        Kind::Read,
        Kind::Read,
        Kind::Read,
        Kind::Keyed,
        Kind::Keyed,
        Kind::Keyed,
        Kind::LargeKeyed,
        Kind::Unkeyed,
        Kind::Unkeyed,
        Kind::Unkeyed,
        Kind::LargeUnkeyed,
    ];
    while !world.stop.load(Ordering::Relaxed) {
        let kind = KINDS[rng.usize(..KINDS.len())];
        let Some(number) = world.truth.begin(kind) else { return };
        let timeout = millis([100, 400, 1500, 4000][rng.usize(..4)]);
        let size = rng.usize(1 << 10..150 << 10);
        let call = call(&client, kind, number, timeout, size);
        let (outcome, is_late) = timed(&world, timeout, call).await;
        match outcome {
            Ok(answer) => world.truth.succeeded(number, &answer),
            Err(error) => {
                world.truth.failed(number, error.may_have_run(), &cause(&error));
            }
        }
        if is_late {
            world.truth.is_late(number);
        }
        world.calls.fetch_add(1, Ordering::Relaxed);
        sleep(Duration::from_micros(rng.u64(..5000))).await;
    }
}

type Outcome = Result<String, Error>;

/// One call. Its output names the call that was answered.
fn call(
    client: &LivestreamClient,
    kind: Kind,
    number: usize,
    timeout: Duration,
    size: usize,
) -> Pin<Box<dyn Future<Output = Outcome> + Send>> {
    let id = kind.id(number);
    let name = format!("{LOCATION}/channels/{id}");
    match kind {
        Kind::Read => {
            let call = client.call(GetChannelRequest { name }).timeout(timeout);
            Box::pin(async { Ok(call.await?.name) })
        }
        Kind::Keyed => {
            let call = client.call(StartChannelRequest { name, ..Default::default() });
            let call = call.timeout(timeout);
            Box::pin(async { Ok(call.await?.name().to_string()) })
        }
        Kind::Unkeyed => {
            let name = format!("{LOCATION}/inputs/{id}");
            let call = client.call(PreviewInputRequest { name }).timeout(timeout);
            Box::pin(async { Ok(call.await?.uri) })
        }
        Kind::LargeKeyed | Kind::LargeUnkeyed => {
            let labels = [("size".to_owned(), "x".repeat(size))].into();
            let channel = Some(Channel { name, labels, ..Default::default() });
            let request = UpdateChannelRequest { channel, ..Default::default() };
            let mut call = client.call(request).timeout(timeout);
            if kind == Kind::LargeUnkeyed {
                call = call.request_id("");
            }
            Box::pin(async { Ok(call.await?.name().to_string()) })
        }
    }
}

/// Awaits a call, and tells whether it ended too late. Timers measure that: a busy machine delays them
/// as much as the call.
async fn timed(
    world: &World,
    timeout: Duration,
    mut call: Pin<Box<dyn Future<Output = Outcome> + Send>>,
) -> (Outcome, bool) {
    tokio::select! {
        biased;
        outcome = &mut call => return (outcome, false),
        () = sleep(timeout) => {}
    }
    let due = Instant::now();
    let (outcome, is_late) = tokio::select! {
        biased;
        outcome = &mut call => (outcome, false),
        () = sleep(TOLERANCE) => (call.await, true),
    };
    world.note_overrun(due.elapsed());
    (outcome, is_late)
}

/// The code, the message and the last cause of an error.
fn cause(error: &Error) -> String {
    let mut text = format!("{:?}: {}", error.code(), error.message());
    let mut last = None;
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        last = Some(source);
        next = source.source();
    }
    if let Some(last) = last {
        text = format!("{text}: {last}");
    }
    text
}
