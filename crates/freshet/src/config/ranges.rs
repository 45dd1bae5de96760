//! The usual value of every number and duration of the config, with the least and the most that is accepted.
//! `docs/configuration.md` repeats them, and a test compares the two. What only one provider has stands with it.

use std::time::Duration;

/// What a number may be.
pub(crate) struct Numbers {
    pub(crate) least: u32,
    pub(crate) most: u32,
    pub(crate) usual: u32,
}

/// What a duration may be.
pub(crate) struct Times {
    pub(crate) least: Duration,
    pub(crate) most: Duration,
    pub(crate) usual: Duration,
}

impl Times {
    /// The same with another usual value.
    pub(crate) fn usually(&self, usual: Duration) -> Self {
        Self { usual, ..*self }
    }
}

/// From `least` to `most`, and what is usual.
pub(crate) const fn numbers(least: u32, most: u32, usual: u32) -> Numbers {
    Numbers { least, most, usual }
}

const fn times(least_ms: u64, most_ms: u64, usual_ms: u64) -> Times {
    Times {
        least: Duration::from_millis(least_ms),
        most: Duration::from_millis(most_ms),
        usual: Duration::from_millis(usual_ms),
    }
}

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A heartbeat that is older than a week is no heartbeat.
pub(crate) const HEARTBEAT: Times = times(SECOND, 7 * DAY, MINUTE);
pub(crate) const BEACON_WITHIN: Times = times(SECOND, DAY, MINUTE);
pub(crate) const TRANSACTIONS_WITHIN: Times = times(SECOND, DAY, MINUTE);
pub(crate) const STOP_WITHIN: Times = times(SECOND, 10 * MINUTE, 25 * SECOND);

pub(crate) const ANSWER_BYTES_MAX: Numbers = numbers(65_536, 16 << 20, 4 << 20);
/// The largest schema and the largest key's schema fit in together.
pub(crate) const CACHE_BYTES_MAX: Numbers = numbers(64 << 20, 4_000_000_000, 64 << 20);
pub(crate) const SCHEMAS_TIMEOUT: Times = times(10, MINUTE, 2 * SECOND);
/// Of one request, of a connection, of a command; what is usual depends on the server.
pub(crate) const TIMEOUT: Times = times(10, MINUTE, 2 * SECOND);

pub(crate) const WINDOW: Times = times(0, MINUTE, 50);
pub(crate) const MAX_WAIT: Times = times(1, 5 * MINUTE, 500);
pub(crate) const SPILL_AFTER: Times = times(10, 5 * MINUTE, 500);
/// What is kept for a replay is kept in memory.
pub(crate) const REPLAY_WINDOW: Times = times(0, 10 * MINUTE, 10 * SECOND);
pub(crate) const BACKLOG_PURGES_PER_SECOND: Numbers = numbers(1, 1_000_000, 10_000);

pub(crate) const KEYS_PER_COMMAND: Numbers = numbers(1, 10_000, 256);
pub(crate) const SCAN_KEYS_PER_SECOND: Numbers = numbers(1, 10_000_000, 500_000);
pub(crate) const DATABASE: Numbers = numbers(0, 65_535, 0);

pub(crate) const PARTITIONS: Numbers = numbers(1, 1_000, 6);

/// Each is a thread with a Kafka client, which has threads of its own.
pub(crate) const THREADS: Numbers = numbers(1, 64, 1);
pub(crate) const ROUND_RECORDS_MAX: Numbers = numbers(1, 100_000, 2_048);
pub(crate) const ROUNDS_IN_FLIGHT_MAX: Numbers = numbers(1, 64, 4);
pub(crate) const COMMIT_EVERY: Times = times(10, MINUTE, 250);
pub(crate) const VALUE_BYTES_MAX: Numbers = numbers(1_024, 1_000_000_000, 16 << 20);
pub(crate) const STEPS_MAX: Numbers = numbers(65_536, 1_000_000_000, 1 << 20);

pub(crate) const SAMPLES_PER_SECOND: Numbers = numbers(0, 10_000, 20);
pub(crate) const SNAPSHOT_LOOKS_PER_SECOND: Numbers = numbers(0, 10_000, 50);
pub(crate) const CLOCK_SKEW_MAX: Times = times(0, HOUR, 500);
