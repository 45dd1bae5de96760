//! What a lane is asked to do, and what it answers.

use std::sync::Arc;

use freshet_core::position::WallMicros;
use freshet_core::purge::PurgeBatch;
use freshet_core::registry::{TargetId, Tier};

use crate::rules::Rules;

/// What a lane is asked to do: a round's part for one target, and the round's other parts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work<'r> {
    pub(crate) rules: &'r Arc<Rules>,
    pub(crate) batch: &'r PurgeBatch,
    pub(crate) tier: Tier,
    /// All of the round's parts; empty ones may be among them.
    pub(crate) all: &'r [PurgeBatch],
}

impl<'r> Work<'r> {
    /// What the round purges in tiers outside of this one.
    pub(crate) fn outer(&self) -> impl Iterator<Item = &'r PurgeBatch> {
        let Self { rules, tier, .. } = *self;
        self.all.iter().filter(move |batch| {
            let target = rules.registry.target(batch.target());
            !batch.is_empty() && target.is_some_and(|target| target.tier > tier)
        })
    }

    /// The answer to it.
    pub(crate) fn answer(&self, done: Vec<Done>, stored: Stored) -> Answer {
        Answer {
            target: self.batch.target(),
            tier: self.tier,
            done,
            stored,
        }
    }
}

/// What came of a batch.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Purges that were stored in place of being done; none when all are done.
    pub(crate) stored: Option<PurgeBatch>,
    /// When the rest was answered.
    pub(crate) at: WallMicros,
}

/// Purges of an answer that are done.
#[derive(Debug)]
pub(crate) struct Done {
    /// Which; none for the whole batch.
    pub(crate) purges: Option<PurgeBatch>,
    /// When the target had answered them.
    pub(crate) at: WallMicros,
}

/// What a lane answers.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) target: TargetId,
    pub(crate) tier: Tier,
    /// Parts that are done, in the order of their answers.
    pub(crate) done: Vec<Done>,
    /// How much of it went to the target's backlog, with what is outside of it behind it.
    pub(crate) stored: Stored,
}

/// How much of a batch was stored in place of being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    Nothing,
    Part,
    All,
}
