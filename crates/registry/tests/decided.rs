//! What is decided of a registry prints as a registry that means the same.

mod pages;
mod small;

use std::path::PathBuf;

use freshet_core::registry::Registry;
use freshet_registry::{Loaded, load_files};
use pages::{check, sample};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The files that the decided ones are printed as.
fn printed(loaded: &Loaded) -> Vec<(PathBuf, String)> {
    loaded.decided.files().expect("every value has a form")
}

/// A registry that is read again from what it is printed as means the same.
fn reads_back(loaded: &Loaded) -> Loaded {
    let text = printed(loaded);
    let again =
        load_files(text.clone()).unwrap_or_else(|found| panic!("{}\n{text:?}", found.render()));
    assert_eq!(again.decided, loaded.decided, "{text:?}");
    assert_eq!(printed(&again), text, "every default was written out");
    again
}

/// What was compiled, without the hash of the files.
fn compiled(registry: &Registry) -> String {
    let Registry {
        families,
        tables,
        targets,
        ..
    } = registry;
    format!(
        "{families:?} {tables:?} {targets:?} {:?}",
        registry.optional()
    )
}

#[test]
fn the_sample_of_the_page_reads_back_and_compiles_to_the_same() {
    let loaded = check(&sample()).unwrap_or_else(|found| panic!("{}", found.render()));
    let again = reads_back(&loaded);
    assert_eq!(compiled(&again.registry), compiled(&loaded.registry));
    assert_eq!(again.examples.run, loaded.examples.run);
}

#[test]
fn every_default_is_written_out() {
    let files = [
        ("sources/shop.yaml", small::SOURCE),
        ("families/note.yaml", small::NOTE),
    ];
    let loaded = small::check(&files).unwrap_or_else(|found| panic!("{}", found.render()));
    let wanted = "\
family: catalog.note
schema_version: 1
owner:
  team: catalog
  contact: null
  runbook: null
description: null
lifecycle: active
freshness:
  class: soft
  within: 2s
  objective: 99%
  window: 28d
max_ttl: 1h
guard: none
places:
- target: main
  tier: store
  keys:
  - catalog:v1:notes:{id}
  mode: hard
sources:
- table: shop.public.notes
  bind:
    id: id
  when_changed: []
on_truncate: family
on_snapshot: ignore
dead_letters: none
fan_out_max: 64
auth_scope: null
entry_version: null
relations: []
examples: []
acknowledge: []
";
    let printed = printed(&loaded);
    let family = printed.iter().find(|(path, _)| path.ends_with("note.yaml"));
    assert_eq!(family.expect("the family").1, wanted);
    let source = printed.iter().find(|(path, _)| path.ends_with("shop.yaml"));
    let source = &source.expect("the source").1;
    for line in [
        "topic: shop.public.items",
        "optional: false",
        "foreign_keys: []",
    ] {
        assert!(source.contains(line), "{source}");
    }
}

#[test]
fn what_differs_in_words_alone_is_the_same() {
    let with = |family: &str| {
        let files = [
            ("sources/shop.yaml", small::SOURCE),
            ("families/a.yaml", family),
        ];
        small::check(&files).unwrap_or_else(|found| panic!("{}", found.render()))
    };
    let one = with(small::NOTE).decided;
    let long =
        "places: [{ target: main, tier: store, keys: [\"catalog:v1:notes:{id}\"], mode: hard }]";
    let short = "redis: { target: main, keys: [\"catalog:v1:notes:{id}\"] }";
    assert!(small::NOTE.contains(short));
    let same = small::NOTE.replace(short, long).replace("28d", "672h");
    assert_eq!(with(&same).decided, one);
    for (from, to) in [
        ("1h", "2h"),
        ("soft", "strict"),
        ("99%", "98%"),
        ("main", "other"),
    ] {
        let other = small::NOTE.replacen(from, to, 1);
        assert_ne!(with(&other).decided, one, "{from} -> {to}");
    }
}

fn duration() -> impl Strategy<Value = String> {
    (
        1..100_000_u32,
        prop::sample::select(vec!["ms", "s", "m", "h", "d"]),
    )
        .prop_map(|(number, unit)| format!("{number}{unit}"))
}

/// A text, often one that YAML would take for something else.
fn text() -> impl Strategy<Value = String> {
    let odd = [
        "", " ", "no", "null", "~", "7", "1e5", "a: b", "# a", "- a", "'", "\"", "a\nb\n",
    ];
    prop_oneof![
        prop::sample::select(odd.map(str::to_owned).to_vec()),
        "[a-z_]{1,8}",
        any::<String>(),
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e12..1e12_f64).prop_map(Value::from),
        text().prop_map(Value::from),
    ]
}

