//! The client's own limit on requests: the service refuses more than so many a second to one user.

use std::{collections::VecDeque, time::Duration};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until},
};

const SECOND: Duration = Duration::from_secs(1);

/// Lets at most `most` requests go in any second; the others wait for their turn, first come, first
/// served.
#[derive(Debug)]
pub(super) struct RateLimiter {
    most: usize,
    /// When the requests of the last second went.
    gone: Mutex<VecDeque<Instant>>,
}

impl RateLimiter {
    /// 0 counts as 1.
    pub(super) fn new(most: u32) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX).max(1);
        Self { most, gone: Mutex::default() }
    }

    /// Returns when a request may go. Who stops waiting leaves the queue, and has taken nothing.
    pub(super) async fn turn(&self) {
        let mut gone = self.gone.lock().await;
        while gone.front().is_some_and(|at| at.elapsed() >= SECOND) {
            gone.pop_front();
        }
        if gone.len() >= self.most
            && let Some(oldest) = gone.front().copied()
        {
            sleep_until(oldest + SECOND).await;
            gone.pop_front();
        }
        gone.push_back(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{StreamExt, stream::FuturesUnordered};
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn no_second_sees_more_than_its_share() {
        let pace = RateLimiter::new(10);
        let begun = Instant::now();
        let turns = (0..35).map(|_| async {
            pace.turn().await;
            begun.elapsed()
        });
        let times = turns.collect::<FuturesUnordered<_>>().collect::<Vec<_>>().await;
        let in_second = |n| times.iter().filter(|at| at.as_secs() == n).count();
        assert_eq!([0, 1, 2, 3, 4].map(in_second), [10, 10, 10, 5, 0]);
        for window in times.windows(11) {
            assert!(window[10] - window[0] >= SECOND, "{window:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_stops_waiting_costs_the_others_nothing() {
        let pace = RateLimiter::new(1);
        let begun = Instant::now();
        pace.turn().await;
        for _ in 0..5 {
            timeout(Duration::from_millis(100), pace.turn()).await.expect_err("not its turn yet");
        }
        pace.turn().await;
        assert_eq!(begun.elapsed().as_secs(), 1);
    }
}
