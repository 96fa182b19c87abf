//! How a wait polls: for the end of an operation, or for a change of a resource.

use crate::gax::{error::Error, policy::PollPolicy};
use std::{mem, time::Duration};
use tokio::time::{Instant, sleep};

/// Polls at once, then with growing pauses. A service that cannot answer for a while is asked again.
#[derive(Debug)]
pub(crate) struct Poller {
    policy: PollPolicy,
    begun: Instant,
    /// Whether there was a poll already.
    has_polled: bool,
    /// The pauses since the start, or since something last changed.
    pauses: u32,
    /// The error of the last poll, if it failed.
    last_poll_error: Option<Error>,
}

impl Poller {
    pub(crate) fn new(policy: PollPolicy) -> Self {
        let begun = Instant::now();
        Self { policy, begun, has_polled: false, pauses: 0, last_poll_error: None }
    }

    /// Waits for the pause that is due before the next poll: none before the first. `on_pause` learns
    /// the number of the pause and its length.
    pub(crate) async fn pause(&mut self, on_pause: impl Fn(u32, Duration)) {
        if mem::replace(&mut self.has_polled, true) {
            self.pauses = self.pauses.saturating_add(1);
            let pause = self.policy.pause(self.pauses, fastrand::f64());
            on_pause(self.pauses, pause);
            sleep(pause).await;
        }
    }

    /// The outcome of a poll; `None` for a transient error, after which the caller polls again.
    pub(crate) fn answered<T>(&mut self, polled: Result<T, Error>) -> Option<Result<T, Error>> {
        match polled {
            Err(e) if e.is_transient() => {
                self.last_poll_error = Some(e);
                None
            }
            polled => {
                self.last_poll_error = None;
                Some(polled)
            }
        }
    }

    /// Makes the next poll wait for a pause: the caller has a fresh state already.
    pub(crate) fn skip_first(&mut self) {
        self.has_polled = true;
    }

    /// Something has changed, so that the pauses are short again.
    pub(crate) fn restart(&mut self) {
        self.pauses = 0;
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// The time until the policy's limit.
    pub(crate) fn remaining(&self) -> Duration {
        self.policy.limit().saturating_sub(self.elapsed())
    }

    /// Why the last poll failed, if it did.
    pub(crate) fn last_poll_error(&mut self) -> Option<Error> {
        self.last_poll_error.take()
    }
}
