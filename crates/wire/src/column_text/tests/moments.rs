//! Moments that have no certain text: at the edges of calendars, units and logs.

use super::{UNKNOWN, column, image, text, text_in, timestamp_of_postgres};
use crate::column_text::BoundColumn;
use crate::scalar::{Encoding, Scalar};
use freshet_core::table::ColumnKind;

#[test]
fn infinity_of_postgres_is_no_moment_in_any_unit() {
    use Encoding::{EpochMicros, EpochMillis, EpochNanos, Undeclared};
    for number in [
        9_223_372_036_825_200_000,
        9_223_372_036_825_200,
        -9_223_372_036_832_400_000,
        -9_223_372_036_832_400,
        i64::MAX,
        i64::MAX / 1000,
        i64::MIN,
        i64::MIN / 1000,
    ] {
        for encoding in [Undeclared, EpochMillis, EpochMicros, EpochNanos] {
            for kind in [timestamp_of_postgres(3), ColumnKind::TIMESTAMP] {
                let told = text(kind, encoding, Scalar::Integer(number));
                assert_eq!(told, UNKNOWN, "{kind:?} {encoding:?} {number}");
            }
        }
    }
}

/// The days 1582-10-15 to 24 stand also for those that connectors shift there.
#[test]
fn the_first_ten_days_of_the_gregorian_calendar_are_unknown() {
    let micros_of_day = 86_400 * 1_000_000;
    for (days, date) in [
        (-141_428, UNKNOWN),
        (-141_427, UNKNOWN),
        (-141_418, UNKNOWN),
        (-141_417, "1582-10-25"),
    ] {
        let told = text(ColumnKind::DATE, Encoding::EpochDays, Scalar::Integer(days));
        assert_eq!(told, date, "{days}");
        for (micros, time) in [(0, "00:00:00"), (micros_of_day - 1, "23:59:59.999999")] {
            let moment = Scalar::Integer(days * micros_of_day + micros);
            let told = text(ColumnKind::TIMESTAMP, Encoding::EpochMicros, moment);
            let wanted = match date {
                UNKNOWN => UNKNOWN.to_owned(),
                date => format!("{date} {time}"),
            };
            assert_eq!(told, wanted, "{days}");
        }
    }
}

#[test]
fn a_text_of_a_moment_that_shows_all_digits_is_believed_without_a_schema_too() {
    let told = |text| self::text(ColumnKind::TIMESTAMPTZ, Encoding::Plain, Scalar::Text(text));
    assert_eq!(
        told("2024-05-31T14:00:00.500000+02:00"),
        "2024-05-31 12:00:00.5+00"
    );
    assert_eq!(told("2024-05-31T14:00:00.5+02:00"), UNKNOWN);
}

/// Debezium writes NULL for a moment that nanoseconds in 64 bits do not reach.
#[test]
fn null_is_unknown_where_moments_may_be_nanoseconds() {
    let told = |kind, encoding, unit_unknown| {
        let column = BoundColumn {
            unit_unknown,
            ..column(kind, encoding)
        };
        text_in(&image(column, Scalar::Null))
    };
    let moment = ColumnKind::TIMESTAMP;
    assert_eq!(told(moment, Encoding::EpochNanos, false), UNKNOWN);
    assert_eq!(told(moment, Encoding::Undeclared, true), UNKNOWN);
    assert_eq!(told(moment, Encoding::Undeclared, false), "NULL");
    assert_eq!(told(moment, Encoding::EpochMicros, true), "NULL");
    // As a column of a connector that states no precision is bound.
    let bound = |kind| text(kind, Encoding::Undeclared, Scalar::Null);
    assert_eq!(bound(moment), UNKNOWN);
    assert_eq!(bound(ColumnKind::BIGINT), "NULL");
}
