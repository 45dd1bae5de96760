//! What librdkafka's callbacks and the source share: which streams are assigned, what was settled, what happened.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use freshet_core::ports::SourceEvent;
use freshet_core::position::StreamId;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::{Offset, TopicPartitionList};

/// One assigned partition.
#[derive(Debug, Clone)]
pub(crate) struct Assigned {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    pub(crate) stream: StreamId,
    /// Next offset to read, as far as it is settled and was handed over for commit.
    pub(crate) settled_next: Option<i64>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) assigned: Vec<Assigned>,
    pub(crate) events: Vec<SourceEvent>,
    next_stream: u32,
    reachable: Option<bool>,
    /// What the last connection to a broker failed with.
    last_failure: Option<String>,
}

impl State {
    fn assign(&mut self, topic: &str, partition: i32) {
        let (topic, stream) = (Arc::<str>::from(topic), StreamId(self.next_stream));
        self.next_stream += 1;
        self.assigned
            .retain(|known| !(known.partition == partition && known.topic == topic));
        self.assigned.push(Assigned {
            topic: Arc::clone(&topic),
            partition,
            stream,
            settled_next: None,
        });
        self.events.push(SourceEvent::Assigned {
            stream,
            topic,
            partition,
        });
    }

    fn revoke(&mut self, topic: &str, partition: i32) {
        let at = self
            .assigned
            .iter()
            .position(|it| it.partition == partition && &*it.topic == topic);
        if let Some(at) = at {
            let stream = self.assigned.remove(at).stream;
            self.events.push(SourceEvent::Revoked { stream });
        }
    }

    /// Notes whether the brokers answer; an event only when that changed.
    pub(crate) fn note_reachable(&mut self, reachable: bool, reason: &str) {
        if self.reachable == Some(reachable) {
            return;
        }
        self.reachable = Some(reachable);
        self.events.push(if reachable {
            SourceEvent::Reachable
        } else {
            SourceEvent::Unreachable {
                reason: reason.to_owned(),
            }
        });
    }
}

/// The callbacks' side.
#[derive(Default)]
pub(crate) struct Callbacks {
    state: Mutex<State>,
    /// Rises with every change of the assignment; read for every record, so without the lock.
    epoch: AtomicU64,
}

impl Callbacks {
    /// Which assignment is in force.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // Every operation leaves the state whole, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is settled in `partitions`, to be committed before they are given away.
    fn settled_of(&self, partitions: &TopicPartitionList) -> TopicPartitionList {
        let mut settled = TopicPartitionList::new();
        let state = self.state();
        for element in partitions.elements() {
            let known = state
                .assigned
                .iter()
                .find(|it| it.partition == element.partition() && &*it.topic == element.topic());
            if let Some(next) = known.and_then(|known| known.settled_next) {
                let (topic, partition) = (element.topic(), element.partition());
                // Only an offset out of range is refused, and ours were read.
                let _ = settled.add_partition_offset(topic, partition, Offset::Offset(next));
            }
        }
        settled
    }
}

impl ClientContext for Callbacks {
    fn stats(&self, statistics: Statistics) {
        let answers = statistics
            .brokers
            .values()
            .any(|broker| broker.state == "UP");
        let mut lag: HashMap<(&str, i32), u64> = HashMap::new();
        for (name, topic) in &statistics.topics {
            for (&partition, figures) in &topic.partitions {
                if let Ok(behind) = u64::try_from(figures.consumer_lag) {
                    lag.insert((name, partition), behind);
                }
            }
        }
        let mut state = self.state();
        if answers {
            state.note_reachable(true, "");
        }
        let State {
            assigned, events, ..
        } = &mut *state;
        events.retain(|event| !matches!(event, SourceEvent::Behind { .. }));
        for it in assigned {
            if let Some(&records) = lag.get(&(&*it.topic, it.partition)) {
                let stream = it.stream;
                events.push(SourceEvent::Behind { stream, records });
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        use RDKafkaErrorCode::{
            AllBrokersDown, Authentication, BrokerTransportFailure, Resolve, SSL,
            SaslAuthenticationFailed, UnknownTopicOrPartition,
        };
        let mut state = self.state();
        match error.rdkafka_error_code() {
            Some(AllBrokersDown) => {
                let why = match &state.last_failure {
                    Some(failure) => format!("no broker answers: {failure}"),
                    None => "no broker answers".to_owned(),
                };
                state.note_reachable(false, &why);
            }
            Some(Authentication | SaslAuthenticationFailed) => {
                let why = format!("the brokers refuse the credentials: {reason}");
                state.note_reachable(false, &why);
            }
            Some(SSL) => {
                let why = format!("TLS with the brokers fails: {reason}");
                state.note_reachable(false, &why);
            }
            // One broker of several; the rest may do. AllBrokersDown follows when they do not.
            Some(BrokerTransportFailure | Resolve) => state.last_failure = Some(reason.to_owned()),
            Some(UnknownTopicOrPartition) => {
                tracing::warn!(reason, "a topic does not exist yet, waiting for it");
            }
            _ => tracing::warn!(error = %error, reason, "kafka client reports"),
        }
    }
}

impl ConsumerContext for Callbacks {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let Rebalance::Revoke(partitions) = rebalance else {
            return;
        };
        let settled = self.settled_of(partitions);
        if settled.count() > 0
            && !consumer.assignment_lost()
            && let Err(error) = consumer.commit(&settled, CommitMode::Sync)
        {
            // The next owner reads from the commit before: repeated purges, none lost.
            tracing::warn!(error = %error, "commit before giving partitions away failed");
        }
        let mut state = self.state();
        for element in partitions.elements() {
            state.revoke(element.topic(), element.partition());
        }
        self.epoch.fetch_add(1, Ordering::Release);
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) => {
                let mut state = self.state();
                state.note_reachable(true, "");
                for element in partitions.elements() {
                    state.assign(element.topic(), element.partition());
                }
                self.epoch.fetch_add(1, Ordering::Release);
                drop(state);
                // A pause outlives a rebalance in librdkafka; whoever paused has to say so again.
                if let Err(error) = consumer.resume(partitions) {
                    tracing::warn!(error = %error, "resume after a rebalance failed");
                }
            }
            Rebalance::Revoke(_) => {}
            Rebalance::Error(error) => tracing::warn!(error = %error, "rebalance failed"),
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        match result {
            Ok(()) | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => {}
            // A later commit holds a longer prefix.
            Err(error) => tracing::warn!(error = %error, "commit failed"),
        }
    }
}
