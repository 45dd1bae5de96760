//! Gaps in the log: what they are noticed by in the changes themselves, and when their families are purged. One gap of
//! many partitions is one purge, and gaps that keep coming do not become a storm (promise P5).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use freshet_core::change::{Change, Op};
use freshet_core::gap::GapCause;
use freshet_core::position::{ChangeVersion, UnixMicros};
use freshet_core::table::TableId;

/// Other partitions of the same topic mostly tell of the same gap within this.
const GATHER: Duration = Duration::from_secs(1);
/// A table's families are purged for gaps no more often than this.
const AT_MOST_EVERY: Duration = Duration::from_secs(30);
/// Clocks of databases are set back and forth by less than this.
const CLOCK_STEP: Duration = Duration::from_secs(5);

/// Gaps that are not purged yet, and when the last ones were, by topic.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    waiting: BTreeMap<Arc<str>, Waiting>,
    purged: BTreeMap<Arc<str>, UnixMicros>,
}

#[derive(Debug)]
struct Waiting {
    due: UnixMicros,
    cause: GapCause,
    detail: String,
}

/// A gap whose families are to be purged now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DueGap {
    pub(crate) topic: Arc<str>,
    pub(crate) cause: GapCause,
    pub(crate) detail: String,
}

impl Gaps {
    /// Notes a gap. One that waits already takes it in.
    pub(crate) fn note(
        &mut self,
        topic: &Arc<str>,
        (cause, detail): (GapCause, String),
        now: UnixMicros,
    ) {
        let gathered = later(now, GATHER);
        let spared = self.purged.get(topic).map(|&at| later(at, AT_MOST_EVERY));
        self.waiting.entry(Arc::clone(topic)).or_insert(Waiting {
            due: spared.map_or(gathered, |spared| spared.max(gathered)),
            cause,
            detail,
        });
    }

    /// Whether anything waits: until it is purged, nothing may be committed, since a process that dies would not
    /// notice the gap a second time.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// A gap whose time has come. Its families are purged by whoever takes it.
    pub(crate) fn take_due(&mut self, now: UnixMicros) -> Option<DueGap> {
        let topic = self.waiting.iter().find(|(_, it)| it.due <= now)?.0.clone();
        let Waiting { cause, detail, .. } = self.waiting.remove(&topic)?;
        self.purged.insert(Arc::clone(&topic), now);
        Some(DueGap {
            topic,
            cause,
            detail,
        })
    }
}

/// What changes say about their own order. Positions and commit times of one database rise together, whichever
/// partition a change comes from.
#[derive(Debug, Default)]
pub(crate) struct Order {
    tables: Vec<Seen>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    newest: ChangeVersion,
    committed: UnixMicros,
    streamed: bool,
    rescanned: bool,
}

impl Order {
    /// Looks at a change; says by what it gives a gap away.
    pub(crate) fn look(&mut self, change: &Change) -> Option<GapCause> {
        let TableId(at) = change.table;
        let at = at as usize;
        if self.tables.len() <= at {
            self.tables.resize(at + 1, Seen::default());
        }
        let seen = self.tables.get_mut(at)?;
        if change.op == Op::Read {
            // The first record of a snapshot tells; the others belong to it.
            let again = change.snapshot && seen.streamed && !seen.rescanned;
            seen.rescanned |= change.snapshot;
            return again.then_some(GapCause::SnapshotAgain);
        }
        (seen.streamed, seen.rescanned) = (true, false);
        let committed = change.committed.at;
        if change.version == ChangeVersion::default() || committed == UnixMicros(0) {
            return None;
        }
        // A record that is read again has an earlier place *and* an earlier time; one whose place is earlier although
        // it was committed later was written by a database that has lost what came between.
        let back = change.version < seen.newest
            && committed.since(seen.committed) > CLOCK_STEP.as_micros() as u64;
        if back || change.version >= seen.newest {
            (seen.newest, seen.committed) = (change.version, committed);
        }
        back.then_some(GapCause::PositionBack)
    }

    /// Forgets everything: table ids belong to one registry.
    pub(crate) fn forget(&mut self) {
        self.tables.clear();
    }
}

fn later(at: UnixMicros, by: Duration) -> UnixMicros {
    UnixMicros(at.0 + by.as_micros() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn gap() -> (GapCause, String) {
        (GapCause::Truncated, "offsets 1 to 5".to_owned())
    }

    #[test]
    fn p5_one_gap_of_many_partitions_is_one_purge() {
        let (mut gaps, topic) = (Gaps::default(), Arc::<str>::from("shop.public.items"));
        for at in 0..6 {
            gaps.note(&topic, gap(), UnixMicros(at * 100_000));
        }
        assert!(gaps.is_waiting());
        assert_eq!(gaps.take_due(UnixMicros(SECOND - 1)), None);
        assert!(gaps.take_due(UnixMicros(SECOND)).is_some());
        assert!(!gaps.is_waiting());
        assert_eq!(gaps.take_due(UnixMicros(90 * SECOND)), None, "exactly one");
    }

    #[test]
    fn p5_gaps_that_keep_coming_are_no_storm_and_none_is_forgotten() {
        let (mut gaps, topic) = (Gaps::default(), Arc::<str>::from("shop.public.items"));
        let mut purges = 0;
        for at in 0..120 {
            gaps.note(&topic, gap(), UnixMicros(at * SECOND));
            purges += u32::from(gaps.take_due(UnixMicros(at * SECOND)).is_some());
        }
        assert_eq!(purges, 4, "one every thirty seconds");
        assert!(gaps.is_waiting(), "the last ones wait for theirs");
    }

    fn change(op: Op, position: u64, second: u64) -> Change {
        let mut change = Change::default();
        change.reset(TableId(0), op);
        change.version = ChangeVersion::from_postgres(position, position);
        change.committed.at = UnixMicros(second * SECOND);
        change
    }

    #[test]
    fn p5_a_later_commit_at_an_earlier_place_is_a_gap_and_a_repetition_is_none() {
        let mut order = Order::default();
        for (position, second) in [(100, 10), (200, 20), (150, 15), (200, 20), (190, 24)] {
            assert_eq!(order.look(&change(Op::Update, position, second)), None);
        }
        let back = change(Op::Update, 120, 60);
        assert_eq!(order.look(&back), Some(GapCause::PositionBack));
        assert_eq!(order.look(&change(Op::Update, 121, 61)), None, "told once");
    }

    #[test]
    fn p5_a_snapshot_of_a_table_that_was_streamed_is_a_gap() {
        let mut order = Order::default();
        let mut read = change(Op::Read, 1, 1);
        read.snapshot = true;
        assert_eq!(order.look(&read), None, "the first snapshot");
        assert_eq!(order.look(&change(Op::Create, 5, 5)), None);
        let mut asked_for = change(Op::Read, 6, 6);
        asked_for.snapshot = false;
        assert_eq!(order.look(&asked_for), None, "an incremental one");
        assert_eq!(order.look(&read), Some(GapCause::SnapshotAgain));
        assert_eq!(order.look(&read), None, "told once");
    }
}
