//! What a change purges: by example, and against a model that looks every rule up again.

mod support;

use std::collections::BTreeSet;

use freshet_core::change::{Change, Op};
use freshet_core::codec;
use freshet_core::purge::{FamilyVerdict, PurgeSet};
use freshet_core::registry::{
    Family, FamilyId, OnSnapshot, OnTruncate, PurgeMode, Registry, Scope,
};
use freshet_core::resolve::{resolve, resolve_fallback, resolve_family, resolve_read};
use freshet_core::table::{ColumnSlot, TableId};
use proptest::prelude::*;
use support::{
    Cell, FASTLY, Names, Purged, REDIS, RegistryBuilder, VARNISH, change, family, item_family, key,
    keyed, listed, purged, tag, tagged, text, wide,
};

const TOPIC: &str = "shop.public.items";
const COLUMNS: [&str; 3] = ["id", "category", "name"];
const NAMES: Names<'static> = Names {
    keys: &["catalog:v2:item:{id}"],
    tags: &["item-{id}", "category-{category}"],
    when_changed: &[],
};

/// A registry with one family on one table with the columns id, category and name.
fn one(family: Family, names: Names<'_>) -> Registry {
    let mut builder = RegistryBuilder::default();
    let table = builder.table(TOPIC, &COLUMNS);
    let family = builder.family(family);
    builder.bind(table, family, names);
    builder.build(1)
}

fn items() -> Registry {
    one(item_family(), NAMES)
}

fn row(id: &str, category: &str, name: &str) -> Vec<Cell> {
    vec![text(id), text(category), text(name)]
}

fn created(after: &[Cell]) -> Change {
    change(Op::Create, None, Some(after))
}

fn updated(before: &[Cell], after: &[Cell]) -> Change {
    change(Op::Update, Some(before), Some(after))
}

fn verdicts(registry: &Registry, change: &Change) -> Vec<FamilyVerdict> {
    let mut set = PurgeSet::default();
    resolve(registry, change, &mut set);
    set.verdicts().iter().map(|&(_, verdict)| verdict).collect()
}

/// The whole `catalog.item`: its key prefix and its tag.
fn whole_family() -> Vec<Purged> {
    vec![
        wide(REDIS, "catalog:v2:item:*"),
        wide(FASTLY, "f-catalog.item"),
    ]
}

#[test]
fn a_created_row_enters_its_lists() {
    let change = created(&row("7", "books", "x"));
    let expected = [
        key("catalog:v2:item:7"),
        tag("item-7"),
        tag("category-books"),
    ];
    assert_eq!(purged(&items(), &change), expected);
    assert_eq!(verdicts(&items(), &change), [FamilyVerdict::Purged]);
}

#[test]
fn a_deleted_row_leaves_its_lists() {
    let change = change(Op::Delete, Some(&row("7", "books", "x")), None);
    let expected = [
        key("catalog:v2:item:7"),
        tag("item-7"),
        tag("category-books"),
    ];
    assert_eq!(purged(&items(), &change), expected);
}

#[test]
fn a_category_move_purges_the_list_it_leaves_and_the_one_it_enters() {
    let change = updated(&row("7", "books", "x"), &row("7", "toys", "x"));
    let expected = [
        key("catalog:v2:item:7"),
        tag("item-7"),
        tag("category-books"),
        tag("category-toys"),
    ];
    assert_eq!(purged(&items(), &change), expected);
}

#[test]
fn a_changed_key_purges_both_entries() {
    let change = updated(&row("7", "books", "x"), &row("8", "books", "x"));
    let keys = purged(&items(), &change);
    assert!(keys.contains(&key("catalog:v2:item:7")));
    assert!(keys.contains(&key("catalog:v2:item:8")));
}

#[test]
fn an_update_that_changes_nothing_that_matters_purges_nothing() {
    let names = Names {
        when_changed: &["category", "name"],
        ..NAMES
    };
    let registry = one(item_family(), names);
    let same = updated(&row("7", "books", "x"), &row("7", "books", "x"));
    assert_eq!(purged(&registry, &same), []);
    assert_eq!(verdicts(&registry, &same), [FamilyVerdict::Unchanged]);
    let renamed = updated(&row("7", "books", "x"), &row("7", "books", "y"));
    assert_eq!(verdicts(&registry, &renamed), [FamilyVerdict::Purged]);
    assert_eq!(
        purged(&items(), &same).len(),
        3,
        "without a filter every update matters"
    );
}

