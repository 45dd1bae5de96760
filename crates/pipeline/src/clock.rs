//! The time, from outside, so that a test can hold it still.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use freshet_core::position::UnixMicros;

/// Tells the time by two hands. Cheap to clone and to ask.
///
/// Whatever waits, expires or is due goes by [`now`](Self::now), which only goes forward, at the pace of real time.
/// Whatever is compared with the time of a database, or is written down, goes by [`wall`](Self::wall), which an
/// administrator or NTP may set: a clock that is put back an hour must not make a breaker wait for an hour.
#[derive(Clone)]
pub struct Clock(Arc<Hands>);

struct Hands {
    steady: Box<Tell>,
    wall: Box<Tell>,
}

type Tell = dyn Fn() -> UnixMicros + Send + Sync;

impl Clock {
    /// The machine's clocks. The steady one begins at the wall clock's time.
    pub fn system() -> Self {
        let (begun, at_begin) = (Instant::now(), machine_time());
        let steady = move || UnixMicros(at_begin.0 + begun.elapsed().as_micros() as u64);
        Self::from_hands(steady, machine_time)
    }

    /// One clock of one's own for both hands.
    pub fn from_fn(now: impl Fn() -> UnixMicros + Clone + Send + Sync + 'static) -> Self {
        Self::from_hands(now.clone(), now)
    }

    /// Clocks of one's own.
    pub fn from_hands(
        steady: impl Fn() -> UnixMicros + Send + Sync + 'static,
        wall: impl Fn() -> UnixMicros + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Hands {
            steady: Box::new(steady),
            wall: Box::new(wall),
        }))
    }

    /// The time by which this process waits: never earlier than before.
    pub fn now(&self) -> UnixMicros {
        (self.0.steady)()
    }

    /// The time by which the world dates its changes.
    pub fn wall(&self) -> UnixMicros {
        (self.0.wall)()
    }
}

fn machine_time() -> UnixMicros {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMicros(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Clock")
    }
}
