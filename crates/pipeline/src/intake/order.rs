//! Order: what changes reveal about the log that they come from. Positions and commit times of one database rise together,
//! whichever partition a change comes from.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use freshet_core::change::{Change, Op};
use freshet_core::gap::GapCause;
use freshet_core::position::{ChangeVersion, StreamId, StreamPosition, WallMicros};
use freshet_core::registry::Registry;
use freshet_core::table::TableId;

/// Clocks of databases are set back and forth by less than this.
const CLOCK_STEP: Duration = Duration::from_secs(5);

/// What was seen of all tables.
#[derive(Debug, Default)]
pub(crate) struct Order {
    /// By [`TableId`].
    tables: Vec<Seen>,
    /// Streams that the group reads for the first time. What others hold may have been read by an earlier process.
    first: HashSet<StreamId>,
}

/// What was seen of one table.
#[derive(Debug, Default)]
struct Seen {
    topic: Arc<str>,
    newest: ChangeVersion,
    committed: WallMicros,
    streamed: bool,
    /// The last snapshots, the newest first: partitions are read one after the other, so rows of two may alternate.
    snapshots: [Option<Snapshot>; 2],
}

/// One snapshot: all its rows have the place in the log at which it began.
#[derive(Debug, Clone, Copy)]
struct Snapshot {
    version: ChangeVersion,
    /// It is known to be a gap.
    is_noted: bool,
}

