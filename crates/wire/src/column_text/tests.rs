use freshet_core::image::{Column, Image};
use freshet_core::table::{ColumnKind, ColumnSlot, Engine};

use super::{BoundColumn, set};
use crate::scalar::{Encoding, Scalar};

const UNKNOWN: &str = "?";

/// The column's text, `NULL` or `?`.
fn text(kind: ColumnKind, encoding: Encoding, value: Scalar<'_>) -> String {
    text_of(Engine::Postgres, kind, encoding, value)
}

fn text_of(engine: Engine, kind: ColumnKind, encoding: Encoding, value: Scalar<'_>) -> String {
    let slot = ColumnSlot(0);
    let mut image = Image::default();
    image.begin(1);
    let column = BoundColumn {
        slot,
        kind,
        encoding,
        engine,
    };
    set(&mut image, column, value);
    match image.column(slot) {
        Column::Unknown => UNKNOWN.to_owned(),
        Column::Null => "NULL".to_owned(),
        Column::Known(text) => text.to_owned(),
    }
}

const KINDS: [ColumnKind; 10] = [
    ColumnKind::Integer,
    ColumnKind::Text,
    ColumnKind::Uuid,
    ColumnKind::Bool,
    ColumnKind::Decimal { scale: None },
    ColumnKind::Decimal { scale: Some(2) },
    ColumnKind::Date,
    ColumnKind::Timestamp,
    ColumnKind::TimestampTz,
    ColumnKind::Opaque,
];

#[test]
fn a_value_that_the_log_does_not_hold_is_unknown_in_every_kind() {
    for kind in KINDS {
        for value in [
            Scalar::Text("__debezium_unavailable_value"),
            Scalar::Text("X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="),
            Scalar::Bytes(b"__debezium_unavailable_value"),
            Scalar::Opaque,
        ] {
            assert_eq!(text(kind, Encoding::Undeclared, value), UNKNOWN, "{kind:?}");
        }
    }
}

#[test]
fn null_is_null_except_where_nothing_is_ever_certain() {
    for kind in KINDS {
        let wanted = if kind == ColumnKind::Opaque {
            UNKNOWN
        } else {
            "NULL"
        };
        assert_eq!(
            text(kind, Encoding::Plain, Scalar::Null),
            wanted,
            "{kind:?}"
        );
    }
}

#[test]
fn kinds_with_one_form() {
    use ColumnKind::{Bool, Integer, Text, Uuid};
    use Scalar::{Bool as B, Integer as I, Number as N, Real as R, Text as T};
    let upper = "6F1C1F0E-2A52-4D0E-9D3C-0B6A6A0F0001";
    let lower = "6f1c1f0e-2a52-4d0e-9d3c-0b6a6a0f0001";
    for (kind, value, wanted) in [
        (Integer, I(-7), "-7"),
        (Integer, N("18446744073709551615"), "18446744073709551615"),
        (Integer, N("-0"), "0"),
        (Integer, N("7.0"), UNKNOWN),
        (Integer, N("7e3"), UNKNOWN),
        (Integer, R(7.0), UNKNOWN),
        (Integer, T("7"), UNKNOWN),
        (Integer, B(true), UNKNOWN),
        (Text, T("a:*\n"), "a:*\n"),
        (Text, T(""), ""),
        (Text, N("7"), UNKNOWN),
        (Text, B(true), UNKNOWN),
        (Uuid, T(upper), lower),
        (Uuid, T("6f1c1f0e2a524d0e9d3c0b6a6a0f0001"), UNKNOWN),
        (Uuid, T("6f1c1f0e-2a52-4d0e-9d3c-0b6a6a0f000g"), UNKNOWN),
        (Bool, B(true), "true"),
        (Bool, B(false), "false"),
        (Bool, I(1), "true"),
        (Bool, N("0"), "false"),
        (Bool, N("2"), UNKNOWN),
        (Bool, T("true"), UNKNOWN),
    ] {
        let told = text(kind, Encoding::Undeclared, value);
        assert_eq!(told, wanted, "{kind:?} {value:?}");
    }
    let wide = text(
        Integer,
        Encoding::Decimal { scale: 0 },
        Scalar::Text("AP//////////"),
    );
    assert_eq!(
        wide, "18446744073709551615",
        "bigint unsigned, captured precisely"
    );
}

