//! A circuit breaker per target, shared by everybody who purges there: after some failures in a row nobody waits for
//! the target any more; from time to time one attempt is let through to see whether it is back.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use freshet_core::position::Steady;

use crate::backoff::Backoff;

/// Failures in a row that open it.
const FAILURES_TO_OPEN: u32 = 3;
/// An attempt that was let through and never told how it went (it was cancelled) counts for this long.
const PROBE_EXPIRES: Duration = Duration::from_secs(10);

/// Whether an attempt may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Yes.
    Pass,
    /// No; ask again after this.
    Wait(Duration),
}

/// What a note changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Nothing.
    None,
    /// The target is taken for down from now on.
    Opened,
    /// The target is back.
    Closed,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed { failures: u32 },
    Open { until: Steady, probes: u32 },
    Probing { until: Steady, probes: u32 },
}

/// The breaker of one target.
#[derive(Debug)]
pub(crate) struct Breaker {
    probe_after: Backoff,
    state: Mutex<State>,
}

impl Breaker {
    /// A closed breaker whose attempts, once open, follow `probe_after`.
    pub(crate) fn new(probe_after: Backoff) -> Self {
        Self {
            probe_after,
            state: Mutex::new(State::Closed { failures: 0 }),
        }
    }

    /// Whether an attempt may be made at `now`. Whoever gets a pass notes how it went.
    pub(crate) fn admit(&self, now: Steady) -> Admission {
        let mut state = self.lock();
        let (until, probes) = match *state {
            State::Closed { .. } => return Admission::Pass,
            State::Open { until, probes } | State::Probing { until, probes } => (until, probes),
        };
        if now < until {
            return Admission::Wait(until.since(now));
        }
        *state = State::Probing {
            until: now.plus(PROBE_EXPIRES),
            probes,
        };
        Admission::Pass
    }

    /// Notes that an attempt failed; `dice` in 0..1 spreads the next one.
    pub(crate) fn failed(&self, now: Steady, dice: f64) -> Turn {
        let mut state = self.lock();
        let (turn, probes) = match *state {
            State::Closed { failures } if failures + 1 < FAILURES_TO_OPEN => {
                *state = State::Closed {
                    failures: failures + 1,
                };
                return Turn::None;
            }
            State::Closed { .. } => (Turn::Opened, 0),
            State::Open { probes, .. } => (Turn::None, probes),
            State::Probing { probes, .. } => (Turn::None, probes + 1),
        };
        let until = now.plus(self.probe_after.wait(probes, dice));
        *state = State::Open { until, probes };
        turn
    }

    /// Notes that an attempt was answered.
    pub(crate) fn answered(&self) -> Turn {
        let mut state = self.lock();
        let was_open = !matches!(*state, State::Closed { .. });
        *state = State::Closed { failures: 0 };
        if was_open { Turn::Closed } else { Turn::None }
    }

    /// A poisoned lock only means that a holder panicked; the state is whole after every operation.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> Breaker {
        Breaker::new(Backoff::new(
            Duration::from_micros(100),
            Duration::from_micros(400),
        ))
    }

    #[test]
    fn opens_after_failures_in_a_row_and_lets_one_attempt_through_at_a_time() {
        let breaker = breaker();
        let now = Steady(1_000);
        assert_eq!(breaker.failed(now, 1.0), Turn::None);
        assert_eq!(breaker.answered(), Turn::None, "not in a row");
        assert_eq!(breaker.failed(now, 1.0), Turn::None);
        assert_eq!(breaker.failed(now, 1.0), Turn::None);
        assert_eq!(breaker.failed(now, 1.0), Turn::Opened);
        let wait = Duration::from_micros(60);
        assert_eq!(breaker.admit(Steady(1_040)), Admission::Wait(wait));
        assert_eq!(breaker.admit(Steady(1_100)), Admission::Pass);
        assert_ne!(breaker.admit(Steady(1_101)), Admission::Pass);
        assert_eq!(breaker.failed(Steady(1_200), 1.0), Turn::None);
        assert_ne!(
            breaker.admit(Steady(1_399)),
            Admission::Pass,
            "waits longer"
        );
        assert_eq!(breaker.admit(Steady(1_400)), Admission::Pass);
        assert_eq!(breaker.answered(), Turn::Closed);
        assert_eq!(breaker.admit(Steady(1_401)), Admission::Pass);
        assert_eq!(breaker.admit(Steady(1_401)), Admission::Pass);
    }

    #[test]
    fn an_attempt_that_never_told_does_not_keep_it_open_for_ever() {
        let breaker = breaker();
        for _ in 0..FAILURES_TO_OPEN {
            breaker.failed(Steady(0), 0.0);
        }
        assert_eq!(breaker.admit(Steady(1_000)), Admission::Pass);
        let expired = Steady(1_000).plus(PROBE_EXPIRES);
        assert_ne!(breaker.admit(Steady(expired.0 - 1)), Admission::Pass);
        assert_eq!(breaker.admit(expired), Admission::Pass);
    }
}
