//! How much may be asked for again, and how fast a backlog may be worked off.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use freshet_core::position::Steady;

/// Retries per first attempt (Finagle's and Linkerd's figure).
const RETRIES_PER_ATTEMPT: f64 = 0.2;
/// Retries per second beside these, so that a quiet target can be asked again at all.
const RETRIES_PER_SECOND: f64 = 10.0;
/// What may be saved up, in seconds of the floor and as many attempts.
const SAVED_MAX: f64 = 100.0;

/// A retry budget: 20 % of the attempts and ten a second. A target that fails is then asked at most that much more
/// often than one that works, however many lanes and rounds want to.
#[derive(Debug)]
pub(crate) struct RetryBudget(Mutex<Saved>);

#[derive(Debug, Clone, Copy)]
struct Saved {
    tokens: f64,
    at: Steady,
}

impl RetryBudget {
    /// A budget with a second's worth saved.
    pub(crate) fn new(now: Steady) -> Self {
        Self(Mutex::new(Saved {
            tokens: RETRIES_PER_SECOND,
            at: now,
        }))
    }

    /// Notes a first attempt.
    pub(crate) fn attempted(&self) {
        let mut saved = lock(&self.0);
        saved.tokens = (saved.tokens + RETRIES_PER_ATTEMPT).min(SAVED_MAX);
    }

    /// Takes one retry. Returns how long to wait for it: zero when it may be made now. The retry is taken either way.
    pub(crate) fn take(&self, now: Steady) -> Duration {
        let mut saved = lock(&self.0);
        let earned = now.since(saved.at).as_secs_f64() * RETRIES_PER_SECOND;
        saved.at = saved.at.max(now);
        saved.tokens = (saved.tokens + earned).min(SAVED_MAX) - 1.0;
        if saved.tokens >= 0.0 {
            return Duration::ZERO;
        }
        Duration::from_secs_f64(-saved.tokens / RETRIES_PER_SECOND)
    }
}

/// A rate of purges that a backlog must not exceed: readers refill what is purged, and origins have to bear that.
#[derive(Debug)]
pub(crate) struct Pace {
    per_second: f64,
    next: Mutex<Steady>,
}

impl Pace {
    /// At most `per_second` purges; zero counts as one.
    pub(crate) fn new(per_second: u32) -> Self {
        Self {
            per_second: f64::from(per_second.max(1)),
            next: Mutex::new(Steady(0)),
        }
    }

    /// Purges that go out together: a tenth of a second's worth.
    pub(crate) fn slice(&self) -> usize {
        (self.per_second / 10.0).clamp(1.0, 4096.0) as usize
    }

    /// Takes `purges` from the rate; returns how long to wait before they may go out.
    pub(crate) fn take(&self, now: Steady, purges: usize) -> Duration {
        let mut next = lock(&self.next);
        let begin = (*next).max(now);
        let cost_us = purges as f64 / self.per_second * 1e6;
        *next = Steady(begin.0 + cost_us as u64);
        begin.since(now)
    }
}

/// A poisoned lock only means that a holder panicked; the value is whole after every operation.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(at: f64) -> Steady {
        Steady((at * 1e6) as u64)
    }

    #[test]
    fn retries_are_a_fifth_of_the_attempts_and_ten_a_second() {
        let budget = RetryBudget::new(seconds(0.0));
        for _ in 0..10 {
            assert_eq!(budget.take(seconds(0.0)), Duration::ZERO);
        }
        assert_eq!(budget.take(seconds(0.0)), Duration::from_millis(100));
        assert_eq!(budget.take(seconds(0.0)), Duration::from_millis(200));
        assert_eq!(budget.take(seconds(1.0)), Duration::ZERO, "ten were earned");
        let budget = RetryBudget::new(seconds(0.0));
        (0..50).for_each(|_| budget.attempted());
        let free = (0..100).take_while(|_| budget.take(seconds(0.0)).is_zero());
        assert_eq!(free.count(), 20, "ten saved and a fifth of fifty");
    }

    #[test]
    fn a_backlog_keeps_its_pace() {
        let pace = Pace::new(1_000);
        assert_eq!(pace.slice(), 100);
        assert_eq!(pace.take(seconds(0.0), 100), Duration::ZERO);
        assert_eq!(pace.take(seconds(0.0), 100), Duration::from_millis(100));
        assert_eq!(pace.take(seconds(0.15), 100), Duration::from_millis(50));
        assert_eq!(
            pace.take(seconds(9.0), 100),
            Duration::ZERO,
            "nothing is saved up"
        );
        assert_eq!(pace.take(seconds(9.0), 100), Duration::from_millis(100));
    }
}
