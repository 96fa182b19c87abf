//! Who waits for which operation, and when each operation was last heard of.

use crate::{
    gax::{error::Error, name::OperationName},
    proto::google::longrunning,
};
use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::{Hash, Hasher},
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{Notify, oneshot};

/// The waiters of one location.
#[derive(Default)]
pub(super) struct Waiters {
    state: Mutex<State>,
    /// Notified when a waiter joins, and when the last one leaves.
    pub(super) wake: Notify,
}

#[derive(Default)]
struct State {
    operations: HashMap<Key, Awaited>,
    is_polling: bool,
    /// The error of the last poll, if it failed.
    last_poll_error: Option<Error>,
}

struct Awaited {
    /// The tick in which the service last told of the operation.
    heard: u64,
    waiters: Vec<oneshot::Sender<Outcome>>,
}

/// The operation once it is done, or why it cannot be waited for.
pub(super) type Outcome = Result<longrunning::Operation, Error>;

/// An operation's name, compared without its project: the service may say the project's number
/// although the caller said its id.
struct Key(OperationName);

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

    /// Joins the waiters of an operation, and says whether a task polls for them already.
    pub(super) fn join<'a>(&'a self, name: &'a OperationName) -> (Joined<'a>, bool) {
        let (sender, outcome) = oneshot::channel();
        let is_polling = {
            let mut state = self.state();
            let awaited = state
                .operations
                .entry(Key(name.clone()))
                .or_insert_with(|| Awaited { heard: 0, waiters: Vec::with_capacity(1) });
            awaited.waiters.push(sender);
            mem::replace(&mut state.is_polling, true)
        };
        self.wake.notify_one();
        (Joined { waiters: self, name, outcome }, is_polling)
    }

    /// Whether anybody waits. If not, the next one who joins starts a new task.
    pub(super) fn keep_polling(&self) -> bool {
        let mut state = self.state();
        state.is_polling = !state.operations.is_empty();
        state.is_polling
    }

    /// The task that polls has ended: those who wait must start another.
    pub(super) fn abandon(&self) {
        let mut state = self.state();
        state.is_polling = false;
        state.operations.clear();
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
        let unheard = state.operations.iter().filter(|(_, awaited)| awaited.heard < tick);
        let mut unheard: Vec<_> = unheard.map(|(key, awaited)| (awaited.heard, &key.0)).collect();
        unheard.sort_by_key(|(heard, _)| *heard);
        unheard.into_iter().take(max).map(|(_, name)| name.clone()).collect()
    }

    /// Records the state of an operation. Returns whether it was waited for and unheard in this tick.
    pub(super) fn hear(&self, name: &str, operation: longrunning::Operation, tick: u64) -> bool {
        let key = without_project(name);
        let mut state = self.state();
        state.last_poll_error = None;
        let Some(awaited) = state.operations.get_mut(key) else { return false };
        let is_news = mem::replace(&mut awaited.heard, tick) < tick;
        if operation.done {
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

impl State {
    fn end(&mut self, key: &str, outcome: &Outcome) {
        for waiter in self.operations.remove(key).into_iter().flat_map(|awaited| awaited.waiters) {
            // A waiter that has left needs no outcome.
            let _ = waiter.send(outcome.clone());
        }
    }
}

impl Drop for Joined<'_> {
    fn drop(&mut self) {
        self.outcome.close();
        let mut state = self.waiters.state();
        let key = without_project(self.name.as_str());
        if let Some(awaited) = state.operations.get_mut(key) {
            awaited.waiters.retain(|waiter| !waiter.is_closed());
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

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        without_project(self.0.as_str())
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        let (own, other): (&str, &str) = (self.borrow(), other.borrow());
        own == other
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let text: &str = self.borrow();
        text.hash(state);
    }
}
