//! What was counted: changes, answers and how stale they were.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use freshet_shop::{AnswerFrom, Family, Rules};

/// Answers of one layer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Answers {
    /// Entries asked for (a page may be made of two).
    pub(crate) reads: u64,
    /// Those that the cache had.
    pub(crate) hits: u64,
    /// Fills that a purge refused: each would have been a stale entry without the guard.
    pub(crate) refused_fills: u64,
    /// Older than a commit at all when asked for.
    pub(crate) stale: u64,
    /// By more than 100 ms.
    pub(crate) stale_100ms: u64,
    /// By more than 1 s.
    pub(crate) stale_1s: u64,
    /// By more than the family's objective.
    pub(crate) beyond_objective: u64,
    /// The stalest, in microseconds.
    pub(crate) stalest_us: u64,
}

impl Answers {
    fn count(&mut self, is_hit: bool, age_us: u64, objective: Duration) {
        self.reads += 1;
        self.hits += u64::from(is_hit);
        self.stale += u64::from(age_us > 0);
        self.stale_100ms += u64::from(age_us > 100_000);
        self.stale_1s += u64::from(age_us > 1_000_000);
        self.beyond_objective += u64::from(u128::from(age_us) > objective.as_micros());
        self.stalest_us = self.stalest_us.max(age_us);
    }
}

/// Everything that is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Rows committed.
    pub(crate) changes: u64,
    /// Answers through Redis.
    pub(crate) redis: Answers,
    /// Answers through the edge.
    pub(crate) edge: Answers,
    /// Reads that got no answer.
    pub(crate) failed_reads: u64,
}

/// The counts so far.
#[derive(Debug)]
pub(crate) struct Tally {
    rules: Rules,
    counts: Mutex<Counts>,
}

impl Tally {
    /// Nothing counted yet.
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            counts: Mutex::default(),
        }
    }

    /// The rules it counts by.
    pub(crate) fn rules(&self) -> Rules {
        self.rules
    }

    fn with(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Rows were committed.
    pub(crate) fn changed(&self, rows: u64) {
        self.with(|counts| counts.changes += rows);
    }

    /// Redis answered.
    pub(crate) fn read_redis(&self, family: Family, from: AnswerFrom, age_us: u64) {
        let objective = self.rules.of(family).within;
        self.with(|counts| {
            counts
                .redis
                .count(from == AnswerFrom::Cache, age_us, objective);
            counts.redis.refused_fills += u64::from(from == AnswerFrom::Refused);
        });
    }

    /// The edge answered.
    pub(crate) fn read_edge(&self, family: Family, is_hit: bool, age_us: u64) {
        let objective = self.rules.of(family).within;
        self.with(|counts| counts.edge.count(is_hit, age_us, objective));
    }

    /// Nobody answered.
    pub(crate) fn failed(&self) {
        self.with(|counts| counts.failed_reads += 1);
    }

    /// The counts so far.
    pub(crate) fn counts(&self) -> Counts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
