//! Debezium's envelope in JSON: `{"before":…,"after":…,"source":…,"op":…}`.

use super::cursor::Cursor;
use super::row;
use crate::draft::Draft;
use crate::error::DecodeError;
use crate::facts::{EnvelopeField, Facts, FlatMark, Part, SourceField, TransactionField};
use crate::row_rules::RowRules;

/// Reads an object as an envelope. What is not part of one is skipped, so that the facts tell afterwards
/// whether it was one.
pub(crate) fn read(
    cursor: &mut Cursor<'_>,
    rules: RowRules<'_>,
    draft: Draft<'_>,
    scratch: &mut String,
) -> Result<(), DecodeError> {
    let Draft { change, facts } = draft;
    *facts = Facts::default();
    cursor.object(|cursor, name| {
        match EnvelopeField::named(name) {
            None => {
                facts.marked |= FlatMark::tells_form(name);
                cursor.skip()?;
            }
            Some(EnvelopeField::Before) => {
                facts.before = row::read(cursor, rules, &mut change.before, scratch)?;
            }
            Some(EnvelopeField::After) => {
                facts.after = row::read(cursor, rules, &mut change.after, scratch)?;
            }
            Some(EnvelopeField::Source) => read_source(cursor, facts, scratch)?,
            Some(EnvelopeField::Transaction) if rules.members => {
                read_transaction(cursor, facts, scratch)?;
            }
            Some(EnvelopeField::Transaction) => cursor.skip()?,
            Some(field) => facts.set(field, cursor.scalar(scratch)?),
        }
        Ok(())
    })
}

fn read_transaction(
    cursor: &mut Cursor<'_>,
    facts: &mut Facts,
    scratch: &mut String,
) -> Result<(), DecodeError> {
    if cursor.peek() != Some(b'{') {
        return cursor.skip();
    }
    cursor.object(|cursor, name| match TransactionField::named(name) {
        None => cursor.skip(),
        Some(field) => {
            facts.set_transaction(field, cursor.scalar(scratch)?);
            Ok(())
        }
    })
}

fn read_source(
    cursor: &mut Cursor<'_>,
    facts: &mut Facts,
    scratch: &mut String,
) -> Result<(), DecodeError> {
    if cursor.peek() != Some(b'{') {
        facts.source = Part::Other;
        return cursor.skip();
    }
    facts.source = Part::Read;
    cursor.object(|cursor, name| match SourceField::named(name) {
        None => cursor.skip(),
        Some(field) => {
            facts.set_source(field, cursor.scalar(scratch)?);
            Ok(())
        }
    })
}
