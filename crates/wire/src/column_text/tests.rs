use freshet_core::connector::Connector;
use freshet_core::drift::Drift;
use freshet_core::image::{Column, Image};
use freshet_core::table::{Blanks, Chars, ColumnKind, ColumnShape, ColumnSlot, Moment, Whole};

mod moments;
mod numbers;
mod schemas;

use super::{BoundColumn, set};
use crate::field_schema::{FieldSchema, Nulls};
use crate::scalar::{Encoding, Scalar};

const UNKNOWN: &str = "?";

pub(super) fn column(kind: ColumnKind, encoding: Encoding) -> BoundColumn {
    column_with(kind, encoding, Nulls::Kept)
}

pub(super) fn column_with(kind: ColumnKind, encoding: Encoding, nulls: Nulls) -> BoundColumn {
    let field = FieldSchema { encoding, nulls };
    // As the registry derives it.
    let null_hides = match kind {
        ColumnKind::Date { zero_dates } => zero_dates,
        ColumnKind::Timestamp(moment) | ColumnKind::TimestampTz(moment) => moment.zero_dates,
        _ => false,
    };
    let shape = ColumnShape {
        null_hides,
        ..ColumnShape::new("c", kind, false)
    };
    BoundColumn::of(ColumnSlot(0), &shape, &Connector::default(), field)
}

/// The image of one column after `value`.
pub(super) fn image(column: BoundColumn, value: Scalar<'_>) -> Image {
    let mut image = Image::default();
    image.begin(1);
    set(&mut image, &column, value);
    image
}

/// The column's text, `NULL` or `?`.
fn text_in(image: &Image) -> String {
    match image.column(ColumnSlot(0)) {
        Column::Unknown => UNKNOWN.to_owned(),
        Column::Null => "NULL".to_owned(),
        Column::Known(text) => text.to_owned(),
    }
}

fn text(kind: ColumnKind, encoding: Encoding, value: Scalar<'_>) -> String {
    text_in(&image(column(kind, encoding), value))
}

/// The text, and how the value contradicts the declaration.
fn judged(kind: ColumnKind, encoding: Encoding, value: Scalar<'_>) -> (String, Option<Drift>) {
    let image = image(column(kind, encoding), value);
    (text_in(&image), image.drift().map(|drift| drift.what))
}

fn moment_of_mysql(digits: u8) -> Moment {
    Moment {
        digits,
        prints_all: true,
        shows_zone: false,
        zero_dates: true,
        always_micros: false,
    }
}

fn timestamp_of_postgres(digits: u8) -> ColumnKind {
    ColumnKind::Timestamp(Moment {
        prints_all: false,
        zero_dates: false,
        ..moment_of_mysql(digits)
    })
}

pub(super) fn whole(bits: u8, unsigned: bool, zerofill: u8) -> ColumnKind {
    ColumnKind::Integer(Whole {
        bits,
        unsigned,
        zerofill,
    })
}

const KINDS: [ColumnKind; 11] = [
    ColumnKind::BIGINT,
    ColumnKind::Year,
    ColumnKind::TEXT,
    ColumnKind::Uuid,
    ColumnKind::Bool,
    ColumnKind::Decimal { scale: None },
    ColumnKind::Decimal { scale: Some(2) },
    ColumnKind::DATE,
    ColumnKind::TIMESTAMP,
    ColumnKind::TIMESTAMPTZ,
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
    // A long number is kept apart from its row too.
    let number = ColumnKind::Decimal { scale: Some(2) };
    let bytes = Scalar::Bytes(b"__debezium_unavailable_value");
    assert_eq!(text(number, Encoding::Decimal { scale: 2 }, bytes), UNKNOWN);
}

