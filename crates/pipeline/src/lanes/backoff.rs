//! How long to wait before asking again: exponential with full jitter, so that many lanes that failed
//! together do not come back together.

use std::sync::Arc;
use std::time::Duration;

/// Waits between attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
}

impl Backoff {
    /// Waits of at most `base`, doubling with every attempt up to `cap`. A cap below the base counts as
    /// the base.
    pub fn new(base: Duration, cap: Duration) -> Self {
        Self {
            base,
            cap: cap.max(base),
        }
    }

    /// The wait before attempt `attempt` (0 is the first repetition), for a `dice` in 0..1. Never shorter
    /// than a quarter of the ceiling, so that an unlucky dice is no busy loop.
    pub fn wait(&self, attempt: u32, dice: f64) -> Duration {
        let ceiling = self.base.saturating_mul(1 << attempt.min(16)).min(self.cap);
        ceiling.mul_f64(0.25 + 0.75 * dice.clamp(0.0, 1.0))
    }
}

/// Where chance comes from, from outside, so that a simulation can repeat it. Cheap to clone.
#[derive(Clone)]
pub struct Dice(Arc<dyn Fn() -> f64 + Send + Sync>);

impl Dice {
    /// Rolls what `roll` gives, in 0..1.
    pub fn from_fn(roll: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(roll))
    }

    /// The next number in 0..1.
    pub fn roll(&self) -> f64 {
        (self.0)()
    }
}

impl Default for Dice {
    fn default() -> Self {
        Self::from_fn(rand::random::<f64>)
    }
}

impl std::fmt::Debug for Dice {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Dice")
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_millis(50), Duration::from_secs(5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_cap_and_never_to_zero() {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        assert_eq!(backoff.wait(0, 1.0), Duration::from_millis(100));
        assert_eq!(backoff.wait(2, 1.0), Duration::from_millis(400));
        assert_eq!(backoff.wait(40, 1.0), Duration::from_secs(1));
        assert_eq!(backoff.wait(40, 0.0), Duration::from_millis(250));
    }

    #[test]
    fn chance_is_spread_and_stays_below_one() {
        let dice = Dice::default();
        let rolls: Vec<f64> = (0..100).map(|_| dice.roll()).collect();
        assert!(rolls.iter().all(|roll| (0.0..1.0).contains(roll)));
        let below_half = rolls.iter().filter(|roll| **roll < 0.5).count();
        assert!((10..=90).contains(&below_half), "{rolls:?}");
    }
}
