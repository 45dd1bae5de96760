//! Records that stand in topics, for whoever reads them back.

use std::fmt;

use crate::position::WallMicros;

/// A record as it stands in its topic.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The key, if any.
    pub key: Option<Vec<u8>>,
    /// The value; none is a tombstone.
    pub value: Option<Vec<u8>>,
    /// When it was stored; zero when that is not known.
    pub appended: WallMicros,
}

/// Key and value are row data: they are not shown by accident.
impl fmt::Debug for StoredRecord {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}[{}]@{}", self.topic, self.partition, self.offset)
    }
}

/// What is at an offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The record.
    Record(StoredRecord),
    /// No record: retention or compaction took it, or the topic is not the one it was.
    Gone {
        /// The oldest offset that the partition still has.
        oldest: i64,
        /// The offset that it will give out next.
        end: i64,
    },
}
