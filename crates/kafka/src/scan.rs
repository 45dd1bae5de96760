//! Reads topics from their start to their current end, or one record. Joins no group and commits
//! nothing, so consumers are not affected.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use freshet_core::ports::{ScanError, TopicScan};
use freshet_core::position::WallMicros;
use freshet_core::record::{Found, StoredRecord};
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message, Offset, TopicPartitionList};

use crate::client::connection::{KafkaClientError, KafkaConnection};
use crate::client::partition::{is_unknown, numbers_of};

/// Timeout of one poll; the caller sets the total time limit.
const POLL: Duration = Duration::from_millis(200);

/// Reads topics without a group.
pub struct KafkaTopicScan {
    consumer: BaseConsumer<LastWord>,
    within: Duration,
}

impl std::fmt::Debug for KafkaTopicScan {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("KafkaTopicScan")
    }
}

/// The client's last error: it has the reason why a broker is unavailable, the waiting call does not.
#[derive(Debug, Default)]
struct LastWord(Mutex<Option<String>>);

impl LastWord {
    fn get(&self) -> Option<String> {
        let word = self.0.lock();
        word.unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }
}

impl ClientContext for LastWord {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(error = %error, reason, "kafka client reports");
        // "All brokers down" has less information than the previous error of each broker.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            let word = self.0.lock();
            *word.unwrap_or_else(std::sync::PoisonError::into_inner) = Some(reason.to_owned());
        }
    }
}

impl ConsumerContext for LastWord {}

/// A partition without a leader has one soon.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// Whether the brokers have not agreed yet on who leads.
fn is_unsettled(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{LeaderNotAvailable, NotLeaderForPartition};
    matches!(
        error.rdkafka_error_code(),
        Some(LeaderNotAvailable | NotLeaderForPartition)
    )
}

impl TopicScan for KafkaTopicScan {
    fn read_all(&self, topic: &str, each: &mut dyn FnMut(StoredRecord)) -> Result<(), ScanError> {
        // Where each partition ends that holds anything.
        let (mut left, mut begins) = (BTreeMap::new(), BTreeMap::new());
        for partition in self.partitions(topic)? {
            let (oldest, end) = self.bounds_of(topic, partition)?;
            if oldest < end {
                left.insert(partition, end);
                begins.insert(partition, oldest);
            }
        }
        self.assign(topic, begins)?;
        let mut heard = Instant::now();
        while !left.is_empty() {
            match self.poll(topic, &mut heard)? {
                None => {}
                Some(Polled::End(partition)) => {
                    left.remove(&partition);
                }
                Some(Polled::Record(record)) => {
                    let end = left.get(&record.partition).copied();
                    // Records after the end that was read first are not included.
                    let Some(end) = end.filter(|&end| record.offset < end) else {
                        left.remove(&record.partition);
                        continue;
                    };
                    if record.offset + 1 >= end {
                        left.remove(&record.partition);
                    }
                    each(record);
                }
            }
        }
        Ok(())
    }

    fn read_one(&self, topic: &str, partition: i32, offset: i64) -> Result<Found, ScanError> {
        if !self.partitions(topic)?.contains(&partition) {
            return Err(ScanError::NoTopic {
                topic: topic.to_owned(),
                partition: Some(partition),
            });
        }
        let (oldest, end) = self.bounds_of(topic, partition)?;
        let gone = Found::Gone { oldest, end };
        if !(oldest..end).contains(&offset) {
            return Ok(gone);
        }
        self.assign(topic, BTreeMap::from([(partition, offset)]))?;
        let mut heard = Instant::now();
        loop {
            match self.poll(topic, &mut heard)? {
                None => {}
                Some(Polled::Record(record)) if record.offset == offset => {
                    return Ok(Found::Record(record));
                }
                // Compaction took it, or retention did just now.
                Some(Polled::Record(_) | Polled::End(_)) => return Ok(gone),
            }
        }
    }
}

