//! Virtual time: what the emulated service believes the hour to be.
//!
//! Ten minutes of starting a channel must neither be waited for nor be left out, so the emulator
//! keeps a time of its own. It runs at a whole multiple of the time that passes (speed 0 stands
//! still), and can be moved forward by hand. Real time is read from tokio, so that a paused tokio
//! clock holds virtual time as well.

use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// A clock that starts at a given moment and runs `speed` times as fast as tokio's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// The virtual time at `started`, moved on by every [`Clock::advance`].
    epoch: SystemTime,
    started: Instant,
    speed: u32,
}

impl Clock {
    pub(super) fn new(epoch: SystemTime, speed: u32) -> Self {
        Self { epoch, started: Instant::now(), speed }
    }

    pub(super) fn now(&self) -> SystemTime {
        let passed = self.started.elapsed().saturating_mul(self.speed);
        self.epoch.checked_add(passed).unwrap_or(self.epoch)
    }

    /// Moves the time forward at once; a step past the end of what a time can hold is not taken.
    pub(super) fn advance(&mut self, by: Duration) {
        self.epoch = self.epoch.checked_add(by).unwrap_or(self.epoch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: SystemTime = SystemTime::UNIX_EPOCH;

    #[tokio::test(start_paused = true)]
    async fn runs_at_its_speed() {
        let clock = Clock::new(EPOCH, 60);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(clock.now(), EPOCH + Duration::from_secs(120));
    }

    #[tokio::test(start_paused = true)]
    async fn stands_still_at_speed_zero_until_it_is_advanced() {
        let mut clock = Clock::new(EPOCH, 0);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(clock.now(), EPOCH);
        clock.advance(Duration::from_secs(5));
        assert_eq!(clock.now(), EPOCH + Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn never_leaves_the_range_of_time() {
        let mut clock = Clock::new(EPOCH, u32::MAX);
        clock.advance(Duration::MAX);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(clock.now() > EPOCH);
    }
}