#[test]
fn a_column_that_turns_null_has_changed_and_one_that_stays_null_has_not() {
    let names = Names {
        when_changed: &["name"],
        ..NAMES
    };
    let registry = one(item_family(), names);
    let null = vec![text("7"), text("books"), Cell::Null];
    let named = row("7", "books", "");
    assert_eq!(
        verdicts(&registry, &updated(&null, &null)),
        [FamilyVerdict::Unchanged]
    );
    assert_eq!(
        verdicts(&registry, &updated(&null, &named)),
        [FamilyVerdict::Purged]
    );
    assert_eq!(
        verdicts(&registry, &updated(&named, &null)),
        [FamilyVerdict::Purged]
    );
}

#[test]
fn an_unknown_column_never_proves_that_nothing_changed() {
    let names = Names {
        when_changed: &["name"],
        ..NAMES
    };
    let registry = one(item_family(), names);
    let known = row("7", "books", "x");
    let unknown = vec![text("7"), text("books"), Cell::Unknown];
    for (before, after) in [(&known, &unknown), (&unknown, &known), (&unknown, &unknown)] {
        assert_eq!(
            verdicts(&registry, &updated(before, after)),
            [FamilyVerdict::Purged]
        );
    }
    let without_before = change(Op::Update, None, Some(&known));
    assert_eq!(
        verdicts(&registry, &without_before),
        [FamilyVerdict::Widened]
    );
}

#[test]
fn when_changed_filters_updates_only() {
    let names = Names {
        when_changed: &["name"],
        ..NAMES
    };
    let registry = one(item_family(), names);
    assert_eq!(
        purged(&registry, &created(&row("7", "books", "x"))).len(),
        3
    );
    let deleted = change(Op::Delete, Some(&row("7", "books", "x")), None);
    assert_eq!(purged(&registry, &deleted).len(), 3);
}

/// Only the side that needs the column widens: the key is exact, the tags are covered by the family tag.
#[test]
fn an_unknown_column_widens_its_side_and_leaves_the_other_exact() {
    let unknown = vec![text("7"), Cell::Unknown, text("x")];
    let expected = [key("catalog:v2:item:7"), wide(FASTLY, "f-catalog.item")];
    for change in [
        created(&unknown),
        change(Op::Delete, Some(&unknown), None),
        updated(&unknown, &row("7", "books", "x")),
        // The after-image holds a TOAST placeholder: that the before-image knows a value does not tell that
        // it is still that one. The decoder fills it in where the log says so.
        updated(&row("7", "books", "x"), &unknown),
    ] {
        assert_eq!(purged(&items(), &change), expected, "{:?}", change.op);
        assert_eq!(verdicts(&items(), &change), [FamilyVerdict::Widened]);
    }
}

#[test]
fn an_unknown_column_that_no_template_uses_widens_nothing() {
    let unknown = vec![text("7"), text("books"), Cell::Unknown];
    let change = updated(&unknown, &unknown);
    assert_eq!(verdicts(&items(), &change), [FamilyVerdict::Purged]);
}

#[test]
fn an_image_that_should_be_there_and_is_not_widens() {
    let known = row("7", "books", "x");
    for change in [
        change(Op::Update, None, Some(&known)),
        change(Op::Update, Some(&known), None),
        change(Op::Update, None, None),
        change(Op::Delete, None, None),
        change(Op::Create, None, None),
    ] {
        assert_eq!(purged(&items(), &change), whole_family(), "{:?}", change.op);
        assert_eq!(verdicts(&items(), &change), [FamilyVerdict::Widened]);
    }
}

#[test]
fn null_gives_no_name() {
    let change = created(&[text("7"), Cell::Null, text("x")]);
    assert_eq!(
        purged(&items(), &change),
        [key("catalog:v2:item:7"), tag("item-7")]
    );
    assert_eq!(verdicts(&items(), &change), [FamilyVerdict::Purged]);
    let moved = updated(&row("7", "books", "x"), &[text("7"), Cell::Null, text("x")]);
    assert!(purged(&items(), &moved).contains(&tag("category-books")));
    // An empty text is a value, NULL is none.
    let empty = created(&row("7", "", "x"));
    assert!(purged(&items(), &empty).contains(&tag("category-")));
}

