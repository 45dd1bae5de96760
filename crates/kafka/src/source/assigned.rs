//! One assigned partition: how far it is fetched, read, settled and committed.

use std::sync::Arc;

use freshet_core::ports::{Origin, RawRecord};
use freshet_core::position::{StreamId, StreamPosition, WallMicros};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::KafkaResult;
use rdkafka::{Message, Offset, TopicPartitionList};

use super::read::Read;
use crate::client::partition::{Partition, list_at};

/// One assigned partition.
#[derive(Debug, Clone)]
pub(crate) struct Assigned {
    pub(crate) partition: Partition,
    pub(crate) stream: StreamId,
    /// How far it was read; shared, so that a record is noted without the lock.
    pub(crate) read: Arc<Read>,
    /// Next offset to read, as far as it is settled and was handed over for commit.
    pub(crate) settled_next: Option<i64>,
    /// The same, as far as the brokers acknowledged it.
    pub(crate) committed_next: Option<i64>,
    pub(crate) anchor: Anchor,
    /// It is being revoked: no more of its records are delivered.
    pub(crate) leaving: bool,
    /// State from an earlier assignment.
    pub(crate) before: Before,
    /// As the client counted last.
    pub(crate) fetching: Option<Fetching>,
}

/// State of a partition from an earlier assignment to this process.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Before {
    /// How far the brokers acknowledged it to be committed.
    pub(crate) committed: Option<i64>,
    /// Whether it was this client, whose cached state may be outdated.
    pub(crate) by_this_client: bool,
}

/// How far a partition is fetched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fetching {
    /// The offset that is fetched next.
    pub(crate) next: i64,
    /// Fetched records that are not delivered yet.
    pub(crate) waiting: i64,
}

/// Whether the brokers have a committed offset for a stream's partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// None yet: it starts, or continues after a gap.
    None,
    /// One is there.
    Held,
    /// It is gone: the topic was recreated with the same name.
    Lost,
}

impl Assigned {
    pub(crate) fn new(partition: Partition, stream: StreamId, before: Before) -> Self {
        Self {
            partition,
            stream,
            read: Arc::new(Read::nothing()),
            settled_next: None,
            committed_next: None,
            // The client begins by itself only where an offset is committed.
            anchor: Anchor::Held,
            leaving: false,
            before,
            fetching: None,
        }
    }

    /// How far it is fetched; none while fetched records wait to be taken, or nothing was counted yet.
    pub(crate) fn fetched_to(&self) -> Option<i64> {
        let fetching = self.fetching.filter(|fetching| fetching.waiting == 0)?;
        let expected = self.read.expected().unwrap_or(0);
        // Negative where it does not fetch at all.
        Some(match fetching.next {
            next if next >= 0 => next.max(expected),
            _ => expected,
        })
    }

    /// Whether all its delivered records are settled and committed.
    pub(crate) fn is_drained(&self) -> bool {
        self.read.handed_next().is_none_or(|handed| {
            let settled = self.settled_next.is_some_and(|settled| settled >= handed);
            settled && self.uncommitted().is_none()
        })
    }

    /// The brokers hold this offset of ours, or none.
    pub(crate) fn note_committed(&mut self, next: Option<i64>) {
        self.anchor = match (next, self.anchor) {
            (Some(_), _) => Anchor::Held,
            (None, Anchor::None) => Anchor::None,
            (None, Anchor::Held | Anchor::Lost) => Anchor::Lost,
        };
        self.committed_next = next;
    }

    /// What is settled and not known to be committed.
    pub(crate) fn uncommitted(&self) -> Option<i64> {
        self.settled_next
            .filter(|_| self.settled_next != self.committed_next)
    }

    /// How far it was ever known to be committed.
    pub(crate) fn last_committed(&self) -> Option<i64> {
        self.committed_next.or(self.before.committed)
    }

    /// A record of it, as it leaves the source. The topic is named by the assignment: the client's own name would be
    /// checked letter by letter each time.
    pub(crate) fn raw_record<'a, M: Message>(&'a self, message: &'a M) -> RawRecord<'a> {
        let offset = message.offset();
        let appended_ms = message
            .timestamp()
            .to_millis()
            .and_then(|ms| u64::try_from(ms).ok());
        RawRecord {
            position: StreamPosition {
                stream: self.stream,
                ordinal: u64::try_from(offset).unwrap_or(0),
            },
            origin: Origin {
                topic: &self.partition.topic,
                partition: self.partition.number,
                offset,
            },
            key: message.key(),
            value: message.payload(),
            appended: WallMicros::from_millis(appended_ms.unwrap_or(0)),
        }
    }
}

/// The offsets that `next` gives for streams; a stream that is cut off has none.
pub(crate) fn offsets_of(
    assigned: &[Assigned],
    next: impl Fn(&Assigned) -> Option<i64>,
) -> KafkaResult<TopicPartitionList> {
    let kept = assigned.iter().filter(|known| known.anchor != Anchor::Lost);
    list_at(kept.filter_map(|known| Some((&known.partition, Offset::Offset(next(known)?)))))
}

/// Sends offsets to be committed, if there are any; whether there were.
pub(crate) fn send<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    offsets: &TopicPartitionList,
) -> KafkaResult<bool> {
    match offsets.count() {
        0 => Ok(false),
        _ => consumer.commit(offsets, CommitMode::Async).map(|()| true),
    }
}
