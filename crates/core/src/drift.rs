//! Contradictions between a record and the source file's declaration of a column: the file is outdated.

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
    /// Message for the log.
    pub fn message(self) -> &'static str {
        match self {
            Self::Null => "NULL in a column that the source file declares NOT NULL",
            Self::Scale => "a different number of decimal digits than the source file declares",
            Self::EnumValue => "an enum value that is not in the source file",
            Self::Range => "a value that does not fit the declared type",
            Self::Type => "a value of a different type than the source file declares",
            Self::Altered => "a value that the connector masks or truncates",
            Self::Missing => {
                "a row without this column: it was renamed or dropped, or the connector excludes it"
            }
        }
    }
}
