//! Foreign keys whose cascades no log shows.

use std::collections::HashSet;

use crate::compile::Speaker;
use crate::family_file::BindingWritten;
use crate::source_file::{EngineName, KnownTables, OnDelete};

/// InnoDB carries foreign-key cascades out below its binlog: the children's deletes are in no log.
pub(super) fn check_cascades(
    speaker: &mut Speaker<'_, '_>,
    written: &BindingWritten,
    known: &KnownTables,
) {
    let Some(table) = known.get(&written.table.value) else {
        return;
    };
    if table.engine == EngineName::Postgres {
        return;
    }
    let relations = speaker.source.file.relations.iter();
    let acknowledged: HashSet<&str> = relations
        .filter(|relation| relation.acknowledged)
        .map(|relation| relation.parent.as_str())
        .collect();
    for key in &table.table.foreign_keys {
        let cascades = matches!(key.on_delete, OnDelete::Cascade | OnDelete::SetNull);
        if cascades && !acknowledged.contains(key.references.as_str()) {
            let message = format!(
                "rows of `{}` go with their parent `{}` and the binlog does not say so",
                written.table.value, key.references
            );
            let help = format!(
                "bind the parent too, then state `relations: [{{ parent: {}, acknowledged: true }}]`",
                key.references
            );
            speaker.error("FR0027", &written.table, (&message, &help));
        }
    }
}
