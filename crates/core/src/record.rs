//! Records: as a source hands them out, and as an own copy for whoever keeps one or reads it back.

use std::fmt;

use crate::position::{StreamPosition, WallMicros};

/// Bytes as the source gave them, borrowed for the time of one call.
#[derive(Debug, Clone, Copy)]
pub struct RawRecord<'a> {
    /// Its place, for the ledger.
    pub position: StreamPosition,
    /// Its place, for people: topic, partition, offset.
    pub origin: Origin<'a>,
    /// The record's key, if any.
    pub key: Option<&'a [u8]>,
    /// The record's value; none is a tombstone.
    pub value: Option<&'a [u8]>,
    /// When the source stored it; zero when it does not say.
    pub appended: WallMicros,
}

impl RawRecord<'_> {
    /// An own copy of it.
    pub fn to_stored(&self) -> StoredRecord {
        StoredRecord {
            topic: self.origin.topic.to_owned(),
            partition: self.origin.partition,
            offset: self.origin.offset,
            key: self.key.map(<[u8]>::to_vec),
            value: self.value.map(<[u8]>::to_vec),
            appended: self.appended,
        }
    }
}

/// Where a record is to be found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

impl std::fmt::Display for Origin<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}[{}]@{}", self.topic, self.partition, self.offset)
    }
}

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

impl StoredRecord {
    /// As a source gives it at `position`.
    pub fn as_raw(&self, position: StreamPosition) -> RawRecord<'_> {
        RawRecord {
            position,
            origin: Origin {
                topic: &self.topic,
                partition: self.partition,
                offset: self.offset,
            },
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            appended: self.appended,
        }
    }
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
