//! Rows that snapshots read, in families that have them verified.

use freshet_core::registry::{FamilyId, OnSnapshot, Registry};
use metrics::{Counter, Unit, counter, describe_counter};

/// Rows that snapshots read.
const SNAPSHOT_ROWS: &str = "freshet_snapshot_rows_total";

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadOutcome {
    /// The auditor has it.
    Offered,
    /// The auditor had no room: rows came faster than it may look.
    OverRate,
    /// The entries that the row is in are not known one by one.
    NoName,
    /// The row does not say its version.
    NoVersion,
}

impl ReadOutcome {
    const NAMES: [&'static str; 4] = ["offered", "over_rate", "no_name", "no_version"];
}

pub(super) fn describe() {
    describe_counter!(
        SNAPSHOT_ROWS,
        Unit::Count,
        "Snapshot rows of families with on_snapshot: verify, by whether the auditor got them"
    );
}

/// Counters by family; none for a family that does not verify.
#[derive(Debug)]
pub(super) struct ReadHandles(Vec<Option<[Counter; 4]>>);

impl ReadHandles {
    pub(super) fn new(registry: &Registry) -> Self {
        let families = registry.families.iter().map(|family| {
            let verifies = family.on_snapshot == OnSnapshot::Verify;
            let family = family.name.to_string();
            verifies.then(|| {
                ReadOutcome::NAMES.map(|outcome| {
                    counter!(SNAPSHOT_ROWS, "family" => family.clone(), "outcome" => outcome)
                })
            })
        });
        Self(families.collect())
    }

    pub(super) fn count(&self, family: FamilyId, outcome: ReadOutcome) {
        if let Some(Some(counters)) = self.0.get(family.0 as usize) {
            counters[outcome as usize].increment(1);
        }
    }
}
