//! What is remembered of each topic from record to record.

use freshet_core::ports::RawRecord;
use freshet_core::table::{ColumnSlot, TableShape};

use crate::column_text::BoundColumn;
use crate::form::Form;
use crate::images;
use crate::json::schema_prefix::SchemaPrefixes;
use crate::json::track::Tracks;

/// What is remembered of a topic from record to record.
#[derive(Debug, Default)]
pub(crate) struct TopicMemory {
    /// The form that is tried first.
    pub(crate) form: Form,
    pub(crate) last_delete: LastDelete,
    /// A record has proved that before-images hold whole rows, and none has proved the contrary since. Until then a
    /// table that is declared FULL is read with care.
    pub(crate) full_seen: bool,
    pub(crate) prefixes: SchemaPrefixes,
    pub(crate) key_prefixes: SchemaPrefixes,
    pub(crate) tracks: Tracks,
    /// How each bound column of a record without a schema is written.
    pub(crate) undeclared: Box<[BoundColumn]>,
    /// Values are compared with what the source file lists.
    pub(crate) has_lists: bool,
}

impl TopicMemory {
    /// Of a topic of which no record was seen under this registry.
    pub(crate) fn of(shape: &TableShape) -> Self {
        Self {
            undeclared: undeclared(shape),
            has_lists: images::has_lists(shape),
            ..Self::default()
        }
    }
}

/// How each bound column of a record without a schema is written.
pub(crate) fn undeclared(shape: &TableShape) -> Box<[BoundColumn]> {
    let slots = (0..).map(ColumnSlot).take(shape.columns.len());
    slots
        .filter_map(|slot| BoundColumn::undeclared(slot, shape))
        .collect()
}

/// The memory of a table's topic, of which there is one for each table of the registry.
pub(crate) fn memory_of<'a>(
    tables: &'a mut [TopicMemory],
    shape: &TableShape,
) -> &'a mut TopicMemory {
    &mut tables[shape.id.0 as usize]
}

/// Longer keys are not remembered: their tombstones purge once more.
const KEY_BYTES_MAX: usize = 4 << 10;

/// The last delete of a topic, so that a tombstone which only repeats it is recognised.
#[derive(Debug, Default)]
pub(crate) struct LastDelete {
    /// The partition, and the offset after the delete.
    place: Option<(i32, i64)>,
    has_key: bool,
    /// The memory is used again for each delete.
    key: Vec<u8>,
}

impl LastDelete {
    /// Notes the record of a delete.
    pub(crate) fn note(&mut self, record: &RawRecord<'_>) {
        let key = record.key.unwrap_or_default();
        if key.len() > KEY_BYTES_MAX {
            self.place = None;
            return;
        }
        let origin = record.origin;
        self.place = Some((origin.partition, origin.offset + 1));
        self.has_key = record.key.is_some();
        self.key.clear();
        self.key.extend_from_slice(key);
    }

    /// Whether a tombstone is the record after the delete and has the same key.
    pub(crate) fn is_repeated_by(&self, tombstone: &RawRecord<'_>) -> bool {
        let origin = tombstone.origin;
        self.place == Some((origin.partition, origin.offset))
            && self.has_key == tombstone.key.is_some()
            && tombstone.key.is_none_or(|key| *key == *self.key)
    }
}
