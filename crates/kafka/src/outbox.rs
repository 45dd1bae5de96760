//! The outbox: Freshet's own topics, written with `acks=all`.

use std::sync::Arc;
use std::time::Duration;

use freshet_core::ports::{Outbox, OutboxError, OutboxRecord};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::client::connection::{KafkaClientError, KafkaConnection};
use crate::client::deliver::{Deliverer, Reports};

/// A producer behind the [`Outbox`] port.
pub struct KafkaOutbox {
    producer: Deliverer,
    admin: AdminClient<Reports>,
}

/// A topic that should exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicWanted {
    /// Its name.
    pub name: String,
    /// How many partitions when it has to be created.
    pub partitions: i32,
    /// Topic settings when it has to be created.
    pub config: Vec<(String, String)>,
}

/// Why topics do not exist.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EnsureTopicsError {
    /// The brokers did not answer.
    #[error("the brokers did not answer: {0}")]
    Unreachable(String),
    /// A topic was refused.
    #[error("topic {topic} was not created: {reason}")]
    Refused {
        /// The topic.
        topic: String,
        /// The broker's code.
        reason: String,
    },
}

impl std::fmt::Debug for KafkaOutbox {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("KafkaOutbox")
    }
}

impl KafkaOutbox {
    /// Creates the producer. The brokers need not be available.
    ///
    /// # Errors
    /// librdkafka rejects a property, or no thread can be started.
    pub fn connect(connection: &KafkaConnection) -> Result<Self, KafkaClientError> {
        let usual = [
            ("client.id", "freshet"),
            ("linger.ms", "0"),
            ("message.timeout.ms", "10000"),
            ("socket.nagle.disable", "true"),
            ("queue.buffering.max.messages", "10000"),
            ("queue.buffering.max.kbytes", "32768"),
        ];
        // An append that was answered must not be lost with one broker.
        let fixed = [("acks", "all"), ("enable.idempotence", "true")];
        Ok(Self {
            producer: Deliverer::connect(&connection.client(&usual, &fixed))?,
            admin: connection
                .client(&[("client.id", "freshet")], &[])
                .create_with_context(Reports)
                .map_err(KafkaClientError::from_kafka)?,
        })
    }

    /// Creates topics that do not exist. One that does is left as it is.
    ///
    /// # Errors
    /// See [`EnsureTopicsError`]; it is safe to retry.
    pub async fn ensure_topics(&self, wanted: &[TopicWanted]) -> Result<(), EnsureTopicsError> {
        let topics: Vec<NewTopic<'_>> = wanted
            .iter()
            .map(|topic| {
                // -1: the broker's own default replication.
                let new = NewTopic::new(&topic.name, topic.partitions, TopicReplication::Fixed(-1));
                topic
                    .config
                    .iter()
                    .fold(new, |new, (name, value)| new.set(name, value))
            })
            .collect();
        let options = AdminOptions::new().request_timeout(Some(Duration::from_secs(5)));
        let answers = self
            .admin
            .create_topics(&topics, &options)
            .await
            .map_err(|error| EnsureTopicsError::Unreachable(error.to_string()))?;
        for answer in answers {
            match answer {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, code)) => {
                    return Err(EnsureTopicsError::Refused {
                        topic,
                        reason: code.to_string(),
                    });
                }
            }
        }
        Ok(())
    }
}

impl KafkaOutbox {
    /// Why an append failed, for the on-call engineer.
    fn reason(&self, error: &KafkaError, payload_bytes: usize) -> String {
        if let Some((code, why)) = self.producer.failed_for_good() {
            // Every further append fails; only a restart with a new producer helps.
            tracing::error!(error = %code, reason = why, "the kafka producer has failed permanently");
            return format!(
                "the producer has failed permanently, restart this process: {code}: {why}"
            );
        }
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => format!(
                "a record of {payload_bytes} bytes is too large: raise the topic's max.message.bytes and the \
                 property message.max.bytes"
            ),
            _ => error.to_string(),
        }
    }
}

impl Outbox for KafkaOutbox {
    async fn append(&self, record: OutboxRecord) -> Result<(), OutboxError> {
        let producer = &self.producer;
        let delivered = producer.deliver(&record.topic, &record.key, &record.payload);
        delivered.await.map_err(|error| OutboxError {
            topic: Arc::clone(&record.topic),
            reason: self.reason(&error, record.payload.len()),
        })
    }
}
