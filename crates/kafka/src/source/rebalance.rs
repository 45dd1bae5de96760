//! Rebalances: partitions are assigned at once, and released when they are drained.
//!
//! librdkafka and the group wait for the answer to a revocation while this member keeps its session. The
//! answer is delayed until all delivered records of the revoked partitions are settled and committed. Until
//! then librdkafka fetches nothing, not even of partitions that stay, and no call resumes them. So the pipeline
//! settles and commits at once, and the drain lasts only while it makes progress, up to a deadline:
//! if targets answer, it takes milliseconds; a target that hangs would block all partitions that stay.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use freshet_core::ports::SourceEvent;
use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;

use super::assigned::{Assigned, offsets_of, send};
use super::drain::{Drain, undrained};
use super::state::State;
use crate::client::partition::{Partition, list_of};
use crate::client::wake::wake_fetchers;

/// Callbacks of librdkafka, and the state that the source reads.
pub(crate) struct Callbacks {
    state: Mutex<State>,
    /// Rises with every change of the assignment; read for every record, so without the lock.
    epoch: AtomicU64,
    closing: AtomicBool,
    drain_within: Duration,
}

impl Callbacks {
    /// Revoked partitions are kept until they are drained, at most for `drain_within`.
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

    /// From now on partitions are released at once: a client cannot close while an answer is pending.
    pub(crate) fn close(&self, consumer: &BaseConsumer<Self>) {
        self.closing.store(true, Ordering::Release);
        self.release_now(consumer);
    }

    /// Releases partitions that are drained or whose deadline has passed. Called between polls.
    pub(crate) fn serve(&self, consumer: &BaseConsumer<Self>) {
        let mut state = self.state();
        let State {
            assigned, drain, ..
        } = &mut *state;
        let Some(waiting) = drain else { return };
        let undrained = undrained(assigned);
        let late = waiting.is_over(assigned, Instant::now());
        if !consumer.assignment_lost() && !late && undrained > 0 {
            return;
        }
        if late && undrained > 0 {
            tracing::warn!(
                partitions = undrained,
                "partitions are revoked with purges in flight; their next owner repeats the purges"
            );
        }
        drop(state);
        self.release_now(consumer);
    }

    /// Releases all waiting partitions at once.
    fn release_now(&self, consumer: &BaseConsumer<Self>) {
        let drain = self.state().drain.take();
        if let Some(drain) = drain {
            self.give_away(consumer, &drain.partitions);
        }
    }

    fn give_away(&self, consumer: &BaseConsumer<Self>, partitions: &TopicPartitionList) {
        // A lost partition may already have another owner, which may have committed more.
        if !consumer.assignment_lost() {
            let rest = |known: &Assigned| {
                let Partition { topic, number } = &known.partition;
                let given = partitions.find_partition(topic, *number);
                known.uncommitted().filter(|_| given.is_some())
            };
            let settled = offsets_of(&self.state().assigned, rest);
            // librdkafka ends the unassignment below when the commit is answered, so the next owner sees it.
            if let Err(error) = settled.and_then(|settled| send(consumer, &settled)) {
                tracing::warn!(error = %error, "commit before releasing partitions failed");
            }
        }
        let outcome = match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_unassign(partitions),
            RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
        };
        if let Err(error) = outcome {
            tracing::warn!(error = %error, "partitions could not be released");
        }
        let mut state = self.state();
        for element in partitions.elements() {
            state.revoke(element.topic(), element.partition());
        }
        self.turn_epoch();
    }

    fn take_over(&self, consumer: &BaseConsumer<Self>, partitions: &TopicPartitionList) {
        let outcome = match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_assign(partitions),
            RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.assign(partitions),
        };
        if let Err(error) = outcome {
            tracing::warn!(error = %error, "partitions could not be assigned");
            return;
        }
        let mut state = self.state();
        state.note_reachable(true, "");
        // The client paused these too. What is new has fetchers that begin.
        let staying = list_of(state.staying().map(|known| &known.partition));
        for element in partitions.elements() {
            state.assign(element.topic(), element.partition());
        }
        self.turn_epoch();
        drop(state);
        // A pause outlives a rebalance in librdkafka; whoever paused has to say so again.
        if let Err(error) = consumer.resume(partitions) {
            tracing::warn!(error = %error, "resume after a rebalance failed");
        }
        wake_fetchers(consumer, staying);
    }

    fn begin_release(&self, consumer: &BaseConsumer<Self>, partitions: &TopicPartitionList) {
        // librdkafka asks again only when it was answered, so an open answer is one it no longer waits for.
        self.release_now(consumer);
        if !self.begin_drain(consumer, partitions) {
            self.give_away(consumer, partitions);
            return;
        }
        // What is fetched anyway is dropped; the next owner reads it.
        if let Err(error) = consumer.pause(partitions) {
            tracing::debug!(error = %error, "pause before releasing partitions failed");
        }
    }

    /// Starts to release partitions; returns whether it waits for a drain.
    fn begin_drain(&self, consumer: &BaseConsumer<Self>, partitions: &TopicPartitionList) -> bool {
        let mut state = self.state();
        let State {
            assigned, events, ..
        } = &mut *state;
        for known in assigned.iter_mut() {
            let Partition { topic, number } = &known.partition;
            if partitions.find_partition(topic, *number).is_none() {
                continue;
            }
            known.leaving = true;
            if !known.is_drained() {
                let stream = known.stream;
                events.push(SourceEvent::Revoking { stream });
            }
        }
        let closing = self.closing.load(Ordering::Acquire);
        let wait = undrained(assigned) > 0 && !closing && !consumer.assignment_lost();
        if wait {
            let (leave, within) = (partitions.clone(), self.drain_within);
            let drain = Drain::begin(leave, assigned, within, Instant::now());
            state.drain = Some(drain);
        }
        state.commit_due = true;
        self.turn_epoch();
        wait
    }
}

impl ClientContext for Callbacks {
    fn stats(&self, statistics: Statistics) {
        self.state().note_statistics(&statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.state().note_error(&error, reason);
    }
}

impl ConsumerContext for Callbacks {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                self.take_over(consumer, partitions);
            }
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS => {
                self.begin_release(consumer, partitions);
            }
            _ => {
                let error = RDKafkaErrorCode::from(code);
                tracing::warn!(error = %error, "rebalance failed");
                self.release_now(consumer);
            }
        }
    }
}
