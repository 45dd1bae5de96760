//! Shapes against models: what a name and a shape have in common is found byte by byte there.

use std::time::{Duration, Instant};

use freshet_core::codec::{self, is_tag_of, push_tag_value, shorten_tag};
use freshet_core::shape::{NameShape, VALUE, boundaries, is_open, parts, shared_name};
use proptest::prelude::*;

/// All ways at once: which bytes of the shape a beginning of the name can have used up.
fn matches_model(shape: &[u8], name: &[u8]) -> bool {
    let skip = |at: &mut Vec<bool>| {
        for (place, byte) in shape.iter().enumerate() {
            if at[place] && *byte == VALUE {
                at[place + 1] = true;
            }
        }
    };
    let mut at = vec![false; shape.len() + 1];
    at[0] = true;
    skip(&mut at);
    for &byte in name {
        let mut next = vec![false; shape.len() + 1];
        for (place, &wanted) in shape.iter().enumerate() {
            if at[place] && wanted == VALUE && codec::is_redis_value_byte(byte) {
                next[place] = true;
            }
            if at[place] && wanted == byte {
                next[place + 1] = true;
            }
        }
        skip(&mut next);
        at = next;
    }
    at[shape.len()]
}

/// Whether some name fits both: pairs of places that one name can lead to.
fn meets_model(one: &[u8], other: &[u8]) -> bool {
    let mut reached = vec![vec![false; other.len() + 1]; one.len() + 1];
    let mut open = vec![(0, 0)];
    while let Some((a, b)) = open.pop() {
        if std::mem::replace(&mut reached[a][b], true) {
            continue;
        }
        let (x, y) = (one.get(a).copied(), other.get(b).copied());
        if x == Some(VALUE) {
            open.push((a + 1, b));
            if y.is_some_and(|y| y != VALUE && codec::is_redis_value_byte(y)) {
                open.push((a, b + 1));
            }
        }
        if y == Some(VALUE) {
            open.push((a, b + 1));
            if x.is_some_and(|x| x != VALUE && codec::is_redis_value_byte(x)) {
                open.push((a + 1, b));
            }
        }
        if x.is_some() && x == y && x != Some(VALUE) {
            open.push((a + 1, b + 1));
        }
    }
    reached[one.len()][other.len()]
}

fn any_shape() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(b"ab:*{".to_vec()), 0..9)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn p13_a_shape_matches_what_the_model_matches(
        shape in any_shape(),
        name in prop::collection::vec(prop::sample::select(b"ab:{%".to_vec()), 0..12),
    ) {
        prop_assert_eq!(NameShape::new(&shape).matches(&name), matches_model(&shape, &name));
    }

    #[test]
    fn p13_a_shape_matches_every_name_that_its_template_renders(
        literals in prop::collection::vec("[a-z:{}-]{0,4}", 2..5),
        values in prop::collection::vec(any::<String>(), 4),
    ) {
        let mut name = literals[0].clone().into_bytes();
        for (literal, value) in literals[1..].iter().zip(&values) {
            codec::push_redis_value(&mut name, value);
            name.extend_from_slice(literal.as_bytes());
        }
        let shape = literals.join("*");
        prop_assert!(NameShape::new(shape.as_bytes()).matches(&name), "{shape} {name:?}");
    }

    /// Two shapes share a name when the model says so, and the name that is given is one of both.
    #[test]
    fn p13_shapes_share_a_name_when_the_model_finds_one(one in any_shape(), other in any_shape()) {
        let shared = shared_name(&one, &other);
        prop_assert_eq!(shared.is_some(), meets_model(&one, &other));
        if let Some(name) = shared {
            for shape in [&one, &other] {
                prop_assert!(matches_model(shape, &name), "{name:?} is none of {shape:?}");
            }
        }
    }

    #[test]
    fn p13_a_tag_is_of_the_template_that_renders_it(
        literals in prop::collection::vec("[a-z.-]{0,6}", 1..4),
        values in prop::collection::vec("[a-zA-Z_ é]{0,12}", 3),
    ) {
        let mut tag = literals[0].clone().into_bytes();
        for (literal, value) in literals[1..].iter().zip(&values) {
            push_tag_value(&mut tag, value);
            tag.extend_from_slice(literal.as_bytes());
        }
        shorten_tag(&mut tag, 0);
        let parts: Vec<&[u8]> = literals.iter().map(|it| it.as_bytes()).collect();
        prop_assert!(is_tag_of(&tag, &parts), "{tag:?} {literals:?}");
    }
}

#[test]
fn a_shape_says_what_its_names_begin_and_end_with() {
    for (shape, prefix, suffix) in [
        ("catalog:v1:item:*:reviews", "catalog:v1:item:", ":reviews"),
        ("a*b*c", "a", "c"),
        ("*", "", ""),
        ("catalog:v1:index", "catalog:v1:index", ""),
    ] {
        let ready = NameShape::new(shape.as_bytes());
        assert_eq!(ready.prefix(), prefix.as_bytes(), "{shape}");
        assert_eq!(ready.suffix(), suffix.as_bytes(), "{shape}");
        assert_eq!(is_open(shape.as_bytes()), shape.contains('*'), "{shape}");
    }
}

