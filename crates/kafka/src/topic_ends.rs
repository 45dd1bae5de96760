//! Asks the brokers where topics end.

use std::time::Duration;

use freshet_core::members::Ends;
use freshet_core::ports::TopicEnds;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;

use crate::connection::{KafkaClientError, KafkaConnection};

/// A question to the brokers takes no longer than this.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A client that only asks: it joins no group and reads nothing.
pub struct KafkaTopicEnds {
    client: BaseConsumer,
}

impl std::fmt::Debug for KafkaTopicEnds {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("KafkaTopicEnds").finish_non_exhaustive()
    }
}

impl KafkaTopicEnds {
    /// Creates the client; the brokers need not be there.
    ///
    /// # Errors
    /// librdkafka refuses a property.
    pub fn connect(connection: &KafkaConnection) -> Result<Self, KafkaClientError> {
        let mut connection = connection.clone();
        for membership in [
            "group.protocol",
            "group.instance.id",
            "group.remote.assignor",
        ] {
            connection.properties.remove(membership);
        }
        let fixed = [
            ("group.id", "freshet.ends"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("allow.auto.create.topics", "false"),
            // What fails is told by whoever asked.
            ("log_level", "0"),
        ];
        let config = connection.client(&[("client.id", "freshet")], &fixed);
        let client = config
            .create()
            .map_err(|error| KafkaClientError::from_kafka(&error))?;
        Ok(Self { client })
    }
}

impl KafkaTopicEnds {
    /// Those of `topics` that do not exist. Waits for the brokers, for at most 5 s a topic.
    ///
    /// # Errors
    /// The brokers do not answer.
    pub fn missing(&self, topics: &[String]) -> Result<Vec<String>, String> {
        let mut missing = Vec::new();
        for topic in topics {
            let metadata = self
                .client
                .fetch_metadata(Some(topic), ANSWER_WITHIN)
                .map_err(|error| error.to_string())?;
            let answer = metadata.topics().iter().find(|it| it.name() == topic);
            let code = answer.and_then(|it| it.error()).map(RDKafkaErrorCode::from);
            let unknown = [
                RDKafkaErrorCode::UnknownTopicOrPartition,
                RDKafkaErrorCode::UnknownTopic,
                RDKafkaErrorCode::InvalidTopic,
            ];
            if code.is_some_and(|code| unknown.contains(&code)) {
                missing.push(topic.clone());
            }
        }
        Ok(missing)
    }
}

impl TopicEnds for KafkaTopicEnds {
    fn ends(&self, topic: &str) -> Result<Ends, String> {
        let metadata = self
            .client
            .fetch_metadata(Some(topic), ANSWER_WITHIN)
            .map_err(|error| error.to_string())?;
        let told = metadata.topics().iter().find(|it| it.name() == topic);
        let told = told.filter(|it| it.error().is_none() && !it.partitions().is_empty());
        let Some(told) = told else {
            return Err(format!("the brokers know no topic {topic}"));
        };
        let mut ends = Ends::new();
        for partition in told.partitions() {
            let marks = self
                .client
                .fetch_watermarks(topic, partition.id(), ANSWER_WITHIN);
            let (_, end) =
                marks.map_err(|error| format!("{topic}[{}]: {error}", partition.id()))?;
            ends.insert(partition.id(), end);
        }
        Ok(ends)
    }
}
