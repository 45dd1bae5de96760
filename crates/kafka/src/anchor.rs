//! Commits the settled prefix, and notices a topic that was made anew under a reader.
//!
//! A topic that is deleted and made anew between two fetches, and is longer by then than what was read, is read on
//! in the middle without any error. But Kafka deletes a group's offsets together with a topic. So before a stream's
//! next offset is committed, the one before must still be there; a thread of its own asks. The same question tells
//! whether a commit arrived, which the client does not tell.

use std::sync::Arc;
use std::time::{Duration, Instant};

use freshet_core::position::StreamId;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use crate::ask::{ANSWER_WITHIN, Asker};
use crate::consumer_state::{Anchor, Assigned, Callbacks};
use crate::gap::Lookup;

/// Brokers that did not answer are asked again after this.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// A commit has arrived by then, mostly.
const CONFIRM_AFTER: Duration = Duration::from_millis(100);

/// The same for streams that another process waits for.
const CONFIRM_SOON: Duration = Duration::from_millis(5);

type Question = Vec<(StreamId, Arc<str>, i32)>;

/// The offset committed for each stream, if any.
type Committed = Vec<(StreamId, Option<i64>)>;

/// Commits, each after a look at the one before.
#[derive(Debug)]
pub(crate) struct Anchors {
    asker: Asker<Question, Committed>,
    /// That the brokers do not answer was said.
    told: bool,
    due: bool,
    not_before: Instant,
}

impl Anchors {
    pub(crate) fn new(lookup: Lookup) -> Self {
        Self {
            asker: Asker::new("kafka anchors", lookup, committed_of),
            told: false,
            due: false,
            not_before: Instant::now(),
        }
    }

    /// Something is settled and not committed.
    pub(crate) fn note_due(&mut self) {
        self.due = true;
    }

    /// Takes the next step; whether streams were found whose topic is another one.
    pub(crate) fn serve(&mut self, consumer: &BaseConsumer<Callbacks>) -> bool {
        let found_lost = self.receive(consumer);
        let mut state = consumer.context().state();
        self.due |= state.take_commit_due();
        let hurry = state.assigned.iter().any(|it| it.leaving);
        let now = Instant::now();
        if hurry && self.due {
            self.not_before = self.not_before.min(now + CONFIRM_SOON);
        }
        if !self.due || self.asker.is_asked() || now < self.not_before {
            return found_lost;
        }
        self.due = false;
        let unsure = |it: &&Assigned| it.anchor != Anchor::Lost && it.uncommitted().is_some();
        let place = |it: &Assigned| (it.stream, Arc::clone(&it.topic), it.partition);
        let question: Question = state.assigned.iter().filter(unsure).map(place).collect();
        drop(state);
        if !question.is_empty() && !self.asker.ask(question) {
            self.put_off(ASK_AGAIN);
        }
        found_lost
    }

    fn receive(&mut self, consumer: &BaseConsumer<Callbacks>) -> bool {
        let committed = match self.asker.answer() {
            None => return false,
            Some(Ok(committed)) => committed,
            Some(Err(reason)) => {
                if !self.told {
                    tracing::warn!(error = %reason, "commits wait for the brokers");
                }
                self.told = true;
                self.put_off(ASK_AGAIN);
                return false;
            }
        };
        self.told = false;
        let mut lost = false;
        let offsets = {
            let mut state = consumer.context().state();
            for it in &mut state.assigned {
                let found = committed.iter().find(|(stream, _)| *stream == it.stream);
                if let Some((_, found)) = found {
                    it.note_committed(*found);
                    lost |= it.anchor == Anchor::Lost;
                }
            }
            // Only what was asked about: the rest may have been cut off since.
            let asked = |it: &Assigned| committed.iter().any(|(stream, _)| *stream == it.stream);
            offsets_of(&state.assigned, |it| it.uncommitted().filter(|_| asked(it)))
        };
        let sent = offsets.and_then(|offsets| match offsets.count() {
            0 => Ok(false),
            _ => consumer.commit(&offsets, CommitMode::Async).map(|()| true),
        });
        match sent {
            Ok(false) => {}
            Ok(true) => self.put_off(CONFIRM_AFTER),
            Err(error) => {
                tracing::warn!(error = %error, "commit failed");
                self.put_off(ASK_AGAIN);
            }
        }
        lost
    }

    fn put_off(&mut self, wait: Duration) {
        self.due = true;
        self.not_before = Instant::now() + wait;
    }
}

/// The offsets that `next` gives for streams; a stream that is cut off has none.
pub(crate) fn offsets_of(
    assigned: &[Assigned],
    next: impl Fn(&Assigned) -> Option<i64>,
) -> Result<TopicPartitionList, KafkaError> {
    let mut offsets = TopicPartitionList::new();
    for it in assigned.iter().filter(|it| it.anchor != Anchor::Lost) {
        if let Some(next) = next(it) {
            offsets.add_partition_offset(&it.topic, it.partition, Offset::Offset(next))?;
        }
    }
    Ok(offsets)
}

fn committed_of(client: &BaseConsumer, question: &Question) -> Result<Committed, String> {
    let mut asked = TopicPartitionList::new();
    for (_, topic, partition) in question {
        asked.add_partition(topic, *partition);
    }
    let found = client
        .committed_offsets(asked, ANSWER_WITHIN)
        .map_err(|error| error.to_string())?;
    let mut committed = Vec::with_capacity(question.len());
    for (stream, topic, partition) in question {
        let element = found.find_partition(topic, *partition);
        let element = element.ok_or("the brokers left a partition out")?;
        element.error().map_err(|error| error.to_string())?;
        let offset = match element.offset() {
            Offset::Offset(next) => Some(next),
            _ => None,
        };
        committed.push((*stream, offset));
    }
    Ok(committed)
}
