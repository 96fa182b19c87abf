//! Whether another attempt follows a failed one.

use super::{Budget, RetryPolicy};
use crate::gax::{planted::planted, rpc::Idempotency};
use std::time::Duration;
use tonic::Code;

/// An attempt that did not succeed: all that the decision needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// Whether the request may be repeated at all.
    pub(crate) idempotency: Idempotency,
    /// The status that the attempt ended with.
    pub(crate) code: Code,
    /// Whether the request can have reached the service.
    pub(crate) sent: Sent,
    /// Whether another attempt would end the same: no credentials, a certificate that is not trusted.
    pub(crate) is_permanent: bool,
    /// The number of attempts so far, this one included.
    pub(crate) attempts: u32,
    /// How long the service asks the client to wait.
    pub(crate) server_delay: ServerDelay,
    /// The time that the call has left.
    pub(crate) remaining: Duration,
    /// How long the call has taken so far.
    pub(crate) elapsed: Duration,
    /// Whether this attempt or an earlier one may have been carried out.
    pub(crate) may_have_run: bool,
    /// Whether the call has been repeated transparently before.
    pub(crate) was_unseen: bool,
}

/// Whether a request that failed can have reached the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Sent {
    /// No: there was no connection, no token or no time. Nothing was carried out.
    No,
    /// It had a connection, but no server application saw it: a refused stream, a GOAWAY that
    /// excluded it, or a connection that ended before a byte was written. Nothing was carried out.
    Unseen,
    /// It is not known: the connection broke, or time ran out, before an answer came.
    Maybe,
    /// Yes: the service answered.
    Answered,
}

/// How long the service asks the client to wait before another attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum ServerDelay {
    /// The service does not say.
    #[default]
    Unset,
    /// This long: `RetryInfo`, or a `grpc-retry-pushback-ms` of zero or more.
    After(Duration),
    /// The service asks for no further attempt: any other `grpc-retry-pushback-ms`
    /// ([gRFC A6](https://github.com/grpc/proposal/blob/master/A6-client-retries.md)).
    Never,
}

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The same attempt again at once: a transparent retry, which neither counts nor draws on the
    /// budget ([gRFC A6](https://github.com/grpc/proposal/blob/master/A6-client-retries.md)).
    RetryTransparently,
    /// Another attempt, after this wait.
    RetryAfter(Duration),
    /// No further attempt, for this reason.
    Stop(Stop),
}

/// Why no further attempt is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stop {
    /// Another attempt would end the same.
    Final,
    /// The request may have been carried out, and the service could not recognise a repeat.
    MayHaveRun,
    /// The maximum number of attempts is reached.
    Attempts,
    /// The wait would outlast the call's time.
    Deadline,
    /// The service asks for no further attempt, or for a longer wait than the policy allows.
    Pushback,
    /// The retry budget is empty: the service is failing for every caller.
    Budget,
}

/// How long a repeat of a `request_id` is safe: the service remembers an id for 60 minutes, less
/// what an attempt takes to arrive. After that, a repeat counts as a new request.
const REQUEST_ID_LIFETIME: Duration = Duration::from_secs(55 * 60);

/// How long after the beginning of its call an attempt may last. It may wait for a token, a connection or
/// flow control before it is sent, and by then the service may have forgotten the `request_id`.
pub(crate) fn repeatable_for(idempotency: Idempotency, may_have_run: bool) -> Duration {
    planted!("forgets that ids expire", return Duration::MAX);
    match idempotency {
        Idempotency::ByRequestId if may_have_run => REQUEST_ID_LIFETIME,
        _ => Duration::MAX,
    }
}

/// Decides what follows a failed attempt. `jitter`, from 0 to 1, picks the wait below the backoff's
/// ceiling. A retry takes its token from the budget.
pub(crate) fn decide(
    retry: &RetryPolicy,
    attempt: &Attempt,
    budget: &Budget,
    jitter: f64,
) -> Decision {
    if let Some(stop) = refusal(attempt) {
        return Decision::Stop(stop);
    }
    if attempt.sent == Sent::Unseen && !attempt.was_unseen && !attempt.remaining.is_zero() {
        return Decision::RetryTransparently;
    }
    if attempt.attempts >= retry.max_attempts() {
        return Decision::Stop(Stop::Attempts);
    }
    let own = retry.backoff().wait(attempt.attempts, jitter);
    let wait = match attempt.server_delay {
        ServerDelay::Never => return Decision::Stop(Stop::Pushback),
        // An attempt earlier than the service asks for would be worse than none.
        ServerDelay::After(delay) if delay > retry.max_server_delay() => {
            return Decision::Stop(Stop::Pushback);
        }
        ServerDelay::After(delay) => {
            // A service that asks for no wait several times must not be called in a loop.
            if attempt.attempts > 1 { delay.max(own) } else { delay }
        }
        ServerDelay::Unset => own,
    };
    planted!("ignores pushback", let wait = own);
    let repeatable = repeatable_for(attempt.idempotency, attempt.may_have_run);
    let is_forgotten = attempt.elapsed.saturating_add(wait) >= repeatable;
    if is_forgotten {
        return Decision::Stop(Stop::MayHaveRun);
    }
    if wait >= attempt.remaining {
        return Decision::Stop(Stop::Deadline);
    }
    if !budget.withdraw() {
        return Decision::Stop(Stop::Budget);
    }
    Decision::RetryAfter(wait)
}

