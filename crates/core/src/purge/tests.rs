use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn place(target: u32, mode: PurgeMode) -> PurgePlace {
    PurgePlace {
        target: TargetId(target),
        family: FamilyId(0),
        mode,
    }
}

/// What was done to a set: a name was added at a target, or the newest purges were dropped.
#[derive(Debug, Clone)]
enum Step {
    Add(u32, Scope, u8),
    Rewind(usize),
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    let scope = prop_oneof![Just(Scope::Keys), Just(Scope::Tag)];
    prop_oneof![
        30 => (0..2_u32, scope, 0..40_u8).prop_map(|(target, scope, name)| Step::Add(target, scope, name)),
        2 => (0..60_usize).prop_map(Step::Rewind),
        1 => Just(Step::Clear),
    ]
}

proptest! {
    #[test]
    fn a_set_holds_each_name_once_in_the_order_of_its_first_add(
        steps in proptest::collection::vec(step(), 0..200)
    ) {
        let mut set = PurgeSet::default();
        let mut plain: Vec<(u32, Scope, Vec<u8>)> = Vec::new();
        for step in steps {
            match step {
                Step::Add(target, scope, name) => {
                    set.add(place(target, PurgeMode::Soft), scope, &[name]);
                    let entry = (target, scope, vec![name]);
                    if !plain.contains(&entry) {
                        plain.push(entry);
                    }
                }
                Step::Rewind(purges) => {
                    set.rewind(purges);
                    plain.truncate(purges);
                }
                Step::Clear => {
                    set.clear();
                    plain.clear();
                }
            }
            let held: Vec<_> = set
                .iter()
                .map(|(purge, name)| (purge.target.0, purge.scope, name.to_vec()))
                .collect();
            prop_assert_eq!(&held, &plain);
            prop_assert_eq!(set.is_empty(), plain.is_empty());
        }
    }
}

#[test]
fn a_hard_purge_of_a_name_wins_in_a_large_set_too() {
    let mut set = PurgeSet::default();
    for name in 0..100_u8 {
        set.add(place(0, PurgeMode::Soft), Scope::Tag, &[name]);
    }
    set.add(place(0, PurgeMode::Hard), Scope::Tag, &[77]);
    let hard: Vec<_> = set
        .iter()
        .filter(|(it, _)| it.mode == PurgeMode::Hard)
        .collect();
    assert_eq!((set.len(), hard.len()), (100, 1));
    assert_eq!(hard[0].1, [77]);
}

/// 200 000 names, each added twice: compared one by one that is 4 * 10^10 comparisons, which take minutes. The bound is
/// 20 s, for a busy machine and a build without optimisation.
#[test]
fn p14_merging_names_takes_time_with_their_number() {
    let begun = Instant::now();
    let mut set = PurgeSet::default();
    let mut batch = PurgeBatch::new(TargetId(0));
    for round in 0..2 {
        for name in 0..200_000_u32 {
            let name = name.to_be_bytes();
            set.add(place(0, PurgeMode::Hard), Scope::Keys, &name);
            let is_new = batch.add(WantedPurge {
                family: FamilyId(0),
                scope: Scope::Keys,
                mode: PurgeMode::Hard,
                committed: WallMicros(0),
                name: &name,
                cause: None,
            });
            assert_eq!(is_new, round == 0);
        }
    }
    assert_eq!((set.len(), batch.len()), (200_000, 200_000));
    assert_eq!(batch.name_bytes(), 4 * 200_000);
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
}

fn purge(family: u32, name: &[u8]) -> WantedPurge<'_> {
    WantedPurge {
        family: FamilyId(family),
        scope: Scope::Keys,
        mode: PurgeMode::Hard,
        committed: WallMicros(u64::from(family)),
        name,
        cause: None,
    }
}

fn batch(purges: &[(u32, &'static [u8])]) -> PurgeBatch {
    let mut batch = PurgeBatch::new(TargetId(3));
    for (family, name) in purges {
        batch.add(purge(*family, name));
    }
    batch
}

fn names(batch: &PurgeBatch) -> Vec<&[u8]> {
    batch.iter().map(|(_, name)| name).collect()
}

#[test]
fn a_batch_is_cut_and_joined() {
    let whole = batch(&[(1, b"a"), (1, b"b"), (2, b"c"), (2, b"d"), (2, b"e")]);
    let parts: Vec<PurgeBatch> = whole.slices(2).collect();
    let held: Vec<_> = parts.iter().map(names).collect();
    assert_eq!(
        held,
        [&[&b"a"[..], b"b"][..], &[&b"c"[..], b"d"], &[&b"e"[..]]]
    );
    assert!(parts.iter().all(|part| part.target() == TargetId(3)));
    let rest = whole.without(&parts[1]);
    assert_eq!(names(&rest), [b"a", b"b", b"e"]);
    assert!(!rest.contains(Scope::Keys, b"c") && rest.contains(Scope::Keys, b"e"));
    assert!(!rest.contains(Scope::Tag, b"e"), "another scope");
    let mut joined = rest.clone();
    joined.extend(&whole);
    assert_eq!(names(&joined), [b"a", b"b", b"e", b"c", b"d"]);
}

#[test]
fn what_is_purged_again_counts_only_for_families_that_had_waited() {
    let again = batch(&[(1, b"a"), (2, b"b")]).again_behind(&[FamilyId(2)].into());
    let committed: Vec<WallMicros> = again.wanted().map(|purge| purge.committed).collect();
    assert_eq!(committed, [WallMicros(0), WallMicros(2)]);
    assert_eq!(names(&again), [b"a", b"b"]);
}