impl KafkaTopicScan {
    /// Creates the client; the brokers need not be available. Every read fails if there is no answer for `within`.
    ///
    /// # Errors
    /// librdkafka refuses a property.
    pub fn connect(
        connection: &KafkaConnection,
        within: Duration,
    ) -> Result<Self, KafkaClientError> {
        let usual = [
            ("fetch.wait.max.ms", "50"),
            ("queued.max.messages.kbytes", "16384"),
            ("socket.nagle.disable", "true"),
            ("reconnect.backoff.max.ms", "1000"),
        ];
        // What retention takes while it is read is skipped.
        let fixed = [("auto.offset.reset", "earliest")];
        let consumer = connection
            .outside_client("freshet.scan", &usual, &fixed)
            .create_with_context(LastWord::default())
            .map_err(KafkaClientError::from_kafka)?;
        Ok(Self { consumer, within })
    }

    fn partitions(&self, topic: &str) -> Result<Vec<i32>, ScanError> {
        let found = numbers_of(&self.consumer, topic, self.within);
        let found = found.map_err(|error| self.fault(topic, &error))?;
        found.map_err(|code| self.fault(topic, &KafkaError::MetadataFetch(code)))
    }

    /// Oldest and next offset of a partition. Who leads it is decided anew when brokers come and go, and when it is made.
    fn bounds_of(&self, topic: &str, id: i32) -> Result<(i64, i64), ScanError> {
        let deadline = Instant::now() + self.within;
        loop {
            match self.consumer.fetch_watermarks(topic, id, self.within) {
                Ok(bounds) => return Ok(bounds),
                Err(error) if is_unsettled(&error) && Instant::now() < deadline => {
                    std::thread::sleep(ASK_AGAIN);
                }
                Err(error) => return Err(self.fault(topic, &error)),
            }
        }
    }

    /// Reads partitions, each from an offset on.
    fn assign(&self, topic: &str, begins: BTreeMap<i32, i64>) -> Result<(), ScanError> {
        let mut list = TopicPartitionList::new();
        let mut begins = begins.into_iter();
        let outcome = begins
            .try_for_each(|(id, at)| list.add_partition_offset(topic, id, Offset::Offset(at)))
            .and_then(|()| self.consumer.assign(&list));
        outcome.map_err(|error| self.fault(topic, &error))
    }

    /// Polls once. `heard` is the time of the last message.
    fn poll(&self, topic: &str, heard: &mut Instant) -> Result<Option<Polled>, ScanError> {
        let polled = match self.consumer.poll(POLL) {
            Some(Ok(message)) => Some(Polled::Record(stored(&message))),
            Some(Err(KafkaError::PartitionEOF(partition))) => Some(Polled::End(partition)),
            // Brokers come back; the silence below is what counts.
            Some(Err(error)) if is_silence(&error) || is_of_group(&error) => None,
            Some(Err(error)) => return Err(self.fault(topic, &error)),
            None => None,
        };
        if polled.is_some() {
            *heard = Instant::now();
        } else if heard.elapsed() >= self.within {
            return Err(self.unreachable("no reason given"));
        }
        Ok(polled)
    }

    fn unreachable(&self, otherwise: &str) -> ScanError {
        let word = self.consumer.client().context().get();
        ScanError::Unreachable {
            within: self.within,
            reason: word.unwrap_or_else(|| otherwise.to_owned()),
        }
    }

    fn fault(&self, topic: &str, error: &KafkaError) -> ScanError {
        match error.rdkafka_error_code() {
            _ if is_silence(error) => self.unreachable(&error.to_string()),
            Some(code) if is_unknown(code) => ScanError::NoTopic {
                topic: topic.to_owned(),
                partition: None,
            },
            _ => ScanError::Refused {
                topic: topic.to_owned(),
                reason: error.to_string(),
            },
        }
    }
}

fn stored(message: &BorrowedMessage<'_>) -> StoredRecord {
    let millis = message.timestamp().to_millis().unwrap_or_default();
    StoredRecord {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        appended: WallMicros(u64::try_from(millis).unwrap_or_default() * 1000),
    }
}

/// Result of a poll.
enum Polled {
    Record(StoredRecord),
    End(i32),
}

fn is_silence(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::Authentication
        )
    )
}

/// The client looks for the coordinator of a group that it never joins; who may not ask for it may read all the same.
fn is_of_group(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::CoordinatorNotAvailable
                | RDKafkaErrorCode::NotCoordinator
        )
    )
}
