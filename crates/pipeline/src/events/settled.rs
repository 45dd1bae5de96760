//! settled: what a round was done for, and what became of it at each place. The ledger reads it first, then all who
//! subscribed.

use std::sync::Arc;

use freshet_core::cause::Cause;
use freshet_core::coalesce::RoundChange;
use freshet_core::position::{Steady, StreamPosition, WallMicros};
use freshet_core::purge::{PurgeBatch, PurgeOutcome};
use freshet_core::registry::{RegistryRevision, TargetId, Tier};
use freshet_core::sample::PurgedSample;

use crate::round::Round;
use crate::rules::Rules;

/// A round that is settled: each of its purges is done, or safely stored in the backlog of its target.
#[derive(Debug)]
pub struct Settled {
    round: Round,
    places: Vec<PlaceSettled>,
    at: Steady,
}

impl Settled {
    /// A round whose last place had answered at `at`.
    pub(crate) fn new(round: Round, places: Vec<PlaceSettled>, at: Steady) -> Self {
        Self { round, places, at }
    }

    /// The positions of the records that it was done for.
    pub fn positions(&self) -> &[StreamPosition] {
        self.round.purges.positions()
    }

    /// The changes that it was done for, one for each change and family; none in a round from a lane's topic.
    pub fn changes(&self) -> &[RoundChange] {
        self.round.purges.changes()
    }

    /// Who asked for what is no change of a row, and why.
    pub fn causes(&self) -> &[Arc<Cause>] {
        self.round.purges.causes()
    }

    /// The registry that it was resolved by.
    pub fn revision(&self) -> &RegistryRevision {
        &self.round.rules.registry.revision
    }

    /// What became of it, in the order in which the places answered. A target that was purged once more behind a late one
    /// is there twice.
    pub fn places(&self) -> &[PlaceSettled] {
        &self.places
    }

    /// What was asked of a target: the names, how wide each is, and how hard.
    pub fn scope(&self, target: TargetId) -> Option<&PurgeBatch> {
        let mut batches = self.round.purges.batches();
        batches.find(|batch| batch.target() == target)
    }

    /// A target's name.
    pub fn name_of(&self, target: TargetId) -> Option<&Arc<str>> {
        let target = self.round.rules.registry.target(target)?;
        Some(&target.name)
    }

    /// When its first record was taken.
    pub fn begun(&self) -> Steady {
        self.round.begun
    }

    /// When its last place had answered.
    pub fn at(&self) -> Steady {
        self.at
    }

    /// Its number, in the order in which one intake sends its rounds.
    pub(crate) fn number(&self) -> u64 {
        self.round.number
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.round.rules
    }

    /// Purges that the auditor may check.
    pub(crate) fn samples(&self) -> &[PurgedSample] {
        &self.round.samples
    }

    /// The round, to be used again.
    pub(crate) fn into_round(self) -> Round {
        self.round
    }
}

/// What became of a round's purges at one target.
#[derive(Debug)]
pub struct PlaceSettled {
    /// The target.
    pub target: TargetId,
    /// Its tier.
    pub tier: Tier,
    /// How often the target was asked. Rounds that come while a target is busy are asked for together: then this and
    /// `outcomes` count for all of them.
    pub attempts: u32,
    /// What the target answered in the end.
    pub outcomes: Outcomes,
    /// Parts that are done, in the order of their answers.
    pub done: Vec<Done>,
    /// How much of it went to the target's backlog, with what is outside of it behind it.
    pub stored: Stored,
    /// When it was handed to the target's lane.
    pub accepted: Steady,
    /// When the lane had answered.
    pub answered: Steady,
}

/// Purges that are done.
#[derive(Debug)]
pub struct Done {
    /// Which; none for all that was asked of the target.
    pub purges: Option<PurgeBatch>,
    /// When the target had answered them.
    pub at: WallMicros,
}

/// How much of a batch was stored in place of being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// Nothing: all is done, or is in the topic of the target's live purges.
    Nothing,
    /// A part.
    Part,
    /// All.
    All,
}

/// How many purges had each outcome in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcomes([u32; PurgeOutcome::NAMES.len()]);

impl Outcomes {
    pub(crate) fn add(&mut self, outcome: PurgeOutcome) {
        self.0[outcome.index()] += 1;
    }

    /// How many had this outcome, whatever its details.
    pub fn count(&self, outcome: PurgeOutcome) -> u32 {
        self.0[outcome.index()]
    }
}
