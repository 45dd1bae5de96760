//! Keeps values that were added to a source file by hand when the file is written again.

use std::path::Path;

use freshet_registry::written::source::{ConnectorWritten, SourceFile};

/// Copies into `file` what the file at `path` states beyond the catalog. A file that cannot be read states nothing.
pub(super) fn keep(file: &mut SourceFile, path: &Path) {
    let Some(old) = SourceFile::read(path) else {
        return;
    };
    if file.connector == ConnectorWritten::default() {
        file.connector = old.connector;
    } else {
        // No connector knows whether there are zero dates; of its converter it may not say.
        let (new, old) = (&mut file.connector, old.connector);
        new.zero_dates = new.zero_dates.or(old.zero_dates);
        new.keeps_nulls = new.keeps_nulls.or(old.keeps_nulls);
    }
    for table in &mut file.tables {
        let name = &table.table.value;
        let Some(before) = old.tables.iter().find(|it| it.table.value == *name) else {
            continue;
        };
        for column in &mut table.columns {
            let before = before.columns.iter().find(|it| it.name == column.name);
            column.text = before.and_then(|it| it.text);
        }
    }
}
