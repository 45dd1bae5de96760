//! Every list of a registry has a stated limit: in the schemas that editors use, on the page, and in the answer of
//! `freshet check`. The times are for a busy machine and a build without optimisation.

mod pages;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use freshet_registry::diagnostics::Diagnostics;
use freshet_registry::{Loaded, load_files};
use pages::{page, schema};
use serde_json::Value;

/// The two files of a small registry.
struct Files {
    source: Value,
    family: Value,
}

fn small() -> Files {
    let source = serde_json::json!({
        "database": "shop",
        "engine": "postgres",
        "tables": [{
            "table": "shop.public.items",
            "replica_identity": "full",
            "primary_key": ["id"],
            "columns": [{ "name": "id", "type": "bigint" }],
            "foreign_keys": [{ "columns": ["id"], "references": "shop.public.x", "referenced_columns": ["id"] }],
        }],
    });
    let family = serde_json::json!({
        "family": "catalog.item",
        "schema_version": 1,
        "owner": { "team": "catalog" },
        "lifecycle": "active",
        "freshness": { "class": "strict", "within": "2s", "objective": "99.9%", "window": "28d" },
        "max_ttl": "1h",
        "fan_out_max": 10_000,
        "redis": { "target": "main", "keys": ["catalog:v1:item:{id}"] },
        "cdn": { "targets": ["edge"], "tags": ["item-{id}"] },
        "sources": [{ "table": "shop.public.items", "bind": { "id": "id" }, "when_changed": ["id"] }],
        "relations": [{ "parent": "shop.public.x", "acknowledged": true }],
        "acknowledge": [{ "code": "FR0040", "reason": "a test" }],
        "examples": [{
            "change": { "table": "shop.public.items", "op": "c", "before": { "id": 1 }, "after": { "id": 1 } },
            "purges": { "redis": ["catalog:v1:item:1"], "tags": ["item-1"] },
        }],
    });
    Files { source, family }
}

impl Files {
    /// JSON is YAML, but only a line of its own has a place that says something.
    fn check(&self) -> Result<Loaded, Diagnostics> {
        let text = |it: &Value| serde_json::to_string_pretty(it).expect("JSON");
        load_files(vec![
            (PathBuf::from("sources/shop.yaml"), text(&self.source)),
            (PathBuf::from("families/item.yaml"), text(&self.family)),
        ])
    }
}

/// The limit of each list and mapping of a schema, by its path; none where the schema states none.
fn limits_of(schema: &Value, path: &str, found: &mut BTreeMap<String, Option<u64>>) {
    if let Some(properties) = schema["properties"].as_object() {
        for (name, inner) in properties {
            let dot = if path.is_empty() { "" } else { "." };
            limits_of(inner, &format!("{path}{dot}{name}"), found);
        }
        return;
    }
    let is = |wanted: &str| {
        let kind = &schema["type"];
        let mut kinds = kind.as_array().into_iter().flatten().chain([kind]);
        kinds.any(|kind| kind == wanted)
    };
    if is("array") {
        found.insert(path.to_owned(), schema["maxItems"].as_u64());
        limits_of(&schema["items"], &format!("{path}[]"), found);
    } else if is("object") {
        found.insert(path.to_owned(), schema["maxProperties"].as_u64());
        let choices = schema["additionalProperties"]["oneOf"].as_array();
        for choice in choices.into_iter().flatten() {
            limits_of(choice, &format!("{path}.*"), found);
        }
    }
}

fn limits(name: &str) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    limits_of(&schema(name), "", &mut found);
    let stated = found.into_iter().map(|(path, most)| {
        let most = most.unwrap_or_else(|| panic!("{name}: {path} has no limit"));
        (path, usize::try_from(most).expect("a small number"))
    });
    stated.collect()
}

