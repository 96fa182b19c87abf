//! What all retries of a client together may cost.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

/// What retries may cost the service when it is down: a token bucket, shared by a client's clones.
///
/// Each retry takes a token and each success gives a tenth of one back, so that an outage meets at
/// most `capacity` extra requests, however many callers there are.
#[derive(Clone, Debug)]
pub struct Budget(Option<Arc<Bucket>>);

#[derive(Debug)]
struct Bucket {
    thousandths: AtomicI64,
    capacity: i64,
    refill: i64,
}

impl Budget {
    /// A full bucket of `capacity` tokens, given back at `refill` tokens a success.
    pub fn new(capacity: u32, refill: f64) -> Self {
        let capacity = i64::from(capacity) * 1000;
        #[expect(clippy::cast_possible_truncation, reason = "clamped to the bucket's range")]
        let refill = (refill * 1000.0).clamp(0.0, capacity as f64) as i64;
        Self(Some(Arc::new(Bucket { thousandths: capacity.into(), capacity, refill })))
    }

    /// Never runs out.
    pub const fn unlimited() -> Self {
        Self(None)
    }

    /// Takes a token for a retry; false if none is left.
    pub fn withdraw(&self) -> bool {
        let Some(bucket) = &self.0 else { return true };
        let take = |held: i64| (held >= 1000).then(|| held - 1000);
        bucket.thousandths.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    /// Gives back what a success is worth.
    pub fn deposit(&self) {
        let Some(bucket) = &self.0 else { return };
        if bucket.thousandths.load(Ordering::Relaxed) == bucket.capacity {
            return;
        }
        let add = |held: i64| Some((held + bucket.refill).min(bucket.capacity));
        let _ = bucket.thousandths.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }
}

impl Default for Budget {
    /// 100 tokens, a tenth of one back with each success.
    fn default() -> Self {
        Self::new(100, 0.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_bucket_gives_nothing_until_successes_refill_it() {
        let budget = Budget::new(2, 0.5);
        assert!(budget.withdraw());
        assert!(budget.withdraw());
        assert!(!budget.withdraw());
        budget.deposit();
        assert!(!budget.withdraw());
        budget.clone().deposit();
        assert!(budget.withdraw());
        for _ in 0..100 {
            budget.deposit();
        }
        assert!(budget.withdraw() && budget.withdraw());
        assert!(!budget.withdraw(), "no more than the bucket holds");
    }
}
