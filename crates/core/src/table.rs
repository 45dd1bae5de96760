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
    /// The bound columns with their slots.
    pub fn slots(&self) -> impl Iterator<Item = (ColumnSlot, &ColumnShape)> {
        (0..=u16::MAX).map(ColumnSlot).zip(&self.columns)
    }

    /// Whether the table has a column of this name, as far as its source file knows.
    pub fn declares(&self, name: &str) -> bool {
        self.declared.iter().any(|declared| **declared == *name)
    }
}

/// One bound column, as its source file declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnShape {
    /// The column's name in the row.
    pub name: Arc<str>,
    /// How the value is turned into the database's own text form.
    pub kind: ColumnKind,
    /// Whether it may be NULL.
    pub nullable: bool,
    /// Whether the log may hold NULL where the column has another value.
    pub null_hides: bool,
    /// Whether it has a default value; none when the source file does not say.
    pub default: Option<bool>,
    /// The values of an enum, where the source file lists them.
    pub values: Option<Arc<[Box<str>]>>,
    /// Part of the primary key (or replica identity index): known in every before-image.
    pub in_key: bool,
}

impl ColumnShape {
    /// A column that may be NULL and has no default.
    pub fn new(name: &str, kind: ColumnKind, in_key: bool) -> Self {
        Self {
            name: Arc::from(name),
            kind,
            nullable: true,
            null_hides: false,
            default: Some(false),
            values: None,
            in_key,
        }
    }
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

/// A column's declared type, as far as it decides how a value becomes text.
///
/// Only forms with one certain text are rendered. The engine is part of it: MySQL's `datetime(3)` and Postgres'
/// `timestamp(3)` print the same moment differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// Any integer type.
    Integer(Whole),
    /// MySQL's `year`: four digits.
    Year,
    /// Text, varchar, char, citext, enum.
    Text(Chars),
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
    Date {
        /// The epoch and NULL may be a zero date.
        zero_dates: bool,
    },
    /// A moment without time zone: Postgres' `timestamp`, MySQL's `datetime`.
    Timestamp(Moment),
    /// A moment that arrives as an ISO text in UTC: Postgres' `timestamptz`, MySQL's `timestamp`.
    TimestampTz(Moment),
    /// A type without one certain text form: always unknown, never rendered.
    Opaque,
}

impl ColumnKind {
    /// A `bigint`.
    pub const BIGINT: Self = Self::Integer(Whole {
        bits: 64,
        unsigned: false,
        zerofill: 0,
    });
    /// Text of any length.
    pub const TEXT: Self = Self::Text(Chars {
        max: 0,
        blanks: Blanks::Kept,
    });
    /// A date of Postgres.
    pub const DATE: Self = Self::Date { zero_dates: false };
    /// A `timestamp without time zone` of Postgres.
    pub const TIMESTAMP: Self = Self::Timestamp(Moment::POSTGRES);
    /// A `timestamp with time zone` of Postgres.
    pub const TIMESTAMPTZ: Self = Self::TimestampTz(Moment {
        shows_zone: true,
        ..Moment::POSTGRES
    });
}

/// An integer type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole {
    /// Its size, up to 64.
    pub bits: u8,
    /// It holds no negative numbers, and twice as many others.
    pub unsigned: bool,
    /// Zeros fill it up to so many digits (`zerofill`); 0 when they do not.
    pub zerofill: u8,
}

/// A text type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chars {
    /// The declared length in characters; 0 when there is none.
    pub max: u32,
    /// What happens with blanks at the end.
    pub blanks: Blanks,
}

/// What a database does with blanks at the end of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blanks {
    /// They are part of the text.
    Kept,
    /// They fill the text up to its declared length (`char(n)` of Postgres).
    Padded,
    /// They are cut off (`char(n)` of MySQL).
    Cut,
}

/// A type of a date with a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Digits of fraction that the column holds, up to 6.
    pub digits: u8,
    /// All digits are printed (MySQL); otherwise zeros at the end are left out (Postgres).
    pub prints_all: bool,
    /// `+00` is printed behind it.
    pub shows_zone: bool,
    /// The epoch and NULL may be a zero date.
    pub zero_dates: bool,
    /// The connector writes microseconds whatever the column's digits are.
    pub always_micros: bool,
}

impl Moment {
    const POSTGRES: Self = Self {
        digits: 6,
        prints_all: false,
        shows_zone: false,
        zero_dates: false,
        always_micros: false,
    };
}
