//! Wakes the client's fetchers when partitions are resumed.
//!
//! In librdkafka a thread for each broker fetches. It sleeps while everything that it fetches is paused, for up to a
//! second, and a resumed partition does not wake it. A response of its broker does, so a request is sent to the broker.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::{Offset, TopicPartitionList};

/// Brokers answer much sooner; without an answer the fetchers wake up later.
const ANSWER_WITHIN: Duration = Duration::from_millis(100);

/// Makes the client fetch at once from the leaders of resumed partitions.
pub(crate) fn wake_fetchers<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    mut partitions: TopicPartitionList,
) {
    if partitions.count() == 0 {
        return;
    }
    // The request goes to every leader; its response is not used.
    let asked = partitions
        .set_all_offsets(Offset::End)
        .and_then(|()| consumer.offsets_for_times(partitions, ANSWER_WITHIN));
    if let Err(error) = asked {
        tracing::debug!(error = %error, "fetchers could not be woken, they continue with a delay");
    }
}
