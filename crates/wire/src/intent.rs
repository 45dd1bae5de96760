//! A request to purge, as it comes from another process (`schemas/intent.avsc`).

use std::sync::{Arc, LazyLock};

use apache_avro::types::Value;
use freshet_core::intent::{Asked, Intent, NamedPurge};
use freshet_core::registry::FreshnessClass;

use crate::asked::{
    cause_from_avro, cause_to_avro, mode_of, mode_to_avro, scope_of, scope_to_avro,
};
use crate::single_object::{Fields, RecordError, RecordSchema, avro_field, avro_micros};

static SCHEMA: LazyLock<RecordSchema> =
    LazyLock::new(|| RecordSchema::new(include_str!("../../../schemas/intent.avsc"), &[]));

/// In the order of the Avro enum.
const CLASSES: [(FreshnessClass, &str); 3] = [
    (FreshnessClass::Strict, "strict"),
    (FreshnessClass::Soft, "soft"),
    (FreshnessClass::Batch, "batch"),
];

/// An intent as Avro in single-object encoding.
pub fn encode_intent(intent: &Intent) -> Vec<u8> {
    let texts = |texts: &[Arc<str>]| {
        let texts = texts.iter().map(|text| Value::String(text.to_string()));
        Value::Array(texts.collect())
    };
    let one = std::slice::from_ref;
    let (at, asked, of, names) = match &intent.asked {
        Asked::Topic(topic) => (0, "topic", texts(one(topic)), &[][..]),
        Asked::Families(families) => (1, "families", texts(families), &[][..]),
        Asked::Target(target) => (2, "target", texts(one(target)), &[][..]),
        Asked::Names(names) => (3, "names", texts(&[]), &names[..]),
    };
    let class = CLASSES.iter().position(|(class, _)| *class == intent.class);
    let class = class.unwrap_or_default();
    SCHEMA.encode(Value::Record(vec![
        avro_field("cause", cause_to_avro(&intent.cause)),
        avro_field("asked", Value::Enum(at, asked.to_owned())),
        avro_field("of", of),
        avro_field("names", Value::Array(names.iter().map(to_avro).collect())),
        avro_field(
            "class",
            Value::Enum(class as u32, CLASSES[class].1.to_owned()),
        ),
        avro_field("since", avro_micros(intent.since)),
    ]))
}

/// Reads an intent.
///
/// # Errors
/// See [`RecordError`].
pub fn decode_intent(record: &[u8]) -> Result<Intent, RecordError> {
    let mut fields = Fields::from(SCHEMA.decode(record)?);
    let mut of = fields.texts("of")?.into_iter().map(Arc::from);
    let asked = match &*fields.text("asked")? {
        "families" => Asked::Families(of.collect()),
        "names" => {
            let names = fields.array("names")?.into_iter().map(from_avro);
            Asked::Names(names.collect::<Result<_, _>>()?)
        }
        kind => {
            let (Some(one), None) = (of.next(), of.next()) else {
                return Err(RecordError::Malformed("it must have exactly one request"));
            };
            match kind {
                "topic" => Asked::Topic(one),
                _ => Asked::Target(one),
            }
        }
    };
    let class = fields.text("class")?;
    let class = CLASSES.iter().find(|(_, name)| *name == class);
    Ok(Intent {
        cause: Arc::new(cause_from_avro(Fields::of(fields.take("cause")?)?)?),
        asked,
        class: class.map_or(FreshnessClass::Strict, |(class, _)| *class),
        since: fields.micros("since")?,
    })
}

fn to_avro(named: &NamedPurge) -> Value {
    Value::Record(vec![
        avro_field("target", Value::String(named.target.to_string())),
        avro_field("family", Value::String(named.family.to_string())),
        avro_field("scope", scope_to_avro(named.scope, &named.name)),
        avro_field("mode", mode_to_avro(named.mode)),
        avro_field("name", Value::Bytes(named.name.clone())),
    ])
}

fn from_avro(value: Value) -> Result<NamedPurge, RecordError> {
    let mut fields = Fields::of(value)?;
    Ok(NamedPurge {
        target: fields.text("target")?.into(),
        family: fields.text("family")?.into(),
        scope: scope_of(&fields.text("scope")?),
        mode: mode_of(&fields.text("mode")?),
        name: fields.bytes("name")?,
    })
}

#[cfg(test)]
mod tests;
