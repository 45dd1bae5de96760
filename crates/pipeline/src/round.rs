//! A round on its way through the tiers, and how many of them may be on their way.

pub(crate) mod run;
pub(crate) mod sent;

use std::sync::Arc;
use std::time::Duration;

use freshet_core::cause::Cause;
use freshet_core::coalesce::PurgeRound;
use freshet_core::intent::Intent;
use freshet_core::ports::OutboxRecord;
use freshet_core::position::{Steady, StreamPosition, WallMicros};
use freshet_core::purge::PurgeSet;
use freshet_core::registry::FreshnessClass;
use freshet_core::sample::PurgedSample;

use crate::rules::Rules;

/// Purges that settle together, with what else has to be done before they may settle.
#[derive(Debug)]
pub struct Round {
    /// The rules it was begun under.
    pub rules: Arc<Rules>,
    /// The purges.
    pub purges: PurgeRound,
    /// Dead letters that must be stored first.
    pub dead_letters: Vec<OutboxRecord>,
    /// Purges that the auditor may look at again.
    pub samples: Vec<PurgedSample>,
    /// When the first record was taken; zero while the round is empty.
    pub begun: Steady,
    /// When the last record was taken.
    pub grown: Steady,
    /// Commit time of its oldest change; none if no change has one.
    pub oldest: Option<WallMicros>,
    /// Something in it must not be debounced.
    pub strict: bool,
    /// Its number, in the order in which rounds of one intake are sent.
    pub number: u64,
}

impl Round {
    /// An empty round.
    pub fn new(rules: Arc<Rules>) -> Self {
        let purges = PurgeRound::new(Arc::clone(&rules.registry));
        Self {
            rules,
            purges,
            dead_letters: Vec::new(),
            samples: Vec::new(),
            begun: Steady(0),
            grown: Steady(0),
            oldest: None,
            strict: false,
            number: 0,
        }
    }

    /// Empties the round for reuse under `rules`.
    pub fn reset(&mut self, rules: Arc<Rules>) {
        self.purges.reset(&rules.registry);
        self.rules = rules;
        self.dead_letters.clear();
        self.samples.clear();
        self.begun = Steady(0);
        self.grown = Steady(0);
        self.oldest = None;
        self.strict = false;
    }

    /// Whether nothing waits for this round.
    pub fn is_empty(&self) -> bool {
        self.purges.is_empty()
    }

    /// The door for whatever is purged here that is no change: puts what `intent` asks for into the round, and returns it.
    /// `position` is that of the record that gave the reason, if there is one.
    pub fn submit(
        &mut self,
        intent: &Intent,
        position: Option<StreamPosition>,
        now: Steady,
    ) -> PurgeSet {
        self.note(intent.since, intent.class, now);
        let set = self.purges.submit(intent, position);
        let Cause {
            actor,
            reason,
            detail,
        } = &*intent.cause;
        tracing::debug!(
            actor = %actor,
            reason = reason.name(),
            detail = %detail,
            asked = %intent.asked,
            purges = set.len(),
            "purges are asked for"
        );
        set
    }

    /// Notes that a change committed at `committed` is in the round since `now`.
    pub fn note(&mut self, committed: WallMicros, class: FreshnessClass, now: Steady) {
        if self.begun == Steady(0) {
            self.begun = now;
        }
        self.grown = now;
        self.strict |= class == FreshnessClass::Strict;
        if committed != WallMicros(0) {
            self.oldest = Some(
                self.oldest
                    .map_or(committed, |oldest| oldest.min(committed)),
            );
        }
    }
}

/// When a round that could go on growing is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// Wait for this much quiet. Zero: do not wait at all; rounds grow only while others are in flight.
    pub quiet: Duration,
    /// But no longer than this after the first change, so that a hot key cannot starve the others.
    pub max_wait: Duration,
}

impl Window {
    /// How long `round` should still wait at `now`; zero means that it is due. A round with something strict
    /// never waits: its leading edge is what readers feel.
    pub fn remaining(&self, round: &Round, now: Steady) -> Duration {
        if round.strict || self.quiet.is_zero() {
            return Duration::ZERO;
        }
        let until_quiet = self.quiet.saturating_sub(now.since(round.grown));
        let until_max = self.max_wait.saturating_sub(now.since(round.begun));
        until_quiet.min(until_max)
    }
}

/// Bounds of one intake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Records in a round at most.
    pub round_records_max: usize,
    /// Purges in a round at most, give or take what one call to the source brings.
    pub round_purges_max: usize,
    /// Records asked of the source in one call at most. A record of a lane may hold a thousand purges.
    pub pull_max: usize,
    /// Rounds under way at most, without those that wait only for late lanes.
    pub rounds_in_flight_max: usize,
    /// Rounds open at most, with those that wait for nobody but lanes that are late. More than may be under way keep one
    /// target from holding the others back.
    pub rounds_open_max: usize,
    /// Positions open at most: one round that takes long keeps all that came after it open too.
    pub open_max: usize,
    /// Commit settled offsets this often.
    pub commit_every: Duration,
    /// Wait this long for a record when there is nothing to do.
    pub idle_wait: Duration,
    /// Debounce; zero for natural batching.
    pub window: Window,
}

impl Bounds {
    /// How many more records the open round takes.
    pub fn room(&self, round: &Round) -> usize {
        if round.purges.purges() >= self.round_purges_max {
            return 0;
        }
        self.round_records_max
            .saturating_sub(round.purges.positions().len())
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            round_records_max: 2048,
            round_purges_max: 65_536,
            pull_max: 2048,
            rounds_in_flight_max: 4,
            rounds_open_max: 1_024,
            open_max: 262_144,
            commit_every: Duration::from_millis(250),
            idle_wait: Duration::from_millis(50),
            window: Window::default(),
        }
    }
}
