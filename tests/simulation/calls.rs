//! One use of the client, and what must hold of it.

use crate::{
    server::{LISTED, LOCATION, Service},
    tokens::SECRET,
    trace::Trace,
    truth::{Known, Limits},
    wire::TICK,
    workload::{RECOVERY, Settings},
};
use livestream_client::{
    Error, LivestreamClient, SharedWaits, WatchEvent, Watches,
    model::{
        Channel, GetChannelRequest, ListChannelsRequest, PreviewInputRequest, StartChannelRequest,
        channel::StreamingState,
    },
    name::{ChannelName, LocationName},
    policy::{Backoff, PollPolicy, Timeouts},
    rpc::Rpc,
};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_stream::StreamExt;
use tonic::Code;

/// The time in which a healed service answers any request.
const ENOUGH: Duration = Duration::from_secs(4);

const NO_LIMIT: Duration = Duration::from_secs(365 * 86_400);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Read,
    Keyed,
    Unkeyed,
    /// An operation that is waited for by itself.
    Wait,
    /// An operation that is waited for together with others.
    SharedWait,
    /// An operation whose states are followed.
    Progress,
    List,
    Watch,
    /// A state that is waited for together with others.
    SharedWatch,
    /// The changes of all channels, until one of them streams or is deleted.
    Changes,
}

impl Kind {
    const fn is_single(self) -> bool {
        matches!(self, Self::Read | Self::Keyed | Self::Unkeyed)
    }

    /// Whether it is one request, or an operation.
    const fn is_request(self) -> bool {
        !matches!(self, Self::List | Self::Watch | Self::SharedWatch | Self::Changes)
    }
}

/// What the calls of a run share.
#[derive(Clone)]
pub(crate) struct Shared {
    client: LivestreamClient,
    waits: SharedWaits,
    watches: Watches<ChannelName>,
    service: Service,
    trace: Trace,
    attempts: u32,
    has_request_ids: bool,
    heals_at: Instant,
    /// Whether the faults outlast the memory of request ids.
    is_long: bool,
    /// The number of channels whose states can be watched.
    channels: usize,
    poll: PollPolicy,
}

impl Shared {
    pub(crate) fn new(
        rng: &mut fastrand::Rng,
        client: &LivestreamClient,
        service: &Service,
        trace: &Trace,
        settings: &Settings,
        (heals_at, is_long): (Instant, bool),
        channels: usize,
    ) -> Self {
        let location = LocationName::new("p", "l").expect("a name");
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(20), 1.5);
        let limit = Duration::from_secs([60, 1_800, 7_200][rng.usize(..3)]);
        let poll = PollPolicy::new(backoff, limit);
        Self {
            client: client.clone(),
            waits: client.shared_waits(&location),
            watches: client.watch_channels(&location).poll_policy(poll),
            service: service.clone(),
            trace: trace.clone(),
            attempts: settings.attempts,
            has_request_ids: settings.has_request_ids,
            heals_at,
            is_long,
            channels,
            poll,
        }
    }
}

pub(crate) struct Call {
    shared: Shared,
    name: String,
    kind: Kind,
    timeouts: Timeouts,
    page_size: i32,
    /// When the caller loses interest.
    dropped_after: Option<Duration>,
}

/// How a call ended.
#[derive(Debug)]
enum End {
    Answered,
    Channel(Box<Channel>),
    Listed(Vec<String>),
    Deleted,
    /// Nothing has happened in all that time, and whether the channel was ever seen.
    Quiet {
        was_seen: bool,
    },
}

