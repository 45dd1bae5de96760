//! What librdkafka's callbacks and the source share: which streams are assigned, what was settled, what happened.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use freshet_core::ports::SourceEvent;
use freshet_core::position::StreamId;
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;

use crate::rebalance::Release;

/// One assigned partition.
#[derive(Debug, Clone)]
pub(crate) struct Assigned {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    pub(crate) stream: StreamId,
    /// How far it was read; shared, so that a record is noted without the lock.
    pub(crate) read: Arc<Read>,
    /// Next offset to read, as far as it is settled and was handed over for commit.
    pub(crate) settled_next: Option<i64>,
    /// The same, as far as the brokers acknowledged it.
    pub(crate) committed_next: Option<i64>,
    pub(crate) anchor: Anchor,
    /// It is being given away: nothing more of it is handed out.
    pub(crate) leaving: bool,
}

/// Whether the brokers hold an offset of ours for a stream's partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// None yet: it begins, or goes on behind a gap.
    None,
    /// One is there.
    Held,
    /// One was there and is gone: what is read is another topic of the same name.
    Lost,
}

/// How far a stream was read. Nothing yet is [`Read::NOTHING`].
#[derive(Debug)]
pub(crate) struct Read {
    /// The offset behind the last record that was handed out.
    handed_next: AtomicI64,
    /// The offset that is to be read next: as `handed_next`, or where a gap ended.
    expected: AtomicI64,
}

impl Read {
    const NOTHING: i64 = -1;

    fn nothing() -> Self {
        Self {
            handed_next: AtomicI64::new(Self::NOTHING),
            expected: AtomicI64::new(Self::NOTHING),
        }
    }

    /// A record was handed out.
    pub(crate) fn handed(&self, offset: i64) {
        self.handed_next.store(offset + 1, Ordering::Relaxed);
        self.expected.store(offset + 1, Ordering::Relaxed);
    }

    /// Reading goes on at `offset`.
    pub(crate) fn goes_on_at(&self, offset: i64) {
        self.expected.store(offset, Ordering::Relaxed);
    }

    /// Reading goes on as if nothing was said since.
    pub(crate) fn forget_to(&self, expected: Option<i64>) {
        let before = expected.unwrap_or(Self::NOTHING);
        self.expected.store(before, Ordering::Relaxed);
    }

    /// The offset to be read next, once it is known.
    pub(crate) fn expected(&self) -> Option<i64> {
        Some(self.expected.load(Ordering::Relaxed)).filter(|&at| at != Self::NOTHING)
    }

    fn handed_next(&self) -> Option<i64> {
        Some(self.handed_next.load(Ordering::Relaxed)).filter(|&at| at != Self::NOTHING)
    }
}

impl Assigned {
    pub(crate) fn is(&self, topic: &str, partition: i32) -> bool {
        self.partition == partition && &*self.topic == topic
    }

    /// Everything that was handed out of it is settled and committed.
    pub(crate) fn is_drained(&self) -> bool {
        match (self.read.handed_next(), self.settled_next) {
            (None, _) => true,
            (Some(handed), settled) => {
                settled.is_some_and(|settled| settled >= handed) && self.uncommitted().is_none()
            }
        }
    }

    /// The brokers hold this offset of ours, or none.
    pub(crate) fn note_committed(&mut self, next: Option<i64>) {
        self.anchor = match (next, self.anchor) {
            (Some(_), _) => Anchor::Held,
            (None, Anchor::None) => Anchor::None,
            (None, Anchor::Held | Anchor::Lost) => Anchor::Lost,
        };
        self.committed_next = next;
    }

    /// What is settled and not known to be committed.
    pub(crate) fn uncommitted(&self) -> Option<i64> {
        self.settled_next
            .filter(|_| self.settled_next != self.committed_next)
    }
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) assigned: Vec<Assigned>,
    pub(crate) events: Vec<SourceEvent>,
    /// Partitions that are to be given away once they are drained.
    pub(crate) release: Option<Release>,
    /// Assigned streams that the client does not fetch, as it counted last.
    pub(crate) not_fetched: Vec<StreamId>,
    /// Something is settled that nobody asked to be committed yet.
    pub(crate) commit_due: bool,
    next_stream: u32,
    reachable: Option<bool>,
    /// What the last connection to a broker failed with.
    last_failure: Option<String>,
}

