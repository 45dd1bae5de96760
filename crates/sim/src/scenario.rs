//! What is played, and what comes of it.

use std::fmt;
use std::time::Duration;

use crate::faults::Schedule;

/// What is played.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Chance comes from here, and from nowhere else.
    pub seed: u64,
    /// Changes per second on average.
    pub changes_per_second: f64,
    /// For how long changes are written and faults happen.
    pub trouble: Duration,
    /// Everything must be done within this after the last fault has healed.
    pub heal_within: Duration,
    /// What goes wrong and when.
    pub schedule: Schedule,
    /// Rate of a backlog.
    pub backlog_purges_per_second: u32,
    /// Processes in the group.
    pub members: usize,
}

/// What a run that kept its promises looked like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Changes written.
    pub changes: usize,
    /// Purges that had to happen: a name at a target, for each change.
    pub expected: usize,
    /// Purges that the targets were asked for and did.
    pub purges: usize,
    /// Faults.
    pub faults: usize,
    /// Processes killed.
    pub kills: usize,
    /// Purges that went through a backlog.
    pub spilled: usize,
    /// Dead letters.
    pub dead_letters: usize,
    /// Assignments of partitions, the first ones included.
    pub assignments: usize,
    /// From the last repair until everything was done.
    pub recovery: Duration,
    /// Records handed out and not committed, at most.
    pub open_max: usize,
    /// Hash over everything that happened, in order.
    pub trace: u64,
}

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The seed that shows it.
    pub seed: u64,
    /// Which promise and how.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "seed {}: {}\n  replay: make sim SEED={}",
            self.seed, self.what, self.seed
        )
    }
}

impl Scenario {
    /// Random trouble of every kind, all of it healed in the end.
    pub fn random(seed: u64) -> Self {
        let trouble = Duration::from_secs(20);
        Self {
            seed,
            changes_per_second: 40.0,
            trouble,
            heal_within: Duration::from_secs(60),
            schedule: Schedule::random(seed, trouble),
            backlog_purges_per_second: 2_000,
            members: 1 + (seed % 2) as usize,
        }
    }
}