/// The list or mapping behind a path, in the first entry of each list above it.
fn place<'v>(file: &'v mut Value, path: &str) -> &'v mut Value {
    let mut at = file;
    for step in path.split('.') {
        let (name, is_list) = match step.strip_suffix("[]") {
            Some(name) => (name, true),
            None => (step, false),
        };
        at = match name {
            "*" => &mut at["id"],
            name => &mut at[name],
        };
        if is_list {
            at = &mut at[0];
        }
    }
    at
}

/// Fills the list behind a path with `count` entries, which are all different.
fn fill(file: &mut Value, path: &str, count: usize) {
    let list = place(file, path);
    let text = |it: &Value, at: usize| match it.as_str() {
        Some(text) => Value::from(format!("{text}{at}")),
        None => it.clone(),
    };
    match list {
        Value::Object(map) => {
            let value = map.values().next().expect("one").clone();
            *map = (0..count)
                .map(|at| (format!("n{at}"), value.clone()))
                .collect();
        }
        Value::Array(entries) => {
            let first = entries.first().expect("one").clone();
            let made = (0..count).map(|at| match &first {
                Value::Object(map) => {
                    let mut map = map.clone();
                    for name in ["table", "name"] {
                        if let Some(it) = map.get_mut(name) {
                            *it = text(it, at);
                        }
                    }
                    Value::Object(map)
                }
                other => text(other, at),
            });
            *entries = made.collect();
        }
        // A column in place of constants.
        other => *other = (0..count).map(|at| Value::from(format!("c{at}"))).collect(),
    }
}

fn over(found: &Result<Loaded, Diagnostics>) -> Option<String> {
    let found = match found {
        Ok(loaded) => &loaded.warnings,
        Err(found) => found,
    };
    let mut all = found.iter();
    let over = all.find(|it| it.code == "FR0009")?;
    assert!(over.place.line > 0, "{}", found.render());
    Some(over.message.clone())
}

#[test]
fn p14_every_list_is_refused_beyond_its_limit() {
    for name in ["source", "family"] {
        for (path, most) in limits(name) {
            for count in [most, most + 1, 2 * most] {
                let mut files = small();
                // Both lists of one place, to be counted.
                files.family["places"] = serde_json::json!([
                    { "target": "other", "keys": ["catalog:v1:other:{id}"], "tags": ["other-{id}"] },
                ]);
                let file = match name {
                    "source" => &mut files.source,
                    _ => &mut files.family,
                };
                if path == "tables" {
                    // A file of so many whole tables has more values than a file may.
                    file["tables"][0]["columns"] = Value::from(Vec::<Value>::new());
                    let table = file["tables"][0].as_object_mut().expect("a table");
                    table.retain(|name, _| !name.ends_with("key") && !name.ends_with("keys"));
                }
                fill(file, &path, count);
                let begun = Instant::now();
                let told = over(&files.check());
                let took = begun.elapsed();
                assert!(took < Duration::from_secs(20), "{path}: {took:?}");
                let wanted = (count > most)
                    .then(|| format!("`{path}` has {count} entries, which is more than {most}"));
                assert_eq!(told, wanted, "{path} with {count}");
            }
        }
    }
}

#[test]
fn p14_every_limit_is_on_the_page() {
    let page = page();
    let part = page.split("\n## Limits\n").nth(1).expect("the section");
    let part = part.split("\n## ").next().expect("a first part");
    let mut on_page = BTreeMap::new();
    for row in part.lines().filter(|line| line.starts_with("| `")) {
        let mut cells = row.trim_matches(['|', ' ']).split(" | ");
        let (paths, most) = (cells.next().expect("lists"), cells.next().expect("a limit"));
        let most: usize = most.replace(' ', "").parse().expect("a number");
        for path in paths.split(", ") {
            on_page.insert(path.trim_matches('`').to_owned(), most);
        }
    }
    let mut stated = limits("source");
    stated.extend(limits("family"));
    assert_eq!(
        on_page, stated,
        "left: docs/registry.md, right: the schemas"
    );
}

