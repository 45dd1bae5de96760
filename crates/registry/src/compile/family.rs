//! The part of a family that no table decides: owner, objective, scopes, modes.

use std::sync::Arc;
use std::time::Duration;

use freshet_core::codec;
use freshet_core::registry::{
    EntryVersion, Family, Freshness, FreshnessClass, LetterPolicy, OnSnapshot, OnTruncate, TargetId,
};
use serde_saphyr::Spanned;
use time::Date;

use crate::compile::{Speaker, places};
use crate::day;
use crate::duration;

const FAN_OUT_MAX: usize = 64;
/// The highest `fan_out_max`, in names.
const FAN_OUT_MOST: u32 = 10_000;

pub(super) fn compile(
    speaker: &mut Speaker<'_, '_>,
    targets: &[Vec<TargetId>],
    today: Option<Date>,
) -> Family {
    check_head(speaker, today);
    let file = &speaker.source.file;
    let fan_out_max = fan_out_max(speaker);
    Family {
        name: Arc::from(file.family.value.as_str()),
        owner: Arc::from(file.owner.team.value.as_str()),
        freshness: freshness(speaker),
        max_ttl: duration_of(speaker, &file.max_ttl),
        places: places::compile(speaker, targets),
        fan_out_max,
        on_truncate: on_truncate(speaker),
        on_snapshot: on_snapshot(speaker),
        dead_letters: dead_letters(speaker),
        entry_version: entry_version(speaker),
        canary: None,
    }
}

fn fan_out_max(speaker: &mut Speaker<'_, '_>) -> usize {
    let Some(written) = &speaker.source.file.fan_out_max else {
        return FAN_OUT_MAX;
    };
    let message = match written.value {
        0 => "nothing could be purged",
        1..=FAN_OUT_MOST => "",
        _ => "a change could purge more names than one change may",
    };
    if !message.is_empty() {
        let help = "1 to 10000: names of one change that are purged one by one";
        speaker.error("FR0003", written, (message, help));
    }
    written.value.clamp(1, FAN_OUT_MOST) as usize
}

fn check_head(speaker: &mut Speaker<'_, '_>, today: Option<Date>) {
    let file = &speaker.source.file;
    let name = &file.family;
    let well_formed = name.value.split_once('.').is_some_and(|(domain, noun)| {
        !domain.is_empty() && !noun.is_empty() && codec::is_tag_literal(&name.value)
    });
    if !well_formed {
        let help = "`<domain>.<noun>` of a-z, 0-9, `.`, `_`, `-`, such as catalog.item";
        speaker.error("FR0003", name, ("is not a family's name", help));
    }
    if file.owner.team.value.trim().is_empty() {
        speaker.error(
            "FR0003",
            &file.owner.team,
            ("a family has an owner", "name the team"),
        );
    }
    if file.sources.is_empty() {
        let help = "bind the tables whose changes make its entries stale";
        speaker.error(
            "FR0023",
            name,
            ("the family can be filled but never purged", help),
        );
    }
    check_lifecycle(speaker, today);
    check_guard(speaker);
}

/// A day that has passed asks somebody to decide; until then the family purges as before.
fn check_until(speaker: &mut Speaker<'_, '_>, until: Date, today: Option<Date>) {
    let source = speaker.source;
    match today {
        Some(today) if today <= until => {}
        Some(_) => {
            let message = format!(
                "the family was deprecated until {until}, which has passed: it still purges"
            );
            let help =
                "set `lifecycle: retired` when nobody reads its entries any more, or a later day";
            speaker.warning("FR0048", &source.file.lifecycle, (&message, help));
        }
        // Whether the day has passed is not known here, so that an acknowledgement may have its reason.
        None => {
            source.acknowledged.borrow_mut().insert("FR0048");
        }
    }
}

fn check_lifecycle(speaker: &mut Speaker<'_, '_>, today: Option<Date>) {
    let file = &speaker.source.file;
    let lifecycle = file.lifecycle.value.as_str();
    let until = inside_call(lifecycle, "deprecated").and_then(day::parse);
    if let Some(until) = until {
        return check_until(speaker, until, today);
    }
    match lifecycle {
        "draft" | "active" | "retired" => {}
        "deprecated" => {}
        _ if is_call(lifecycle, "deprecated") => speaker.error(
            "FR0026",
            &file.lifecycle,
            (
                "`deprecated(…)` holds no date of the calendar",
                "the day until which it purges, as deprecated(2027-01-31)",
            ),
        ),
        "shadow" => speaker.error(
            "FR0026",
            &file.lifecycle,
            (
                "`shadow` is not supported yet",
                "use draft (purges nothing) or active",
            ),
        ),
        _ if lifecycle.starts_with("canary") => speaker.error(
            "FR0026",
            &file.lifecycle,
            (
                "`canary` is not supported yet",
                "use draft (purges nothing) or active",
            ),
        ),
        _ => speaker.choice(
            "FR0026",
            &file.lifecycle,
            (
                "is not a lifecycle",
                "draft, active, deprecated(until), retired",
            ),
        ),
    }
}

