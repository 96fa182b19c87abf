//! Who waits for which operation, and when each operation was last heard of.

use super::super::state::Started;
use crate::{
    gax::{error::Error, name::OperationName, planted::planted},
    proto::google::longrunning,
};
use prost_types::Any;
use std::{
    collections::BTreeMap,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};

/// A task that has not shown itself for this long is on a runtime that nobody drives. Each waiter looks
/// as often, and there may be thousands of them.
pub(super) const PARKED: Duration = Duration::from_secs(60);

/// The waiters of one location.
#[derive(Default)]
pub(super) struct Waiters {
    state: Mutex<State>,
    /// Notified when a waiter joins, and when the last one leaves.
    pub(super) wake: Notify,
}

#[derive(Default)]
struct State {
    /// By their names without the project: the service may say the project's number although the
    /// caller said its id. In order, so that a simulation can repeat a run.
    operations: BTreeMap<String, Awaited>,
    /// The task that polls, if there is one.
    poller: Option<Poller>,
    /// The number of tasks so far.
    pollers: u64,
    /// The error of the last poll, if it failed.
    last_poll_error: Option<Error>,
}

/// The task that polls: its number, and when it last showed that its runtime is being driven.
#[derive(Clone, Copy)]
struct Poller {
    number: u64,
    seen: Instant,
}

struct Awaited {
    name: OperationName,
    /// The tick in which the service last told of the operation.
    heard: u64,
    /// The metadata by which the waiters' requests were checked.
    metadata: Option<Any>,
    waiters: Vec<Waiter>,
}

struct Waiter {
    outcome: oneshot::Sender<Outcome>,
    /// The request that is said to have started the operation, until that is checked.
    request: Option<Started>,
}

/// The operation once it is done, or why it cannot be waited for.
pub(super) type Outcome = Result<longrunning::Operation, Error>;

/// A place among the waiters, given up when it is dropped.
pub(super) struct Joined<'a> {
    waiters: &'a Waiters,
    name: &'a OperationName,
    pub(super) outcome: oneshot::Receiver<Outcome>,
}

impl Waiters {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the waiters of an operation, which this request is said to have started. If no task polls
    /// for them yet, the caller starts one with the number.
    pub(super) fn join<'a>(
        &'a self,
        name: &'a OperationName,
        request: Option<Started>,
    ) -> (Joined<'a>, Option<u64>) {
        let (sender, outcome) = oneshot::channel();
        let new = {
            let mut state = self.state();
            let key = without_project(name.as_str()).to_owned();
            let awaited = state.operations.entry(key).or_insert_with(|| Awaited {
                name: name.clone(),
                heard: 0,
                metadata: None,
                waiters: Vec::with_capacity(1),
            });
            awaited.waiters.push(Waiter { outcome: sender, request });
            state.poller.is_none().then(|| state.begin())
        };
        self.wake.notify_one();
        (Joined { waiters: self, name, outcome }, new)
    }

    /// Replaces the task that polls if its runtime has not been driven for a while. The caller starts
    /// one with the number.
    pub(super) fn take_over(&self) -> Option<u64> {
        let mut state = self.state();
        let is_parked = state.poller.is_some_and(|poller| poller.seen.elapsed() >= PARKED);
        let new = is_parked.then(|| state.begin());
        if new.is_some() {
            // The next notification is for the new task.
            self.wake.notify_waiters();
        }
        new
    }

    /// The runtime of the task with this number is being driven.
    pub(super) fn show(&self, number: u64) {
        if let Some(poller) = self.state().poller.as_mut().filter(|it| it.number == number) {
            poller.seen = Instant::now();
        }
    }

    /// Whether anybody waits for the task with this number. If not, the next one who joins starts a
    /// new task.
    pub(super) fn keep_polling(&self, number: u64) -> bool {
        let mut state = self.state();
        let is_current = state.is_current(number);
        if is_current && state.operations.is_empty() {
            state.poller = None;
        }
        is_current && state.poller.is_some()
    }

    /// The task with this number has ended: those who wait must start another.
    pub(super) fn abandon(&self, number: u64) {
        let mut state = self.state();
        if state.is_current(number) {
            state.poller = None;
            state.operations.clear();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state().operations.is_empty()
    }

    /// The number of operations that are waited for.
    pub(super) fn len(&self) -> usize {
        self.state().operations.len()
    }

    /// How many operations the service has not told of in this tick.
    pub(super) fn unheard(&self, tick: u64) -> usize {
        self.state().operations.values().filter(|awaited| awaited.heard < tick).count()
    }

    /// The operations unheard in this tick, the longest unheard first.
    pub(super) fn longest_unheard(&self, tick: u64, max: usize) -> Vec<OperationName> {
        let state = self.state();
        let unheard = state.operations.values().filter(|awaited| awaited.heard < tick);
        let mut unheard: Vec<_> = unheard.collect();
        unheard.sort_by_key(|awaited| awaited.heard);
        unheard.into_iter().take(max).map(|awaited| awaited.name.clone()).collect()
    }

    /// Whether the metadata of an operation is needed, to check which request started it.
    pub(super) fn need_metadata(&self) -> bool {
        self.state().operations.values().any(Awaited::is_unchecked)
    }

    /// Records the state of an operation. Returns whether it was waited for and unheard in this tick.
    ///
    /// A state without its metadata tells nothing if a waiter's request is unchecked.
    pub(super) fn hear(
        &self,
        name: &str,
        mut operation: longrunning::Operation,
        tick: u64,
        has_metadata: bool,
    ) -> bool {
        let key = without_project(name);
        let mut state = self.state();
        state.last_poll_error = None;
        let Some(awaited) = state.operations.get_mut(key) else { return false };
        if awaited.is_unchecked() {
            if !has_metadata {
                return false;
            }
            awaited.check(&operation);
        }
        let is_news = mem::replace(&mut awaited.heard, tick) < tick;
        if awaited.waiters.is_empty() {
            state.operations.remove(key);
        } else if operation.done {
            operation.metadata = operation.metadata.or_else(|| awaited.metadata.take());
            state.end(key, &Ok(operation));
        }
        is_news
    }

    /// Records that the service could not tell of an operation in this tick, and why.
    pub(super) fn postpone(&self, name: &OperationName, tick: u64, error: Error) {
        let mut state = self.state();
        state.last_poll_error = Some(error);
        if let Some(awaited) = state.operations.get_mut(without_project(name.as_str())) {
            awaited.heard = tick;
        }
    }

    /// Ends the waits for an operation with an error.
    pub(super) fn fail(&self, name: &OperationName, error: Error) {
        self.state().end(without_project(name.as_str()), &Err(error));
    }

    pub(super) fn last_poll_error(&self) -> Option<Error> {
        self.state().last_poll_error.clone()
    }
}