#[test]
fn p14_long_texts_are_refused() {
    let mut files = small();
    let key = |bytes: usize| format!("{:x<bytes$}", "catalog:v1:item:{id}");
    files.family["redis"]["keys"][0] = key(1_024).into();
    assert_eq!(over(&files.check()), None);
    files.family["redis"]["keys"][0] = key(1_025).into();
    let told = over(&files.check()).expect("too long");
    assert_eq!(told, "the template is longer than 1024 bytes");
    for (count, wanted) in [
        (32, None),
        (
            33,
            Some("the template has 33 placeholders, which is more than 32"),
        ),
    ] {
        files.family["redis"]["keys"][0] =
            format!("catalog:v1:item{}", ":{id}".repeat(count)).into();
        assert_eq!(over(&files.check()).as_deref(), wanted);
    }
    let mut files = small();
    files.source["tables"][0]["columns"][0]["type"] = "x".repeat(65_536).into();
    assert_eq!(over(&files.check()), None);
    files.source["tables"][0]["columns"][0]["type"] = "x".repeat(65_537).into();
    let told = over(&files.check()).expect("too long");
    assert!(told.contains("`id` is longer than 65536 bytes"), "{told}");
}

/// Nine files of 240 000 keys, and what is within the limit of each list but not of the registry.
#[test]
fn p14_a_registry_has_a_limit_of_templates() {
    let many = |families: usize, keys: usize, tables: usize| {
        let mut files = vec![(
            PathBuf::from("sources/shop.yaml"),
            small().source.to_string(),
        )];
        for family in 0..families {
            let mut text = small().family;
            text["family"] = format!("catalog.n{family}").into();
            text["sources"] = vec![text["sources"][0].clone(); tables].into();
            let mut keys: String = (0..keys).fold(String::new(), |mut out, at| {
                let _ = write!(out, "\"catalog:v1:n{family}:{at}:{{id}}\",");
                out
            });
            keys.pop();
            let text = text.to_string();
            let text = text.replace("\"catalog:v1:item:{id}\"", &keys);
            files.push((format!("families/n{family}.yaml").into(), text));
        }
        let begun = Instant::now();
        let told = over(&load_files(files)).expect("refused");
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(60), "{took:?}");
        told
    };
    let told = many(9, 240_000, 1);
    assert!(told.starts_with("`redis.keys` has 240000"), "{told}");
    let told = many(60, 1_000, 10);
    assert!(told.contains("more than 500000 templates"), "{told}");
    let told = many(101, 1, 100);
    assert!(told.contains("is bound more than 10000 times"), "{told}");
}

/// Each family is within its own limits. Places of names are 32 bits wide, so that the limit is also what keeps them right.
#[test]
fn p14_the_names_of_one_change_have_a_limit() {
    let check = |families: usize| {
        let mut files = vec![(
            PathBuf::from("sources/shop.yaml"),
            small().source.to_string(),
        )];
        for at in 0..families {
            let mut family = small().family;
            family["family"] = format!("catalog.n{at}").into();
            let key = format!("catalog:v1:n{at}{}:{{a}}", ":{id}".repeat(31));
            family["redis"]["keys"][0] = key.into();
            let list: Vec<String> = (0..9_000).map(|at| format!("{at:04}")).collect();
            family["sources"][0]["bind"] = serde_json::json!({ "id": "id", "a": list });
            family["examples"] = Vec::<Value>::new().into();
            files.push((format!("families/n{at}.yaml").into(), family.to_string()));
        }
        load_files(files)
            .map(|_| ())
            .map_err(|found| found.render())
    };
    assert_eq!(check(2), Ok(()));
    let told = check(3).expect_err("too much");
    assert!(told.contains("error[FR0018]"), "{told}");
    assert!(
        told.contains("can take more than 268435456 bytes"),
        "{told}"
    );
}
