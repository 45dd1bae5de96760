//! Commits the settled prefix of the streams that are still ours, and notices a topic that was made anew under a reader.
//!
//! A topic that is deleted and made anew between two fetches, and is longer by then than what was read, is read on
//! in the middle without any error. But Kafka deletes a group's offsets together with a topic. So before a stream's
//! next offset is committed, the one before must still be there; a separate thread asks. The same question tells
//! whether a commit arrived, which the client does not report.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use freshet_core::ports::SourceError;
use freshet_core::position::StreamId;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::assigned::{Anchor, Assigned, offsets_of, send};
use super::rebalance::Callbacks;
use super::state::State;
use crate::client::ask::{ANSWER_WITHIN, Asker, Onlooker};
use crate::client::partition::{Partition, committed, list_of};

/// Brokers that did not answer are asked again after this.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// A commit has arrived by then, mostly.
const CONFIRM_AFTER: Duration = Duration::from_millis(100);

/// The same for streams that another process waits for, and when this one waits to leave.
const CONFIRM_SOON: Duration = Duration::from_millis(5);

/// How often who waits for a commit looks whether it is acknowledged.
const LOOK_EVERY: Duration = Duration::from_millis(1);

type Question = HashMap<StreamId, Partition>;

/// The offset committed for each stream, if any.
type Committed = HashMap<StreamId, Option<i64>>;

/// Commits, each after a look at the one before.
#[derive(Debug)]
pub(crate) struct Commits {
    asker: Asker<Question, Committed>,
    /// That the brokers do not answer was reported.
    is_reported: bool,
    due: bool,
    not_before: Instant,
    /// Streams were found whose topic is another one.
    found_lost: bool,
}

impl Commits {
    pub(crate) fn new(onlooker: Onlooker) -> Self {
        Self {
            asker: Asker::new("kafka anchors", onlooker.with_one_client(committed_of)),
            is_reported: false,
            due: false,
            not_before: Instant::now(),
            found_lost: false,
        }
    }

    /// Something is settled and not committed.
    pub(crate) fn note_due(&mut self) {
        self.due = true;
    }

    /// Whether streams were found, since this was asked last, whose topic is another one.
    pub(crate) fn take_found_lost(&mut self) -> bool {
        std::mem::take(&mut self.found_lost)
    }

    /// Commits all that is settled, acknowledged within `wait`. It does not poll, since a record that came with it would
    /// be lost.
    pub(crate) fn commit_all(
        &mut self,
        consumer: &BaseConsumer<Callbacks>,
        wait: Duration,
    ) -> Result<(), SourceError> {
        let deadline = Instant::now() + wait;
        while !uncommitted(&consumer.context().state()).is_empty() {
            if Instant::now() >= deadline {
                let reason = format!("not acknowledged within {wait:?}");
                return Err(SourceError::Commit(reason));
            }
            self.due = true;
            self.not_before = self.not_before.min(Instant::now() + CONFIRM_SOON);
            self.serve(consumer);
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Takes the next step.
    pub(crate) fn serve(&mut self, consumer: &BaseConsumer<Callbacks>) {
        self.receive(consumer);
        let mut state = consumer.context().state();
        self.due |= std::mem::take(&mut state.commit_due);
        let hurry = state.assigned.iter().any(|known| known.leaving);
        let now = Instant::now();
        if hurry && self.due {
            self.not_before = self.not_before.min(now + CONFIRM_SOON);
        }
        if !self.due || self.asker.is_asked() || now < self.not_before {
            return;
        }
        self.due = false;
        let question = uncommitted(&state);
        drop(state);
        if !question.is_empty() && !self.asker.ask(question) {
            self.put_off(ASK_AGAIN);
        }
    }

    fn receive(&mut self, consumer: &BaseConsumer<Callbacks>) {
        let committed = match self.asker.answer() {
            None => return,
            Some(Ok(committed)) => committed,
            Some(Err(reason)) => {
                if !self.is_reported {
                    tracing::warn!(error = %reason, "commits are waiting for the brokers");
                }
                self.is_reported = true;
                self.put_off(ASK_AGAIN);
                return;
            }
        };
        self.is_reported = false;
        let offsets = {
            let mut state = consumer.context().state();
            for known in &mut state.assigned {
                if let Some(found) = committed.get(&known.stream) {
                    known.note_committed(*found);
                    self.found_lost |= known.anchor == Anchor::Lost;
                }
            }
            // Only what was asked about: the rest may have been cut off since.
            let asked = |known: &Assigned| committed.contains_key(&known.stream);
            offsets_of(&state.assigned, |known| {
                known.uncommitted().filter(|_| asked(known))
            })
        };
        let sent = offsets.and_then(|offsets| send(consumer, &offsets));
        match sent {
            Ok(false) => {}
            Ok(true) => self.put_off(CONFIRM_AFTER),
            Err(error) => {
                tracing::warn!(error = %error, "commit failed");
                self.put_off(ASK_AGAIN);
            }
        }
    }

    fn put_off(&mut self, wait: Duration) {
        self.due = true;
        self.not_before = Instant::now() + wait;
    }
}

/// What is settled and not known to be committed, but for streams that are cut off.
fn uncommitted(state: &State) -> Question {
    let kept = state.assigned.iter();
    let kept = kept.filter(|known| known.anchor != Anchor::Lost && known.uncommitted().is_some());
    kept.map(|known| (known.stream, known.partition.clone()))
        .collect()
}

fn committed_of(client: &BaseConsumer, question: &Question) -> Result<Committed, String> {
    let found = committed(client, list_of(question.values()), ANSWER_WITHIN);
    let found = found.map_err(|error| error.to_string())?;
    let mut committed = Committed::new();
    for (stream, partition) in question {
        let next = found.get(partition);
        let next = next.ok_or("the response of the brokers lacks a partition")?;
        committed.insert(*stream, *next);
    }
    Ok(committed)
}
