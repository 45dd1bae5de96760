//! Which form a record has: Debezium's envelope or a flattened row.

use freshet_core::image::{Column, Image};
use freshet_core::table::TableShape;

use crate::draft::Draft;
use crate::error::DecodeError;
use crate::facts::Facts;
use crate::foreign;
use crate::images;
use crate::json::cursor::Cursor;
use crate::json::track::Tracks;
use crate::json::{envelope, flattened};
use crate::row_rules::RowRules;
use crate::skipped::Skipped;

/// The form of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Form {
    #[default]
    Envelope,
    Flattened,
}

/// What the JSON records of a topic looked like so far.
#[derive(Debug)]
pub(crate) struct Habit<'a> {
    /// The form of the last one.
    pub(crate) form: Form,
    pub(crate) tracks: &'a mut Tracks,
}

impl Habit<'_> {
    /// Reads a JSON object, first in the form that the topic last had. The order saves time and never decides the form.
    pub(crate) fn read(
        self,
        cursor: &mut Cursor<'_>,
        rules: RowRules<'_>,
        mut draft: Draft<'_>,
        scratch: &mut String,
    ) -> Result<Form, DecodeError> {
        let start = cursor.clone();
        match self.form {
            Form::Envelope => {
                if self.tracks.read(cursor, rules, draft.again(), scratch) {
                    return Ok(Form::Envelope);
                }
                draft.change.before.clear();
                draft.change.after.clear();
            }
            Form::Flattened => {
                flattened::read(cursor, rules, draft.again(), scratch)?;
                if draft.facts.is_flattened() {
                    return Ok(Form::Flattened);
                }
                draft.change.after.clear();
                *cursor = start.clone();
            }
        }
        envelope::read(cursor, rules, draft.again(), scratch)?;
        if is_enveloped(draft.facts, rules.shape) {
            self.tracks.learn(&start, rules);
            return Ok(Form::Envelope);
        }
        draft.change.before.clear();
        *cursor = start.clone();
        flattened::read(cursor, rules, draft.again(), scratch)?;
        let Draft { change, facts } = draft;
        if facts.maybe_foreign
            && !facts.is_flattened()
            && let Some(format) = foreign::of_object(start, rules.shape)?
        {
            return Err(DecodeError::Foreign { format });
        }
        form_of(facts, rules.shape, &change.after)
    }
}

/// Whether the record is an envelope, or one of Debezium's records that are no changes. A row may have columns that
/// are called as the fields of those; with the marks of the flattened form it is one.
#[inline(always)] // asked for each record, in either format
fn is_enveloped(facts: &Facts, shape: &TableShape) -> bool {
    let declares = |names: [&str; 2]| names.into_iter().all(|name| shape.declares(name));
    match facts.skipped() {
        Some(_) if facts.marked => false,
        Some(Skipped::Transaction) => !declares(["status", "data_collections"]),
        Some(Skipped::SchemaChange) => !declares(["ddl", "databaseName"]),
        Some(_) => true,
        None => facts.is_envelope(),
    }
}

/// Which form the facts prove. Without any mark, a row that has its key columns is a flattened one.
#[inline(always)] // as above
pub(crate) fn form_of(facts: &Facts, shape: &TableShape, row: &Image) -> Result<Form, DecodeError> {
    if is_enveloped(facts, shape) {
        return Ok(Form::Envelope);
    }
    let keyed = images::key_slots(shape).next().is_some();
    if facts.is_flattened() || (row.is_present() && keyed && !lacks_key(shape, row)) {
        return Ok(Form::Flattened);
    }
    Err(DecodeError::BadEnvelope {
        what: "neither Debezium's envelope nor a flattened row",
    })
}

/// Whether a bound key column is unknown.
fn lacks_key(shape: &TableShape, image: &Image) -> bool {
    images::key_slots(shape).any(|slot| image.column(slot) == Column::Unknown)
}

/// Whether a bound key column is unknown or NULL, so that the record's key has to say it.
pub(crate) fn needs_row_key(shape: &TableShape, image: &Image) -> bool {
    images::key_slots(shape).any(|slot| !matches!(image.column(slot), Column::Known(_)))
}
