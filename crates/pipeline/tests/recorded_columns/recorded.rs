//! What Debezium sent for every column type, and what the server prints (`schemas/fixtures/types`).

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

/// A column as the catalog declares it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct CatalogColumn {
    pub(crate) table: String,
    pub(crate) column: String,
    #[serde(rename = "type")]
    pub(crate) declared: String,
    pub(crate) nullable: bool,
    pub(crate) default: Option<String>,
    /// `enum` or `domain`, in Postgres.
    pub(crate) kind: Option<String>,
    /// What a domain is made of.
    pub(crate) base: Option<String>,
}

/// A row as the server prints it.
#[derive(Debug, Deserialize)]
pub(crate) struct PrintedRow {
    pub(crate) table: String,
    pub(crate) id: String,
    pub(crate) printed: BTreeMap<String, Option<String>>,
    /// `column::text`, where that is another text.
    #[serde(default)]
    pub(crate) cast: BTreeMap<String, Option<String>>,
}

/// The form and the settings of one recording.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Variant {
    /// What the settings are called.
    pub(crate) name: String,
    pub(crate) form: String,
    pub(crate) settings: BTreeMap<String, String>,
}

/// One record.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) topic: String,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
    /// The value without its schema, where it is JSON.
    pub(crate) payload: Option<String>,
}

/// One engine's recordings.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) engine: &'static str,
    folder: PathBuf,
    pub(crate) columns: Vec<CatalogColumn>,
    pub(crate) rows: Vec<PrintedRow>,
    pub(crate) variants: BTreeMap<String, Variant>,
}

impl Recorded {
    pub(crate) fn of(engine: &'static str) -> Self {
        let fixtures = "../../schemas/fixtures/types";
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join(fixtures)
            .join(engine);
        let text = fs::read_to_string(folder.join("variants.json")).expect("variants");
        Self {
            engine,
            columns: lines(&folder, "columns.jsonl"),
            rows: lines(&folder, "texts.jsonl"),
            variants: serde_json::from_str(&text).expect("variants"),
            folder,
        }
    }

    /// The Avro schemas of a recording, by id.
    pub(crate) fn schemas(&self, variant: &str) -> BTreeMap<u32, String> {
        let written: Vec<Value> = lines(&self.folder, &format!("{variant}.schemas.jsonl"));
        let by_id = written.iter().filter_map(|line| {
            let id = u32::try_from(line["id"].as_u64()?).ok()?;
            Some((id, line["schema"].to_string()))
        });
        by_id.collect()
    }

    /// The records of a recording.
    pub(crate) fn records(&self, variant: &str) -> Vec<Record> {
        let records: Vec<Value> = lines(&self.folder, &format!("{variant}.jsonl"));
        let form = self.variants[variant].form.as_str();
        let schemas: Vec<String> = match form {
            "json-schema" => {
                let path = self.folder.join(format!("{variant}.schemas.jsonl"));
                let text = fs::read_to_string(path).expect("schemas");
                text.lines().map(String::from).collect()
            }
            _ => Vec::new(),
        };
        let text = |line: &Value, name: &str| line[name].as_str().expect(name).to_owned();
        let wrapped = |line: &Value, side: &str| {
            let at = line[format!("{side}_schema")].as_u64().expect("a number");
            let payload = text(line, &format!("{side}_payload"));
            let schema = &schemas[usize::try_from(at).expect("small")];
            format!("{{\"schema\":{schema},\"payload\":{payload}}}").into_bytes()
        };
        let read = |line: &Value| {
            let topic = text(line, "topic");
            match form {
                "json" => Record {
                    topic,
                    key: text(line, "key").into_bytes(),
                    value: text(line, "value").into_bytes(),
                    payload: Some(text(line, "value")),
                },
                "json-schema" => Record {
                    topic,
                    key: wrapped(line, "key"),
                    value: wrapped(line, "value"),
                    payload: Some(text(line, "value_payload")),
                },
                _ => Record {
                    topic,
                    key: from_base64(&text(line, "key_base64")),
                    value: from_base64(&text(line, "value_base64")),
                    payload: None,
                },
            }
        };
        records.iter().map(read).collect()
    }
}

fn lines<T: for<'de> Deserialize<'de>>(folder: &std::path::Path, name: &str) -> Vec<T> {
    let path = folder.join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
    text.lines()
        .map(|line| {
            serde_json::from_str(line).unwrap_or_else(|err| panic!("{name}: {err}: {line}"))
        })
        .collect()
}

fn from_base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0u32, 0);
    for digit in text.bytes().filter(|byte| *byte != b'=') {
        let value = ALPHABET.iter().position(|it| *it == digit).expect("base64");
        bits = (bits << 6) | u32::try_from(value).expect("small");
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).expect("a byte"));
        }
    }
    bytes
}
