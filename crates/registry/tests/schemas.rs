//! The schemas for editors against the parser: the same fields, the same required ones, the same refusals.

mod pages;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use freshet_registry::diagnostics::Diagnostics;
use freshet_registry::{Loaded, load_files};
use jsonschema::Validator;
use pages::{below_top, sample, schema};
use serde_json::{Value, json};

fn validator(name: &str) -> Validator {
    jsonschema::draft7::new(&schema(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A source file with every field.
fn source() -> Value {
    json!({
        "database": "shop",
        "engine": "mariadb",
        "connector": {
            "time_precision": "adaptive_time_microseconds",
            "decimal": "precise",
            "bigint_unsigned": "long",
            "binary": "base64-url-safe",
            "unavailable_placeholder": "__gone__",
            "keeps_nulls": true,
            "tombstones": "none",
            "field_names": "avro_unicode",
            "zero_dates": "never",
        },
        "tables": [
            {
                "table": "shop.db.notes",
                "topic": "notes",
                "optional": true,
                "replica_identity": "full",
                "primary_key": ["id"],
                "columns": [
                    {
                        "name": "id",
                        "type": "bigint",
                        "nullable": false,
                        "default": false,
                        "text": null,
                        "collation": "utf8mb4_bin",
                    },
                    { "name": "item_id", "type": "bigint", "nullable": false },
                    { "name": "changes", "type": "bigint", "nullable": false },
                ],
                "foreign_keys": [{
                    "columns": ["item_id"],
                    "references": "shop.db.items",
                    "referenced_columns": ["id"],
                    "on_delete": "cascade",
                }],
            },
        ],
    })
}

/// A family file with every field.
fn family() -> Value {
    json!({
        "family": "catalog.note",
        "schema_version": 3,
        "owner": { "team": "catalog", "contact": "#catalog", "runbook": "https://example.org" },
        "description": "Notes.",
        "lifecycle": "deprecated(2027-01-31)",
        "freshness": { "class": "soft", "within": "500ms", "objective": "99.5%", "window": "7d" },
        "max_ttl": "1h",
        "guard": "version(changes)",
        "places": [
            { "target": "sessions", "tier": "framework", "keys": ["catalog:v3:open:{item}"] },
            { "target": "fastly", "tags": ["note-{item}"], "family_tag": "notes", "mode": "soft" },
        ],
        "redis": { "target": "main", "keys": ["catalog:v3:note:{item}:{region}"] },
        "cdn": { "targets": ["edge"], "tags": ["note-{item}"], "family_tag": "notes", "mode": "soft" },
        "sources": [{
            "table": "shop.db.notes",
            "bind": { "item": "item_id", "region": ["eu"] },
            "when_changed": ["changes"],
        }],
        "on_truncate": "ignore",
        "on_snapshot": "purge",
        "dead_letters": "keys-only",
        "fan_out_max": 8,
        "auth_scope": "item",
        "entry_version": { "field": "changes", "column": "changes", "format": "hash" },
        "relations": [{ "parent": "shop.db.items", "acknowledged": true }],
        "acknowledge": [{ "code": "FR0041", "reason": "its readers take a version" }],
        "examples": [{
            "change": {
                "table": "shop.db.notes",
                "op": "u",
                "before": { "id": 1, "item_id": 7, "changes": 1 },
                "after": { "id": 1, "item_id": 7, "changes": 2 },
            },
            "purges": { "redis": ["catalog:v3:note:7:eu", "catalog:v3:open:7"], "tags": ["note-7"] },
        }],
    })
}

/// JSON is YAML, so the parser reads what the schema judges.
fn check(source: &Value, family: &Value) -> Result<Loaded, Diagnostics> {
    load_files(vec![
        (PathBuf::from("sources/shop.yaml"), source.to_string()),
        (PathBuf::from("families/note.yaml"), family.to_string()),
    ])
}

/// The named file with `document` in its place, beside the good other one.
fn check_one(name: &str, document: &Value) -> Result<Loaded, Diagnostics> {
    match name {
        "source" => check(document, &family()),
        _ => check(&source(), document),
    }
}

fn good(name: &str) -> Value {
    match name {
        "source" => source(),
        _ => family(),
    }
}

/// Parts of a document that one part of the schema describes, with the pointers to them: the entries of a list together
/// have every field.
type Parts<'d> = Vec<(String, &'d Value)>;

/// The part of the schema of every object that it describes field by field, with the pointer to the first such object.
fn objects<'s>(schema: &'s Value, parts: &Parts<'_>, found: &mut Vec<(String, &'s Value)>) {
    let (at, first) = parts.first().expect("a part");
    if let (Some(properties), true) = (schema["properties"].as_object(), first.is_object()) {
        found.push((at.clone(), schema));
        assert_eq!(schema["additionalProperties"], false, "{at} takes anything");
        for (name, inner) in properties {
            let fields = parts.iter();
            let fields: Parts<'_> = fields
                .filter_map(|(at, part)| Some((format!("{at}/{name}"), part.get(name)?)))
                .collect();
            assert!(!fields.is_empty(), "the sample lacks {at}/{name}");
            assert!(
                inner["description"].is_string(),
                "{at}/{name} is not described"
            );
            objects(inner, &fields, found);
        }
    } else if schema["items"].is_object() {
        let lists = parts.iter();
        let entries: Parts<'_> = lists
            .filter_map(|(at, list)| Some((at, list.as_array()?)))
            .flat_map(|(at, list)| {
                let entries = list.iter().enumerate();
                entries.map(move |(place, entry)| (format!("{at}/{place}"), entry))
            })
            .collect();
        assert!(!entries.is_empty(), "nothing in {at}");
        objects(&schema["items"], &entries, found);
    }
}

