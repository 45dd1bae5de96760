//! A JSON object of columns → an image: bound columns are read, the rest is skipped.

use freshet_core::image::Image;

use super::cursor::Cursor;
use crate::column_text;
use crate::error::DecodeError;
use crate::facts::Part;
use crate::row_rules::RowRules;

/// Reads a row if the next value is one.
pub(crate) fn read(
    cursor: &mut Cursor<'_>,
    rules: RowRules<'_>,
    image: &mut Image,
    scratch: &mut String,
) -> Result<Part, DecodeError> {
    if cursor.null()? {
        image.clear();
        return Ok(Part::Null);
    }
    if cursor.peek() != Some(b'{') {
        cursor.skip()?;
        return Ok(Part::Other);
    }
    image.begin(rules.shape.columns.len());
    cursor.object(|cursor, name| match rules.column(name) {
        Some(column) => {
            column_text::set(image, column, cursor.scalar(scratch)?);
            Ok(())
        }
        None => cursor.skip(),
    })?;
    Ok(Part::Read)
}
