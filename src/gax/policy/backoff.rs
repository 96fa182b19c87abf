//! Waits that grow from one attempt to the next.

use std::time::Duration;

/// Exponential backoff with full jitter: each wait is drawn evenly from zero to a ceiling, and the
/// ceiling grows from one attempt to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    initial: Duration,
    max: Duration,
    factor: f64,
}

impl Backoff {
    /// A ceiling of 1 s that grows by a factor of 1.3 up to 10 s: the values of the service's
    /// published configuration for reads.
    pub const DEFAULT: Self =
        Self { initial: Duration::from_secs(1), max: Duration::from_secs(10), factor: 1.3 };

    /// A ceiling of `initial` for the first wait, which grows by `factor` up to `max`.
    ///
    /// A factor below 1, or one that is not a number, counts as 1. If `max` is below `initial`, every
    /// ceiling is `max`.
    pub fn new(initial: Duration, max: Duration, factor: f64) -> Self {
        Self { initial, max, factor: factor.max(1.0) }
    }

    /// The longest wait after the given number of attempts (1 after the first).
    pub fn ceiling(&self, attempts: u32) -> Duration {
        if self.initial.is_zero() {
            return Duration::ZERO; // The power below reaches infinity, and 0 × ∞ is not a number.
        }
        let exponent = attempts.saturating_sub(1).min(1024);
        let seconds = self.initial.as_secs_f64() * self.factor.powi(exponent.cast_signed());
        Duration::try_from_secs_f64(seconds).unwrap_or(self.max).min(self.max)
    }

    /// The wait that `jitter`, from 0 to 1, picks below the ceiling.
    pub(super) fn wait(&self, attempts: u32, jitter: f64) -> Duration {
        let ceiling = self.ceiling(attempts);
        let seconds = ceiling.as_secs_f64() * jitter.clamp(0.0, 1.0);
        Duration::try_from_secs_f64(seconds).unwrap_or(ceiling)
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn backoff_ceilings_grow_to_the_limit_and_never_overflow() {
        let backoff = Backoff::DEFAULT;
        assert_eq!(backoff.ceiling(1), SECOND);
        assert_eq!(backoff.ceiling(2), Duration::from_millis(1300));
        assert_eq!(backoff.ceiling(u32::MAX), 10 * SECOND);
        let odd = Backoff::new(SECOND, 10 * SECOND, f64::NAN);
        assert_eq!(odd.ceiling(9), SECOND);
        let huge = Backoff::new(Duration::MAX, Duration::MAX, f64::INFINITY);
        assert_eq!(huge.ceiling(3), Duration::MAX);
        let idle = Backoff::new(Duration::ZERO, SECOND, 2.0);
        assert_eq!(idle.ceiling(u32::MAX), Duration::ZERO);
    }

    #[test]
    fn jitter_that_is_out_of_range_does_not_panic() {
        let endless = Backoff::new(Duration::MAX, Duration::MAX, 1.0);
        for jitter in [1.0, f64::NAN, f64::INFINITY, -1.0] {
            let _ = endless.wait(1, jitter);
        }
    }
}
