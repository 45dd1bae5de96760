//! What a record says against the source file's declaration of a column: the file is out of date.

use crate::table::ColumnSlot;

/// A column that a record contradicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnDrift {
    /// The column.
    pub slot: ColumnSlot,
    /// What contradicts.
    pub what: Drift,
}

/// How a record contradicts a column's declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Drift {
    /// NULL in a column that is NOT NULL.
    Null,
    /// Another number of digits after the point.
    Scale,
    /// A value that the enum does not list.
    EnumValue,
    /// A value that the declared type cannot hold.
    Range,
    /// A value of another type.
    Type,
    /// A value that the connector masks or cuts off.
    Altered,
    /// The row has no such column.
    Missing,
}

impl Drift {
    /// What the record holds, for a log line.
    pub fn message(self) -> &'static str {
        match self {
            Self::Null => "NULL in a column that the source file declares NOT NULL",
            Self::Scale => "another number of digits after the point than the source file declares",
            Self::EnumValue => "a value that the source file does not list for this enum",
            Self::Range => "a value that the declared type cannot hold",
            Self::Type => "a value of another type than the source file declares",
            Self::Altered => "a value that the connector masks or cuts off",
            Self::Missing => {
                "a row without this column: it was renamed or dropped, or the connector leaves it out"
            }
        }
    }
}
