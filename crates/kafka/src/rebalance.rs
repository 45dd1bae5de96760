//! What happens when the group moves partitions: they are taken at once, and given away when they are drained.
//!
//! librdkafka waits for an answer to a revocation, and so does the group, while this member keeps its session. The
//! answer is put off until everything that was handed out of the revoked partitions is settled and committed, or a
//! deadline has passed. Until then librdkafka fetches nothing, of partitions that stay either, so the pipeline is
//! told to settle and commit at once, and the deadline is short.

use std::time::Instant;

use freshet_core::ports::SourceEvent;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::types::RDKafkaRespErr;

use crate::anchor::offsets_of;
use crate::consumer_state::{Assigned, Callbacks, State};

/// Partitions that are to be given away.
#[derive(Debug)]
pub(crate) struct Release {
    partitions: TopicPartitionList,
    deadline: Instant,
}

/// Gives partitions away whose time has come. Called between polls, which go on meanwhile.
pub(crate) fn serve_release(callbacks: &Callbacks, consumer: &BaseConsumer<Callbacks>) {
    let mut state = callbacks.state();
    let Some(release) = &state.release else {
        return;
    };
    let lost = consumer.assignment_lost();
    let late = Instant::now() >= release.deadline;
    let undrained = undrained(&state);
    if !lost && !late && undrained > 0 {
        return;
    }
    if late && undrained > 0 {
        tracing::warn!(
            partitions = undrained,
            "partitions are given away with purges under way; their next owner repeats them"
        );
    }
    let release = state.release.take();
    drop(state);
    if let Some(release) = release {
        give_away(callbacks, consumer, &release.partitions);
    }
}

/// Gives away at once whatever waits for it: the client closes, and that never ends while an answer is owed.
pub(crate) fn release_now(callbacks: &Callbacks, consumer: &BaseConsumer<Callbacks>) {
    let release = callbacks.state().release.take();
    if let Some(release) = release {
        give_away(callbacks, consumer, &release.partitions);
    }
}

fn undrained(state: &State) -> usize {
    let leaving = state.assigned.iter().filter(|it| it.leaving);
    leaving.filter(|it| !it.is_drained()).count()
}

fn give_away(
    callbacks: &Callbacks,
    consumer: &BaseConsumer<Callbacks>,
    partitions: &TopicPartitionList,
) {
    // Somebody else may own a lost partition already, and may have committed more.
    if !consumer.assignment_lost() {
        let is_given = |it: &Assigned| partitions.find_partition(&it.topic, it.partition).is_some();
        let rest = |it: &Assigned| it.uncommitted().filter(|_| is_given(it));
        let settled = offsets_of(&callbacks.state().assigned, rest);
        // librdkafka ends the unassignment below when the commit is answered, so the next owner sees it.
        let committed = settled.and_then(|settled| match settled.count() {
            0 => Ok(()),
            _ => consumer.commit(&settled, CommitMode::Async),
        });
        if let Err(error) = committed {
            tracing::warn!(error = %error, "commit before giving partitions away failed");
        }
    }
    let outcome = match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(partitions),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
    };
    if let Err(error) = outcome {
        tracing::warn!(error = %error, "partitions were not given away");
    }
    let mut state = callbacks.state();
    for element in partitions.elements() {
        state.revoke(element.topic(), element.partition());
    }
    callbacks.turn_epoch();
}

impl Callbacks {
    fn take_over(&self, consumer: &BaseConsumer<Self>, partitions: &TopicPartitionList) {
        let outcome = match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_assign(partitions),
            RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.assign(partitions),
        };
        if let Err(error) = outcome {
            tracing::warn!(error = %error, "partitions were not taken over");
            return;
        }
        let mut state = self.state();
        state.note_reachable(true, "");
        for element in partitions.elements() {
            state.assign(element.topic(), element.partition());
        }
        self.turn_epoch();
        drop(state);
        // A pause outlives a rebalance in librdkafka; whoever paused has to say so again.
        if let Err(error) = consumer.resume(partitions) {
            tracing::warn!(error = %error, "resume after a rebalance failed");
        }
    }

    fn begin_release(&self, consumer: &BaseConsumer<Self>, partitions: &TopicPartitionList) {
        // librdkafka asks again only when it was answered, so an open answer is one it no longer waits for.
        release_now(self, consumer);
        {
            let mut state = self.state();
            for element in partitions.elements() {
                let Some(known) = state.find(element.topic(), element.partition()) else {
                    continue;
                };
                known.leaving = true;
                let (stream, drained) = (known.stream, known.is_drained());
                if !drained {
                    state.events.push(SourceEvent::Revoking { stream });
                }
            }
            state.commit_due = true;
            self.turn_epoch();
            let wait = undrained(&state) > 0 && !self.is_closing() && !consumer.assignment_lost();
            if wait {
                state.release = Some(Release {
                    partitions: partitions.clone(),
                    deadline: Instant::now() + self.drain_within(),
                });
            }
        }
        if self.state().release.is_none() {
            give_away(self, consumer, partitions);
            return;
        }
        // What is fetched anyway is dropped; the next owner reads it.
        if let Err(error) = consumer.pause(partitions) {
            tracing::debug!(error = %error, "pause before giving partitions away failed");
        }
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
                release_now(self, consumer);
            }
        }
    }
}
