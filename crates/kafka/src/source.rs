//! The source of changes: one member of a consumer group, polled on the pipeline's own thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use freshet_core::ports::{Demand, Origin, RawRecord, Source, SourceError, SourceEvent};
use freshet_core::position::{StreamId, StreamPosition, UnixMicros};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message, Offset, TopicPartitionList};

use crate::connection::{KafkaConfigError, KafkaConnection};
use crate::consumer_state::{Assigned, Callbacks};

/// A pause throws away what was fetched ahead, so a short lack of demand only stops polling.
const PAUSE_AFTER: Duration = Duration::from_millis(500);

/// Where a group without committed offsets begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    /// With the oldest record there is: nothing is skipped.
    Earliest,
    /// With what comes next: what is in the topic is skipped.
    Latest,
    /// Not at all: end with an error.
    Error,
}

/// What to read, and as whom.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    /// The consumer group.
    pub group: String,
    /// Topics to read. A topic that does not exist yet is read as soon as it does.
    pub topics: Vec<String>,
    /// The client's name in the brokers' logs.
    pub client_id: String,
    /// `group.instance.id`, for static membership.
    pub static_member: Option<String>,
    /// Where to begin without committed offsets.
    pub start: StartAt,
}

/// A consumer behind the [`Source`] port.
pub struct KafkaSource {
    consumer: BaseConsumer<Callbacks>,
    /// The assignment as of `epoch`, so that records find their stream without a lock.
    streams: Vec<Assigned>,
    epoch: u64,
    last: usize,
    starved_since: Option<Instant>,
    paused: bool,
}

impl std::fmt::Debug for KafkaSource {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("KafkaSource")
            .field("streams", &self.streams.len())
            .finish_non_exhaustive()
    }
}

impl KafkaSource {
    /// Creates the consumer and subscribes. The brokers need not be there.
    ///
    /// # Errors
    /// librdkafka refuses a property.
    pub fn connect(
        connection: &KafkaConnection,
        config: SourceConfig,
    ) -> Result<Self, KafkaConfigError> {
        let reset = match config.start {
            StartAt::Earliest => "earliest",
            StartAt::Latest => "latest",
            StartAt::Error => "error",
        };
        let usual = [
            ("client.id", config.client_id.as_str()),
            ("partition.assignment.strategy", "cooperative-sticky"),
            ("session.timeout.ms", "15000"),
            ("fetch.wait.max.ms", "100"),
            ("fetch.queue.backoff.ms", "5"),
            // Bounded: what is fetched ahead, for all partitions together.
            ("queued.max.messages.kbytes", "32768"),
            ("queued.min.messages", "20000"),
            ("fetch.message.max.bytes", "2097152"),
            ("socket.nagle.disable", "true"),
            ("statistics.interval.ms", "1000"),
            // A topic that appears later is found within this.
            ("topic.metadata.refresh.interval.ms", "5000"),
            ("allow.auto.create.topics", "false"),
            ("reconnect.backoff.max.ms", "2000"),
        ];
        // Promise P1 stands on these: only the ledger says what is done.
        let fixed = [
            ("group.id", config.group.as_str()),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", reset),
            ("enable.partition.eof", "false"),
        ];
        let mut client = connection.client(&usual, &fixed);
        if let Some(member) = &config.static_member {
            client.set("group.instance.id", member);
        }
        let consumer: BaseConsumer<Callbacks> = client
            .create_with_context(Callbacks::default())
            .map_err(|error| KafkaConfigError::from_kafka(&error))?;
        let topics: Vec<&str> = config.topics.iter().map(String::as_str).collect();
        consumer
            .subscribe(&topics)
            .map_err(|error| KafkaConfigError::from_kafka(&error))?;
        Ok(Self {
            consumer,
            streams: Vec::new(),
            epoch: 0,
            last: 0,
            starved_since: None,
            paused: false,
        })
    }

    /// Leaves the group and closes the client, for `within` at most: with brokers away librdkafka may take its
    /// session timeout or longer, and nobody should wait for that.
    pub fn close(self, within: Duration) {
        let (done, closed) = std::sync::mpsc::sync_channel(1);
        let closing = std::thread::Builder::new()
            .name("kafka close".to_owned())
            .spawn(move || {
                drop(self);
                let _ = done.send(());
            });
        if closing.is_ok() && closed.recv_timeout(within).is_err() {
            tracing::warn!(
                within_ms = within.as_millis() as u64,
                "kafka client did not close in time, left open"
            );
        }
    }

