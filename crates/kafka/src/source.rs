//! The source of changes: one member of a consumer group, polled on the pipeline's own thread.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use freshet_core::ports::{Demand, Origin, RawRecord, Reading, Source, SourceError, SourceEvent};
use freshet_core::position::{StreamId, StreamPosition, WallMicros};
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, OwnedMessage};

use crate::anchor::Anchors;
use crate::commit::{commit_all, note_settled};
use crate::connection::{KafkaClientError, KafkaConnection};
use crate::consumer_state::{Assigned, Callbacks};
use crate::gap::Lookup;
use crate::mend::{Mending, partitions_of};
use crate::positions::Positions;
use crate::rebalance::{release_now, serve_release};
use crate::renew::{Carried, in_time};
use crate::source_config::{SourceConfig, refuse_patterns};
use crate::stall::Stalls;
use crate::unreadable::is_of_a_record;
use crate::wake::wake_fetchers;

/// A pause throws away what was fetched ahead, so a short lack of demand only stops polling.
const PAUSE_AFTER: Duration = Duration::from_millis(500);

/// How often it is looked for positions to write down.
const REMEMBER_EVERY: Duration = Duration::from_millis(250);

/// A consumer behind the [`Source`] port.
pub struct KafkaSource {
    pub(crate) consumer: BaseConsumer<Callbacks>,
    pub(crate) connection: KafkaConnection,
    pub(crate) config: SourceConfig,
    /// The assignment as of `epoch`, so that records find their stream without a lock.
    streams: Vec<Assigned>,
    epoch: u64,
    last: usize,
    starved_since: Option<Instant>,
    pub(crate) paused: bool,
    /// Streams of which nothing is to be given.
    pub(crate) held: Vec<StreamId>,
    /// Records that came while nothing was asked for.
    kept: VecDeque<(StreamId, OwnedMessage)>,
    anchors: Anchors,
    mending: Mending,
    stalls: Stalls,
    positions: Option<Positions>,
    remembered: Instant,
}

