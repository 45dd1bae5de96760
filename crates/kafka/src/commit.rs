//! Commits the settled prefix of streams, and of those only that are still ours.

use std::time::{Duration, Instant};

use freshet_core::ports::SourceError;
use freshet_core::position::StreamPosition;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use crate::consumer_state::{Assigned, Callbacks, State};

/// How often a commit is tried that has to be acknowledged.
const TRY_EVERY: Duration = Duration::from_millis(50);

/// Commits what is settled; with `wait` everything of it, acknowledged within that time.
pub(crate) fn commit(
    consumer: &BaseConsumer<Callbacks>,
    settled: &[StreamPosition],
    wait: Option<Duration>,
) -> Result<(), SourceError> {
    let failed = |error: KafkaError| SourceError::Commit(error.to_string());
    let offsets = offsets_of(&mut consumer.context().state(), settled, wait.is_some());
    let offsets = offsets.map_err(failed)?;
    if offsets.count() == 0 {
        return Ok(());
    }
    match wait {
        None => consumer.commit(&offsets, CommitMode::Async).map_err(failed),
        Some(wait) => commit_within(consumer, &offsets, wait),
    }
}

/// The offsets of the streams named, or of `all`.
fn offsets_of(
    state: &mut State,
    settled: &[StreamPosition],
    all: bool,
) -> Result<TopicPartitionList, KafkaError> {
    let mut offsets = TopicPartitionList::new();
    for position in settled {
        // A stream that is no longer assigned is somebody else's now.
        let stream = |it: &&mut Assigned| it.stream == position.stream;
        let Some(known) = state.assigned.iter_mut().find(stream) else {
            continue;
        };
        let next = i64::try_from(position.ordinal + 1).unwrap_or(i64::MAX);
        known.settled_next = known.settled_next.max(Some(next));
    }
    for known in &state.assigned {
        let wanted = all || settled.iter().any(|it| it.stream == known.stream);
        if let Some(next) = known.settled_next.filter(|_| wanted) {
            offsets.add_partition_offset(&known.topic, known.partition, Offset::Offset(next))?;
        }
    }
    Ok(offsets)
}

/// A synchronous commit with a deadline of our own: librdkafka's has none, and brokers may be away. It does not
/// poll, since a record that came with it would be lost.
fn commit_within(
    consumer: &BaseConsumer<Callbacks>,
    offsets: &TopicPartitionList,
    wait: Duration,
) -> Result<(), SourceError> {
    let deadline = Instant::now() + wait;
    while Instant::now() < deadline {
        consumer
            .commit(offsets, CommitMode::Async)
            .map_err(|error| SourceError::Commit(error.to_string()))?;
        let left = deadline.saturating_duration_since(Instant::now());
        if are_committed(consumer, offsets, left.min(Duration::from_millis(500))) {
            let mut state = consumer.context().state();
            for known in &mut state.assigned {
                let told = offsets.find_partition(&known.topic, known.partition);
                if told.is_some_and(|it| it.offset().to_raw() == known.settled_next) {
                    known.committed_next = known.settled_next;
                }
            }
            return Ok(());
        }
        std::thread::sleep(TRY_EVERY.min(left));
    }
    Err(SourceError::Commit(format!(
        "not acknowledged within {wait:?}"
    )))
}

fn are_committed(
    consumer: &BaseConsumer<Callbacks>,
    offsets: &TopicPartitionList,
    wait: Duration,
) -> bool {
    let mut asked = TopicPartitionList::new();
    for element in offsets.elements() {
        asked.add_partition(element.topic(), element.partition());
    }
    let Ok(committed) = consumer.committed_offsets(asked, wait) else {
        return false;
    };
    offsets.elements().iter().all(|it| {
        let found = committed.find_partition(it.topic(), it.partition());
        found.is_some_and(|found| found.offset() == it.offset())
    })
}