/// Why the attempt must not be repeated, whatever the limits allow.
fn refusal(attempt: &Attempt) -> Option<Stop> {
    planted!("repeats what may have run", return None);
    let may_repeat = (attempt.idempotency == Idempotency::None).then_some(Stop::MayHaveRun);
    match attempt.sent {
        _ if attempt.is_permanent => Some(Stop::Final),
        Sent::No | Sent::Unseen => None,
        Sent::Maybe if is_refusal(attempt.code) => Some(Stop::Final),
        Sent::Answered if !is_transient(attempt) => Some(Stop::Final),
        Sent::Maybe | Sent::Answered => may_repeat,
    }
}

/// Whether no lost connection ends with this code: a layer of the user's own refused the request.
fn is_refusal(code: Code) -> bool {
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

/// UNAVAILABLE is transient. So is a quota, if the service says when to come back.
fn is_transient(attempt: &Attempt) -> bool {
    match attempt.code {
        Code::Unavailable => true,
        Code::ResourceExhausted => matches!(attempt.server_delay, ServerDelay::After(_)),
        _ => false,
    }
}

/// Whether a request that ended this way may have been carried out.
///
/// Codes with which the service refuses a request before it acts on it say that it was not.
pub(crate) fn may_have_run(code: Code, sent: Sent) -> bool {
    match sent {
        Sent::No | Sent::Unseen => false,
        Sent::Maybe => true,
        Sent::Answered => matches!(
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

    fn attempt(idempotency: Idempotency, code: Code, sent: Sent) -> Attempt {
        Attempt {
            idempotency,
            code,
            sent,
            is_permanent: false,
            attempts: 1,
            server_delay: ServerDelay::Unset,
            remaining: 60 * SECOND,
            elapsed: SECOND,
            may_have_run: may_have_run(code, sent),
            was_unseen: false,
        }
    }

    fn by_default(attempt: Attempt) -> Decision {
        decide(&RetryPolicy::default(), &attempt, &Budget::default(), 0.5)
    }

    #[test]
    fn a_server_delay_up_to_the_maximum_is_waited_for() {
        let max = RetryPolicy::default().max_server_delay();
        let asked = |delay| {
            let refused = attempt(Idempotency::Safe, Code::Unavailable, Sent::Answered);
            let server_delay = ServerDelay::After(delay);
            by_default(Attempt { server_delay, remaining: 2 * max, ..refused })
        };
        assert_eq!(asked(max), Decision::RetryAfter(max));
        assert_eq!(asked(max + Duration::from_nanos(1)), Decision::Stop(Stop::Pushback));
    }

    #[test]
    fn a_request_may_have_run_unless_it_was_not_seen_or_the_code_excludes_it() {
        for sent in [Sent::No, Sent::Unseen] {
            assert!(!may_have_run(Code::Unavailable, sent), "{sent:?}");
        }
        assert!(may_have_run(Code::Unavailable, Sent::Maybe));
        assert!(may_have_run(Code::Unavailable, Sent::Answered));
        assert!(!may_have_run(Code::NotFound, Sent::Answered));
    }

    #[test]
    fn idempotency_and_what_was_sent_decide_on_a_retry() {
        use {
            Code::*,
            Idempotency::{ByRequestId, Safe},
            Sent::{Answered, Maybe, No},
        };
        let half = Decision::RetryAfter(SECOND / 2);
        let expected = [
            (Safe, Unavailable, Answered, half),
            (ByRequestId, Unavailable, Answered, half),
            (Idempotency::None, Unavailable, Answered, Decision::Stop(Stop::MayHaveRun)),
            (Safe, NotFound, Answered, Decision::Stop(Stop::Final)),
            (Safe, ResourceExhausted, Answered, Decision::Stop(Stop::Final)),
            (Safe, Internal, Maybe, half),
            (ByRequestId, Internal, Maybe, half),
            (Idempotency::None, Internal, Maybe, Decision::Stop(Stop::MayHaveRun)),
            (Idempotency::None, Unavailable, No, half),
            (Safe, PermissionDenied, Maybe, Decision::Stop(Stop::Final)),
        ];
        for (idempotency, code, sent, decision) in expected {
            let attempt = attempt(idempotency, code, sent);
            assert_eq!(by_default(attempt), decision, "{attempt:?}");
        }
    }

    #[test]
    fn a_request_that_no_server_saw_is_repeated_transparently_once() {
        let refused = attempt(Idempotency::None, Code::Unavailable, Sent::Unseen);
        let (never, empty) = (RetryPolicy::never(), Budget::new(0, 0.0));
        let first = decide(&never, &refused, &empty, 0.5);
        assert_eq!(first, Decision::RetryTransparently, "whatever policy and budget say");
        let again = Attempt { was_unseen: true, ..refused };
        assert_eq!(decide(&never, &again, &empty, 0.5), Decision::Stop(Stop::Attempts));
        assert_eq!(by_default(again), Decision::RetryAfter(SECOND / 2), "then by the policy");
        let late = Attempt { remaining: Duration::ZERO, ..refused };
        assert_eq!(by_default(late), Decision::Stop(Stop::Deadline));
    }

    #[test]
    fn a_permanent_error_is_not_retried() {
        let unauthenticated = attempt(Idempotency::Safe, Code::Unauthenticated, Sent::No);
        let permanent = Attempt { is_permanent: true, ..unauthenticated };
        assert_eq!(by_default(permanent), Decision::Stop(Stop::Final));
        assert_eq!(by_default(unauthenticated), Decision::RetryAfter(SECOND / 2));
    }

    #[test]
    fn retry_info_and_pushback_set_the_wait() {
        let base = attempt(Idempotency::Safe, Code::Unavailable, Sent::Answered);
        let asked = |server_delay| by_default(Attempt { server_delay, ..base });
        assert_eq!(asked(ServerDelay::After(2 * SECOND)), Decision::RetryAfter(2 * SECOND));
        let short = Attempt { remaining: 2 * SECOND, ..base };
        let beyond = Attempt { server_delay: ServerDelay::After(3 * SECOND), ..short };
        assert_eq!(by_default(beyond), Decision::Stop(Stop::Deadline));
        assert_eq!(asked(ServerDelay::Never), Decision::Stop(Stop::Pushback));

        let long = Attempt {
            server_delay: ServerDelay::After(3600 * SECOND),
            remaining: 7200 * SECOND,
            ..base
        };
        assert_eq!(by_default(long), Decision::Stop(Stop::Pushback), "not earlier than asked");

        let at_once = Attempt { server_delay: ServerDelay::After(Duration::ZERO), ..base };
        assert_eq!(by_default(at_once), Decision::RetryAfter(Duration::ZERO));
        let again = Attempt { attempts: 2, ..at_once };
        let own = Decision::RetryAfter(Duration::from_millis(650));
        assert_eq!(by_default(again), own, "not in a loop");

        let quota = Attempt { code: Code::ResourceExhausted, ..base };
        let invited = Attempt { server_delay: ServerDelay::After(SECOND), ..quota };
        assert_eq!(by_default(invited), Decision::RetryAfter(SECOND));
    }

    #[test]
    fn a_request_id_that_the_service_may_have_forgotten_is_not_sent_again() {
        let late = |idempotency| Attempt {
            elapsed: 56 * 60 * SECOND,
            remaining: 3600 * SECOND,
            ..attempt(idempotency, Code::Unavailable, Sent::Maybe)
        };
        let lost = late(Idempotency::ByRequestId);
        assert_eq!(by_default(lost), Decision::Stop(Stop::MayHaveRun));
        assert_eq!(by_default(late(Idempotency::Safe)), Decision::RetryAfter(SECOND / 2));
        let never_arrived = Attempt { sent: Sent::No, may_have_run: false, ..lost };
        assert_eq!(by_default(never_arrived), Decision::RetryAfter(SECOND / 2));
    }

    #[test]
    fn max_attempts_and_the_deadline_stop_retries() {
        let base = attempt(Idempotency::Safe, Code::Unavailable, Sent::Answered);
        let five = RetryPolicy::default().with_max_attempts(5);
        let after =
            |attempts| decide(&five, &Attempt { attempts, ..base }, &Budget::default(), 0.0);
        assert_eq!(after(4), Decision::RetryAfter(Duration::ZERO));
        assert_eq!(after(5), Decision::Stop(Stop::Attempts));

        let late = Attempt { remaining: SECOND / 2, ..base };
        assert_eq!(by_default(late), Decision::Stop(Stop::Deadline));
        let no_time = Attempt { remaining: Duration::ZERO, ..base };
        let decision = decide(&RetryPolicy::default(), &no_time, &Budget::default(), 0.0);
        assert_eq!(decision, Decision::Stop(Stop::Deadline));
    }

    #[test]
    fn an_empty_budget_stops_retries() {
        let base = attempt(Idempotency::Safe, Code::Unavailable, Sent::Answered);
        let budget = Budget::new(1, 0.1);
        let next = || decide(&RetryPolicy::default(), &base, &budget, 0.0);
        assert_eq!(next(), Decision::RetryAfter(Duration::ZERO));
        assert_eq!(next(), Decision::Stop(Stop::Budget));
    }
}
