//! How failed calls are repeated.

use super::Backoff;
use std::time::Duration;

/// The maximum number of attempts of a call, and the waits between them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryPolicy {
    max_attempts: u32,
    backoff: Backoff,
    max_server_delay: Duration,
    seed: Option<u64>,
}

impl RetryPolicy {
    /// Repeats a call until its time is up, with waits from `backoff`.
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

    /// Limits the number of attempts, the first included. 0 counts as 1.
    pub const fn with_max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// The longest wait that the service may ask for, with `RetryInfo` or with
    /// `grpc-retry-pushback-ms`; 60 s unless set. If it asks for a longer one, the call ends.
    pub const fn with_max_server_delay(mut self, limit: Duration) -> Self {
        self.max_server_delay = limit;
        self
    }

    /// Draws the waits of every call from this seed, so that a test sees the same waits each time.
    ///
    /// Do not use it in production: clients that wait for the same time return at the same time.
    pub const fn with_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// At least 1.
    pub(crate) fn max_attempts(&self) -> u32 {
        self.max_attempts.max(1)
    }

    pub(super) const fn backoff(&self) -> &Backoff {
        &self.backoff
    }

    pub(super) const fn max_server_delay(&self) -> Duration {
        self.max_server_delay
    }

    /// The source of one call's jitter.
    pub(crate) fn jitter(&self) -> fastrand::Rng {
        self.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed)
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::new(Backoff::DEFAULT)
    }
}