impl Call {
    pub(crate) fn draw(number: u32, rng: &mut fastrand::Rng, shared: Shared) -> Self {
        const TOTALS: [u64; 8] = [0, 1, 100, 5_000, 30_000, 60_000, 600_000, 7_200_000];
        // In a long run, most calls would end before anything can be forgotten.
        let first = if shared.is_long { TOTALS.len() - 2 } else { 0 };
        let total = Duration::from_millis(TOTALS[rng.usize(first..TOTALS.len())]);
        let mut timeouts = Timeouts::new(total);
        if rng.bool() {
            timeouts = timeouts.with_attempt(Duration::from_millis(rng.u64(100..5_000)));
        }
        let kind = match rng.u8(..19) {
            0..3 => Kind::Read,
            3..6 => Kind::Keyed,
            6..9 => Kind::Unkeyed,
            9 => Kind::Wait,
            10..13 => Kind::SharedWait,
            13 => Kind::List,
            14 if shared.channels > 0 => Kind::Watch,
            15 if shared.channels > 0 => Kind::SharedWatch,
            16 if shared.channels > 0 => Kind::Changes,
            17 => Kind::Progress,
            _ => Kind::List,
        };
        let name = match kind {
            Kind::Unkeyed => format!("{LOCATION}/inputs/c{number}"),
            Kind::Watch | Kind::SharedWatch | Kind::Changes => {
                format!("{LOCATION}/channels/w{}", rng.usize(..shared.channels))
            }
            Kind::List => LISTED.to_owned(),
            _ => format!("{LOCATION}/channels/c{number}"),
        };
        let dropped_after = (rng.u8(..8) == 0).then(|| Duration::from_millis(rng.u64(..5_000)));
        Self { shared, name, kind, timeouts, page_size: rng.i32(0..4), dropped_after }
    }

    pub(crate) async fn run(self) {
        let Self { shared: Shared { trace, service, attempts, .. }, name, kind, timeouts, .. } =
            &self;
        trace.log("call", || format!("{kind:?} {name} {timeouts:?}"));
        let begun = Instant::now();
        let limits = Limits {
            begun,
            deadline: begun + timeouts.total(),
            has_attempt_limit: timeouts.attempt().is_some(),
            attempts: *attempts,
        };
        if kind.is_request() {
            service.truth.limit(name, limits);
        }
        let sending = self.send();
        let outcome = match self.dropped_after {
            Some(limit) => timeout(limit, sending).await,
            None => Ok(sending.await),
        };
        self.check_time(begun);
        match &outcome {
            Err(_) => trace.log("dropped", || name.clone()),
            Ok(Ok(_)) => trace.log("answered", || name.clone()),
            Ok(Err(error)) => trace.log("failed", || {
                let (code, attempts) = (error.code(), error.attempts());
                format!("{name}: {code:?} after {attempts}: {}", error.message())
            }),
        }
        // Requests that are on their way arrive meanwhile.
        sleep(Duration::from_secs(100)).await;
        let Ok(outcome) = outcome else { return self.check_count() };
        match outcome {
            Ok(end) => self.check_end(end),
            Err(error) => self.check_error(&error),
        }
    }

