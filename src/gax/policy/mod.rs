//! When a call is tried again, how long it may take, and what that may cost the service.
//!
//! Everything here is a decision on plain data: no clock, no I/O, no sleep. [`verdict`] alone says
//! whether an attempt is followed by another; the middleware in [`transport`](crate::gax::stack)
//! carries it out.
//!
//! Two rules keep a live channel from being started twice. A request that surely never arrived may
//! always be sent again. One that may have been carried out is sent again only if it changes
//! nothing, or carries the `request_id` by which the service drops the repeat
//! ([AIP-155](https://google.aip.dev/155)).

mod budget;

pub use budget::Budget;

use crate::gax::rpc::Class;
use std::time::Duration;
use tonic::Code;

/// How long a call, and each attempt within it, may take.
///
/// Calls take 60 s at most unless told otherwise, as the service's published configuration has it;
/// an attempt may use all that is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    total: Duration,
    attempt: Option<Duration>,
}

impl Timeouts {
    /// Bounds the whole call: connecting, every attempt and every wait between them.
    pub const fn new(total: Duration) -> Self {
        Self { total, attempt: None }
    }

    /// Another bound on the whole call.
    pub const fn with_total(mut self, total: Duration) -> Self {
        self.total = total;
        self
    }

    /// Bounds each attempt too, so that a silent connection leaves time for another.
    pub const fn with_attempt(mut self, limit: Duration) -> Self {
        self.attempt = Some(limit);
        self
    }

    /// The bound on the whole call.
    pub const fn total(&self) -> Duration {
        self.total
    }

    /// The bound on each attempt, where there is one.
    pub const fn attempt(&self) -> Option<Duration> {
        self.attempt
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self::new(Duration::from_secs(60))
    }
}

/// How often a call is tried, and how long it waits in between.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retry {
    max_attempts: u32,
    backoff: Backoff,
    max_server_delay: Duration,
    seed: Option<u64>,
}

impl Retry {
    /// Tries until the call's time is up; waits as `backoff` says.
    pub const fn new(backoff: Backoff) -> Self {
        Self {
            max_attempts: u32::MAX,
            backoff,
            max_server_delay: Duration::from_secs(60),
            seed: None,
        }
    }

    /// Sends each request once.
    pub const fn never() -> Self {
        Self::new(Backoff::DEFAULT).with_max_attempts(1)
    }

    /// Bounds the attempts, the first included. 0 counts as 1.
    pub const fn with_max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// The longest wait that the service may ask for, by `RetryInfo` or by
    /// `grpc-retry-pushback-ms`; 60 s unless set. A longer one is cut to this.
    pub const fn with_max_server_delay(mut self, limit: Duration) -> Self {
        self.max_server_delay = limit;
        self
    }

    /// Draws every call's waits from this seed, so that a test sees the same ones each time. Never
    /// for production: callers that wait alike come back together.
    pub const fn with_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Where one call's jitter comes from.
    pub(crate) fn jitter(&self) -> fastrand::Rng {
        self.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed)
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self::new(Backoff::DEFAULT)
    }
}

/// Exponential backoff with full jitter: each wait is drawn evenly from zero to a ceiling that
/// grows from one attempt to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    initial: Duration,
    max: Duration,
    factor: f64,
}

impl Backoff {
    /// 1 s, growing by 1.3 up to 10 s: what the service's published configuration asks of reads.
    pub const DEFAULT: Self =
        Self { initial: Duration::from_secs(1), max: Duration::from_secs(10), factor: 1.3 };

    /// A ceiling of `initial` for the first wait, growing by `factor` up to `max`.
    ///
    /// A factor below 1, or one that is not a number, counts as 1; a `max` below `initial` wins.
    pub fn new(initial: Duration, max: Duration, factor: f64) -> Self {
        Self { initial, max, factor: factor.max(1.0) }
    }

    /// The longest wait after the given number of attempts (1 after the first).
    pub fn ceiling(&self, attempts: u32) -> Duration {
        let exponent = attempts.saturating_sub(1).min(1024);
        if self.initial.is_zero() {
            return Duration::ZERO; // Times infinity, in a while, it would not be a number.
        }
        let seconds = self.initial.as_secs_f64() * self.factor.powi(exponent.cast_signed());
        Duration::try_from_secs_f64(seconds).unwrap_or(self.max).min(self.max)
    }

