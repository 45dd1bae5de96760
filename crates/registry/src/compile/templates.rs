//! A family's templates bound to one table: placeholders become slots, constants become literals.

use std::collections::BTreeSet;
use std::sync::Arc;

use freshet_core::connector::Tombstones;
use freshet_core::registry::Binding;
use freshet_core::table::{ColumnKind, ColumnSlot, ReplicaIdentity};
use freshet_core::template::{Segment, Template};
use serde_saphyr::Spanned;

use crate::compile::expand::Expand;
use crate::compile::{Room, Speaker, TableInProgress};
use crate::diagnostics::listed;
use crate::family_file::{BindingWritten, BoundTo};
use crate::source_file::{EngineName, KnownTable};

pub(super) fn bind(
    speaker: &mut Speaker<'_, '_>,
    written: &BindingWritten,
    table: &mut TableInProgress<'_>,
    room: &mut Room,
) -> Option<Binding> {
    let family = room.family;
    check_bound_columns(speaker, written, table);
    let file = &speaker.source.file;
    let mut used = BTreeSet::new();
    let mut names: Vec<Arc<[Template]>> = Vec::new();
    for places in file.places() {
        let mut templates = Vec::new();
        room.names = 0;
        for text in places.texts() {
            let one = Expand {
                speaker: &mut *speaker,
                written,
                places,
                table: &mut *table,
                used: &mut used,
                room: &mut *room,
            };
            templates.extend(one.template(text));
        }
        let templates = Arc::from(templates);
        let targets = places.targets.iter();
        names.extend(targets.map(|_| Arc::clone(&templates)));
    }
    for (name, bound) in &written.bind {
        if !used.contains(name.as_str()) {
            let message = format!("placeholder `{name}` is bound and used by no key or tag");
            speaker.warning(
                "FR0013",
                bound,
                (&message, "remove it, or use it in a template"),
            );
        }
    }
    let mut when_changed = Vec::new();
    for column in &written.when_changed {
        match table.slot(&column.value) {
            Some(slot) => when_changed.push(slot),
            None => unknown_column(speaker, column, &column.value, table),
        }
    }
    if !when_changed.is_empty() {
        // A row that moves to another key matters, whatever else changed.
        for template in names.iter().flat_map(|it| &**it) {
            when_changed.extend(slots_of(template));
        }
        when_changed.sort_unstable();
        when_changed.dedup();
    }
    let version_column = file.entry_version.as_ref().and_then(|entry| {
        // Another table of the family may hold it.
        table.slot(&entry.column.value)
    });
    Some(Binding {
        family,
        when_changed,
        names,
        version_column,
    })
}

fn slots_of(template: &Template) -> impl Iterator<Item = ColumnSlot> {
    template
        .segments
        .iter()
        .filter_map(|segment| match segment {
            Segment::Column(slot, _) => Some(*slot),
            Segment::Literal(_) => None,
        })
}

fn unknown_column<T>(
    speaker: &mut Speaker<'_, '_>,
    at: &Spanned<T>,
    column: &str,
    table: &TableInProgress<'_>,
) {
    let declared = &table.known.table;
    let names = || declared.columns.iter().map(|it| it.name.as_str());
    let message = format!("table `{}` has no column `{column}`", declared.table.value);
    let near = speaker.found.meant(column, names());
    let help = format!("{near}it has: {}", listed(names()));
    speaker.error("FR0011", at, (&message, &help));
}

fn check_bound_columns(
    speaker: &mut Speaker<'_, '_>,
    written: &BindingWritten,
    table: &mut TableInProgress<'_>,
) {
    for bound in written.bind.values() {
        let column = match &bound.value {
            BoundTo::Column(column) => column,
            BoundTo::Constants(constants) => {
                if constants.is_empty() {
                    let help = "list at least one constant, or bind a column";
                    speaker.error("FR0003", bound, ("no constant makes no name", help));
                }
                continue;
            }
        };
        let Some(slot) = table.slot(column) else {
            unknown_column(speaker, bound, column, table);
            continue;
        };
        if table.kind(slot) == ColumnKind::Opaque {
            check_opaque(speaker, bound, (column, table));
        }
        let in_key = table
            .known
            .table
            .primary_key
            .iter()
            .any(|key| key.value == *column);
        check_forgotten(speaker, bound, (column, in_key), table.known);
    }
}

/// Warns where the log does not hold what a bound column was before a change.
fn check_forgotten(
    speaker: &mut Speaker<'_, '_>,
    bound: &Spanned<BoundTo>,
    (column, in_key): (&str, bool),
    known: &KnownTable,
) {
    let name = &known.table.table.value;
    let is_forgotten = match known.table.replica_identity.identity() {
        ReplicaIdentity::Full => false,
        ReplicaIdentity::Default => !in_key,
        ReplicaIdentity::Nothing => true,
    };
    if is_forgotten {
        let message = format!(
            "the log does not say what `{column}` was before: every update and delete of `{name}` purges the whole family"
        );
        let help = match known.engine {
            EngineName::Postgres => {
                "ALTER TABLE … REPLICA IDENTITY FULL, then `freshet source pull` again"
            }
            EngineName::Mysql | EngineName::Mariadb => {
                "set binlog_row_image=FULL, then `freshet source pull` again"
            }
        };
        speaker.warning("FR0040", bound, (&message, help));
    } else if !in_key && known.connector.tombstones == Some(Tombstones::AsDelete) {
        let message = format!(
            "a delete arrives as a tombstone, which does not say what `{column}` was: every delete of `{name}` purges the whole family"
        );
        let help = "set delete.tombstone.handling.mode=rewrite in the connector, then `freshet source pull --connect` again";
        speaker.warning("FR0040", bound, (&message, help));
    }
}

/// A column without one certain text: of `tinyint(1)` the source file can say which, so only a warning.
fn check_opaque(
    speaker: &mut Speaker<'_, '_>,
    bound: &Spanned<BoundTo>,
    (column, table): (&str, &TableInProgress<'_>),
) {
    let known = table.known;
    let declared = known.column(column);
    if known.is_tinyint_one(column) {
        let message = format!(
            "the server prints `{column}` as 1, many clients as true: every change of `{}` purges the whole family",
            known.table.table.value
        );
        let help = "add `text: integer` or `text: boolean` to the column in the source file, as the readers of the entry print it";
        speaker.warning("FR0047", bound, (&message, help));
    } else if declared.is_some_and(|it| it.text.is_some()) {
        let message = format!("column `{column}` has `text:`, which is for `tinyint(1)` only");
        let help = "remove `text:` from the column in the source file";
        speaker.error("FR0017", bound, (&message, help));
    } else {
        let message = format!("column `{column}` has a type without one certain text form");
        let help = "bind an integer, text, uuid, boolean, decimal, date or timestamp column";
        speaker.error("FR0017", bound, (&message, help));
    }
}
