//! The outside world, on one page. Adapters implement these; stages know nothing else of the world.

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
    /// Records at most; zero keeps the source's session alive and takes nothing.
    pub records_max: usize,
    /// Wait at most this long, to the next millisecond, for the first record. With a record at hand the call does
    /// not wait.
    pub wait: Duration,
}

/// What a source has to say beside records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceEvent {
    /// A stream begins; records of it may follow.
    Assigned {
        /// Its id, new for each assignment.
        stream: StreamId,
        /// Its topic.
        topic: Arc<str>,
        /// Its partition.
        partition: i32,
    },
    /// The group reads a stream for the first time: no offset of it was ever committed. Reported before its first
    /// record; whatever comes through another stream, an earlier process may have read on from.
    Begins {
        /// The stream.
        stream: StreamId,
    },
    /// A stream is about to end: nothing more of it is handed out, and it ends as soon as what was is committed.
    Revoking {
        /// The stream.
        stream: StreamId,
    },
    /// A stream has ended: answers for it are dropped from now on.
    Revoked {
        /// The stream.
        stream: StreamId,
    },
    /// Records of a partition are lost to us. The source goes on with the oldest one it can read; it says this once
    /// for each gap, before the first record behind it.
    Gap {
        /// The topic.
        topic: Arc<str>,
        /// The partition.
        partition: i32,
        /// What it was noticed by.
        cause: GapCause,
        /// Which offsets, in words for whoever is on call.
        detail: String,
    },
    /// How far a stream is behind its end, said from time to time.
    Behind {
        /// The stream.
        stream: StreamId,
        /// Records that are not handed out yet or not committed, as the source counts.
        records: u64,
    },
    /// The source cannot be reached, in its own words; it goes on trying.
    Unreachable {
        /// Why.
        reason: String,
    },
    /// The source is reachable (again).
    Reachable,
}

/// An ordered log of records. Synchronous: the pipeline gives it a thread of its own.
pub trait Source: Send {
    /// Hands records to `take`, as many as are at hand up to the demand, then returns what else happened.
    ///
    /// # Errors
    /// Only when the source can never go on (fatal): the process must end. Everything that may pass is a
    /// [`SourceEvent::Unreachable`] instead.
    fn next(
        &mut self,
        demand: Demand,
        take: &mut dyn FnMut(RawRecord<'_>),
    ) -> Result<Vec<SourceEvent>, SourceError>;

    /// Commits the settled prefix of each stream named; the position is the last settled record. May be
    /// asynchronous; `wait` bounds a synchronous commit when the process is about to leave.
    ///
    /// # Errors
    /// The commit failed; the same prefix, or a longer one, is committed by a later call.
    fn commit(
        &mut self,
        settled: &[StreamPosition],
        wait: Option<Duration>,
    ) -> Result<(), SourceError>;

    /// Reads something else from now on. A source with one thing to read has nothing to do, and one that cannot hold a
    /// stream goes on giving records of it.
    ///
    /// # Errors
    /// The topics cannot be read; the ones before still are.
    fn follow(&mut self, _reading: Reading<'_>) -> Result<(), SourceError> {
        Ok(())
    }
}

/// What a source reads.
#[derive(Debug, Clone, Copy)]
pub enum Reading<'a> {
    /// These topics, and no others.
    Topics(&'a [&'a str]),
    /// The same topics, but nothing of these streams, which keep their places; every other stream flows.
    Without(&'a [StreamId]),
}

/// Why a source failed.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum SourceError {
    /// The source can never go on; the process must end.
    #[error("the source failed for good: {0}")]
    Fatal(String),
    /// A commit did not go through.
    #[error("offsets were not committed: {0}")]
    Commit(String),
    /// Topics cannot be read.
    #[error("topics cannot be subscribed to: {0}")]
    Follow(String),
}

/// A cache that can be told to forget. Never fails: failure is an outcome.
pub trait Purger: Send + Sync {
    /// Purges a batch. The report has one outcome per purge, in order. Bounded in time by the adapter.
    fn purge(&self, batch: &PurgeBatch) -> impl Future<Output = PurgeReport> + Send;

    /// Whether the cache answers, without purging anything.
    ///
    /// # Errors
    /// In the cache's words, for readiness and logs. Holds no secret.
    fn ping(&self) -> impl Future<Output = Result<(), String>> + Send;

    /// How often the server behind this target may have been replaced by one that has not seen earlier purges:
    /// failover, restart with old data, reconnect to another primary. It only grows, and an adapter that cannot tell
    /// counts one too many rather than one too few.
    ///
    /// When it has grown, purges that were answered *before* may be undone, since a cache answers before its replica
    /// knows; they are to be sent again. Which ones is counted back from the last answered purge, not from now: the
    /// outage between two primaries can be longer than any window. The growth is visible no later than the first
    /// outcome or [`ping`](Self::ping) that comes from the replacement. A primary that was replaced while it is well
    /// may go on answering until the next ping, so a target must be pinged, and what is sent again must reach back
    /// further than from one ping to the next.
    fn takeovers(&self) -> u64 {
        0
    }
}

