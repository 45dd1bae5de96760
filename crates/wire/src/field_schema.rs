//! What is known of how one column is written: by the record's schema, or by the source file where there is no schema.

use std::hash::Hasher as _;

use freshet_core::connector::{BigintUnsigned, Connector, DecimalMode, TimePrecision};
use freshet_core::drift::Drift;
use freshet_core::table::{ColumnKind, ColumnShape};
use rustc_hash::FxHasher;

use crate::scalar::Encoding;

/// Digits of fraction up to which the adaptive modes write milliseconds.
pub(crate) const MILLI_DIGITS: u8 = 3;

/// How one column is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct FieldSchema {
    /// The representation.
    pub(crate) encoding: Encoding,
    /// Whether a value may stand for NULL.
    pub(crate) nulls: Nulls,
}

/// Whether a value may stand for NULL: a converter writes the column's default in place of it, unless it is told not to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Nulls {
    /// NULL arrives as NULL.
    #[default]
    Kept,
    /// Nothing is known of a default.
    Doubtful,
    /// A value whose text has this hash may be NULL. Another text with the same hash is only treated with more caution.
    Default(u64),
    /// Any value may be NULL.
    Any,
}

impl FieldSchema {
    /// For a column of a record without a schema.
    pub(crate) fn undeclared(column: &ColumnShape, connector: &Connector) -> Self {
        let nulls = match column.default {
            Some(true) | None if snapshots_default(column.kind) => Nulls::Any,
            _ if connector.keeps_nulls || !column.nullable => Nulls::Kept,
            Some(true) => Nulls::Any,
            Some(false) => Nulls::Kept,
            None => Nulls::Doubtful,
        };
        Self {
            encoding: stated_encoding(column.kind, connector),
            nulls,
        }
    }
}

/// What a representation says against a column of this kind.
pub(crate) fn contradiction(kind: ColumnKind, encoding: Encoding) -> Option<Drift> {
    let fits = match encoding {
        Encoding::Undeclared | Encoding::Plain => true,
        Encoding::EpochDays => matches!(kind, ColumnKind::Date { .. }),
        Encoding::EpochMillis | Encoding::EpochMicros | Encoding::EpochNanos => {
            matches!(kind, ColumnKind::Timestamp(_) | ColumnKind::TimestampTz(_))
        }
        Encoding::IsoText => matches!(
            kind,
            ColumnKind::Date { .. } | ColumnKind::Timestamp(_) | ColumnKind::TimestampTz(_)
        ),
        Encoding::Decimal { .. } => {
            matches!(kind, ColumnKind::Integer(_) | ColumnKind::Decimal { .. })
        }
        Encoding::Other => false,
        Encoding::Altered => return Some(Drift::Altered),
    };
    (!fits).then_some(Drift::Type)
}

/// Whether a snapshot may write the default in place of a zero date: in MySQL's `timestamp`.
pub(crate) fn snapshots_default(kind: ColumnKind) -> bool {
    matches!(kind, ColumnKind::TimestampTz(moment) if moment.zero_dates)
}

/// How the connector writes a column by its settings; undeclared where they do not say.
fn stated_encoding(kind: ColumnKind, connector: &Connector) -> Encoding {
    match kind {
        ColumnKind::Timestamp(moment) => match connector.time_precision {
            None => Encoding::Undeclared,
            Some(TimePrecision::Connect) => Encoding::EpochMillis,
            Some(TimePrecision::Adaptive | TimePrecision::AdaptiveTimeMicroseconds)
                if moment.digits <= MILLI_DIGITS =>
            {
                Encoding::EpochMillis
            }
            Some(
                TimePrecision::Adaptive
                | TimePrecision::AdaptiveTimeMicroseconds
                | TimePrecision::Microseconds,
            ) => Encoding::EpochMicros,
            Some(TimePrecision::Nanoseconds) => Encoding::EpochNanos,
            Some(TimePrecision::IsoString) => Encoding::IsoText,
        },
        ColumnKind::Decimal { scale: Some(scale) } => match connector.decimal {
            Some(DecimalMode::Precise) => Encoding::Decimal {
                scale: i32::from(scale),
            },
            Some(DecimalMode::String | DecimalMode::Double) => Encoding::Plain,
            None => Encoding::Undeclared,
        },
        ColumnKind::Integer(whole)
            if whole.unsigned
                && whole.bits == 64
                && connector.bigint_unsigned == Some(BigintUnsigned::Precise) =>
        {
            Encoding::Decimal { scale: 0 }
        }
        _ => Encoding::Undeclared,
    }
}

/// A text's hash, the same within one process.
pub(crate) fn hash(text: &str) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(text.as_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests;
