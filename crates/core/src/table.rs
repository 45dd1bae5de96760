//! What the registry knows of a source table: enough to tell offline what a row image can say.

use std::sync::Arc;

use crate::connector::Connector;

/// Index of a table in the [`Registry`](crate::registry::Registry) snapshot it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub u32);

/// Index of a *bound* column within its table's [`TableShape::columns`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnSlot(pub u16);

/// The columns of one table that some family binds, and what their images mean.
///
/// A decoder fills exactly these columns and skips the rest of the row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableShape {
    /// Index in the registry snapshot.
    pub id: TableId,
    /// `<server>.<schema>.<table>`, which is also Debezium's topic name.
    pub name: Arc<str>,
    /// Kafka topic that carries the table's changes; equal to `name` unless a router renames it.
    pub topic: Arc<str>,
    /// Which database wrote the log; decides how positions and time resolution are read.
    pub engine: Engine,
    /// What the log's before-images hold.
    pub identity: ReplicaIdentity,
    /// How the connector writes the log.
    pub connector: Arc<Connector>,
    /// Bound columns, in slot order.
    pub columns: Vec<ColumnShape>,
    /// The names of all columns that the source file declares, bound or not, as they stand in a row.
    pub declared: Arc<[Arc<str>]>,
}

impl TableShape {
    /// Whether the table has a column of this name, as far as its source file knows.
    pub fn declares(&self, name: &str) -> bool {
        self.declared.iter().any(|declared| **declared == *name)
    }
}

/// One bound column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnShape {
    /// The column's name in the row.
    pub name: Arc<str>,
    /// How the value is turned into the database's own text form.
    pub kind: ColumnKind,
    /// Part of the primary key (or replica identity index): known in every before-image.
    pub in_key: bool,
}

/// Which database wrote the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// PostgreSQL, decoded by `pgoutput`.
    Postgres,
    /// MySQL or MariaDB row binlog. MariaDB's commit times have whole seconds.
    MySql,
}

/// What a before-image holds. Postgres calls this the table's replica identity; a MySQL table with
/// `binlog_row_image=FULL` counts as [`Full`](ReplicaIdentity::Full).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicaIdentity {
    /// The whole old row.
    Full,
    /// Key columns only. Debezium fills NOT NULL columns of a delete with the type's zero value,
    /// which looks like data and is none (seen on Debezium 3.6.1 with Postgres 15).
    Default,
    /// Nothing at all.
    Nothing,
}

/// How a column's value becomes text. Only forms with one certain text are rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Any integer type.
    Integer,
    /// Text, varchar, char, citext, enum.
    Text,
    /// `uuid`: lower-case, with hyphens.
    Uuid,
    /// Booleans print as `true` and `false`.
    Bool,
    /// `numeric`/`decimal`; `scale` is `None` when the column is declared without one.
    Decimal {
        /// Digits after the point.
        scale: Option<u8>,
    },
    /// Days since the epoch; prints `2024-05-31`.
    Date,
    /// `timestamp` without time zone; prints `2024-05-31 12:00:00.5` as Postgres does.
    Timestamp,
    /// `timestamptz`: Debezium sends an ISO string in UTC, printed as Postgres prints it in UTC.
    TimestampTz,
    /// A type without one certain text form: always unknown, never rendered.
    Opaque,
}
