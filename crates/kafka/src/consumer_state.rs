//! What librdkafka's callbacks and the source share: which streams are assigned, what was settled, what happened.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use freshet_core::ports::SourceEvent;
use freshet_core::position::StreamId;
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;

use crate::read::Read;
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
    /// What is known of it from before.
    pub(crate) before: Before,
    /// As the client counted last.
    pub(crate) fetching: Option<Fetching>,
}

/// What this process knows of a partition from an earlier assignment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Before {
    /// How far the brokers acknowledged it to be committed.
    pub(crate) committed: Option<i64>,
    /// By this very client, which remembers more of it than may be true by now.
    pub(crate) by_this_client: bool,
}

/// How far a partition is fetched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fetching {
    /// The offset that is fetched next.
    pub(crate) next: i64,
    /// Records that wait to be taken.
    pub(crate) waiting: i64,
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

impl Assigned {
    pub(crate) fn is(&self, topic: &str, partition: i32) -> bool {
        self.partition == partition && &*self.topic == topic
    }

    /// The offset where fetching stands; none while fetched records wait to be taken, or nothing was counted yet.
    pub(crate) fn place(&self) -> Option<i64> {
        let fetching = self.fetching.filter(|it| it.waiting == 0)?;
        // Negative where it does not fetch at all.
        Some(match fetching.next {
            next if next >= 0 => next.max(self.read.expected().unwrap_or(0)),
            _ => self.read.expected().unwrap_or(0),
        })
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
    /// Partitions of earlier assignments.
    had: HashMap<(Arc<str>, i32), Before>,
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
        let before = self.had.get(&(Arc::clone(&topic), partition)).copied();
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
            before: before.unwrap_or_default(),
            fetching: None,
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
            let ended = self.assigned.remove(at);
            let stream = ended.stream;
            self.events.push(SourceEvent::Revoked { stream });
            let before = Before {
                committed: ended.committed_next.or(ended.before.committed),
                by_this_client: true,
            };
            self.had.insert((ended.topic, partition), before);
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

    /// Takes the place of a client that cannot go on: its streams end, and what it had to tell is told here.
    pub(crate) fn succeed(&mut self, old: &mut Self, why: &str) {
        self.next_stream = old.next_stream;
        (self.reachable, self.events) = (old.reachable, std::mem::take(&mut old.events));
        for it in std::mem::take(&mut old.assigned) {
            let stream = it.stream;
            self.events.push(SourceEvent::Revoked { stream });
            let committed = it.committed_next.or(it.before.committed);
            let by_this_client = false;
            let before = Before {
                committed,
                by_this_client,
            };
            old.had.insert((it.topic, it.partition), before);
        }
        self.had = std::mem::take(&mut old.had);
        for before in self.had.values_mut() {
            before.by_this_client = false;
        }
        self.note_reachable(false, why);
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
        let mut fetching: HashMap<(&str, i32), Fetching> = HashMap::new();
        for (name, topic) in &statistics.topics {
            for (&partition, figures) in &topic.partitions {
                if matches!(figures.fetch_state.as_str(), "none" | "stopped") {
                    idle.insert((name, partition));
                }
                let figures_of = Fetching {
                    next: figures.next_offset,
                    waiting: figures.fetchq_cnt,
                };
                fetching.insert((name, partition), figures_of);
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
            it.fetching = fetching.get(&(&*it.topic, it.partition)).copied();
            if let Some(&records) = lag.get(&(&*it.topic, it.partition)) {
                let stream = it.stream;
                events.push(SourceEvent::Behind { stream, records });
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        use RDKafkaErrorCode::{
            AllBrokersDown, Authentication, AutoOffsetReset, BrokerTransportFailure, Resolve, SSL,
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
            // Every first start; what is made of it, a gap or a beginning, is told when it is known.
            Some(AutoOffsetReset) => tracing::debug!(reason, "where to read is to be found out"),
            _ => tracing::warn!(error = %error, reason, "kafka client reports"),
        }
    }
}
