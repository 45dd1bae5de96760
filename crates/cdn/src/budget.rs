//! Rate limit of an account: a token bucket, shared by all targets of the account.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use freshet_core::secret::Secret;

const MINUTE: Duration = Duration::from_secs(60);

/// Rate limit of an account.
#[derive(Debug, Clone)]
pub struct Budget {
    /// Identifies the account: targets with the same value share the limit.
    pub account: Secret,
    /// Requests per minute.
    pub per_minute: u32,
    /// Burst after a pause.
    pub burst: u32,
}

/// The budgets of one process, by account.
#[derive(Debug, Default)]
pub struct Budgets(Mutex<Vec<(Secret, Arc<Bucket>)>>);

impl Budgets {
    /// The bucket of the account. If its targets have different limits, the lower ones apply.
    pub(crate) fn bucket(&self, budget: &Budget) -> Arc<Bucket> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bucket)) = buckets.iter().find(|(of, _)| *of == budget.account) {
            bucket.tighten(budget);
            return Arc::clone(bucket);
        }
        let bucket = Arc::new(Bucket::new(budget, Instant::now()));
        buckets.push((budget.account.clone(), Arc::clone(&bucket)));
        bucket
    }
}

/// A token bucket, stored as the time at which it is full again.
#[derive(Debug)]
pub(crate) struct Bucket(Mutex<Level>);

#[derive(Debug)]
struct Level {
    /// Time to refill one token.
    every: Duration,
    burst: u32,
    full_at: Instant,
}

impl Level {
    /// Time to refill the bucket without its last token.
    fn slack(&self) -> Duration {
        self.every * self.burst.saturating_sub(1)
    }
}

impl Bucket {
    fn new(budget: &Budget, now: Instant) -> Self {
        Self(Mutex::new(Level {
            every: MINUTE / budget.per_minute.max(1),
            burst: budget.burst.max(1),
            full_at: now,
        }))
    }

    fn tighten(&self, budget: &Budget) {
        let mut level = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        level.every = level.every.max(MINUTE / budget.per_minute.max(1));
        level.burst = level.burst.min(budget.burst.max(1));
    }

    /// Takes a token that is available within `patience`; returns the wait.
    ///
    /// # Errors
    /// No token is available in time: returns the time until one is.
    pub(crate) fn take(&self, now: Instant, patience: Duration) -> Result<Duration, Duration> {
        let mut level = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = level.full_at.max(now);
        let wait = (full_at - now).saturating_sub(level.slack());
        if wait > patience {
            return Err(wait);
        }
        level.full_at = full_at + level.every;
        Ok(wait)
    }

    /// Blocks the bucket for `pause`, as requested by the provider.
    pub(crate) fn hold(&self, now: Instant, pause: Duration) {
        let mut level = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let empty_until = now + pause + level.slack();
        level.full_at = level.full_at.max(empty_until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Duration = Duration::ZERO;

    fn budget(account: &str, per_minute: u32, burst: u32) -> Budget {
        Budget {
            account: Secret::from(account),
            per_minute,
            burst,
        }
    }

    /// Cloudflare's free plan: 25 at once, and then one every 12 s.
    #[test]
    fn a_burst_goes_at_once_and_then_one_at_a_time() {
        let started = Instant::now();
        let bucket = Bucket::new(&budget("a", 5, 25), started);
        for _ in 0..25 {
            assert_eq!(bucket.take(started, NONE), Ok(NONE));
        }
        let twelve = Duration::from_secs(12);
        assert_eq!(bucket.take(started, NONE), Err(twelve));
        assert_eq!(
            bucket.take(started, NONE),
            Err(twelve),
            "a refusal takes nothing"
        );
        let later = started + Duration::from_secs(11);
        let second = Duration::from_secs(1);
        assert_eq!(bucket.take(later, second), Ok(second), "it is waited for");
        assert_eq!(bucket.take(started + twelve, NONE), Err(twelve));
        let hour = started + Duration::from_secs(3_600);
        for _ in 0..25 {
            assert_eq!(bucket.take(hour, NONE), Ok(NONE));
        }
        assert!(bucket.take(hour, NONE).is_err(), "it holds no more than 25");
    }

    #[test]
    fn a_pause_that_the_provider_asks_for_is_kept() {
        let started = Instant::now();
        let bucket = Bucket::new(&budget("a", 60, 3), started);
        let pause = Duration::from_secs(30);
        bucket.hold(started, pause);
        assert_eq!(bucket.take(started, NONE), Err(pause));
        bucket.hold(started, Duration::from_secs(10));
        assert_eq!(
            bucket.take(started, NONE),
            Err(pause),
            "the longer one holds"
        );
        assert_eq!(bucket.take(started + pause, NONE), Ok(NONE));
    }

    #[test]
    fn targets_of_one_account_share_its_budget_and_the_lower_one_holds() {
        let budgets = Budgets::default();
        let one = budgets.bucket(&budget("a", 60, 9));
        let same = budgets.bucket(&budget("a", 6, 2));
        let other = budgets.bucket(&budget("b", 60, 1));
        assert!(Arc::ptr_eq(&one, &same) && !Arc::ptr_eq(&one, &other));
        let now = Instant::now();
        assert_eq!(one.take(now, NONE), Ok(NONE));
        assert_eq!(same.take(now, NONE), Ok(NONE));
        let wait = one.take(now, NONE).expect_err("two at once");
        assert!(wait > Duration::from_secs(9), "{wait:?}");
        assert_eq!(other.take(now, NONE), Ok(NONE));
    }

    #[test]
    fn a_budget_of_nothing_is_one_request_a_minute() {
        let now = Instant::now();
        let bucket = Bucket::new(&budget("a", 0, 0), now);
        assert_eq!(bucket.take(now, NONE), Ok(NONE));
        assert_eq!(bucket.take(now, NONE), Err(MINUTE));
    }
}
