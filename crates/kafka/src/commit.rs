//! Commits the settled prefix of streams, and of those only that are still ours.

use std::time::{Duration, Instant};

use freshet_core::ports::SourceError;
use freshet_core::position::StreamPosition;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use crate::anchor::offsets_of;
use crate::consumer_state::{Anchor, Assigned, Callbacks, State};
use crate::mend::partitions_of;

/// How often a commit is tried that has to be acknowledged.
const TRY_EVERY: Duration = Duration::from_millis(50);

/// Notes what is settled, to be committed by and by.
pub(crate) fn note_settled(state: &mut State, settled: &[StreamPosition]) {
    for position in settled {
        let stream = |it: &&mut Assigned| it.stream == position.stream;
        // A stream that is no longer assigned is somebody else's now.
        if let Some(known) = state.assigned.iter_mut().find(stream) {
            let next = i64::try_from(position.ordinal + 1).unwrap_or(i64::MAX);
            known.settled_next = known.settled_next.max(Some(next));
        }
    }
}

/// Commits all that is settled, acknowledged within `wait`.
pub(crate) fn commit_all(
    consumer: &BaseConsumer<Callbacks>,
    wait: Duration,
) -> Result<(), SourceError> {
    let failed = |error: KafkaError| SourceError::Commit(error.to_string());
    let deadline = Instant::now() + wait;
    note_lost(consumer, wait).map_err(failed)?;
    let offsets = offsets_of(&consumer.context().state().assigned, |it| it.settled_next);
    let offsets = offsets.map_err(failed)?;
    if offsets.count() == 0 {
        return Ok(());
    }
    let left = deadline.saturating_duration_since(Instant::now());
    commit_within(consumer, &offsets, left)
}

/// Marks streams whose topic was made anew: their offsets mean nothing in it.
fn note_lost(consumer: &BaseConsumer<Callbacks>, wait: Duration) -> Result<(), KafkaError> {
    let held = partitions_of(
        consumer
            .context()
            .state()
            .assigned
            .iter()
            .filter(|it| it.anchor == Anchor::Held && it.uncommitted().is_some()),
    );
    if held.count() == 0 {
        return Ok(());
    }
    let found = consumer.committed_offsets(held, wait)?;
    let mut state = consumer.context().state();
    for element in found.elements() {
        element.error()?;
        if element.offset() == Offset::Invalid
            && let Some(known) = state.find(element.topic(), element.partition())
        {
            known.anchor = Anchor::Lost;
        }
    }
    Ok(())
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
