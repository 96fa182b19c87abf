//! The limits on the time of a call and of its attempts.

use std::time::Duration;

/// How long a call, and each attempt within it, may take.
///
/// A call has 60 s unless set, as the service's published configuration says. An attempt may use all
/// the time that the call has left, unless it has a limit of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    total: Duration,
    attempt: Option<Duration>,
}

impl Timeouts {
    /// Limits the whole call: connecting, every attempt and every wait between attempts.
    pub const fn new(total: Duration) -> Self {
        Self { total, attempt: None }
    }

    /// Replaces the limit on the whole call.
    pub const fn with_total(mut self, total: Duration) -> Self {
        self.total = total;
        self
    }

    /// Limits each attempt, so that an attempt without an answer leaves time for another.
    pub const fn with_attempt(mut self, limit: Duration) -> Self {
        self.attempt = Some(limit);
        self
    }

    /// The limit on the whole call.
    pub const fn total(&self) -> Duration {
        self.total
    }

    /// The limit on each attempt, if there is one.
    pub const fn attempt(&self) -> Option<Duration> {
        self.attempt
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self::new(Duration::from_secs(60))
    }
}
