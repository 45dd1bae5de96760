//! A record that could not be turned into purges, with as much of it as its families' policy lets a letter keep.

mod kept;

use std::fmt;
use std::sync::LazyLock;

use apache_avro::types::Value;
use freshet_core::broken::Promise;
use freshet_core::position::WallMicros;
use freshet_core::registry::LetterPolicy;
use freshet_core::setting::Setting;

use crate::single_object::{Fields, RecordError, RecordSchema, avro_field, avro_micros};

static SCHEMA: LazyLock<RecordSchema> = LazyLock::new(|| {
    let earlier = [include_str!("../../../schemas/earlier/dead_letter.1.avsc")];
    RecordSchema::new(include_str!("../../../schemas/dead_letter.avsc"), &earlier)
});

/// Bytes that may be row data: they are shown on purpose only, never by a `{:?}` that ends in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct RowBytes(pub Vec<u8>);

impl fmt::Debug for RowBytes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} bytes", self.0.len())
    }
}

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
    pub at: WallMicros,
    /// When the source stored the record; zero when it does not say.
    pub appended: WallMicros,
    /// What was kept of the record.
    pub policy: LetterPolicy,
    /// The record's key, where the policy keeps it.
    pub key: Option<RowBytes>,
    /// The record's value, redacted or whole, where the policy keeps it.
    pub value: Option<RowBytes>,
    /// Key or value were longer than a letter keeps.
    pub cut: bool,
}

impl DeadLetter {
    /// Keeps of a record what `policy` allows.
    pub fn keep(&mut self, policy: LetterPolicy, key: Option<&[u8]>, value: Option<&[u8]>) {
        let policy = if Promise::P12.is_broken() {
            LetterPolicy::Full
        } else {
            policy
        };
        let kept = kept::of_record(policy, key, value);
        self.policy = policy;
        self.key = kept.key.map(RowBytes);
        self.value = kept.value.map(RowBytes);
        self.cut = kept.cut;
    }

    /// As Avro in single-object encoding.
    pub fn encode(&self) -> Vec<u8> {
        SCHEMA.encode(self.to_value())
    }

    fn to_value(&self) -> Value {
        let text = |text: &str| Value::String(text.to_owned());
        let value_bytes = i64::try_from(self.value_bytes).unwrap_or(i64::MAX);
        let families = self.families.iter().map(|family| text(family)).collect();
        Value::Record(vec![
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
            avro_field("policy", text(self.policy.word())),
            avro_field("key", optional(self.key.as_ref())),
            avro_field("value", optional(self.value.as_ref())),
            avro_field("cut", Value::Boolean(self.cut)),
        ])
    }

    /// Reads a dead letter of this release or an earlier one.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn decode(record: &[u8]) -> Result<Self, RecordError> {
        let mut fields = Fields::from(SCHEMA.decode(record)?);
        Ok(Self {
            families: fields.texts("families")?,
            topic: fields.text("topic")?,
            partition: i32::try_from(fields.long("partition")?).unwrap_or_default(),
            offset: fields.long("offset")?,
            reason: fields.text("reason")?,
            detail: fields.text("detail")?,
            value_bytes: u64::try_from(fields.long("value_bytes")?).unwrap_or_default(),
            attempts: u32::try_from(fields.long("attempts")?).unwrap_or(u32::MAX),
            at: fields.micros("at")?,
            appended: fields.micros("appended")?,
            policy: LetterPolicy::named(&fields.text("policy")?).unwrap_or_default(),
            key: fields.optional_bytes("key")?.map(RowBytes),
            value: fields.optional_bytes("value")?.map(RowBytes),
            cut: fields.flag("cut")?,
        })
    }
}

/// As a union of null and bytes.
fn optional(bytes: Option<&RowBytes>) -> Value {
    match bytes {
        None => Value::Union(0, Box::new(Value::Null)),
        Some(RowBytes(bytes)) => Value::Union(1, Box::new(Value::Bytes(bytes.clone()))),
    }
}

#[cfg(test)]
mod tests;
