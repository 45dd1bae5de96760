//! A table is declared once: otherwise it would be chance which declaration counts.

use std::collections::HashMap;

use crate::decided::bound::Known;
use crate::diagnostics::{Diagnostic, Diagnostics};

const CODE: &str = "FR0004";

pub(super) fn check(known: &Known<'_>, found: &mut Diagnostics) {
    let mut declared = HashMap::new();
    for (file, table) in known.source_tables() {
        let place = file.place(&table.table);
        if let Some(first) = declared.get(table.table.as_str()) {
            let fault = Diagnostic::error(CODE, place, "the table is declared twice")
                .with_also(Clone::clone(first), "also declared here")
                .with_help("declare each table once, in one source file");
            found.push(fault, &file.text);
        } else {
            declared.insert(table.table.as_str(), place);
        }
    }
}
