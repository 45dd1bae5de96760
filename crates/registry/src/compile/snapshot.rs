//! Whether what a snapshot reads can be compared with what is cached.

use freshet_core::table::ColumnKind;
use serde_saphyr::Spanned;

use crate::compile::Speaker;

/// A row that a snapshot read has no commit: what tells an old entry from a new one is its version, and nothing else.
/// Which table holds it is looked at where the tables are known.
pub(super) fn check_comparable(speaker: &mut Speaker<'_, '_>, written: &Spanned<String>) {
    let file = &speaker.source.file;
    if file.stores().next().is_none() {
        let help = "use ignore, or purge to treat snapshot rows as changes";
        let message = "nothing can be verified: what a CDN holds cannot be looked at";
        speaker.error("FR0028", written, (message, help));
    } else if file.entry_version.is_none() {
        let help = "name `entry_version: { field, column }`, or use ignore or purge";
        let message =
            "nothing can be verified: entries do not say which version of the row they hold";
        speaker.error("FR0028", written, (message, help));
    }
}

/// One table of a family that has the column of `entry_version`.
pub(super) struct Held<'a> {
    pub(super) table: &'a str,
    pub(super) declared: &'a str,
    pub(super) kind: ColumnKind,
}

/// What is known once the tables are: the version is one table's, and of a type that has an order.
pub(super) fn check_version_column(speaker: &mut Speaker<'_, '_>, held: &[Held<'_>]) {
    let file = &speaker.source.file;
    let (Some(written), Some(version)) = (&file.on_snapshot, &file.entry_version) else {
        return;
    };
    if written.value != "verify" {
        return;
    }
    let column = &version.column.value;
    if let [one, other, ..] = held {
        let (one, other) = (one.table, other.table);
        let message = format!(
            "`{one}` and `{other}` both have `{column}`: whose version entries hold is not told"
        );
        let help = "a row of one table proves nothing about the other; use ignore or purge, or a column with a name of its own";
        speaker.error("FR0028", written, (&message, help));
    }
    let no_order = |kind| {
        matches!(
            kind,
            ColumnKind::Uuid | ColumnKind::Bool | ColumnKind::Opaque
        )
    };
    if let [one] = held
        && no_order(one.kind)
    {
        let message = format!("`{column}` is `{}`, which has no order", one.declared);
        let help = "name a column that grows with every write of the row: a number, or a time";
        speaker.error("FR0028", written, (&message, help));
    }
}
