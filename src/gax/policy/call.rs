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
