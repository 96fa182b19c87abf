//! How a wait polls.

use super::Backoff;
use std::time::Duration;

/// How a wait for an operation, or for the state of a resource, polls and when it gives up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PollPolicy {
    backoff: Backoff,
    limit: Duration,
}

impl PollPolicy {
    /// Polls at once, then pauses between half of the backoff's ceiling and all of it. Gives up
    /// after `limit`.
    pub const fn new(backoff: Backoff, limit: Duration) -> Self {
        Self { backoff, limit }
    }

    /// Gives up after this long; [`Duration::MAX`] waits without a limit.
    pub const fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// How long a wait may take in all.
    pub const fn limit(&self) -> Duration {
        self.limit
    }

    /// The pause after the given number of polls. It is never near zero, because each poll costs
    /// quota.
    pub(crate) fn pause(&self, polls: u32, jitter: f64) -> Duration {
        let half = self.backoff.ceiling(polls) / 2;
        half + half.mul_f64(jitter.clamp(0.0, 1.0))
    }
}

impl Default for PollPolicy {
    /// Pauses of 1 s that grow by a factor of 1.5 to 20 s, and a limit of 30 minutes: starting a
    /// channel takes about ten minutes, and so may the first call in a project.
    fn default() -> Self {
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(20), 1.5);
        Self::new(backoff, Duration::from_secs(30 * 60))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_between_half_the_ceiling_and_the_ceiling() {
        let backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(10), 2.0);
        let policy = PollPolicy::new(backoff, Duration::from_secs(60));
        let seconds = |polls, jitter| policy.pause(polls, jitter).as_secs_f64();
        assert_eq!((seconds(1, 0.0), seconds(1, 0.5), seconds(1, 1.0)), (1.0, 1.5, 2.0));
        assert_eq!((seconds(9, 0.0), seconds(9, 1.0)), (5.0, 10.0));
    }
}