/// The fields that the parser says it would have taken instead of one it does not know.
fn fields_of_parser(name: &str, at: &str) -> BTreeSet<String> {
    let mut document = good(name);
    document.pointer_mut(at).expect("there")["zzz"] = json!(1);
    let found = check_one(name, &document).expect_err("an unknown field");
    let fault = found.iter().find(|it| it.code == "FR0002");
    let help = fault.expect("FR0002").help.as_deref().expect("a help");
    let (_, fields) = help.split_once("one of: ").expect("the fields");
    fields
        .split(", ")
        .map(|it| it.trim_matches('`').to_owned())
        .collect()
}

#[test]
fn the_samples_with_every_field_are_good() {
    for name in ["source", "family"] {
        let document = good(name);
        if let Err(error) = validator(name).validate(&document) {
            panic!("{name}: {error}");
        }
    }
    let loaded = check(&source(), &family()).unwrap_or_else(|found| panic!("{}", found.render()));
    assert_eq!(loaded.examples.run, 1);
}

#[test]
fn schema_and_parser_have_the_same_fields() {
    for (name, least) in [("source", 4), ("family", 11)] {
        let (schema, mut found) = (schema(name), Vec::new());
        objects(&schema, &vec![(String::new(), &good(name))], &mut found);
        assert!(found.len() >= least, "{found:?}");
        for (at, part) in found {
            let in_schema: BTreeSet<String> = part["properties"]
                .as_object()
                .expect("fields")
                .keys()
                .cloned()
                .collect();
            let in_parser = fields_of_parser(name, &at);
            assert_eq!(in_schema, in_parser, "{name}{at}: schema, parser");
        }
    }
}

#[test]
fn schema_and_parser_require_the_same_fields() {
    for name in ["source", "family"] {
        let (schema, validator, mut found) = (schema(name), validator(name), Vec::new());
        objects(&schema, &vec![(String::new(), &good(name))], &mut found);
        for (at, part) in found {
            for field in part["properties"].as_object().expect("fields").keys() {
                let mut without = good(name);
                without
                    .pointer_mut(&at)
                    .and_then(Value::as_object_mut)
                    .expect("an object")
                    .remove(field);
                let refused = check_one(name, &without).err();
                let is_missing = refused.as_ref().is_some_and(|found| {
                    let missing = format!("missing field `{field}`");
                    found
                        .iter()
                        .any(|it| it.code == "FR0002" && it.message.contains(&missing))
                });
                let required = part["required"].as_array().into_iter().flatten();
                assert_eq!(
                    required.into_iter().any(|name| name == field),
                    is_missing,
                    "{name}{at}: without {field}: schema, parser"
                );
                // One of several fields may be wanted, whichever.
                assert!(
                    validator.is_valid(&without) || refused.is_some(),
                    "{name}{at}: only the schema wants {field}"
                );
            }
        }
    }
}