#[test]
fn unknown_outweighs_null() {
    let names = Names {
        keys: &["catalog:v2:item:{category}:{name}"],
        ..Names::default()
    };
    let redis_only = Family {
        places: vec![keyed("catalog:v2:item:")],
        ..item_family()
    };
    let registry = one(redis_only, names);
    for cells in [
        [text("7"), Cell::Null, Cell::Unknown],
        [text("7"), Cell::Unknown, Cell::Null],
    ] {
        assert_eq!(
            purged(&registry, &created(&cells)),
            [wide(REDIS, "catalog:v2:item:*")]
        );
    }
}

#[test]
fn constants_are_one_name_each() {
    let names = Names {
        keys: &["catalog:v2:item:{id}:eu", "catalog:v2:item:{id}:us"],
        tags: &["all-items"],
        when_changed: &[],
    };
    let registry = one(item_family(), names);
    let change = updated(&row("7", "books", "x"), &row("7", "toys", "x"));
    let expected = [
        key("catalog:v2:item:7:eu"),
        key("catalog:v2:item:7:us"),
        tag("all-items"),
    ];
    assert_eq!(purged(&registry, &change), expected);
}

#[test]
fn a_fan_out_beyond_the_limit_takes_the_family() {
    let limited = |fan_out_max| Family {
        fan_out_max,
        ..item_family()
    };
    let change = updated(&row("7", "books", "x"), &row("7", "toys", "x"));
    // One key, three tags.
    assert_eq!(
        verdicts(&one(limited(3), NAMES), &change),
        [FamilyVerdict::Purged]
    );
    let registry = one(limited(2), NAMES);
    let expected = [key("catalog:v2:item:7"), wide(FASTLY, "f-catalog.item")];
    assert_eq!(
        purged(&registry, &change),
        expected,
        "the limit holds per target"
    );
    assert_eq!(verdicts(&registry, &change), [FamilyVerdict::Widened]);
}

#[test]
fn a_truncate_takes_the_family_or_nothing() {
    let truncate = change(Op::Truncate, None, None);
    assert_eq!(purged(&items(), &truncate), whole_family());
    assert_eq!(verdicts(&items(), &truncate), [FamilyVerdict::Widened]);
    let ignoring = Family {
        on_truncate: OnTruncate::Ignore,
        ..item_family()
    };
    let registry = one(ignoring, NAMES);
    assert_eq!(purged(&registry, &truncate), []);
    assert_eq!(verdicts(&registry, &truncate), [FamilyVerdict::Ignored]);
}

#[test]
fn a_snapshot_read_purges_by_policy() {
    let read = change(Op::Read, None, Some(&row("7", "books", "x")));
    assert_eq!(purged(&items(), &read), []);
    assert_eq!(verdicts(&items(), &read), [FamilyVerdict::Ignored]);
    let purging = Family {
        on_snapshot: OnSnapshot::Purge,
        ..item_family()
    };
    assert_eq!(purged(&one(purging, NAMES), &read).len(), 3);
}

/// The items of [`one`] with rows to verify; the column `name` holds the version of entries when `versioned`.
fn verifying(versioned: bool, fan_out_max: usize) -> Registry {
    let mut builder = RegistryBuilder::default();
    let table = builder.table(TOPIC, &COLUMNS);
    let family = builder.family(Family {
        on_snapshot: OnSnapshot::Verify,
        fan_out_max,
        ..item_family()
    });
    builder.bind(table, family, NAMES);
    if versioned {
        builder.version(table, "name");
    }
    builder.build(1)
}

fn listed_read(registry: &Registry, read: &Change) -> (Option<String>, Vec<Purged>) {
    let mut set = PurgeSet::default();
    let version = resolve_read(registry, read, FamilyId(0), &mut set);
    (version.map(str::to_owned), listed(&set))
}

#[test]
fn a_snapshot_read_to_verify_purges_nothing_and_says_what_to_look_at() {
    let registry = verifying(true, 100);
    let read = change(Op::Read, None, Some(&row("7", "books", "5")));
    assert_eq!(purged(&registry, &read), []);
    assert_eq!(verdicts(&registry, &read), [FamilyVerdict::ToVerify]);
    let names = vec![
        key("catalog:v2:item:7"),
        tag("item-7"),
        tag("category-books"),
    ];
    assert_eq!(
        listed_read(&registry, &read),
        (Some("5".to_owned()), names.clone())
    );
    // The policy is about rows that were read; a change purges as ever.
    let updated = updated(&row("7", "books", "4"), &row("7", "books", "5"));
    assert_eq!(purged(&registry, &updated), names);
}

