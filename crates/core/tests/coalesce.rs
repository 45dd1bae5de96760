//! A round holds every name once per target, whoever asked for it and however often.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use freshet_core::change::Op;
use freshet_core::coalesce::{ChangeTimes, PurgeRound, RoundChange};
use freshet_core::position::{StreamId, StreamPosition, WallMicros};
use freshet_core::purge::{PurgeBatch, PurgeSet, WantedPurge};
use freshet_core::registry::{FamilyId, PurgeMode, Registry, Scope, TargetId};
use freshet_core::resolve::resolve;
use proptest::prelude::*;
use support::{FASTLY, Names, REDIS, RegistryBuilder, change, item_family, text};

const FAMILY: FamilyId = FamilyId(0);

fn registry(sequence: u64) -> Arc<Registry> {
    let mut builder = RegistryBuilder::default();
    let table = builder.table("shop.public.items", &["id", "category"]);
    let family = builder.family(item_family());
    let names = Names {
        keys: &["catalog:v2:item:{id}"],
        tags: &["item-{id}", "category-{category}"],
        when_changed: &["category"],
    };
    builder.bind(table, family, names);
    Arc::new(builder.build(sequence))
}

fn wanted(name: &str) -> WantedPurge<'_> {
    WantedPurge {
        family: FAMILY,
        scope: Scope::Keys,
        mode: PurgeMode::Soft,
        committed: WallMicros(100),
        name: name.as_bytes(),
        cause: None,
    }
}

fn names(batch: &PurgeBatch) -> Vec<String> {
    batch
        .iter()
        .map(|(_, name)| String::from_utf8_lossy(name).into_owned())
        .collect()
}

fn position(ordinal: u64) -> StreamPosition {
    StreamPosition {
        stream: StreamId(1),
        ordinal,
    }
}

fn times(committed: u64) -> ChangeTimes {
    ChangeTimes {
        committed: WallMicros(committed),
        appended: WallMicros(committed + 1),
    }
}

fn set_of(registry: &Registry, category: &str, id: &str) -> PurgeSet {
    let mut set = PurgeSet::default();
    let after = [text(id), text(category)];
    resolve(registry, &change(Op::Create, None, Some(&after)), &mut set);
    set
}

#[test]
fn p3_a_name_asked_for_twice_is_purged_once() {
    let mut batch = PurgeBatch::new(REDIS);
    assert!(batch.add(wanted("b")));
    assert!(batch.add(wanted("a")));
    assert!(!batch.add(wanted("b")));
    assert_eq!(names(&batch), ["b", "a"], "in the order of first asking");
    assert_eq!((batch.len(), batch.name_bytes()), (2, 2));
    let wide = WantedPurge {
        scope: Scope::Family,
        ..wanted("b")
    };
    assert!(
        batch.add(wide),
        "the same bytes in another scope are another purge"
    );
}

#[test]
fn the_oldest_commit_time_stays_and_none_is_no_time() {
    for (asked, kept) in [
        ([100, 50, 70], 50),
        ([50, 100, 70], 50),
        ([0, 100, 70], 70),
        ([100, 0, 0], 100),
        ([0, 0, 0], 0),
    ] {
        let mut batch = PurgeBatch::new(REDIS);
        for committed in asked {
            batch.add(WantedPurge {
                committed: WallMicros(committed),
                ..wanted("a")
            });
        }
        let (purge, _) = batch.get(0).expect("one purge");
        assert_eq!(purge.committed, WallMicros(kept), "{asked:?}");
    }
}

#[test]
fn hard_wins_over_soft_whoever_comes_first() {
    let (soft, hard) = (PurgeMode::Soft, PurgeMode::Hard);
    for (asked, kept) in [
        ([soft, soft], soft),
        ([soft, hard], hard),
        ([hard, soft], hard),
    ] {
        let mut batch = PurgeBatch::new(FASTLY);
        for mode in asked {
            batch.add(WantedPurge {
                mode,
                ..wanted("a")
            });
        }
        assert_eq!(batch.get(0).map(|(purge, _)| purge.mode), Some(kept));
    }
}

#[test]
fn the_first_family_that_asked_is_named() {
    let mut batch = PurgeBatch::new(REDIS);
    for family in [FamilyId(3), FamilyId(1)] {
        batch.add(WantedPurge {
            family,
            ..wanted("a")
        });
    }
    assert_eq!(
        batch.get(0).map(|(purge, _)| purge.family),
        Some(FamilyId(3))
    );
}

