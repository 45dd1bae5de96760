use freshet_core::connector::{BigintUnsigned, Connector, DecimalMode, Setting, TimePrecision};
use freshet_core::table::{ColumnKind, ColumnShape, Moment, Whole};

use super::{FieldSchema, Nulls, hash};
use crate::scalar::{Encoding, Scalar};
use crate::schema_default::SchemaDefault;

fn encoding(kind: ColumnKind, connector: &Connector) -> Encoding {
    let column = ColumnShape::new("c", kind, false);
    FieldSchema::undeclared(&column, connector).encoding
}

fn timestamp(digits: u8) -> ColumnKind {
    ColumnKind::Timestamp(Moment {
        digits,
        prints_all: false,
        shows_zone: false,
        zero_dates: false,
        always_micros: false,
    })
}

#[test]
fn what_the_source_file_states_stands_in_for_a_schema() {
    use Encoding::{EpochMicros, EpochMillis, EpochNanos, IsoText};
    for (word, few, many) in [
        ("adaptive", EpochMillis, EpochMicros),
        ("adaptive_time_microseconds", EpochMillis, EpochMicros),
        ("connect", EpochMillis, EpochMillis),
        ("isostring", IsoText, IsoText),
        ("microseconds", EpochMicros, EpochMicros),
        ("nanoseconds", EpochNanos, EpochNanos),
    ] {
        let connector = Connector {
            time_precision: TimePrecision::named(word),
            ..Connector::default()
        };
        let stated = [0, 3, 4, 6].map(|digits| encoding(timestamp(digits), &connector));
        assert_eq!(stated, [few, few, many, many], "{word}");
    }
    let connector = Connector {
        decimal: Some(DecimalMode::Precise),
        bigint_unsigned: Some(BigintUnsigned::Precise),
        ..Connector::default()
    };
    let unsigned = ColumnKind::Integer(Whole {
        bits: 64,
        unsigned: true,
        zerofill: 0,
    });
    let decimal = ColumnKind::Decimal { scale: Some(2) };
    for (kind, wanted) in [
        (decimal, Encoding::Decimal { scale: 2 }),
        (unsigned, Encoding::Decimal { scale: 0 }),
        (ColumnKind::BIGINT, Encoding::Undeclared),
    ] {
        assert_eq!(encoding(kind, &connector), wanted, "{kind:?}");
        let silent = Connector::default();
        assert_eq!(encoding(kind, &silent), Encoding::Undeclared, "{kind:?}");
    }
}

#[test]
fn a_nullable_column_with_a_default_may_hide_null() {
    let keeps = Connector {
        keeps_nulls: true,
        ..Connector::default()
    };
    let silent = Connector::default();
    for (nullable, default, connector, wanted) in [
        (true, Some(true), &silent, Nulls::Any),
        (true, Some(false), &silent, Nulls::Kept),
        (true, None, &silent, Nulls::Doubtful),
        (false, Some(true), &silent, Nulls::Kept),
        (false, None, &silent, Nulls::Kept),
        (true, Some(true), &keeps, Nulls::Kept),
        (true, None, &keeps, Nulls::Kept),
    ] {
        let column = ColumnShape {
            nullable,
            default,
            ..ColumnShape::new("c", ColumnKind::BIGINT, false)
        };
        let found = FieldSchema::undeclared(&column, connector).nulls;
        assert_eq!(found, wanted, "{nullable} {default:?}");
    }
    let column = ColumnShape {
        default: None,
        ..ColumnShape::new("c", ColumnKind::BIGINT, false)
    };
    let one = SchemaDefault::OfNotNull(Scalar::Integer(1));
    for (default, connector, wanted) in [
        (SchemaDefault::None, &silent, Nulls::Kept),
        (one, &silent, Nulls::Kept),
        (
            SchemaDefault::Value(Scalar::Integer(1)),
            &silent,
            Nulls::Default(hash("1")),
        ),
        (SchemaDefault::Value(Scalar::Text("1")), &silent, Nulls::Any),
        (
            SchemaDefault::Value(Scalar::Integer(1)),
            &keeps,
            Nulls::Kept,
        ),
    ] {
        let field = default.field(&column, connector, Encoding::Plain);
        assert_eq!(field.nulls, wanted, "{default:?}");
    }
}

/// In MySQL's `timestamp` it stands for a zero date too, whatever is set of NULL.
#[test]
fn a_snapshot_may_write_the_default_in_place_of_a_zero_date() {
    let kind = ColumnKind::TimestampTz(Moment {
        digits: 0,
        prints_all: true,
        shows_zone: false,
        zero_dates: true,
        always_micros: false,
    });
    for keeps_nulls in [true, false] {
        let connector = Connector {
            keeps_nulls,
            ..Connector::default()
        };
        for nullable in [true, false] {
            let column = |default| ColumnShape {
                nullable,
                default,
                ..ColumnShape::new("c", kind, false)
            };
            for (default, wanted) in [
                (Some(true), Nulls::Any),
                (None, Nulls::Any),
                (Some(false), Nulls::Kept),
            ] {
                let found = FieldSchema::undeclared(&column(default), &connector).nulls;
                assert_eq!(found, wanted, "{keeps_nulls} {nullable} {default:?}");
            }
            let default = Scalar::Text("2024-05-31T12:00:00Z");
            let hidden = Nulls::Default(hash("2024-05-31 12:00:00"));
            for (default, wanted) in [
                (SchemaDefault::None, Nulls::Kept),
                (SchemaDefault::Value(default), hidden),
                (SchemaDefault::OfNotNull(default), hidden),
            ] {
                let column = column(None);
                let field = default.field(&column, &connector, Encoding::IsoText);
                let found = field.nulls;
                assert_eq!(found, wanted, "{keeps_nulls} {default:?}");
            }
        }
    }
}
