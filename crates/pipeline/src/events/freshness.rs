//! freshness: settled rounds → how fresh their changes are, at each target.

use std::sync::Arc;

use ::metrics::{Histogram, histogram};
use freshet_core::position::WallMicros;
use freshet_core::registry::FamilyId;
use tokio::sync::mpsc;

use crate::events::settled::{PlaceSettled, Settled};
use crate::metrics::{FamilyTargetHandles, STAGE};

/// Measures rounds until no more come.
pub(crate) async fn run(mut rounds: mpsc::Receiver<Arc<Settled>>) {
    let purge_stage = histogram!(STAGE, "stage" => "purge");
    while let Some(settled) = rounds.recv().await {
        measure(&settled, &purge_stage);
    }
}

fn measure(settled: &Settled, purge_stage: &Histogram) {
    each(settled, |purged| {
        let age = purged.answered.since(purged.committed) as f64 / 1e6;
        purged.handles.freshness.record_many(age, purged.count);
    });
    purge_stage.record(settled.at().since(settled.begun()));
}

/// Changes of one family that were committed together, and whose purges a target has answered.
pub(crate) struct Purged<'a> {
    pub(crate) handles: &'a FamilyTargetHandles,
    pub(crate) committed: WallMicros,
    pub(crate) answered: WallMicros,
    pub(crate) count: usize,
}

/// Calls `report` for all changes of the round at each place where all that concerned it is done, or for all purges
/// where the round came from a lane's topic.
pub(crate) fn each<'a>(settled: &'a Settled, report: impl Fn(Purged<'a>)) {
    for place in settled.places() {
        each_at(settled, place, &report);
    }
}

fn each_at<'a>(settled: &'a Settled, place: &'a PlaceSettled, report: &impl Fn(Purged<'a>)) {
    let handles = &settled.rules().handles;
    for done in &place.done {
        let report = |family, committed, count| {
            if committed != WallMicros(0)
                && let Some(handles) = handles.pair(family, place.target)
            {
                report(Purged {
                    handles,
                    committed,
                    answered: done.at,
                    count,
                });
            }
        };
        let changes = settled.changes();
        let purges = done.purges.as_ref();
        // What was asked for is all that is known of a round from a lane's topic.
        let purges = purges.or_else(|| {
            let scope = changes.is_empty().then(|| settled.scope(place.target));
            scope.flatten()
        });
        match purges {
            Some(purges) => {
                let purges = purges.iter();
                in_runs(
                    purges.map(|(purge, _)| (purge.family, purge.committed)),
                    report,
                );
            }
            None => in_runs(
                changes
                    .iter()
                    .map(|change| (change.family, change.committed)),
                report,
            ),
        }
    }
}

/// Reports equal neighbours at once: changes of one transaction mostly stand together.
fn in_runs(
    all: impl Iterator<Item = (FamilyId, WallMicros)>,
    report: impl Fn(FamilyId, WallMicros, usize),
) {
    let mut run: Option<((FamilyId, WallMicros), usize)> = None;
    for next in all {
        match &mut run {
            Some((same, count)) if *same == next => *count += 1,
            _ => {
                if let Some(((family, committed), count)) = run.replace((next, 1)) {
                    report(family, committed, count);
                }
            }
        }
    }
    if let Some(((family, committed), count)) = run {
        report(family, committed, count);
    }
}
