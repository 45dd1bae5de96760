//! Records that the client cannot fetch: a batch over `receive.message.max.bytes`, or one that unpacks to more, or not at
//! all. The client asks for it again for ever, and its broker's other partitions get little in between. Which partition
//! it is, the client does not say, so each is tried alone; what cannot be read there is stepped over, as a gap.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use freshet_core::gap::GapCause;
use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::gap::{Facts, Gap, Suspect};
use crate::client::partition::{Partition, list_at};

/// The client repeats what fails more often than this.
const DOUBTED_FOR: Duration = Duration::from_secs(60);

/// Between two tries, a partition that can be read has got further.
const TRY_EVERY: Duration = Duration::from_secs(2);

/// A record is here within this, or nothing is said of it.
const TRIED_WITHIN: Duration = Duration::from_secs(10);

/// Whether an error means that a record cannot be fetched, however often it is asked for.
pub(crate) fn is_of_a_record(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::BadMessage
            | RDKafkaErrorCode::BadCompression
            | RDKafkaErrorCode::InvalidMessage
            | RDKafkaErrorCode::MessageSizeTooLarge
            | RDKafkaErrorCode::NotImplemented
    )
}

/// Whether partitions are in doubt, and how far was stepped.
#[derive(Debug, Default)]
pub(crate) struct Doubts {
    until: Option<Instant>,
    tried: Option<Instant>,
    /// The last step over what cannot be read, of each partition.
    steps: HashMap<Partition, Step>,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    /// Where reading went on.
    to: i64,
    offsets: i64,
}

impl Doubts {
    /// The client said that some record cannot be fetched.
    pub(crate) fn raise(&mut self) {
        self.until = Some(Instant::now() + DOUBTED_FOR);
    }

    /// Whether some partition may be stuck.
    pub(crate) fn are_open(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }

    /// Whether it is time to try.
    pub(crate) fn is_due(&mut self) -> bool {
        let tried = self.tried.is_some_and(|at| at.elapsed() < TRY_EVERY);
        let due = !tried && self.are_open();
        if due {
            self.tried = Some(Instant::now());
        }
        due
    }

    /// How many offsets to step over, if the partition cannot be read: one, and twice as many each time that what
    /// follows cannot be read either, since a batch is read as a whole or not at all.
    pub(crate) fn step_of(&self, partition: &Partition, expected: Option<i64>) -> i64 {
        match self.steps.get(partition) {
            Some(last) if expected == Some(last.to) => last.offsets.saturating_mul(2),
            _ => 1,
        }
    }

    /// Reading goes on at `to`, that many offsets further.
    pub(crate) fn note_step(&mut self, partition: &Partition, to: i64, offsets: i64) {
        self.steps.insert(partition.clone(), Step { to, offsets });
    }
}

/// Tries to read the next record of a partition with a client of its own; a gap when that cannot be.
pub(crate) fn judge(client: &BaseConsumer, suspect: &Suspect, facts: Facts) -> Option<Gap> {
    let step = suspect.step?;
    let next = suspect.expected.or(facts.committed)?;
    if next >= facts.high {
        return None;
    }
    let reason = unreadable(client, suspect, next)?;
    let from = next.saturating_add(step).min(facts.high);
    Some(Gap {
        cause: GapCause::Unreadable,
        from,
        detail: format!("offsets {next} to {} cannot be fetched: {reason}", from - 1),
    })
}

fn unreadable(client: &BaseConsumer, suspect: &Suspect, next: i64) -> Option<String> {
    let alone = list_at([(&suspect.partition, Offset::Offset(next))]).ok()?;
    client.assign(&alone).ok()?;
    let until = Instant::now() + TRIED_WITHIN;
    let mut reason = None;
    while Instant::now() < until && reason.is_none() {
        match client.poll(Duration::from_millis(100)) {
            Some(Err(KafkaError::MessageConsumption(code) | KafkaError::Global(code)))
                if is_of_a_record(code) =>
            {
                reason = Some(code.to_string());
            }
            Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => break,
            Some(Err(_)) | None => {}
        }
    }
    // What is left of this try must not be taken for the next one's.
    if client.unassign().is_err() {
        return None;
    }
    reason
}
