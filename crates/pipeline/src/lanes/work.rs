//! What a lane is asked to do, and what it answers.

use std::sync::Arc;

use freshet_core::position::WallMicros;
use freshet_core::purge::PurgeBatch;
use freshet_core::registry::Tier;

use crate::events::settled::{Done, Outcomes, Stored};
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
}

/// What came of a batch.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Purges that were stored in place of being done; none when all are done.
    pub(crate) stored: Option<PurgeBatch>,
    /// What was tried.
    pub(crate) tried: Tried,
    /// When the rest was answered.
    pub(crate) at: WallMicros,
}

/// The attempts at a batch, and what came of those that settled something.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tried {
    pub(crate) attempts: u32,
    pub(crate) outcomes: Outcomes,
}

/// What a lane answers.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) done: Vec<Done>,
    pub(crate) stored: Stored,
    pub(crate) tried: Tried,
}

impl Answer {
    /// Nothing was tried.
    pub(crate) fn untried(stored: Stored) -> Self {
        Self {
            done: Vec::new(),
            stored,
            tried: Tried::default(),
        }
    }
}
