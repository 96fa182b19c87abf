//! The budget that all retries of a client share.

use crate::gax::{
    planted::planted,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

/// A limit on retries while the service is down: a token bucket that a client's clones share.
///
/// Each retry takes a token, and each success returns a part of one. So an outage causes at most
/// `capacity` additional requests, however many callers there are.
#[derive(Clone, Debug)]
pub struct Budget(Option<Arc<Bucket>>);

#[derive(Debug)]
struct Bucket {
    thousandths: AtomicI64,
    capacity: i64,
    refill: i64,
}

impl Budget {
    /// A full bucket of `capacity` tokens. Each success returns `refill` tokens.
    pub fn new(capacity: u32, refill: f64) -> Self {
        let capacity = i64::from(capacity) * 1000;
        #[expect(clippy::cast_possible_truncation, reason = "clamped to the bucket's range")]
        let refill = (refill * 1000.0).clamp(0.0, capacity as f64) as i64;
        Self(Some(Arc::new(Bucket { thousandths: capacity.into(), capacity, refill })))
    }

    /// A budget without a limit.
    pub const fn unlimited() -> Self {
        Self(None)
    }

    /// The tokens that are left; `None` if there is no limit.
    pub fn available(&self) -> Option<f64> {
        let bucket = self.0.as_ref()?;
        Some(in_tokens(bucket.thousandths.load(Ordering::Relaxed)))
    }

    /// The tokens of a full budget; `None` if there is no limit.
    pub fn capacity(&self) -> Option<f64> {
        Some(in_tokens(self.0.as_ref()?.capacity))
    }

    /// Takes a token for a retry. Returns false if there is none.
    pub fn withdraw(&self) -> bool {
        planted!("does not charge retries", return true);
        let Some(bucket) = &self.0 else { return true };
        let take = |held: i64| (held >= 1000).then(|| held - 1000);
        bucket.thousandths.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    /// Returns the tokens for a success.
    pub fn deposit(&self) {
        let Some(bucket) = &self.0 else { return };
        if bucket.thousandths.load(Ordering::Relaxed) == bucket.capacity {
            return;
        }
        let add = |held: i64| Some((held + bucket.refill).min(bucket.capacity));
        let _ = bucket.thousandths.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a bucket holds less than 2^52 thousandths")]
fn in_tokens(thousandths: i64) -> f64 {
    thousandths as f64 / 1000.0
}

impl Default for Budget {
    /// 100 tokens, of which each success returns a tenth of one.
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
        assert_eq!((budget.available(), budget.capacity()), (Some(2.0), Some(2.0)));
        assert!(budget.withdraw());
        assert!(budget.withdraw());
        assert!(!budget.withdraw());
        assert_eq!((budget.available(), budget.capacity()), (Some(0.0), Some(2.0)));
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
