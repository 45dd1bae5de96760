//! A family file → the family, with every default explicit.

use freshet_core::codec;
use freshet_core::registry::{FreshnessClass, LetterPolicy, OnSnapshot, OnTruncate};

use crate::at::{At, InFile};
use crate::decided::deciding::{Deciding, inside_call};
use crate::decided::family::{EntryForm, EntryVersion, Family, Freshness, Percent};
use crate::decided::{lifecycle, places};
use crate::diagnostics::Diagnostics;
use crate::written::family::{BoundTo, FamilyFile};

/// A value that means nothing.
const CODE: &str = "FR0003";
const FAN_OUT_MAX: u32 = 64;
/// The highest `fan_out_max`, in names.
const FAN_OUT_MOST: u32 = 10_000;

/// The family that a file declares. What means nothing is reported and taken as if it were not there.
pub(crate) fn decide(file: InFile<FamilyFile>, found: &mut Diagnostics) -> InFile<Family> {
    let mut deciding = Deciding { file: &file, found };
    check_head(&mut deciding);
    let lifecycle = lifecycle::decide(&mut deciding);
    let guard = guard(&mut deciding);
    let fan_out_max = fan_out_max(&mut deciding);
    let freshness = freshness(&mut deciding);
    let max_ttl = deciding.duration(&file.max_ttl);
    let places = places::decide(&mut deciding);
    let is_no_policy = "is not a policy";
    let truncate = file.on_truncate.as_ref();
    let on_truncate = deciding.setting(truncate, OnTruncate::Family, is_no_policy);
    let snapshot = file.on_snapshot.as_ref();
    let on_snapshot = deciding.setting(snapshot, OnSnapshot::Ignore, is_no_policy);
    let letters = file.dead_letters.as_ref();
    let dead_letters = deciding.setting(letters, LetterPolicy::None, is_no_policy);
    let entry_version = entry_version(&mut deciding);
    let written = file.says;
    let family = Family {
        family: written.family,
        schema_version: written.schema_version,
        owner: written.owner,
        description: written.description,
        lifecycle,
        freshness,
        max_ttl,
        guard,
        places,
        sources: written.sources,
        on_truncate,
        on_snapshot,
        dead_letters,
        fan_out_max,
        auth_scope: written.auth_scope,
        entry_version,
        relations: written.relations,
        examples: written.examples,
        acknowledge: written.acknowledge,
    };
    InFile {
        path: file.path,
        text: file.text,
        says: family,
    }
}

fn check_head(deciding: &mut Deciding<'_>) {
    let file = deciding.file;
    let is_name = file.family.split_once('.').is_some_and(|(domain, noun)| {
        !domain.is_empty() && !noun.is_empty() && codec::is_tag_literal(&file.family)
    });
    if !is_name {
        let help = "`<domain>.<noun>` of a-z, 0-9, `.`, `_`, `-`, such as catalog.item";
        deciding.error(CODE, &file.family, "is not a family's name", help);
    }
    if file.owner.team.trim().is_empty() {
        let message = "a family needs an owner";
        deciding.error(CODE, &file.owner.team, message, "name the team");
    }
    let bound = file.sources.iter().flat_map(|source| source.bind.values());
    for bound in bound {
        if matches!(&bound.value, BoundTo::Constants(constants) if constants.is_empty()) {
            let help = "list at least one constant, or bind a column";
            deciding.error(
                CODE,
                bound,
                "an empty list of constants produces no name",
                help,
            );
        }
    }
    for acknowledgement in &file.acknowledge {
        let reason = &acknowledgement.reason;
        if reason.trim().is_empty() {
            let help = "state why the warning is acceptable here";
            deciding.error(CODE, reason, "an acknowledgement needs a reason", help);
        }
    }
}

fn guard(deciding: &mut Deciding<'_>) -> At<String> {
    let Some(written) = &deciding.file.guard else {
        return At::nowhere("none".to_owned());
    };
    let version = inside_call(written, "version");
    let has_column = version.is_some_and(|column| !column.trim().is_empty());
    if !has_column && !matches!(written.as_str(), "none" | "lease") {
        let choices = "none, lease, version(column)";
        deciding.choice(CODE, written, "is not a guard", choices);
    }
    written.clone()
}

fn fan_out_max(deciding: &mut Deciding<'_>) -> u32 {
    let Some(written) = &deciding.file.fan_out_max else {
        return FAN_OUT_MAX;
    };
    let message = match written.value {
        0 => "nothing could be purged",
        1..=FAN_OUT_MOST => return written.value,
        _ => "a change could purge more names than one change may",
    };
    let help = "1 to 10000: names of one change that are purged one by one";
    deciding.error(CODE, written, message, help);
    written.value.clamp(1, FAN_OUT_MOST)
}

fn freshness(deciding: &mut Deciding<'_>) -> Freshness {
    let written = &deciding.file.freshness;
    let class = Some(&written.class);
    Freshness {
        class: deciding.setting(class, FreshnessClass::Strict, "is not a class"),
        within: deciding.duration(&written.within),
        objective: objective(deciding, &written.objective),
        window: deciding.duration(&written.window),
    }
}

fn objective(deciding: &mut Deciding<'_>, written: &At<String>) -> Percent {
    let share = written.strip_suffix('%');
    let share = share.and_then(|share| share.trim().parse::<f64>().ok());
    let share = share.filter(|share| *share > 0.0 && *share < 100.0);
    Percent(share.unwrap_or_else(|| {
        let help = "a share below 100 %, such as 99.9%";
        deciding.error(CODE, written, "is not an objective", help);
        99.9
    }))
}

fn entry_version(deciding: &mut Deciding<'_>) -> Option<EntryVersion> {
    let written = deciding.file.entry_version.as_ref()?;
    let format = written.format.as_ref();
    Some(EntryVersion {
        field: written.field.clone(),
        column: written.column.clone(),
        format: deciding.setting(format, EntryForm::Json, "is not a format"),
    })
}
