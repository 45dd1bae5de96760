use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use freshet_shop::{RowChange, Step, Tables};

/// The recording: scenario's name → value of its records on `items`, tombstones as null.
fn recorded() -> Vec<(Value, Value)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../schemas/fixtures/debezium/postgres-json.jsonl");
    let text = std::fs::read_to_string(file).expect("the recording is in the repository");
    text.lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a record"))
        .filter(|record| record["topic"] == "shop.public.items")
        .filter(|record| record["scenario"] != "snapshot" && !record["value"].is_null())
        .filter(|record| record["key"].is_string())
        .map(|record| {
            let value = record["value"].as_str().expect("text");
            (
                record.clone(),
                serde_json::from_str(value).expect("an envelope"),
            )
        })
        .collect()
}

/// Path → type of every field, row columns left to themselves.
fn shape(value: &Value) -> BTreeMap<String, &'static str> {
    let mut shape = BTreeMap::new();
    walk("", value, &mut shape);
    shape
}

fn walk(path: &str, value: &Value, shape: &mut BTreeMap<String, &'static str>) {
    let is_row = path == "/before" || path == "/after";
    match value {
        Value::Object(fields) if !is_row => {
            for (name, field) in fields {
                walk(&format!("{path}/{name}"), field, shape);
            }
        }
        _ => {
            shape.insert(path.to_owned(), kind(value));
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(_) => "float",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn ours() -> Vec<(Envelope, Value)> {
    let mut tables = Tables::stocked(2, 2, 1_772_366_400_123_456);
    let product = tables.product(1).expect("in stock").clone();
    let dearer = Step::Put(Product {
        price_cents: 3_500,
        ..product.clone()
    });
    let new = Step::Put(Product { id: 9, ..product });
    let mut log = LogPositions::new();
    let commit = tables.apply(&[dearer, new, Step::Drop(2)]);
    log.envelopes(&commit, 1_795_406_543_905_032, 1_795_406_543_908_000)
        .into_iter()
        .map(|envelope| {
            let value = envelope.value.as_deref().unwrap_or("null");
            let value = serde_json::from_str(value).expect("JSON");
            (envelope, value)
        })
        .collect()
}

#[test]
fn envelopes_have_the_shape_of_the_recording() {
    let recorded = recorded();
    for op in ["c", "u", "d"] {
        let whole =
            |value: &&Value| value["op"] == op && (op == "c" || value["before"].is_object());
        let real: Vec<&Value> = recorded
            .iter()
            .map(|(_, value)| value)
            .filter(whole)
            .filter(|value| value["transaction"].is_null())
            .collect();
        assert!(!real.is_empty(), "no {op} in the recording");
        let ours = ours();
        let (_, mine) = ours
            .iter()
            .find(|(_, value)| value["op"] == op)
            .expect("one of each");
        for real in real {
            assert_eq!(shape(mine), shape(real), "{op}");
        }
    }
}

#[test]
fn columns_have_the_types_of_the_recording() {
    let recorded = recorded();
    let ours = ours();
    let (_, mine) = ours
        .iter()
        .find(|(_, value)| value["op"] == "u")
        .expect("an update");
    for column in [
        "id",
        "category_id",
        "tenant",
        "name",
        "price",
        "description",
        "updated_at",
    ] {
        let mut seen = 0;
        for (_, real) in recorded
            .iter()
            .filter(|(_, real)| !real["after"][column].is_null())
        {
            seen += 1;
            assert_eq!(
                kind(&mine["after"][column]),
                kind(&real["after"][column]),
                "{column}"
            );
        }
        assert!(seen > 0, "{column} is not in the recording");
    }
}

#[test]
fn keys_headers_and_tombstones_are_those_of_the_recording() {
    let recorded = recorded();
    let (record, _) = &recorded[0];
    let names: Vec<&str> = record["headers"]
        .as_array()
        .expect("headers")
        .iter()
        .filter_map(|header| header[0].as_str())
        .collect();
    assert_eq!(names, HEADERS.map(|(name, _)| name));
    let real_key: Value =
        serde_json::from_str(record["key"].as_str().expect("text")).expect("JSON");
    let envelopes = ours();
    let my_key: Value = serde_json::from_str(&envelopes[0].0.message_key).expect("JSON");
    assert_eq!(shape(&my_key), shape(&real_key));
    let last = &envelopes[envelopes.len() - 1].0;
    let delete = &envelopes[envelopes.len() - 2];
    assert_eq!(
        (delete.1["op"].as_str(), last.value.as_ref()),
        (Some("d"), None)
    );
    assert_eq!(last.message_key, delete.0.message_key);
}

#[test]
fn positions_rise_and_commits_share_a_transaction() {
    let mut log = LogPositions::new();
    let category = |name: &str| {
        Some(Row::Category {
            id: 1,
            name: name.to_owned(),
        })
    };
    let change = RowChange {
        before: category("a"),
        after: category("b"),
    };
    let commit = Commit {
        changes: vec![change.clone(), change],
        outdated: Vec::new(),
    };
    let mut seen: Vec<(u64, u64, u64)> = Vec::new();
    for _ in 0..3 {
        for envelope in log.envelopes(&commit, 1, 2) {
            let value: Value =
                serde_json::from_str(&envelope.value.expect("no tombstone")).expect("JSON");
            let source = &value["source"];
            let sequence: Vec<String> =
                serde_json::from_str(source["sequence"].as_str().expect("text")).expect("JSON");
            assert_eq!(sequence[1], source["lsn"].to_string());
            let number = |value: &Value| value.as_u64().expect("a number");
            let commit: u64 = sequence[0].parse().expect("a number");
            seen.push((number(&source["txId"]), commit, number(&source["lsn"])));
        }
    }
    assert!(
        seen.is_sorted() && seen.windows(2).all(|pair| pair[0].2 < pair[1].2),
        "{seen:?}"
    );
    assert_eq!(seen[0].0, seen[1].0);
    assert_ne!(seen[1].0, seen[2].0);
}

#[test]
fn values_print_as_debezium_prints_them() {
    // From the recording: 19.90, -0.05 and so on as base64 of the unscaled bytes.
    assert_eq!(decimal(1990), "B8Y=");
    assert_eq!(decimal(-5), "+w==");
    assert_eq!(decimal(3500), "Daw=");
    assert_eq!(decimal(12_345_678), "ALxhTg==");
    assert_eq!(decimal(100), "ZA==");
    assert_eq!(decimal(0), "AA==");
    assert_eq!(decimal(128), "AIA=");
    assert_eq!(iso(1_772_366_400_123_456), "2026-03-01T12:00:00.123456Z");
    assert_eq!(iso(951_782_400_000_000), "2000-02-29T00:00:00.000000Z");
}