    /// The wait that `jitter`, from 0 to 1, picks below the ceiling.
    fn wait(&self, attempts: u32, jitter: f64) -> Duration {
        let ceiling = self.ceiling(attempts);
        let seconds = ceiling.as_secs_f64() * jitter.clamp(0.0, 1.0);
        Duration::try_from_secs_f64(seconds).unwrap_or(ceiling)
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What became of an attempt that did not succeed: all that a decision needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Whether the request may be repeated at all.
    pub class: Class,
    /// The status that the attempt ended in.
    pub code: Code,
    /// Whether the request can have reached the service.
    pub delivery: Delivery,
    /// Attempts so far, this one included.
    pub attempts: u32,
    /// How long the service asks to wait.
    pub server_delay: ServerDelay,
    /// What is left of the call's time.
    pub remaining: Duration,
    /// How long the call has taken so far.
    pub elapsed: Duration,
    /// Whether this attempt or an earlier one may have been carried out.
    pub may_have_run: bool,
}

/// Whether a request that failed can have reached the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Delivery {
    /// No: no connection, a refused stream, a GOAWAY that left it out. Nothing was carried out.
    Never,
    /// No, and another attempt would end alike: no credentials, a certificate that is not trusted.
    NeverFinal,
    /// Perhaps: the connection broke, or time ran out, before an answer came.
    Unknown,
    /// Yes: the service answered.
    Answered,
}

/// How long the service asks to wait before another attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServerDelay {
    /// It does not say.
    #[default]
    Unsaid,
    /// This long: `RetryInfo`, or a `grpc-retry-pushback-ms` of zero or more.
    After(Duration),
    /// It asks not to be asked again: any other `grpc-retry-pushback-ms`
    /// ([gRFC A6](https://github.com/grpc/proposal/blob/master/A6-client-retries.md)).
    Never,
}

/// Whether, and when, an attempt is followed by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Wait this long, then try again.
    RetryAfter(Duration),
    /// That was the last attempt, and why.
    Stop(Stop),
}

/// Why no further attempt is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stop {
    /// Another attempt would end the same.
    Final,
    /// The request may have been carried out, and a repeat could not be told from a new one.
    MayHaveRun,
    /// All attempts are spent.
    Attempts,
    /// The wait would outlast the call's time.
    Deadline,
    /// The service asks not to be asked again.
    Pushback,
    /// The retry budget is empty: the service is failing for everybody.
    Budget,
}

/// Decides what follows a failed attempt. `jitter` is a number from 0 to 1 that picks the wait
/// within the backoff's ceiling. A retry takes its token from the budget here.
pub fn verdict(retry: &Retry, attempt: &Attempt, budget: &Budget, jitter: f64) -> Verdict {
    if let Some(stop) = refusal(attempt) {
        return Verdict::Stop(stop);
    }
    if attempt.attempts >= retry.max_attempts.max(1) {
        return Verdict::Stop(Stop::Attempts);
    }
    let own = retry.backoff.wait(attempt.attempts, jitter);
    let wait = match attempt.server_delay {
        ServerDelay::Never => return Verdict::Stop(Stop::Pushback),
        ServerDelay::After(delay) => {
            let delay = delay.min(retry.max_server_delay);
            // A service that says "at once" time and again must not be asked in a loop.
            if attempt.attempts > 1 { delay.max(own) } else { delay }
        }
        ServerDelay::Unsaid => own,
    };
    let is_forgotten = attempt.elapsed.saturating_add(wait) >= REMEMBERED;
    if attempt.class == Class::Keyed && attempt.may_have_run && is_forgotten {
        return Verdict::Stop(Stop::MayHaveRun);
    }
    if wait >= attempt.remaining {
        return Verdict::Stop(Stop::Deadline);
    }
    if !budget.withdraw() {
        return Verdict::Stop(Stop::Budget);
    }
    Verdict::RetryAfter(wait)
}

