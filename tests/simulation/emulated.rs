//! The emulator behind the simulated servers: programs create, start, stop and delete channels through
//! the same faults, and neither they nor the emulator may break a rule.

use crate::{
    grpc::frame,
    network::Network,
    tokens::Tokens,
    trace::Trace,
    wire::TICK,
    workload::{Settings, check_closed, check_idle},
};
use bytes::Bytes;
use http::{Request, request};
use http_body_util::{BodyExt, Full};
use livestream_client::{
    Call, Callable, Error, LivestreamClient,
    ladder::{Ladder, Rendition},
    model::{
        Channel, CreateChannelRequest, CreateInputRequest, DeleteChannelRequest,
        DeleteInputRequest, Input, ListChannelsRequest, ListInputsRequest, StartChannelRequest,
        StopChannelRequest, channel::StreamingState, input,
        livestream_service_client::LivestreamServiceClient, manifest::ManifestType,
    },
    name::{ChannelName, InputName, LocationName},
    policy::{Backoff, PollPolicy, Timeouts},
    proto::google::longrunning::Operation,
    rpc::Payload,
};
use livestream_emulator::{Emulator, EmulatorService};
use prost::Message;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tonic::{Code, Status, body::Body};
use tower::Service as _;

const START_OF_2026: Duration = Duration::from_secs(1_767_225_600);
const PARENT: &str = "projects/p/locations/us-central1";

/// An emulator, and what it has done so far. Clones share it.
#[derive(Clone)]
pub(crate) struct Emulated {
    emulator: Emulator,
    trace: Trace,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Default)]
struct Memory {
    /// The operation that each request id has started.
    started: BTreeMap<String, String>,
    /// The channels that have been told to start, and to stop, since they were looked at last.
    told: BTreeSet<(String, bool)>,
    /// The channels, and whether each was running, when they were looked at last.
    channels: BTreeMap<String, bool>,
}

