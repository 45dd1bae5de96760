//! The source of changes: one member of a consumer group, polled on its own thread. It calls its parts
//! in turn; they do not depend on each other.

mod assigned;
mod commit;
pub(crate) mod config;
mod drain;
mod gap;
mod lookup;
mod mend;
mod pause;
mod positions;
mod read;
mod rebalance;
mod records;
mod stall;
mod state;
mod unreadable;

use std::sync::Arc;
use std::time::Duration;

use freshet_core::ports::{Demand, RawRecord, Reading, Source, SourceError, SourceEvent};
use freshet_core::position::StreamPosition;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::client::ask::Onlooker;
use crate::client::close::in_time;
use crate::client::connection::{KafkaClientError, KafkaConnection};
use commit::Commits;
use config::{SourceConfig, refuse_patterns};
use lookup::Lookup;
use mend::Mender;
use positions::Positions;
use rebalance::Callbacks;
use records::Records;
use stall::StallWatch;
use unreadable::is_of_a_record;

/// Time in which available brokers let a member leave.
const CLOSED_WITHIN: Duration = Duration::from_secs(5);

/// A consumer behind the [`Source`] port.
pub struct KafkaSource {
    consumer: BaseConsumer<Callbacks>,
    connection: KafkaConnection,
    config: SourceConfig,
    records: Records,
    commits: Commits,
    mender: Mender,
    stalls: StallWatch,
    positions: Option<Positions>,
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        self.consumer.context().close(&self.consumer);
    }
}

impl std::fmt::Debug for KafkaSource {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("KafkaSource")
    }
}

impl KafkaSource {
    /// Creates the consumer and subscribes. The brokers need not be available.
    ///
    /// # Errors
    /// librdkafka refuses a property.
    pub fn connect(
        connection: &KafkaConnection,
        config: SourceConfig,
    ) -> Result<Self, KafkaClientError> {
        let consumer = consumer_of(connection, &config)?;
        let topics: Vec<&str> = config.topics.iter().map(String::as_str).collect();
        refuse_patterns(&topics).map_err(KafkaClientError::Refused)?;
        consumer
            .subscribe(&topics)
            .map_err(KafkaClientError::from_kafka)?;
        let onlooker = Onlooker {
            connection: connection.clone(),
            group: config.group.clone(),
        };
        let positions = config.positions.clone();
        let lookup = Lookup {
            onlooker: onlooker.clone(),
            positions: positions.clone(),
        };
        let positions = positions.map(|topic| Positions::connect(&onlooker, topic));
        Ok(Self {
            consumer,
            connection: connection.clone(),
            records: Records::default(),
            commits: Commits::new(onlooker.clone()),
            mender: Mender::new(lookup, config.start),
            stalls: StallWatch::new(onlooker),
            positions: positions.transpose()?,
            config,
        })
    }

    /// Leaves the group and closes the client, within `within`: if brokers are unavailable, librdkafka may take its
    /// session timeout or longer.
    pub fn close(self, within: Duration) {
        in_time(within, move || drop(self));
    }

    /// Replaces the client, and logs the reason. The new one joins the group again and continues after the committed
    /// offsets. Purges in flight for the old one settle nothing; their changes are redelivered.
    fn renew_client(&mut self, why: &str) -> Result<(), SourceError> {
        let fresh = match consumer_of(&self.connection, &self.config) {
            Ok(fresh) => fresh,
            Err(error) => {
                tracing::error!(error = %error, reason = why, "a failed kafka client could not be replaced");
                return Ok(());
            }
        };
        tracing::warn!(reason = why, "the kafka client has failed and is replaced");
        let old = std::mem::replace(&mut self.consumer, fresh);
        let before = Arc::clone(old.context());
        // Closing releases all partitions.
        let carried = before.state().carried();
        // First, because a static member must not exist twice.
        in_time(CLOSED_WITHIN, move || old.context().close(&old));
        let callbacks = self.consumer.context();
        callbacks.state().succeed(&mut before.state(), why);
        self.records = Records::default();
        self.mender.begin_anew(carried);
        self.stalls.forget();
        let topics: Vec<&str> = self.config.topics.iter().map(String::as_str).collect();
        let subscribed = self.consumer.subscribe(&topics);
        subscribed.map_err(|error| SourceError::Fatal(error.to_string()))
    }

