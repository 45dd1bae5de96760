//! What tests of the decoders read rows of.

use std::sync::Arc;

use freshet_core::table::{ColumnKind, ColumnShape, Engine, ReplicaIdentity, TableId, TableShape};

/// A table of Postgres with full before-images and these columns; `id` is its key.
pub(crate) fn shape(columns: &[(&str, ColumnKind)]) -> TableShape {
    let columns = columns
        .iter()
        .map(|&(name, kind)| ColumnShape::new(name, kind, name == "id"));
    TableShape {
        id: TableId(0),
        name: Arc::from("t"),
        topic: Arc::from("t"),
        engine: Engine::Postgres,
        identity: ReplicaIdentity::Full,
        connector: Arc::default(),
        columns: columns.collect(),
        declared: Arc::default(),
    }
}