/// How long the service surely knows a `request_id` again: 60 minutes, less what an attempt takes to
/// arrive. After that a repeat counts as a new request.
const REMEMBERED: Duration = Duration::from_secs(55 * 60);

/// Why the attempt must not be repeated, whatever the limits allow.
fn refusal(attempt: &Attempt) -> Option<Stop> {
    let is_repeatable = attempt.class != Class::Unkeyed;
    match attempt.delivery {
        Delivery::Never => None,
        Delivery::NeverFinal => Some(Stop::Final),
        Delivery::Unknown if is_final(attempt.code) => Some(Stop::Final),
        Delivery::Unknown if is_repeatable => None,
        Delivery::Unknown => Some(Stop::MayHaveRun),
        Delivery::Answered if !is_transient(attempt) => Some(Stop::Final),
        Delivery::Answered if is_repeatable => None,
        Delivery::Answered => Some(Stop::MayHaveRun),
    }
}

/// Codes that no lost connection ends in: a layer of the user's own refused the request.
fn is_final(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::Unimplemented
    )
}

/// UNAVAILABLE is; a quota is too, where the service says when to come back.
fn is_transient(attempt: &Attempt) -> bool {
    match attempt.code {
        Code::Unavailable => true,
        Code::ResourceExhausted => matches!(attempt.server_delay, ServerDelay::After(_)),
        _ => false,
    }
}