impl Order {
    /// Inspects a change at its place in Kafka; some cause when it reveals a gap.
    pub(crate) fn look(&mut self, change: &Change, place: StreamPosition) -> Option<GapCause> {
        let TableId(at) = change.table;
        let at = at as usize;
        if self.tables.len() <= at {
            self.tables.resize_with(at + 1, Seen::default);
        }
        let seen = self.tables.get_mut(at)?;
        if change.op == Op::Read {
            // Before the first offset nothing can have been read.
            let resumed =
                change.snapshot && place.ordinal > 0 && !self.first.contains(&place.stream);
            let again = change.snapshot && seen.is_again(change.version, resumed);
            return again.then_some(GapCause::SnapshotAgain);
        }
        seen.streamed = true;
        let committed = change.committed.at;
        if change.version == ChangeVersion::default() || committed == WallMicros(0) {
            seen.forget_placeless();
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

    /// The group reads a stream for the first time.
    pub(crate) fn begins(&mut self, stream: StreamId) {
        self.first.insert(stream);
    }

    /// A stream has ended.
    pub(crate) fn ended(&mut self, stream: StreamId) {
        self.first.remove(&stream);
    }

    /// Takes what was seen over to the tables of another registry: table ids belong to one, topics do not.
    pub(crate) fn follow(&mut self, registry: &Registry) {
        let earlier = std::mem::take(&mut self.tables).into_iter();
        let mut earlier: HashMap<Arc<str>, Seen> = earlier
            .map(|seen| (Arc::clone(&seen.topic), seen))
            .collect();
        let tables = registry.tables.iter().map(|table| {
            let topic = Arc::clone(&table.shape.topic);
            let seen = earlier.remove(&topic).unwrap_or_default();
            Seen { topic, ..seen }
        });
        self.tables = tables.collect();
    }
}

impl Seen {
    /// Whether a row of the snapshot at `version` reveals that the table was read before it. Once for each snapshot.
    fn is_again(&mut self, version: ChangeVersion, resumed: bool) -> bool {
        let mut known = self.snapshots.iter_mut().flatten();
        if let Some(known) = known.find(|snapshot| snapshot.version == version) {
            // What was streamed meanwhile may have come after this snapshot, in another partition.
            let again = resumed && !known.is_noted;
            known.is_noted |= resumed;
            return again;
        }
        let [newest, _] = self.snapshots;
        // Of what changed between two snapshots there is no event either.
        let is_noted = self.streamed || resumed || newest.is_some();
        self.snapshots = [Some(Snapshot { version, is_noted }), newest];
        is_noted
    }

    /// Snapshots of records without a place cannot be distinguished: a streamed change ends them.
    fn forget_placeless(&mut self) {
        let is_placed = |snapshot: &Snapshot| snapshot.version != ChangeVersion::default();
        self.snapshots = self.snapshots.map(|snapshot| snapshot.filter(is_placed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn change(op: Op, position: u64, second: u64) -> Change {
        let mut change = Change::default();
        change.reset(TableId(0), op);
        change.version = ChangeVersion::from_postgres(position, position);
        change.committed.at = WallMicros(second * SECOND);
        change
    }

    /// The record at an offset of a stream.
    fn at(stream: u32, ordinal: u64) -> StreamPosition {
        let stream = StreamId(stream);
        StreamPosition { stream, ordinal }
    }

    #[test]
    fn p5_a_later_commit_at_an_earlier_place_is_a_gap_and_a_repetition_is_none() {
        let mut order = Order::default();
        let mut look =
            |position, second| order.look(&change(Op::Update, position, second), at(0, 9));
        for (position, second) in [(100, 10), (200, 20), (150, 15), (200, 20), (190, 24)] {
            assert_eq!(look(position, second), None);
        }
        assert_eq!(look(200, 40), None, "the same place");
        assert_eq!(look(199, 45), None, "clocks are set back by as much");
        assert_eq!(look(120, 60), Some(GapCause::PositionBack));
        assert_eq!(look(121, 61), None, "reported once");
    }

    #[test]
    fn p5_a_change_without_place_or_time_says_nothing_of_the_order() {
        let mut order = Order::default();
        let mut look = |change: Change| order.look(&change, at(0, 9));
        assert_eq!(look(change(Op::Update, 200, 20)), None);
        let mut placeless = change(Op::Update, 0, 60);
        placeless.version = ChangeVersion::default();
        assert_eq!(look(placeless), None);
        assert_eq!(look(change(Op::Update, 300, 0)), None, "without time");
        assert_eq!(look(change(Op::Update, 250, 90)), None, "after 200");
    }

    /// A row of the snapshot that began at `position`.
    fn row(position: u64) -> Change {
        let mut row = change(Op::Read, position, 0);
        row.snapshot = true;
        row
    }

    #[test]
    fn p5_a_snapshot_of_a_table_that_was_streamed_is_a_gap() {
        let mut order = Order::default();
        order.begins(StreamId(0));
        order.begins(StreamId(1));
        assert_eq!(order.look(&row(1), at(0, 0)), None, "the first snapshot");
        assert_eq!(order.look(&row(1), at(0, 1)), None);
        assert_eq!(order.look(&change(Op::Create, 5, 5), at(0, 2)), None);
        assert_eq!(
            order.look(&row(1), at(1, 7)),
            None,
            "the same, in a partition that is read later"
        );
        let mut asked_for = change(Op::Read, 6, 6);
        asked_for.snapshot = false;
        assert_eq!(order.look(&asked_for, at(0, 3)), None, "an incremental one");
        assert_eq!(order.look(&row(9), at(0, 4)), Some(GapCause::SnapshotAgain));
        assert_eq!(order.look(&row(9), at(0, 5)), None, "reported once");
        assert_eq!(order.look(&row(9), at(1, 8)), None, "reported once");
        assert_eq!(
            order.look(&row(12), at(0, 6)),
            Some(GapCause::SnapshotAgain),
            "another one"
        );
        assert_eq!(
            order.look(&row(9), at(1, 9)),
            None,
            "rows of two that alternate"
        );
    }

    #[test]
    fn p5_a_snapshot_of_what_was_read_before_a_restart_is_a_gap_once() {
        // A new process: nothing was streamed in it, and no stream is read for the first time.
        let mut order = Order::default();
        assert_eq!(order.look(&row(9), at(0, 4)), Some(GapCause::SnapshotAgain));
        assert_eq!(
            order.look(&row(9), at(0, 5)),
            None,
            "one purge for one snapshot"
        );
        // A partition that was empty, before one that was read.
        let mut order = Order::default();
        assert_eq!(order.look(&row(9), at(3, 0)), None);
        assert_eq!(order.look(&row(9), at(0, 4)), Some(GapCause::SnapshotAgain));
        assert_eq!(
            order.look(&row(9), at(3, 1)),
            None,
            "one purge for one snapshot"
        );
        // A first start reads it all, from whichever offset.
        let mut order = Order::default();
        order.begins(StreamId(0));
        assert_eq!(order.look(&row(9), at(0, 4)), None);
        order.ended(StreamId(0));
        assert_eq!(
            order.look(&row(9), at(0, 5)),
            Some(GapCause::SnapshotAgain),
            "assigned again"
        );
    }

    #[test]
    fn p5_another_registry_forgets_nothing_of_a_topic() {
        let table = |id, topic: &str| freshet_core::registry::Table {
            shape: freshet_core::table::TableShape {
                id: TableId(id),
                name: Arc::from(topic),
                topic: Arc::from(topic),
                engine: freshet_core::table::Engine::Postgres,
                identity: freshet_core::table::ReplicaIdentity::Full,
                connector: Arc::default(),
                columns: Vec::new(),
                declared: Arc::default(),
            },
            bindings: Vec::new(),
        };
        let registry = |tables| {
            let revision = freshet_core::registry::RegistryRevision {
                sequence: 1,
                content_hash: Arc::from(""),
            };
            Registry::new(revision, Vec::new(), tables, Vec::new())
        };
        let mut order = Order::default();
        order.follow(&registry(vec![table(0, "items")]));
        order.begins(StreamId(0));
        assert_eq!(order.look(&change(Op::Create, 5, 5), at(0, 0)), None);
        order.follow(&registry(vec![table(0, "accounts"), table(1, "items")]));
        let mut again = row(9);
        again.table = TableId(1);
        assert_eq!(order.look(&again, at(0, 1)), Some(GapCause::SnapshotAgain));
    }

    #[test]
    fn p5_snapshots_without_a_place_are_ended_by_a_streamed_change() {
        let mut order = Order::default();
        order.begins(StreamId(0));
        let mut row = row(0);
        row.version = ChangeVersion::default();
        assert_eq!(order.look(&row, at(0, 0)), None);
        assert_eq!(order.look(&row, at(0, 1)), None);
        let mut streamed = change(Op::Update, 0, 0);
        streamed.version = ChangeVersion::default();
        assert_eq!(order.look(&streamed, at(0, 2)), None);
        assert_eq!(order.look(&row, at(0, 3)), Some(GapCause::SnapshotAgain));
        assert_eq!(order.look(&row, at(0, 4)), None, "reported once");
    }
}
