//! A limit on the client's requests per second. The service rejects requests above a limit per
//! user.

use std::{collections::VecDeque, time::Duration};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until},
};

const SECOND: Duration = Duration::from_secs(1);

/// Allows at most `max` requests in any second. Further requests wait in the order of their
/// arrival.
#[derive(Debug)]
pub(super) struct RateLimiter {
    max: usize,
    /// The times of the requests in the last second.
    sent: Mutex<VecDeque<Instant>>,
}

impl RateLimiter {
    /// 0 is the same as 1.
    pub(super) fn new(max: u32) -> Self {
        let max = usize::try_from(max).unwrap_or(usize::MAX).max(1);
        Self { max, sent: Mutex::default() }
    }

    /// Waits until a request can be sent. A dropped future does not count as a request.
    pub(super) async fn acquire(&self) {
        let mut sent = self.sent.lock().await;
        while sent.front().is_some_and(|at| at.elapsed() >= SECOND) {
            sent.pop_front();
        }
        if sent.len() >= self.max
            && let Some(oldest) = sent.front().copied()
        {
            sleep_until(oldest + SECOND).await;
            sent.pop_front();
        }
        sent.push_back(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{StreamExt, stream::FuturesUnordered};
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn rate_limiter_allows_at_most_its_limit_in_any_second() {
        let limiter = RateLimiter::new(10);
        let begun = Instant::now();
        let acquired = (0..35).map(|_| async {
            limiter.acquire().await;
            begun.elapsed()
        });
        let times = acquired.collect::<FuturesUnordered<_>>().collect::<Vec<_>>().await;
        let in_second = |n| times.iter().filter(|at| at.as_secs() == n).count();
        assert_eq!([0, 1, 2, 3, 4].map(in_second), [10, 10, 10, 5, 0]);
        for window in times.windows(11) {
            assert!(window[10] - window[0] >= SECOND, "{window:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn rate_limiter_does_not_count_a_dropped_waiter() {
        let limiter = RateLimiter::new(1);
        let begun = Instant::now();
        limiter.acquire().await;
        for _ in 0..5 {
            timeout(Duration::from_millis(100), limiter.acquire())
                .await
                .expect_err("the limit is reached");
        }
        limiter.acquire().await;
        assert_eq!(begun.elapsed().as_secs(), 1);
    }
}