#[test]
fn a_text_shaped_like_a_placeholder_is_unknown_until_the_source_file_names_it() {
    let named = BoundColumn {
        knows_placeholder: true,
        ..column(ColumnKind::TEXT, Encoding::Plain)
    };
    for value in ["__TOAST__", "__our_UNAVAILABLE_value", "__unavailable"] {
        let told = text(ColumnKind::TEXT, Encoding::Plain, Scalar::Text(value));
        assert_eq!(told, UNKNOWN, "{value}");
        assert_eq!(text_in(&image(named, Scalar::Text(value))), value);
    }
    for value in ["__", "____", "__init", "unavailable", "a__b__", "_x__"] {
        let told = text(ColumnKind::TEXT, Encoding::Plain, Scalar::Text(value));
        assert_eq!(told, value);
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
fn null_in_a_column_that_is_not_null_is_unknown_and_noticed() {
    let column = BoundColumn {
        nullable: false,
        ..column(ColumnKind::BIGINT, Encoding::Plain)
    };
    let image = image(column, Scalar::Null);
    assert_eq!(text_in(&image), UNKNOWN);
    assert_eq!(image.drift().map(|drift| drift.what), Some(Drift::Null));
}

#[test]
fn kinds_with_one_form() {
    use ColumnKind::{Bool, Uuid};
    use Scalar::{Bool as B, Integer as I, Number as N, Real as R, Text as T};
    const INTEGER: ColumnKind = ColumnKind::BIGINT;
    const TEXT: ColumnKind = ColumnKind::TEXT;
    let upper = "6F1C1F0E-2A52-4D0E-9D3C-0B6A6A0F0001";
    let lower = "6f1c1f0e-2a52-4d0e-9d3c-0b6a6a0f0001";
    for (kind, value, wanted) in [
        (INTEGER, I(-7), "-7"),
        (INTEGER, N("-9223372036854775808"), "-9223372036854775808"),
        (INTEGER, N("-0"), "0"),
        (INTEGER, N("7.0"), UNKNOWN),
        (INTEGER, N("7e3"), UNKNOWN),
        (INTEGER, R(7.0), UNKNOWN),
        (INTEGER, T("7"), UNKNOWN),
        (INTEGER, B(true), UNKNOWN),
        (TEXT, T("a:*\n"), "a:*\n"),
        (TEXT, T(""), ""),
        (TEXT, N("7"), UNKNOWN),
        (TEXT, B(true), UNKNOWN),
        (Uuid, T(upper), lower),
        (Uuid, T("6f1c1f0e2a524d0e9d3c0b6a6a0f0001"), UNKNOWN),
        (Uuid, T("6f1c1f0e-2a52-4d0e-9d3c-0b6a6a0f000g"), UNKNOWN),
        (Bool, B(true), "true"),
        (Bool, B(false), "false"),
        (Bool, I(1), "true"),
        (Bool, N("0"), "false"),
        (Bool, N("2"), UNKNOWN),
        (Bool, T("true"), UNKNOWN),
        (ColumnKind::Year, I(2026), "2026"),
        (ColumnKind::Year, N("0"), "0000"),
        (ColumnKind::Year, I(1900), UNKNOWN),
        (ColumnKind::Year, I(26), UNKNOWN),
    ] {
        let told = text(kind, Encoding::Undeclared, value);
        assert_eq!(told, wanted, "{kind:?} {value:?}");
    }
    let wide = text(
        whole(64, true, 0),
        Encoding::Decimal { scale: 0 },
        Scalar::Text("AP//////////"),
    );
    assert_eq!(
        wide, "18446744073709551615",
        "bigint unsigned, captured precisely"
    );
}

#[test]
fn integers_that_their_type_cannot_hold_are_noticed() {
    use Scalar::{Integer as I, Number as N};
    let range = Some(Drift::Range);
    for (kind, value, wanted) in [
        (whole(64, true, 0), I(-1), (UNKNOWN, None)),
        (
            whole(64, true, 0),
            N("-9223372036854775808"),
            (UNKNOWN, None),
        ),
        (
            whole(64, true, 0),
            I(i64::MAX),
            ("9223372036854775807", None),
        ),
        (
            whole(64, true, 0),
            N("18446744073709551615"),
            ("18446744073709551615", None),
        ),
        (
            whole(64, true, 0),
            N("18446744073709551616"),
            ("18446744073709551616", range),
        ),
        (
            whole(64, false, 0),
            N("9223372036854775808"),
            ("9223372036854775808", range),
        ),
        (whole(32, true, 0), I(-1), (UNKNOWN, range)),
        (whole(32, true, 0), I(4_294_967_295), ("4294967295", None)),
        (whole(32, false, 0), I(2_147_483_647), ("2147483647", None)),
        (
            whole(32, false, 0),
            I(-2_147_483_648),
            ("-2147483648", None),
        ),
        (whole(32, false, 0), I(2_147_483_648), ("2147483648", range)),
        (whole(16, false, 0), I(32_768), ("32768", range)),
        (whole(24, true, 0), I(16_777_215), ("16777215", None)),
        (whole(8, false, 0), I(-129), ("-129", range)),
        (whole(32, true, 5), I(42), ("00042", None)),
        (whole(32, true, 5), N("0"), ("00000", None)),
        (whole(32, true, 5), I(123_456), ("123456", None)),
        (whole(8, true, 3), I(256), (UNKNOWN, range)),
    ] {
        let told = judged(kind, Encoding::Undeclared, value);
        assert_eq!((told.0.as_str(), told.1), wanted, "{kind:?} {value:?}");
    }
}

#[test]
fn texts_print_with_the_blanks_that_the_server_prints() {
    use Scalar::Text as T;
    let chars = |max, blanks| ColumnKind::Text(Chars { max, blanks });
    let range = Some(Drift::Range);
    for (kind, value, wanted) in [
        (chars(3, Blanks::Padded), "a  ", ("a  ", None)),
        (chars(3, Blanks::Padded), "äöü", ("äöü", None)),
        (chars(3, Blanks::Padded), "a", (UNKNOWN, range)),
        (chars(3, Blanks::Padded), "abcd", (UNKNOWN, range)),
        (chars(3, Blanks::Cut), "a", ("a", None)),
        (chars(3, Blanks::Cut), "a  ", (UNKNOWN, None)),
        (chars(3, Blanks::Kept), "a  ", ("a  ", None)),
        (chars(3, Blanks::Kept), "äöü", ("äöü", None)),
        (chars(3, Blanks::Kept), "abcd", ("abcd", range)),
    ] {
        let told = judged(kind, Encoding::Plain, T(value));
        assert_eq!((told.0.as_str(), told.1), wanted, "{kind:?} {value:?}");
    }
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
        (two, Undeclared, Text("-5.00"), "-5.00"),
        (zero, Undeclared, Text("1234"), UNKNOWN),
        (zero, Undeclared, Text("12345"), "12345"),
        (zero, Undeclared, Text("B8Y="), "1990"),
        (free, Undeclared, Text("19.9"), "19.9"),
        (free, Undeclared, Text("B8Y="), UNKNOWN),
        // The zeros at its end are cut off, and the server prints them.
        (free, Undeclared, scaled(3, "B8Y="), UNKNOWN),
        (two, Undeclared, scaled(2, "B8Y="), "19.90"),
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
            UNKNOWN,
        ),
        (two, Undeclared, Text("NaN"), UNKNOWN),
    ] {
        let told = judged(ColumnKind::Decimal { scale }, encoding, value);
        assert_eq!(
            told,
            (wanted.to_owned(), None),
            "{scale:?} {encoding:?} {value:?}"
        );
    }
}