#[test]
fn a_row_without_version_or_without_names_proves_nothing() {
    let read = change(Op::Read, None, Some(&row("7", "books", "5")));
    assert_eq!(listed_read(&verifying(false, 100), &read).0, None);
    let nameless = change(
        Op::Read,
        None,
        Some(&[text("7"), text("books"), Cell::Null]),
    );
    assert_eq!(listed_read(&verifying(true, 100), &nameless).0, None);
    // More names than a change may have: only the whole family covers them.
    assert_eq!(listed_read(&verifying(true, 0), &read).1, whole_family());
}

/// [`items`] with a second family, `catalog.list`, on the same table.
fn items_and_list(fan_out_max: usize) -> Registry {
    let mut builder = RegistryBuilder::default();
    let table = builder.table(TOPIC, &COLUMNS);
    let item = builder.family(item_family());
    let list = builder.family(Family {
        places: vec![keyed("catalog:v1:list:")],
        fan_out_max,
        ..family("catalog.list")
    });
    builder.bind(table, item, NAMES);
    let names = Names {
        keys: &["catalog:v1:list:{category}"],
        when_changed: &["category"],
        ..Names::default()
    };
    builder.bind(table, list, names);
    builder.build(1)
}

#[test]
fn one_family_is_resolved_without_the_others() {
    let registry = items_and_list(100);
    let change = created(&row("7", "books", "x"));
    let mut set = PurgeSet::default();
    // What a reused set held before must not stay.
    resolve(&registry, &change, &mut set);
    let list = FamilyId(1);
    resolve_family(&registry, &change, list, &mut set);
    assert_eq!(listed(&set), [key("catalog:v1:list:books")]);
    assert_eq!(set.verdicts(), [(list, FamilyVerdict::Purged)]);
    resolve_family(&registry, &change, FamilyId(2), &mut set);
    assert!(set.is_empty() && set.verdicts().is_empty());
}

#[test]
fn a_fan_out_counts_no_purge_of_another_family() {
    let one = created(&row("7", "books", "x"));
    let purges = purged(&items_and_list(1), &one);
    assert_eq!(purges.last(), Some(&key("catalog:v1:list:books")));
    let moved = updated(&row("7", "books", "x"), &row("7", "toys", "x"));
    let purges = purged(&items_and_list(1), &moved);
    assert_eq!(purges.last(), Some(&wide(REDIS, "catalog:v1:list:*")));
}

#[test]
fn a_doubtful_column_never_proves_that_nothing_changed() {
    let filtered = Names {
        when_changed: &["category"],
        ..NAMES
    };
    let registry = one(item_family(), filtered);
    let same = updated(&row("7", "books", "x"), &row("7", "books", "y"));
    assert_eq!(verdicts(&registry, &same), [FamilyVerdict::Unchanged]);
    let category = ColumnSlot(1);
    let (mut before, mut after) = (same.clone(), same);
    before.before.doubt(category);
    after.after.doubt(category);
    for doubtful in [before, after] {
        assert_eq!(verdicts(&registry, &doubtful), [FamilyVerdict::Purged]);
    }
}

#[test]
fn every_family_of_a_table_is_asked() {
    let registry = items_and_list(100);
    let moved = updated(&row("7", "books", "x"), &row("7", "toys", "x"));
    let keys = purged(&registry, &moved);
    assert_eq!(keys.len(), 6, "{keys:?}");
    assert_eq!(
        keys[4..],
        [key("catalog:v1:list:books"), key("catalog:v1:list:toys")]
    );
    let renamed = updated(&row("7", "books", "x"), &row("7", "books", "y"));
    let expected = [FamilyVerdict::Purged, FamilyVerdict::Unchanged];
    assert_eq!(verdicts(&registry, &renamed), expected);
    assert_eq!(purged(&registry, &renamed).len(), 3);
}