#[test]
fn boundaries_are_the_bytes_that_no_value_holds() {
    let shape = b"shop:v1.0:{*}:a-b_c%~:*";
    assert_eq!(boundaries(shape).collect::<Vec<_>>(), b"::{}::");
    let between: Vec<&[u8]> = parts(shape).collect();
    let wanted: [&[u8]; 7] = [b"shop", b"v1.0", b"", b"*", b"", b"a-b_c%~", b"*"];
    assert_eq!(between, wanted);
    assert_eq!(boundaries(b"a*b").count(), 0);
}

#[test]
fn a_value_ends_where_its_part_ends() {
    for (shape, name, wanted) in [
        ("catalog:v1:item:*", "catalog:v1:item:7", true),
        ("catalog:v1:item:*", "catalog:v1:item:7:reviews", false),
        ("catalog:v1:item:*", "catalog:v1:item:", true),
        (
            "catalog:v1:item:*:reviews",
            "catalog:v1:item:7:reviews",
            true,
        ),
        ("catalog:v1:item:*:reviews", "catalog:v1:item:7", false),
        (
            "catalog:v1:item:*:reviews",
            "catalog:v1:item:reviews",
            false,
        ),
        ("catalog:v1:index", "catalog:v1:index", true),
        ("catalog:v1:index", "catalog:v1:index:2", false),
        ("a:*-x-*", "a:1-x-2", true),
        ("a:*-x-*", "a:-x-x-", true),
        ("a:*-x-*", "a:1-x", false),
        ("a:{*}:*", "a:{7}:%20~", true),
        ("a:*b", "a:b", true),
        ("ab*ba", "aba", false),
    ] {
        let shape_of = NameShape::new(shape.as_bytes());
        assert_eq!(shape_of.matches(name.as_bytes()), wanted, "{shape} {name}");
    }
}

#[test]
fn a_tag_is_of_a_template_only_where_values_can_give_it() {
    let is_of = |tag: &str, literals: &[&str]| {
        let literals: Vec<&[u8]> = literals.iter().map(|it| it.as_bytes()).collect();
        is_tag_of(tag.as_bytes(), &literals)
    };
    assert!(is_of("item-list", &["item-", ""]));
    assert!(!is_of("item_list", &["item", ""]), "no value renders `_li`");
    assert!(is_of("item_6cist", &["item", ""]));
    assert!(!is_of("item-list", &["items-", ""]));
    assert!(is_of("catalog.item", &["", ""]));
    assert!(!is_of("item_6", &["item", ""]), "an escape has two digits");
    assert!(!is_of("item_6Cist", &["item", ""]), "of lower case");
    assert!(is_of("item1_2b-end", &["item", "-end"]));
    assert!(is_of("_2a_2b", &["", ""]));
    assert!(is_of("ab", &["a", "b"]), "a value may be empty");
    assert!(is_of("a-b-c", &["a", "b", "c"]));
    assert!(!is_of("a-c", &["a", "b", "c"]));
    assert!(is_of("item", &["item"]));
    assert!(!is_of("items", &["item"]), "no value follows");
    assert!(!is_of("item", &[]));
    // A long value is shortened: the hash says nothing of it, so it may be any.
    assert!(is_of(
        "a-long-name.0123456789abcdef0123",
        &["a-long-", "-end"]
    ));
    assert!(!is_of(
        "a-long-name.0123456789abcdef0123",
        &["b-long-", "-end"]
    ));
}

#[test]
fn only_a_tag_that_was_too_long_is_shortened() {
    let is_of = |tag: &str, literals: &[&str]| {
        let literals: Vec<&[u8]> = literals.iter().map(|it| it.as_bytes()).collect();
        is_tag_of(tag.as_bytes(), &literals)
    };
    let short = "a-long-name.0123456789abcdef0123";
    // A template without a value is shortened when it is too long itself.
    for (bytes, wanted) in [(11, false), (32, false), (33, true), (40, true)] {
        let literal = format!("a-long-name{}", "x".repeat(bytes - 11));
        assert_eq!(is_of(short, &[&literal]), wanted, "{bytes}");
    }
    // Eleven bytes of head, whether the first literal ends before or after them.
    assert!(is_of(short, &["a-long-name-and-more", "-end"]));
    assert!(!is_of(short, &["a-long-nome-and-more", "-end"]));
    // Then a dot and twenty digits.
    for other in [
        "a-long-name.0123456789abcdef012",
        "a-long-name.0123456789abcdef01234",
        "a-long-name-0123456789abcdef0123",
        "a-long-name.0123456789abcdefg123",
        "a-long-name.0123456789ABCDEF0123",
        "a-long-name",
        "a-long-",
    ] {
        assert!(!is_of(other, &["a-long-", "-end"]), "{other}");
    }
}

/// Shapes and names come from files and from anybody's cache: work stays in proportion to a name's length.
#[test]
fn p13_matching_takes_linear_time_whatever_the_shape() {
    let shape = format!("{}b", "a*".repeat(2_000));
    let name = "a".repeat(200_000);
    let shape = NameShape::new(shape.as_bytes());
    let began = Instant::now();
    assert!(!shape.matches(name.as_bytes()));
    let with_end = format!("{name}b");
    assert!(shape.matches(with_end.as_bytes()));
    // Some milliseconds; by trial and error it takes longer than the universe is old.
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
}
