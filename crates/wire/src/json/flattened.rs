//! The flattened form in JSON: the row's columns at the top level, with `__op`, `__deleted` and the like among
//! them (`ExtractNewRecordState`).

use super::cursor::Cursor;
use crate::column_text;
use crate::draft::Draft;
use crate::error::DecodeError;
use crate::facts::{Facts, FlatMark};
use crate::foreign;
use crate::row_rules::RowRules;

/// Reads an object as a flattened row, into the after-image.
pub(crate) fn read(
    cursor: &mut Cursor<'_>,
    rules: RowRules<'_>,
    draft: Draft<'_>,
    scratch: &mut String,
) -> Result<(), DecodeError> {
    let Draft { change, facts } = draft;
    *facts = Facts::default();
    change.after.begin(rules.shape.columns.len());
    cursor.object(|cursor, name| {
        if let Some(column) = rules.column(name) {
            column_text::set(&mut change.after, column, cursor.scalar(scratch)?);
        } else if let Some(mark) = FlatMark::named(name) {
            facts.set_mark(mark, cursor.scalar(scratch)?);
        } else {
            facts.maybe_foreign |= foreign::may_lead(name, rules.shape);
            cursor.skip()?;
        }
        Ok(())
    })
}
