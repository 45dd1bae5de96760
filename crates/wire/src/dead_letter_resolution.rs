//! What became of a dead letter: the audit trail of whoever works through them.

use std::sync::LazyLock;

use apache_avro::types::Value;
use freshet_core::position::WallMicros;

use crate::single_object::{Fields, RecordError, RecordSchema, avro_field, avro_micros};

static SCHEMA: LazyLock<RecordSchema> = LazyLock::new(|| {
    RecordSchema::new(
        include_str!("../../../schemas/dead_letter_resolution.avsc"),
        &[],
    )
});

/// What was done about a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResolutionAction {
    /// What the record asks for was appended to the lanes.
    Retried,
    /// The scopes of its families were.
    FamiliesPurged,
    /// Nothing was: somebody says that nothing is owed.
    Discarded,
}

impl ResolutionAction {
    /// In the order of the Avro enum.
    const ALL: [Self; 3] = [Self::Retried, Self::FamiliesPurged, Self::Discarded];

    /// The action as it stands in records and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Retried => "retried",
            Self::FamiliesPurged => "families_purged",
            Self::Discarded => "discarded",
        }
    }
}

/// Closes a dead letter (`schemas/dead_letter_resolution.avsc`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterResolution {
    /// Partition of the letter in its topic.
    pub letter_partition: i32,
    /// Its offset there.
    pub letter_offset: i64,
    /// What was done.
    pub action: ResolutionAction,
    /// Why, in the words of whoever did it.
    pub because: String,
    /// Who did it.
    pub actor: String,
    /// The families that something was purged for.
    pub families: Vec<String>,
    /// How many purges were appended.
    pub purges: u64,
    /// When.
    pub at: WallMicros,
}

impl DeadLetterResolution {
    /// As Avro in single-object encoding.
    pub fn encode(&self) -> Vec<u8> {
        let text = |text: &str| Value::String(text.to_owned());
        let families = self.families.iter().map(|family| text(family)).collect();
        let purges = i64::try_from(self.purges).unwrap_or(i64::MAX);
        let action = Value::Enum(self.action as u32, self.action.name().to_owned());
        SCHEMA.encode(Value::Record(vec![
            avro_field("letter_partition", Value::Int(self.letter_partition)),
            avro_field("letter_offset", Value::Long(self.letter_offset)),
            avro_field("action", action),
            avro_field("because", text(&self.because)),
            avro_field("actor", text(&self.actor)),
            avro_field("families", Value::Array(families)),
            avro_field("purges", Value::Long(purges)),
            avro_field("at", avro_micros(self.at)),
        ]))
    }

    /// Reads a resolution.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn decode(record: &[u8]) -> Result<Self, RecordError> {
        let mut fields = Fields::from(SCHEMA.decode(record)?);
        let action = fields.text("action")?;
        let action = ResolutionAction::ALL
            .into_iter()
            .find(|known| known.name() == action);
        Ok(Self {
            letter_partition: i32::try_from(fields.long("letter_partition")?).unwrap_or_default(),
            letter_offset: fields.long("letter_offset")?,
            action: action.ok_or(RecordError::Malformed("an unknown action"))?,
            because: fields.text("because")?,
            actor: fields.text("actor")?,
            families: fields.texts("families")?,
            purges: u64::try_from(fields.long("purges")?).unwrap_or_default(),
            at: fields.micros("at")?,
        })
    }
}

#[cfg(test)]
mod tests;
