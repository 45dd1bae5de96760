//! How long revoked partitions are kept: while their delivered records settle, up to a deadline.

use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;

use super::assigned::Assigned;

/// A drain without progress for this long is stalled.
const HANGS_AFTER: Duration = Duration::from_millis(250);

/// Partitions that are released when they are drained.
#[derive(Debug)]
pub(crate) struct Drain {
    pub(crate) partitions: TopicPartitionList,
    deadline: Instant,
    progress: i128,
    progress_at: Instant,
}

/// How much of the partitions that leave is settled and committed, as the sum of their next offsets.
fn progress_of(assigned: &[Assigned]) -> i128 {
    let leaving = assigned.iter().filter(|known| known.leaving);
    leaving
        .flat_map(|known| [known.settled_next, known.committed_next])
        .flatten()
        .map(i128::from)
        .sum()
}

impl Drain {
    /// Partitions of `assigned` leave from `now` on.
    pub(crate) fn begin(
        partitions: TopicPartitionList,
        assigned: &[Assigned],
        within: Duration,
        now: Instant,
    ) -> Self {
        Self {
            partitions,
            deadline: now + within,
            progress: progress_of(assigned),
            progress_at: now,
        }
    }

    /// Whether the wait has ended.
    pub(crate) fn is_over(&mut self, assigned: &[Assigned], now: Instant) -> bool {
        let progress = progress_of(assigned);
        if progress != self.progress {
            (self.progress, self.progress_at) = (progress, now);
        }
        now >= self.deadline || now.saturating_duration_since(self.progress_at) >= HANGS_AFTER
    }
}

/// Number of revoked partitions that are not drained yet.
pub(crate) fn undrained(assigned: &[Assigned]) -> usize {
    let leaving = assigned.iter().filter(|known| known.leaving);
    leaving.filter(|known| !known.is_drained()).count()
}

#[cfg(test)]
mod tests {
    use freshet_core::position::StreamId;

    use super::super::assigned::Before;
    use super::*;
    use crate::client::partition::Partition;

    const WITHIN: Duration = Duration::from_millis(500);

    fn leaving() -> [Assigned; 1] {
        let mut leaving = Assigned::new(Partition::new("t", 0), StreamId(0), Before::default());
        leaving.leaving = true;
        [leaving]
    }

    fn begin(assigned: &[Assigned], begun: Instant) -> Drain {
        Drain::begin(TopicPartitionList::new(), assigned, WITHIN, begun)
    }

    /// Whether a drain of which something is settled at `settles` milliseconds is over at `at`.
    fn is_over_at(settles: &[u64], at: u64) -> bool {
        let (begun, mut assigned) = (Instant::now(), leaving());
        let mut drain = begin(&assigned, begun);
        (0..=at).any(|ms| {
            let settled = settles.iter().filter(|&&when| when <= ms).count() as i64;
            assigned[0].settled_next = Some(settled);
            drain.is_over(&assigned, begun + Duration::from_millis(ms))
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
        let (begun, mut assigned) = (Instant::now(), leaving());
        assigned[0].settled_next = Some(7);
        let mut drain = begin(&assigned, begun);
        assigned[0].committed_next = Some(7);
        let at = |ms| begun + Duration::from_millis(ms);
        assert!(!drain.is_over(&assigned, at(200)));
        assert!(!drain.is_over(&assigned, at(449)));
        assert!(drain.is_over(&assigned, at(450)));
    }
}
