//! The hot path keeps its memory: once warm, a change costs no allocation.

mod support;

use std::sync::Arc;

use freshet_core::change::{Change, Op};
use freshet_core::coalesce::{ChangeTimes, PurgeRound};
use freshet_core::ledger::OffsetLedger;
use freshet_core::position::{StreamId, StreamPosition, WallMicros};
use freshet_core::purge::PurgeSet;
use freshet_core::registry::Registry;
use freshet_core::resolve::resolve;
use freshet_core::table::ColumnSlot;
use support::{ITEMS, Names, RegistryBuilder, item_family};

struct Stages {
    registry: Arc<Registry>,
    change: Change,
    set: PurgeSet,
    round: PurgeRound,
    ledger: OffsetLedger,
    ordinal: u64,
}

impl Stages {
    fn new() -> Self {
        let mut builder = RegistryBuilder::default();
        let table = builder.table("shop.public.items", &["id", "category"]);
        let family = builder.family(item_family());
        let names = Names {
            keys: &[
                "catalog:v2:item:{id}",
                "catalog:v2:item:{id}:category:{category}",
            ],
            tags: &["item-{id}", "category-{category}"],
            when_changed: &[],
        };
        builder.bind(table, family, names);
        let registry = Arc::new(builder.build(1));
        Self {
            change: Change::default(),
            set: PurgeSet::default(),
            round: PurgeRound::new(Arc::clone(&registry)),
            ledger: OffsetLedger::default(),
            ordinal: 0,
            registry,
        }
    }

    /// One round of `changes` changes, opened, resolved, merged and settled. Rows are always the same, so
    /// that a later round asks for no more memory than an earlier one.
    fn run_round(&mut self, changes: u64) {
        self.round.reset(&self.registry);
        for row in 0..changes {
            self.ordinal += 1;
            let position = StreamPosition {
                stream: StreamId(1),
                ordinal: self.ordinal,
            };
            self.fill_change(row);
            assert!(resolve(&self.registry, &self.change, &mut self.set));
            self.ledger.open(position, 1);
            let times = ChangeTimes {
                committed: WallMicros(self.ordinal),
                appended: WallMicros(self.ordinal),
            };
            self.round.merge(position, &self.set, times);
        }
        for &position in self.round.positions() {
            assert!(self.ledger.settle(position));
        }
        self.ledger.take_committable(|_| {});
    }

    fn fill_change(&mut self, row: u64) {
        use std::fmt::Write;
        self.change.reset(ITEMS, Op::Update);
        for (image, category) in [
            (&mut self.change.before, row % 7),
            (&mut self.change.after, row % 5),
        ] {
            image.begin(2);
            image.write(ColumnSlot(0), |text| {
                write!(text, "a long name that must be hashed {row}").expect("String");
            });
            image.write(ColumnSlot(1), |text| {
                write!(text, "{category}").expect("String")
            });
        }
    }
}

#[test]
fn a_warm_round_allocates_nothing() {
    let mut stages = Stages::new();
    for _ in 0..4 {
        stages.run_round(500);
    }
    let counted = allocation_counter::measure(|| {
        for _ in 0..4 {
            stages.run_round(500);
        }
    });
    assert!(stages.round.purges() > 500, "the rounds did something");
    assert_eq!(counted.count_total, 0, "{counted:?}");
}
