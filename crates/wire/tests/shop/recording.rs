//! What real connectors sent, as it was recorded.

use std::path::{Path, PathBuf};

use freshet_core::ports::RawRecord;
use serde_json::Value;

/// One recorded record.
pub(crate) struct Event {
    /// What the database was made to do.
    pub(crate) scenario: String,
    pub(crate) topic: String,
    /// `topic[partition]@offset`.
    pub(crate) origin: String,
    /// Partition and offset.
    pub(crate) place: (i32, i64),
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
}

impl Event {
    /// The record where it was recorded.
    pub(crate) fn record(&self) -> RawRecord<'_> {
        let record = super::record(&self.topic, self.key.as_deref(), self.value.as_deref());
        let (partition, offset) = self.place;
        super::at(record, partition, offset)
    }
}

/// The folder of recordings and golden texts.
pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/fixtures")
}

/// The records of a recording, in their order.
pub(crate) fn events(recording: &str) -> Vec<Event> {
    let text = read(&format!("{recording}.jsonl"));
    text.lines().map(event).collect()
}

/// The writer schema that the recorded registry has by this number.
pub(crate) fn writer_schema(id: u32) -> Option<String> {
    let schemas = read("postgres-avro.schemas.json");
    let schemas: Value = serde_json::from_str(&schemas).expect("the schemas are JSON");
    let schema = &schemas[id.to_string()];
    (!schema.is_null()).then(|| schema.to_string())
}

fn read(file: &str) -> String {
    let path = fixtures().join("debezium").join(file);
    std::fs::read_to_string(path).expect("the recording is part of the repository")
}

fn event(line: &str) -> Event {
    let line: Value = serde_json::from_str(line).expect("a line is JSON");
    let text = |name: &str| line[name].as_str().map(str::to_owned);
    let bytes = |name: &str| {
        let framed = text(&format!("{name}_base64")).map(|text| super::base64(&text));
        framed.or_else(|| text(name).map(String::into_bytes))
    };
    let topic = text("topic").expect("a topic");
    let number = |name: &str| line[name].as_i64().expect("a number");
    Event {
        origin: format!("{topic}[{}]@{}", line["partition"], line["offset"]),
        place: (number("partition") as i32, number("offset")),
        scenario: text("scenario").expect("a scenario"),
        key: bytes("key"),
        value: bytes("value"),
        topic,
    }
}
