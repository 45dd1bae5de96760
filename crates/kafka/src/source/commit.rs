//! Commits the settled prefix of the assigned streams, and detects topics that were recreated while they are read.
//!
//! If a topic is deleted and recreated between two fetches, and is already longer than the offset that was read, reading
//! continues in its middle without an error. But Kafka deletes a group's offsets with the topic. So before each commit, a
//! separate thread checks that the previous offset still exists. The same request confirms
//! commits, which the client does not report.

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

/// Pause before a retry if the brokers did not answer.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Usual time until a commit has arrived.
const CONFIRM_AFTER: Duration = Duration::from_millis(100);

/// The same for streams that another process waits for, and when this one waits to leave.
const CONFIRM_SOON: Duration = Duration::from_millis(5);

/// Commits that are sent for so long without one that arrives are reported.
const UNCONFIRMED_AFTER: Duration = Duration::from_secs(5);

/// Interval of checks while waiting for a commit.
const LOOK_EVERY: Duration = Duration::from_millis(1);

type Question = HashMap<StreamId, Partition>;

/// The offset committed for each stream, if any.
type Committed = HashMap<StreamId, Option<i64>>;

/// Commits, each after a check of the previous one.
#[derive(Debug)]
pub(crate) struct Commits {
    asker: Asker<Question, Committed>,
    /// That the brokers do not answer was reported.
    is_reported: bool,
    due: bool,
    not_before: Instant,
    /// Streams whose topic was recreated were found.
    found_lost: bool,
    unconfirmed: Option<Unconfirmed>,
}

/// Commits are sent and none arrives.
#[derive(Debug)]
struct Unconfirmed {
    since: Instant,
    reason: String,
}

impl Commits {
    pub(crate) fn new(onlooker: Onlooker) -> Self {
        Self {
            asker: Asker::new("kafka anchors", onlooker.with_one_client(committed_of)),
            is_reported: false,
            due: false,
            not_before: Instant::now(),
            found_lost: false,
            unconfirmed: None,
        }
    }

    /// Why commits do not arrive, when none has for some time.
    pub(crate) fn unconfirmed(&self) -> Option<&str> {
        let unconfirmed = self.unconfirmed.as_ref()?;
        (unconfirmed.since.elapsed() >= UNCONFIRMED_AFTER).then_some(&*unconfirmed.reason)
    }

    fn note_unconfirmed(&mut self, reason: &str) {
        let since = self.unconfirmed.as_ref().map(|earlier| earlier.since);
        self.unconfirmed = Some(Unconfirmed {
            since: since.unwrap_or_else(Instant::now),
            reason: reason.to_owned(),
        });
    }

    /// Something is settled and not committed.
    pub(crate) fn note_due(&mut self) {
        self.due = true;
    }

    /// Whether streams of recreated topics were found since the last call.
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
        if question.is_empty() {
            // Also when another process has the partitions now.
            self.unconfirmed = None;
        } else if !self.asker.ask(question) {
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
                self.note_unconfirmed(&reason);
                self.put_off(ASK_AGAIN);
                return;
            }
        };
        self.is_reported = false;
        let offsets = {
            let mut state = consumer.context().state();
            for known in &mut state.assigned {
                if let Some(found) = committed.get(&known.stream) {
                    if found.is_some() && *found != known.committed_next {
                        self.unconfirmed = None;
                    }
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
            Ok(false) => self.unconfirmed = None,
            Ok(true) => {
                self.note_unconfirmed(
                    "the brokers answer and do not keep it: check that the group may commit (READ on the group)",
                );
                self.put_off(CONFIRM_AFTER);
            }
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

/// Settled offsets that are not known to be committed, except of streams that are cut off.
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
