//! Where a record stands in its source, where a change stands in its database's log, and the two kinds of time.

use std::time::Duration;

/// One ordered stream of records as a source handed it to this process.
///
/// A source gives a partition a *new* id each time it is assigned, so an answer that belongs to an
/// earlier assignment can never settle a position of the present one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u32);

/// The place of one record in its stream. Opaque outside the source that made it: everybody else may
/// only compare ordinals of the same stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamPosition {
    /// The stream.
    pub stream: StreamId,
    /// Rises with every record of the stream; need not be dense.
    pub ordinal: u64,
}

/// A change's place in its database's log, comparable only within one database.
///
/// Postgres: commit LSN in the upper half, event LSN in the lower. MySQL and MariaDB: binlog file number
/// (upper 32 bits), position (next 64), row within the statement (lower 32).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ChangeVersion(pub u128);

impl ChangeVersion {
    /// The version of a Postgres change from its commit LSN and its own LSN.
    pub fn from_postgres(commit_lsn: u64, event_lsn: u64) -> Self {
        Self((u128::from(commit_lsn) << 64) | u128::from(event_lsn))
    }

    /// The version of a MySQL or MariaDB change from binlog file number, position and row.
    pub fn from_binlog(file: u32, position: u64, row: u32) -> Self {
        Self((u128::from(file) << 96) | (u128::from(position) << 32) | u128::from(row))
    }
}

/// A moment of the clock that only goes forward, in microseconds since some moment of this process.
///
/// Deadlines and durations are counted in it: setting the machine's clock does not move it. It means nothing outside
/// this process, so it is never written down and never compared with a [`WallMicros`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Steady(pub u64);

impl Steady {
    /// Time from `earlier` to `self`; zero when `earlier` is later.
    pub fn since(self, earlier: Steady) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// The moment `wait` after this one.
    pub fn plus(self, wait: Duration) -> Steady {
        Steady(self.0.saturating_add(micros(wait)))
    }

    /// The moment `age` before this one; the beginning of the clock when it is not that old.
    pub fn minus(self, age: Duration) -> Steady {
        Steady(self.0.saturating_sub(micros(age)))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A moment of the wall clock, in microseconds since the Unix epoch, UTC.
///
/// Commit times and whatever is written down are counted in it. An administrator or NTP may set the clock that it
/// comes from, so nothing waits for it: see [`Steady`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct WallMicros(pub u64);

impl WallMicros {
    /// From whole milliseconds.
    pub fn from_millis(ms: u64) -> Self {
        Self(ms.saturating_mul(1000))
    }

    /// Microseconds from `earlier` to `self`; zero when the clocks disagree about the order.
    pub fn since(self, earlier: WallMicros) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
