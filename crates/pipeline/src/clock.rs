//! The time, from outside, so that a test can hold it still.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use freshet_core::position::{Steady, WallMicros};

/// What the steady clock of [`Clock::system`] shows at the start: late enough that zero is long ago.
const START: Steady = Steady(3_600_000_000);

/// Reads both clocks. Cheap to clone and to read.
///
/// Whatever waits, expires or is due goes by [`now`](Self::now), which only goes forward, at the pace of real time.
/// Whatever is compared with the time of a database, or is written down, goes by [`wall`](Self::wall), which an
/// administrator or NTP may set: a clock that is put back an hour must not make a breaker wait for an hour.
#[derive(Clone)]
pub struct Clock(Arc<Hands>);

struct Hands {
    steady: Box<dyn Fn() -> Steady + Send + Sync>,
    wall: Box<dyn Fn() -> WallMicros + Send + Sync>,
}

impl Clock {
    /// The machine's clocks.
    pub fn system() -> Self {
        let start = Instant::now();
        Self::from_hands(move || START.plus(start.elapsed()), machine_time)
    }

    /// Both clocks from one count of microseconds, for tests.
    pub fn from_fn(now: impl Fn() -> u64 + Clone + Send + Sync + 'static) -> Self {
        let wall = now.clone();
        Self::from_hands(move || Steady(now()), move || WallMicros(wall()))
    }

    /// Clocks of one's own.
    pub fn from_hands(
        steady: impl Fn() -> Steady + Send + Sync + 'static,
        wall: impl Fn() -> WallMicros + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Hands {
            steady: Box::new(steady),
            wall: Box::new(wall),
        }))
    }

    /// The time by which this process waits: never earlier than before.
    pub fn now(&self) -> Steady {
        (self.0.steady)()
    }

    /// The time by which the world dates its changes.
    pub fn wall(&self) -> WallMicros {
        (self.0.wall)()
    }

    /// The steady moment of a commit time: now, less the age that the commit has by the wall clock.
    ///
    /// The one place where the two clocks meet. What is made of it ages steadily from here on, however the wall clock
    /// is set afterwards.
    pub fn steady_of(&self, committed: WallMicros) -> Steady {
        let age = Duration::from_micros(self.wall().since(committed));
        self.now().minus(age)
    }
}

fn machine_time() -> WallMicros {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    WallMicros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Clock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000_000;

    #[test]
    fn p6_a_commit_time_becomes_steady_by_its_age() {
        let (steady, wall) = (Steady(2 * HOUR), WallMicros(500 * HOUR));
        let clock = Clock::from_hands(move || steady, move || wall);
        for (committed, at) in [
            (wall, steady),
            (WallMicros(wall.0 - 7), Steady(steady.0 - 7)),
            // The clock of a database is ahead of ours: not in the future.
            (WallMicros(wall.0 + HOUR), steady),
            // Older than this clock.
            (WallMicros(wall.0 - 3 * HOUR), Steady(0)),
        ] {
            assert_eq!(clock.steady_of(committed), at, "{committed:?}");
        }
    }
}
