//! Dates and times as the databases print them, from 1582-10-15 to 9999. Beyond (and for `infinity`) there is no
//! certain text, and every function here says false.

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
/// 1582-10-15 and 9999-12-31 in days since the epoch. Before that day connectors count in two calendars.
const DAYS: std::ops::RangeInclusive<i64> = -141_427..=2_932_896;

/// Appends `2024-05-31`.
pub(crate) fn push_date(out: &mut String, days: i64) -> bool {
    if !DAYS.contains(&days) {
        return false;
    }
    let (year, month, day) = civil_of(days);
    push_padded(out, year, 4);
    out.push('-');
    push_padded(out, month, 2);
    out.push('-');
    push_padded(out, day, 2);
    true
}

/// Appends `2024-05-31 12:00:00.5` as Postgres prints it: no zeros at the end of the fraction.
pub(crate) fn push_timestamp(out: &mut String, micros: i64) -> bool {
    if !push_timestamp_digits(out, micros, 6) {
        return false;
    }
    if micros.rem_euclid(MICROS_PER_SECOND) == 0 {
        out.truncate(out.len() - 7);
    } else {
        out.truncate(out.trim_end_matches('0').len());
    }
    true
}

/// Appends `2024-05-31 12:00:00.500` as MySQL prints it: with exactly so many digits of fraction, up to 6.
pub(crate) fn push_timestamp_digits(out: &mut String, micros: i64, digits: u8) -> bool {
    let seconds = micros.div_euclid(MICROS_PER_SECOND);
    let fraction = micros.rem_euclid(MICROS_PER_SECOND);
    if !push_date(out, seconds.div_euclid(SECONDS_PER_DAY)) {
        return false;
    }
    let second = seconds.rem_euclid(SECONDS_PER_DAY);
    for (mark, part) in [
        (' ', second / 3600),
        (':', second / 60 % 60),
        (':', second % 60),
    ] {
        out.push(mark);
        push_padded(out, part, 2);
    }
    if digits > 0 {
        out.push('.');
        push_padded(out, fraction, 6);
        out.truncate(out.len() - usize::from(6 - digits.min(6)));
    }
    true
}

/// Microseconds since the epoch of `2024-05-31T12:00:00.5Z` (or with `+02:00`, or a blank for the `T`). A text
/// without zone counts as UTC. None for anything else, and for more than six digits of fraction.
pub(crate) fn parse_timestamp(text: &str) -> Option<i64> {
    let days = parse_days(text.get(..10)?)?;
    let mut rest = text.get(10..)?.strip_prefix(['T', ' '])?;
    let hours = take_two(&mut rest, 23)?;
    rest = rest.strip_prefix(':')?;
    let minutes = take_two(&mut rest, 59)?;
    let mut seconds = 0;
    if let Some(more) = rest.strip_prefix(':') {
        rest = more;
        seconds = take_two(&mut rest, 59)?;
    }
    let fraction = take_fraction(&mut rest)?;
    let offset = parse_offset(rest)?;
    let clock = hours * 3600 + minutes * 60 + seconds - offset;
    (days * SECONDS_PER_DAY + clock)
        .checked_mul(MICROS_PER_SECOND)?
        .checked_add(fraction)
}

/// Days since the epoch of `2024-05-31`.
pub(crate) fn parse_days(text: &str) -> Option<i64> {
    let (year, rest) = text.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    if (year.len(), month.len(), day.len()) != (4, 2, 2) {
        return None;
    }
    let (year, month, day) = (number(year)?, number(month)?, number(day)?);
    let days = days_of(year, month, day);
    (civil_of(days) == (year, month, day)).then_some(days)
}

fn take_two(rest: &mut &str, max: i64) -> Option<i64> {
    let part = number(rest.get(..2)?).filter(|part| *part <= max)?;
    *rest = rest.get(2..)?;
    Some(part)
}

/// Microseconds of `.5`, zero when there is no fraction.
fn take_fraction(rest: &mut &str) -> Option<i64> {
    let Some(digits) = rest.strip_prefix('.') else {
        return Some(0);
    };
    let length = digits.bytes().take_while(u8::is_ascii_digit).count();
    *rest = digits.get(length..)?;
    let digits = digits.get(..length)?;
    let significant = digits.trim_end_matches('0');
    if digits.is_empty() || significant.len() > 6 {
        return None;
    }
    let missing = u32::try_from(6 - significant.len()).ok()?;
    let micros = if significant.is_empty() {
        0
    } else {
        number(significant)?
    };
    Some(micros * 10i64.pow(missing))
}

/// Seconds east of UTC.
fn parse_offset(rest: &str) -> Option<i64> {
    if matches!(rest, "" | "Z" | "z") {
        return Some(0);
    }
    let sign = match rest.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let mut rest = rest.get(1..)?;
    let hours = take_two(&mut rest, 18)?;
    rest = rest.strip_prefix(':').unwrap_or(rest);
    let minutes = if rest.is_empty() {
        0
    } else {
        take_two(&mut rest, 59)?
    };
    rest.is_empty()
        .then_some(sign * (hours * 3600 + minutes * 60))
}

fn number(digits: &str) -> Option<i64> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

fn push_padded(out: &mut String, number: i64, width: usize) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(number);
    out.extend(std::iter::repeat_n('0', width.saturating_sub(digits.len())));
    out.push_str(digits);
}

/// Year, month and day of days since the epoch, in the proleptic Gregorian calendar. The year is counted
/// from March, so that the leap day comes last, in eras of 400 years.
fn civil_of(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// The inverse of [`civil_of`].
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let march_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * march_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests;
