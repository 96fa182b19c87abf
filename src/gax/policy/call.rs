//! All that a call is subject to.

use super::{Budget, RetryPolicy, Timeouts};

/// The timeouts, the retries and the limits of a call.
///
/// Clones share the budget.
#[derive(Clone, Debug)]
pub struct CallPolicy {
    pub(crate) timeouts: Timeouts,
    pub(crate) retry: RetryPolicy,
    pub(crate) budget: Budget,
    pub(crate) max_response_size: usize,
}

impl CallPolicy {
    /// 60 s for a call, retries with the default backoff and budget, responses of at most 64 MiB.
    pub fn new() -> Self {
        Self {
            timeouts: Timeouts::default(),
            retry: RetryPolicy::default(),
            budget: Budget::default(),
            max_response_size: 64 << 20,
        }
    }

    /// How long calls and attempts may take.
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// How calls are retried.
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// What all retries together may cost the service.
    pub fn with_budget(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    /// The maximum size of a response message, in bytes.
    pub fn with_max_response_size(mut self, bytes: usize) -> Self {
        self.max_response_size = bytes;
        self
    }
}

impl Default for CallPolicy {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_call_policy_keeps_its_timeouts_retries_budget_and_response_size() {
        let timeouts = Timeouts::new(Duration::from_secs(9)).with_attempt(Duration::from_secs(3));
        let policy = CallPolicy::new()
            .with_timeouts(timeouts)
            .with_retry(RetryPolicy::default().with_max_attempts(2).with_seed(7))
            .with_budget(Budget::unlimited())
            .with_max_response_size(5);
        assert_eq!(policy.timeouts.total(), Duration::from_secs(9));
        assert_eq!(policy.timeouts.attempt(), Some(Duration::from_secs(3)));
        assert_eq!(policy.retry.max_attempts(), 2);
        assert_eq!(policy.retry.jitter().f64(), fastrand::Rng::with_seed(7).f64());
        assert_eq!(policy.budget.capacity(), None);
        assert_eq!(policy.max_response_size, 5);
    }
}