    async fn send(&self) -> Result<End, Error> {
        let Shared { client, waits, watches, poll, .. } = &self.shared;
        let name = self.name.clone();
        let answered = |()| End::Answered;
        match self.kind {
            Kind::Read => {
                self.timed(client.call(GetChannelRequest { name })).await.map(drop).map(answered)
            }
            Kind::Keyed => {
                let request = StartChannelRequest { name, ..Default::default() };
                self.timed(client.call(request)).await.map(drop).map(answered)
            }
            Kind::Unkeyed => {
                self.timed(client.call(PreviewInputRequest { name })).await.map(drop).map(answered)
            }
            Kind::Wait | Kind::SharedWait | Kind::Progress => {
                let request = StartChannelRequest { name, ..Default::default() };
                let operation = self.timed(client.call(request)).await?.poll_policy(*poll);
                let mut operation = operation;
                let waited = match self.kind {
                    Kind::Wait => operation.wait().await,
                    Kind::Progress => {
                        let mut steps = operation.progress();
                        loop {
                            let step = steps.next().await.expect("a stream ends with a result")?;
                            if let Some(result) = step.result {
                                break Ok(result);
                            }
                        }
                    }
                    // The same operation twice, as two parts of a program may wait for it.
                    _ => {
                        let waits = [operation.clone(), operation].map(|it| waits.wait(it));
                        let [one, two] = waits;
                        let (one, two) = tokio::join!(biased; one, two);
                        one.and(two)
                    }
                };
                waited.map(drop).map(answered)
            }
            Kind::List => {
                let request = ListChannelsRequest { parent: name, ..Default::default() };
                let items = self.timed(client.call(request)).page_size(self.page_size).items();
                let items = items.read_ahead(self.page_size % 2 == 0).collect().await?;
                Ok(End::Listed(items.into_iter().map(|channel| channel.name).collect()))
            }
            Kind::Watch | Kind::SharedWatch => {
                let name: ChannelName = name.parse().expect("a channel");
                let wanted = StreamingState::Streaming;
                let reached = match self.kind {
                    Kind::Watch => client.wait_until_with(&name, wanted, *poll).await,
                    _ => watches.wait_until(&name, wanted).await,
                };
                reached.map(|channel| End::Channel(channel.into()))
            }
            Kind::Changes => self.follow().await,
        }
    }

    async fn follow(&self) -> Result<End, Error> {
        let Shared { watches, service, heals_at, .. } = &self.shared;
        let mut changes = watches.changes();
        let schedule = service.truth.channel(&self.name).expect("it is scheduled");
        let happens_at = schedule.deleted_at.unwrap_or(schedule.streams_at);
        let until = happens_at.max(*heals_at).max(Instant::now()) + RECOVERY / 2;
        let mut was_seen = false;
        loop {
            let Ok(change) = timeout_at(until, changes.next()).await else {
                return Ok(End::Quiet { was_seen });
            };
            match change.expect("a stream ends with an error")? {
                WatchEvent::Changed(channel) if channel.name == self.name => {
                    was_seen = true;
                    let is_met = channel.streaming_state() == StreamingState::Streaming;
                    if is_met && schedule.deleted_at.is_none() {
                        return Ok(End::Channel(channel.into()));
                    }
                }
                WatchEvent::Deleted(name) if name.as_str() == self.name => return Ok(End::Deleted),
                _ => {}
            }
        }
    }

    fn timed<R: Rpc>(&self, call: livestream_client::Call<R>) -> livestream_client::Call<R> {
        let call = call.timeout(self.timeouts.total());
        match self.timeouts.attempt() {
            Some(limit) => call.attempt_timeout(limit),
            None => call,
        }
    }

    /// No call outlives its deadline, and none waits for long once nothing fails any more.
    fn check_time(&self, begun: Instant) {
        let Self { shared, name, kind, timeouts, .. } = self;
        let Shared { service, trace, heals_at, poll, .. } = shared;
        let now = Instant::now();
        let (total, waits) = (timeouts.total(), poll.limit());
        let pages = u32::try_from(service.faults().listed).expect("few") + 1;
        let limit = match kind {
            Kind::Read | Kind::Keyed | Kind::Unkeyed => total,
            Kind::Wait | Kind::SharedWait | Kind::Progress => total + waits,
            Kind::List => total * pages,
            Kind::Watch | Kind::SharedWatch => waits,
            Kind::Changes => NO_LIMIT,
        };
        let took = now - begun;
        // A jump can end one request of several late, and the next one begins late then.
        let jumped = if kind.is_single() { Duration::ZERO } else { trace.jumped_since(begun) };
        let is_late = now > trace.reachable(begun + limit) + jumped + TICK;
        trace.require(!is_late, "deadline", || format!("{name} took {took:?}"));
        let ready_at = match kind {
            Kind::Watch | Kind::SharedWatch | Kind::Changes => {
                let schedule = service.truth.channel(name).expect("it is scheduled");
                Some(schedule.deleted_at.unwrap_or(schedule.streams_at).max(schedule.streams_at))
            }
            _ => service.truth.operation_of(name).map(|it| it.done_at),
        };
        let recovers_by = begun.max(*heals_at).max(ready_at.unwrap_or(begun)) + RECOVERY;
        let can_succeed = timeouts.attempt().is_none_or(|limit| limit >= ENOUGH);
        trace.require(now <= recovers_by || !can_succeed, "recovery", || {
            format!("{name} ended {:?} after that", now - recovers_by)
        });
    }

