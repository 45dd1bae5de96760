//! A circuit breaker per target, shared by everybody who purges there: after some failures in a row nobody waits for
//! the target any more; from time to time one attempt is let through to see whether it is back.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use freshet_core::position::Steady;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::lanes::backoff::Backoff;

/// Failures in a row that open it.
const FAILURES_TO_OPEN: u32 = 3;
/// An attempt that was let through and whose outcome was never reported (it was cancelled) counts for this long.
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
    /// The breaker is open from now on.
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
    /// Wakes all who wait when the outcome of a probe is known.
    probed: Notify,
}

impl Breaker {
    /// A closed breaker whose attempts, once open, follow `probe_after`.
    pub(crate) fn new(probe_after: Backoff) -> Self {
        Self {
            probe_after,
            state: Mutex::new(State::Closed { failures: 0 }),
            probed: Notify::new(),
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

    /// Waits until an attempt may be made, and makes it the caller's. A probe that is answered lets everybody through
    /// at once: nobody sits out what is left of the time that the probe might have taken.
    pub(crate) async fn pass(&self, clock: &Clock) {
        while let Admission::Wait(_) = self.admit(clock.now()) {
            // Listens before it looks again, so that no turn between the two is missed.
            let probed = self.probed.notified();
            tokio::pin!(probed);
            probed.as_mut().enable();
            let Admission::Wait(wait) = self.admit(clock.now()) else {
                return;
            };
            // Whether the time is over or a probe has ended is seen at the next look.
            let _ = tokio::time::timeout(wait, probed).await;
        }
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
        drop(state);
        self.probed.notify_waiters();
        turn
    }

    /// Notes that an attempt was answered.
    pub(crate) fn answered(&self) -> Turn {
        let mut state = self.lock();
        let was_open = !matches!(*state, State::Closed { .. });
        *state = State::Closed { failures: 0 };
        drop(state);
        if !was_open {
            return Turn::None;
        }
        self.probed.notify_waiters();
        Turn::Closed
    }

    /// Whether the target is considered down.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(*self.lock(), State::Closed { .. })
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
    fn p6_an_attempt_that_never_told_does_not_keep_it_open_for_ever() {
        let breaker = breaker();
        for _ in 0..FAILURES_TO_OPEN {
            breaker.failed(Steady(0), 0.0);
        }
        assert_eq!(breaker.admit(Steady(1_000)), Admission::Pass);
        let expired = Steady(1_000).plus(PROBE_EXPIRES);
        assert_ne!(breaker.admit(Steady(expired.0 - 1)), Admission::Pass);
        assert_eq!(breaker.admit(expired), Admission::Pass);
    }

    #[tokio::test(start_paused = true)]
    async fn p6_who_waits_for_a_probe_goes_on_when_it_is_answered() {
        let start = tokio::time::Instant::now();
        let clock = Clock::from_fn(move || start.elapsed().as_micros() as u64);
        let breaker = breaker();
        for _ in 0..FAILURES_TO_OPEN {
            breaker.failed(clock.now(), 1.0);
        }
        breaker.pass(&clock).await;
        let probe = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            breaker.answered();
        };
        let began = tokio::time::Instant::now();
        let waiter = async {
            breaker.pass(&clock).await;
            began.elapsed()
        };
        let ((), waited) = tokio::join!(probe, waiter);
        assert!(waited < Duration::from_millis(30), "waited {waited:?}");
        assert!(
            waited >= Duration::from_millis(20),
            "before the probe ended"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn p6_who_waits_for_a_probe_makes_the_next_one_when_it_fails() {
        let start = tokio::time::Instant::now();
        let clock = Clock::from_fn(move || start.elapsed().as_micros() as u64);
        let breaker = breaker();
        for _ in 0..FAILURES_TO_OPEN {
            breaker.failed(clock.now(), 1.0);
        }
        breaker.pass(&clock).await;
        let probe = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            breaker.failed(clock.now(), 1.0);
        };
        let began = tokio::time::Instant::now();
        tokio::join!(probe, breaker.pass(&clock));
        let waited = began.elapsed();
        assert!(waited < Duration::from_millis(30), "waited {waited:?}");
        assert_ne!(breaker.admit(clock.now()), Admission::Pass, "one at a time");
    }
}
