//! Where a family is cached: written places → one for each target.

use std::collections::HashSet;
use std::sync::Arc;

use freshet_core::codec;
use freshet_core::registry::{PurgeMode, Tier};
use freshet_core::template::NameForm;

use crate::at::At;
use crate::decided::deciding::Deciding;
use crate::decided::family::Place;
use crate::decided::template::TemplateText;
use crate::written::family::{Places, WHERE_ENTRIES_ARE};

/// A family that names nothing, or a target twice.
const NAMES_NOTHING: &str = "FR0024";
/// What cannot be a name.
const NO_NAME: &str = "FR0016";

/// The places that a file says.
pub(super) fn decide(deciding: &mut Deciding<'_>) -> Vec<Place> {
    let file = deciding.file;
    let (mut places, mut targets) = (Vec::new(), HashSet::new());
    let mut is_empty = true;
    for written in file.places() {
        is_empty = false;
        check(deciding, &written);
        let place = place(deciding, &written);
        for target in written.targets {
            if !targets.insert(target.as_str()) {
                let message = format!("the family has another place at target `{}`", target.value);
                let help = "list all names of a target in one place";
                deciding.error(NAMES_NOTHING, target, &message, help);
            }
            let target = target.clone();
            places.push(Place {
                target,
                ..place.clone()
            });
        }
    }
    if is_empty {
        let help = format!("give it {WHERE_ENTRIES_ARE}");
        let message = "the family has no keys or tags to purge";
        deciding.error(NAMES_NOTHING, &file.family, message, &help);
    }
    places
}

/// What a place must say, and what it cannot.
fn check(deciding: &mut Deciding<'_>, written: &Places<'_>) {
    let family = &deciding.file.family;
    let keys = written.keys.unwrap_or_default();
    let tags = written.tags.unwrap_or_default();
    if written.keys.is_some() && written.tags.is_some() {
        let help = "a place has either keys or tags: use a separate place and target for each";
        let at = written.targets.first().unwrap_or(family);
        deciding.error(NAMES_NOTHING, at, "the place has keys and tags", help);
    } else if keys.is_empty() && tags.is_empty() || written.targets.is_empty() {
        let help = "give it `keys:` or `tags:`, and a target";
        let message = "the family has no keys or tags to purge";
        deciding.error(NAMES_NOTHING, family, message, help);
    }
    if let Some(tag) = written.family_tag.filter(|_| !has_tags(written)) {
        let help =
            "remove the line: a place with keys widens to all names that its keys can produce";
        let message = "a place with keys has no family tag";
        deciding.error(NAMES_NOTHING, tag, message, help);
    }
}

/// Whether entries are named by tags. A place with keys as well is refused.
fn has_tags(written: &Places<'_>) -> bool {
    written.tags.is_some()
}

/// The place that is written, at no target yet.
fn place(deciding: &mut Deciding<'_>, written: &Places<'_>) -> Place {
    let family = &deciding.file.family;
    let has_tags = has_tags(written);
    let usual = Tier::usual_for(match has_tags {
        false => NameForm::RedisKey,
        true => NameForm::SurrogateKey,
    });
    let family_tag = written.family_tag.unwrap_or(family);
    if has_tags {
        let fits = (1..=codec::TAG_BYTES_MAX).contains(&family_tag.len());
        if !fits || !codec::is_tag_literal(family_tag) {
            let message = format!("`{}` cannot be a family tag", family_tag.value);
            let help = "set `family_tag` to 1 to 32 of a-z, 0-9, `.`, `_`, `-`";
            deciding.error(NO_NAME, family_tag, &message, help);
        }
    }
    let mode = deciding.setting(written.mode, PurgeMode::Hard, "is not a mode");
    if mode.value == PurgeMode::Soft && !has_tags {
        let message = "an entry with a key can only be removed, not marked as stale";
        let help = "remove the line, or set `mode: hard`";
        deciding.error("FR0003", &mode, message, help);
    }
    Place {
        target: At::nowhere(String::new()),
        tier: deciding.setting(written.tier, usual, "is not a tier"),
        keys: templates(deciding, written.keys),
        tags: templates(deciding, written.tags),
        family_tag: has_tags.then(|| family_tag.clone()),
        mode,
    }
}

fn templates(deciding: &mut Deciding<'_>, written: Option<&[At<String>]>) -> Arc<[TemplateText]> {
    let texts = written.unwrap_or_default().iter();
    let parsed = texts.filter_map(|text| match TemplateText::new(text) {
        Ok(template) => Some(template),
        Err(message) => {
            let help = "`{name}` is a placeholder, `{{` a brace";
            deciding.error(NO_NAME, text, &message, help);
            None
        }
    });
    parsed.collect()
}
