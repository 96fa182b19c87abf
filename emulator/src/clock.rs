//! Virtual time: the present time of the emulated service.
//!
//! A test should see the ten minutes that the start of a channel takes, but not wait for them. So the
//! emulator has a time of its own. It runs at a whole multiple of real time (speed 0 stops it), and
//! can be moved forward by hand. Real time is read from tokio: tokio's paused clock pauses virtual
//! time too.

use prost_types::Timestamp;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// A clock that starts at a given time and runs `speed` times as fast as tokio's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// The virtual time at `started`, plus every [`Clock::advance`].
    epoch: SystemTime,
    started: Instant,
    speed: u32,
    is_paused: bool,
    /// A time at which the clock stands still for a moment.
    held: Option<SystemTime>,
}

impl Clock {
    pub(super) fn new(epoch: SystemTime, speed: u32) -> Self {
        Self { epoch, started: Instant::now(), speed, is_paused: false, held: None }
    }

    pub(super) fn now(&self) -> SystemTime {
        if let Some(held) = self.held {
            return held;
        }
        let speed = if self.is_paused { 0 } else { self.speed };
        after(self.epoch, self.started.elapsed().saturating_mul(speed))
    }

    /// Lets the clock stand still at a time, until `None`.
    #[cfg(feature = "http")]
    pub(super) fn hold(&mut self, time: Option<SystemTime>) {
        self.held = time;
    }

    pub(super) fn speed(&self) -> u32 {
        self.speed
    }

    pub(super) fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Stops the clock, or lets it run again.
    pub(super) fn pause(&mut self, is_paused: bool) {
        self.rebase();
        self.is_paused = is_paused;
    }

    pub(super) fn set_speed(&mut self, speed: u32) {
        self.rebase();
        self.speed = speed;
    }

    /// Moves the time forward to another one. Returns `false` if that is in the past, or after the
    /// year 9999.
    pub(super) fn set(&mut self, time: SystemTime) -> bool {
        let is_later = time >= self.now() && after(time, Duration::ZERO) == time;
        if is_later {
            self.rebase();
            self.epoch = time;
        }
        is_later
    }

    /// Begins at a time, which can be before the present one.
    #[cfg(feature = "http")]
    pub(super) fn restart(&mut self, time: SystemTime) {
        self.epoch = after(time, Duration::ZERO);
        self.started = Instant::now();
    }

    /// Begins to count from now.
    fn rebase(&mut self) {
        self.epoch = self.now();
        self.started = Instant::now();
    }

    /// Moves the time forward at once, at most to the end of the year 9999.
    pub(super) fn advance(&mut self, by: Duration) {
        self.epoch = after(self.epoch, by);
    }
}

/// The last second of the year 9999, after 1970: timestamps end there.
const LAST: Duration = Duration::from_secs(253_402_300_799);

/// A time that the clock does not reach.
pub(super) fn never() -> SystemTime {
    SystemTime::UNIX_EPOCH + LAST + Duration::from_secs(1)
}

/// The time after a duration, at most the last one that a timestamp can hold.
pub(super) fn after(time: SystemTime, by: Duration) -> SystemTime {
    let last = SystemTime::UNIX_EPOCH + LAST;
    time.checked_add(by).map_or(last, |time| time.min(last))
}

/// The time of a timestamp; the epoch for an invalid one.
pub(super) fn to_time(timestamp: Timestamp) -> SystemTime {
    SystemTime::try_from(timestamp).unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: SystemTime = SystemTime::UNIX_EPOCH;

    #[tokio::test(start_paused = true)]
    async fn virtual_time_runs_at_the_speed_of_the_clock() {
        let clock = Clock::new(EPOCH, 60);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(clock.now(), EPOCH + Duration::from_secs(120));
    }

    #[tokio::test(start_paused = true)]
    async fn speed_zero_stops_virtual_time_until_it_is_advanced() {
        let mut clock = Clock::new(EPOCH, 0);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(clock.now(), EPOCH);
        clock.advance(Duration::from_secs(5));
        assert_eq!(clock.now(), EPOCH + Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_can_be_paused_set_and_sped_up_but_not_set_back() {
        let mut clock = Clock::new(EPOCH, 2);
        let second = Duration::from_secs(1);
        tokio::time::advance(second).await;
        clock.pause(true);
        tokio::time::advance(second).await;
        assert_eq!(clock.now(), EPOCH + 2 * second);
        clock.pause(false);
        clock.set_speed(10);
        tokio::time::advance(second).await;
        assert_eq!(clock.now(), EPOCH + 12 * second);
        assert!(!clock.set(EPOCH + 11 * second));
        assert!(clock.set(EPOCH + 100 * second));
        assert_eq!(clock.now(), EPOCH + 100 * second);
    }

    #[tokio::test(start_paused = true)]
    async fn virtual_time_does_not_overflow() {
        let mut clock = Clock::new(EPOCH, u32::MAX);
        clock.advance(Duration::MAX);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(clock.now(), EPOCH + Duration::from_secs(253_402_300_799));
    }
}
