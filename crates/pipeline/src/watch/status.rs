//! What every part of the process says of itself: ready, or why not and since when.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use freshet_core::broken::Promise;
use freshet_core::position::{Steady, WallMicros};

use crate::watch::withheld::Withheld;

/// Why a part is not ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotReady {
    /// The part: `kafka`, `target main`, `registry`, …
    pub part: String,
    /// In words, for the on-call engineer.
    pub reason: String,
    /// Since when.
    pub since: Steady,
}

#[derive(Debug, Default)]
struct Shared {
    parts: Mutex<BTreeMap<String, Option<(String, Steady)>>>,
    oldest: Mutex<BTreeMap<String, WallMicros>>,
    beats: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    withheld: Mutex<BTreeMap<String, Withheld>>,
}

/// The state of all parts, shared by the parts that report and by readiness.
#[derive(Debug, Clone, Default)]
pub struct Status(Arc<Shared>);

impl Status {
    /// A part is ready. Returns true when it was not before.
    pub fn ready(&self, part: &str) -> bool {
        let mut parts = lock(&self.0.parts);
        match parts.get_mut(part) {
            Some(state) => state.take().is_some(),
            None => {
                parts.insert(part.to_owned(), None);
                true
            }
        }
    }

    /// A part is not ready. Returns true when it was before, or gave another reason: the time to log it.
    pub fn not_ready(&self, part: &str, reason: &str, now: Steady) -> bool {
        let mut parts = lock(&self.0.parts);
        let state = parts.entry(part.to_owned()).or_default();
        match state {
            Some((known, _)) if known == reason => false,
            Some((known, _)) => {
                // The first moment counts, the newest reason is shown.
                reason.clone_into(known);
                true
            }
            None => {
                *state = Some((reason.to_owned(), now));
                true
            }
        }
    }

    /// Whether the part is ready, or never spoke.
    pub fn is_ready(&self, part: &str) -> bool {
        !matches!(lock(&self.0.parts).get(part), Some(Some(_)))
    }

    /// Everything that is not ready, by part.
    pub fn unready(&self) -> Vec<NotReady> {
        lock(&self.0.parts)
            .iter()
            .filter_map(|(part, state)| {
                let (reason, since) = state.as_ref()?;
                Some(NotReady {
                    part: part.clone(),
                    reason: reason.clone(),
                    since: *since,
                })
            })
            .collect()
    }

    /// All parts that ever spoke.
    pub fn parts(&self) -> Vec<String> {
        lock(&self.0.parts).keys().cloned().collect()
    }

    /// Notes the commit time of the oldest change a part has taken and not purged.
    pub fn oldest_unpurged(&self, part: &str, committed: Option<WallMicros>) {
        let mut oldest = lock(&self.0.oldest);
        match committed {
            Some(at) => oldest.insert(part.to_owned(), at),
            None => oldest.remove(part),
        };
    }

    /// Age in microseconds of the oldest change that is not purged; zero when there is none. Grows by itself:
    /// nothing has to move for it to be asked.
    pub fn oldest_unpurged_age_us(&self, now: WallMicros) -> u64 {
        if Promise::P2.is_broken() {
            return 0;
        }
        lock(&self.0.oldest)
            .values()
            .map(|&at| now.since(at))
            .max()
            .unwrap_or(0)
    }

    /// The position that the commits of a part wait for; none when everything that was taken is committed.
    pub fn withheld(&self, part: &str, position: Option<Withheld>) {
        let mut withheld = lock(&self.0.withheld);
        match position {
            Some(position) => withheld.insert(part.to_owned(), position),
            None => withheld.remove(part),
        };
    }

    /// Positions that commits have waited for since at least `limit`, by part.
    pub fn withheld_for(&self, limit: Duration, now: Steady) -> Vec<(String, Withheld)> {
        let withheld = lock(&self.0.withheld);
        let long = withheld
            .iter()
            .filter(|(_, position)| now.since(position.since) >= limit);
        long.map(|(part, position)| (part.clone(), position.clone()))
            .collect()
    }

    /// A heartbeat for one loop; the loop stores the time in it, in microseconds.
    pub fn heartbeat(&self, part: &str, now: Steady) -> Arc<AtomicU64> {
        let beat = Arc::new(AtomicU64::new(now.0));
        lock(&self.0.beats).insert(part.to_owned(), Arc::clone(&beat));
        beat
    }

    /// Loops that have not gone round for longer than `limit_us`. A loop that is wedged is found here, also
    /// when every dependency is well.
    pub fn wedged(&self, now: Steady, limit_us: u64) -> Vec<String> {
        lock(&self.0.beats)
            .iter()
            .filter(|(_, beat)| now.0.saturating_sub(beat.load(Ordering::Relaxed)) > limit_us)
            .map(|(part, _)| part.clone())
            .collect()
    }

    /// A loop has ended on purpose.
    pub fn retire_heartbeat(&self, part: &str) {
        lock(&self.0.beats).remove(part);
    }
}

/// A poisoned lock only means that a holder panicked; the map itself is whole after every operation.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_newest_reason_and_the_first_moment() {
        let status = Status::default();
        assert!(status.is_ready("kafka"), "it never spoke");
        assert!(status.not_ready("kafka", "no broker answers", Steady(5)));
        assert!(!status.is_ready("kafka"));
        assert!(!status.not_ready("kafka", "no broker answers", Steady(6)));
        assert!(status.not_ready("kafka", "authentication failed", Steady(7)));
        let unready = status.unready();
        assert_eq!(unready.len(), 1);
        assert_eq!(
            (unready[0].reason.as_str(), unready[0].since),
            ("authentication failed", Steady(5))
        );
        assert!(status.ready("kafka"));
        assert!(!status.ready("kafka"));
        assert!(status.is_ready("kafka"));
        assert!(status.unready().is_empty());
        assert_eq!(status.parts(), ["kafka"]);
    }

    #[test]
    fn p2_oldest_unpurged_grows_while_nothing_moves() {
        let status = Status::default();
        assert_eq!(status.oldest_unpurged_age_us(WallMicros(10)), 0);
        status.oldest_unpurged("intake", Some(WallMicros(10)));
        status.oldest_unpurged("lane edge", Some(WallMicros(4)));
        assert_eq!(status.oldest_unpurged_age_us(WallMicros(20)), 16);
        assert_eq!(status.oldest_unpurged_age_us(WallMicros(30)), 26);
        status.oldest_unpurged("lane edge", None);
        assert_eq!(status.oldest_unpurged_age_us(WallMicros(30)), 20);
    }

    #[test]
    fn a_loop_that_stands_still_is_wedged() {
        let status = Status::default();
        let beat = status.heartbeat("intake", Steady(0));
        assert!(status.wedged(Steady(10), 10).is_empty());
        assert_eq!(status.wedged(Steady(11), 10), ["intake"]);
        beat.store(9, Ordering::Relaxed);
        assert!(status.wedged(Steady(11), 10).is_empty());
        assert_eq!(status.wedged(Steady(20), 10), ["intake"]);
        status.retire_heartbeat("intake");
        assert!(status.wedged(Steady(20), 10).is_empty(), "it has ended");
    }
}
