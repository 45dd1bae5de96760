//! The editor's schema of the config against the code, the page and the configs that are shown.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jsonschema::Validator;
use serde_json::{Value, json};
use support::written::{Structs, pages, structs};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn text_of(name: &str) -> String {
    let path = root().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn schema() -> Value {
    serde_json::from_str(&text_of("schemas/config.schema.json")).expect("JSON")
}

fn validator() -> Validator {
    jsonschema::draft7::new(&schema()).expect("a schema")
}

/// Compares an object of the schema with a struct, and all objects in it with theirs.
fn compare(structs: &Structs, name: &str, schema: &Value) {
    let fields = &structs[name];
    let properties = schema["properties"].as_object().expect("properties");
    let of_schema: BTreeSet<&String> = properties.keys().collect();
    let of_code: BTreeSet<&String> = fields.keys().collect();
    assert_eq!(of_schema, of_code, "left: the schema, right: {name}");
    assert_eq!(schema["additionalProperties"], false, "{name}");
    for (field, kind) in fields {
        let inner = &properties[field];
        assert!(inner["description"].is_string(), "{name}.{field}");
        let is_optional = kind.contains("Option<")
            || kind.starts_with("BTreeMap")
            || inner.get("default").is_some();
        let required = schema["required"].as_array().into_iter().flatten();
        let is_required = required.into_iter().any(|name| name == field);
        let has_default = structs
            .get(kind.as_str())
            .is_some_and(|inner| inner.values().all(|kind| kind.contains("Option<")));
        if is_required {
            assert!(!kind.contains("Option<"), "{name}.{field}");
        } else {
            assert!(is_optional || has_default, "{name}.{field} is required");
        }
        let of_map = match kind.contains("BTreeMap<") {
            true => &inner["additionalProperties"],
            false => inner,
        };
        if let Some(known) = structs.keys().find(|known| kind.contains(known.as_str())) {
            compare(structs, known, of_map);
        } else if kind.contains("SecretWritten") {
            let reference = of_map["$ref"]
                .as_str()
                .or(of_map["allOf"][0]["$ref"].as_str());
            assert_eq!(reference, Some("#/definitions/secret"), "{name}.{field}");
        }
    }
}

#[test]
fn the_schema_has_every_field_and_no_other() {
    let structs = structs();
    assert!(structs.len() > 15, "looked in the wrong place");
    compare(&structs, "ConfigWritten", &schema());
}

/// Fields with a range or a default: name, least, most, default.
fn stated(schema: &Value, found: &mut BTreeSet<(String, String)>) {
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        if let (Some(least), Some(most)) = (inner["minimum"].as_u64(), inner["maximum"].as_u64()) {
            found.insert((name.clone(), format!("{least} to {most}")));
        }
        match &inner["default"] {
            Value::Null => {}
            Value::String(text) => drop(found.insert((name.clone(), text.clone()))),
            other => drop(found.insert((name.clone(), other.to_string()))),
        }
        stated(inner, found);
        stated(&inner["additionalProperties"], found);
    }
}

#[test]
fn ranges_and_defaults_of_the_schema_are_those_of_the_page() {
    let mut of_schema = BTreeSet::new();
    stated(&schema(), &mut of_schema);
    let mut of_page = BTreeSet::new();
    for line in pages().lines() {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [names, default, meaning] = cells[..] else {
            continue;
        };
        let literal = |text: &str| Some(text.strip_prefix('`')?.strip_suffix('`')?.to_owned());
        let Some(name) = literal(names).filter(|it| !it.contains('`')) else {
            continue;
        };
        let range = meaning.split_once("Range: `").and_then(|(_, rest)| {
            let (least, rest) = rest.split_once("` to `")?;
            let most = rest.split('`').next()?;
            let (least, most): (u64, u64) = (least.parse().ok()?, most.parse().ok()?);
            Some(format!("{least} to {most}"))
        });
        of_page.extend(range.map(|range| (name.clone(), range)));
        of_page.extend(literal(default).map(|default| (name, default)));
    }
    assert!(of_page.len() > 40, "looked in the wrong place");
    assert_eq!(of_schema, of_page, "left: the schema, right: the page");
}

fn of_yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn the_configs_that_are_shown_are_good() {
    let page = text_of("docs/configuration.md");
    let sample = page.split("```yaml\n").nth(1).expect("a sample");
    let sample = sample.split("```").next().expect("its end");
    let mut configs = vec![("docs/configuration.md", sample.to_owned())];
    for name in [
        "examples/compose/freshet.yaml",
        "examples/shop/freshet.yaml",
    ] {
        configs.push((name, text_of(name)));
    }
    for (name, text) in configs {
        let faults: Vec<String> = validator()
            .iter_errors(&of_yaml(&text))
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(faults.is_empty(), "{name}: {faults:?}");
    }
}

/// What the program refuses, the editor marks.
#[test]
fn a_wrong_config_is_marked_while_typing() {
    let good = of_yaml(
        "{ registry: r, kafka: { brokers: b }, targets: { main: { redis: { url: u, password: { env: P } } } } }",
    );
    assert!(validator().is_valid(&good));
    for (path, wrong) in [
        ("/targets/main/redis/password", json!("hunter2")),
        (
            "/targets/main/redis/password",
            json!({ "env": "P", "file": "f" }),
        ),
        ("/targets/main/redis/url", json!(7)),
        ("/targets/main/redis", json!({ "urls": "u" })),
        (
            "/targets/main/redis",
            json!({ "url": "u", "keys_per_command": 0 }),
        ),
        (
            "/targets/main/redis",
            json!({ "url": "u", "answer_timeout": "soon" }),
        ),
        (
            "/targets/main/redis",
            json!({ "url": "u", "cluster": { "nodes": ["u"] } }),
        ),
        ("/targets/main", json!({})),
        ("/kafka", json!({ "brokers": "b", "start": "yesterday" })),
        ("/kafka", json!({})),
    ] {
        let mut config = good.clone();
        *config.pointer_mut(path).expect("a place") = wrong.clone();
        assert!(!validator().is_valid(&config), "{path}: {wrong}");
    }
}

#[test]
fn the_program_prints_the_schema() {
    let output = Command::new(env!("CARGO_BIN_EXE_freshet"))
        .args(["schema", "config"])
        .output()
        .expect("freshet runs");
    assert!(output.status.success(), "{output:?}");
    let printed: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(printed, schema());
}