/// What a cache holds under a name, as a reader would find it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// Nothing.
    Absent,
    /// An entry.
    Present {
        /// What is left of its life; none when it never expires.
        remaining_ttl: Option<Duration>,
        /// Its version field, when asked for and found.
        version: Option<String>,
    },
    /// No answer.
    Unreachable(String),
}

/// A look at a cache entry.
pub trait Probe: Send + Sync {
    /// Looks at one entry.
    fn observe(
        &self,
        name: &[u8],
        version: Option<&EntryVersion>,
    ) -> impl Future<Output = Observation> + Send;
}

/// Puts an entry where readers would put theirs, so that it can be seen to go: the beacon's, and nobody else's.
pub trait Plant: Send + Sync {
    /// Stores `value` under `name` for `ttl`, in the place of whatever is there.
    ///
    /// # Errors
    /// In the cache's words, for readiness and logs. Holds no secret. Whether it was stored is not known.
    fn plant(
        &self,
        name: &[u8],
        value: &[u8],
        ttl: Duration,
    ) -> impl Future<Output = Result<(), String>> + Send;
}

/// Bytes on their way to a topic of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRecord {
    /// The topic.
    pub topic: Arc<str>,
    /// Decides the partition: all of one target's work goes to one consumer.
    pub key: Vec<u8>,
    /// The encoded record.
    pub payload: Vec<u8>,
}

/// A durable place for work that is not done here and now.
pub trait Outbox: Send + Sync {
    /// Appends a record. `Ok` means that it is stored and will not be lost.
    ///
    /// # Errors
    /// Whether it was stored is not known; appending again is safe, because purging twice is.
    fn append(&self, record: OutboxRecord) -> impl Future<Output = Result<(), OutboxError>> + Send;
}

/// Why an append failed.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("the record was not stored in {topic}: {reason}")]
pub struct OutboxError {
    /// The topic.
    pub topic: Arc<str>,
    /// In the broker's words.
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

/// None where no schema registry is configured.
impl<W: WriterSchemas> WriterSchemas for Option<W> {
    fn fetch(&self, id: u32) -> Result<String, WriterSchemaError> {
        match self {
            Some(schemas) => schemas.fetch(id),
            None => Err(WriterSchemaError::NotConfigured { id }),
        }
    }
}

/// Why a writer schema is not at hand.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum WriterSchemaError {
    /// The registry says that there is no such schema. The record is poison.
    #[error("the schema registry has no schema with id {id}")]
    Unknown {
        /// The id.
        id: u32,
    },
    /// The registry has it, and it cannot be used. The record is poison.
    #[error("the schema with id {id} cannot be used: {reason}")]
    Unusable {
        /// The id.
        id: u32,
        /// Why.
        reason: String,
    },
    /// The registry does not answer, or not as it should. The record waits.
    #[error("the schema registry did not answer for id {id}: {reason}")]
    Unreachable {
        /// The id.
        id: u32,
        /// Why.
        reason: String,
    },
    /// No schema registry is configured. The record is poison.
    #[error("the record names Avro schema {id}, and no schema_registry is configured")]
    NotConfigured {
        /// The id.
        id: u32,
    },
}

/// Where topics end, as the brokers say when asked, not as somebody remembers.
pub trait TopicEnds: std::fmt::Debug + Send + Sync {
    /// The end of every partition that the topic has now: what comes next there has this offset. Blocking, bounded in
    /// time by the adapter.
    ///
    /// # Errors
    /// In the brokers' words; one partition that cannot say is an error.
    fn ends(&self, topic: &str) -> Result<Ends, String>;
}

/// Topics read back for people, while others consume them. Joins no group and commits nothing. Blocking; a read gives
/// up when nothing is heard for as long as the adapter waits.
pub trait TopicScan {
    /// Hands every record that the topic has now to `each`, partition by partition in order of offsets, partitions
    /// mixed.
    ///
    /// # Errors
    /// See [`ScanError`]; what was handed over before stays so.
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
    /// The brokers are silent.
    #[error("no answer from the brokers within {within:?}: {reason}")]
    Unreachable {
        /// How long was waited.
        within: Duration,
        /// In the client's words.
        reason: String,
    },
    /// There is no such topic, or no such partition of it.
    #[error("there is no topic {topic}{}", .partition.map_or_else(String::new, |number| format!(" with a partition {number}")))]
    NoTopic {
        /// The topic.
        topic: String,
        /// The partition, where the topic is there and it is not.
        partition: Option<i32>,
    },
    /// The brokers do not let us.
    #[error("the brokers refuse to let {topic} be read: {reason}")]
    Refused {
        /// The topic.
        topic: String,
        /// In the broker's words.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::purge::PurgeOutcome;

    /// A cache of which there is one, and no replica.
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
