//! Topics that carry no table of the registry: which of Debezium's own they are, as far as that can be told.

use freshet_core::ports::RawRecord;

use crate::error::DecodeError;
use crate::facts::{EnvelopeField, Facts, Part};
use crate::json::cursor::Cursor;
use crate::limits::Limits;
use crate::skipped::Skipped;

const HEARTBEATS: &str = "__debezium-heartbeat";

/// Whether the topic carries heartbeats.
pub(crate) fn is_heartbeat(topic: &str) -> bool {
    topic.starts_with(HEARTBEATS)
}

/// `<prefix>.transaction`, `<prefix>.message` and the schema changes in `<prefix>` are told apart from tables
/// that nobody owns, for which this is none. The value is looked at only where the topic's name suggests it.
pub(crate) fn recognise(record: &RawRecord<'_>, limits: &Limits) -> Option<Skipped> {
    let topic = record.origin.topic;
    let dots = topic.bytes().filter(|byte| *byte == b'.').count();
    let by_name = match topic.rsplit_once('.') {
        Some((_, "transaction")) => Some(Skipped::Transaction),
        Some((_, "message")) => Some(Skipped::Message),
        _ if dots == 0 => Some(Skipped::SchemaChange),
        _ => None,
    };
    let (suspected, value) = (by_name?, record.value?);
    let proven = match value.first() {
        // The writer schema of a topic that nobody owns is not worth a request. A table's topic has two dots.
        Some(0) => dots == 1,
        _ if value.len() > limits.value_bytes_max => false,
        _ => matches!(look(value, limits), Ok(Some(found)) if found == suspected),
    };
    proven.then_some(suspected)
}

/// What a JSON record says it is, with or without schema.
fn look(value: &[u8], limits: &Limits) -> Result<Option<Skipped>, DecodeError> {
    let mut facts = Facts::default();
    let mut scratch = String::new();
    let mut cursor = Cursor::new(value, limits.depth_max);
    cursor.object(|cursor, name| {
        if name == b"payload" && cursor.peek() == Some(b'{') {
            return cursor.object(|cursor, name| note(cursor, name, &mut facts, &mut scratch));
        }
        note(cursor, name, &mut facts, &mut scratch)
    })?;
    Ok(facts.skipped())
}

fn note(
    cursor: &mut Cursor<'_>,
    name: &[u8],
    facts: &mut Facts,
    scratch: &mut String,
) -> Result<(), DecodeError> {
    match EnvelopeField::named(name) {
        None | Some(EnvelopeField::Transaction) => cursor.skip(),
        Some(EnvelopeField::Source) => {
            if cursor.peek() == Some(b'{') {
                facts.source = Part::Read;
            }
            cursor.skip()
        }
        Some(field) => {
            facts.set(field, cursor.scalar(scratch)?);
            Ok(())
        }
    }
}