/// Where in a source file, and a value that means nothing there.
fn wrong_in_sources() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("source", "/engine", json!("oracle")),
        ("source", "/database", json!(["shop"])),
        ("source", "/connector", json!("adaptive")),
        ("source", "/connector/time_precision", json!("micro")),
        ("source", "/connector/decimal", json!("Precise")),
        ("source", "/connector/bigint_unsigned", json!("double")),
        ("source", "/connector/binary", json!("base64_url_safe")),
        ("source", "/connector/keeps_nulls", json!("perhaps")),
        ("source", "/connector/tombstones", json!("delete")),
        ("source", "/connector/field_names", json!("none")),
        ("source", "/connector/zero_dates", json!("always")),
        ("source", "/tables/0/columns/0/default", json!("now()")),
        ("source", "/tables/0/columns/0/text", json!("number")),
        ("source", "/tables", json!({})),
        ("source", "/tables/0/table", json!("shop.notes")),
        ("source", "/tables/0/replica_identity", json!("FULL")),
        ("source", "/tables/0/primary_key", json!("id")),
        ("source", "/tables/0/columns/0", json!("id bigint")),
        ("source", "/tables/0/columns/0/nullable", json!("perhaps")),
        (
            "source",
            "/tables/0/foreign_keys/0/on_delete",
            json!("cascades"),
        ),
    ]
}

/// The same for family files.
fn wrong_in_families() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("family", "/family", json!("note")),
        ("family", "/family", json!("Catalog.note")),
        ("family", "/family", json!(".note")),
        ("family", "/schema_version", json!(-1)),
        ("family", "/schema_version", json!("three")),
        ("family", "/owner/team", json!(" ")),
        ("family", "/lifecycle", json!("live")),
        ("family", "/lifecycle", json!("shadow")),
        ("family", "/lifecycle", json!("deprecated()")),
        ("family", "/lifecycle", json!("deprecated(soon)")),
        ("family", "/lifecycle", json!("deprecatedly")),
        ("family", "/freshness/class", json!("quick")),
        ("family", "/freshness/within", json!("0s")),
        ("family", "/freshness/within", json!("1.5s")),
        ("family", "/freshness/window", json!("5w")),
        ("family", "/freshness/objective", json!("most")),
        ("family", "/freshness/objective", json!("99.9")),
        ("family", "/max_ttl", json!("a day")),
        ("family", "/guard", json!("version")),
        ("family", "/guard", json!("leased")),
        ("family", "/redis/keys", json!([])),
        ("family", "/redis/keys", json!("catalog:v3:note:{item}")),
        ("family", "/redis/keys/0", json!("")),
        ("family", "/cdn/targets", json!([])),
        ("family", "/cdn/tags", json!([])),
        ("family", "/cdn/family_tag", json!("")),
        ("family", "/cdn/family_tag", json!("Notes")),
        (
            "family",
            "/cdn/family_tag",
            json!("a-tag-of-more-than-thirty-two-bytes"),
        ),
        ("family", "/cdn/mode", json!("gentle")),
        ("family", "/places", json!({})),
        ("family", "/places/0/tier", json!("browser")),
        ("family", "/places/0/keys", json!([])),
        ("family", "/places/0/mode", json!("soft")),
        ("family", "/places/0/tags", json!(["note-{item}"])),
        ("family", "/places/0/family_tag", json!("notes")),
        ("family", "/places/1/mode", json!("gentle")),
        ("family", "/places/1/tags", json!([])),
        ("family", "/sources", json!([])),
        (
            "family",
            "/sources/0/bind/item",
            json!({ "column": "item_id" }),
        ),
        ("family", "/sources/0/bind/region", json!([["eu"]])),
        ("family", "/on_truncate", json!("purge")),
        ("family", "/on_snapshot", json!("look")),
        ("family", "/dead_letters", json!("keys_only")),
        ("family", "/fan_out_max", json!(0)),
        ("family", "/entry_version/format", json!("xml")),
        ("family", "/relations/0/acknowledged", json!("maybe")),
        ("family", "/examples/0/change/op", json!("x")),
        ("family", "/examples/0/change/before", json!("id 1")),
        ("family", "/examples/0/purges/redis", json!("none")),
    ]
}