#[test]
fn another_scale_than_the_declared_one_is_noticed() {
    use Encoding::{Decimal, Plain, Undeclared};
    use Scalar::{Bytes, ScaledBase64, Text};
    let bytes = Bytes(&[0x07, 0xc6]);
    let scaled = |scale| ScaledBase64 {
        scale,
        base64: "B8Y=",
    };
    for (declared, encoding, value, wanted) in [
        // The schema has the column's scale of that time: it prints so.
        (Some(2), Decimal { scale: 4 }, bytes, "0.1990"),
        (Some(2), Decimal { scale: 0 }, bytes, "1990"),
        (None, Decimal { scale: 2 }, bytes, "19.90"),
        // A scale in the value, or a text, says less.
        (Some(2), Undeclared, scaled(3), UNKNOWN),
        (Some(2), Undeclared, scaled(1), UNKNOWN),
        (Some(2), Undeclared, Text("-5"), UNKNOWN),
        (Some(2), Plain, Text("5.125"), UNKNOWN),
    ] {
        let told = judged(ColumnKind::Decimal { scale: declared }, encoding, value);
        let wanted = (wanted.to_owned(), Some(Drift::Scale));
        assert_eq!(told, wanted, "{declared:?} {encoding:?} {value:?}");
    }
}

#[test]
fn dates_and_times_in_every_precision_mode() {
    use Encoding::{EpochDays, EpochMicros, EpochMillis, EpochNanos, IsoText, Plain, Undeclared};
    use Scalar::{Integer, Number, Text};
    const DATE: ColumnKind = ColumnKind::DATE;
    const PLAIN: ColumnKind = ColumnKind::TIMESTAMP;
    const ZONED: ColumnKind = ColumnKind::TIMESTAMPTZ;
    let (micros, half) = (1_717_156_800_500_000, "2024-05-31 12:00:00.5");
    let milli = timestamp_of_postgres(3);
    for (kind, encoding, value, wanted) in [
        (DATE, Undeclared, Number("19874"), "2024-05-31"),
        (DATE, EpochDays, Integer(19_874), "2024-05-31"),
        (DATE, Plain, Integer(19_874), UNKNOWN),
        (DATE, IsoText, Text("2024-05-31"), "2024-05-31"),
        (DATE, Undeclared, Text("2024-05-31Z"), "2024-05-31"),
        (DATE, Undeclared, Text("2024-05-31T00:00"), UNKNOWN),
        (DATE, Undeclared, Number("2147483647"), UNKNOWN),
        (DATE, Undeclared, Number("0"), "1970-01-01"),
        (PLAIN, EpochMicros, Integer(micros), half),
        (PLAIN, EpochMillis, Integer(micros / 1000), UNKNOWN),
        (milli, EpochMillis, Integer(micros / 1000), half),
        (milli, EpochMicros, Integer(micros), half),
        (PLAIN, EpochNanos, Integer(micros * 1000), half),
        (PLAIN, EpochNanos, Integer(micros * 1000 + 1), UNKNOWN),
        (PLAIN, EpochMillis, Integer(i64::MAX), UNKNOWN),
        (PLAIN, Plain, Integer(micros), UNKNOWN),
        (PLAIN, IsoText, Text("2024-05-31T12:00:00.5Z"), half),
        (PLAIN, IsoText, Text("2024-05-31T12:00:00.5+02:00"), UNKNOWN),
        (PLAIN, Undeclared, Text("2024-05-31T12:00:00.5Z"), UNKNOWN),
        (PLAIN, Undeclared, Text("2024-05-31T12:00:00.500000Z"), half),
        (milli, Plain, Text("2024-05-31 12:00:00.500"), half),
        (
            ZONED,
            Undeclared,
            Text("2024-05-31T12:00:00.5Z"),
            "2024-05-31 12:00:00.5+00",
        ),
        (
            ZONED,
            IsoText,
            Text("2024-05-31T14:00:00+02:00"),
            "2024-05-31 12:00:00+00",
        ),
        (ZONED, Plain, Text("2024-05-31T14:00:00+02:00"), UNKNOWN),
        (ZONED, EpochMicros, Integer(0), "1970-01-01 00:00:00+00"),
        (ZONED, Undeclared, Integer(0), UNKNOWN),
        (ZONED, Undeclared, Text("infinity"), UNKNOWN),
    ] {
        let told = judged(kind, encoding, value);
        assert_eq!(
            told,
            (wanted.to_owned(), None),
            "{kind:?} {encoding:?} {value:?}"
        );
    }
}

