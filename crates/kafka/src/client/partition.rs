//! Partitions, lists of them as librdkafka takes them, and what the brokers say about them.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Partition {
    pub(crate) topic: Arc<str>,
    pub(crate) number: i32,
}

impl Partition {
    pub(crate) fn new(topic: &str, number: i32) -> Self {
        let topic = Arc::from(topic);
        Self { topic, number }
    }

    pub(crate) fn is(&self, topic: &str, number: i32) -> bool {
        self.number == number && &*self.topic == topic
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}[{}]", self.topic, self.number)
    }
}

/// The list of some partitions, without offsets.
pub(crate) fn list_of<'a>(
    partitions: impl IntoIterator<Item = &'a Partition>,
) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(&partition.topic, partition.number);
    }
    list
}

/// The list of some partitions, each with an offset.
pub(crate) fn list_at<'a>(
    partitions: impl IntoIterator<Item = (&'a Partition, Offset)>,
) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in partitions {
        list.add_partition_offset(&partition.topic, partition.number, offset)?;
    }
    Ok(list)
}

/// The offset that the client's group has committed in each of `partitions`, or that it has none.
pub(crate) fn committed<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    partitions: TopicPartitionList,
    within: Duration,
) -> KafkaResult<HashMap<Partition, Option<i64>>> {
    let answer = client.committed_offsets(partitions, within)?;
    let mut committed = HashMap::new();
    for element in answer.elements() {
        element.error()?;
        let next = match element.offset() {
            Offset::Offset(next) => Some(next),
            _ => None,
        };
        let partition = Partition::new(element.topic(), element.partition());
        committed.insert(partition, next);
    }
    Ok(committed)
}

/// The partitions of a topic, or why the brokers know of none.
///
/// # Errors
/// The brokers do not answer.
pub(crate) fn numbers_of<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    topic: &str,
    within: Duration,
) -> KafkaResult<Result<Vec<i32>, RDKafkaErrorCode>> {
    let metadata = client.fetch_metadata(Some(topic), within)?;
    let found = metadata.topics().iter().find(|known| known.name() == topic);
    Ok(
        match found.map(|known| (known.error(), known.partitions())) {
            Some((Some(code), _)) => Err(RDKafkaErrorCode::from(code)),
            Some((None, partitions)) if !partitions.is_empty() => {
                Ok(partitions.iter().map(|known| known.id()).collect())
            }
            _ => Err(RDKafkaErrorCode::UnknownTopicOrPartition),
        },
    )
}

/// Whether an error means that there is no such topic, or no such partition of it.
pub(crate) fn is_unknown(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::{UnknownPartition, UnknownTopic, UnknownTopicOrPartition};
    matches!(
        code,
        UnknownTopicOrPartition | UnknownTopic | UnknownPartition
    )
}
