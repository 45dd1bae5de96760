//! Columns that records contradict: their source file is out of date. Each change is counted, each column is logged once.

use std::collections::HashSet;

use freshet_core::change::Change;
use freshet_core::drift::{ColumnDrift, Drift};
use freshet_core::registry::Registry;
use freshet_core::table::{ColumnSlot, TableId};
use tracing::warn;

use crate::metrics::DriftHandles;

/// What was logged under one registry: at most each column once for each kind of contradiction.
#[derive(Debug, Default)]
pub(crate) struct Drifts {
    logged: HashSet<(TableId, ColumnSlot, Drift)>,
}

impl Drifts {
    /// Notes a change's contradictions.
    pub(crate) fn note(&mut self, registry: &Registry, change: &Change, counters: &DriftHandles) {
        if change.identity_drift {
            counters.identity.increment(1);
        }
        if let Some(drift) = change.column_drift {
            counters.column.increment(1);
            self.log(registry, change.table, drift);
        }
    }

    /// Columns are numbered anew under another registry, and its source files may be right.
    pub(crate) fn forget(&mut self) {
        self.logged.clear();
    }

    fn log(&mut self, registry: &Registry, id: TableId, drift: ColumnDrift) {
        let Some(table) = registry.table(id) else {
            return;
        };
        let columns = &table.shape.columns;
        if let Some(column) = columns.get(usize::from(drift.slot.0))
            && self.logged.insert((id, drift.slot, drift.what))
        {
            warn!(
                table = %table.shape.name,
                column = %column.name,
                found = drift.what.message(),
                "source file is outdated: run `freshet source pull` again"
            );
        }
    }
}

#[cfg(test)]
mod tests;
