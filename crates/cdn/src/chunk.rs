//! Batches → requests: by mode, by count and by bytes.

use freshet_core::purge::PurgeBatch;
use freshet_core::registry::PurgeMode;

/// Tags of one request, with their places in the batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chunk<'a> {
    pub(crate) mode: PurgeMode,
    pub(crate) tags: Vec<&'a str>,
    pub(crate) places: Vec<usize>,
}

/// Bounds of one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) tags_max: usize,
    pub(crate) bytes_max: usize,
}

/// Splits a batch. A tag that is not text cannot have come from the codec; it is left out and stays forgotten.
pub(crate) fn chunks(batch: &PurgeBatch, bounds: Bounds) -> Vec<Chunk<'_>> {
    let mut chunks: Vec<Chunk<'_>> = Vec::new();
    for mode in [PurgeMode::Hard, PurgeMode::Soft] {
        let mut bytes = 0;
        let mut open = false;
        let wanted = batch
            .iter()
            .enumerate()
            .filter(|(_, (purge, _))| purge.mode == mode);
        for (place, (_, name)) in wanted {
            let Ok(tag) = std::str::from_utf8(name) else {
                continue;
            };
            // One separator per tag.
            let grown = bytes + tag.len() + 1;
            let full = chunks
                .last()
                .is_some_and(|it| it.tags.len() >= bounds.tags_max);
            if !open || full || grown > bounds.bytes_max {
                chunks.push(Chunk {
                    mode,
                    tags: Vec::new(),
                    places: Vec::new(),
                });
                (bytes, open) = (0, true);
            }
            bytes += tag.len() + 1;
            if let Some(chunk) = chunks.last_mut() {
                chunk.tags.push(tag);
                chunk.places.push(place);
            }
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use freshet_core::position::WallMicros;
    use freshet_core::purge::WantedPurge;
    use freshet_core::registry::{FamilyId, Scope, TargetId};

    use super::*;

    fn batch(tags: &[(&str, PurgeMode)]) -> PurgeBatch {
        let mut batch = PurgeBatch::new(TargetId(0));
        for &(tag, mode) in tags {
            batch.add(WantedPurge {
                family: FamilyId(0),
                scope: Scope::Tag,
                mode,
                committed: WallMicros(1),
                name: tag.as_bytes(),
            });
        }
        batch
    }

    #[test]
    fn splits_by_mode_count_and_bytes() {
        use PurgeMode::{Hard, Soft};
        let batch = batch(&[
            ("a", Hard),
            ("b", Soft),
            ("c", Hard),
            ("dddd", Hard),
            ("e", Hard),
        ]);
        let by_count = chunks(
            &batch,
            Bounds {
                tags_max: 2,
                bytes_max: 100,
            },
        );
        let tags: Vec<_> = by_count.iter().map(|chunk| chunk.tags.join(" ")).collect();
        assert_eq!(tags, ["a c", "dddd e", "b"]);
        assert_eq!(by_count[1].places, [3, 4]);
        let by_bytes = chunks(
            &batch,
            Bounds {
                tags_max: 9,
                bytes_max: 6,
            },
        );
        let tags: Vec<_> = by_bytes.iter().map(|chunk| chunk.tags.join(" ")).collect();
        assert_eq!(tags, ["a c", "dddd", "e", "b"]);
    }
}
