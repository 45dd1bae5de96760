//! What happens when the group moves partitions: they are taken at once, and given away when they are drained.
//!
//! librdkafka waits for an answer to a revocation, and so does the group, while this member keeps its session. The
//! answer is put off until everything that was handed out of the revoked partitions is settled and committed. Until
//! then librdkafka fetches nothing, of partitions that stay either, and no call lets those flow. So the pipeline is
//! told to settle and commit at once, and a drain is waited for only while it makes progress, and never for long:
//! with targets that answer it takes milliseconds, and a target that hangs would hold up all that stays.

use std::time::{Duration, Instant};

use freshet_core::ports::SourceEvent;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::types::RDKafkaRespErr;

use crate::anchor::offsets_of;
use crate::consumer_state::{Assigned, Callbacks, State};
use crate::mend::partitions_of;
use crate::wake::wake_fetchers;

/// A drain of which nothing was settled or committed for this long hangs.
const HANGS_AFTER: Duration = Duration::from_millis(250);

/// Partitions that are to be given away.
#[derive(Debug)]
pub(crate) struct Release {
    partitions: TopicPartitionList,
    drain: Drain,
}

/// How long partitions that are revoked are kept: while their purges settle, up to a deadline.
#[derive(Debug, Clone, Copy)]
struct Drain {
    deadline: Instant,
    settled: Settled,
    settled_at: Instant,
}

/// How much of the partitions that leave is settled and how much is committed, as sums of their next offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Settled(i128, i128);

impl Settled {
    fn of(state: &State) -> Self {
        let sum = |next: fn(&Assigned) -> Option<i64>| {
            let leaving = state.assigned.iter().filter(|it| it.leaving);
            leaving.filter_map(next).map(i128::from).sum()
        };
        Self(sum(|it| it.settled_next), sum(|it| it.committed_next))
    }
}

impl Drain {
    fn begin(settled: Settled, within: Duration, now: Instant) -> Self {
        Self {
            deadline: now + within,
            settled,
            settled_at: now,
        }
    }

    /// Whether it is waited for no longer.
    fn is_over(&mut self, settled: Settled, now: Instant) -> bool {
        if settled != self.settled {
            (self.settled, self.settled_at) = (settled, now);
        }
        now >= self.deadline || now.saturating_duration_since(self.settled_at) >= HANGS_AFTER
    }
}

/// Gives partitions away whose time has come. Called between polls, which go on meanwhile.
pub(crate) fn serve_release(callbacks: &Callbacks, consumer: &BaseConsumer<Callbacks>) {
    let mut state = callbacks.state();
    if state.release.is_none() {
        return;
    }
    let lost = consumer.assignment_lost();
    let (settled, undrained) = (Settled::of(&state), undrained(&state));
    let release = state.release.as_mut();
    let late = release.is_some_and(|it| it.drain.is_over(settled, Instant::now()));
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
        // The client paused these too. What is new has fetchers that begin.
        let staying = partitions_of(state.assigned.iter().filter(|it| !it.leaving));
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
                let settled = Settled::of(&state);
                state.release = Some(Release {
                    partitions: partitions.clone(),
                    drain: Drain::begin(settled, self.drain_within(), Instant::now()),
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

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: Duration = Duration::from_millis(500);

    /// Whether a drain of which something is settled at `settles` milliseconds is over at `at`.
    fn is_over_at(settles: &[u64], at: u64) -> bool {
        let begun = Instant::now();
        let mut drain = Drain::begin(Settled(0, 0), WITHIN, begun);
        (0..=at).any(|ms| {
            let settled = settles.iter().filter(|&&when| when <= ms).count() as i128;
            drain.is_over(Settled(settled, 0), begun + Duration::from_millis(ms))
        })
    }

    #[test]
    fn p6_a_drain_that_hangs_is_given_up_before_its_deadline() {
        assert!(!is_over_at(&[], 249));
        assert!(is_over_at(&[], 250));
        assert!(!is_over_at(&[100], 349));
        assert!(is_over_at(&[100], 350));
    }

    #[test]
    fn p6_a_drain_that_goes_on_is_waited_for_until_its_deadline() {
        assert!(!is_over_at(&[100, 200, 300, 400], 499));
        assert!(is_over_at(&[100, 200, 300, 400], 500));
    }

    #[test]
    fn p6_a_commit_that_is_acknowledged_is_progress() {
        let begun = Instant::now();
        let mut state = State::default();
        state.assign("t", 0);
        (state.assigned[0].leaving, state.assigned[0].settled_next) = (true, Some(7));
        let mut drain = Drain::begin(Settled::of(&state), WITHIN, begun);
        state.assigned[0].committed_next = Some(7);
        let at = |ms| begun + Duration::from_millis(ms);
        assert!(!drain.is_over(Settled::of(&state), at(200)));
        assert!(!drain.is_over(Settled::of(&state), at(449)));
        assert!(drain.is_over(Settled::of(&state), at(450)));
    }
}
