//! Batches → chunks: by mode, by count and by bytes.

use freshet_core::purge::PurgeBatch;
use freshet_core::registry::PurgeMode;

/// Names that are purged together, at each server of the target.
#[derive(Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// Their mode.
    pub mode: PurgeMode,
    /// The names, at least one.
    pub names: Vec<&'a str>,
    /// Index of each name in the batch.
    pub(crate) places: Vec<usize>,
}

/// Limits of one chunk.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Names.
    pub names_max: usize,
    /// Bytes of all names, with a separator for each.
    pub bytes_max: usize,
}

/// Splits a batch. A name that is not UTF-8 cannot come from the codec; it is skipped and stays `Forgotten`.
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
            let Ok(name) = std::str::from_utf8(name) else {
                continue;
            };
            let grown = bytes + name.len() + 1;
            let full = chunks
                .last()
                .is_some_and(|chunk| chunk.names.len() >= bounds.names_max);
            if !open || full || grown > bounds.bytes_max {
                chunks.push(Chunk {
                    mode,
                    names: Vec::new(),
                    places: Vec::new(),
                });
                (bytes, open) = (0, true);
            }
            bytes += name.len() + 1;
            if let Some(chunk) = chunks.last_mut() {
                chunk.names.push(name);
                chunk.places.push(place);
            }
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use freshet_testbed::batch_of_tags as batch;

    use super::*;

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
                names_max: 2,
                bytes_max: 100,
            },
        );
        let tags: Vec<_> = by_count.iter().map(|chunk| chunk.names.join(" ")).collect();
        assert_eq!(tags, ["a c", "dddd e", "b"]);
        assert_eq!(by_count[1].places, [3, 4]);
        let by_bytes = chunks(
            &batch,
            Bounds {
                names_max: 9,
                bytes_max: 6,
            },
        );
        let tags: Vec<_> = by_bytes.iter().map(|chunk| chunk.names.join(" ")).collect();
        assert_eq!(tags, ["a c", "dddd", "e", "b"]);
    }
}
