//! Rules over several families: one owner per key space, one name per family.

use std::collections::BTreeMap;

use crate::diagnostics::{Diagnostic, Diagnostics, Place};
use crate::load::FamilySource;
use crate::template_text::{self, Piece};

/// Whether a family of this lifecycle purges.
pub(crate) fn is_bound(lifecycle: &str) -> bool {
    lifecycle == "active" || lifecycle.starts_with("deprecated")
}

/// Checks what no file can tell alone.
pub(crate) fn across_families(families: &[FamilySource], found: &mut Diagnostics) {
    duplicate_names(families, found);
    overlapping_keys(families, found);
    tiers(families, found);
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

fn overlapping_keys(families: &[FamilySource], found: &mut Diagnostics) {
    let mut templates = Vec::new();
    for source in families
        .iter()
        .filter(|it| is_bound(&it.file.lifecycle.value))
    {
        for key in source.file.redis.iter().flat_map(|redis| &redis.keys) {
            if let Ok(pieces) = template_text::parse(&key.value) {
                let target = source
                    .file
                    .redis
                    .as_ref()
                    .map(|redis| redis.target.value.as_str());
                templates.push((source, key, target, pieces));
            }
        }
    }
    for (at, (source, key, target, pieces)) in templates.iter().enumerate() {
        for (other, other_key, other_target, other_pieces) in &templates[..at] {
            let same_family = std::ptr::eq(*source, *other);
            if same_family || target != other_target || !may_meet(pieces, other_pieces) {
                continue;
            }
            let fault = Diagnostic::error(
                "FR0020",
                Place::of(&source.path, key),
                &format!(
                    "`{}` can name an entry that family `{}` owns",
                    key.value, other.file.family.value
                ),
            )
            .with_also(Place::of(&other.path, other_key), "owned here")
            .with_help("an entry has one owner: give one of the keys another literal part");
            found.push(fault, &source.text);
        }
    }
}

/// Whether two templates can give the same name. Values hold no `:` (the codec escapes it), so templates are
/// compared part by part; a part with a placeholder may be anything.
fn may_meet(one: &[Piece], other: &[Piece]) -> bool {
    let parts = |pieces: &[Piece]| -> Vec<Option<String>> {
        let mut parts = vec![Some(String::new())];
        for piece in pieces {
            match piece {
                Piece::Placeholder(_) => {
                    if let Some(last) = parts.last_mut() {
                        *last = None;
                    }
                }
                Piece::Literal(text) => {
                    for (at, part) in text.split(':').enumerate() {
                        if at > 0 {
                            parts.push(Some(part.to_owned()));
                        } else if let Some(Some(last)) = parts.last_mut() {
                            last.push_str(part);
                        }
                    }
                }
            }
        }
        parts
    };
    let (one, other) = (parts(one), parts(other));
    one.len() == other.len()
        && one
            .iter()
            .zip(&other)
            .all(|(one, other)| match (one, other) {
                (Some(one), Some(other)) => one == other,
                _ => true,
            })
}

/// A target is a store or an edge, not both.
fn tiers(families: &[FamilySource], found: &mut Diagnostics) {
    let mut stores = BTreeMap::new();
    for source in families {
        if let Some(redis) = &source.file.redis {
            stores
                .entry(redis.target.value.as_str())
                .or_insert(Place::of(&source.path, &redis.target));
        }
    }
    for source in families {
        for target in source.file.cdn.iter().flat_map(|cdn| &cdn.targets) {
            if let Some(place) = stores.get(target.value.as_str()) {
                let fault = Diagnostic::error(
                    "FR0022",
                    Place::of(&source.path, target),
                    &format!("target `{}` is used as a CDN and as a Redis", target.value),
                )
                .with_also(place.clone(), "used as a Redis here")
                .with_help("give the CDN another target name");
                found.push(fault, &source.text);
            }
        }
    }
}
