//! Days as they are written: `2027-01-31`.

use time::{Date, Month};

/// The day that `text` is; none when it is no day of the calendar.
pub(crate) fn parse(text: &str) -> Option<Date> {
    let mut parts = text.trim().split('-');
    let mut number = |digits: usize| -> Option<u16> {
        let part = parts.next()?;
        let fits = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        fits.then(|| part.parse().ok()).flatten()
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    if parts.next().is_some() {
        return None;
    }
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    Date::from_calendar_date(i32::from(year), month, u8::try_from(day).ok()?).ok()
}
