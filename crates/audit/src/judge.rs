//! Decides whether a cache entry is older than a change. Pure: the caller reads the entry and passes the time.

use std::cmp::Ordering;
use std::time::Duration;

use freshet_core::ports::Observation;
use freshet_core::position::WallMicros;
use freshet_core::sample::PurgedSample;

/// Result of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Nothing is cached: the next reader fills from the source.
    Absent,
    /// There is an entry, not provably older than the change.
    NotOlder,
    /// The entry is provably older than the change.
    Stale,
    /// There is an entry without a known age.
    NoProof,
    /// The cache did not answer.
    Unreachable,
}

impl Verdict {
    /// All verdicts' names, as labels.
    pub const NAMES: [&'static str; 5] =
        ["absent", "not_older", "stale", "no_proof", "unreachable"];

    /// The verdict's index in [`NAMES`](Self::NAMES).
    pub fn index(self) -> usize {
        match self {
            Self::Absent => 0,
            Self::NotOlder => 1,
            Self::Stale => 2,
            Self::NoProof => 3,
            Self::Unreachable => 4,
        }
    }
}

/// Classifies the entry found at `now`. `skew_max` is how far the database's clock and ours may differ.
pub fn judge(
    sample: &PurgedSample,
    found: &Observation,
    now: WallMicros,
    skew_max: Duration,
) -> Verdict {
    let (remaining_ttl, version) = match found {
        Observation::Absent => return Verdict::Absent,
        Observation::Unreachable(_) => return Verdict::Unreachable,
        Observation::Present {
            remaining_ttl,
            version,
        } => (*remaining_ttl, version.as_deref()),
    };
    // A version is the best proof: it is about the row, not about the time of storing.
    if let (Some((_, written)), Some(cached)) = (&sample.version, version) {
        return by_version(cached, written);
    }
    let Some(remaining) = remaining_ttl.filter(|remaining| *remaining <= sample.max_ttl) else {
        return Verdict::NoProof;
    };
    let age_us = (sample.max_ttl - remaining).as_micros() as u64;
    let filled = now.0.saturating_sub(age_us);
    let margin = skew_max.as_micros() as u64 + u64::from(sample.resolution_us);
    if filled.saturating_add(margin) < sample.committed.0 {
        Verdict::Stale
    } else {
        Verdict::NotOlder
    }
}

/// Classifies an entry by its version only: `written` is the version of a snapshot row, which
/// has no commit time to compare with the entry's age.
pub fn judge_read(found: &Observation, written: &str) -> Verdict {
    match found {
        Observation::Absent => Verdict::Absent,
        Observation::Unreachable(_) => Verdict::Unreachable,
        Observation::Present { version: None, .. } => Verdict::NoProof,
        Observation::Present {
            version: Some(cached),
            ..
        } => by_version(cached, written),
    }
}

fn by_version(cached: &str, written: &str) -> Verdict {
    match order(cached, written) {
        Some(Ordering::Less) => Verdict::Stale,
        Some(_) => Verdict::NotOlder,
        None => Verdict::NoProof,
    }
}

/// Versions are compared as numbers if both are, else as texts of the same form: ISO times, fixed-width forms. Texts have
/// the same form if they differ only in letters and digits of parts of the same length: `9` and `10`, or `… 12:00` and
/// `…T12:00`, have no meaningful order as text.
fn order(cached: &str, written: &str) -> Option<Ordering> {
    if let (Ok(cached), Ok(written)) = (cached.parse::<i128>(), written.parse::<i128>()) {
        return Some(cached.cmp(&written));
    }
    let (cached, written) = (cached.as_bytes(), written.as_bytes());
    if cached == written {
        return Some(Ordering::Equal);
    }
    let at = cached.iter().zip(written).position(|(a, b)| a != b)?;
    let piece = |text: &[u8]| {
        let rest = text.get(at..).unwrap_or_default().iter();
        rest.take_while(|it| it.is_ascii_alphanumeric()).count()
    };
    let (one, other) = (piece(cached), piece(written));
    (one > 0 && one == other).then(|| cached.cmp(written))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use freshet_core::registry::EntryVersion;

    use super::*;

    const SECOND: u64 = 1_000_000;
    const SKEW: Duration = Duration::from_millis(500);

    fn sample(version: Option<&str>) -> PurgedSample {
        PurgedSample {
            family: Arc::from("catalog.product"),
            target: Arc::from("main"),
            name: b"catalog:v1:product:7".to_vec(),
            committed: WallMicros(1_000 * SECOND),
            resolution_us: 1_000,
            purged: WallMicros(1_000 * SECOND),
            max_ttl: Duration::from_secs(60),
            version: version.map(|text| {
                (
                    EntryVersion {
                        field: Arc::from("rev"),
                        hash: false,
                    },
                    text.to_owned(),
                )
            }),
        }
    }

    fn present(remaining_s: u64, version: Option<&str>) -> Observation {
        Observation::Present {
            remaining_ttl: Some(Duration::from_secs(remaining_s)),
            version: version.map(str::to_owned),
        }
    }

    #[test]
    fn an_entry_stored_before_the_commit_is_stale() {
        let now = WallMicros(1_001 * SECOND);
        // 5 s old one second after the commit: stored four seconds before it.
        assert_eq!(
            judge(&sample(None), &present(55, None), now, SKEW),
            Verdict::Stale
        );
        // Stored at the commit, and one second after it.
        assert_eq!(
            judge(&sample(None), &present(59, None), now, SKEW),
            Verdict::NotOlder
        );
        assert_eq!(
            judge(&sample(None), &present(60, None), now, SKEW),
            Verdict::NotOlder
        );
    }

    #[test]
    fn within_the_clocks_disagreement_nothing_is_proven() {
        let now = WallMicros(1_001 * SECOND);
        let found = Observation::Present {
            remaining_ttl: Some(Duration::from_millis(58_600)),
            version: None,
        };
        assert_eq!(judge(&sample(None), &found, now, SKEW), Verdict::NotOlder);
        assert_eq!(
            judge(&sample(None), &found, now, Duration::ZERO),
            Verdict::Stale
        );
    }

    #[test]
    fn a_version_outweighs_the_age() {
        let now = WallMicros(1_001 * SECOND);
        assert_eq!(
            judge(&sample(Some("10")), &present(60, Some("9")), now, SKEW),
            Verdict::Stale
        );
        assert_eq!(
            judge(&sample(Some("10")), &present(5, Some("10")), now, SKEW),
            Verdict::NotOlder
        );
        let iso = sample(Some("2024-05-31 12:00:00+00"));
        let old = present(60, Some("2024-05-31 11:59:59+00"));
        assert_eq!(judge(&iso, &old, now, SKEW), Verdict::Stale);
    }

    #[test]
    fn versions_of_two_forms_prove_nothing() {
        for (cached, written, verdict) in [
            ("9", "10", Verdict::Stale),
            ("10", "9", Verdict::NotOlder),
            (
                "2024-05-31T11:59:59Z",
                "2024-05-31T12:00:00Z",
                Verdict::Stale,
            ),
            (
                "2024-05-31T12:00:00Z",
                "2024-05-31T12:00:00Z",
                Verdict::NotOlder,
            ),
            // As text the blank comes before the letter, and 10 before 9.
            (
                "2024-05-31 12:00:00Z",
                "2024-05-31T12:00:00Z",
                Verdict::NoProof,
            ),
            ("10.5", "9.5", Verdict::NoProof),
            ("rev-10", "rev-9", Verdict::NoProof),
            ("0000000A", "0000000B", Verdict::Stale),
            ("7", "2024-05-31 12:00:00Z", Verdict::NoProof),
            ("", "7", Verdict::NoProof),
        ] {
            let found = present(60, Some(cached));
            assert_eq!(
                judge_read(&found, written),
                verdict,
                "{cached} and {written}"
            );
        }
        // The age of an entry says nothing about a row without a commit.
        assert_eq!(judge_read(&present(1, None), "7"), Verdict::NoProof);
        assert_eq!(judge_read(&Observation::Absent, "7"), Verdict::Absent);
    }

    #[test]
    fn without_ttl_and_version_there_is_no_proof() {
        let now = WallMicros(1_001 * SECOND);
        let forever = Observation::Present {
            remaining_ttl: None,
            version: None,
        };
        assert_eq!(judge(&sample(None), &forever, now, SKEW), Verdict::NoProof);
        assert_eq!(
            judge(&sample(None), &present(61, None), now, SKEW),
            Verdict::NoProof
        );
        assert_eq!(
            judge(&sample(None), &Observation::Absent, now, SKEW),
            Verdict::Absent
        );
        let away = Observation::Unreachable("refused".into());
        assert_eq!(judge(&sample(None), &away, now, SKEW), Verdict::Unreachable);
    }
}
