//! All interfaces to the outside. Adapters implement these ports; stages depend on nothing else outside.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::gap::GapCause;
use crate::members::Ends;
use crate::position::{StreamId, StreamPosition};
use crate::purge::{PurgeBatch, PurgeReport};
use crate::record::{Found, StoredRecord};
pub use crate::record::{Origin, RawRecord};
use crate::registry::EntryVersion;

/// How much the pipeline can take now.
#[derive(Debug, Clone, Copy)]
pub struct Demand {
    /// Maximum number of records; zero keeps the source's session alive without reading.
    pub records_max: usize,
    /// Maximum wait for the first record, rounded up to a millisecond. If a record is available, the call does
    /// not wait.
    pub wait: Duration,
}

/// What a source reports besides records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceEvent {
    /// A stream starts; its records may follow.
    Assigned {
        /// Its id, new for each assignment.
        stream: StreamId,
        /// Its topic.
        topic: Arc<str>,
        /// Its partition.
        partition: i32,
    },
    /// The group reads a stream for the first time: no offset of it was ever committed. Reported before its first
    /// record; an earlier process may have read records of any other stream.
    Begins {
        /// The stream.
        stream: StreamId,
    },
    /// A stream is about to end: it delivers no more records, and ends as soon as the delivered ones are committed.
    Revoking {
        /// The stream.
        stream: StreamId,
    },
    /// A stream has ended: answers for it are dropped.
    Revoked {
        /// The stream.
        stream: StreamId,
    },
    /// Records of a partition are lost. The source continues with the oldest readable one. It reports each gap
    /// once, before the first record after it.
    Gap {
        /// The topic.
        topic: Arc<str>,
        /// The partition.
        partition: i32,
        /// How it was detected.
        cause: GapCause,
        /// Message with the offsets, for the on-call engineer.
        detail: String,
    },
    /// Consumer lag of a stream, reported from time to time.
    Behind {
        /// The stream.
        stream: StreamId,
        /// Records that are not delivered or not committed, as counted by the source.
        records: u64,
    },
    /// The source is unreachable; it retries.
    Unreachable {
        /// Why.
        reason: String,
    },
    /// The source is reachable (again).
    Reachable,
}

/// An ordered log of records. Synchronous: it runs on its own thread.
pub trait Source: Send {
    /// Passes the available records to `take`, at most as many as demanded, then returns the other events.
    ///
    /// # Errors
    /// Only a permanent failure of the source: the process must end. A temporary failure is a
    /// [`SourceEvent::Unreachable`].
    fn next(
        &mut self,
        demand: Demand,
        take: &mut dyn FnMut(RawRecord<'_>),
    ) -> Result<Vec<SourceEvent>, SourceError>;

    /// Commits the settled prefix of each given stream; the position is the last settled record. May be
    /// asynchronous; `wait` bounds a synchronous commit before the process exits.
    ///
    /// # Errors
    /// This commit, or an earlier one whose answer came since, failed; the same prefix, or a longer one, is committed by
    /// a later call.
    fn commit(
        &mut self,
        settled: &[StreamPosition],
        wait: Option<Duration>,
    ) -> Result<(), SourceError>;

    /// Changes what is read. A source with only one topic ignores this; one that cannot pause a
    /// stream continues to deliver its records.
    ///
    /// # Errors
    /// The topics cannot be read; the source continues to read the previous ones.
    fn follow(&mut self, _reading: Reading<'_>) -> Result<(), SourceError> {
        Ok(())
    }
}

/// What a source reads.
#[derive(Debug, Clone, Copy)]
pub enum Reading<'a> {
    /// These topics, and no others.
    Topics(&'a [&'a str]),
    /// The same topics, but these streams are paused at their positions.
    Without(&'a [StreamId]),
}

