//! What a client remembers of its failed calls: the last ones, for diagnostics, and whether the
//! service keeps failing, for one warning a minute.
//!
//! A single failed call is no event for an operator: its caller gets the error. So the warning waits
//! until no call succeeds any more.

use crate::gax::policy::{Sent, Stop};
use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;
use tonic::Code;

/// The failures of one client.
#[derive(Debug, Default)]
pub(super) struct Health {
    /// Whether there is a streak, so that a success need not take the lock.
    is_failing: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    streak: Option<Streak>,
    warned: Option<Instant>,
    last: VecDeque<Failure>,
}

/// Calls that failed one after the other, with no answer between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Streak {
    pub(super) calls: u32,
    /// When the first of them began.
    pub(super) since: Instant,
}

/// A call that failed.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) method: String,
    pub(super) code: Code,
    pub(super) attempts: u32,
    pub(super) begun: Instant,
    pub(super) ended: Instant,
    pub(super) sent: Option<Sent>,
    pub(super) stop: Option<Stop>,
}

/// The maximum number of failures to remember.
const KEPT: usize = 16;
/// A service keeps failing if so many calls in a row have failed …
const CALLS: u32 = 3;
/// … or if no call has succeeded for this long.
const TIME: Duration = Duration::from_secs(30);
/// The minimum time between two warnings of one client.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(60);

impl Health {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The service has answered. Returns the streak that ends with this.
    pub(super) fn answered(&self) -> Option<Streak> {
        if !self.is_failing.load(Ordering::Relaxed) {
            return None;
        }
        let mut state = self.state();
        self.is_failing.store(false, Ordering::Relaxed);
        state.streak.take()
    }

    /// Remembers a failure. Returns the streak if it deserves a warning now.
    pub(super) fn failed(&self, failure: Failure) -> Option<Streak> {
        let Failure { code, begun, ended: now, .. } = failure;
        let mut state = self.state();
        state.last.truncate(KEPT - 1);
        state.last.push_front(failure);
        if !is_outage(code) {
            state.streak = None;
            self.is_failing.store(false, Ordering::Relaxed);
            return None;
        }
        self.is_failing.store(true, Ordering::Relaxed);
        let streak = state.streak.get_or_insert(Streak { calls: 0, since: begun });
        streak.calls += 1;
        let streak = *streak;
        let is_due = deserves_warning(streak, state.warned, now);
        if is_due {
            state.warned = Some(now);
        }
        is_due.then_some(streak)
    }

    pub(super) fn streak(&self) -> Option<Streak> {
        self.state().streak
    }

    /// The last failures, the newest first.
    pub(super) fn last(&self) -> Vec<Failure> {
        self.state().last.iter().cloned().collect()
    }
}

/// Whether a call that ends with this code says that something is down: the service, the way to it, or
/// the credentials. Any other code is an answer to this one request.
fn is_outage(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Internal
            | Code::Unknown
            | Code::DataLoss
            | Code::ResourceExhausted
            | Code::Unauthenticated
    )
}

fn deserves_warning(streak: Streak, warned: Option<Instant>, now: Instant) -> bool {
    let lasts = now.saturating_duration_since(streak.since);
    let keeps_failing = streak.calls >= CALLS || lasts >= TIME;
    let since_warning = warned.map(|at| now.saturating_duration_since(at));
    keeps_failing && since_warning.is_none_or(|since| since >= BETWEEN_WARNINGS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn failure(code: Code, begun: Instant, ended: Instant) -> Failure {
        let method = "google.longrunning.Operations/GetOperation".to_owned();
        Failure { method, code, attempts: 1, begun, ended, sent: None, stop: None }
    }

    #[test]
    fn a_service_that_keeps_failing_is_warned_of_once_a_minute() {
        let (health, begun) = (Health::default(), Instant::now());
        let fail = |at: u32| {
            let now = begun + at * SECOND;
            health.failed(failure(Code::Unavailable, now, now)).map(|streak| streak.calls)
        };
        assert_eq!([fail(0), fail(1)], [None; 2], "two failures may be an accident");
        assert_eq!(fail(2), Some(3));
        assert_eq!([fail(3), fail(61)], [None; 2], "the last warning is less than a minute old");
        assert_eq!(fail(62), Some(6));

        assert_eq!(health.answered().map(|streak| streak.calls), Some(6));
        assert_eq!(health.answered(), None, "the streak is over");
        assert_eq!([fail(130), fail(131), fail(132)], [None, None, Some(3)]);
    }

    #[test]
    fn one_call_that_fails_for_half_a_minute_is_enough_for_a_warning() {
        let (health, begun) = (Health::default(), Instant::now());
        let short = failure(Code::Unavailable, begun, begun + 29 * SECOND);
        assert_eq!(health.failed(short), None);
        health.answered();
        let long = failure(Code::Unavailable, begun, begun + 30 * SECOND);
        assert_eq!(health.failed(long).map(|streak| streak.calls), Some(1));
    }

    #[test]
    fn an_answer_such_as_not_found_is_no_sign_of_an_outage() {
        let (health, now) = (Health::default(), Instant::now());
        for code in [Code::Unavailable, Code::Unavailable, Code::NotFound, Code::Unavailable] {
            assert_eq!(health.failed(failure(code, now, now)), None, "{code:?}");
        }
        assert_eq!(health.streak().map(|streak| streak.calls), Some(1));
    }

    #[test]
    fn the_last_failures_are_bounded_and_newest_first() {
        let (health, begun) = (Health::default(), Instant::now());
        for at in 0..100 {
            health.failed(failure(Code::NotFound, begun, begun + at * SECOND));
        }
        let last = health.last();
        assert_eq!(last.len(), KEPT);
        assert_eq!(last.first().map(|failure| failure.ended), Some(begun + 99 * SECOND));
    }
}
