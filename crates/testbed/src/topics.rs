//! Reads topics to their present end, for tests that look at what really arrived, and writes records as they
//! stand, for tests that know better than any connector what to write.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::kafka::plain_consumer;
use crate::process::wait_until;

const TIMEOUT: Duration = Duration::from_secs(30);

/// One record as the broker gave it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicRecord {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset in the partition.
    pub offset: i64,
    /// The record's timestamp, milliseconds since 1970.
    pub timestamp_ms: i64,
    /// The key's bytes; `None` for null.
    pub key: Option<Vec<u8>>,
    /// The value's bytes; `None` for null, which is a tombstone.
    pub value: Option<Vec<u8>>,
    /// The headers in order; `None` for a null value.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl TopicRecord {
    /// The value as text, or `""` for null.
    pub fn value_text(&self) -> String {
        String::from_utf8_lossy(self.value.as_deref().unwrap_or_default()).into_owned()
    }

    /// The key as text, or `""` for null.
    pub fn key_text(&self) -> String {
        String::from_utf8_lossy(self.key.as_deref().unwrap_or_default()).into_owned()
    }
}

/// Reads every topic of a broker, without a consumer group, each record once.
pub struct TopicReader {
    consumer: BaseConsumer,
    next: BTreeMap<(String, i32), i64>,
}

impl std::fmt::Debug for TopicReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TopicReader")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

impl TopicReader {
    /// A reader that stands at the beginning of every topic there is or will be.
    ///
    /// # Errors
    /// When the address is not one.
    pub fn new(bootstrap: &str) -> Result<TopicReader> {
        Ok(TopicReader {
            consumer: plain_consumer(bootstrap)?,
            next: BTreeMap::new(),
        })
    }

    /// What has arrived since the last call, in order of timestamp, topic, partition and offset.
    /// Internal topics (`__consumer_offsets` and its kin) are left out.
    ///
    /// # Errors
    /// When the broker does not answer in time.
    pub fn read_new(&mut self) -> Result<Vec<TopicRecord>> {
        let mut records = Vec::new();
        for ((topic, partition), end) in self.pending()? {
            self.read_partition(topic, partition, end, &mut records)?;
        }
        self.consumer.unassign()?;
        records.sort_by(|a, b| {
            (a.timestamp_ms, &a.topic, a.partition, a.offset).cmp(&(
                b.timestamp_ms,
                &b.topic,
                b.partition,
                b.offset,
            ))
        });
        Ok(records)
    }

    /// Reads until `enough` says so of everything read by this call, which is then returned.
    ///
    /// # Errors
    /// When `deadline` passes first; the message tells what did arrive.
    pub fn read_until(
        &mut self,
        deadline: Duration,
        mut enough: impl FnMut(&[TopicRecord]) -> bool,
    ) -> Result<Vec<TopicRecord>> {
        let mut all = Vec::new();
        let waited = wait_until("records", deadline, || {
            all.extend(self.read_new()?);
            Ok(enough(&all))
        });
        let seen: Vec<&str> = all.iter().map(|record| record.topic.as_str()).collect();
        waited.with_context(|| format!("arrived on: {seen:?}"))?;
        Ok(all)
    }

    /// Partitions with something unread, each with its end.
    fn pending(&mut self) -> Result<BTreeMap<(String, i32), i64>> {
        let metadata = self.consumer.fetch_metadata(None, TIMEOUT)?;
        let mut pending = BTreeMap::new();
        for topic in metadata
            .topics()
            .iter()
            .filter(|topic| !is_internal(topic.name()))
        {
            for partition in topic.partitions() {
                let place = (topic.name().to_owned(), partition.id());
                let Ok((low, high)) =
                    self.consumer
                        .fetch_watermarks(topic.name(), partition.id(), TIMEOUT)
                else {
                    // A partition this young has no leader yet; the next call sees it.
                    continue;
                };
                let next = self.next.entry(place.clone()).or_insert(low);
                if *next < low || *next > high {
                    // What stood there was deleted, or the topic was made anew.
                    *next = low;
                }
                if *next < high {
                    pending.insert(place, high);
                }
            }
        }
        Ok(pending)
    }

    /// One partition at a time, since the end-of-partition event does not name its topic.
    fn read_partition(
        &mut self,
        topic: String,
        partition: i32,
        end: i64,
        records: &mut Vec<TopicRecord>,
    ) -> Result<()> {
        let place = (topic, partition);
        let mut next = self.next.get(&place).copied().unwrap_or(0);
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(&place.0, place.1, Offset::Offset(next))?;
        self.consumer.assign(&assignment)?;
        let give_up = Instant::now() + TIMEOUT;
        while next < end {
            match self.consumer.poll(TIMEOUT) {
                Some(Ok(message)) => {
                    let record = to_record(&message);
                    next = record.offset + 1;
                    records.push(record);
                }
                // The last offsets may be transaction markers, which are never delivered.
                Some(Err(KafkaError::PartitionEOF(_))) => next = end,
                // Deleted since its offsets were asked for, perhaps with its topic: the next call asks again.
                Some(Err(KafkaError::MessageConsumption(
                    RDKafkaErrorCode::AutoOffsetReset
                    | RDKafkaErrorCode::UnknownTopicOrPartition
                    | RDKafkaErrorCode::UnknownTopic
                    | RDKafkaErrorCode::UnknownPartition,
                ))) => break,
                // Old news about a broker that went and may be back by now.
                Some(Err(KafkaError::MessageConsumption(
                    RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure,
                ))) if Instant::now() < give_up => {}
                Some(Err(error)) => return Err(error.into()),
                None => bail!("no answer from the broker while reading {place:?} to {end}"),
            }
        }
        self.next.insert(place, next);
        Ok(())
    }
}

/// Writes records byte for byte.
pub struct TopicWriter {
    producer: BaseProducer,
}

impl std::fmt::Debug for TopicWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TopicWriter")
    }
}

impl TopicWriter {
    /// A writer that waits for no batch.
    ///
    /// # Errors
    /// When the address is not one.
    pub fn new(bootstrap: &str) -> Result<TopicWriter> {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("linger.ms", "0")
            .set("message.max.bytes", "100000000")
            .create()?;
        Ok(TopicWriter { producer })
    }

    /// Appends a record to partition `record.partition` of its topic; offset and time are the broker's. Null keys
    /// and values stay null.
    ///
    /// # Errors
    /// When the client refuses it.
    pub fn write(&self, record: &TopicRecord) -> Result<()> {
        let headers = record
            .headers
            .iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| {
                headers.insert(Header {
                    key,
                    value: value.as_ref(),
                })
            });
        let mut out: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&record.topic)
            .partition(record.partition)
            .headers(headers);
        out.key = record.key.as_deref();
        out.payload = record.value.as_deref();
        self.producer
            .send(out)
            .map_err(|(error, _)| error)
            .with_context(|| format!("a record for {}", record.topic))
    }

    /// Waits until everything written is acknowledged.
    ///
    /// # Errors
    /// When that takes too long.
    pub fn flush(&self) -> Result<()> {
        Ok(self.producer.flush(TIMEOUT)?)
    }
}

fn is_internal(topic: &str) -> bool {
    [
        "__consumer_offsets",
        "__transaction_state",
        "__share_group_state",
        "__cluster_metadata",
    ]
    .contains(&topic)
}

fn to_record(message: &BorrowedMessage<'_>) -> TopicRecord {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        headers
            .iter()
            .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
            .collect()
    });
    TopicRecord {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(-1),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers,
    }
}