impl State {
    pub(crate) fn assign(&mut self, topic: &str, partition: i32) {
        self.assigned.retain(|known| !known.is(topic, partition));
        self.begin(Arc::from(topic), partition);
    }

    fn begin(&mut self, topic: Arc<str>, partition: i32) {
        let stream = StreamId(self.next_stream);
        self.next_stream += 1;
        self.assigned.push(Assigned {
            topic: Arc::clone(&topic),
            partition,
            stream,
            read: Arc::new(Read::nothing()),
            settled_next: None,
            committed_next: None,
            // The client begins by itself only where an offset is committed.
            anchor: Anchor::Held,
            leaving: false,
        });
        self.events.push(SourceEvent::Assigned {
            stream,
            topic,
            partition,
        });
    }

    /// Ends a stream; whether there was one.
    pub(crate) fn revoke(&mut self, topic: &str, partition: i32) -> bool {
        let at = self.assigned.iter().position(|it| it.is(topic, partition));
        if let Some(at) = at {
            let stream = self.assigned.remove(at).stream;
            self.events.push(SourceEvent::Revoked { stream });
        }
        at.is_some()
    }

    /// Begins the partition of a stream anew, because its offsets start again: what is under way of the old
    /// stream must not settle anything of the new one.
    pub(crate) fn renew(&mut self, topic: &Arc<str>, partition: i32, at: i64) {
        if self.revoke(topic, partition) {
            self.begin(Arc::clone(topic), partition);
        }
        if let Some(renewed) = self.find(topic, partition) {
            renewed.read.goes_on_at(at);
            renewed.anchor = Anchor::None;
        }
    }

    /// Whether something became due since this was asked last.
    pub(crate) fn take_commit_due(&mut self) -> bool {
        std::mem::take(&mut self.commit_due)
    }

    pub(crate) fn find(&mut self, topic: &str, partition: i32) -> Option<&mut Assigned> {
        self.assigned.iter_mut().find(|it| it.is(topic, partition))
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
pub(crate) struct Callbacks {
    state: Mutex<State>,
    /// Rises with every change of the assignment; read for every record, so without the lock.
    epoch: AtomicU64,
    closing: AtomicBool,
    drain_within: Duration,
}

impl Callbacks {
    /// Partitions that are revoked are kept until they are drained, for `drain_within` at most.
    pub(crate) fn new(drain_within: Duration) -> Self {
        Self {
            state: Mutex::default(),
            epoch: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            drain_within,
        }
    }

    /// Which assignment is in force.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // Every operation leaves the state whole, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The assignment changed.
    pub(crate) fn turn_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::Release);
    }

    /// From now on partitions are given away at once: the client closes.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    pub(crate) fn drain_within(&self) -> Duration {
        self.drain_within
    }
}

impl ClientContext for Callbacks {
    fn stats(&self, statistics: Statistics) {
        let answers = statistics
            .brokers
            .values()
            .any(|broker| broker.state == "UP");
        let mut lag: HashMap<(&str, i32), u64> = HashMap::new();
        let mut idle: HashSet<(&str, i32)> = HashSet::new();
        for (name, topic) in &statistics.topics {
            for (&partition, figures) in &topic.partitions {
                if matches!(figures.fetch_state.as_str(), "none" | "stopped") {
                    idle.insert((name, partition));
                }
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
            assigned,
            events,
            not_fetched,
            ..
        } = &mut *state;
        not_fetched.clear();
        let still = |it: &&Assigned| idle.contains(&(&*it.topic, it.partition));
        not_fetched.extend(assigned.iter().filter(still).map(|it| it.stream));
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
