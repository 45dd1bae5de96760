use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{Key, Overlaps, overlaps, shape};

/// Far above what near-linear work takes on a busy machine without optimization, and far below what comparing each
/// key with each other takes there.
const BOUND: Duration = Duration::from_secs(5);

fn keys<'a>(shapes: &[(usize, &'a str, String)]) -> Vec<Key<'a>> {
    let key = |(family, target, shape): &(usize, &'a str, String)| Key {
        family: *family,
        target,
        shape: shape.clone().into_bytes(),
    };
    shapes.iter().map(key).collect()
}

/// Each key with each other: what the search must come to.
fn model(keys: &[Key<'_>]) -> BTreeSet<(usize, usize)> {
    let mut met = BTreeSet::new();
    for later in 0..keys.len() {
        for earlier in 0..later {
            let (one, other) = (&keys[later], &keys[earlier]);
            if one.family != other.family
                && one.target == other.target
                && shape::shared_name(&one.shape, &other.shape).is_some()
            {
                met.insert((later, earlier));
            }
        }
    }
    met
}

fn any_keys() -> impl Strategy<Value = Vec<(usize, &'static str, String)>> {
    let part = prop::sample::select(vec![
        "a", "ab", "b", "*", "a*", "*a", "a*b", "*b*", "ba*", "",
    ]);
    let shape = prop::collection::vec(part, 1..4).prop_map(|parts| parts.join(":"));
    let target = prop::sample::select(vec!["main", "other"]);
    prop::collection::vec((0..5_usize, target, shape), 0..24)
}

proptest! {
    /// Something is found when, and only when, comparing all with all finds something, and nothing else is.
    #[test]
    fn p13_the_search_finds_what_comparing_all_with_all_finds(shapes in any_keys()) {
        let keys = keys(&shapes);
        let Overlaps { pairs, too_alike } = overlaps(&keys, usize::MAX);
        let all = model(&keys);
        prop_assert_eq!(too_alike, None);
        for pair in &pairs {
            prop_assert!(all.contains(&(*pair.0, *pair.1)), "{pair:?} do not meet");
        }
        prop_assert_eq!(pairs.is_empty(), all.is_empty());
    }
}

fn within_bound(what: &str, shapes: &[(usize, &str, String)]) -> Overlaps {
    let keys = keys(shapes);
    let began = Instant::now();
    let found = overlaps(&keys, 100);
    let took = began.elapsed();
    assert!(took < BOUND, "{what}: {took:?}");
    assert_eq!(found.too_alike, None, "{what}");
    found
}

#[test]
fn p14_ten_thousand_families_are_compared_in_bounded_time() {
    let shapes = |shape: fn(usize) -> String| -> Vec<(usize, &str, String)> {
        (0..10_000).map(|at| (at, "main", shape(at))).collect()
    };
    for (what, shapes) in [
        (
            "another noun each",
            shapes(|at| format!("catalog:v1:noun{at:05}:*")),
        ),
        (
            "another domain each",
            shapes(|at| format!("domain{at:05}:v1:item:*")),
        ),
        (
            "another end each",
            shapes(|at| format!("catalog:v1:item:*:end{at:05}")),
        ),
        (
            "another middle each",
            shapes(|at| format!("catalog:v1:item:*:part{at:05}:*")),
        ),
        (
            "a hyphen in place of a colon",
            shapes(|at| format!("catalog:v1:noun{at:05}-*")),
        ),
        (
            "each inside the one before",
            shapes(|at| format!("catalog:v1:item:{}*:{at}", "x".repeat(at % 100))),
        ),
        ("no value", shapes(|at| format!("catalog:v1:page{at:05}"))),
    ] {
        let found = within_bound(what, &shapes);
        assert_eq!(found.pairs.len(), 0, "{what}");
    }
}

/// Each of many keys can begin like the first one and like no other; by every other literal all are alike.
#[test]
fn p14_a_key_whose_beginning_others_go_on_with_is_compared_with_each_once() {
    let mut shapes = vec![(0, "main", "x*:one:*".to_owned())];
    shapes.extend((1..1_000).map(|at| (at, "main", format!("x{at:04}*:other:*"))));
    assert_eq!(within_bound("one beginning", &shapes).pairs.len(), 0);
}

/// Fifty keys with one beginning are 1 225 pairs. Where all are alike there are many more, and counting stops there at
/// the same number.
#[test]
fn p14_the_literal_that_leaves_the_fewest_pairs_is_followed() {
    let alike = (0..50).map(|at| (at, "main", format!("c*:k{at:02}:*")));
    let apart = (50..1_000).map(|at| (at, "main", format!("u{at:04}*:k:*")));
    let shapes: Vec<_> = alike.chain(apart).collect();
    assert_eq!(within_bound("fewest pairs", &shapes).pairs.len(), 0);
}

#[test]
fn p14_fifteen_hundred_families_with_one_key_are_reported_up_to_the_limit_in_bounded_time() {
    let same: Vec<(usize, &str, String)> = (0..1_500)
        .map(|at| (at, "main", "catalog:v1:item:*".to_owned()))
        .collect();
    assert_eq!(within_bound("the same key", &same).pairs.len(), 100);
}

/// Nothing tells these apart but a comparison of each with each. That is given up, with the key where it stopped.
#[test]
fn p14_keys_that_are_too_much_alike_are_given_up_in_bounded_time() {
    let mut seed = 1_u64;
    let mut roll = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        match seed >> 62 {
            0 => "a",
            1 => "b",
            _ => "*",
        }
    };
    let shapes: Vec<(usize, &str, String)> = (0..4_000)
        .map(|at| {
            let parts: Vec<&str> = (0..200).map(|_| roll()).collect();
            (at, "main", format!("catalog:v1:x:{}", parts.join(":")))
        })
        .collect();
    let keys = keys(&shapes);
    let began = Instant::now();
    let found = overlaps(&keys, 100);
    assert!(began.elapsed() < 6 * BOUND, "{:?}", began.elapsed());
    assert!(found.too_alike.is_some(), "{:?}", found.pairs);
}