impl Drop for KafkaSource {
    /// A client that owes the group an answer is never closed.
    fn drop(&mut self) {
        self.consumer.context().close();
        release_now(self.consumer.context(), &self.consumer);
    }
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
    ) -> Result<Self, KafkaClientError> {
        let client = config.client(connection);
        let consumer: BaseConsumer<Callbacks> = client
            .create_with_context(Callbacks::new(connection.drain_within()))
            .map_err(|error| KafkaClientError::from_kafka(&error))?;
        let topics: Vec<&str> = config.topics.iter().map(String::as_str).collect();
        refuse_patterns(&topics).map_err(KafkaClientError::Refused)?;
        consumer
            .subscribe(&topics)
            .map_err(|error| KafkaClientError::from_kafka(&error))?;
        let lookup = Lookup {
            connection: connection.clone(),
            group: config.group.clone(),
            positions: config.positions.clone(),
        };
        let connect = |topic| Positions::connect(connection, topic, config.group.clone());
        let positions = config.positions.clone().map(connect);
        Ok(Self {
            consumer,
            connection: connection.clone(),
            streams: Vec::new(),
            epoch: 0,
            last: 0,
            starved_since: None,
            paused: false,
            held: Vec::new(),
            kept: VecDeque::new(),
            anchors: Anchors::new(lookup.clone()),
            stalls: Stalls::new(lookup.clone()),
            mending: Mending::new(lookup, config.start),
            positions: positions.transpose()?,
            remembered: Instant::now(),
            config,
        })
    }

    /// Forgets what belongs to a client that another has replaced.
    pub(crate) fn begin_anew(&mut self, carried: Carried) {
        self.streams.clear();
        self.kept.clear();
        self.held.clear();
        (self.epoch, self.last) = (self.consumer.context().epoch(), 0);
        (self.starved_since, self.paused) = (None, false);
        self.mending.begin_anew(carried);
        self.stalls.forget();
    }

    /// Why the client cannot go on, if so.
    fn worn(&mut self) -> Option<String> {
        // Another client would not get further either.
        if self.paused || self.mending.doubts.are_open() {
            self.stalls.forget();
        }
        let stall = self.stalls.serve(self.consumer.context(), &self.held);
        self.mending.take_worn().or(stall.map(|it| it.to_string()))
    }

    fn serve_commits(&mut self) {
        if self.anchors.serve(&self.consumer) {
            self.mending.suspect();
        }
    }

    /// Writes down what was read, now and then.
    fn remember(&mut self) {
        if let Some(positions) = &mut self.positions
            && self.remembered.elapsed() >= REMEMBER_EVERY
        {
            self.remembered = Instant::now();
            positions.note(&self.consumer.context().state().assigned);
        }
    }

    /// Leaves the group and closes the client, for `within` at most: with brokers away librdkafka may take its
    /// session timeout or longer, and nobody should wait for that.
    pub fn close(self, within: Duration) {
        in_time(within, move || drop(self));
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
            // A record that was on its way when its partition was paused is kept for later.
            Some(Ok(message)) => {
                refresh_streams(self.consumer.context(), &mut self.streams, &mut self.epoch);
                if let Some(at) = place_of(&self.streams, &mut self.last, &message)
                    && let Some(known) = self.streams.get(at)
                {
                    self.kept.push_back((known.stream, message.detach()));
                }
                Ok(())
            }
            Some(Err(error)) => self.note_error(&error),
            None => Ok(()),
        }
    }

    fn set_paused(&mut self, paused: bool) {
        let state = self.consumer.context().state();
        // What is being given away stays paused, and what is held.
        let flows = |it: &&Assigned| !it.leaving && !self.held.contains(&it.stream);
        let partitions = partitions_of(state.assigned.iter().filter(flows));
        drop(state);
        let outcome = if paused {
            self.consumer.pause(&partitions)
        } else {
            self.consumer.resume(&partitions)
        };
        match outcome {
            Ok(()) => {
                self.paused = paused;
                if !paused {
                    wake_fetchers(&self.consumer, partitions);
                }
            }
            Err(error) => tracing::warn!(error = %error, paused, "pause or resume failed"),
        }
    }

    /// A client that cannot go on says so in many ways; this one is sure.
    fn check_fatal(&self) -> Result<(), SourceError> {
        match self.consumer.client().fatal_error() {
            Some((code, reason)) => Err(SourceError::Fatal(format!("{code}: {reason}"))),
            None => Ok(()),
        }
    }

    fn note_error(&mut self, error: &KafkaError) -> Result<(), SourceError> {
        self.check_fatal()?;
        match error {
            KafkaError::MessageConsumptionFatal(_) => Err(SourceError::Fatal(error.to_string())),
            // No offset to begin with, or one that is out of range.
            KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset) => {
                self.mending.suspect();
                Ok(())
            }
            KafkaError::MessageConsumption(code) | KafkaError::Global(code)
                if is_of_a_record(*code) =>
            {
                tracing::warn!(error = %error, "a record cannot be fetched, its partition is searched for");
                self.mending.doubts.raise();
                Ok(())
            }
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

/// Brings `streams`, those that are handed out, up to date when the assignment changed since `epoch`.
fn refresh_streams(callbacks: &Callbacks, streams: &mut Vec<Assigned>, epoch: &mut u64) {
    let now = callbacks.epoch();
    if now != *epoch {
        *epoch = now;
        let state = callbacks.state();
        streams.clear();
        streams.extend(state.assigned.iter().filter(|it| !it.leaving).cloned());
    }
}

/// Finds the stream of a message; neighbours mostly share it.
fn place_of(
    streams: &[Assigned],
    last: &mut usize,
    message: &BorrowedMessage<'_>,
) -> Option<usize> {
    let is = |it: &Assigned| it.is(message.topic(), message.partition());
    if !streams.get(*last).is_some_and(is) {
        *last = streams.iter().position(is)?;
    }
    Some(*last)
}

impl Source for KafkaSource {
    fn next(
        &mut self,
        demand: Demand,
        take: &mut dyn FnMut(RawRecord<'_>),
    ) -> Result<Vec<SourceEvent>, SourceError> {
        self.check_fatal()?;
        self.serve_commits();
        serve_release(self.consumer.context(), &self.consumer);
        // What is told of a gap comes before the first record behind it.
        let told = self.mending.serve(&self.consumer)?;
        if let Some(why) = self.worn() {
            self.renew_client(&why)?;
        }
        refresh_streams(self.consumer.context(), &mut self.streams, &mut self.epoch);
        if told {
            // Records come with the next call.
        } else if demand.records_max == 0 {
            self.keep_alive(demand.wait)?;
        } else {
            self.starved_since = None;
            if self.paused {
                self.set_paused(false);
            }
            self.take_records(demand, take)?;
        }
        self.remember();
        Ok(std::mem::take(&mut self.consumer.context().state().events))
    }

    fn commit(
        &mut self,
        settled: &[StreamPosition],
        wait: Option<Duration>,
    ) -> Result<(), SourceError> {
        note_settled(&mut self.consumer.context().state(), settled);
        match wait {
            Some(wait) => commit_all(&self.consumer, wait),
            None => {
                self.anchors.note_due();
                self.serve_commits();
                Ok(())
            }
        }
    }

    fn follow(&mut self, reading: Reading<'_>) -> Result<(), SourceError> {
        self.read_from_now_on(reading)
    }
}

impl KafkaSource {
    fn take_records(
        &mut self,
        demand: Demand,
        take: &mut dyn FnMut(RawRecord<'_>),
    ) -> Result<(), SourceError> {
        let mut wait = whole_ms(demand.wait);
        let mut left = demand.records_max;
        while left > 0
            && let Some((stream, message)) = self.kept.pop_front()
        {
            // A record of an earlier assignment is read by its owner, be it this process again.
            if let Some(known) = self.streams.iter().find(|it| it.stream == stream) {
                known.read.handed(message.offset());
                take(raw_record(&message, known));
                left -= 1;
                wait = Duration::ZERO;
            }
        }
        let mut came_although_held = false;
        for _ in 0..left {
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
            if let Some(at) = place_of(&self.streams, &mut self.last, &message)
                && let Some(known) = self.streams.get(at)
            {
                known.read.handed(message.offset());
                take(raw_record(&message, known));
                came_although_held |= self.held.contains(&known.stream);
            }
        }
        if came_although_held {
            // A rebalance or a mended partition has taken the pause back.
            self.pause_held();
        }
        Ok(())
    }
}

/// librdkafka waits for whole milliseconds, and rust-rdkafka asks it without a pause through what is left of one.
fn whole_ms(wait: Duration) -> Duration {
    Duration::from_millis(wait.as_micros().div_ceil(1000) as u64)
}

/// The topic is named by the assignment: the client's own name would be checked letter by letter each time.
fn raw_record<'a, M: Message>(message: &'a M, of: &'a Assigned) -> RawRecord<'a> {
    let offset = message.offset();
    let appended_ms = message
        .timestamp()
        .to_millis()
        .and_then(|ms| u64::try_from(ms).ok());
    RawRecord {
        position: StreamPosition {
            stream: of.stream,
            ordinal: u64::try_from(offset).unwrap_or(0),
        },
        origin: Origin {
            topic: &of.topic,
            partition: of.partition,
            offset,
        },
        key: message.key(),
        value: message.payload(),
        appended: WallMicros::from_millis(appended_ms.unwrap_or(0)),
    }
}
