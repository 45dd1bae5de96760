//! What librdkafka's callbacks and the source share: which streams are assigned, what was settled, what happened.

use std::collections::HashMap;

use freshet_core::ports::SourceEvent;
use freshet_core::position::{StreamId, StreamPosition};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;

use super::assigned::{Anchor, Assigned, Before, Fetching};
use super::drain::Drain;
use crate::client::partition::Partition;

/// Where reading goes on although no offset is committed, because what came before is reported already.
pub(crate) type Carried = HashMap<Partition, i64>;

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) assigned: Vec<Assigned>,
    pub(crate) events: Vec<SourceEvent>,
    /// Partitions that are to be given away once they are drained.
    pub(crate) drain: Option<Drain>,
    /// Assigned streams that the client does not fetch, as it counted last.
    pub(crate) not_fetched: Vec<StreamId>,
    /// Something is settled that nobody asked to be committed yet.
    pub(crate) commit_due: bool,
    next_stream: u32,
    /// Partitions of earlier assignments.
    had: HashMap<Partition, Before>,
    reachable: Option<bool>,
    /// What the last connection to a broker failed with.
    last_failure: Option<String>,
}

impl State {
    pub(crate) fn assign(&mut self, topic: &str, number: i32) {
        self.assigned
            .retain(|known| !known.partition.is(topic, number));
        self.begin(Partition::new(topic, number));
    }

    fn begin(&mut self, partition: Partition) {
        let stream = StreamId(self.next_stream);
        self.next_stream += 1;
        self.events.push(SourceEvent::Assigned {
            stream,
            topic: partition.topic.clone(),
            partition: partition.number,
        });
        let before = self.had.get(&partition).copied().unwrap_or_default();
        self.assigned.push(Assigned::new(partition, stream, before));
    }

    /// Ends a stream; its partition, if there was one.
    pub(crate) fn revoke(&mut self, topic: &str, number: i32) -> Option<Partition> {
        let mut assigned = self.assigned.iter();
        let at = assigned.position(|known| known.partition.is(topic, number))?;
        let ended = self.assigned.remove(at);
        self.end(&ended, true);
        Some(ended.partition)
    }

    fn end(&mut self, ended: &Assigned, by_this_client: bool) {
        let stream = ended.stream;
        self.events.push(SourceEvent::Revoked { stream });
        let committed = ended.last_committed();
        let before = Before {
            committed,
            by_this_client,
        };
        self.had.insert(ended.partition.clone(), before);
    }

    /// Begins the partition of a stream anew, because its offsets start again: what is under way of the old
    /// stream must not settle anything of the new one.
    pub(crate) fn renew(&mut self, partition: &Partition, at: i64) {
        if let Some(ended) = self.revoke(&partition.topic, partition.number) {
            self.begin(ended);
        }
        if let Some(renewed) = self.find(partition) {
            renewed.read.goes_on_at(at);
            renewed.anchor = Anchor::None;
        }
    }

    /// Takes the place of a client that cannot go on: its streams end, and what it had to report is reported here.
    pub(crate) fn succeed(&mut self, old: &mut Self, why: &str) {
        self.next_stream = old.next_stream;
        (self.reachable, self.events) = (old.reachable, std::mem::take(&mut old.events));
        self.had = std::mem::take(&mut old.had);
        for before in self.had.values_mut() {
            before.by_this_client = false;
        }
        for ended in std::mem::take(&mut old.assigned) {
            self.end(&ended, false);
        }
        self.note_reachable(false, why);
    }

    /// Offsets behind which nothing is committed, and before which everything is reported.
    pub(crate) fn carried(&self) -> Carried {
        let mut carried = Carried::new();
        for known in &self.assigned {
            if let (Anchor::None, Some(next)) = (known.anchor, known.read.expected()) {
                carried.insert(known.partition.clone(), next);
            }
        }
        carried
    }

    /// Streams that are not being given away.
    pub(crate) fn staying(&self) -> impl Iterator<Item = &Assigned> {
        self.assigned.iter().filter(|known| !known.leaving)
    }

    pub(crate) fn find(&mut self, partition: &Partition) -> Option<&mut Assigned> {
        let mut assigned = self.assigned.iter_mut();
        assigned.find(|known| known.partition == *partition)
    }

    /// Notes what is settled, to be committed soon.
    pub(crate) fn note_settled(&mut self, settled: &[StreamPosition]) {
        for position in settled {
            let stream = |known: &&mut Assigned| known.stream == position.stream;
            // A stream that is no longer assigned is somebody else's now.
            if let Some(known) = self.assigned.iter_mut().find(stream) {
                let next = i64::try_from(position.ordinal + 1).unwrap_or(i64::MAX);
                known.settled_next = known.settled_next.max(Some(next));
            }
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

    /// Notes what the client counted: it does so once a second.
    pub(crate) fn note_statistics(&mut self, statistics: &Statistics) {
        let mut brokers = statistics.brokers.values();
        if brokers.any(|broker| broker.state == "UP") {
            self.note_reachable(true, "");
        }
        self.not_fetched.clear();
        self.events
            .retain(|event| !matches!(event, SourceEvent::Behind { .. }));
        for known in &mut self.assigned {
            let Partition { topic, number } = &known.partition;
            let counted = statistics.topics.get(&**topic);
            let counted = counted.and_then(|topic| topic.partitions.get(number));
            known.fetching = counted.map(|counted| Fetching {
                next: counted.next_offset,
                waiting: counted.fetchq_cnt,
            });
            let Some(counted) = counted else { continue };
            let stream = known.stream;
            if matches!(counted.fetch_state.as_str(), "none" | "stopped") {
                self.not_fetched.push(stream);
            }
            if let Ok(records) = u64::try_from(counted.consumer_lag) {
                self.events.push(SourceEvent::Behind { stream, records });
            }
        }
    }

    /// Notes what the client reports, with its reason.
    pub(crate) fn note_error(&mut self, error: &KafkaError, reason: &str) {
        use RDKafkaErrorCode::{
            AllBrokersDown, Authentication, AutoOffsetReset, BrokerTransportFailure, Resolve, SSL,
            SaslAuthenticationFailed, UnknownTopicOrPartition,
        };
        match error.rdkafka_error_code() {
            Some(AllBrokersDown) => {
                let why = match &self.last_failure {
                    Some(failure) => format!("no broker answers: {failure}"),
                    None => "no broker answers".to_owned(),
                };
                self.note_reachable(false, &why);
            }
            Some(Authentication | SaslAuthenticationFailed) => {
                let why = format!("the brokers reject the credentials: {reason}");
                self.note_reachable(false, &why);
            }
            Some(SSL) => {
                let why = format!("TLS with the brokers fails: {reason}");
                self.note_reachable(false, &why);
            }
            // One broker of several; the rest may do. AllBrokersDown follows when they do not.
            Some(BrokerTransportFailure | Resolve) => self.last_failure = Some(reason.to_owned()),
            Some(UnknownTopicOrPartition) => {
                tracing::warn!(reason, "a topic does not exist yet, waiting for it");
            }
            // Every first start; whether it is a gap or a beginning is reported when it is known.
            Some(AutoOffsetReset) => tracing::debug!(reason, "looking up the offset to start from"),
            _ => tracing::warn!(error = %error, reason, "kafka client reports"),
        }
    }
}
