//! A table has the name of its database in front of its own.

use crate::decided::bound::Known;
use crate::diagnostics::Diagnostics;

const CODE: &str = "FR0003";

pub(super) fn check(known: &Known<'_>, found: &mut Diagnostics) {
    for (file, table) in known.source_tables() {
        let name = &table.table;
        let below = name.strip_prefix(file.database.as_str());
        let is_below = below.is_some_and(|rest| rest.starts_with('.'));
        if !is_below || name.split('.').count() < 3 {
            let message = format!(
                "`{}` is not the name of a table of this database",
                name.value
            );
            let help = "`<server>.<schema>.<table>`, where the server is the `database:` above";
            found.error(CODE, file.spot(name), &message, help);
        }
    }
}