/// Two families may share a tag: it is asked for once, and hard when one of them needs that.
#[test]
fn p3_a_name_that_two_families_share_is_purged_once_and_hard() {
    for modes in [
        [PurgeMode::Soft, PurgeMode::Hard],
        [PurgeMode::Hard, PurgeMode::Soft],
    ] {
        let mut builder = RegistryBuilder::default();
        let table = builder.table(TOPIC, &COLUMNS);
        for (name, mode) in ["a", "b"].into_iter().zip(modes) {
            let family = builder.family(Family {
                places: vec![tagged(FASTLY, name, mode)],
                ..family(name)
            });
            let names = Names {
                tags: &["category-{category}"],
                ..Names::default()
            };
            builder.bind(table, family, names);
        }
        let registry = builder.build(1);
        let mut set = PurgeSet::default();
        resolve(&registry, &created(&row("7", "books", "x")), &mut set);
        assert_eq!(listed(&set), [tag("category-books")]);
        assert!(set.iter().all(|(purge, _)| purge.mode == PurgeMode::Hard));
        assert_eq!(set.verdicts().len(), 2);
    }
}

/// What one family gives up for its family scope stays purged when another family asked for it first.
#[test]
fn a_family_that_widens_takes_nothing_from_another() {
    let mut builder = RegistryBuilder::default();
    let table = builder.table(TOPIC, &COLUMNS);
    for (name, tags) in [
        ("a", &["category-{category}"][..]),
        ("b", &["category-{category}", "name-{name}"][..]),
    ] {
        let family = builder.family(Family {
            places: vec![tagged(FASTLY, name, PurgeMode::Soft)],
            ..family(name)
        });
        let names = Names {
            tags,
            ..Names::default()
        };
        builder.bind(table, family, names);
    }
    let registry = builder.build(1);
    let change = created(&[text("7"), text("books"), Cell::Unknown]);
    assert_eq!(
        purged(&registry, &change),
        [tag("category-books"), wide(FASTLY, "b")]
    );
    let expected = [FamilyVerdict::Purged, FamilyVerdict::Widened];
    assert_eq!(verdicts(&registry, &change), expected);
}

#[test]
fn every_cdn_target_gets_every_tag() {
    let both = Family {
        places: [FASTLY, VARNISH]
            .map(|target| tagged(target, "f-catalog.item", PurgeMode::Hard))
            .into(),
        ..family("catalog.item")
    };
    let registry = one(both, NAMES);
    let exact = purged(&registry, &created(&row("7", "books", "x")));
    let at = |target| exact.iter().filter(|purged| purged.0 == target).count();
    assert_eq!((at(FASTLY), at(VARNISH)), (2, 2));
    let widened = purged(&registry, &change(Op::Delete, None, None));
    let expected = [
        wide(FASTLY, "f-catalog.item"),
        wide(VARNISH, "f-catalog.item"),
    ];
    assert_eq!(widened, expected);
}

/// A place that no template names an entry of can only be purged as a whole.
#[test]
fn a_place_without_templates_takes_the_family() {
    let change = created(&row("7", "books", "x"));
    let tags_only = Names {
        tags: &["category-{category}"],
        ..Names::default()
    };
    let expected = [wide(REDIS, "catalog:v2:item:*"), tag("category-books")];
    assert_eq!(purged(&one(item_family(), tags_only), &change), expected);
    let keys_only = Names {
        keys: &["catalog:v2:item:{id}"],
        ..Names::default()
    };
    let expected = [key("catalog:v2:item:7"), wide(FASTLY, "f-catalog.item")];
    assert_eq!(purged(&one(item_family(), keys_only), &change), expected);
    let registry = one(item_family(), Names::default());
    assert_eq!(purged(&registry, &change), whole_family());
    assert_eq!(verdicts(&registry, &change), [FamilyVerdict::Widened]);
    let filtered = Names {
        when_changed: &["name"],
        ..Names::default()
    };
    let same = updated(&row("7", "books", "x"), &row("8", "toys", "x"));
    assert_eq!(purged(&one(item_family(), filtered), &same), []);
}

#[test]
fn a_table_that_no_family_owns_purges_nothing() {
    let mut builder = RegistryBuilder::default();
    builder.table(TOPIC, &COLUMNS);
    let registry = builder.build(1);
    let mut set = PurgeSet::default();
    let mut change = created(&row("7", "books", "x"));
    assert!(!resolve(&registry, &change, &mut set));
    change.table = TableId(99);
    assert!(!resolve(&registry, &change, &mut set));
    assert!(!resolve_fallback(&registry, TOPIC, &mut set));
    assert!(!resolve_fallback(&registry, "elsewhere", &mut set));
    assert!(set.is_empty() && set.verdicts().is_empty());
    assert_eq!(registry.topics().count(), 0);
}

