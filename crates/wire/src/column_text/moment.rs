//! Dates and moments: a number is a certain moment only in a certain unit.

use freshet_core::drift::Drift;
use freshet_core::table::Moment;

use super::verdict::Verdict;
use crate::calendar;
use crate::field_schema::MILLI_DIGITS;
use crate::scalar::{Encoding, Scalar};

/// The years 1990 to 2099 in seconds since the epoch: there a number without a unit is believed. In the unit a thousand times
/// smaller it would be a moment of the first weeks of 1970, in the larger one a moment after the year 21 900.
const PLAUSIBLE_SECONDS: std::ops::Range<i64> = 631_152_000..4_102_444_800;
/// Days from 1970 that two dates may stand for: 1582-10-15 to 24. Java's calendar leaves out the ten days before them, so
/// connectors shift a date in the gap, which databases know, by ten days.
const AMBIGUOUS_DAYS: std::ops::Range<i64> = -141_427..-141_417;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// The last whole second of nanoseconds in 64 bits, and the first: connectors write infinity as moments in it.
const INFINITE_SECONDS: [i64; 2] = [9_223_372_036, -9_223_372_037];
const MICROS_PER_SECOND: i64 = 1_000_000;

/// Appends a date.
pub(super) fn push_date(
    out: &mut String,
    encoding: Encoding,
    zero_dates: bool,
    value: Scalar<'_>,
) -> bool {
    let days = match (value, encoding) {
        (Scalar::Text(text), _) => calendar::parse_days(text.strip_suffix('Z').unwrap_or(text)),
        (_, Encoding::Undeclared | Encoding::EpochDays) => value.as_i64(),
        _ => None,
    };
    days.filter(|days| (*days != 0 || !zero_dates) && !AMBIGUOUS_DAYS.contains(days))
        .is_some_and(|days| calendar::push_date(out, days))
}

/// Appends a moment without time zone.
pub(super) fn push_local(
    out: &mut String,
    encoding: Encoding,
    moment: Moment,
    value: Scalar<'_>,
) -> Verdict {
    let micros = match (value, encoding) {
        (Scalar::Text(text), Encoding::IsoText) => local_text(text),
        // Written by a transform, which may have cut digits off.
        (Scalar::Text(text), _) => local_text(text).filter(|_| shows_all_digits(text, moment)),
        (_, Encoding::Undeclared) => value.as_i64().and_then(|number| plausible(number, moment)),
        _ => return push_number(out, encoding, moment, value),
    };
    push_micros(out, micros, moment)
}

/// Appends a moment that arrives as text in UTC.
pub(super) fn push_zoned(
    out: &mut String,
    encoding: Encoding,
    moment: Moment,
    value: Scalar<'_>,
) -> Verdict {
    let micros = match (value, encoding) {
        (Scalar::Text(text), Encoding::IsoText | Encoding::Undeclared) => {
            calendar::parse_timestamp(text)
        }
        (Scalar::Text(text), _) => {
            calendar::parse_timestamp(text).filter(|_| shows_all_digits(text, moment))
        }
        _ => return push_number(out, encoding, moment, value),
    };
    push_micros(out, micros, moment)
}

fn push_number(out: &mut String, encoding: Encoding, moment: Moment, value: Scalar<'_>) -> Verdict {
    let Some(number) = value.as_i64() else {
        return Verdict::UNKNOWN;
    };
    let micros = match encoding {
        // What is finer than a millisecond was cut off.
        Encoding::EpochMillis if moment.digits > MILLI_DIGITS => None,
        Encoding::EpochMillis => number.checked_mul(1000),
        // The adaptive modes write a column of so few digits in milliseconds: it has more by now, and prints more.
        Encoding::EpochMicros
            if moment.prints_all && moment.digits <= MILLI_DIGITS && !moment.always_micros =>
        {
            return Verdict::contradicted(Drift::Scale);
        }
        Encoding::EpochMicros => Some(number),
        Encoding::EpochNanos if number % 1000 == 0 => Some(number / 1000),
        _ => None,
    };
    push_micros(out, micros, moment)
}

fn push_micros(out: &mut String, micros: Option<i64>, moment: Moment) -> Verdict {
    let Some(micros) = micros else {
        return Verdict::UNKNOWN;
    };
    let infinite = INFINITE_SECONDS.contains(&micros.div_euclid(MICROS_PER_SECOND));
    let ambiguous = AMBIGUOUS_DAYS.contains(&micros.div_euclid(MICROS_PER_DAY));
    if infinite || ambiguous || (micros == 0 && moment.zero_dates) {
        return Verdict::UNKNOWN;
    }
    let step = 10i64.pow(6 - u32::from(moment.digits.min(6)));
    let finer = micros % step != 0;
    if finer && moment.prints_all {
        return Verdict::contradicted(Drift::Scale);
    }
    let certain = if moment.prints_all {
        calendar::push_timestamp_digits(out, micros, moment.digits)
    } else {
        calendar::push_timestamp(out, micros)
    };
    if moment.shows_zone {
        out.push_str("+00");
    }
    Verdict::from(certain).but(finer.then_some(Drift::Scale))
}

/// Microseconds of a number without a unit: the one that the adaptive modes give the column, if the moment is likely in it.
/// The epoch itself is the same in each.
fn plausible(number: i64, moment: Moment) -> Option<i64> {
    let per_second = match moment.digits {
        0..=MILLI_DIGITS => 1000,
        _ => MICROS_PER_SECOND,
    };
    let likely = PLAUSIBLE_SECONDS.contains(&(number / per_second));
    (likely || number == 0).then(|| number * (MICROS_PER_SECOND / per_second))
}

/// Microseconds of a text without a time zone, or with UTC's.
fn local_text(text: &str) -> Option<i64> {
    let time = text.get(10..)?;
    let elsewhere = time.contains(['+', '-']);
    calendar::parse_timestamp(text).filter(|_| !elsewhere)
}

/// Whether a text writes at least as many digits of fraction as the column holds.
fn shows_all_digits(text: &str, moment: Moment) -> bool {
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    digits >= usize::from(moment.digits)
}
