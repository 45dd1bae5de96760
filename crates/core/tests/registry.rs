//! What a snapshot is asked for is found by its name, its id or its topic, and by nothing else.

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use freshet_core::registry::{FamilyId, LetterPolicy, Place, Registry, Scope, TargetId};
use freshet_core::setting::Setting;
use freshet_core::table::{ColumnKind, TableId, TableShape};
use support::{FASTLY, Names, REDIS, RegistryBuilder, VARNISH, family, item_family};

/// Two families, of which only the second is bound, to the second of two tables.
fn registry() -> Registry {
    let mut builder = RegistryBuilder::default();
    builder.table("shop.public.visits", &["id"]);
    let items = builder.table("shop.public.items", &["id"]);
    builder.family(family("catalog.unbound"));
    let bound = builder.family(item_family());
    let names = Names {
        keys: &["catalog:v2:item:{id}"],
        ..Names::default()
    };
    builder.bind(items, bound, names);
    builder.build(1)
}

#[test]
fn families_and_targets_are_found_by_name_and_by_id() {
    let registry = registry();
    assert_eq!(registry.family_named("catalog.unbound"), Some(FamilyId(0)));
    assert_eq!(registry.family_named("catalog.item"), Some(FamilyId(1)));
    assert_eq!(registry.family_named("catalog"), None);
    let name = |id| registry.family(FamilyId(id)).map(|family| &*family.name);
    assert_eq!((name(1), name(2)), (Some("catalog.item"), None));
    for (name, id) in [("main", REDIS), ("fastly-eu", FASTLY), ("varnish", VARNISH)] {
        assert_eq!(registry.target_named(name), Some(id));
        assert_eq!(registry.target(id).map(|target| &*target.name), Some(name));
    }
    assert_eq!(registry.target_named("nowhere"), None);
    assert!(registry.target(TargetId(3)).is_none());
}

#[test]
fn only_topics_of_tables_that_a_family_owns_are_read() {
    let registry = registry();
    assert_eq!(registry.topics().collect::<Vec<_>>(), ["shop.public.items"]);
    let id = |topic| registry.table_of_topic(topic).map(|table| table.shape.id);
    assert_eq!(
        id("shop.public.visits"),
        Some(TableId(0)),
        "but they are known"
    );
    assert_eq!(id("shop.public.items"), Some(TableId(1)));
    assert_eq!(id("shop.public.orders"), None);
    assert!(registry.optional().is_empty());
    let optional = BTreeSet::from([Arc::from("shop.public.items")]);
    assert_eq!(
        *registry.with_optional(optional.clone()).optional(),
        optional
    );
}

#[test]
fn a_table_declares_what_its_source_file_lists() {
    let registry = registry();
    let table = registry.table(TableId(0)).expect("the first table");
    let shape = TableShape {
        declared: Arc::from([Arc::from("id"), Arc::from("Price")]),
        ..table.shape.clone()
    };
    assert!(shape.declares("id") && shape.declares("Price"));
    assert!(!shape.declares("price") && !shape.declares(""));
}

#[test]
fn a_moment_shows_its_zone_where_the_column_has_one() {
    for (kind, wanted) in [
        (ColumnKind::TIMESTAMP, false),
        (ColumnKind::TIMESTAMPTZ, true),
    ] {
        match kind {
            ColumnKind::Timestamp(moment) | ColumnKind::TimestampTz(moment) => {
                assert_eq!(moment.shows_zone, wanted, "{kind:?}");
            }
            other => panic!("{other:?} is no moment"),
        }
    }
}

#[test]
fn a_template_without_a_value_is_purged_by_name() {
    let shapes: [Box<[u8]>; 2] = [
        b"catalog:v2:index"[..].into(),
        b"catalog:v2:item:*"[..].into(),
    ];
    let place = Place::of_keys(REDIS, shapes);
    let scope: Vec<_> = place.everything().collect();
    let wanted: [(Scope, &[u8]); 2] = [
        (Scope::Keys, b"catalog:v2:index"),
        (Scope::Family, b"catalog:v2:item:*"),
    ];
    assert_eq!(scope, wanted);
}

#[test]
fn every_letter_policy_has_its_own_name() {
    let names = LetterPolicy::WORDS;
    assert_eq!(names, ["none", "keys-only", "redacted", "full"]);
    for &policy in LetterPolicy::ALL {
        assert_eq!(LetterPolicy::named(policy.word()), Some(policy));
    }
    assert_eq!(LetterPolicy::named("Full"), None);
    assert!(LetterPolicy::ALL.is_sorted(), "from strict to lax");
}
