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
        atomic::{AtomicBool, AtomicU64, Ordering},
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
    answers: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    streak: Option<Streak>,
    warned: Option<Instant>,
    last: VecDeque<Failure>,
}

/// Calls, one after the other, that failed or got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Streak {
    pub(super) calls: u32,
    /// When the first of them began.
    pub(super) since: Instant,
    /// The calls among them that failed. The callers dropped the others.
    failed: u32,
    /// How long the dropped calls had waited, added up.
    waited: Duration,
}

/// When a call began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun {
    pub(super) at: Instant,
    /// The number of the service's answers before.
    answers: u64,
}

/// A call that failed, or that its caller dropped.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) method: String,
    pub(super) code: Code,
    pub(super) attempts: u32,
    pub(super) begun: Begun,
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
/// A dropped call counts only if it had waited for this long: any sooner, an answer was not yet due.
const PATIENCE: Duration = Duration::from_secs(1);
/// The minimum time between two warnings of one client.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(60);

impl Health {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self, at: Instant) -> Begun {
        Begun { at, answers: self.answers.load(Ordering::Relaxed) }
    }

    /// The service has answered. Returns the streak that ends with this.
    pub(super) fn answered(&self) -> Option<Streak> {
        self.answers.fetch_add(1, Ordering::Relaxed);
        if !self.is_failing.load(Ordering::Relaxed) {
            return None;
        }
        let mut state = self.state();
        self.is_failing.store(false, Ordering::Relaxed);
        state.streak.take()
    }

    /// Remembers a failure. Returns the streak if it deserves a warning now.
    pub(super) fn failed(&self, failure: Failure) -> Option<Streak> {
        let (code, since, now) = (failure.code, self.unanswered_since(&failure), failure.ended);
        let mut state = self.state();
        state.remember(failure);
        if !is_outage(code) {
            self.answers.fetch_add(1, Ordering::Relaxed);
            self.is_failing.store(false, Ordering::Relaxed);
            state.streak = None;
            return None;
        }
        self.is_failing.store(true, Ordering::Relaxed);
        state.extend_streak(since).failed += 1;
        state.warning(now)
    }

    /// Remembers a call that its caller dropped. Returns the streak if it deserves a warning now.
    ///
    /// The caller may have had reasons of its own. So only the time counts for which calls have waited
    /// while the service answered none.
    pub(super) fn dropped(&self, call: Failure) -> Option<Streak> {
        let (since, now) = (self.unanswered_since(&call), call.ended);
        let waited = now.saturating_duration_since(since);
        let mut state = self.state();
        state.remember(call);
        if waited < PATIENCE {
            return None;
        }
        self.is_failing.store(true, Ordering::Relaxed);
        state.extend_streak(since).waited += waited;
        state.warning(now)
    }

    /// The begin of the call, unless the service has answered others since then.
    fn unanswered_since(&self, call: &Failure) -> Instant {
        let is_unanswered = call.begun.answers == self.answers.load(Ordering::Relaxed);
        if is_unanswered { call.begun.at } else { call.ended }
    }

    pub(super) fn streak(&self) -> Option<Streak> {
        self.state().streak
    }

    /// The last failures, the newest first.
    pub(super) fn last(&self) -> Vec<Failure> {
        self.state().last.iter().cloned().collect()
    }
}

impl State {
    fn remember(&mut self, failure: Failure) {
        self.last.truncate(KEPT - 1);
        self.last.push_front(failure);
    }

    fn extend_streak(&mut self, since: Instant) -> &mut Streak {
        let new = Streak { calls: 0, since, failed: 0, waited: Duration::ZERO };
        let streak = self.streak.get_or_insert(new);
        streak.calls += 1;
        streak
    }

    /// The streak if it deserves a warning now.
    fn warning(&mut self, now: Instant) -> Option<Streak> {
        let warned = self.warned;
        let due = self.streak.filter(|streak| deserves_warning(*streak, warned, now))?;
        self.warned = Some(now);
        Some(due)
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
    let is_proven = streak.failed > 0 || streak.waited >= TIME;
    let keeps_failing = streak.failed >= CALLS || (is_proven && lasts >= TIME);
    let since_warning = warned.map(|at| now.saturating_duration_since(at));
    keeps_failing && since_warning.is_none_or(|since| since >= BETWEEN_WARNINGS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn failure(code: Code, begun: Instant, ended: Instant) -> Failure {
        let method = "google.longrunning.Operations/GetOperation".to_owned();
        let begun = Begun { at: begun, answers: 0 };
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
        let health = Health::default();
        let long = failure(Code::Unavailable, begun, begun + 30 * SECOND);
        assert_eq!(health.failed(long).map(|streak| streak.calls), Some(1));
    }

    #[test]
    fn a_long_call_is_no_sign_of_an_outage_if_the_service_answers_others_meanwhile() {
        let (health, begun) = (Health::default(), Instant::now());
        let long = |code| failure(code, begun, begun + 60 * SECOND);
        health.answered();
        assert_eq!(health.failed(long(Code::DeadlineExceeded)), None);
        assert_eq!(health.streak().map(|streak| streak.since), Some(begun + 60 * SECOND));
        health.answered();
        assert_eq!(health.dropped(long(Code::Cancelled)), None);
        assert_eq!(health.streak(), None);
    }

    #[test]
    fn dropped_calls_count_by_the_time_that_they_waited() {
        let (health, begun) = (Health::default(), Instant::now());
        let drop = |at: u32, waited: Duration| {
            let at = begun + at * SECOND;
            health.dropped(failure(Code::Cancelled, at, at + waited)).map(|streak| streak.calls)
        };
        for at in 0..100 {
            assert_eq!(drop(at, SECOND - Duration::from_nanos(1)), None, "none was due");
        }
        assert_eq!(health.streak(), None);
        for at in 0..6 {
            assert_eq!(drop(100 + at, 5 * SECOND), None, "many wait, but for a short time");
        }
        assert_eq!(drop(124, 5 * SECOND), None);
        assert_eq!(drop(125, 5 * SECOND), Some(8));
        health.answered();

        let health = Health::default();
        for minute in 0..14 {
            let at = begun + minute * 60 * SECOND;
            let call = failure(Code::Cancelled, at, at + 2 * SECOND);
            assert_eq!(health.dropped(call), None, "a caller that drops one call now and then");
        }
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