impl Emulated {
    pub(crate) fn draw(rng: &mut fastrand::Rng, trace: &Trace) -> Self {
        let emulator = Emulator::builder()
            .epoch(SystemTime::UNIX_EPOCH + START_OF_2026)
            .speed(1)
            .seed(rng.u64(..))
            .every_latency(Duration::from_secs(rng.u64(..10)))
            .build();
        Self { emulator, trace: trace.clone(), memory: Arc::default() }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out a request, and looks at all resources afterwards.
    pub(crate) async fn answer(
        &self,
        head: &request::Parts,
        message: &Bytes,
    ) -> Result<Bytes, Code> {
        let mut request = Request::new(Body::new(Full::new(frame(message))));
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = head.uri.clone();
        *request.headers_mut() = head.headers.clone();
        let method = head.uri.path().rsplit('/').next().unwrap_or_default();
        let answered = self.emulator.service().call(request).await;
        let (head, body) = answered.unwrap_or_else(|never| match never {}).into_parts();
        let body = body.collect().await.expect("the answer of an emulator");
        let trailers = body.trailers().and_then(Status::from_header_map);
        let status = Status::from_header_map(&head.headers).or(trailers);
        let code = status.map_or(Code::Unknown, |status| status.code());
        self.trace.log("emulator", || format!("{method}: {code:?}"));
        let outcome = match code {
            Code::Ok => Ok(body.to_bytes().slice(5..)),
            code => Err(code),
        };
        if let Ok(answer) = &outcome {
            self.record(method, message, answer);
        }
        self.look().await;
        outcome
    }

    /// Remembers what a request has started. A repeat must start nothing else.
    fn record(&self, method: &str, message: &Bytes, answer: &Bytes) {
        let Some((name, id)) = mutation(method, message.clone()) else { return };
        let operation = Operation::decode(answer.clone()).expect("an operation").name;
        let mut memory = self.memory();
        if matches!(method, "StartChannel" | "StopChannel") {
            memory.told.insert((name, method == "StartChannel"));
        }
        let first = memory.started.entry(id.clone()).or_insert_with(|| operation.clone()).clone();
        drop(memory);
        let is_once = id.is_empty() || first == operation;
        self.trace.require(is_once, "one operation for a request id", || {
            format!("{method} {id} has started {first} and {operation}")
        });
    }

    /// Compares all resources with one another, and with those of the look before.
    async fn look(&self) {
        let (channels, inputs) = (self.channels().await, self.inputs().await);
        let mut memory = self.memory();
        let told = std::mem::take(&mut memory.told);
        for channel in &channels {
            let name = &channel.name;
            for attachment in &channel.input_attachments {
                let is_there = inputs.contains(&attachment.input);
                self.trace.require(is_there, "an input in use exists", || format!("{channel:?}"));
            }
            let was_running = memory.channels.get(name).copied().unwrap_or(false);
            let is_running = is_running(channel);
            let is_told = told.contains(&(name.clone(), is_running));
            self.trace.require(
                was_running == is_running || is_told,
                "a channel starts and stops when it is told to",
                || format!("{name}: {:?}", channel.streaming_state()),
            );
        }
        let now: BTreeMap<_, _> =
            channels.iter().map(|channel| (channel.name.clone(), is_running(channel))).collect();
        self.trace.require(now.len() == channels.len(), "names are unique", || format!("{now:?}"));
        for (name, was_running) in &memory.channels {
            let is_right =
                now.contains_key(name) || !was_running || told.contains(&(name.clone(), false));
            self.trace.require(is_right, "a running channel is not deleted", || name.clone());
        }
        memory.channels = now;
    }

    fn stub(&self) -> LivestreamServiceClient<EmulatorService> {
        LivestreamServiceClient::new(self.emulator.service())
    }

    async fn channels(&self) -> Vec<Channel> {
        let parent = PARENT.to_owned();
        let request = ListChannelsRequest { parent, page_size: 1_000, ..Default::default() };
        self.stub().list_channels(request).await.expect("a listing").into_inner().channels
    }

    async fn inputs(&self) -> BTreeSet<String> {
        let parent = PARENT.to_owned();
        let request = ListInputsRequest { parent, page_size: 1_000, ..Default::default() };
        let inputs = self.stub().list_inputs(request).await.expect("a listing").into_inner().inputs;
        inputs.into_iter().map(|input| input.name).collect()
    }

    fn has_started(&self, request_id: &str) -> bool {
        self.memory().started.contains_key(request_id)
    }
}

/// Whether the channel has begun to start, and not yet to stop.
fn is_running(channel: &Channel) -> bool {
    !matches!(channel.streaming_state(), StreamingState::Stopped | StreamingState::Stopping)
}

/// The resource of a mutation, and its request id.
fn mutation(method: &str, message: Bytes) -> Option<(String, String)> {
    macro_rules! read {
        ($request:ty, $name:ident) => {{
            let request = <$request>::decode(message).expect("a valid request");
            Some((request.$name, request.request_id))
        }};
    }
    match method {
        "CreateInput" => read!(CreateInputRequest, input_id),
        "CreateChannel" => read!(CreateChannelRequest, channel_id),
        "StartChannel" => read!(StartChannelRequest, name),
        "StopChannel" => read!(StopChannelRequest, name),
        "DeleteChannel" => read!(DeleteChannelRequest, name),
        "DeleteInput" => read!(DeleteInputRequest, name),
        _ => None,
    }
}

/// Runs several programs at once, and then one that nothing disturbs any more.
pub(crate) async fn run(
    rng: &mut fastrand::Rng,
    network: &Network,
    emulated: Emulated,
    tokens: Option<Tokens>,
    trace: &Trace,
) {
    let settings = Settings::draw(rng);
    trace.log("client", || format!("{settings:?}"));
    let client = settings.client(rng, network, tokens);
    let healing = tokio::spawn(network.clone().fail_and_heal());
    let mut programs = JoinSet::new();
    for number in 0..rng.usize(1..4) {
        let mut program = Program {
            client: client.clone(),
            emulated: emulated.clone(),
            trace: trace.clone(),
            has_request_ids: settings.has_request_ids,
            rng: rng.fork(),
            is_healed: false,
        };
        programs.spawn(async move {
            for round in 0..3 {
                // Whether a round is cut short is known to the round alone.
                let _ = program.round(&format!("c{number}-{round}")).await;
            }
            program
        });
    }
    let mut programs = programs.join_all().await;
    healing.await.expect("it ends");
    // Connections that began before are gone by then, and the longest reconnect backoff ends.
    sleep(Duration::from_secs(400)).await;
    let last = programs.last_mut().expect("a program");
    last.is_healed = true;
    let whole = last.round("healed").await;
    trace.require(whole.is_ok(), "a healed service carries out all", || "a step failed".into());
    drop(programs);
    sleep(Duration::from_secs(400)).await;
    check_idle(&client, trace);
    drop(client);
    check_closed(network, trace).await;
}

/// A program that makes channels and removes them.
struct Program {
    client: LivestreamClient,
    emulated: Emulated,
    trace: Trace,
    has_request_ids: bool,
    rng: fastrand::Rng,
    is_healed: bool,
}

/// A step that failed.
struct Failed {
    /// Whether the service may carry it out in spite of that, now or later.
    may_have_run: bool,
}

impl Program {
    /// The life of a channel. It ends early if it is not known what a step has done.
    async fn round(&mut self, id: &str) -> Result<(), Failed> {
        let location: LocationName = PARENT.parse().expect("a location");
        let (input, channel) = (location.input(id), location.channel(id));
        let (input, channel) = (input.expect("an input"), channel.expect("a channel"));
        let client = self.client.clone();

        self.step(client.create_input(&location, rtmp_input(), id)).await?;
        self.expect_input(&input, true).await;
        self.step(client.create_channel(&location, hd(&input), id)).await?;
        self.expect_channel(&channel, Some(false)).await;
        self.refused(client.delete_input(&input)).await?;
        for _ in 0..self.rng.usize(..3) {
            self.step(client.start_channel(&channel)).await?;
            self.expect_channel(&channel, Some(true)).await;
            self.refused(client.delete_channel(&channel)).await?;
            self.step(client.stop_channel(&channel)).await?;
            self.expect_channel(&channel, Some(false)).await;
        }
        self.step(client.delete_channel(&channel)).await?;
        self.expect_channel(&channel, None).await;
        self.step(client.delete_input(&input)).await?;
        self.expect_input(&input, false).await;
        Ok(())
    }

