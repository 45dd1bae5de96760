//! The tables of all source files, ready to be looked up by name.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use freshet_core::connector::Connector;
use freshet_core::table::{ColumnKind, ColumnShape};
use freshet_core::template::Fold;

use crate::at::InFile;
use crate::decided::collation;
use crate::decided::column_type::{column_kind, enum_values, is_tinyint_one, null_hides};
use crate::names;
use crate::written::source::{EngineName, IdentityName, SourceColumn, SourceFile, SourceTable};

/// A table with what its file says of all of them.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    pub(crate) engine: EngineName,
    pub(crate) connector: Arc<Connector>,
    pub(crate) written: &'a SourceTable,
    columns: HashMap<&'a str, Column<'a>>,
}

/// A column of a table, with what each family asks for anew.
#[derive(Debug)]
pub(crate) struct Column<'a> {
    pub(crate) written: &'a SourceColumn,
    /// How its values become text.
    pub(crate) kind: ColumnKind,
    /// Whether it is a `tinyint(1)` of MySQL.
    pub(crate) is_tinyint_one: bool,
    /// What comparisons of it do not see.
    pub(crate) ignored: Fold,
    /// Whether it is in the primary key.
    pub(crate) in_key: bool,
}

/// The tables of source files by their names. Of two of one name the first counts.
pub(crate) fn tables(files: &[InFile<SourceFile>]) -> BTreeMap<&str, Table<'_>> {
    let mut tables = BTreeMap::new();
    for file in files {
        let connector = Arc::new(file.connector.settings());
        for written in &file.tables {
            let new = || Table::new(file.engine, Arc::clone(&connector), written);
            tables.entry(written.table.as_str()).or_insert_with(new);
        }
    }
    tables
}

impl<'a> Table<'a> {
    fn new(engine: EngineName, connector: Arc<Connector>, written: &'a SourceTable) -> Self {
        let key: HashSet<&str> = written.primary_key.iter().map(|key| key.as_str()).collect();
        let mut columns = HashMap::new();
        for column in &written.columns {
            columns
                .entry(column.name.as_str())
                .or_insert_with(|| Column {
                    written: column,
                    kind: column_kind(engine, &connector, column),
                    is_tinyint_one: is_tinyint_one(engine, &column.kind),
                    ignored: collation::ignored_by(engine, column),
                    in_key: key.contains(column.name.as_str()),
                });
        }
        Self {
            engine,
            connector,
            written,
            columns,
        }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &'a str {
        &self.written.table
    }

    /// The column of this name; none when the table has no such column.
    pub(crate) fn column(&self, name: &str) -> Option<&Column<'a>> {
        self.columns.get(name)
    }

    /// The name under which a column arrives.
    pub(crate) fn field_of<'n>(&self, column: &'n str) -> Cow<'n, str> {
        names::field_of(column, self.connector.field_names)
    }

    /// Whether rows stand in the log without some of their columns, which then arrive as NULL: an insert without those that
    /// have their default, an update without those that it leaves.
    fn omits_columns(&self) -> bool {
        self.engine != EngineName::Postgres && self.written.replica_identity != IdentityName::Full
    }

    /// A column as the decoder reads it.
    pub(crate) fn shape_of(&self, column: &Column<'_>) -> ColumnShape {
        let Column { written, kind, .. } = *column;
        ColumnShape {
            name: Arc::from(self.field_of(&written.name)),
            kind,
            null_hides: null_hides(self.engine, &self.connector, kind) || self.omits_columns(),
            nullable: written.nullable,
            default: written.default,
            values: enum_values(self.engine, &written.kind).map(Arc::from),
            in_key: column.in_key,
        }
    }
}
