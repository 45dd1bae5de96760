//! What this group has read, remembered in a topic of ours. Kafka forgets a group's offsets when it deletes a topic,
//! and then a topic that was made anew looks like one that was never read.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use freshet_core::position::{StreamId, WallMicros};
use freshet_wire::ReadPosition;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, ProducerContext};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use crate::connection::{KafkaClientError, KafkaConnection};
use crate::consumer_state::Assigned;

/// A partition's place is written again no sooner than this. It need not be exact: only that it was read counts.
const WRITE_EVERY: Duration = Duration::from_secs(5);

/// The topic is read within this, or taken for unreadable. On a first start it may still be in the making.
const RECALL_WITHIN: Duration = Duration::from_secs(10);

/// Topic and partition.
pub(crate) type Place = (String, i32);

/// Writes places to the topic, without anybody waiting for it.
pub(crate) struct Positions {
    /// Polled with each look: a thread that does nothing else would spin through every hundredth millisecond.
    producer: BaseProducer<Told>,
    topic: Arc<str>,
    group: String,
    written: HashMap<StreamId, (i64, Instant)>,
}

/// Tells once when the topic is refused, and once more only after it was not.
#[derive(Debug, Default)]
struct Told(AtomicBool);

impl ClientContext for Told {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(error = %error, reason, "kafka producer reports");
    }
}

impl ProducerContext for Told {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let failed = result.as_ref().err().map(|(error, _)| error);
        let told = self.0.swap(failed.is_some(), Ordering::Relaxed);
        if let Some(error) = failed.filter(|_| !told) {
            tracing::warn!(error = %error, "what was read cannot be remembered");
        }
    }
}

impl Positions {
    pub(crate) fn connect(
        connection: &KafkaConnection,
        topic: Arc<str>,
        group: String,
    ) -> Result<Self, KafkaClientError> {
        let usual = [("client.id", "freshet"), ("message.timeout.ms", "10000")];
        let fixed = [("acks", "all"), ("queue.buffering.max.messages", "10000")];
        let producer = connection
            .client(&usual, &fixed)
            .create_with_context(Told::default())
            .map_err(|error| KafkaClientError::from_kafka(&error))?;
        Ok(Self {
            producer,
            topic,
            group,
            written: HashMap::new(),
        })
    }

    /// Writes the places that moved, each at once when it is new and then every few seconds.
    pub(crate) fn note(&mut self, assigned: &[Assigned]) {
        self.producer.poll(Duration::ZERO);
        let live: HashSet<StreamId> = assigned.iter().map(|it| it.stream).collect();
        self.written.retain(|stream, _| live.contains(stream));
        for it in assigned {
            let Some(next) = it.committed_next else {
                continue;
            };
            let due = self
                .written
                .get(&it.stream)
                .is_none_or(|(written, at)| *written != next && at.elapsed() >= WRITE_EVERY);
            if due && self.write(it, next) {
                self.written.insert(it.stream, (next, Instant::now()));
            }
        }
    }

    fn write(&self, of: &Assigned, next: i64) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let position = ReadPosition {
            group: self.group.clone(),
            topic: of.topic.to_string(),
            partition: of.partition,
            offset: next,
            at: WallMicros(now.map_or(0, |now| now.as_micros() as u64)),
        };
        let (key, value) = (position.record_key(), position.encode());
        let record = BaseRecord::to(&self.topic).key(&key).payload(&value);
        // A full queue is one that nobody takes from: the delivery reports tell.
        self.producer.send(record).is_ok()
    }
}

/// Reads what a group is remembered to have read.
pub(crate) fn recall(
    consumer: &BaseConsumer,
    topic: &str,
    group: &str,
) -> Result<HashMap<Place, i64>, String> {
    let deadline = Instant::now() + RECALL_WITHIN;
    let partitions = loop {
        match partitions_of(consumer, topic) {
            Ok(partitions) => break partitions,
            Err(reason) if Instant::now() >= deadline => return Err(reason),
            // It may be in the making, or a broker on its way up.
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    };
    let mut whole = TopicPartitionList::new();
    for &partition in &partitions {
        whole
            .add_partition_offset(topic, partition, Offset::Beginning)
            .map_err(|error| error.to_string())?;
    }
    consumer.assign(&whole).map_err(|error| error.to_string())?;
    let found = read_to_end(
        consumer,
        partitions.len(),
        |value| {
            ReadPosition::decode(value)
                .ok()
                .filter(|it| it.group == group)
        },
        deadline,
    );
    let _ = consumer.unassign();
    found
}

fn partitions_of(consumer: &BaseConsumer, topic: &str) -> Result<Vec<i32>, String> {
    let metadata = consumer
        .fetch_metadata(Some(topic), Duration::from_secs(3))
        .map_err(|error| format!("{topic}: {error}"))?;
    let found = metadata.topics().iter().find(|it| it.name() == topic);
    let found = found.filter(|it| !it.partitions().is_empty());
    let found = found.ok_or_else(|| format!("topic {topic} does not exist"))?;
    match found.error() {
        None | Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR) => {
            Ok(found.partitions().iter().map(|it| it.id()).collect())
        }
        Some(code) => Err(format!("{topic}: {}", RDKafkaErrorCode::from(code))),
    }
}

fn read_to_end(
    consumer: &BaseConsumer,
    mut unfinished: usize,
    ours: impl Fn(&[u8]) -> Option<ReadPosition>,
    deadline: Instant,
) -> Result<HashMap<Place, i64>, String> {
    let mut found = HashMap::new();
    while unfinished > 0 {
        if Instant::now() >= deadline {
            return Err("the topic of positions was not read to its end in time".to_owned());
        }
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                if let Some(position) = message.payload().and_then(&ours) {
                    found.insert((position.topic, position.partition), position.offset);
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) => unfinished -= 1,
            // What may pass is tried again by the client until the deadline.
            Some(Err(_)) | None => {}
        }
    }
    Ok(found)
}
