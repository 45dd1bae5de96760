//! Requests the ends of topics from the brokers.

use std::time::Duration;

use freshet_core::members::Ends;
use freshet_core::ports::TopicEnds;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;

use crate::client::ask::Onlooker;
use crate::client::connection::{KafkaClientError, KafkaConnection};
use crate::client::partition::{is_unknown, numbers_of};

/// Timeout of a request to the brokers.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A client for requests only: it joins no group and reads nothing.
pub struct KafkaTopicEnds {
    client: BaseConsumer,
}

impl std::fmt::Debug for KafkaTopicEnds {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("KafkaTopicEnds").finish_non_exhaustive()
    }
}

impl KafkaTopicEnds {
    /// Creates the client; the brokers need not be available.
    ///
    /// # Errors
    /// librdkafka refuses a property.
    pub fn connect(connection: &KafkaConnection) -> Result<Self, KafkaClientError> {
        let onlooker = Onlooker {
            connection: connection.clone(),
            group: "freshet.ends".to_owned(),
        };
        let client = onlooker.client()?;
        Ok(Self { client })
    }

    /// Those of `topics` that do not exist. Waits for the brokers, for at most 5 s a topic.
    ///
    /// # Errors
    /// The brokers do not answer.
    pub fn missing(&self, topics: &[String]) -> Result<Vec<String>, String> {
        let mut missing = Vec::new();
        for topic in topics {
            let found = numbers_of(&self.client, topic, ANSWER_WITHIN);
            match found.map_err(|error| error.to_string())? {
                Err(code) if is_unknown(code) || code == RDKafkaErrorCode::InvalidTopic => {
                    missing.push(topic.clone());
                }
                Ok(_) | Err(_) => {}
            }
        }
        Ok(missing)
    }
}

impl TopicEnds for KafkaTopicEnds {
    fn ends(&self, topic: &str) -> Result<Ends, String> {
        let found = numbers_of(&self.client, topic, ANSWER_WITHIN);
        let found = found.map_err(|error| error.to_string())?;
        let numbers =
            found.map_err(|code| format!("the brokers do not have topic {topic}: {code}"))?;
        let mut ends = Ends::new();
        for number in numbers {
            let marks = self.client.fetch_watermarks(topic, number, ANSWER_WITHIN);
            let (_, end) = marks.map_err(|error| format!("{topic}[{number}]: {error}"))?;
            ends.insert(number, end);
        }
        Ok(ends)
    }
}
