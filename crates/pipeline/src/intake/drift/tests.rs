use std::sync::Arc;

use freshet_core::change::{Change, Op};
use freshet_core::drift::{ColumnDrift, Drift};
use freshet_core::registry::{Registry, RegistryRevision, Table};
use freshet_core::table::{
    ColumnKind, ColumnShape, ColumnSlot, Engine, ReplicaIdentity, TableId, TableShape,
};
use metrics::Counter;

use super::Drifts;
use crate::metrics::DriftHandles;

fn registry() -> Registry {
    let shape = TableShape {
        id: TableId(0),
        name: Arc::from("shop.public.items"),
        declared: Arc::default(),
        topic: Arc::from("shop.public.items"),
        engine: Engine::Postgres,
        identity: ReplicaIdentity::Full,
        connector: Arc::default(),
        columns: vec![
            ColumnShape::new("id", ColumnKind::BIGINT, true),
            ColumnShape::new("price", ColumnKind::BIGINT, false),
        ],
    };
    let table = Table {
        shape,
        bindings: Vec::new(),
    };
    let revision = RegistryRevision {
        sequence: 1,
        content_hash: Arc::from("x"),
    };
    Registry::new(revision, Vec::new(), vec![table], Vec::new())
}

fn change(slot: u16, what: Drift) -> Change {
    let mut change = Change::default();
    change.reset(TableId(0), Op::Update);
    change.column_drift = Some(ColumnDrift {
        slot: ColumnSlot(slot),
        what,
    });
    change
}

#[test]
fn a_column_is_logged_once_for_each_contradiction_until_the_registry_changes() {
    let (registry, mut drifts) = (registry(), Drifts::default());
    let noop = DriftHandles {
        identity: Counter::noop(),
        column: Counter::noop(),
    };
    let note = |drifts: &mut Drifts, change: &Change| {
        drifts.note(&registry, change, &noop);
        drifts.logged.len()
    };
    for _ in 0..3 {
        assert_eq!(note(&mut drifts, &change(1, Drift::Null)), 1);
    }
    assert_eq!(note(&mut drifts, &change(1, Drift::Scale)), 2);
    assert_eq!(note(&mut drifts, &change(0, Drift::Null)), 3);
    // A column that the registry does not have.
    assert_eq!(note(&mut drifts, &change(7, Drift::Null)), 3);
    assert_eq!(note(&mut drifts, &Change::default()), 3);
    drifts.forget();
    assert_eq!(note(&mut drifts, &change(1, Drift::Null)), 1);
}
