use proptest::prelude::*;

use super::{parse_days, parse_timestamp, push_date, push_timestamp};

fn date(days: i64) -> Option<String> {
    let mut out = String::new();
    push_date(&mut out, days).then_some(out)
}

fn timestamp(micros: i64) -> Option<String> {
    let mut out = String::new();
    push_timestamp(&mut out, micros).then_some(out)
}

/// The texts are those of `select to_char`-less casts in Postgres 15 with `timezone = 'UTC'`.
#[test]
fn dates_print_as_the_database_prints_them() {
    for (days, text) in [
        (0, "1970-01-01"),
        (-1, "1969-12-31"),
        (19_874, "2024-05-31"),
        (11_016, "2000-02-29"),
        (-25_508, "1900-03-01"),
        (-141_427, "1582-10-15"),
        (2_932_896, "9999-12-31"),
    ] {
        assert_eq!(date(days).as_deref(), Some(text));
        assert_eq!(parse_days(text), Some(days), "{text}");
    }
}

#[test]
fn before_the_gregorian_calendar_and_after_the_year_9999_nothing_is_certain() {
    for days in [-141_428, 2_932_897, i64::from(i32::MAX), i64::MIN, i64::MAX] {
        assert_eq!(date(days), None, "{days}");
    }
    // What Debezium sends for `infinity`.
    assert_eq!(timestamp(9_223_371_331_200_000_000), None);
    assert_eq!(timestamp(i64::MIN), None);
}

#[test]
fn timestamps_print_without_zeros_at_the_end() {
    for (micros, text) in [
        (0, "1970-01-01 00:00:00"),
        (-1, "1969-12-31 23:59:59.999999"),
        (1_717_156_800_500_000, "2024-05-31 12:00:00.5"),
        (1_717_156_800_000_001, "2024-05-31 12:00:00.000001"),
        (1_717_156_800_120_000, "2024-05-31 12:00:00.12"),
    ] {
        assert_eq!(timestamp(micros).as_deref(), Some(text));
    }
}

#[test]
fn iso_texts_with_any_zone_are_read() {
    for text in [
        "2024-05-31T12:00:00.5Z",
        "2024-05-31T12:00:00.500000Z",
        "2024-05-31T12:00:00.500000000Z",
        "2024-05-31 12:00:00.5",
        "2024-05-31T14:00:00.5+02:00",
        "2024-05-31T14:00:00.5+02",
        "2024-05-31T05:30:00.5-0630",
        "2024-05-31T17:45:00.5+05:45",
    ] {
        assert_eq!(parse_timestamp(text), Some(1_717_156_800_500_000), "{text}");
    }
    for (text, micros) in [
        ("1970-01-01T00:00Z", 0),
        ("2024-05-31T12:34:56.123456Z", 1_717_158_896_123_456),
        ("1969-12-31T23:59:59.999999Z", -1),
    ] {
        assert_eq!(parse_timestamp(text), Some(micros), "{text}");
    }
}

#[test]
fn texts_that_are_no_time_are_refused() {
    for text in [
        "",
        "infinity",
        "2024-05-31",
        "2024-02-30T00:00:00Z",
        "2024-05-31T24:00:00Z",
        "2024-05-31T12:60:00Z",
        "2024-05-31T12:00:60Z",
        "2024-+5-31T12:00:00Z",
        "2024-05-31T+9:00:00Z",
        "2024-05-31T12:00:00+19:00",
        "2024-05-31T12:00:00+02:60",
        "2024-05-31T12:00:00.Z",
        "2024-05-31T12:00:00.0000001Z",
        "2024-05-31T12:00:00+",
        "2024-05-31T12:00:00+02:00x",
        "2024-05-31T12:00:00 Europe/Berlin",
        "+294247-01-10T04:00:54Z",
        "2024-05-3ä",
    ] {
        assert_eq!(parse_timestamp(text), None, "{text}");
    }
}

/// The reference goes from each day to the next by the rule of the Gregorian calendar.
#[test]
fn every_day_is_followed_by_the_next_one() {
    let (mut year, mut month, mut day) = (1582, 10, 15);
    for days in -141_427..50_000 {
        let text = format!("{year:04}-{month:02}-{day:02}");
        assert_eq!(date(days).as_deref(), Some(&*text));
        assert_eq!(parse_days(&text), Some(days), "{text}");
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = match month {
            2 if is_leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        (day, month) = if day < length {
            (day + 1, month)
        } else {
            (1, month + 1)
        };
        (month, year) = if month > 12 {
            (1, year + 1)
        } else {
            (month, year)
        };
    }
    assert_eq!(year, 2106);
}

proptest! {
    #[test]
    fn any_moment_that_prints_is_read_back(micros in -12_219_292_800_000_000i64..253_402_300_800_000_000) {
        let text = timestamp(micros).expect("from 1582-10-15 to 9999");
        prop_assert_eq!(parse_timestamp(&text), Some(micros));
    }
}
