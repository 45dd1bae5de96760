//! What a batch turns into when somebody else is asked to purge it: records for a lane's topic.

use std::collections::BTreeSet;

use freshet_core::position::WallMicros;
use freshet_core::purge::PurgeBatch;
use freshet_core::registry::{FamilyId, Registry};

use crate::purge_request::{OuterPurges, PurgeRequest, RequestedPurge};

/// Purges of one record at most, so that none grows beyond what brokers take: names are keys and tags of some dozens of
/// bytes, and one that is a kilobyte long has been shortened by the codec or is counted in bytes below.
const PURGES_PER_REQUEST: usize = 1_000;
/// Bytes of names of one record at most; brokers take a megabyte unless told otherwise.
const BYTES_PER_REQUEST: usize = 256 * 1024;

/// A batch as records for a lane's topic. `outer` follows in the last one, so that it comes after all of the batch.
///
/// What follows has been purged before and is repeated in case a reader composed it from what the batch was to remove
/// (see [`PurgeBatch::again_behind`]).
pub fn requests_of(
    registry: &Registry,
    batch: &PurgeBatch,
    outer: &[&PurgeBatch],
    now: WallMicros,
) -> Vec<PurgeRequest> {
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
    let concerned: BTreeSet<FamilyId> = batch.iter().map(|(purge, _)| purge.family).collect();
    let mut requests: Vec<PurgeRequest> = chunks(registry, batch)
        .into_iter()
        .map(|purges| PurgeRequest { purges, ..empty() })
        .collect();
    for outer in outer {
        for purges in chunks(registry, &outer.again_behind(&concerned)) {
            let target = name_of(outer.target());
            let then = vec![OuterPurges { target, purges }];
            // One chunk a record: the first follows the last purges themselves.
            match requests.last_mut() {
                Some(last) if last.then.is_empty() => last.then = then,
                _ => requests.push(PurgeRequest { then, ..empty() }),
            }
        }
    }
    requests
}

fn chunks(registry: &Registry, batch: &PurgeBatch) -> Vec<Vec<RequestedPurge>> {
    let mut chunks: Vec<Vec<RequestedPurge>> = Vec::new();
    let mut bytes = 0;
    for purge in batch.wanted() {
        let full = chunks.last().is_none_or(|chunk| {
            chunk.len() >= PURGES_PER_REQUEST || bytes + purge.name.len() > BYTES_PER_REQUEST
        });
        if full {
            chunks.push(Vec::new());
            bytes = 0;
        }
        bytes += purge.name.len();
        if let Some(chunk) = chunks.last_mut() {
            let family = registry.family(purge.family);
            chunk.push(RequestedPurge {
                family: family.map_or_else(String::new, |it| it.name.to_string()),
                scope: purge.scope,
                mode: purge.mode,
                name: purge.name.to_vec(),
                committed: purge.committed,
                cause: purge.cause.cloned(),
            });
        }
    }
    chunks
}

#[cfg(test)]
mod tests;
