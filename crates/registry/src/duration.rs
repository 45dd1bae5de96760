//! Durations as people write them: a whole number and a unit.

use std::time::Duration;

use serde::Serializer;

/// Reads `250ms`, `2s`, `5m`, `24h`, `28d`; none when it is anything else.
pub fn parse(text: &str) -> Option<Duration> {
    let split = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().ok()?;
    let seconds = |per: u64| number.checked_mul(per).map(Duration::from_secs);
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(3_600),
        "d" => seconds(86_400),
        _ => None,
    }
}

/// The shortest text that stands for a duration of whole milliseconds.
fn text_of(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1_000, "s"),
    ];
    let unit = units
        .into_iter()
        .find(|(per, _)| millis.is_multiple_of(*per));
    let (per, unit) = unit.unwrap_or((1, "ms"));
    format!("{}{unit}", millis / per)
}

/// Prints a duration as it would be written.
pub(crate) fn serialize<S: Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text_of(*duration))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_unit_and_nothing_else() {
        assert_eq!(parse("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(text_of(Duration::from_millis(250)), "250ms");
        assert_eq!(text_of(Duration::from_secs(5400)), "90m");
        for (text, seconds) in [("2s", 2), ("5m", 300), ("24h", 86_400), ("28d", 2_419_200)] {
            let duration = Duration::from_secs(seconds);
            assert_eq!(parse(text), Some(duration), "{text}");
            assert_eq!(parse(&text_of(duration)), Some(duration), "{text}");
        }
        for wrong in [
            "",
            "5",
            "s",
            "1.5s",
            "-1s",
            "1 s",
            "5w",
            "99999999999999999999s",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
