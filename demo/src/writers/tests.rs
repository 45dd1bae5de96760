use std::collections::HashMap;

use rand::SeedableRng;

use super::*;
use freshet_shop::{Row, RowChange};

fn kind(change: &RowChange) -> &'static str {
    match (&change.before, &change.after) {
        (None, Some(Row::Product(_))) => "create",
        (Some(Row::Product(_)), None) => "delete",
        (Some(Row::Product(old)), Some(Row::Product(new))) => {
            if old.category_id != new.category_id {
                "move"
            } else if old.name != new.name {
                "name"
            } else {
                "price"
            }
        }
        (None, Some(Row::Membership { .. })) => "join",
        (Some(Row::Membership { .. }), None) => "leave",
        (_, _) => "rename",
    }
}

#[test]
fn traffic_has_every_kind_of_change_and_keeps_the_shop_in_stock() {
    let mut tables = Tables::stocked(20, 10, 0);
    let assortment = Assortment {
        products: Popularity::of(200),
        categories: Popularity::of(20),
    };
    let mut random = SmallRng::seed_from_u64(1);
    let (mut kinds, mut rows_at_once): (HashMap<&str, usize>, usize) = (HashMap::new(), 0);
    for _ in 0..20_000 {
        let steps = assortment.plan(&tables, &mut random);
        let commit = tables.apply(&steps);
        rows_at_once = rows_at_once.max(commit.changes.len());
        for change in &commit.changes {
            *kinds.entry(kind(change)).or_default() += 1;
        }
    }
    for wanted in [
        "create", "delete", "move", "name", "price", "join", "leave", "rename",
    ] {
        assert!(
            kinds.get(wanted).is_some_and(|&count| count > 50),
            "{wanted}: {kinds:?}"
        );
    }
    assert!(rows_at_once > 3, "transactions of several rows");
    let in_stock = tables.pages().len() - 20;
    let gone = (1..=200).filter(|&id| tables.product(id).is_none()).count();
    assert!(
        gone < 60 && in_stock == 200,
        "{gone} of {in_stock} are gone"
    );
}

#[test]
fn the_first_ones_are_picked_more_often_and_none_never() {
    let popularity = Popularity::of(100);
    let mut random = SmallRng::seed_from_u64(1);
    let mut picks = [0_u32; 101];
    for _ in 0..100_000 {
        picks[usize::try_from(popularity.pick(&mut random)).expect("from 1")] += 1;
    }
    assert_eq!(picks[0], 0);
    assert!(picks[1..].iter().all(|&count| count > 0), "{picks:?}");
    assert!(picks[1] > 10 * picks[100], "{picks:?}");
}