#[test]
fn p4_the_fallback_is_the_scope_of_every_family_on_the_topic() {
    let mut set = PurgeSet::default();
    // What a reused set held before must not stay.
    resolve(&items(), &created(&row("7", "books", "x")), &mut set);
    assert!(resolve_fallback(&items(), TOPIC, &mut set));
    assert_eq!(listed(&set), whole_family());
    assert_eq!(set.verdicts().len(), 1);
}

#[test]
fn a_value_cannot_make_two_names_of_one() {
    let change = created(&row("7:region:eu *", "a b,c\n", "x"));
    let expected = [
        key("catalog:v2:item:7%3Aregion%3Aeu%20%2A"),
        tag("item-7_3aregion_3aeu_20_2a"),
        tag("category-a_20b_2cc_0a"),
    ];
    assert_eq!(purged(&items(), &change), expected);
}

// What follows compares with a model.

const KEYS: [&str; 3] = ["m:{id}", "m:{category}:{name}", "m:all"];
const TAGS: [&str; 3] = ["i-{id}", "c-{category}.{name}", "all"];

fn cell() -> impl Strategy<Value = Cell> {
    prop_oneof![
        6 => "[ab:*%]{0,2}".prop_map(Cell::Text),
        1 => Just(Cell::Null),
        1 => Just(Cell::Unknown),
    ]
}

fn cells() -> impl Strategy<Value = Option<Vec<Cell>>> {
    prop::option::weighted(0.9, prop::collection::vec(cell(), 3))
}

fn op() -> impl Strategy<Value = Op> {
    prop::sample::select(vec![
        Op::Create,
        Op::Update,
        Op::Delete,
        Op::Read,
        Op::Truncate,
    ])
}

#[derive(Debug, Clone)]
struct Case {
    op: Op,
    before: Option<Vec<Cell>>,
    after: Option<Vec<Cell>>,
    keys: Vec<&'static str>,
    tags: Vec<&'static str>,
    when_changed: Vec<&'static str>,
    fan_out_max: usize,
}

