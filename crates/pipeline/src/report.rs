//! What is read off a report, and what purges turn into when they are asked for again.

use std::time::Duration;

use freshet_core::position::UnixMicros;
use freshet_core::purge::{BatchedPurge, PurgeBatch, PurgeOutcome, PurgeReport, WantedPurge};
use freshet_core::registry::{FamilyId, Scope};
use freshet_wire::{OuterPurges, PurgeRequest, RequestedPurge};

use crate::rules::Rules;

/// Adds the family scope in place of a purge that was refused. Where the family scope itself was refused there is
/// nothing wider to fall back to.
pub(crate) fn add_family_scope(rules: &Rules, refused: WantedPurge<'_>, left: &mut PurgeBatch) {
    let Some(family) = rules.registry.family(refused.family) else {
        return;
    };
    if refused.scope == Scope::Family {
        return;
    }
    let cdn = family
        .cdn
        .as_ref()
        .filter(|cdn| cdn.targets.contains(&left.target()));
    let tag = cdn.map(|cdn| &*cdn.family_tag);
    let redis = family
        .redis
        .as_ref()
        .filter(|redis| redis.target == left.target());
    let prefixes = redis
        .iter()
        .flat_map(|redis| redis.prefixes.iter().map(|prefix| &**prefix));
    for name in tag.into_iter().chain(prefixes) {
        left.add(WantedPurge {
            scope: Scope::Family,
            name,
            ..refused
        });
    }
}

pub(crate) fn wanted<'a>(purge: &BatchedPurge, name: &'a [u8]) -> WantedPurge<'a> {
    WantedPurge {
        family: purge.family,
        scope: purge.scope,
        mode: purge.mode,
        committed: purge.committed,
        name,
    }
}

/// Purges of one record at most, so that none grows beyond what brokers take: names are keys and tags of some dozens of
/// bytes, and one that is a kilobyte long has been shortened by the codec or is counted in bytes below.
const PURGES_PER_REQUEST: usize = 1_000;
/// Bytes of names of one record at most; brokers take a megabyte unless told otherwise.
const BYTES_PER_REQUEST: usize = 256 * 1024;

/// A batch as records for a lane's topic. `outer` follows in the last one, so that it comes after all of the batch.
pub(crate) fn requests_of(
    rules: &Rules,
    batch: &PurgeBatch,
    outer: &[&PurgeBatch],
    now: UnixMicros,
) -> Vec<PurgeRequest> {
    let registry = &rules.registry;
    let name_of = |target| {
        registry
            .target(target)
            .map_or_else(String::new, |it| it.name.to_string())
    };
    let empty = || PurgeRequest {
        target: name_of(batch.target()),
        revision: registry.revision.content_hash.to_string(),
        purges: Vec::new(),
        then: Vec::new(),
        requested: now,
    };
    let mut requests: Vec<PurgeRequest> = chunks(rules, batch)
        .map(|purges| PurgeRequest { purges, ..empty() })
        .collect();
    for (target, purges) in outer
        .iter()
        .flat_map(|it| chunks(rules, it).map(|purges| (name_of(it.target()), purges)))
    {
        let then = vec![OuterPurges { target, purges }];
        // One chunk a record: the first follows the last purges themselves.
        match requests.last_mut() {
            Some(last) if last.then.is_empty() => last.then = then,
            _ => requests.push(PurgeRequest { then, ..empty() }),
        }
    }
    requests
}

fn chunks(rules: &Rules, batch: &PurgeBatch) -> impl Iterator<Item = Vec<RequestedPurge>> {
    let mut chunks: Vec<Vec<RequestedPurge>> = Vec::new();
    let mut bytes = 0;
    for (purge, name) in batch.iter() {
        let full = chunks.last().is_none_or(|chunk| {
            chunk.len() >= PURGES_PER_REQUEST || bytes + name.len() > BYTES_PER_REQUEST
        });
        if full {
            chunks.push(Vec::new());
            bytes = 0;
        }
        bytes += name.len();
        if let Some(chunk) = chunks.last_mut() {
            chunk.push(requested(rules, purge, name));
        }
    }
    chunks.into_iter()
}

fn requested(rules: &Rules, purge: &BatchedPurge, name: &[u8]) -> RequestedPurge {
    let family = rules.registry.family(purge.family);
    RequestedPurge {
        family: family.map_or_else(String::new, |it| it.name.to_string()),
        scope: purge.scope,
        mode: purge.mode,
        name: name.to_vec(),
        committed: purge.committed,
    }
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
    let longest = report.outcomes.iter().map(|outcome| match outcome {
        PurgeOutcome::Throttled { retry_after_ms } => u64::from(*retry_after_ms),
        _ => 0,
    });
    Duration::from_millis(longest.max().unwrap_or(0))
}
