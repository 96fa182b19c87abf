//! A backend that is killed between any two requests and run again: it converges, with one creation
//! and one deletion of each resource, one update, one start and one stop.
//!
//! A seed determines the times that the service takes, the declarations and the crash points. A crash
//! drops the run before a request is sent, or after the service has carried it out and before the
//! response arrives. Half of the runs have a second instance of the backend beside them, which does not
//! crash. `ENSURE_CRASHES` sets the number of crash points.

#![allow(clippy::unwrap_used)]

mod support;

use fastrand::Rng;
use livestream_client::{
    Error, LivestreamClient,
    model::{
        Asset, Channel, DvrSession, Input, InputAttachment, LogConfig, OperationMetadata,
        channel::StreamingState, dvr_session::DvrWindow, log_config::LogSeverity,
    },
    name::{AssetName, ChannelName, DvrSessionName, InputName, LocationName},
    policy::{Backoff, PollPolicy},
};
use livestream_emulator::{Emulator, EmulatorService, Latency};
use prost::Message;
use std::{
    collections::BTreeMap,
    convert::Infallible,
    env,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};
use support::{Observed, fixture::channel};
use tokio::sync::Notify;
use tonic::body::Body;
use tower::Service;

/// The crash points of a run of the test suite. `.ci/run` sets 10,000.
const CRASHES: usize = 1_000;

/// What a run of the backend declares.
#[derive(Clone, Copy)]
enum Goal {
    /// A running channel that logs this.
    OnAir(LogSeverity),
    /// The same, and a recording of it. An update would end the recording.
    Recorded(LogSeverity),
    Gone,
}

/// The work of the service that takes a random time.
const LATENCIES: [Latency; 12] = [
    Latency::CreateInput,
    Latency::CreateAsset,
    Latency::CreateChannel,
    Latency::UpdateChannel,
    Latency::StartChannel,
    Latency::AcceptDvrSession,
    Latency::StopChannel,
    Latency::DeleteDvrSession,
    Latency::DeleteChannel,
    Latency::DeleteAsset,
    Latency::DeleteInput,
    Latency::PostProcessDvrSession,
];

/// When the next run is dropped.
#[derive(Clone, Copy)]
enum Crash {
    BeforeRequest(usize),
    AfterRequest(usize),
    Never,
}

/// The service, behind a line that goes dead at the crash point.
#[derive(Clone)]
struct Line {
    service: EmulatorService,
    crash: Arc<Mutex<Crash>>,
    dead: Arc<Notify>,
}

impl Service<http::Request<Body>> for Line {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let mut crash = self.crash.lock().unwrap();
        let (is_sent, is_answered) = match &mut *crash {
            Crash::Never => (true, true),
            Crash::BeforeRequest(0) => (false, false),
            Crash::AfterRequest(0) => (true, false),
            Crash::BeforeRequest(left) | Crash::AfterRequest(left) => {
                *left -= 1;
                (true, true)
            }
        };
        let (mut service, dead) = (self.service.clone(), self.dead.clone());
        Box::pin(async move {
            let response = if is_sent { Some(service.call(request).await) } else { None };
            match response {
                Some(response) if is_answered => response,
                _ => {
                    dead.notify_one();
                    std::future::pending().await
                }
            }
        })
    }
}

/// One life of a backend.
struct World {
    client: LivestreamClient,
    /// The client of the second instance.
    other: LivestreamClient,
    log: support::Log,
    crash: Arc<Mutex<Crash>>,
    dead: Arc<Notify>,
    location: LocationName,
    input: InputName,
    asset: AssetName,
    channel: ChannelName,
    session: DvrSessionName,
    window: DvrWindow,
}

