//! Timers: the changes that the emulated service makes by itself later, in the order of time.
//!
//! No task runs in the background: a change waits here until virtual time has reached it. The
//! changes are closures over a type parameter, so that this file depends on no state.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::SystemTime,
};

/// Identifies a scheduled change. The number orders the changes of one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TimerKey(SystemTime, u64);

/// A change of the state `S`.
pub(super) type Change<S> = Arc<dyn Fn(&mut S) + Send + Sync>;

/// The changes of a state `S` that are still to come.
#[derive(Clone)]
pub(super) struct Timers<S> {
    changes: BTreeMap<TimerKey, Change<S>>,
    /// The one change that a resource makes by itself next, by resource name.
    next: HashMap<String, TimerKey>,
    last: u64,
}

impl<S> Timers<S> {
    pub(super) fn new() -> Self {
        Self { changes: BTreeMap::new(), next: HashMap::new(), last: 0 }
    }

    /// Schedules a change.
    pub(super) fn schedule(&mut self, time: SystemTime, change: Change<S>) -> TimerKey {
        self.last += 1;
        let key = TimerKey(time, self.last);
        self.changes.insert(key, change);
        key
    }

    /// Removes a change. Does nothing if it has happened already.
    pub(super) fn cancel(&mut self, key: TimerKey) {
        self.changes.remove(&key);
    }

    /// Sets the next change of a resource, in place of the one that was set before.
    pub(super) fn set_next(&mut self, name: &str, time: SystemTime, change: Change<S>) {
        let key = self.schedule(time, change);
        if let Some(earlier) = self.next.insert(name.to_owned(), key) {
            self.cancel(earlier);
        }
    }

    /// Removes the next change of a resource.
    pub(super) fn clear_next(&mut self, name: &str) {
        if let Some(key) = self.next.remove(name) {
            self.cancel(key);
        }
    }

    /// Takes the first change that is due, with its time.
    pub(super) fn pop_due(&mut self, now: SystemTime) -> Option<(SystemTime, Change<S>)> {
        let first = self.changes.first_entry().filter(|first| first.key().0 <= now)?;
        let (TimerKey(time, _), change) = first.remove_entry();
        Some((time, change))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    type Log = Vec<&'static str>;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn write(text: &'static str) -> Change<Log> {
        Arc::new(move |log: &mut Log| log.push(text))
    }

    fn run(timers: &mut Timers<Log>, now: u64) -> Log {
        let mut log = Log::new();
        while let Some((_, change)) = timers.pop_due(at(now)) {
            change(&mut log);
        }
        log
    }

    #[test]
    fn changes_happen_in_the_order_of_time_and_of_scheduling() {
        let mut timers = Timers::new();
        timers.schedule(at(3), write("c"));
        timers.schedule(at(1), write("a"));
        timers.schedule(at(1), write("b"));
        let cancelled = timers.schedule(at(2), write("cancelled"));
        timers.cancel(cancelled);
        assert_eq!(run(&mut timers, 2), ["a", "b"]);
        assert_eq!(run(&mut timers, 3), ["c"]);
    }

    #[test]
    fn a_resource_has_one_next_change() {
        let mut timers = Timers::new();
        timers.set_next("channel", at(1), write("first"));
        timers.set_next("channel", at(2), write("second"));
        timers.set_next("input", at(1), write("other"));
        timers.set_next("asset", at(1), write("cleared"));
        timers.clear_next("asset");
        assert_eq!(run(&mut timers, 2), ["other", "second"]);
    }
}