    /// No mutation is carried out twice.
    fn check_count(&self) {
        let Self { shared: Shared { service, trace, .. }, name, .. } = self;
        let Known { carried_out, .. } = service.truth.known(name);
        trace.require(carried_out <= 1, "at most once", || {
            format!("{name} was carried out {carried_out} times")
        });
    }

    fn check_end(&self, end: End) {
        self.check_count();
        let Self { shared: Shared { service, trace, .. }, name, kind, .. } = self;
        let Known { carried_out, read } = service.truth.known(name);
        match end {
            End::Answered if *kind == Kind::Read => {
                trace.require(read > 0, "what is acknowledged was done", || name.clone());
            }
            End::Answered => {
                trace.require(carried_out > 0, "what is acknowledged was done", || name.clone());
            }
            End::Deleted => {
                let schedule = service.truth.channel(name);
                let is_deleted = schedule.is_some_and(|it| it.is_deleted());
                trace.require(is_deleted, "only a deleted channel is reported so", || name.clone());
            }
            End::Quiet { was_seen } => {
                trace.require(!was_seen, "a change is reported", || name.clone());
            }
            End::Listed(names) => {
                let listed = service.faults().listed;
                let all = (0..listed).map(|it| format!("{LISTED}/channels/l{it}"));
                trace.require(all.eq(names.iter().cloned()), "a listing is whole", || {
                    format!("{names:?} of {listed}")
                });
            }
            End::Channel(channel) => {
                let is_met = channel.streaming_state() == StreamingState::Streaming;
                trace.require(
                    is_met && channel.name == *name,
                    "a wait ends with its state",
                    || format!("{channel:?}"),
                );
            }
        }
    }

    /// The promises of an error, compared with what the service knows.
    fn check_error(&self, error: &Error) {
        self.check_count();
        let Self { shared, name, kind, .. } = self;
        let Shared { service, trace, attempts, has_request_ids, .. } = shared;
        let Known { read, carried_out } = service.truth.known(name);
        let shown = format!("{error:?}");
        trace.require(!shown.contains(SECRET), "no error shows a token", || name.clone());
        trace.require(error.attempts() <= *attempts, "attempts", || {
            format!("{} of {attempts} for {name}", error.attempts())
        });
        let is_unexpected = matches!(error.code(), Code::Internal | Code::DataLoss | Code::Unknown)
            || error.is_invalid_request();
        trace
            .require(!is_unexpected, "no other errors than the service's", || format!("{error:?}"));
        let schedule = service.truth.channel(name);
        let is_there = schedule.is_some_and(|schedule| !schedule.is_deleted());
        trace.require(
            !is_there || error.code() != Code::NotFound,
            "only a deleted channel is reported so",
            || format!("{error:?}"),
        );
        let is_id_known = error.request_id().is_some() == *has_request_ids;
        let is_start = *kind == Kind::Keyed;
        trace.require(!is_start || is_id_known, "an error tells the request id", || shown.clone());
        if error.may_have_run() || !matches!(kind, Kind::Keyed | Kind::Unkeyed) {
            return;
        }
        trace.require(carried_out == 0, "an error tells whether it may have run", || {
            format!("{name} ran, despite {error:?}")
        });
        let is_lost = matches!(error.code(), Code::Unavailable | Code::DeadlineExceeded);
        trace.require(read == 0 || !is_lost, "an error tells whether it may have run", || {
            format!("{name} was read, despite {error:?}")
        });
    }
}