impl World {
    fn new(random: &mut Rng) -> Self {
        let mut seconds = || Duration::from_secs(random.u64(0..40));
        let mut emulator = Emulator::builder().speed(1);
        for work in LATENCIES {
            emulator = emulator.latency(work, seconds());
        }
        let emulator = emulator.build();
        let (crash, dead) = (Arc::new(Mutex::new(Crash::Never)), Arc::new(Notify::new()));
        let line = Line { service: emulator.service(), crash: crash.clone(), dead: dead.clone() };
        let observed = Observed::new(line);
        let backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(10), 1.5);
        let policy = PollPolicy::new(backoff, Duration::from_secs(3600));
        let client = observed.client_builder().poll_policy(policy).build().unwrap();
        let other = Observed::new(emulator.service()).client_builder();
        let other = other.poll_policy(policy).build().unwrap();
        let location = LocationName::new("p", "us-central1").unwrap();
        let (input, asset) = (location.input("studio").unwrap(), location.asset("slate").unwrap());
        let channel = location.channel("news").unwrap();
        let session = channel.dvr_session("evening").unwrap();
        let window = DvrWindow::between(emulator.now()..).unwrap();
        let log = observed.log();
        Self { client, other, log, crash, dead, location, input, asset, channel, session, window }
    }

    async fn run(&self, client: &LivestreamClient, goal: Goal) -> Result<(), Error> {
        let severity = match goal {
            Goal::OnAir(severity) | Goal::Recorded(severity) => severity,
            Goal::Gone => return self.remove(client).await,
        };
        let input = client.ensure_input(&self.input, Input::rtmp()).await?;
        client.ensure_asset(&self.asset, Asset::video("gs://bucket/slate.mp4")).await?;
        let attached =
            InputAttachment { key: "studio".to_owned(), input: input.name, ..Default::default() };
        let wanted = Channel {
            input_attachments: vec![attached],
            log_config: Some(LogConfig { log_severity: severity.into() }),
            ..channel()
        };
        client.ensure_channel(&self.channel, wanted).await?;
        let running = client.ensure_running(&self.channel).await?;
        assert_eq!(running.log_config.unwrap().log_severity(), severity);
        assert_ne!(running.streaming_state(), StreamingState::Stopped);
        if let Goal::Recorded(_) = goal {
            let session = DvrSession::of_manifest("main", [self.window]);
            client.ensure_dvr_session(&self.session, session).await?;
        }
        Ok(())
    }

    async fn remove(&self, client: &LivestreamClient) -> Result<(), Error> {
        match client.ensure_stopped(&self.channel).await {
            // An earlier run has removed it.
            Err(e) if e.is_not_found() => {}
            stopped => assert_eq!(stopped?.streaming_state(), StreamingState::Stopped),
        }
        client.ensure_absent(&self.session).await?;
        client.ensure_absent(&self.channel).await?;
        client.ensure_absent(&self.asset).await?;
        client.ensure_absent(&self.input).await
    }

    /// Runs until the crash or the end. Returns whether it crashed.
    async fn run_until(&self, crash: Crash, goal: Goal) -> bool {
        *self.crash.lock().unwrap() = crash;
        let crashed = tokio::select! {
            ended = self.run(&self.client, goal) => {
                ended.unwrap();
                false
            }
            () = self.dead.notified() => true,
        };
        *self.crash.lock().unwrap() = Crash::Never;
        crashed
    }

    /// The number of accepted operations by verb and target.
    async fn operations(&self) -> BTreeMap<(String, String), usize> {
        let all = self.client.list_operations(&self.location).page_size(1000).items().collect();
        let mut counts = BTreeMap::new();
        for operation in all.await.unwrap() {
            let metadata = operation.metadata.unwrap();
            let metadata = OperationMetadata::decode(&*metadata.value).unwrap();
            *counts.entry((metadata.verb, metadata.target)).or_default() += 1;
        }
        counts
    }
}

/// Crashes at random points until a run ends. Returns the number of crashes.
async fn life(seed: u64) -> usize {
    let mut random = Rng::with_seed(seed);
    let world = World::new(&mut random);
    let mut crashes = 0;
    let goals = [Goal::OnAir(LogSeverity::Warning), Goal::Recorded(LogSeverity::Error), Goal::Gone];
    for goal in goals {
        loop {
            // Most runs are short, so that crashes come at every stage.
            let requests = random.usize(0..16);
            let crash = match random.bool() {
                true => Crash::BeforeRequest(requests),
                false => Crash::AfterRequest(requests),
            };
            let is_alone = random.bool();
            let second = async {
                if !is_alone {
                    world.run(&world.other, goal).await.unwrap();
                }
            };
            let (crashed, ()) = tokio::join!(world.run_until(crash, goal), second);
            if !crashed {
                break;
            }
            crashes += 1;
        }
        let before = world.log.mutations();
        assert!(!world.run_until(Crash::Never, goal).await);
        assert_eq!(world.log.mutations(), before, "seed {seed}: another run changes nothing");
    }
    let [input, asset] = [world.input.as_str(), world.asset.as_str()];
    let [channel, session] = [world.channel.as_str(), world.session.as_str()];
    let mut expected = BTreeMap::new();
    for name in [input, asset, channel, session] {
        expected.extend([("create", name), ("delete", name)].map(|operation| (operation, 1)));
    }
    expected.extend(["start", "update", "stop"].map(|verb| ((verb, channel), 1)));
    let found = world.operations().await;
    let found = found.iter().map(|((verb, name), count)| ((&**verb, &**name), *count));
    assert_eq!(found.collect::<BTreeMap<_, _>>(), expected, "seed {seed}");
    crashes
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_crashes_at_any_request_converges_and_repeats_no_operation() {
    let wanted = env::var("ENSURE_CRASHES").map_or(CRASHES, |count| count.parse().unwrap());
    let (mut crashes, mut seed) = (0, 0);
    while crashes < wanted {
        crashes += life(seed).await;
        seed += 1;
    }
    println!("{crashes} crashes in {seed} lives");
}
