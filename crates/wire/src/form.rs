//! Which form a record has: Debezium's envelope or a flattened row.

use freshet_core::change::Change;
use freshet_core::image::{Column, Image};
use freshet_core::table::TableShape;

use crate::error::DecodeError;
use crate::facts::Facts;
use crate::images;
use crate::json::cursor::Cursor;
use crate::json::track::Tracks;
use crate::json::{envelope, flattened};
use crate::row_rules::RowRules;

/// The form of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Form {
    #[default]
    Envelope,
    Flattened,
}

/// Reads a JSON object, first in the form that the topic last had. The order saves time and never decides the form.
pub(crate) fn read_json(
    cursor: &mut Cursor<'_>,
    ((hint, tracks), rules): ((Form, &mut Tracks), RowRules<'_>),
    (change, facts): (&mut Change, &mut Facts),
    scratch: &mut String,
) -> Result<Form, DecodeError> {
    let start = cursor.clone();
    if hint == Form::Envelope && tracks.read(cursor, rules, (&mut *change, &mut *facts), scratch) {
        return Ok(Form::Envelope);
    }
    change.before.clear();
    change.after.clear();
    if hint == Form::Flattened {
        flattened::read(cursor, rules, (&mut *change, &mut *facts), scratch)?;
        if facts.is_flattened() {
            return Ok(Form::Flattened);
        }
        *cursor = start.clone();
    }
    envelope::read(cursor, rules, (&mut *change, &mut *facts), scratch)?;
    if facts.is_envelope() || facts.skipped().is_some() {
        tracks.learn(&start, rules);
        return Ok(Form::Envelope);
    }
    change.before.clear();
    *cursor = start;
    flattened::read(cursor, rules, (&mut *change, &mut *facts), scratch)?;
    form_of(facts, rules.shape, &change.after)
}

/// Which form the facts prove. Without any mark, a row that has its key columns is a flattened one.
pub(crate) fn form_of(facts: &Facts, shape: &TableShape, row: &Image) -> Result<Form, DecodeError> {
    if facts.is_envelope() || facts.skipped().is_some() {
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
pub(crate) fn lacks_key(shape: &TableShape, image: &Image) -> bool {
    images::key_slots(shape).any(|slot| image.column(slot) == Column::Unknown)
}
