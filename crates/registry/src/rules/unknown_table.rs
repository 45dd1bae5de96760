//! A family is bound to tables that source files declare.

use crate::decided::bound::Known;
use crate::diagnostics::Diagnostics;

const CODE: &str = "FR0010";

pub(super) fn check(known: &Known<'_>, found: &mut Diagnostics) {
    for (_, family) in known.purging() {
        for binding in &family.sources {
            let table = &binding.table;
            if known.tables.contains_key(table.as_str()) {
                continue;
            }
            let message = format!("no source file declares table `{}`", table.value);
            let near = found.meant(table, known.tables.keys().copied());
            let help =
                format!("{near}`freshet source pull` writes source files from a live catalog");
            found.error(CODE, family.spot(table), &message, &help);
        }
    }
}