impl Awaited {
    fn is_unchecked(&self) -> bool {
        self.waiters.iter().any(|waiter| waiter.request.is_some())
    }

    /// Ends the waits of those that resumed the operation of another request.
    fn check(&mut self, operation: &longrunning::Operation) {
        self.metadata.clone_from(&operation.metadata);
        for waiter in mem::take(&mut self.waiters) {
            match waiter.request.map_or(Ok(()), |request| request.check(operation)) {
                Ok(()) => self.waiters.push(Waiter { request: None, ..waiter }),
                // A waiter that has left needs no error.
                Err(e) => drop(waiter.outcome.send(Err(e))),
            }
        }
    }
}

impl State {
    /// Makes way for a new task, and numbers it.
    fn begin(&mut self) -> u64 {
        self.pollers += 1;
        self.poller = Some(Poller { number: self.pollers, seen: Instant::now() });
        self.pollers
    }

    fn is_current(&self, number: u64) -> bool {
        self.poller.is_some_and(|poller| poller.number == number)
    }

    fn end(&mut self, key: &str, outcome: &Outcome) {
        planted!(
            "tells one waiter only",
            mem::forget(self.operations.get_mut(key).map(|awaited| awaited.waiters.split_off(1)))
        );
        for waiter in self.operations.remove(key).into_iter().flat_map(|awaited| awaited.waiters) {
            // A waiter that has left needs no outcome.
            let _ = waiter.outcome.send(outcome.clone());
        }
    }
}

impl Drop for Joined<'_> {
    fn drop(&mut self) {
        self.outcome.close();
        let mut state = self.waiters.state();
        let key = without_project(self.name.as_str());
        if let Some(awaited) = state.operations.get_mut(key) {
            awaited.waiters.retain(|waiter| !waiter.outcome.is_closed());
            if awaited.waiters.is_empty() {
                state.operations.remove(key);
            }
        }
        if state.operations.is_empty() {
            self.waiters.wake.notify_one();
        }
    }
}

/// The part of an operation's name that is the same whether it holds the project's id or its number.
fn without_project(name: &str) -> &str {
    name.split_once("/locations/").map_or(name, |(_, rest)| rest)
}
