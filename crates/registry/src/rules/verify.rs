//! A row that a snapshot read has no commit: what tells an old entry from a new one is its version, and nothing else.

use freshet_core::registry::OnSnapshot;
use freshet_core::table::ColumnKind;

use crate::at::InFile;
use crate::decided::bound::Known;
use crate::decided::family::Family;
use crate::decided::table::Table;
use crate::diagnostics::Diagnostics;

const CODE: &str = "FR0028";

/// Entries can be looked at, and say which version of the row they hold.
pub(super) fn check(family: &InFile<Family>, found: &mut Diagnostics) {
    if family.on_snapshot.value != OnSnapshot::Verify {
        return;
    }
    let (message, help) = if family.stores().next().is_none() {
        (
            "nothing can be verified: entries at a CDN cannot be read",
            "use ignore, or purge to treat snapshot rows as changes",
        )
    } else if family.entry_version.is_none() {
        (
            "nothing can be verified: entries do not contain the version of the row",
            "name `entry_version: { field, column }`, or use ignore or purge",
        )
    } else {
        return;
    };
    found.error(CODE, family.spot(&family.on_snapshot), message, help);
}

/// The version is one table's, and of a type that has an order.
pub(super) fn check_version(known: &Known<'_>, found: &mut Diagnostics) {
    for (_, family) in known.purging() {
        let Some(version) = &family.entry_version else {
            continue;
        };
        if family.on_snapshot.value != OnSnapshot::Verify {
            continue;
        }
        let column = version.column.as_str();
        let mut held: Vec<&Table<'_>> = known.bound(family).map(|bound| bound.table).collect();
        held.retain(|table| table.column(column).is_some());
        held.sort_by_key(|table| table.name());
        held.dedup_by_key(|table| table.name());
        let (message, help) = match held[..] {
            [one, other, ..] => (
                format!(
                    "`{}` and `{}` both have `{column}`: it is unclear whose version the entries contain",
                    one.name(),
                    other.name()
                ),
                "a row of one table proves nothing about the other; use ignore or purge, or a column with a unique name",
            ),
            [table] => match table.column(column) {
                Some(version) if has_no_order(version.kind) => (
                    format!(
                        "`{column}` is `{}`, which has no order",
                        version.written.kind
                    ),
                    "name a column that grows with every write of the row: a number, or a time",
                ),
                _ => continue,
            },
            [] => continue,
        };
        found.error(CODE, family.spot(&family.on_snapshot), &message, help);
    }
}

fn has_no_order(kind: ColumnKind) -> bool {
    matches!(
        kind,
        ColumnKind::Uuid | ColumnKind::Bool | ColumnKind::Opaque
    )
}
