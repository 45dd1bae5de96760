//! What is remembered of each topic from record to record.

use std::sync::Arc;

use freshet_core::table::TableShape;

use crate::json::schema_prefix::SchemaPrefixes;
use crate::json::track::Tracks;

/// The form a topic's last record had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Form {
    #[default]
    Envelope,
    Flattened,
}

/// What is remembered of a topic from record to record.
#[derive(Debug, Default)]
pub(crate) struct TopicMemory {
    pub(crate) topic: Arc<str>,
    pub(crate) form: Form,
    /// The flattened form says `__deleted`, so a tombstone adds nothing.
    pub(crate) marks_deletes: bool,
    /// A table declared FULL has sent an update without a before-image, and none with one since.
    pub(crate) drifted: bool,
    pub(crate) prefixes: SchemaPrefixes,
    pub(crate) key_prefixes: SchemaPrefixes,
    pub(crate) tracks: Tracks,
}

impl TopicMemory {
    /// What stays true under another registry: places of bound columns belong to one.
    pub(crate) fn for_rules_of(self, shape: &TableShape) -> Self {
        Self {
            topic: Arc::clone(&shape.topic),
            form: self.form,
            marks_deletes: self.marks_deletes,
            ..Self::default()
        }
    }
}

/// The memory of a table's topic.
pub(crate) fn memory_of<'a>(
    tables: &'a mut Vec<TopicMemory>,
    shape: &TableShape,
) -> &'a mut TopicMemory {
    let at = shape.id.0 as usize;
    if tables.len() <= at {
        tables.resize_with(at + 1, TopicMemory::default);
    }
    &mut tables[at]
}