    /// Without demand: stop polling for a moment, then pause and poll, so that the group keeps its member.
    fn keep_alive(&mut self, wait: Duration) -> Result<(), SourceError> {
        let since = *self.starved_since.get_or_insert_with(Instant::now);
        if since.elapsed() < PAUSE_AFTER {
            std::thread::sleep(wait);
            return Ok(());
        }
        if !self.paused {
            self.set_paused(true);
        }
        match self.consumer.poll(wait) {
            // A record that was on its way when the partition was paused: it must not be lost, so it is read again.
            Some(Ok(message)) => {
                let (topic, partition) = (message.topic().to_owned(), message.partition());
                let offset = Offset::Offset(message.offset());
                drop(message);
                if let Err(error) =
                    self.consumer
                        .seek(&topic, partition, offset, Duration::from_secs(1))
                {
                    return Err(SourceError::Fatal(format!(
                        "cannot go back to {topic}[{partition}]: {error}"
                    )));
                }
                Ok(())
            }
            Some(Err(error)) => self.note_error(&error),
            None => Ok(()),
        }
    }

    fn set_paused(&mut self, paused: bool) {
        let outcome = self.consumer.assignment().and_then(|partitions| {
            if paused {
                self.consumer.pause(&partitions)
            } else {
                self.consumer.resume(&partitions)
            }
        });
        match outcome {
            Ok(()) => self.paused = paused,
            Err(error) => tracing::warn!(error = %error, paused, "pause or resume failed"),
        }
    }

    fn note_error(&self, error: &KafkaError) -> Result<(), SourceError> {
        if let Some((_, reason)) = self.consumer.client().fatal_error() {
            return Err(SourceError::Fatal(reason));
        }
        match error {
            KafkaError::MessageConsumptionFatal(_) => Err(SourceError::Fatal(error.to_string())),
            KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset) => Err(
                SourceError::Fatal(format!("committed offsets are gone: {error}")),
            ),
            // The callback has told it, with its reason; here it comes with every poll.
            KafkaError::MessageConsumption(
                RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::Resolve,
            ) => Ok(()),
            _ => {
                tracing::warn!(error = %error, "kafka consumer reports");
                Ok(())
            }
        }
    }
}

/// Brings `streams` up to date when the assignment changed since `epoch`.
fn refresh_streams(callbacks: &Callbacks, streams: &mut Vec<Assigned>, epoch: &mut u64) {
    let now = callbacks.epoch();
    if now != *epoch {
        *epoch = now;
        streams.clone_from(&callbacks.state().assigned);
    }
}

/// Finds the stream of a message; neighbours mostly share it.
fn stream_of(
    streams: &[Assigned],
    last: &mut usize,
    message: &BorrowedMessage<'_>,
) -> Option<StreamId> {
    let is = |it: &Assigned| it.partition == message.partition() && &*it.topic == message.topic();
    if let Some(known) = streams.get(*last).filter(|it| is(it)) {
        return Some(known.stream);
    }
    *last = streams.iter().position(is)?;
    streams.get(*last).map(|known| known.stream)
}