/// Why a source failed.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum SourceError {
    /// The source failed permanently; the process must end.
    #[error("the source failed permanently: {0}")]
    Fatal(String),
    /// A commit failed.
    #[error("offsets were not committed: {0}")]
    Commit(String),
    /// Topics cannot be read.
    #[error("cannot subscribe to topics: {0}")]
    Follow(String),
}

/// A cache that can be purged. It never returns an error: failure is an outcome.
pub trait Purger: Send + Sync {
    /// Purges a batch. The report has one outcome per purge, in order. Bounded in time by the adapter.
    fn purge(&self, batch: &PurgeBatch) -> impl Future<Output = PurgeReport> + Send;

    /// Whether the cache answers, without purging anything.
    ///
    /// # Errors
    /// The cache's error message, without secrets, for readiness and logs.
    fn ping(&self) -> impl Future<Output = Result<(), String>> + Send;

    /// How often the target's server may have been replaced by one that has not received earlier purges:
    /// failover, restart with old data, reconnect to another primary. It only grows. An adapter that is not certain
    /// counts one.
    ///
    /// When it has grown, purges that were answered *before* may be undone, since a cache answers before it
    /// replicates; they must be sent again. The window is counted back from the last answered purge, not from now: the
    /// outage between two primaries can be longer than any window. The growth is visible no later than the first
    /// outcome or [`ping`](Self::ping) that comes from the replacement. A healthy primary that was replaced
    /// may answer until the next ping, so a target must be pinged, and the window must be longer than the interval of pings.
    fn takeovers(&self) -> u64 {
        0
    }
}

/// Content of a cache entry, as a reader would find it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// Nothing.
    Absent,
    /// An entry.
    Present {
        /// Remaining time to live; none if it never expires.
        remaining_ttl: Option<Duration>,
        /// Its version field, if requested and found.
        version: Option<String>,
    },
    /// No answer.
    Unreachable(String),
}

/// Reads cache entries.
pub trait Probe: Send + Sync {
    /// Reads one entry.
    fn observe(
        &self,
        name: &[u8],
        version: Option<&EntryVersion>,
    ) -> impl Future<Output = Observation> + Send;
}

/// Stores an entry where readers would, to check that a purge removes it. Only for the beacon.
pub trait Plant: Send + Sync {
    /// Stores `value` under `name` for `ttl`, replacing any entry.
    ///
    /// # Errors
    /// The cache's error message, without secrets, for readiness and logs. The entry may have been stored.
    fn plant(
        &self,
        name: &[u8],
        value: &[u8],
        ttl: Duration,
    ) -> impl Future<Output = Result<(), String>> + Send;
}

/// A record for one of Freshet's topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRecord {
    /// The topic.
    pub topic: Arc<str>,
    /// Decides the partition, so that one consumer gets all records of a target.
    pub key: Vec<u8>,
    /// The encoded record.
    pub payload: Vec<u8>,
}

/// Durable storage for work that is done later or elsewhere.
pub trait Outbox: Send + Sync {
    /// Appends a record. `Ok` means that it is durably stored.
    ///
    /// # Errors
    /// The record may have been stored; appending it again is safe, because purging twice is.
    fn append(&self, record: OutboxRecord) -> impl Future<Output = Result<(), OutboxError>> + Send;
}

/// Why an append failed.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("the record was not stored in {topic}: {reason}")]
pub struct OutboxError {
    /// The topic.
    pub topic: Arc<str>,
    /// The broker's error message.
    pub reason: String,
}

/// Avro writer schemas by id.
pub trait WriterSchemas: Send + Sync {
    /// Fetches a schema's JSON. Blocking, on a thread that may wait; bounded in time and size by the adapter.
    ///
    /// # Errors
    /// See [`WriterSchemaError`].
    fn fetch(&self, id: u32) -> Result<String, WriterSchemaError>;
}

/// Used if no schema registry is configured.
impl<W: WriterSchemas> WriterSchemas for Option<W> {
    fn fetch(&self, id: u32) -> Result<String, WriterSchemaError> {
        match self {
            Some(schemas) => schemas.fetch(id),
            None => Err(WriterSchemaError::NotConfigured { id }),
        }
    }
}

