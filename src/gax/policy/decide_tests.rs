//! The retry decision for all combinations of its inputs, against a table.

use super::{
    Backoff, Budget, RetryPolicy,
    decide::{Attempt, Decision, Sent, ServerDelay, Stop, decide},
};
use crate::gax::rpc::Idempotency;
use std::time::Duration;
use tonic::Code;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const MAX_ATTEMPTS: u32 = 3;

/// All that a decision depends on.
struct Case {
    attempt: Attempt,
    has_budget: bool,
}

impl Case {
    /// With a jitter of a half, the backoff is half a second after every attempt.
    fn wait(&self) -> Duration {
        match self.attempt.server_delay {
            ServerDelay::After(delay) if self.attempt.attempts == 1 => delay,
            ServerDelay::After(delay) => delay.max(SECOND / 2),
            ServerDelay::Unset | ServerDelay::Never => SECOND / 2,
        }
    }

    fn is_answered(&self) -> bool {
        self.attempt.sent == Sent::Answered
    }

    fn is_lost(&self) -> bool {
        self.attempt.sent == Sent::Maybe
    }
}

/// A reason, when it applies, and what follows. The first row that applies decides.
type Row = (&'static str, fn(&Case) -> bool, Decision);

const TABLE: [Row; 13] = [
    ("every attempt ends the same", |c| c.attempt.is_permanent, Decision::Stop(Stop::Final)),
    (
        "a layer of the user's refused it",
        |c| c.is_lost() && REFUSALS.contains(&c.attempt.code),
        Decision::Stop(Stop::Final),
    ),
    (
        "the service answered, but did not invite another attempt",
        |c| c.is_answered() && !is_invitation(c),
        Decision::Stop(Stop::Final),
    ),
    (
        "a repeat would not be recognised",
        |c| (c.is_answered() || c.is_lost()) && c.attempt.idempotency == Idempotency::None,
        Decision::Stop(Stop::MayHaveRun),
    ),
    (
        "no server saw it, for the first time",
        |c| c.attempt.sent == Sent::Unseen && !c.attempt.was_unseen && c.attempt.remaining > ZERO,
        Decision::RetryTransparently,
    ),
    (
        "it was the last attempt",
        |c| c.attempt.attempts >= MAX_ATTEMPTS,
        Decision::Stop(Stop::Attempts),
    ),
    (
        "the service wants no more",
        |c| c.attempt.server_delay == ServerDelay::Never,
        Decision::Stop(Stop::Pushback),
    ),
    (
        "the service asks for too long a wait",
        |c| matches!(c.attempt.server_delay, ServerDelay::After(wait) if wait > MINUTE),
        Decision::Stop(Stop::Pushback),
    ),
    (
        "the service may have forgotten the id",
        |c| {
            c.attempt.idempotency == Idempotency::ByRequestId
                && c.attempt.may_have_run
                && c.attempt.elapsed + c.wait() >= 55 * MINUTE
        },
        Decision::Stop(Stop::MayHaveRun),
    ),
    ("time would be up", |c| c.wait() >= c.attempt.remaining, Decision::Stop(Stop::Deadline)),
    ("the service fails for all", |c| !c.has_budget, Decision::Stop(Stop::Budget)),
    (
        "the service names the wait",
        |c| c.attempt.server_delay == ServerDelay::After(SECOND),
        Decision::RetryAfter(SECOND),
    ),
    ("the service asks for no wait", |c| c.wait() == ZERO, Decision::RetryAfter(ZERO)),
];

const ZERO: Duration = Duration::ZERO;
const OTHERWISE: Decision = Decision::RetryAfter(Duration::from_millis(500));

const REFUSALS: [Code; 8] = [
    Code::InvalidArgument,
    Code::NotFound,
    Code::AlreadyExists,
    Code::PermissionDenied,
    Code::Unauthenticated,
    Code::FailedPrecondition,
    Code::OutOfRange,
    Code::Unimplemented,
];

fn is_invitation(case: &Case) -> bool {
    let names_a_wait = matches!(case.attempt.server_delay, ServerDelay::After(_));
    match case.attempt.code {
        Code::Unavailable => true,
        Code::ResourceExhausted => names_a_wait,
        _ => false,
    }
}

const DELAYS: [ServerDelay; 5] = [
    ServerDelay::Unset,
    ServerDelay::Never,
    ServerDelay::After(ZERO),
    ServerDelay::After(SECOND),
    ServerDelay::After(Duration::from_secs(61)),
];

/// Takes the next digit of a number whose digits count through lists.
fn pick<T: Copy>(number: &mut usize, among: &[T]) -> T {
    let digit = *number % among.len();
    *number /= among.len();
    among[digit]
}

/// The combination with this number, if there is one.
fn case(mut number: usize) -> Option<Case> {
    let number = &mut number;
    let attempt = Attempt {
        idempotency: pick(
            number,
            &[Idempotency::Safe, Idempotency::ByRequestId, Idempotency::None],
        ),
        code: Code::from_i32(pick(
            number,
            &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
        )),
        sent: pick(number, &[Sent::No, Sent::Unseen, Sent::Maybe, Sent::Answered]),
        is_permanent: pick(number, &[false, true]),
        attempts: pick(number, &[1, 2, MAX_ATTEMPTS]),
        server_delay: pick(number, &DELAYS),
        remaining: pick(number, &[ZERO, SECOND / 2, 2 * SECOND, 120 * MINUTE]),
        elapsed: pick(number, &[ZERO, 55 * MINUTE - SECOND, 55 * MINUTE]),
        may_have_run: pick(number, &[false, true]),
        was_unseen: pick(number, &[false, true]),
    };
    let has_budget = pick(number, &[false, true]);
    (*number == 0).then_some(Case { attempt, has_budget })
}

fn cases() -> impl Iterator<Item = Case> {
    (0..).map_while(case)
}

fn decision(case: &Case, budgets: &[Budget; 2]) -> Decision {
    let policy = RetryPolicy::new(Backoff::new(SECOND, SECOND, 1.0));
    let policy = policy.with_max_attempts(MAX_ATTEMPTS);
    decide(&policy, &case.attempt, &budgets[usize::from(case.has_budget)], 0.5)
}

#[test]
fn every_combination_is_decided_as_the_table_says() {
    let budgets = [Budget::new(0, 0.0), Budget::unlimited()];
    let mut used = [0_u32; TABLE.len() + 1];
    for case in cases() {
        let row = TABLE.iter().position(|(_, applies, _)| applies(&case)).unwrap_or(TABLE.len());
        used[row] += 1;
        let (reason, _, expected) = TABLE.get(row).copied().unwrap_or(("", |_| true, OTHERWISE));
        assert_eq!(decision(&case, &budgets), expected, "{reason}: {:?}", case.attempt);
    }
    assert!(used.iter().all(|used| *used > 0), "a row without a case: {used:?}");
}

#[test]
fn no_combination_repeats_what_must_not_be_repeated() {
    let budgets = [Budget::new(0, 0.0), Budget::unlimited()];
    for case in cases() {
        let Case { attempt, has_budget } = &case;
        let decision = decision(&case, &budgets);
        let may_have_arrived = case.is_lost() || case.is_answered();
        if may_have_arrived && attempt.idempotency == Idempotency::None {
            assert!(matches!(decision, Decision::Stop(_)), "{attempt:?}");
        }
        if let Decision::RetryAfter(wait) = decision {
            assert!(wait < attempt.remaining, "{attempt:?}");
            assert!(attempt.attempts < MAX_ATTEMPTS && *has_budget, "{attempt:?}");
        }
    }
}