#[test]
fn a_round_merges_consecutive_changes_by_target() {
    let registry = registry(1);
    let mut round = PurgeRound::new(Arc::clone(&registry));
    assert!(round.is_empty());
    round.merge(position(1), &set_of(&registry, "books", "7"), times(200));
    round.merge(position(2), &set_of(&registry, "books", "8"), times(100));
    round.merge(position(3), &set_of(&registry, "books", "7"), times(300));
    let batches: Vec<_> = round.batches().collect();
    assert_eq!(batches.len(), 2);
    assert_eq!(
        names(batches[0]),
        ["catalog:v2:item:7", "catalog:v2:item:8"]
    );
    assert_eq!(names(batches[1]), ["item-7", "category-books", "item-8"]);
    let shared = batches[1].get(1).map(|(purge, _)| purge.committed);
    assert_eq!(shared, Some(WallMicros(100)));
    assert_eq!((round.purges(), round.merged()), (5, 4));
    assert_eq!(round.positions(), [position(1), position(2), position(3)]);
    let expected = RoundChange {
        family: FAMILY,
        committed: WallMicros(200),
        appended: WallMicros(201),
    };
    assert_eq!(round.changes().len(), 3);
    assert_eq!(round.changes()[0], expected);
}

/// An unchanged or ignored change has a position to settle and no freshness to measure.
#[test]
fn p1_a_change_that_purges_nothing_still_settles_with_its_round() {
    let registry = registry(1);
    let mut round = PurgeRound::new(Arc::clone(&registry));
    let same = [text("7"), text("books")];
    let mut set = PurgeSet::default();
    resolve(
        &registry,
        &change(Op::Update, Some(&same), Some(&same)),
        &mut set,
    );
    round.merge(position(1), &set, times(1));
    assert_eq!((round.purges(), round.changes().len()), (0, 0));
    assert_eq!(round.positions(), [position(1)]);
    assert!(!round.is_empty());
    assert_eq!(round.batches().count(), 0);
}

#[test]
fn a_purge_without_a_position_is_not_nothing() {
    let mut round = PurgeRound::new(registry(1));
    round.add(FASTLY, wanted("a"));
    assert!(!round.is_empty());
    round.add_position(position(4));
    assert_eq!(round.positions(), [position(4)]);
}

#[test]
fn a_round_reused_under_another_revision_keeps_nothing_of_the_first() {
    let (old, new) = (registry(1), registry(2));
    let mut round = PurgeRound::new(Arc::clone(&old));
    round.merge(position(1), &set_of(&old, "books", "7"), times(1));
    for registry in [&old, &new] {
        round.reset(registry);
        assert!(round.is_empty());
        assert_eq!(round.registry.revision, registry.revision);
        assert_eq!(
            (round.purges(), round.merged(), round.changes().len()),
            (0, 0, 0)
        );
        round.merge(position(2), &set_of(registry, "toys", "9"), times(2));
        let batches: Vec<_> = round.batches().map(names).collect();
        let expected = [vec!["catalog:v2:item:9"], vec!["item-9", "category-toys"]];
        assert_eq!(batches, expected);
    }
}

#[derive(Debug, Clone)]
struct Asked {
    target: u32,
    scope: Scope,
    hard: bool,
    committed: u64,
    name: String,
}

fn asked() -> impl Strategy<Value = Asked> {
    let scope = prop::sample::select(vec![Scope::Keys, Scope::Tag, Scope::Family]);
    (0..3_u32, scope, any::<bool>(), 0..5_u64, "[ab]{0,3}").prop_map(
        |(target, scope, hard, committed, name)| Asked {
            target,
            scope,
            hard,
            committed,
            name,
        },
    )
}

proptest! {
    /// Against a map: every (target, scope, name) once, oldest time, hardest mode, first asking order; the
    /// same again after a reset.
    #[test]
    fn p3_any_sequence_of_purges_merges_to_the_same_map(
        asked in prop::collection::vec(asked(), 0..200),
    ) {
        let mut expected: BTreeMap<_, (usize, bool, u64)> = BTreeMap::new();
        for (at, one) in asked.iter().enumerate() {
            let entry = expected
                .entry((one.target, one.scope, one.name.clone()))
                .or_insert((at, false, u64::MAX));
            entry.1 |= one.hard;
            if one.committed > 0 {
                entry.2 = entry.2.min(one.committed);
            }
        }
        let registry = registry(1);
        let mut round = PurgeRound::new(Arc::clone(&registry));
        for _ in 0..2 {
            round.reset(&registry);
            for one in &asked {
                round.add(TargetId(one.target), WantedPurge {
                    family: FAMILY,
                    scope: one.scope,
                    mode: if one.hard { PurgeMode::Hard } else { PurgeMode::Soft },
                    committed: WallMicros(one.committed),
                    name: one.name.as_bytes(),
                    cause: None,
                });
            }
            prop_assert_eq!(round.purges(), expected.len());
            prop_assert_eq!(round.merged(), asked.len() - expected.len());
            for batch in round.batches() {
                let mut last = None;
                for (purge, name) in batch.iter() {
                    let name = String::from_utf8_lossy(name).into_owned();
                    let (at, hard, oldest) = expected[&(batch.target().0, purge.scope, name)];
                    prop_assert_eq!(purge.mode == PurgeMode::Hard, hard);
                    prop_assert_eq!(purge.committed.0, if oldest == u64::MAX { 0 } else { oldest });
                    prop_assert!(last < Some(at), "in the order of first asking");
                    last = Some(at);
                }
            }
        }
    }
}
