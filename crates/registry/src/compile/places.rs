//! Where a family is cached: written places → compiled ones, each at a target of its own.

use std::collections::HashSet;

use freshet_core::codec;
use freshet_core::registry::{Place, PurgeMode, TargetId, Tier};
use freshet_core::template::NameForm;
use serde_saphyr::Spanned;

use crate::compile::Speaker;
use crate::family_file::Places;
use crate::template_text;

/// The names of the tiers, from the innermost to the outermost.
const TIERS: [(&str, Tier); 4] = [
    ("store", Tier::Store),
    ("framework", Tier::Framework),
    ("shield", Tier::Shield),
    ("edge", Tier::Edge),
];

/// The tier that places say, or what their names are usual for.
pub(crate) fn tier_of(places: &Places<'_>) -> Tier {
    let usual = match places.form() {
        NameForm::RedisKey => Tier::Store,
        NameForm::SurrogateKey => Tier::Edge,
    };
    let written = places.tier.and_then(|tier| tier_named(&tier.value));
    written.unwrap_or(usual)
}

fn tier_named(name: &str) -> Option<Tier> {
    let found = TIERS.iter().find(|(known, _)| *known == name);
    found.map(|(_, tier)| *tier)
}

/// The family's places; `targets` are those of each written one.
pub(super) fn compile(speaker: &mut Speaker<'_, '_>, targets: &[Vec<TargetId>]) -> Vec<Place> {
    let source = speaker.source;
    let mut compiled = Vec::new();
    let mut named = HashSet::new();
    let mut is_empty = true;
    for (written, targets) in source.file.places().zip(targets) {
        is_empty = false;
        check(speaker, &written);
        let mode = mode_of(speaker, &written);
        let shapes = match written.form() {
            NameForm::RedisKey => shapes(speaker, &written),
            NameForm::SurrogateKey => Vec::new(),
        };
        for (target, name) in targets.iter().zip(written.targets) {
            if !named.insert(*target) {
                let message = format!("the family has another place at target `{}`", name.value);
                let help = "list all names of a target in one place";
                speaker.error("FR0024", name, (&message, help));
                continue;
            }
            compiled.push(match written.family_tag() {
                None => Place::of_keys(*target, shapes.iter().cloned()),
                Some(tag) => Place::of_tags(*target, tag.value.as_bytes().into(), mode),
            });
        }
    }
    if is_empty {
        let help = "give it `redis:` keys, `cdn:` targets and tags, or `places:`";
        let message = "the family names nothing to purge";
        speaker.error("FR0024", &source.file.family, (message, help));
    }
    compiled
}

/// What a place must say, and what it cannot.
fn check(speaker: &mut Speaker<'_, '_>, written: &Places<'_>) {
    let family = &speaker.source.file.family;
    let at = written.targets.first().unwrap_or(family);
    if written.keys.is_some() && written.tags.is_some() {
        let help =
            "one place has one kind of names: give each kind a place and a target of its own";
        speaker.error("FR0024", at, ("the place has keys and tags", help));
    } else if written.texts().is_empty() || written.targets.is_empty() {
        let help = "give it the `keys:` or the `tags:` that its entries have, and a target";
        speaker.error(
            "FR0024",
            family,
            ("the family names nothing to purge", help),
        );
    }
    if let Some(tag) = written.idle_family_tag() {
        let help = "remove the line: a family of keys widens to what its keys can name";
        speaker.error("FR0024", tag, ("a place with keys has no family tag", help));
    }
    if let Some(tier) = written.tier
        && tier_named(&tier.value).is_none()
    {
        let tiers = TIERS.map(|(name, _)| name).join(", ");
        speaker.choice("FR0003", tier, ("is not a tier", &tiers));
    }
    if let Some(tag) = written.family_tag() {
        let fits = (1..=codec::TAG_BYTES_MAX).contains(&tag.value.len());
        if !fits || !codec::is_tag_literal(&tag.value) {
            let message = format!("`{}` cannot be a family tag", tag.value);
            let help = "set `family_tag` to 1 to 32 of a-z, 0-9, `.`, `_`, `-`";
            speaker.error("FR0016", tag, (&message, help));
        }
    }
}

fn mode_of(speaker: &mut Speaker<'_, '_>, written: &Places<'_>) -> PurgeMode {
    let Some(mode) = written.mode else {
        return PurgeMode::Hard;
    };
    match mode.value.as_str() {
        "hard" => {}
        "soft" if written.form() == NameForm::RedisKey => {
            let message = "an entry that is named by its key is removed, not marked as stale";
            let help = "remove the line, or set `mode: hard`";
            speaker.error("FR0003", mode, (message, help));
        }
        "soft" => return PurgeMode::Soft,
        _ => speaker.choice("FR0003", mode, ("is not a mode", "hard, soft")),
    }
    PurgeMode::Hard
}

/// All that the family has where its entries have keys: the shapes of these. Checks each key's beginning on the way. Constants count as any
/// value: a reader may fill entries for one that no source lists.
fn shapes(speaker: &mut Speaker<'_, '_>, places: &Places<'_>) -> Vec<Box<[u8]>> {
    let file = &speaker.source.file;
    let domain = file.family.value.split('.').next().unwrap_or("").to_owned();
    let wanted = format!("{domain}:v{}:", file.schema_version.value);
    let mut shapes: Vec<Box<[u8]>> = Vec::new();
    let mut known = HashSet::new();
    for key in places.texts() {
        let pieces = match template_text::parse(&key.value) {
            Ok(pieces) => pieces,
            Err(message) => {
                speaker.error(
                    "FR0016",
                    key,
                    (&message, "`{name}` is a placeholder, `{{` a brace"),
                );
                continue;
            }
        };
        let prefix = template_text::literal_prefix(&pieces);
        if !prefix.starts_with(&wanted) {
            let help = format!(
                "begin it with `{wanted}`, so that families and schema versions stay apart"
            );
            let message = "the key does not begin with its domain and schema version";
            speaker.error("FR0014", key, (message, &help));
        } else if prefix.len() == wanted.len() {
            let help = "put a literal that only this family uses in front of the first placeholder";
            let message = "the key's literal part is shared by the whole domain";
            speaker.error("FR0015", key, (message, help));
        }
        check_auth_scope(speaker, key, &pieces);
        let shape = template_text::shape(&pieces).into_boxed_slice();
        if known.insert(shape.clone()) {
            shapes.push(shape);
        }
    }
    shapes
}

fn check_auth_scope(
    speaker: &mut Speaker<'_, '_>,
    key: &Spanned<String>,
    pieces: &[template_text::Piece],
) {
    let Some(scope) = speaker.file().auth_scope.clone() else {
        return;
    };
    if !template_text::placeholders(pieces).any(|name| name == scope.value) {
        let message = format!("the key lacks the auth scope `{{{}}}`", scope.value);
        let help = "without it one reader's entry is served to another";
        speaker.error("FR0025", key, (&message, help));
    }
}
