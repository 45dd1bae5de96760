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
            let then = OuterPurges { target, purges };
            // In the record of the last purges themselves while there is room: if these have to wait once more, all that
            // follows waits with them.
            match requests.last_mut() {
                Some(last) if has_room(&last.then, &then) => last.then.push(then),
                _ => requests.push(PurgeRequest {
                    then: vec![then],
                    ..empty()
                }),
            }
        }
    }
    requests
}

/// Whether a record with these purges behind it takes more of them.
fn has_room(behind: &[OuterPurges], more: &OuterPurges) -> bool {
    let all = behind.iter().chain([more]);
    let purges = all.flat_map(|outer| &outer.purges);
    let (count, bytes) = purges.fold((0, 0), |(count, bytes), purge| {
        (count + 1, bytes + purge.name.len())
    });
    behind.is_empty() || (count <= PURGES_PER_REQUEST && bytes <= BYTES_PER_REQUEST)
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
