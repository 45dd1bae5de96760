//! Rules over several families: one owner per key space, one name per family.

use std::collections::BTreeMap;

use crate::compile::places::tier_of;
use crate::diagnostics::{Diagnostic, Diagnostics, Place};
use crate::load::FamilySource;
use crate::overlap;

/// Whether a family of this lifecycle purges.
pub(crate) fn is_bound(lifecycle: &str) -> bool {
    lifecycle == "active" || lifecycle.starts_with("deprecated")
}

/// Checks what no file can tell alone.
pub(crate) fn across_families(families: &[FamilySource], found: &mut Diagnostics) {
    duplicate_names(families, found);
    overlap::keys(families, found);
    overlap::tags(families, found);
    tiers(families, found);
}

/// An acknowledgement has a reason, and a warning that it is for.
pub(crate) fn acknowledgements(families: &[FamilySource], found: &mut Diagnostics) {
    for source in families
        .iter()
        .filter(|it| is_bound(&it.file.lifecycle.value))
    {
        let arose = source.acknowledged.borrow();
        for written in &source.file.acknowledge {
            if written.reason.value.trim().is_empty() {
                let place = Place::of(&source.path, &written.reason);
                let fault = Diagnostic::error("FR0003", place, "an acknowledgement has a reason")
                    .with_help("say why the warning is no fault here");
                found.push(fault, &source.text);
            }
            let code = written.code.value.as_str();
            if !arose.contains(code) {
                let message = format!("no warning `{code}` arises here");
                let place = Place::of(&source.path, &written.code);
                let fault = Diagnostic::warning("FR0043", place, &message)
                    .with_help("remove it, or correct the code; errors cannot be acknowledged");
                found.push(fault, &source.text);
            }
        }
    }
}

fn duplicate_names(families: &[FamilySource], found: &mut Diagnostics) {
    for (one, other) in families.iter().zip(families.iter().skip(1)) {
        if one.file.family.value == other.file.family.value {
            let fault = Diagnostic::error(
                "FR0021",
                Place::of(&other.path, &other.file.family),
                &format!("family `{}` is declared twice", other.file.family.value),
            )
            .with_also(Place::of(&one.path, &one.file.family), "declared here too")
            .with_help("rename one of them; a family has one owner and one file");
            found.push(fault, &other.text);
        }
    }
}

/// A target is in one tier and has entries of one kind of names, whichever family speaks of it.
fn tiers(families: &[FamilySource], found: &mut Diagnostics) {
    let mut known = BTreeMap::new();
    for source in families {
        for places in source.file.places() {
            let kind = (tier_of(&places), places.form());
            for target in places.targets {
                let here = Place::of(&source.path, target);
                let (first, place) = known
                    .entry(target.value.as_str())
                    .or_insert_with(|| (kind, here.clone()));
                if *first == kind {
                    continue;
                }
                let (what, help) = match first.1 == kind.1 {
                    true => ("in two tiers", "say the same `tier:` everywhere"),
                    false => (
                        "with keys and with tags",
                        "give one of them another target name",
                    ),
                };
                let message = format!("target `{}` is used {what}", target.value);
                let fault = Diagnostic::error("FR0022", here, &message)
                    .with_also(place.clone(), "used otherwise here")
                    .with_help(help);
                found.push(fault, &source.text);
            }
        }
    }
}
