//! A record that could not be turned into purges, without any of its row data.

use std::sync::LazyLock;

use apache_avro::types::Value;
use freshet_core::position::UnixMicros;

use crate::single_object::{Fields, RecordError, RecordSchema, avro_field, avro_micros};

static SCHEMA: LazyLock<RecordSchema> =
    LazyLock::new(|| RecordSchema::new(include_str!("../../../schemas/dead_letter.avsc"), &[]));

/// Where a poison record is found again, why it is poison, and what was purged instead
/// (`schemas/dead_letter.avsc`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeadLetter {
    /// The record's topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Why, as one stable word ([`DecodeError::reason`](crate::DecodeError::reason) and the like).
    pub reason: String,
    /// Why and where, in words without row data.
    pub detail: String,
    /// The families that were purged as a whole because of it.
    pub families: Vec<String>,
    /// Size of the record's value.
    pub value_bytes: u64,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was given up.
    pub at: UnixMicros,
    /// When the source stored the record; zero when it does not say.
    pub appended: UnixMicros,
}

impl DeadLetter {
    /// As Avro in single-object encoding.
    pub fn encode(&self) -> Vec<u8> {
        let text = |text: &str| Value::String(text.to_owned());
        let value_bytes = i64::try_from(self.value_bytes).unwrap_or(i64::MAX);
        let families = self.families.iter().map(|family| text(family)).collect();
        SCHEMA.encode(Value::Record(vec![
            avro_field("topic", text(&self.topic)),
            avro_field("partition", Value::Int(self.partition)),
            avro_field("offset", Value::Long(self.offset)),
            avro_field("reason", text(&self.reason)),
            avro_field("detail", text(&self.detail)),
            avro_field("families", Value::Array(families)),
            avro_field("value_bytes", Value::Long(value_bytes)),
            avro_field("attempts", Value::Long(i64::from(self.attempts))),
            avro_field("at", avro_micros(self.at)),
            avro_field("appended", avro_micros(self.appended)),
        ]))
    }

    /// Reads a dead letter of this release or an earlier one.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn decode(record: &[u8]) -> Result<Self, RecordError> {
        let mut fields = Fields::from(SCHEMA.decode(record)?);
        let families = fields.array("families")?.into_iter();
        let families = families.filter_map(|family| match family {
            Value::String(family) => Some(family),
            _ => None,
        });
        Ok(Self {
            families: families.collect(),
            topic: fields.text("topic")?,
            partition: i32::try_from(fields.long("partition")?).unwrap_or_default(),
            offset: fields.long("offset")?,
            reason: fields.text("reason")?,
            detail: fields.text("detail")?,
            value_bytes: u64::try_from(fields.long("value_bytes")?).unwrap_or_default(),
            attempts: u32::try_from(fields.long("attempts")?).unwrap_or(u32::MAX),
            at: fields.micros("at")?,
            appended: fields.micros("appended")?,
        })
    }
}

#[cfg(test)]
mod tests;
