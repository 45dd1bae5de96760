//! What a dead letter keeps of the record behind it.

use freshet_core::registry::LetterPolicy;
use serde_json::{Map, Value, json};

use crate::json::tree;

/// Bytes of a key, and of a value, that a letter keeps at most.
const KEPT_BYTES_MAX: usize = 64 * 1024;
/// Magic byte and schema id, as Confluent frames Avro.
const FRAMING_BYTES: usize = 5;
/// No database has longer names of columns: what is longer is data.
const NAME_BYTES_MAX: usize = 64;
/// Fields of Debezium's envelope whose own fields are named by tables, not by rows.
const ENVELOPE: [&str; 4] = ["before", "after", "source", "transaction"];

/// Key and value, or what is left of them.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) cut: bool,
}

pub(super) fn of_record(policy: LetterPolicy, key: Option<&[u8]>, value: Option<&[u8]>) -> Kept {
    let mut kept = Kept::default();
    if policy == LetterPolicy::None {
        return kept;
    }
    let mut bounded = |bytes: &[u8]| {
        kept.cut |= bytes.len() > KEPT_BYTES_MAX;
        bytes.get(..KEPT_BYTES_MAX).unwrap_or(bytes).to_vec()
    };
    let key = key.map(&mut bounded);
    let value = match policy {
        LetterPolicy::None | LetterPolicy::KeysOnly => None,
        LetterPolicy::Redacted => value.map(|value| bounded(redacted(value).as_bytes())),
        LetterPolicy::Full => value.map(&mut bounded),
    };
    Kept { key, value, ..kept }
}

/// The value as JSON with a type and a length in place of every scalar. Of what is no JSON object, or too large a one,
/// the size and the framing: which of its bytes are row data is not known.
fn redacted(value: &[u8]) -> String {
    let shape = match tree::parse(value) {
        Some(Value::Object(fields)) => {
            let fields = fields.iter().map(|(name, field)| {
                let shown = match field {
                    Value::Object(inner) if name == "payload" => named(inner, shape_of_field),
                    field => shape_of_field(name, field),
                };
                (shown_name(name), shown)
            });
            Value::Object(fields.collect())
        }
        _ => {
            let framed = value.first() == Some(&0);
            let framing = value.iter().take(if framed { FRAMING_BYTES } else { 0 });
            let framing: String = framing.map(|byte| format!("{byte:02x}")).collect();
            json!({ "no_json_object": { "bytes": value.len(), "framing": framing } })
        }
    };
    shape.to_string()
}

/// A field of an envelope or of a flattened row. Below a column nothing is named by the table any more (a map's keys
/// are data), so nested values are only counted.
fn shape_of_field(name: &str, field: &Value) -> Value {
    match field {
        Value::Object(inner) if ENVELOPE.contains(&name) => named(inner, |_, field| shape(field)),
        field => shape(field),
    }
}

fn named(fields: &Map<String, Value>, each: impl Fn(&str, &Value) -> Value) -> Value {
    let fields = fields.iter();
    let fields = fields.map(|(name, field)| (shown_name(name), each(name, field)));
    Value::Object(fields.collect())
}

fn shown_name(name: &str) -> String {
    if name.len() > NAME_BYTES_MAX {
        format!("name({})", name.len())
    } else {
        name.to_owned()
    }
}

/// A type and a length. `true` and `false` have no length here: it would tell which of them it is.
fn shape(value: &Value) -> Value {
    Value::String(match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "boolean".to_owned(),
        Value::Number(number) => format!("number({})", number.to_string().len()),
        Value::String(text) => format!("string({})", text.len()),
        Value::Array(items) => format!("array({})", items.len()),
        Value::Object(fields) => format!("object({})", fields.len()),
    })
}
