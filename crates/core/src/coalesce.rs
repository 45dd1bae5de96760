//! coalesce: the purges of consecutive changes → one round, with every name once per target.

use std::sync::Arc;

use crate::cause::Cause;
use crate::intent::Intent;
use crate::position::{StreamPosition, WallMicros};
use crate::purge::{PurgeBatch, PurgeSet, WantedPurge};
use crate::registry::{FamilyId, Registry, TargetId};

/// One change in a round, whose freshness is measured when the round is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoundChange {
    /// The family of the change.
    pub family: FamilyId,
    /// Commit time; zero if unknown.
    pub committed: WallMicros,
    /// When the source (Kafka) stored it.
    pub appended: WallMicros,
}

/// The purges of consecutive changes that settle together: one [`PurgeBatch`] per target, run in tier order.
#[derive(Debug)]
pub struct PurgeRound {
    /// The registry with which the round was resolved; ids refer to it.
    pub registry: Arc<Registry>,
    batches: Vec<PurgeBatch>,
    positions: Vec<StreamPosition>,
    changes: Vec<RoundChange>,
    causes: Vec<Arc<Cause>>,
    merged: usize,
}

impl PurgeRound {
    /// An empty round under `registry`.
    pub fn new(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            batches: Vec::new(),
            positions: Vec::new(),
            changes: Vec::new(),
            causes: Vec::new(),
            merged: 0,
        }
    }

    /// Empties the round for reuse under `registry`, keeping its memory.
    pub fn reset(&mut self, registry: &Arc<Registry>) {
        if !Arc::ptr_eq(&self.registry, registry) {
            self.registry = Arc::clone(registry);
            // Target ids are valid only in their snapshot: batches of another one cannot be reused.
            self.batches.clear();
        }
        for batch in &mut self.batches {
            batch.clear();
        }
        self.positions.clear();
        self.changes.clear();
        self.causes.clear();
        self.merged = 0;
    }

    /// Merges one change's purges; `position` settles when the whole round is done.
    pub fn merge(&mut self, position: StreamPosition, set: &PurgeSet, times: ChangeTimes) {
        self.positions.push(position);
        self.measure(set, times);
        for (target, wanted) in set.wanted(times.committed) {
            self.add(target, wanted);
        }
    }

    /// Entry point of all purges without a change: adds the purges of `intent` to the round, and returns them.
    /// `position` is the record that caused the intent, if any: it settles with the round, and the freshness of its
    /// families is measured.
    pub fn submit(&mut self, intent: &Intent, position: Option<StreamPosition>) -> PurgeSet {
        let mut set = PurgeSet::default();
        intent.asked.resolve(&self.registry, &mut set);
        if let Some(position) = position {
            self.positions.push(position);
            let times = ChangeTimes {
                committed: intent.since,
                appended: intent.since,
            };
            self.measure(&set, times);
        }
        // Also when nothing is purged: whoever waits for it finds it in the round.
        self.causes.push(Arc::clone(&intent.cause));
        for (target, wanted) in set.wanted(intent.since) {
            let cause = Some(&intent.cause);
            self.add(target, WantedPurge { cause, ..wanted });
        }
        set
    }

    /// Records the families whose freshness is measured when the round is done.
    #[inline(always)] // called for each change
    fn measure(&mut self, set: &PurgeSet, times: ChangeTimes) {
        use crate::purge::FamilyVerdict::{Ignored, Purged, ToVerify, Unchanged, Widened};
        for &(family, verdict) in set.verdicts() {
            match verdict {
                Purged | Widened => self.changes.push(RoundChange {
                    family,
                    committed: times.committed,
                    appended: times.appended,
                }),
                Unchanged | Ignored | ToVerify => {}
            }
        }
    }

    /// Adds one purge that was resolved elsewhere (a lane's record), under this round's registry.
    pub fn add(&mut self, target: TargetId, wanted: WantedPurge<'_>) {
        if let Some(cause) = wanted.cause
            && self.causes.last() != Some(cause)
        {
            self.causes.push(Arc::clone(cause));
        }
        if !self.batch_mut(target).add(wanted) {
            self.merged += 1;
        }
    }

    /// Adds a position that settles when the whole round is done.
    pub fn add_position(&mut self, position: StreamPosition) {
        self.positions.push(position);
    }

    /// Batches with something to purge, in the order in which targets first appeared.
    pub fn batches(&self) -> impl Iterator<Item = &PurgeBatch> {
        self.batches.iter().filter(|batch| !batch.is_empty())
    }

    /// The same, with empty ones among them.
    pub fn all_batches(&self) -> &[PurgeBatch] {
        &self.batches
    }

    /// Positions that settle when the round is done.
    pub fn positions(&self) -> &[StreamPosition] {
        &self.positions
    }

    /// The changes whose freshness the round measures, one per change and family.
    pub fn changes(&self) -> &[RoundChange] {
        &self.changes
    }

    /// Causes of the purges in the round that no change caused.
    pub fn causes(&self) -> &[Arc<Cause>] {
        &self.causes
    }

    /// Number of duplicate purges that were merged.
    pub fn merged(&self) -> usize {
        self.merged
    }

    /// Number of purges in all batches.
    pub fn purges(&self) -> usize {
        self.batches.iter().map(PurgeBatch::len).sum()
    }

    /// Whether there is neither a purge nor a position.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty() && self.batches.iter().all(PurgeBatch::is_empty)
    }

    fn batch_mut(&mut self, target: TargetId) -> &mut PurgeBatch {
        let at = match self
            .batches
            .iter()
            .position(|batch| batch.target() == target)
        {
            Some(at) => at,
            None => {
                self.batches.push(PurgeBatch::new(target));
                self.batches.len() - 1
            }
        };
        &mut self.batches[at]
    }
}

/// The times of a change from which freshness is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChangeTimes {
    /// Commit time; zero if unknown.
    pub committed: WallMicros,
    /// When the source stored its record.
    pub appended: WallMicros,
}