fn words(all: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(all)
}

/// Places of every form, each at a target of its own.
fn places() -> impl Strategy<Value = Value> {
    let mode = words(&["hard", "soft"]);
    let tier = words(&["store", "framework", "shield", "edge"]);
    (any::<[bool; 4]>(), mode, tier, "[a-z0-9._-]{1,32}").prop_map(
        |([redis, cdn, tiered, tagged], mode, tier, tag)| {
            let mut all =
                json!({ "places": [{ "target": "a", "keys": ["catalog:v1:a:{id|trim}"] }] });
            if redis {
                all["redis"] =
                    json!({ "target": "b", "keys": ["catalog:v1:b:{id}", "catalog:v1:{{"] });
            }
            if cdn {
                all["cdn"] = json!({ "targets": ["c", "d"], "tags": ["item-{id}"], "mode": mode });
            }
            if tiered {
                let place = json!({ "target": "e", "tier": tier, "tags": ["i-{id}"] });
                all["places"].as_array_mut().expect("a list").push(place);
            }
            if tagged {
                let place = json!({ "target": "f", "tags": ["x-{id}"], "family_tag": tag });
                all["places"].as_array_mut().expect("a list").push(place);
            }
            all
        },
    )
}

/// The parts of a family that decide what it does with a change.
fn behaviour() -> impl Strategy<Value = Value> {
    let guard = prop_oneof![
        Just("none".to_owned()),
        Just("lease".to_owned()),
        "[a-z]{1,5}".prop_map(|column| format!("version({column})")),
    ];
    let entry = prop::option::of((text(), prop::option::of(words(&["json", "hash"]))));
    (
        guard,
        words(&["family", "ignore"]),
        words(&["none", "keys-only", "redacted", "full"]),
        1..10_000_u32,
        entry,
        prop::collection::btree_map("[a-z]{1,4}", prop::collection::vec(text(), 1..4), 0..3),
    )
        .prop_map(|(guard, truncate, letters, fan_out, entry, bind)| {
            let entry = entry
                .map(|(field, format)| json!({ "field": field, "column": "id", "format": format }));
            let mut bind = json!(bind);
            bind["id"] = json!("id");
            json!({
                "guard": guard,
                "on_truncate": truncate,
                "dead_letters": letters,
                "fan_out_max": fan_out,
                "entry_version": entry,
                "sources": [{ "table": "shop.public.items", "bind": bind, "when_changed": ["id"] }],
            })
        })
}

/// The parts that are for people and tests.
fn for_people() -> impl Strategy<Value = Value> {
    let row = || prop::option::of(prop::collection::btree_map(text(), scalar(), 0..3));
    let names = || prop::collection::vec(text(), 0..3);
    let example = (row(), row(), names(), names()).prop_map(|(before, after, keys, tags)| {
        json!({
            "change": { "table": "x", "op": "u", "before": before, "after": after },
            "purges": { "redis": keys, "tags": tags },
        })
    });
    (
        prop::option::of(text()),
        prop::option::of(text()),
        (1..1_000_u32).prop_map(|share| format!("{}%", f64::from(share) / 10.1)),
        [duration(), duration(), duration()],
        prop::collection::vec(example, 0..3),
        prop::collection::vec((text(), "[a-z]+"), 0..2),
    )
        .prop_map(|(description, contact, objective, [within, window, ttl], examples, judged)| {
            let judged = judged.iter();
            let judged = judged.map(|(code, reason)| json!({ "code": code, "reason": reason }));
            json!({
                "description": description,
                "owner": { "team": "catalog", "contact": contact },
                "freshness": {
                    "class": "batch", "within": within, "objective": objective, "window": window,
                },
                "max_ttl": ttl,
                "relations": [{ "parent": description.unwrap_or_default() }],
                "acknowledge": judged.collect::<Vec<_>>(),
                "examples": examples,
            })
        })
}

proptest! {
    #[test]
    fn any_family_reads_back(
        parts in [places().boxed(), behaviour().boxed(), for_people().boxed()],
        // Examples of such families are not run.
        lifecycle in words(&["draft", "retired"]),
    ) {
        let mut family = json!({
            "family": "catalog.item", "schema_version": 1, "lifecycle": lifecycle,
        });
        for part in parts {
            let fields = part.as_object().expect("fields").clone();
            family.as_object_mut().expect("fields").extend(fields);
        }
        let files = vec![
            (PathBuf::from("sources/shop.yaml"), small::SOURCE.to_owned()),
            (PathBuf::from("families/item.yaml"), family.to_string()),
        ];
        let loaded = load_files(files).unwrap_or_else(|found| panic!("{}\n{family}", found.render()));
        reads_back(&loaded);
    }
}