#[test]
fn what_means_nothing_is_refused_by_both() {
    for (name, at, value) in [wrong_in_sources(), wrong_in_families()].concat() {
        let mut document = good(name);
        let (above, field) = at.rsplit_once('/').expect("a field");
        match document.pointer_mut(above) {
            Some(Value::Object(fields)) => drop(fields.insert(field.to_owned(), value.clone())),
            Some(Value::Array(list)) => {
                list[field.parse::<usize>().expect("a place")] = value.clone()
            }
            _ => panic!("no {at}"),
        }
        let by_schema = !validator(name).is_valid(&document);
        assert!(by_schema, "the schema takes {value} at {name}{at}");
        assert!(
            check_one(name, &document).is_err(),
            "the parser takes {value} at {name}{at}"
        );
    }
    let mut nowhere = family();
    let fields = nowhere.as_object_mut().expect("an object");
    for name in ["places", "redis", "cdn"] {
        fields.remove(name);
    }
    assert!(!validator("family").is_valid(&nowhere));
    assert!(check(&source(), &nowhere).is_err());
}

/// Where, and a value that is good there.
#[test]
fn what_is_good_is_taken_by_both() {
    let values = [
        ("family", "/lifecycle", json!("active")),
        ("family", "/lifecycle", json!("draft")),
        ("family", "/lifecycle", json!("retired")),
        ("family", "/lifecycle", json!("deprecated")),
        ("family", "/guard", json!("lease")),
        ("family", "/guard", Value::Null),
        ("family", "/freshness/class", json!("batch")),
        ("family", "/cdn/mode", json!("hard")),
        ("family", "/cdn/mode", Value::Null),
        ("family", "/on_truncate", json!("family")),
        ("family", "/on_snapshot", json!("ignore")),
        ("family", "/on_snapshot", json!("verify")),
        ("family", "/dead_letters", json!("none")),
        ("family", "/dead_letters", json!("redacted")),
        ("family", "/dead_letters", json!("full")),
        ("family", "/dead_letters", Value::Null),
        ("family", "/fan_out_max", json!(1)),
        ("family", "/description", Value::Null),
        ("family", "/schema_version", json!(3)),
        ("source", "/engine", json!("mysql")),
        ("source", "/connector", json!({})),
        ("source", "/connector/time_precision", json!("isostring")),
        ("source", "/connector/time_precision", Value::Null),
        ("source", "/connector/decimal", json!("double")),
        ("source", "/connector/unavailable_placeholder", Value::Null),
        ("source", "/connector/keeps_nulls", json!(false)),
        ("source", "/connector/keeps_nulls", Value::Null),
        ("source", "/connector/tombstones", json!("as_delete")),
        ("source", "/connector/field_names", json!("as_is")),
        ("source", "/connector/zero_dates", json!("possible")),
        ("source", "/tables/0/columns/0/default", json!(true)),
        ("source", "/tables/0/columns/0/default", Value::Null),
        ("source", "/tables/0/columns/0/collation", Value::Null),
        ("source", "/engine", json!("postgres")),
        ("source", "/tables/0/topic", Value::Null),
        (
            "source",
            "/tables/0/foreign_keys/0/on_delete",
            json!("no action"),
        ),
        (
            "source",
            "/tables/0/foreign_keys/0/on_delete",
            json!("set null"),
        ),
    ];
    for (name, at, value) in values {
        let mut document = good(name);
        *document
            .pointer_mut(at)
            .unwrap_or_else(|| panic!("no {at}")) = value.clone();
        if let Err(error) = validator(name).validate(&document) {
            panic!("the schema refuses {value} at {name}{at}: {error}");
        }
        if let Err(found) = check_one(name, &document) {
            panic!("{value} at {name}{at}:\n{}", found.render());
        }
    }
}

fn yaml_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            yaml_files(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn the_example_registry_and_the_page_s_sample_fit_the_schemas() {
    let mut files = Vec::new();
    yaml_files(&below_top("examples/shop/registry"), &mut files);
    let shop = files.into_iter().map(|path| {
        let text = fs::read_to_string(&path).expect("text");
        (path.to_string_lossy().into_owned(), text)
    });
    let all: Vec<(String, String)> = shop.chain(sample()).collect();
    assert!(all.len() >= 7, "{all:?}");
    for (path, text) in all {
        // The checkout may be in a folder of that name too.
        let (_, inside) = path.rsplit_once("registry/").expect("in a registry");
        let name = if inside.starts_with("sources/") {
            "source"
        } else {
            "family"
        };
        let document: Value = serde_saphyr::from_str(&text).expect("YAML");
        if let Err(error) = validator(name).validate(&document) {
            panic!("{path}: {error}");
        }
    }
}
