//! InnoDB carries foreign-key cascades out below its binlog: the children's deletes are in no log.

use crate::decided::bound::Bound;
use crate::diagnostics::Diagnostics;
use crate::written::source::{EngineName, OnDelete};

const CODE: &str = "FR0027";

pub(super) fn check(bound: Bound<'_>, found: &mut Diagnostics) {
    if bound.table.engine == EngineName::Postgres {
        return;
    }
    for key in &bound.table.written.foreign_keys {
        let (parent, child) = (&key.references, bound.table.name());
        let mut relations = bound.family.relations.iter();
        let is_seen_to =
            relations.any(|relation| relation.acknowledged && relation.parent == *parent);
        let cascades = matches!(key.on_delete, OnDelete::Cascade | OnDelete::SetNull);
        if cascades && !is_seen_to {
            let message = format!(
                "the binlog has no events for rows of `{child}` that cascade from their parent `{parent}`"
            );
            let help = format!(
                "bind the parent too, then add `relations: [{{ parent: {parent}, acknowledged: true }}]`"
            );
            let spot = bound.family.spot(&bound.binding.table);
            found.error(CODE, spot, &message, &help);
        }
    }
}