#[test]
fn a_number_without_a_unit_is_believed_only_in_the_unit_of_its_column() {
    let (milli, micro) = (timestamp_of_postgres(3), ColumnKind::TIMESTAMP);
    for (kind, number, wanted) in [
        (milli, 1_717_156_800_500, "2024-05-31 12:00:00.5"),
        (milli, 1_717_156_800_500_000, UNKNOWN),
        (milli, 1_717_156_800, UNKNOWN),
        (micro, 1_717_156_800_500_000, "2024-05-31 12:00:00.5"),
        (micro, 1_717_156_800_500, UNKNOWN),
        (micro, 1_717_156_800_500_000_000, UNKNOWN),
        (micro, 631_152_000_000_000, "1990-01-01 00:00:00"),
        // The last second of 1989, or a moment of the year 21970 in milliseconds.
        (micro, 631_151_999_000_000, UNKNOWN),
        // The year 9999 in milliseconds, which is much used for "for ever", and the year 20000.
        (micro, 253_402_300_799_999, UNKNOWN),
        (micro, 568_971_820_000_000, UNKNOWN),
        (micro, 4_102_444_800_000_000, UNKNOWN),
        (milli, 4_102_444_799_000, "2099-12-31 23:59:59"),
        // In microseconds a moment of 1971.
        (milli, 50_000_000_000_000, UNKNOWN),
        (micro, -1_717_156_800_500_000, UNKNOWN),
        (micro, 0, "1970-01-01 00:00:00"),
        (micro, 1, UNKNOWN),
        (micro, i64::MIN, UNKNOWN),
    ] {
        let told = text(kind, Encoding::Undeclared, Scalar::Integer(number));
        assert_eq!(told, wanted, "{kind:?} {number}");
    }
}