/// Why a writer schema is not available.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum WriterSchemaError {
    /// The registry has no such schema. The record is poison.
    #[error("the schema registry has no schema with id {id}")]
    Unknown {
        /// The id.
        id: u32,
    },
    /// The registry has the schema, but it cannot be used. The record is poison.
    #[error("the schema with id {id} cannot be used: {reason}")]
    Unusable {
        /// The id.
        id: u32,
        /// Why.
        reason: String,
    },
    /// The registry does not answer, or not correctly. The record waits.
    #[error("the schema registry did not answer for id {id}: {reason}")]
    Unreachable {
        /// The id.
        id: u32,
        /// Why.
        reason: String,
    },
    /// No schema registry is configured. The record is poison.
    #[error("the record needs Avro schema {id}, but no schema_registry is configured")]
    NotConfigured {
        /// The id.
        id: u32,
    },
}

/// The current ends of topics, requested from the brokers.
pub trait TopicEnds: std::fmt::Debug + Send + Sync {
    /// For every current partition of the topic, the offset of its next record. Blocking, bounded in
    /// time by the adapter.
    ///
    /// # Errors
    /// The brokers' error message; a single partition without an answer is an error.
    fn ends(&self, topic: &str) -> Result<Ends, String>;
}

/// Reads topics for operators, while others consume them. Joins no group and commits nothing. Blocking; a read
/// fails if the brokers do not answer within the adapter's time limit.
pub trait TopicScan {
    /// Passes every current record of the topic to `each`, in order of offsets within a partition, partitions
    /// mixed.
    ///
    /// # Errors
    /// See [`ScanError`]; some records may have been passed before.
    fn read_all(&self, topic: &str, each: &mut dyn FnMut(StoredRecord)) -> Result<(), ScanError>;

    /// The record at an offset, if it is still there.
    ///
    /// # Errors
    /// See [`ScanError`].
    fn read_one(&self, topic: &str, partition: i32, offset: i64) -> Result<Found, ScanError>;
}

/// Why a topic could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// The brokers do not answer.
    #[error("no answer from the brokers within {within:?}: {reason}")]
    Unreachable {
        /// The time limit.
        within: Duration,
        /// The client's error message.
        reason: String,
    },
    /// There is no such topic, or no such partition of it.
    #[error("there is no topic {topic}{}", .partition.map_or_else(String::new, |number| format!(" with a partition {number}")))]
    NoTopic {
        /// The topic.
        topic: String,
        /// The partition, if the topic exists and the partition does not.
        partition: Option<i32>,
    },
    /// The brokers do not allow it.
    #[error("the brokers do not allow reading {topic}: {reason}")]
    Refused {
        /// The topic.
        topic: String,
        /// The broker's error message.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::purge::PurgeOutcome;

    /// A cache with one server and no replica.
    struct Single;

    impl Purger for Single {
        async fn purge(&self, batch: &PurgeBatch) -> PurgeReport {
            PurgeReport::all(PurgeOutcome::Purged, batch.len())
        }

        async fn ping(&self) -> Result<(), String> {
            Ok(())
        }
    }

    /// A registry that has every schema.
    struct Every;

    impl WriterSchemas for Every {
        fn fetch(&self, id: u32) -> Result<String, WriterSchemaError> {
            Ok(id.to_string())
        }
    }

    #[test]
    fn where_no_schema_registry_is_configured_there_is_no_schema() {
        assert_eq!(Some(Every).fetch(7), Ok("7".to_owned()));
        let missing = WriterSchemaError::NotConfigured { id: 7 };
        assert_eq!(None::<Every>.fetch(7), Err(missing));
    }

    #[test]
    fn a_cache_that_says_nothing_of_takeovers_had_none() {
        assert_eq!(Single.takeovers(), 0);
    }
}