    /// Now and then, sends a request that the resources do not allow.
    async fn refused<R, T, M>(&mut self, call: Call<R>) -> Result<(), Failed>
    where
        R: Callable<Answer = livestream_client::Operation<T, M>> + 'static,
        T: Payload,
        M: Payload,
    {
        if self.rng.bool() {
            return Ok(());
        }
        let outcome = self.step(call).await;
        self.trace.require(outcome.is_err(), "what is not allowed is refused", || {
            R::METHOD.path().to_owned()
        });
        outcome.or_else(|failed| if failed.may_have_run { Err(failed) } else { Ok(()) })
    }

    /// Checks that the emulator has carried out what it acknowledged; `None` means that the channel
    /// does not exist.
    async fn expect_channel(&self, name: &ChannelName, is_running: Option<bool>) {
        let channels = self.emulated.channels().await;
        let found = channels.iter().find(|channel| channel.name == name.as_str());
        let is_right = found.map(self::is_running) == is_running;
        self.trace.require(is_right, "what is acknowledged was done", || format!("{name}"));
    }

    async fn expect_input(&self, name: &InputName, is_there: bool) {
        let is_right = self.emulated.inputs().await.contains(name.as_str()) == is_there;
        self.trace.require(is_right, "what is acknowledged was done", || format!("{name}"));
    }

