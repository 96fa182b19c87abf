//! What the service knows: which requests it has read whole, which it has carried out, and the state of
//! its resources.

use crate::{trace::Trace, wire::Ledger};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How long the service remembers a request id.
const REMEMBERS: Duration = Duration::from_secs(60 * 60);

/// What the service knows of one logical request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Known {
    pub(crate) read: u32,
    pub(crate) carried_out: u32,
}

/// The service's memory, which outlasts a crash. Clones share it.
#[derive(Clone)]
pub(crate) struct Truth {
    trace: Trace,
    ledger: Ledger,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Default)]
struct Memory {
    requests: BTreeMap<String, Known>,
    /// The request ids, with the time at which they were carried out, and the operation.
    ids: BTreeMap<String, (Instant, usize)>,
    operations: Vec<Operation>,
    channels: BTreeMap<String, Schedule>,
    calls: BTreeMap<String, Limits>,
    /// When the attempts were sent that have arrived.
    sent: BTreeMap<String, Vec<Instant>>,
    /// The last attempt that the service asked not to repeat for a while, and the wait.
    pushbacks: BTreeMap<String, (Attempt, Duration)>,
    /// The retries that have arrived, by the name of the resource and the number of the attempt.
    retries: BTreeSet<(String, u32)>,
    successes: u32,
    tokens: BTreeSet<String>,
}

/// A long-running operation.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) resource: String,
    pub(crate) done_at: Instant,
}

/// When a channel begins to start, when it streams, and when it is deleted, if it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    pub(crate) starts_at: Instant,
    pub(crate) streams_at: Instant,
    pub(crate) deleted_at: Option<Instant>,
}

impl Schedule {
    pub(crate) fn is_deleted(&self) -> bool {
        self.deleted_at.is_some_and(|at| at <= Instant::now())
    }
}

/// The limits of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) begun: Instant,
    pub(crate) deadline: Instant,
    /// Whether an attempt may end, unseen by the service, before the call does.
    pub(crate) has_attempt_limit: bool,
    pub(crate) attempts: u32,
}

/// An attempt, as the service sees it.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) resource: String,
    pub(crate) connection: u64,
    pub(crate) stream: u32,
    /// When the client sent it, if that is known.
    pub(crate) sent_at: Option<Instant>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) previous: u32,
    pub(crate) token: Option<String>,
}

impl Truth {
    pub(crate) fn new(trace: Trace, ledger: Ledger) -> Self {
        Self { trace, ledger, memory: Arc::default() }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The record of the request for this resource.
    pub(crate) fn known(&self, resource: &str) -> Known {
        self.memory().requests.get(resource).copied().unwrap_or_default()
    }

    pub(crate) fn limit(&self, resource: &str, limits: Limits) {
        self.memory().calls.insert(resource.to_owned(), limits);
    }

    /// A request was read whole. Checks that the client was allowed to send it.
    pub(crate) fn read(&self, attempt: &Attempt) {
        let Attempt { resource, sent_at, timeout, previous, token, .. } = attempt;
        let mut memory = self.memory();
        memory.requests.entry(resource.clone()).or_default().read += 1;
        memory.sent.entry(resource.clone()).or_default().extend(sent_at);
        if *previous > 0 {
            memory.retries.insert((resource.clone(), *previous));
        }
        let is_fresh = token.as_ref().is_none_or(|token| memory.tokens.insert(token.clone()));
        self.trace.require(is_fresh, "a fresh token for each attempt", || resource.clone());
        let Some(limits) = memory.calls.get(resource).copied() else { return };
        let pause = memory.pushbacks.get(resource).and_then(|pushback| {
            // The client may have given up an earlier attempt before it was answered.
            let (pushed, wait) = pushback;
            let sent = memory.sent.get(resource)?;
            let is_next =
                sent.iter().filter(|at| Some(**at) < *sent_at).max() == pushed.sent_at.as_ref();
            let answered = self.ledger.answered_at(pushed.connection, pushed.stream)?;
            is_next.then(|| answered..answered + *wait)
        });
        drop(memory);
        // The network may deliver a request late that was sent before the answer to another.
        let is_early = pause.zip(*sent_at).is_some_and(|(pause, sent_at)| pause.contains(&sent_at));
        self.trace.require(!is_early || limits.has_attempt_limit, "pushback", || resource.clone());
        let deadline = self.trace.reachable(limits.deadline);
        // At the end of a jump, what was on its way is sent before any timer fires.
        let is_late =
            sent_at.is_some_and(|at| at >= limits.deadline && at != deadline || at > deadline);
        self.trace.require(!is_late, "nothing is sent after the deadline", || resource.clone());
        // The client counts from the beginning of the attempt, before it has a token and a connection.
        let is_within = timeout.is_none_or(|timeout| timeout <= limits.deadline - limits.begun);
        self.trace.require(is_within, "grpc-timeout within the deadline", || resource.clone());
        self.trace.require(*previous < limits.attempts, "attempts", || {
            format!("attempt {} of {} of {resource}", previous + 1, limits.attempts)
        });
    }

    /// The service asks for no further attempt at this call within this time.
    pub(crate) fn push_back(&self, attempt: &Attempt, wait: Duration) {
        self.memory().pushbacks.insert(attempt.resource.clone(), (attempt.clone(), wait));
    }

    /// Carries a request out, unless it is a repeat. Returns the number of its operation, and whether
    /// it is new.
    ///
    /// A repeat is judged by when it was sent, so that the network's delays are nobody's fault.
    pub(crate) fn carry_out(&self, attempt: &Attempt, id: &str, takes: Duration) -> (usize, bool) {
        let mut memory = self.memory();
        let known = memory.ids.get(id).filter(|_| !id.is_empty());
        if let Some((at, operation)) = known
            && attempt.sent_at.is_none_or(|sent_at| sent_at < *at + REMEMBERS)
        {
            return (*operation, false);
        }
        let (now, number) = (Instant::now(), memory.operations.len());
        let resource = attempt.resource.clone();
        memory.requests.entry(resource.clone()).or_default().carried_out += 1;
        memory.operations.push(Operation { resource, done_at: now + takes });
        memory.ids.insert(id.to_owned(), (now, number));
        (number, true)
    }

    pub(crate) fn operation(&self, number: usize) -> Option<Operation> {
        self.memory().operations.get(number).cloned()
    }

    /// The operation that this request started.
    pub(crate) fn operation_of(&self, resource: &str) -> Option<Operation> {
        self.memory().operations.iter().find(|it| it.resource == resource).cloned()
    }

    pub(crate) fn operations(&self) -> usize {
        self.memory().operations.len()
    }

    pub(crate) fn add_channel(&self, name: String, schedule: Schedule) {
        self.memory().channels.insert(name, schedule);
    }

    pub(crate) fn channel(&self, name: &str) -> Option<Schedule> {
        self.memory().channels.get(name).copied()
    }

    /// The names of the channels that exist.
    pub(crate) fn channels(&self) -> Vec<String> {
        let memory = self.memory();
        let there = memory.channels.iter().filter(|(_, schedule)| !schedule.is_deleted());
        there.map(|(name, _)| name.clone()).collect()
    }

    /// The service has answered a call with OK.
    pub(crate) fn succeed(&self) {
        self.memory().successes += 1;
    }

    /// The retries that have arrived, and the calls that may have succeeded.
    pub(crate) fn retries(&self) -> (usize, u32) {
        let memory = self.memory();
        (memory.retries.len(), memory.successes)
    }
}
