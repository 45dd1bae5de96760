//! The log says what a bound column was before a change. Where it does not, the whole family is purged.

use freshet_core::connector::Tombstones;
use freshet_core::table::ReplicaIdentity;

use crate::decided::bound::Bound;
use crate::diagnostics::Diagnostics;
use crate::written::source::EngineName;

const CODE: &str = "FR0040";

pub(super) fn check(bound: Bound<'_>, found: &mut Diagnostics) {
    let (table, name) = (bound.table, bound.table.name());
    for (written, column) in bound.columns() {
        let is_forgotten = match table.written.replica_identity.identity() {
            ReplicaIdentity::Full => false,
            ReplicaIdentity::Default => !column.in_key,
            ReplicaIdentity::Nothing => true,
        };
        let of_deletes = table.connector.tombstones == Some(Tombstones::AsDelete);
        let column_name = &column.written.name;
        let (message, help) = if is_forgotten {
            (
                format!(
                    "the log does not contain the old value of `{column_name}`: every update and delete of `{name}` purges the whole family"
                ),
                match table.engine {
                    EngineName::Postgres => {
                        "ALTER TABLE … REPLICA IDENTITY FULL, then `freshet source pull` again"
                    }
                    EngineName::Mysql | EngineName::Mariadb => {
                        "set binlog_row_image=FULL, then `freshet source pull` again"
                    }
                },
            )
        } else if of_deletes && !column.in_key {
            (
                format!(
                    "a delete arrives as a tombstone, which does not contain `{column_name}`: every delete of `{name}` purges the whole family"
                ),
                "set delete.tombstone.handling.mode=rewrite in the connector, then `freshet source pull --connect` again",
            )
        } else {
            continue;
        };
        found.warning(CODE, bound.family.spot(written), &message, help);
    }
}