    /// Sends a request, and waits for its operation.
    async fn step<R, T, M>(&mut self, call: Call<R>) -> Result<(), Failed>
    where
        R: Callable<Answer = livestream_client::Operation<T, M>> + 'static,
        T: Payload,
        M: Payload,
    {
        let limits = [1_000, 10_000, 60_000, 600_000];
        let total = if self.is_healed { 60_000 } else { limits[self.rng.usize(..limits.len())] };
        let mut timeouts = Timeouts::new(Duration::from_millis(total));
        if !self.is_healed && self.rng.u8(..4) == 0 {
            timeouts = timeouts.with_attempt(Duration::from_millis(self.rng.u64(1_000..10_000)));
        }
        let mut call = call.timeout(timeouts.total());
        if let Some(limit) = timeouts.attempt() {
            call = call.attempt_timeout(limit);
        }
        let path = R::METHOD.path();
        self.trace.log("call", || format!("{path} {timeouts:?}"));
        let is_dropped = !self.is_healed && self.rng.u8(..16) == 0;
        let patience = Duration::from_millis(self.rng.u64(..5_000));
        let begun = Instant::now();
        let sent = if is_dropped {
            match timeout(patience, call.send()).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    self.trace.log("dropped", || path.to_owned());
                    return Err(Failed { may_have_run: true });
                }
            }
        } else {
            call.send().await
        };
        let is_late = Instant::now() > self.trace.reachable(begun + timeouts.total()) + TICK;
        self.trace.require(!is_late, "deadline", || format!("{path} {:?}", begun.elapsed()));
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(20), 1.5);
        let outcome = match sent {
            Ok(operation) => {
                let poll = PollPolicy::new(backoff, Duration::from_secs(3_600));
                operation.poll_policy(poll).wait().await.map(drop)
            }
            Err(error) => {
                // Requests that are on their way arrive meanwhile.
                sleep(Duration::from_secs(100)).await;
                self.check_unsent(&error);
                Err(error)
            }
        };
        match outcome {
            Ok(()) => {
                self.trace.log("answered", || path.to_owned());
                Ok(())
            }
            Err(error) => {
                self.trace.log("failed", || format!("{path}: {:?}", error.code()));
                self.check_code(&error);
                Err(Failed { may_have_run: error.may_have_run() })
            }
        }
    }

    /// An error that says that its request cannot have run is right.
    fn check_unsent(&self, error: &Error) {
        let Some(id) = error.request_id().filter(|_| !error.may_have_run()) else { return };
        let is_right = !self.emulated.has_started(id);
        self.trace.require(is_right, "an error tells whether it may have run", || {
            format!("{id} has started an operation, despite {error:?}")
        });
    }

    /// No step creates what exists or changes what does not exist, so no request that was carried out may
    /// seem to be a second one.
    fn check_code(&self, error: &Error) {
        let is_repeated = matches!(error.code(), Code::AlreadyExists | Code::NotFound);
        self.trace.require(!is_repeated, "a retry is no second request", || format!("{error:?}"));
        let is_unexpected = matches!(error.code(), Code::Internal | Code::DataLoss | Code::Unknown);
        self.trace
            .require(!is_unexpected, "no other errors than the service's", || format!("{error:?}"));
        let has_id = error.operation().is_some() || error.request_id().is_some();
        self.trace.require(
            has_id || !self.has_request_ids,
            "an error tells the request id",
            || format!("{error:?}"),
        );
    }
}

fn rtmp_input() -> Input {
    let mut input = Input::default();
    input.set_type(input::Type::RtmpPush);
    input
}

fn hd(input: &InputName) -> Channel {
    Ladder::of([Rendition::new(1280, 720, 30.0, 3_000_000)])
        .channel("gs://bucket/channel")
        .input("camera", input)
        .manifests([ManifestType::Hls])
        .segments(Duration::from_secs(2))
        .build()
        .expect("the ladder keeps the rules")
}
