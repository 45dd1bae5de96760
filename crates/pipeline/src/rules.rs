//! The registry in force together with the metric handles made for it, swapped as one.

use std::sync::Arc;

use arc_swap::ArcSwap;
use freshet_core::registry::{Registry, Table};
use freshet_core::table::TableId;

use crate::metrics::RegistryHandles;

/// One registry revision, ready for the hot path.
#[derive(Debug)]
pub struct Rules {
    /// The snapshot.
    pub registry: Arc<Registry>,
    /// Handles for everything it names.
    pub handles: RegistryHandles,
    /// The tables that are only there to be measured.
    beacons: Vec<TableId>,
}

impl Rules {
    /// Makes a revision ready.
    pub fn new(registry: Registry) -> Self {
        let handles = RegistryHandles::new(&registry);
        let is_beacon = |table: &&Table| {
            let mut families = table
                .bindings
                .iter()
                .map(|binding| registry.family(binding.family));
            families.any(|family| family.is_some_and(|family| family.beacon.is_some()))
        };
        let beacons = registry.tables.iter().filter(is_beacon);
        Self {
            beacons: beacons.map(|table| table.shape.id).collect(),
            registry: Arc::new(registry),
            handles,
        }
    }

    /// Whether any family is a beacon's.
    pub(crate) fn has_beacons(&self) -> bool {
        !self.beacons.is_empty()
    }

    /// Whether changes of the table are beats of a beacon.
    pub(crate) fn is_beacon(&self, table: TableId) -> bool {
        self.beacons.contains(&table)
    }
}

/// The revision in force. A round keeps the one it was begun under until it is done, so that no change is
/// ever resolved by two revisions.
#[derive(Debug, Clone)]
pub struct RulesInForce(Arc<ArcSwap<Rules>>);

impl RulesInForce {
    /// Begins with `registry`.
    pub fn new(registry: Registry) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(Rules::new(registry))))
    }

    /// The revision in force now.
    pub fn current(&self) -> Arc<Rules> {
        self.0.load_full()
    }

    /// Puts another revision in force as the successor of the one before. Rounds under way finish under theirs.
    pub fn swap(&self, mut registry: Registry) {
        registry.revision.sequence = self.current().registry.revision.sequence + 1;
        self.0.store(Arc::new(Rules::new(registry)));
    }
}
