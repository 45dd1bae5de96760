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
    ] {
        assert_eq!(parse_timestamp(text), Some(1_717_156_800_500_000), "{text}");
    }
    assert_eq!(parse_timestamp("1970-01-01T00:00Z"), Some(0));
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

#[test]
fn every_day_of_four_centuries_comes_back() {
    for days in (-60_000..90_000).step_by(7) {
        let text = date(days).expect("a four-digit year");
        assert_eq!(parse_days(&text), Some(days), "{text}");
    }
}
