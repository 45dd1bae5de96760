//! A bound column has a type with one certain text form.

use freshet_core::table::ColumnKind;

use crate::decided::bound::Bound;
use crate::diagnostics::Diagnostics;

const CODE: &str = "FR0017";

pub(super) fn check(bound: Bound<'_>, found: &mut Diagnostics) {
    for (written, column) in bound.columns() {
        if column.kind != ColumnKind::Opaque || column.is_tinyint_one {
            continue;
        }
        let name = &column.written.name;
        let (message, help) = match column.written.text {
            Some(_) => (
                format!("column `{name}` has `text:`, which is for `tinyint(1)` only"),
                "remove `text:` from the column in the source file",
            ),
            None => (
                format!("column `{name}` has a type without a certain text form"),
                "bind an integer, text, uuid, boolean, decimal, date or timestamp column",
            ),
        };
        found.error(CODE, bound.family.spot(written), &message, help);
    }
}
