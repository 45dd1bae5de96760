//! Every recorded value of every column type renders as the text that its server printed, or is unknown. Never another text,
//! and never NULL for a value.

mod shop;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use freshet_core::change::Change;
use freshet_core::image::Column;
use freshet_core::registry::Registry;
use freshet_core::table::ColumnSlot;
use freshet_registry::load_files;
use freshet_wire::{Decoded, Decoder, Limits};
use serde_json::Value;

/// A database's folder of recordings.
struct Recorded {
    database: &'static str,
    /// Columns by table, in order.
    columns: BTreeMap<String, Vec<Value>>,
    /// Rows as printed, by table and id.
    texts: BTreeMap<(String, String), Value>,
}

/// One record, and the table that it is about.
struct Row {
    topic: String,
    table: String,
    key: Vec<u8>,
    value: Vec<u8>,
}

fn read(database: &str, file: &str) -> String {
    let path: PathBuf = shop::recording::fixtures()
        .join("types")
        .join(database)
        .join(file);
    std::fs::read_to_string(path).expect("part of the repository")
}

fn lines(database: &str, file: &str) -> Vec<Value> {
    let text = read(database, file);
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

impl Recorded {
    fn of(database: &'static str) -> Self {
        let mut columns: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for column in lines(database, "columns.jsonl") {
            columns
                .entry(text(&column["table"]))
                .or_default()
                .push(column);
        }
        let rows = lines(database, "texts.jsonl").into_iter();
        let texts = rows
            .map(|row| ((text(&row["table"]), text(&row["id"])), row))
            .collect();
        Self {
            database,
            columns,
            texts,
        }
    }

    fn variants(&self) -> serde_json::Map<String, Value> {
        let text = read(self.database, "variants.json");
        serde_json::from_str(&text).expect("JSON")
    }

    /// The source file as `freshet source pull --connect` writes it.
    fn source(&self, variant: &str, settings: &Value) -> String {
        let is_postgres = self.database == "postgres";
        let times = if is_postgres {
            "adaptive"
        } else {
            "adaptive_time_microseconds"
        };
        let set = |name: &str, default: &str| settings[name].as_str().unwrap_or(default).to_owned();
        let keeps = set("value.converter.replace.null.with.default", "true") == "false";
        let mut source = format!(
            "database: {}\nengine: {}\nconnector:\n  time_precision: {}\n  decimal: {}\n  binary: {}\n  keeps_nulls: {keeps}\n",
            variant.replace('-', "_"),
            self.database,
            set("time.precision.mode", times),
            set("decimal.handling.mode", "precise"),
            set("binary.handling.mode", "bytes"),
        );
        if !is_postgres {
            let mode = set("bigint.unsigned.handling.mode", "long");
            source.push_str(&format!("  bigint_unsigned: {mode}\n"));
        }
        source.push_str("tables:\n");
        for (table, columns) in &self.columns {
            let name = self.name(variant, table);
            source.push_str(&format!("  - table: {name}\n    replica_identity: full\n    primary_key: [id]\n    columns:\n"));
            for column in columns {
                source.push_str(&column_line(column));
            }
        }
        source
    }

    fn name(&self, variant: &str, table: &str) -> String {
        let schema = if self.database == "postgres" {
            "public"
        } else {
            "shop"
        };
        format!("{}.{schema}.{table}", variant.replace('-', "_"))
    }

    /// A registry that binds every column which may be bound.
    fn registry(&self, variant: &str, settings: &Value) -> Registry {
        let source = self.source(variant, settings);
        let with = |families: Vec<(String, String)>| {
            let files = families
                .into_iter()
                .map(|(name, text)| (PathBuf::from(format!("families/{name}.yaml")), text));
            load_files(
                files
                    .chain([(PathBuf::from("sources/s.yaml"), source.clone())])
                    .collect(),
            )
        };
        let mut families = Vec::new();
        for (table, columns) in &self.columns {
            let name = self.name(variant, table);
            let one = |columns: &[String]| (table.clone(), family(table, &name, columns));
            let bindable = |column: &String| match with(vec![one(std::slice::from_ref(column))]) {
                Ok(_) => true,
                Err(found) => {
                    let codes: BTreeSet<&str> = found.iter().map(|it| it.code).collect();
                    assert!(codes.contains("FR0017"), "{column}: {}", found.render());
                    false
                }
            };
            let columns: Vec<String> = columns
                .iter()
                .map(|it| text(&it["column"]))
                .filter(bindable)
                .collect();
            families.push(one(&columns));
        }
        match with(families) {
            Ok(loaded) => loaded.registry,
            Err(found) => panic!("{}", found.render()),
        }
    }

    fn rows(&self, variant: &str, form: &str) -> Vec<Row> {
        let schemas = match form {
            "json-schema" => read(self.database, &format!("{variant}.schemas.jsonl")),
            _ => String::new(),
        };
        let schemas: Vec<&str> = schemas.lines().collect();
        let row = |line: Value| {
            let part = |name: &str| match form {
                "avro" => shop::base64(&text(&line[format!("{name}_base64")])),
                "json" => text(&line[name]).into_bytes(),
                _ => {
                    let number =
                        line[format!("{name}_schema")].as_u64().expect("a number") as usize;
                    let payload = text(&line[format!("{name}_payload")]);
                    format!("{{\"schema\":{},\"payload\":{payload}}}", schemas[number]).into_bytes()
                }
            };
            let topic = text(&line["topic"]);
            let table = topic.rsplit('.').next().expect("a table").to_owned();
            Row {
                table,
                key: part("key"),
                value: part("value"),
                topic,
            }
        };
        lines(self.database, &format!("{variant}.jsonl"))
            .into_iter()
            .map(row)
            .collect()
    }
}

fn column_line(column: &Value) -> String {
    let declared = text(&column["type"]);
    let kind = match column["kind"].as_str() {
        Some("enum") => "enum".to_owned(),
        Some("domain") if column["base"] == "price" => "numeric(10,2)".to_owned(),
        Some("domain") => text(&column["base"]),
        _ => declared.clone(),
    };
    let nullable = column["nullable"] == true;
    let mut line = format!(
        "      - {{ name: {}, type: {}, nullable: {nullable}",
        text(&column["column"]),
        Value::from(kind.as_str())
    );
    if nullable {
        let default = column["default"].as_str().is_some_and(|it| it != "NULL");
        line.push_str(&format!(", default: {default}"));
    }
    if declared.starts_with("tinyint(1)") {
        line.push_str(", text: integer");
    }
    line + " }\n"
}

fn family(noun: &str, table: &str, columns: &[String]) -> String {
    let key: Vec<String> = columns.iter().map(|it| format!("{{{it}}}")).collect();
    let bind: Vec<String> = columns.iter().map(|it| format!("{it}: {it}")).collect();
    format!(
        "family: types.{noun}\nschema_version: 1\nowner: {{ team: t }}\nlifecycle: active\n\
         freshness: {{ class: strict, within: 2s, objective: 99.9%, window: 28d }}\nmax_ttl: 1h\n\
         redis: {{ target: main, keys: [\"types:v1:{noun}:{}\"] }}\n\
         sources:\n  - table: {table}\n    bind: {{ {} }}\n",
        key.join(":"),
        bind.join(", ")
    )
}

/// What a column may hold, beside unknown.
fn allowed(row: &Value, column: &str, kind: &str) -> Option<String> {
    if kind == "boolean" {
        // It prints `t`; its text is `true`.
        return row["cast"][column].as_str().map(str::to_owned);
    }
    if let Some(hex) = row["hex"][column].as_str() {
        let pairs = hex
            .as_bytes()
            .chunks(2)
            .map(|pair| std::str::from_utf8(pair).expect("ASCII"));
        let bytes: Vec<u8> = pairs
            .map(|pair| u8::from_str_radix(pair, 16).expect("hex"))
            .collect();
        return Some(String::from_utf8_lossy(&bytes).into_owned());
    }
    row["printed"][column].as_str().map(str::to_owned)
}

/// Values that were rendered, and each that was rendered wrongly.
fn compare(
    recorded: &Recorded,
    variant: &str,
    form: &str,
    settings: &Value,
) -> (usize, Vec<String>) {
    let registry = recorded.registry(variant, settings);
    let schemas: BTreeMap<u64, String> = match form {
        "avro" => lines(recorded.database, &format!("{variant}.schemas.jsonl"))
            .iter()
            .map(|line| {
                (
                    line["id"].as_u64().expect("an id"),
                    line["schema"].to_string(),
                )
            })
            .collect(),
        _ => BTreeMap::new(),
    };
    let mut decoder = Decoder::new(Limits::default());
    let mut change = Change::default();
    let (mut known, mut wrong) = (0, Vec::new());
    for row in recorded.rows(variant, form) {
        let record = shop::record(&row.topic, Some(&row.key), Some(&row.value));
        let decoded = loop {
            match decoder.decode(&record, &registry, &mut change) {
                Ok(Decoded::SchemaWanted { id }) => {
                    let added = decoder.add_writer_schema(id, &schemas[&u64::from(id)]);
                    added.expect("a real schema compiles");
                }
                Ok(decoded) => break decoded,
                Err(err) => panic!("{variant} {}: {err}", row.topic),
            }
        };
        assert_eq!(decoded, Decoded::Change, "{variant} {}", row.topic);
        let shape = &registry.table(change.table).expect("the table").shape;
        let at = |name: &str| shape.columns.iter().position(|it| &*it.name == name);
        let Some(Column::Known(id)) = at("id").map(|at| change.after.column(ColumnSlot(at as u16)))
        else {
            panic!("{variant} {}: a row without its key", row.topic);
        };
        let printed = &recorded.texts[&(row.table.clone(), id.to_owned())];
        for column in &recorded.columns[&row.table] {
            let name = text(&column["column"]);
            let Some(at) = at(&name) else { continue };
            let allowed = allowed(printed, &name, column["type"].as_str().unwrap_or_default());
            let found = match change.after.column(ColumnSlot(at as u16)) {
                Column::Unknown => continue,
                Column::Null => None,
                Column::Known(text) => Some(text.to_owned()),
            };
            known += 1;
            if found != allowed {
                wrong.push(format!(
                    "{} {variant} {}.{name} {} row {id}: {found:?}, printed {allowed:?}",
                    recorded.database, row.table, column["type"]
                ));
            }
        }
    }
    (known, wrong)
}

fn all_of(database: &'static str) -> (usize, Vec<String>) {
    let recorded = Recorded::of(database);
    let (mut known, mut wrong) = (0, Vec::new());
    for (variant, described) in recorded.variants() {
        let form = text(&described["form"]);
        let (more, faults) = compare(&recorded, &variant, &form, &described["settings"]);
        assert!(
            more > 50,
            "{database} {variant}: only {more} values are known"
        );
        known += more;
        wrong.extend(faults);
    }
    (known, wrong)
}

#[test]
fn p15_a_value_renders_as_postgres_prints_it_or_is_unknown() {
    let (known, wrong) = all_of("postgres");
    assert!(
        wrong.is_empty(),
        "{} of {known}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(known > 1_900, "only {known} values are known");
}

#[test]
fn p15_a_value_renders_as_mariadb_prints_it_or_is_unknown() {
    let (known, wrong) = all_of("mariadb");
    assert!(
        wrong.is_empty(),
        "{} of {known}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(known > 1_900, "only {known} values are known");
}