    /// A partition that the client no longer fetches, as the reason to replace it.
    fn stall(&mut self) -> Option<String> {
        let pauses = &self.records.pauses;
        // A new client would have the same problem.
        if pauses.is_all() || self.mender.has_doubts() {
            self.stalls.forget();
        }
        self.stalls.serve(self.consumer.context(), pauses.held())
    }

    fn serve_commits(&mut self) {
        self.commits.serve(&self.consumer);
        if self.commits.take_found_lost() {
            self.mender.suspect();
        }
    }

    /// Error of a client that has certainly failed.
    fn check_fatal(&self) -> Result<(), SourceError> {
        match self.consumer.client().fatal_error() {
            Some((code, reason)) => Err(SourceError::Fatal(format!("{code}: {reason}"))),
            None => Ok(()),
        }
    }

    fn note_error(&mut self, error: &KafkaError) -> Result<(), SourceError> {
        self.check_fatal()?;
        match error {
            KafkaError::MessageConsumptionFatal(_) => {
                return Err(SourceError::Fatal(error.to_string()));
            }
            // No offset to start from, or one that is out of range.
            KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset) => {
                self.mender.suspect();
            }
            KafkaError::MessageConsumption(code) | KafkaError::Global(code)
                if is_of_a_record(*code) =>
            {
                tracing::warn!(error = %error, "a record cannot be fetched, searching for its partition");
                self.mender.doubt();
            }
            // The callback has reported it, with its reason; here it comes with every poll.
            KafkaError::MessageConsumption(
                RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::Resolve,
            ) => {}
            _ => tracing::warn!(error = %error, "kafka consumer reports"),
        }
        Ok(())
    }
}

impl Source for KafkaSource {
    fn next(
        &mut self,
        demand: Demand,
        take: &mut dyn FnMut(RawRecord<'_>),
    ) -> Result<Vec<SourceEvent>, SourceError> {
        self.check_fatal()?;
        self.serve_commits();
        self.consumer.context().serve(&self.consumer);
        let mended = self.mender.serve(&self.consumer)?;
        let stall = self.stall();
        if let Some(why) = mended.broken.or(stall) {
            self.renew_client(&why)?;
        }
        // A gap is reported before the first record after it: records follow with the next call.
        if !mended.is_reported
            && let Err(error) = self.records.hand_out(&self.consumer, demand, take)
        {
            self.note_error(&error)?;
        }
        if let Some(positions) = &mut self.positions {
            positions.note(self.consumer.context());
        }
        Ok(std::mem::take(&mut self.consumer.context().state().events))
    }

    fn commit(
        &mut self,
        settled: &[StreamPosition],
        wait: Option<Duration>,
    ) -> Result<(), SourceError> {
        self.consumer.context().state().note_settled(settled);
        match wait {
            Some(wait) => self.commits.commit_all(&self.consumer, wait),
            None => {
                self.commits.note_due();
                self.serve_commits();
                // Of earlier commits: this one is not answered yet.
                match self.commits.unconfirmed() {
                    None => Ok(()),
                    Some(reason) => Err(SourceError::Commit(reason.to_owned())),
                }
            }
        }
    }

    fn follow(&mut self, reading: Reading<'_>) -> Result<(), SourceError> {
        match reading {
            Reading::Topics(topics) => {
                refuse_patterns(topics).map_err(SourceError::Follow)?;
                self.config.topics = topics.iter().map(|&topic| topic.to_owned()).collect();
                let subscribed = self.consumer.subscribe(topics);
                subscribed.map_err(|error| SourceError::Follow(error.to_string()))
            }
            Reading::Without(streams) => {
                self.records.pauses.hold(&self.consumer, streams);
                Ok(())
            }
        }
    }
}

fn consumer_of(
    connection: &KafkaConnection,
    config: &SourceConfig,
) -> Result<BaseConsumer<Callbacks>, KafkaClientError> {
    config
        .client(connection)
        .create_with_context(Callbacks::new(connection.drain_within()))
        .map_err(KafkaClientError::from_kafka)
}