#[test]
fn decimals_in_every_handling_mode() {
    use Encoding::{Decimal, Plain, Undeclared};
    use Scalar::{Bytes, Integer, Number, Real, ScaledBase64, ScaledBytes, Text};
    let (free, two, zero) = (None, Some(2), Some(0));
    let scaled = |scale, base64| ScaledBase64 { scale, base64 };
    for (scale, encoding, value, wanted) in [
        (two, Undeclared, Text("B8Y="), "19.90"),
        (two, Undeclared, Text("19.90"), "19.90"),
        (two, Undeclared, Text("-5"), "-5.00"),
        (zero, Undeclared, Text("1234"), UNKNOWN),
        (zero, Undeclared, Text("12345"), "12345"),
        (zero, Undeclared, Text("B8Y="), "1990"),
        (free, Undeclared, Text("19.9"), "19.9"),
        (free, Undeclared, Text("B8Y="), UNKNOWN),
        (free, Undeclared, scaled(3, "B8Y="), "1.990"),
        (two, Undeclared, scaled(3, "B8Y="), UNKNOWN),
        (free, Undeclared, scaled(3, "B8Y"), UNKNOWN),
        (two, Undeclared, Number("19.9"), "19.90"),
        (two, Undeclared, Number("19"), "19.00"),
        (free, Undeclared, Number("19.9"), UNKNOWN),
        (zero, Plain, Text("1234"), "1234"),
        (two, Decimal { scale: 2 }, Text("1234"), "-26588.24"),
        (two, Decimal { scale: 2 }, Bytes(&[0x07, 0xc6]), "19.90"),
        (two, Plain, Bytes(&[0x07, 0xc6]), UNKNOWN),
        (two, Plain, Real(19.9), "19.90"),
        (two, Plain, Integer(19), "19.00"),
        (
            free,
            Plain,
            ScaledBytes {
                scale: 3,
                unscaled: &[0x07, 0xc6],
            },
            "1.990",
        ),
        (two, Undeclared, Text("NaN"), UNKNOWN),
    ] {
        let told = text(ColumnKind::Decimal { scale }, encoding, value);
        assert_eq!(told, wanted, "{scale:?} {encoding:?} {value:?}");
    }
}

#[test]
fn dates_and_times_in_every_precision_mode() {
    use ColumnKind::{Date, Timestamp, TimestampTz};
    use Encoding::{EpochDays, EpochMicros, EpochMillis, EpochNanos, Plain, Undeclared};
    use Scalar::{Integer, Number, Text};
    let (micros, half) = (1_717_156_800_500_000, "2024-05-31 12:00:00.5");
    for (kind, encoding, value, wanted) in [
        (Date, Undeclared, Number("19874"), "2024-05-31"),
        (Date, EpochDays, Integer(19_874), "2024-05-31"),
        (Date, Plain, Integer(19_874), UNKNOWN),
        (Date, Undeclared, Text("2024-05-31Z"), "2024-05-31"),
        (Date, Undeclared, Text("2024-05-31T00:00"), UNKNOWN),
        (Date, Undeclared, Number("2147483647"), UNKNOWN),
        (Timestamp, Undeclared, Number("1717156800500000"), half),
        (Timestamp, EpochMicros, Integer(micros), half),
        (Timestamp, EpochMillis, Integer(micros / 1000), half),
        (Timestamp, EpochNanos, Integer(micros * 1000), half),
        (Timestamp, EpochNanos, Integer(micros * 1000 + 1), UNKNOWN),
        (Timestamp, EpochMillis, Integer(i64::MAX), UNKNOWN),
        (Timestamp, Plain, Integer(micros), UNKNOWN),
        (Timestamp, Undeclared, Text("2024-05-31T12:00:00.5Z"), half),
        (
            TimestampTz,
            Undeclared,
            Text("2024-05-31T12:00:00.5Z"),
            "2024-05-31 12:00:00.5+00",
        ),
        (
            TimestampTz,
            Plain,
            Text("2024-05-31T14:00:00+02:00"),
            "2024-05-31 12:00:00+00",
        ),
        (
            TimestampTz,
            EpochMicros,
            Integer(0),
            "1970-01-01 00:00:00+00",
        ),
        (TimestampTz, Undeclared, Integer(0), UNKNOWN),
        (TimestampTz, Undeclared, Text("infinity"), UNKNOWN),
    ] {
        let told = text(kind, encoding, value);
        assert_eq!(told, wanted, "{kind:?} {encoding:?} {value:?}");
    }
    // MySQL's precision decides between milli and micro: without a schema nothing tells.
    let number = Number("1717156800500000");
    assert_eq!(
        text_of(Engine::MySql, Timestamp, Undeclared, number),
        UNKNOWN
    );
    assert_eq!(text_of(Engine::MySql, Timestamp, EpochMicros, number), half);
}