#[test]
fn mysql_prints_as_many_digits_as_are_declared() {
    use Encoding::{EpochMicros, EpochMillis, IsoText, Undeclared};
    use Scalar::{Integer, Text};
    let plain = |digits| ColumnKind::Timestamp(moment_of_mysql(digits));
    let zoned = |digits| ColumnKind::TimestampTz(moment_of_mysql(digits));
    let (milli, micro) = (1_717_156_800_500, 1_717_156_800_500_000);
    let scale = Some(Drift::Scale);
    for (kind, encoding, value, wanted) in [
        (
            plain(3),
            EpochMillis,
            Integer(milli),
            ("2024-05-31 12:00:00.500", None),
        ),
        (
            plain(3),
            Undeclared,
            Integer(milli),
            ("2024-05-31 12:00:00.500", None),
        ),
        (
            plain(1),
            EpochMillis,
            Integer(milli),
            ("2024-05-31 12:00:00.5", None),
        ),
        (plain(0), EpochMillis, Integer(milli), (UNKNOWN, scale)),
        (
            plain(0),
            EpochMillis,
            Integer(milli - 500),
            ("2024-05-31 12:00:00", None),
        ),
        (
            plain(6),
            EpochMicros,
            Integer(micro),
            ("2024-05-31 12:00:00.500000", None),
        ),
        (plain(6), EpochMillis, Integer(milli), (UNKNOWN, None)),
        (plain(3), EpochMicros, Integer(micro), (UNKNOWN, scale)),
        (
            zoned(3),
            IsoText,
            Text("2024-05-31T12:00:00.5Z"),
            ("2024-05-31 12:00:00.500", None),
        ),
        (
            zoned(0),
            Undeclared,
            Text("2024-05-31T12:00:00Z"),
            ("2024-05-31 12:00:00", None),
        ),
        (
            zoned(3),
            IsoText,
            Text("2024-05-31T12:00:00.50001Z"),
            (UNKNOWN, scale),
        ),
    ] {
        let told = judged(kind, encoding, value);
        assert_eq!(
            (told.0.as_str(), told.1),
            wanted,
            "{kind:?} {encoding:?} {value:?}"
        );
    }
}

#[test]
fn a_connector_that_always_writes_microseconds_says_nothing_of_the_digits() {
    let always = ColumnKind::Timestamp(Moment {
        always_micros: true,
        ..moment_of_mysql(3)
    });
    let told = text(
        always,
        Encoding::EpochMicros,
        Scalar::Integer(1_717_156_800_500_000),
    );
    assert_eq!(told, "2024-05-31 12:00:00.500");
}

#[test]
fn a_zero_date_of_mysql_is_not_the_epoch() {
    use Scalar::{Integer, Null, Text};
    let never = |moment| Moment {
        zero_dates: false,
        ..moment
    };
    let (plain, zoned) = (ColumnKind::Timestamp, ColumnKind::TimestampTz);
    let date = |zero_dates| ColumnKind::Date { zero_dates };
    let seconds = moment_of_mysql(0);
    let epoch = Text("1970-01-01T00:00:00Z");
    for (kind, encoding, value, wanted) in [
        (date(true), Encoding::EpochDays, Integer(0), UNKNOWN),
        (date(true), Encoding::EpochDays, Null, UNKNOWN),
        (date(true), Encoding::EpochDays, Integer(1), "1970-01-02"),
        (date(false), Encoding::EpochDays, Integer(0), "1970-01-01"),
        (date(false), Encoding::EpochDays, Null, "NULL"),
        (plain(seconds), Encoding::EpochMillis, Integer(0), UNKNOWN),
        (plain(seconds), Encoding::Undeclared, Integer(0), UNKNOWN),
        (plain(seconds), Encoding::EpochMillis, Null, UNKNOWN),
        (plain(never(seconds)), Encoding::EpochMillis, Null, "NULL"),
        (zoned(seconds), Encoding::IsoText, epoch, UNKNOWN),
        (zoned(seconds), Encoding::IsoText, Null, UNKNOWN),
    ] {
        assert_eq!(text(kind, encoding, value), wanted, "{kind:?} {value:?}");
    }
}

#[test]
fn a_value_that_may_be_null_is_unknown_or_proves_nothing() {
    let with = |nulls| column_with(ColumnKind::BIGINT, Encoding::Plain, nulls);
    let slot = ColumnSlot(0);
    let default = Nulls::Default(crate::field_schema::hash("1"));
    for (nulls, number, wanted) in [
        (Nulls::Kept, 1, ("1", true)),
        (Nulls::Doubtful, 1, ("1", false)),
        (default, 1, (UNKNOWN, false)),
        (default, 2, ("2", true)),
        (Nulls::Any, 2, (UNKNOWN, false)),
    ] {
        let image = image(with(nulls), Scalar::Integer(number));
        let told = (text_in(&image), image.proven(slot) != Column::Unknown);
        assert_eq!((told.0.as_str(), told.1), wanted, "{nulls:?} {number}");
        let null = self::image(with(nulls), Scalar::Null);
        assert_eq!(null.proven(slot), Column::Null);
    }
}
