//! What is read from a catalog, whatever the database.

use std::collections::BTreeMap;
use std::time::Duration;

use freshet_registry::at::At;
use freshet_registry::written::source::{
    ConnectorWritten, EngineName, IdentityName, SourceFile, SourceTable,
};

/// A server that does not even refuse is given up.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// A catalog as read.
pub(super) struct Pulled {
    pub(super) file: SourceFile,
    /// What the file does not say and somebody should know.
    pub(super) notes: Vec<String>,
}

/// Tables by schema and name.
pub(super) type Tables = BTreeMap<(String, String), SourceTable>;

/// The tables of the database whose topics begin with `server`, before anything is known of its connector.
pub(super) fn source_file(server: &str, engine: EngineName, tables: Tables) -> SourceFile {
    SourceFile {
        database: At::nowhere(server.to_owned()),
        engine,
        connector: ConnectorWritten::default(),
        tables: tables.into_values().collect(),
    }
}

/// A table of which only this is known.
pub(super) fn empty_table(name: &str, replica_identity: IdentityName) -> SourceTable {
    SourceTable {
        table: At::nowhere(name.to_owned()),
        topic: None,
        optional: false,
        replica_identity,
        primary_key: Vec::new(),
        columns: Vec::new(),
        foreign_keys: Vec::new(),
    }
}

/// What to know of a partitioned table.
pub(super) fn partitioned(table: &str) -> String {
    format!(
        "{table} is partitioned: attaching, detaching, exchanging, dropping or truncating a partition is not in the log, so the entries that it makes stale are not purged"
    )
}
