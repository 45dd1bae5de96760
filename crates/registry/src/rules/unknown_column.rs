//! A column that is named is one of its table's.

use crate::at::{At, InFile};
use crate::decided::bound::{Bound, Known};
use crate::decided::family::Family;
use crate::diagnostics::{Diagnostics, listed};
use crate::written::family::BoundTo;
use crate::written::source::SourceTable;

const CODE: &str = "FR0011";

/// The columns of primary keys, and of versions that entries hold.
pub(super) fn check(known: &Known<'_>, found: &mut Diagnostics) {
    for (file, table) in known.source_tables() {
        for key in &table.primary_key {
            if !names_of(table).any(|name| name == key.as_str()) {
                let message = format!("primary key column `{}` is not a column", key.value);
                let help = format!("the table has: {}", listed(names_of(table)));
                found.error(CODE, file.spot(key), &message, &help);
            }
        }
    }
    for (_, family) in known.purging() {
        check_entry_version(known, family, found);
    }
}

/// One of several tables holds the column that entries are stamped with, but one must.
fn check_entry_version(known: &Known<'_>, family: &InFile<Family>, found: &mut Diagnostics) {
    let Some(version) = &family.entry_version else {
        return;
    };
    let column = &version.column;
    let mut tables = known.bound(family);
    if !tables.any(|bound| bound.table.column(column).is_some()) {
        let message = format!("no table of the family has a column `{}`", column.value);
        let help = "name the column that grows with every write of the row";
        found.error(CODE, family.spot(column), &message, help);
    }
}

/// The columns of one binding.
pub(super) fn check_binding(bound: Bound<'_>, found: &mut Diagnostics) {
    for bound_to in bound.binding.bind.values() {
        if let BoundTo::Column(column) = &bound_to.value {
            check_column(bound, &bound_to.means(column.clone()), found);
        }
    }
    for column in &bound.binding.when_changed {
        check_column(bound, column, found);
    }
}

fn check_column(bound: Bound<'_>, column: &At<String>, found: &mut Diagnostics) {
    if bound.table.column(column).is_some() {
        return;
    }
    let names = || names_of(bound.table.written);
    let (table, name) = (bound.table.name(), &column.value);
    let message = format!("table `{table}` has no column `{name}`");
    let help = format!("{}it has: {}", found.meant(name, names()), listed(names()));
    found.error(CODE, bound.family.spot(column), &message, &help);
}

fn names_of(table: &SourceTable) -> impl ExactSizeIterator<Item = &str> {
    table.columns.iter().map(|column| column.name.as_str())
}