fn case() -> impl Strategy<Value = Case> {
    let some = |all: [&'static str; 3]| prop::sample::subsequence(all.to_vec(), 0..=3);
    let names = (some(KEYS), some(TAGS), some(COLUMNS));
    (op(), cells(), cells(), names, 1..5_usize).prop_map(
        |(op, before, after, (keys, tags, when_changed), fan_out_max)| Case {
            op,
            // An image that cannot be there is not there.
            before: before.filter(|_| matches!(op, Op::Update | Op::Delete)),
            after: after.filter(|_| !matches!(op, Op::Delete | Op::Truncate)),
            keys,
            tags,
            when_changed,
            fan_out_max,
        },
    )
}

/// One name: none when a column is unknown, an empty list when one is NULL.
fn named(template: &str, cells: Option<&Vec<Cell>>, is_tag: bool) -> Option<Vec<String>> {
    let mut out = Vec::new();
    let mut null = false;
    let mut rest = template;
    while let Some((literal, more)) = rest.split_once('{') {
        let (column, tail) = more.split_once('}')?;
        rest = tail;
        out.extend_from_slice(literal.as_bytes());
        let at = COLUMNS.iter().position(|&name| name == column)?;
        match cells.map(|cells| &cells[at]) {
            None | Some(Cell::Unknown) => return None,
            Some(Cell::Null) => null = true,
            Some(Cell::Text(value)) if is_tag => codec::push_tag_value(&mut out, value),
            Some(Cell::Text(value)) => codec::push_redis_value(&mut out, value),
        }
    }
    out.extend_from_slice(rest.as_bytes());
    if is_tag {
        codec::shorten_tag(&mut out, 0);
    }
    let name = String::from_utf8(out).expect("ASCII");
    Some(if null { Vec::new() } else { vec![name] })
}

/// All names of one side, or none when one cannot be told or they are too many.
fn side(case: &Case, templates: &[&str], is_tag: bool) -> Option<BTreeSet<String>> {
    let images: &[_] = match case.op {
        Op::Update => &[case.before.as_ref(), case.after.as_ref()],
        Op::Delete => &[case.before.as_ref()],
        _ => &[case.after.as_ref()],
    };
    let mut names = BTreeSet::new();
    for template in templates {
        for &image in images {
            names.extend(named(template, image, is_tag)?);
        }
    }
    (names.len() <= case.fan_out_max).then_some(names)
}

fn is_unchanged(case: &Case) -> bool {
    let known = |cells: &Option<Vec<Cell>>, name: &str| {
        let at = COLUMNS.iter().position(|&column| column == name)?;
        let cell = cells.as_ref()?[at].clone();
        (cell != Cell::Unknown).then_some(cell)
    };
    let same = |name: &&str| {
        let before = known(&case.before, name);
        before.is_some() && before == known(&case.after, name)
    };
    case.op == Op::Update && !case.when_changed.is_empty() && case.when_changed.iter().all(same)
}

fn expected(case: &Case) -> BTreeSet<Purged> {
    if is_unchanged(case) {
        return BTreeSet::new();
    }
    let all = case.op == Op::Truncate;
    let redis = side(case, &case.keys, false).filter(|_| !all && !case.keys.is_empty());
    let cdn = side(case, &case.tags, true).filter(|_| !all && !case.tags.is_empty());
    let mut expected = BTreeSet::new();
    match redis {
        Some(names) => expected.extend(names.iter().map(|name| key(name))),
        None => drop(expected.insert(wide(REDIS, "m:*"))),
    }
    for target in [FASTLY, VARNISH] {
        match &cdn {
            Some(names) => {
                expected.extend(names.iter().map(|name| (target, Scope::Tag, name.clone())));
            }
            None => drop(expected.insert(wide(target, "f-m"))),
        }
    }
    expected
}

fn model_family(fan_out_max: usize) -> Family {
    Family {
        places: vec![
            keyed("m:"),
            tagged(FASTLY, "f-m", PurgeMode::Soft),
            tagged(VARNISH, "f-m", PurgeMode::Soft),
        ],
        on_snapshot: OnSnapshot::Purge,
        fan_out_max,
        ..family("m")
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn a_change_purges_what_the_rules_say(case in case()) {
        let names = Names { keys: &case.keys, tags: &case.tags, when_changed: &case.when_changed };
        let registry = one(model_family(case.fan_out_max), names);
        let change = change(case.op, case.before.as_deref(), case.after.as_deref());
        let got = purged(&registry, &change);
        let unique: BTreeSet<Purged> = got.iter().cloned().collect();
        prop_assert_eq!(got.len(), unique.len(), "nothing twice");
        prop_assert_eq!(unique, expected(&case));
    }

    /// Redis matches names exactly, so two rows that differ in what a key names never share one.
    #[test]
    fn a_purge_for_one_row_never_matches_another(
        one_row in prop::collection::vec("[ab:*%~ ]{0,3}", 3),
        other_row in prop::collection::vec("[ab:*%~ ]{0,3}", 3),
    ) {
        prop_assume!(one_row != other_row);
        let names = Names { keys: &["m:{id}:{category}:{name}"], ..Names::default() };
        let registry = one(Family { places: vec![keyed("m:")], ..model_family(9) }, names);
        let keys = |row: &[String]| {
            let cells: Vec<Cell> = row.iter().map(|value| text(value)).collect();
            purged(&registry, &created(&cells))
        };
        let (keys_one, keys_other) = (keys(&one_row), keys(&other_row));
        prop_assert_eq!((keys_one.len(), keys_other.len()), (1, 1));
        prop_assert_ne!(&keys_one[0], &keys_other[0]);
        prop_assert!(keys_one[0].2.starts_with("m:"), "the family scope covers every key");
        prop_assert_eq!(keys_one[0].2.matches(':').count(), 3);
    }

    /// Whatever came before in the reused set and change leaves no trace.
    #[test]
    fn p3_resolving_again_gives_the_same(first in case(), second in case()) {
        let names = Names { keys: &second.keys, tags: &second.tags, when_changed: &[] };
        let registry = one(model_family(second.fan_out_max), names);
        let mut set = PurgeSet::default();
        let as_change = |case: &Case| change(case.op, case.before.as_deref(), case.after.as_deref());
        resolve(&registry, &as_change(&second), &mut set);
        let fresh = (listed(&set), set.verdicts().to_vec());
        resolve(&registry, &as_change(&first), &mut set);
        resolve(&registry, &as_change(&second), &mut set);
        prop_assert_eq!((listed(&set), set.verdicts().to_vec()), fresh);
    }
}