/// Whether a request that ended so may have been carried out all the same.
///
/// Codes by which the service refuses a request before acting on it say that it was not.
pub fn may_have_run(code: Code, delivery: Delivery) -> bool {
    match delivery {
        Delivery::Never | Delivery::NeverFinal => false,
        Delivery::Unknown => true,
        Delivery::Answered => matches!(
            code,
            Code::Unavailable
                | Code::Internal
                | Code::Unknown
                | Code::DeadlineExceeded
                | Code::Cancelled
                | Code::DataLoss
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn attempt(class: Class, code: Code, delivery: Delivery) -> Attempt {
        Attempt {
            class,
            code,
            delivery,
            attempts: 1,
            server_delay: ServerDelay::Unsaid,
            remaining: 60 * SECOND,
            elapsed: SECOND,
            may_have_run: may_have_run(code, delivery),
        }
    }

    fn decide(attempt: Attempt) -> Verdict {
        verdict(&Retry::default(), &attempt, &Budget::default(), 0.5)
    }

    #[test]
    fn classes_and_deliveries_decide() {
        use {
            Class::*,
            Code::*,
            Delivery::{Answered, Never, NeverFinal, Unknown},
        };
        let half = Verdict::RetryAfter(SECOND / 2);
        let expected = [
            (Read, Unavailable, Answered, half),
            (Keyed, Unavailable, Answered, half),
            (Unkeyed, Unavailable, Answered, Verdict::Stop(Stop::MayHaveRun)),
            (Read, NotFound, Answered, Verdict::Stop(Stop::Final)),
            (Read, ResourceExhausted, Answered, Verdict::Stop(Stop::Final)),
            (Read, Internal, Unknown, half),
            (Keyed, Internal, Unknown, half),
            (Unkeyed, Internal, Unknown, Verdict::Stop(Stop::MayHaveRun)),
            (Unkeyed, Unavailable, Never, half),
            (Read, Unauthenticated, NeverFinal, Verdict::Stop(Stop::Final)),
            (Read, PermissionDenied, Unknown, Verdict::Stop(Stop::Final)),
        ];
        for (class, code, delivery, verdict) in expected {
            assert_eq!(
                decide(attempt(class, code, delivery)),
                verdict,
                "{class:?} {code:?} {delivery:?}"
            );
        }
    }

    #[test]
    fn the_server_says_when() {
        let base = attempt(Class::Read, Code::Unavailable, Delivery::Answered);
        let asked = |server_delay| decide(Attempt { server_delay, ..base });
        assert_eq!(asked(ServerDelay::After(2 * SECOND)), Verdict::RetryAfter(2 * SECOND));
        assert_eq!(asked(ServerDelay::After(61 * SECOND)), Verdict::Stop(Stop::Deadline));
        assert_eq!(asked(ServerDelay::Never), Verdict::Stop(Stop::Pushback));

        let long = Attempt {
            server_delay: ServerDelay::After(3600 * SECOND),
            remaining: 7200 * SECOND,
            ..base
        };
        assert_eq!(decide(long), Verdict::RetryAfter(60 * SECOND), "capped");

        let at_once = Attempt { server_delay: ServerDelay::After(Duration::ZERO), ..base };
        assert_eq!(decide(at_once), Verdict::RetryAfter(Duration::ZERO));
        let again = Attempt { attempts: 2, ..at_once };
        assert_eq!(decide(again), Verdict::RetryAfter(Duration::from_millis(650)), "not in a loop");

        let quota = Attempt { code: Code::ResourceExhausted, ..base };
        let invited = Attempt { server_delay: ServerDelay::After(SECOND), ..quota };
        assert_eq!(decide(invited), Verdict::RetryAfter(SECOND));
    }

    #[test]
    fn an_id_that_the_service_may_have_forgotten_is_not_sent_again() {
        let late = |class, code| Attempt {
            elapsed: 56 * 60 * SECOND,
            remaining: 3600 * SECOND,
            ..attempt(class, code, Delivery::Unknown)
        };
        let lost = late(Class::Keyed, Code::Unavailable);
        assert_eq!(decide(lost), Verdict::Stop(Stop::MayHaveRun));
        assert_eq!(decide(late(Class::Read, Code::Unavailable)), Verdict::RetryAfter(SECOND / 2));
        let never_arrived = Attempt { delivery: Delivery::Never, may_have_run: false, ..lost };
        assert_eq!(decide(never_arrived), Verdict::RetryAfter(SECOND / 2));
    }

    #[test]
    fn odd_numbers_do_not_panic() {
        let base = attempt(Class::Read, Code::Unavailable, Delivery::Answered);
        let endless = Retry::new(Backoff::new(Duration::MAX, Duration::MAX, 1.0));
        for jitter in [1.0, f64::NAN, f64::INFINITY, -1.0] {
            let _ = verdict(&endless, &base, &Budget::default(), jitter);
        }
        let idle = Backoff::new(Duration::ZERO, SECOND, 2.0);
        assert_eq!(idle.ceiling(u32::MAX), Duration::ZERO);
    }

    #[test]
    fn attempts_and_time_run_out() {
        let base = attempt(Class::Read, Code::Unavailable, Delivery::Answered);
        let five = Retry::default().with_max_attempts(5);
        let after =
            |attempts| verdict(&five, &Attempt { attempts, ..base }, &Budget::default(), 0.0);
        assert_eq!(after(4), Verdict::RetryAfter(Duration::ZERO));
        assert_eq!(after(5), Verdict::Stop(Stop::Attempts));

        let late = Attempt { remaining: SECOND / 2, ..base };
        assert_eq!(decide(late), Verdict::Stop(Stop::Deadline));
        let no_time = Attempt { remaining: Duration::ZERO, ..base };
        assert_eq!(
            verdict(&Retry::default(), &no_time, &Budget::default(), 0.0),
            Verdict::Stop(Stop::Deadline)
        );
    }

    #[test]
    fn an_empty_budget_stops_retries() {
        let base = attempt(Class::Read, Code::Unavailable, Delivery::Answered);
        let budget = Budget::new(1, 0.1);
        let decide = || verdict(&Retry::default(), &base, &budget, 0.0);
        assert_eq!(decide(), Verdict::RetryAfter(Duration::ZERO));
        assert_eq!(decide(), Verdict::Stop(Stop::Budget));
    }

    #[test]
    fn ceilings_grow_to_the_limit_and_never_overflow() {
        let backoff = Backoff::DEFAULT;
        assert_eq!(backoff.ceiling(1), SECOND);
        assert_eq!(backoff.ceiling(2), Duration::from_millis(1300));
        assert_eq!(backoff.ceiling(u32::MAX), 10 * SECOND);
        let odd = Backoff::new(SECOND, 10 * SECOND, f64::NAN);
        assert_eq!(odd.ceiling(9), SECOND);
        let huge = Backoff::new(Duration::MAX, Duration::MAX, f64::INFINITY);
        assert_eq!(huge.ceiling(3), Duration::MAX);
    }
}
