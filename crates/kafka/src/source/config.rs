//! What a source reads, and the settings of its client.

use std::sync::Arc;

use rdkafka::ClientConfig;

use crate::client::connection::KafkaConnection;

/// Where a group begins in a partition that it never read.
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
    /// Where to begin in a partition that the group never read.
    pub start: StartAt,
    /// The topic that remembers what the group has read; without one, a topic that was deleted and made anew while
    /// nobody ran passes for one that was never read.
    pub positions: Option<Arc<str>>,
}

/// librdkafka reads every topic that a name with this beginning fits.
pub(crate) fn refuse_patterns(topics: &[&str]) -> Result<(), String> {
    match topics.iter().find(|topic| topic.starts_with('^')) {
        Some(topic) => Err(format!("{topic:?} is a pattern, not a topic")),
        None => Ok(()),
    }
}

impl SourceConfig {
    pub(crate) fn client(&self, connection: &KafkaConnection) -> ClientConfig {
        let usual = [
            ("client.id", self.client_id.as_str()),
            ("fetch.wait.max.ms", "100"),
            ("fetch.queue.backoff.ms", "5"),
            // Bounded: what is fetched ahead, for all partitions together.
            ("queued.max.messages.kbytes", "32768"),
            ("queued.min.messages", "20000"),
            ("fetch.message.max.bytes", "2097152"),
            // A response is read twice, out of the socket and record by record: with 2 MiB of each of many
            // partitions it has left the caches by the second time. Measured in docs/performance.md.
            ("fetch.max.bytes", "4194304"),
            ("socket.nagle.disable", "true"),
            ("statistics.interval.ms", "1000"),
            // Telemetry for the brokers' operators (KIP-714) costs a lock and a histogram with every record.
            ("enable.metrics.push", "false"),
            // A topic that appears later is found within this.
            ("topic.metadata.refresh.interval.ms", "5000"),
            ("allow.auto.create.topics", "false"),
            ("reconnect.backoff.max.ms", "2000"),
        ];
        // Promise P1 stands on these: only the ledger says what is done.
        let fixed = [
            ("group.id", self.group.as_str()),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            // A reset would skip or repeat without a word: see `mend`.
            ("auto.offset.reset", "error"),
            ("enable.partition.eof", "false"),
        ];
        let classic = [
            ("partition.assignment.strategy", "cooperative-sticky"),
            ("session.timeout.ms", "15000"),
        ];
        // Where the brokers decide (KIP-848), librdkafka refuses to be told.
        let usual = match connection.is_classic_group() {
            true => [&usual[..], &classic].concat(),
            false => usual.to_vec(),
        };
        let mut client = connection.client(&usual, &fixed);
        if let Some(member) = &self.static_member {
            client.set("group.instance.id", member);
        }
        client
    }
}
