//! freshness: a round that is done → how fresh its changes are, at each target; samples for the auditor.

use std::sync::Arc;

use ::metrics::Histogram;
use freshet_core::position::{Steady, WallMicros};
use freshet_core::registry::{FamilyId, TargetId};
use freshet_core::sample::PurgedSample;
use tokio::sync::mpsc;

use crate::lanes::work::{Answer, Done, Stored};
use crate::round::Round;
use crate::watch::beacon::{Beacons, Beat};

/// Measures rounds that are done.
#[derive(Debug, Clone)]
pub(crate) struct Measure {
    pub(crate) purge_stage: Histogram,
    pub(crate) beacons: Beacons,
    pub(crate) samples: Option<mpsc::Sender<PurgedSample>>,
}

impl Measure {
    /// Measures what the lanes have answered; `now` is when the last one had.
    pub(crate) fn settled(&self, round: &mut Round, now: Steady) {
        for answer in &round.answers {
            for done in &answer.done {
                self.measure(round, answer.target, done);
            }
        }
        let (answers, samples) = (&round.answers, &mut round.samples);
        let registry = &round.rules.registry;
        for mut sample in samples.drain(..) {
            let at = registry.target_named(&sample.target);
            let at = at.and_then(|target| answered_at(answers, target));
            if let (Some(auditor), Some(at)) = (&self.samples, at) {
                sample.purged = at;
                // A full auditor is no reason to wait: it is a sample.
                let _ = auditor.try_send(sample);
            }
        }
        self.purge_stage.record(now.since(round.begun));
    }

    /// Commit → effective, for each change of the round where all that concerned the target is done, or for each purge
    /// where the round came from a lane.
    fn measure(&self, round: &Round, target: TargetId, done: &Done) {
        let record = |family, committed, count| {
            self.record(round, target, (family, committed, done.at), count);
        };
        if let Some(purges) = &done.purges {
            return in_runs(
                purges
                    .iter()
                    .map(|(purge, _)| (purge.family, purge.committed)),
                record,
            );
        }
        let changes = round.purges.changes();
        if changes.is_empty() {
            let batch = round
                .purges
                .batches()
                .find(|batch| batch.target() == target);
            let purges = batch.into_iter().flat_map(|batch| batch.iter());
            return in_runs(
                purges.map(|(purge, _)| (purge.family, purge.committed)),
                record,
            );
        }
        in_runs(
            changes
                .iter()
                .map(|change| (change.family, change.committed)),
            record,
        );
    }

    fn record(
        &self,
        round: &Round,
        target: TargetId,
        purged: (FamilyId, WallMicros, WallMicros),
        count: usize,
    ) {
        let (family, committed, answered) = purged;
        if committed != WallMicros(0)
            && let Some(handles) = round.rules.handles.pair(family, target)
        {
            let age = answered.since(committed) as f64 / 1e6;
            handles.freshness.record_many(age, count);
            if let Some((database, target)) = &handles.beacon {
                self.beacons.purged(Beat {
                    database: Arc::clone(database),
                    target: Arc::clone(target),
                    committed,
                    begun: round.begun,
                    answered,
                });
            }
        }
    }
}

/// When a target had answered all of its purges; none when some were stored.
fn answered_at(answers: &[Answer], target: TargetId) -> Option<WallMicros> {
    let mut answers = answers.iter();
    let answer =
        answers.rfind(|answer| answer.target == target && answer.stored == Stored::Nothing)?;
    answer.done.last().map(|done| done.at)
}

/// Tells equal neighbours at once: changes of one transaction mostly stand together.
fn in_runs(
    all: impl Iterator<Item = (FamilyId, WallMicros)>,
    record: impl Fn(FamilyId, WallMicros, usize),
) {
    let mut run: Option<((FamilyId, WallMicros), usize)> = None;
    for next in all {
        match &mut run {
            Some((same, count)) if *same == next => *count += 1,
            _ => {
                if let Some(((family, committed), count)) = run.replace((next, 1)) {
                    record(family, committed, count);
                }
            }
        }
    }
    if let Some(((family, committed), count)) = run {
        record(family, committed, count);
    }
}
