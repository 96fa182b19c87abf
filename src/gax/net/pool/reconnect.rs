//! The wait between attempts to connect.

use super::PoolLimits;
use crate::gax::{policy::Backoff, transport_error::TransportError};
#[cfg(test)]
use std::time::Duration;
use tokio::time::Instant;

/// How many connections in a row may end without an answer before the pool waits. A front end that
/// drains sends a GOAWAY at once, and the next connection may reach another.
const MAX_USELESS: u32 = 3;

/// The failures to connect since the last answer.
#[derive(Debug)]
pub(super) struct Reconnect {
    backoff: Backoff,
    jitter: fastrand::Rng,
    failures: u32,
    useless: u32,
    failed: Option<Failed>,
}

#[derive(Debug)]
struct Failed {
    at: Instant,
    until: Instant,
    error: TransportError,
}

impl Reconnect {
    pub(super) fn new(limits: &PoolLimits, jitter: fastrand::Rng) -> Self {
        let backoff = Backoff::new(limits.reconnect_initial, limits.reconnect_max, 1.6);
        Self { backoff, jitter, failures: 0, useless: 0, failed: None }
    }

    /// A connection could not be opened. Attempts that began together count once.
    pub(super) fn fail(&mut self, begun: Instant, now: Instant, error: TransportError) {
        let previous = self.failed.take();
        if previous.as_ref().is_none_or(|failed| begun > failed.at) {
            self.failures += 1;
        }
        let wait = self.backoff.ceiling(self.failures).mul_f64(0.8 + 0.4 * self.jitter.f64());
        let until = previous.map_or(now, |failed| failed.until).max(now + wait);
        self.failed = Some(Failed { at: now, until, error });
    }

    /// A connection ended before it had answered a call. Returns whether that counts as a failure.
    pub(super) fn end_unanswered(
        &mut self,
        begun: Instant,
        now: Instant,
        error: TransportError,
    ) -> bool {
        self.useless += 1;
        let is_failure = self.useless >= MAX_USELESS;
        if is_failure {
            self.fail(begun, now, error);
        }
        is_failure
    }

    /// The server has answered a call.
    pub(super) fn answered(&mut self) {
        (self.failures, self.useless) = (0, 0);
        self.failed = None;
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// The end of the wait, and the error that began it, if the wait is not over.
    pub(super) fn waiting(&self, now: Instant) -> Option<(Instant, &TransportError)> {
        let failed = self.failed.as_ref().filter(|failed| now < failed.until)?;
        Some((failed.until, &failed.error))
    }

    /// How long the present wait is.
    #[cfg(test)]
    pub(super) fn wait(&self) -> Option<Duration> {
        self.failed.as_ref().map(|failed| failed.until - failed.at)
    }
}
