//! Stores what this group has read in one of Freshet's topics. Kafka deletes a group's offsets with a topic,
//! so a recreated topic looks like one that was never read.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use freshet_core::position::{StreamId, WallMicros};
use freshet_wire::ReadPosition;
use rdkafka::Offset;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, ProducerContext};

use super::assigned::Assigned;
use super::rebalance::Callbacks;
use crate::client::ask::Onlooker;
use crate::client::connection::KafkaClientError;
use crate::client::partition::{Partition, is_unknown, list_at, numbers_of};

/// How often it is checked whether positions have moved.
const NOTE_EVERY: Duration = Duration::from_millis(250);

/// A partition's position is written again no sooner than this. It need not be exact: only that it was read counts.
const WRITE_EVERY: Duration = Duration::from_secs(5);

/// Timeout for reading the topic. On a first start it may still be being created.
const RECALL_WITHIN: Duration = Duration::from_secs(10);

/// The brokers say within this which partitions the topic has.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// Pause before a retry if the brokers do not have the topic.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// Writes positions to the topic in the background.
pub(crate) struct Positions {
    /// Polled with each look: a thread that does nothing else would spin through every hundredth millisecond.
    producer: BaseProducer<Reports>,
    topic: Arc<str>,
    group: String,
    written: HashMap<StreamId, Written>,
    noted: Instant,
}

/// What was written last of a stream.
struct Written {
    next: i64,
    at: Instant,
}

/// Reports once when the topic is refused, and once more only after it was not.
#[derive(Debug, Default)]
struct Reports {
    refused: AtomicBool,
}

impl ClientContext for Reports {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(error = %error, reason, "kafka producer reports");
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let failed = result.as_ref().err().map(|(error, _)| error);
        let before = self.refused.swap(failed.is_some(), Ordering::Relaxed);
        if let Some(error) = failed.filter(|_| !before) {
            tracing::warn!(error = %error, "positions could not be stored");
        }
    }
}

impl Positions {
    /// Creates the producer; the brokers need not be there.
    pub(crate) fn connect(onlooker: &Onlooker, topic: Arc<str>) -> Result<Self, KafkaClientError> {
        let usual = [("client.id", "freshet"), ("message.timeout.ms", "10000")];
        let fixed = [("acks", "all"), ("queue.buffering.max.messages", "10000")];
        let producer = onlooker
            .connection
            .client(&usual, &fixed)
            .create_with_context(Reports::default())
            .map_err(KafkaClientError::from_kafka)?;
        Ok(Self {
            producer,
            topic,
            group: onlooker.group.clone(),
            written: HashMap::new(),
            noted: Instant::now(),
        })
    }

    /// Now and then, writes the positions that moved, each at once when it is new and then every few seconds.
    pub(crate) fn note(&mut self, callbacks: &Callbacks) {
        if self.noted.elapsed() < NOTE_EVERY {
            return;
        }
        self.noted = Instant::now();
        self.producer.poll(Duration::ZERO);
        let assigned = &callbacks.state().assigned;
        let live: HashSet<StreamId> = assigned.iter().map(|known| known.stream).collect();
        self.written.retain(|stream, _| live.contains(stream));
        for known in assigned {
            let Some(next) = known.committed_next else {
                continue;
            };
            let last = self.written.get(&known.stream);
            let due = last.is_none_or(|last| last.next != next && last.at.elapsed() >= WRITE_EVERY);
            if due && self.write(known, next) {
                let at = Instant::now();
                self.written.insert(known.stream, Written { next, at });
            }
        }
    }

    fn write(&self, of: &Assigned, next: i64) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let position = ReadPosition {
            group: self.group.clone(),
            topic: of.partition.topic.to_string(),
            partition: of.partition.number,
            offset: next,
            at: WallMicros(now.map_or(0, |now| now.as_micros() as u64)),
        };
        let (key, value) = (position.record_key(), position.encode());
        let record = BaseRecord::to(&self.topic).key(&key).payload(&value);
        // A full queue is one that nobody takes from: the delivery reports tell.
        self.producer.send(record).is_ok()
    }
}

/// Reads the stored positions of a group.
pub(crate) fn recall(
    client: &BaseConsumer,
    topic: &Arc<str>,
    group: &str,
) -> Result<HashMap<Partition, i64>, String> {
    let deadline = Instant::now() + RECALL_WITHIN;
    let partitions = loop {
        match partitions_of(client, topic) {
            Ok(partitions) => break partitions,
            Err(reason) if Instant::now() >= deadline => return Err(reason),
            // The topic may be being created, or a broker may be starting.
            Err(_) => std::thread::sleep(ASK_AGAIN),
        }
    };
    let whole = partitions
        .iter()
        .map(|partition| (partition, Offset::Beginning));
    let assigned = list_at(whole).and_then(|whole| client.assign(&whole));
    assigned.map_err(|error| error.to_string())?;
    let (mut unfinished, mut found) = (partitions.len(), HashMap::new());
    while unfinished > 0 && Instant::now() < deadline {
        match client.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                let position = message
                    .payload()
                    .and_then(|value| ReadPosition::decode(value).ok());
                if let Some(position) = position.filter(|position| position.group == group) {
                    let partition = Partition::new(&position.topic, position.partition);
                    found.insert(partition, position.offset);
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) => unfinished -= 1,
            // What may pass is tried again by the client until the deadline.
            Some(Err(_)) | None => {}
        }
    }
    let _ = client.unassign();
    match unfinished {
        0 => Ok(found),
        _ => Err("the topic of positions could not be read to its end in time".to_owned()),
    }
}

fn partitions_of(client: &BaseConsumer, topic: &Arc<str>) -> Result<Vec<Partition>, String> {
    let found = numbers_of(client, topic, ANSWER_WITHIN);
    let numbers = found
        .map_err(|error| format!("{topic}: {error}"))?
        .map_err(|code| match is_unknown(code) {
            true => format!("topic {topic} does not exist"),
            false => format!("{topic}: {code}"),
        })?;
    let of = |number| Partition {
        topic: Arc::clone(topic),
        number,
    };
    Ok(numbers.into_iter().map(of).collect())
}