impl Source for KafkaSource {
    fn next(
        &mut self,
        demand: Demand,
        take: &mut dyn FnMut(RawRecord<'_>),
    ) -> Result<Vec<SourceEvent>, SourceError> {
        if demand.records_max == 0 {
            self.keep_alive(demand.wait)?;
        } else {
            self.starved_since = None;
            if self.paused {
                self.set_paused(false);
            }
            self.take_records(demand, take)?;
        }
        Ok(std::mem::take(&mut self.consumer.context().state().events))
    }

    fn commit(
        &mut self,
        settled: &[StreamPosition],
        wait: Option<Duration>,
    ) -> Result<(), SourceError> {
        let mut offsets = TopicPartitionList::new();
        {
            let mut state = self.consumer.context().state();
            for position in settled {
                // A stream that is no longer assigned is somebody else's now.
                let Some(known) = state
                    .assigned
                    .iter_mut()
                    .find(|it| it.stream == position.stream)
                else {
                    continue;
                };
                let next = i64::try_from(position.ordinal + 1).unwrap_or(i64::MAX);
                known.settled_next = known.settled_next.max(Some(next));
            }
            for known in &state.assigned {
                let wanted = wait.is_some() || settled.iter().any(|it| it.stream == known.stream);
                if let Some(next) = known.settled_next.filter(|_| wanted) {
                    let offset = Offset::Offset(next);
                    offsets
                        .add_partition_offset(&known.topic, known.partition, offset)
                        .map_err(|error| SourceError::Commit(error.to_string()))?;
                }
            }
        }
        if offsets.count() == 0 {
            return Ok(());
        }
        match wait {
            None => self
                .consumer
                .commit(&offsets, CommitMode::Async)
                .map_err(|error| SourceError::Commit(error.to_string())),
            Some(wait) => commit_within(&self.consumer, &offsets, wait),
        }
    }

    fn follow(&mut self, topics: &[&str]) -> Result<(), SourceError> {
        self.consumer
            .subscribe(topics)
            .map_err(|error| SourceError::Follow(error.to_string()))
    }
}

impl KafkaSource {
    fn take_records(
        &mut self,
        demand: Demand,
        take: &mut dyn FnMut(RawRecord<'_>),
    ) -> Result<(), SourceError> {
        let mut wait = demand.wait;
        for _ in 0..demand.records_max {
            let polled = self.consumer.poll(wait);
            wait = Duration::ZERO;
            let message = match polled {
                None => break,
                Some(Err(error)) => {
                    self.note_error(&error)?;
                    break;
                }
                Some(Ok(message)) => message,
            };
            // A rebalance may have run inside the poll.
            refresh_streams(self.consumer.context(), &mut self.streams, &mut self.epoch);
            // A stream that is not ours any more is read by its owner.
            if let Some(stream) = stream_of(&self.streams, &mut self.last, &message) {
                take(raw_record(&message, stream));
            }
        }
        Ok(())
    }
}

fn raw_record<'a>(message: &'a BorrowedMessage<'_>, stream: StreamId) -> RawRecord<'a> {
    let offset = message.offset();
    let appended_ms = message
        .timestamp()
        .to_millis()
        .and_then(|ms| u64::try_from(ms).ok());
    RawRecord {
        position: StreamPosition {
            stream,
            ordinal: u64::try_from(offset).unwrap_or(0),
        },
        origin: Origin {
            topic: message.topic(),
            partition: message.partition(),
            offset,
        },
        key: message.key(),
        value: message.payload(),
        appended: UnixMicros::from_millis(appended_ms.unwrap_or(0)),
    }
}

/// A synchronous commit with a deadline of our own: librdkafka's has none, and brokers may be away.
fn commit_within(
    consumer: &BaseConsumer<Callbacks>,
    offsets: &TopicPartitionList,
    wait: Duration,
) -> Result<(), SourceError> {
    consumer
        .commit(offsets, CommitMode::Async)
        .map_err(|error| SourceError::Commit(error.to_string()))?;
    let deadline = Instant::now() + wait;
    let wanted: Vec<(Arc<str>, i32, Offset)> = offsets
        .elements()
        .iter()
        .map(|it| (Arc::from(it.topic()), it.partition(), it.offset()))
        .collect();
    while Instant::now() < deadline {
        // The commit's answer is delivered by poll; partitions are paused, so no record comes with it.
        let _ = consumer.poll(Duration::from_millis(5));
        let mut asked = TopicPartitionList::new();
        for (topic, partition, _) in &wanted {
            asked.add_partition(topic, *partition);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if let Ok(committed) =
            consumer.committed_offsets(asked, left.min(Duration::from_millis(500)))
        {
            let done = wanted.iter().all(|(topic, partition, offset)| {
                committed
                    .find_partition(topic, *partition)
                    .is_some_and(|found| found.offset() == *offset)
            });
            if done {
                return Ok(());
            }
        }
    }
    Err(SourceError::Commit(format!(
        "not acknowledged within {wait:?}"
    )))
}
