//! How far a consumer group of ours had read a partition.

use std::sync::LazyLock;

use apache_avro::types::Value;
use freshet_core::position::WallMicros;

use crate::single_object::{Fields, RecordError, RecordSchema, avro_field, avro_micros};

static SCHEMA: LazyLock<RecordSchema> =
    LazyLock::new(|| RecordSchema::new(include_str!("../../../schemas/position.avsc"), &[]));

/// A group's place in a partition, kept where Kafka does not delete it together with the topic
/// (`schemas/position.avsc`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadPosition {
    /// The consumer group.
    pub group: String,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset committed: the next one to be read.
    pub offset: i64,
    /// When the record was written.
    pub at: WallMicros,
}

impl ReadPosition {
    /// The record's key. A topic's name has no slash, so no two places share one.
    pub fn record_key(&self) -> String {
        format!("{}/{}/{}", self.group, self.topic, self.partition)
    }

    /// As Avro in single-object encoding.
    pub fn encode(&self) -> Vec<u8> {
        SCHEMA.encode(Value::Record(vec![
            avro_field("group", Value::String(self.group.clone())),
            avro_field("topic", Value::String(self.topic.clone())),
            avro_field("partition", Value::Int(self.partition)),
            avro_field("offset", Value::Long(self.offset)),
            avro_field("at", avro_micros(self.at)),
        ]))
    }

    /// Reads a position of this release or an earlier one.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn decode(record: &[u8]) -> Result<Self, RecordError> {
        let mut fields = Fields::from(SCHEMA.decode(record)?);
        let partition = i32::try_from(fields.long("partition")?);
        Ok(Self {
            group: fields.text("group")?,
            topic: fields.text("topic")?,
            partition: partition.map_err(|_| RecordError::Malformed("a partition is too large"))?,
            offset: fields.long("offset")?,
            at: fields.micros("at")?,
        })
    }
}

#[cfg(test)]
mod tests;
