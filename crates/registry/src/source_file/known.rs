//! The tables of all source files, ready to be looked up by name.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use freshet_core::connector::Connector;
use freshet_core::table::{ColumnKind, ColumnShape};

use super::declared::{self, column_kind, enum_values, is_tinyint_one};
use super::{EngineName, IdentityName, SourceColumn, SourceTable};
use crate::names;

/// A table with the engine of its file, for looking up by name.
#[derive(Debug, Clone)]
pub(crate) struct KnownTable {
    pub(crate) engine: EngineName,
    pub(crate) connector: Arc<Connector>,
    pub(crate) table: SourceTable,
    columns: HashMap<String, KnownColumn>,
}

/// What of a column is asked for by each family anew.
#[derive(Debug, Clone, Copy)]
struct KnownColumn {
    /// Its place in the source file.
    at: usize,
    kind: ColumnKind,
    is_tinyint_one: bool,
}

impl KnownTable {
    pub(crate) fn new(engine: EngineName, connector: Arc<Connector>, table: SourceTable) -> Self {
        let mut columns = HashMap::new();
        for (at, column) in table.columns.iter().enumerate() {
            columns
                .entry(column.name.clone())
                .or_insert_with(|| KnownColumn {
                    at,
                    kind: column_kind(engine, &connector, column),
                    is_tinyint_one: is_tinyint_one(engine, &column.kind),
                });
        }
        Self {
            engine,
            connector,
            table,
            columns,
        }
    }

    /// A column as it is written; none when the table has no such column.
    pub(crate) fn column(&self, name: &str) -> Option<&SourceColumn> {
        self.table.columns.get(self.columns.get(name)?.at)
    }

    /// How values of a column become text.
    pub(crate) fn kind_of(&self, column: &str) -> ColumnKind {
        let known = self.columns.get(column);
        known.map_or(ColumnKind::Opaque, |known| known.kind)
    }

    /// Whether a column is a `tinyint(1)` of MySQL.
    pub(crate) fn is_tinyint_one(&self, column: &str) -> bool {
        self.columns
            .get(column)
            .is_some_and(|known| known.is_tinyint_one)
    }

    /// Whether rows stand in the log without some of their columns, which then arrive as NULL: an insert without those that
    /// have their default, an update without those that it leaves.
    fn omits_columns(&self) -> bool {
        self.engine != EngineName::Postgres && self.table.replica_identity != IdentityName::Full
    }

    /// A column as the decoder reads it; none when the table has no such column.
    pub(crate) fn shape_of(&self, name: &str) -> Option<ColumnShape> {
        let column = self.column(name)?;
        let kind = self.kind_of(name);
        Some(ColumnShape {
            name: Arc::from(names::field_of(name, self.connector.field_names)),
            kind,
            null_hides: declared::null_hides(self.engine, &self.connector, kind)
                || self.omits_columns(),
            nullable: column.nullable,
            default: column.default,
            values: enum_values(self.engine, &column.kind).map(Arc::from),
            in_key: self.table.primary_key.iter().any(|key| key.value == name),
        })
    }
}

/// All tables of all source files.
pub(crate) type KnownTables = BTreeMap<String, KnownTable>;
