//! The server prints a `tinyint(1)` as a number, and many clients as a boolean: the source file can say which.

use freshet_core::table::ColumnKind;

use crate::decided::bound::Bound;
use crate::diagnostics::Diagnostics;

const CODE: &str = "FR0047";

pub(super) fn check(bound: Bound<'_>, found: &mut Diagnostics) {
    for (written, column) in bound.columns() {
        if column.kind == ColumnKind::Opaque && column.is_tinyint_one {
            let message = format!(
                "the server prints `{}` as 1, many clients as true: every change of `{}` purges the whole family",
                column.written.name,
                bound.table.name()
            );
            let help = "add `text: integer` or `text: boolean` to the column in the source file, as the readers of the entry print it";
            found.warning(CODE, bound.family.spot(written), &message, help);
        }
    }
}