/// Whether `text` is `name(…)` with something between the brackets.
fn is_call(text: &str, name: &str) -> bool {
    inside_call(text, name).is_some_and(|inside| !inside.trim().is_empty())
}

/// What stands between the brackets of `name(…)`.
fn inside_call<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.strip_prefix(name)?
        .strip_prefix('(')?
        .strip_suffix(')')
}

fn check_guard(speaker: &mut Speaker<'_, '_>) {
    let file = &speaker.source.file;
    if let Some(guard) = &file.guard {
        match guard.value.as_str() {
            "none" => {}
            it if it == "lease" || is_call(it, "version") => speaker.warning(
                "FR0041",
                guard,
                (
                    "the guard is the readers' part: the purger alone cannot close the stale-set race",
                    "see docs/concepts.md for what a reader does on a miss",
                ),
            ),
            _ => {
                speaker.choice("FR0003", guard, ("is not a guard", "none, lease, version(column)"));
            }
        }
    }
}

fn freshness(speaker: &mut Speaker<'_, '_>) -> Freshness {
    let written = speaker.file().freshness.clone();
    let class = match written.class.value.as_str() {
        "strict" => FreshnessClass::Strict,
        "soft" => FreshnessClass::Soft,
        "batch" => FreshnessClass::Batch,
        _ => {
            speaker.choice(
                "FR0003",
                &written.class,
                ("is not a class", "strict, soft, batch"),
            );
            FreshnessClass::Strict
        }
    };
    let share = written
        .objective
        .value
        .strip_suffix('%')
        .and_then(|it| it.trim().parse::<f64>().ok());
    let objective = share
        .filter(|it| *it > 0.0 && *it < 100.0)
        .unwrap_or_else(|| {
            let help = "a share below 100 %, such as 99.9%";
            speaker.error("FR0003", &written.objective, ("is not an objective", help));
            99.9
        });
    Freshness {
        class,
        within: duration_of(speaker, &written.within),
        objective: objective / 100.0,
        window: duration_of(speaker, &written.window),
    }
}

fn duration_of(speaker: &mut Speaker<'_, '_>, written: &Spanned<String>) -> Duration {
    duration::parse(&written.value)
        .filter(|it| !it.is_zero())
        .unwrap_or_else(|| {
            let message = format!("`{}` is not a duration", written.value);
            let help = "a whole number and a unit: 250ms, 2s, 5m, 24h, 28d";
            speaker.error("FR0003", written, (&message, help));
            Duration::from_secs(1)
        })
}

fn on_truncate(speaker: &mut Speaker<'_, '_>) -> OnTruncate {
    let Some(written) = speaker.file().on_truncate.clone() else {
        return OnTruncate::Family;
    };
    match written.value.as_str() {
        "family" => OnTruncate::Family,
        "ignore" => OnTruncate::Ignore,
        _ => {
            speaker.choice("FR0003", &written, ("is not a policy", "family, ignore"));
            OnTruncate::Family
        }
    }
}

fn on_snapshot(speaker: &mut Speaker<'_, '_>) -> OnSnapshot {
    let Some(written) = speaker.file().on_snapshot.clone() else {
        return OnSnapshot::Ignore;
    };
    match written.value.as_str() {
        "ignore" => OnSnapshot::Ignore,
        "purge" => OnSnapshot::Purge,
        "verify" => {
            super::snapshot::check_comparable(speaker, &written);
            OnSnapshot::Verify
        }
        _ => {
            speaker.choice(
                "FR0003",
                &written,
                ("is not a policy", "ignore, verify, purge"),
            );
            OnSnapshot::Ignore
        }
    }
}

fn dead_letters(speaker: &mut Speaker<'_, '_>) -> LetterPolicy {
    let Some(written) = speaker.file().dead_letters.clone() else {
        return LetterPolicy::None;
    };
    LetterPolicy::named(&written.value).unwrap_or_else(|| {
        let choices = "none, keys-only, redacted, full";
        speaker.choice("FR0003", &written, ("is not a policy", choices));
        LetterPolicy::None
    })
}

fn entry_version(speaker: &mut Speaker<'_, '_>) -> Option<EntryVersion> {
    let written = speaker.file().entry_version.clone()?;
    let hash = match written.format.as_ref().map(|it| it.value.as_str()) {
        None | Some("json") => false,
        Some("hash") => true,
        Some(_) => {
            if let Some(format) = &written.format {
                speaker.choice("FR0003", format, ("is not a format", "json, hash"));
            }
            false
        }
    };
    Some(EntryVersion {
        field: Arc::from(written.field),
        hash,
    })
}
