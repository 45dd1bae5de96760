//! What is read off a report, and what is asked for in place of a refused purge.

use std::time::Duration;

use freshet_core::purge::{PurgeBatch, PurgeOutcome, PurgeReport, WantedPurge};
use freshet_core::registry::{FamilyId, Place, Scope, TargetId};

use crate::rules::Rules;

/// Adds the family scope in place of a purge that was refused. Where the family scope itself was refused there is
/// nothing wider to fall back to. An entry with a name of its own is left out: the refused change has named it too.
pub(crate) fn add_family_scope(rules: &Rules, refused: WantedPurge<'_>, left: &mut PurgeBatch) {
    if refused.scope == Scope::Family {
        return;
    }
    let wide =
        scope_at(rules, refused.family, left.target()).filter(|(scope, _)| *scope == Scope::Family);
    for (scope, name) in wide {
        left.add(WantedPurge {
            scope,
            name,
            ..refused
        });
    }
}

/// Scope and name of everything that a family has at a target.
pub(crate) fn scope_at(
    rules: &Rules,
    family: FamilyId,
    target: TargetId,
) -> impl Iterator<Item = (Scope, &[u8])> {
    let family = rules.registry.family(family);
    let place = family.and_then(|family| family.place_at(target));
    place.into_iter().flat_map(Place::everything)
}

pub(crate) fn count(rules: &Rules, batch: &PurgeBatch, report: &PurgeReport) {
    let target = batch.target();
    if let Some(handles) = rules.handles.target(target) {
        handles.batch_size.record(batch.len() as f64);
        handles.removed.increment(report.removed);
    }
    // Neighbours mostly share family and outcome: count runs, not purges.
    let mut run: Option<(FamilyId, PurgeOutcome, u64)> = None;
    let flush = |run: Option<(FamilyId, PurgeOutcome, u64)>| {
        if let Some((family, outcome, many)) = run
            && let Some(handles) = rules.handles.pair(family, target)
        {
            handles.purges[outcome.index()].increment(many);
        }
    };
    for (at, (purge, _)) in batch.iter().enumerate() {
        let outcome = report.outcomes.get(at).copied().unwrap_or_default();
        match &mut run {
            Some((family, known, many)) if *family == purge.family && *known == outcome => {
                *many += 1
            }
            _ => flush(run.replace((purge.family, outcome, 1))),
        }
    }
    flush(run);
}

pub(crate) fn retry_after(report: &PurgeReport) -> Duration {
    let pauses = report.outcomes.iter().map(|outcome| outcome.pause_ms());
    Duration::from_millis(u64::from(pauses.max().unwrap_or(0)))
}
