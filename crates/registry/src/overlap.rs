//! One owner per name: no key of one family names an entry of another, and no tag stands for another family's answers.

mod candidates;

use std::collections::BTreeMap;
use std::ops::Bound;

use freshet_core::codec;
use freshet_core::shape;
use serde_saphyr::Spanned;

use crate::diagnostics::{Diagnostic, Diagnostics, Place};
use crate::load::FamilySource;
use crate::overlap::candidates::{Key, Overlaps};
use crate::rules::is_bound;
use crate::template_text::{self, Piece};

/// Overlaps that are reported in one run. More are found once these are gone.
const REPORTED_MAX: usize = 100;
/// Pairs of tags and templates that are compared. Templates that have no literal part are beside every tag.
const TAG_PAIRS_MAX: usize = 1_000_000;
/// Characters of a name in a message.
const SHOWN_MAX: usize = 80;

/// A template as it is written, and its family.
struct Written<'a> {
    source: &'a FamilySource,
    text: &'a Spanned<String>,
}

/// Checks that no entry of a Redis belongs to two families.
pub(crate) fn keys(families: &[FamilySource], found: &mut Diagnostics) {
    let (mut written, mut keys) = (Vec::new(), Vec::new());
    for (family, source) in active(families) {
        for store in source.file.stores() {
            for text in store.texts() {
                let Ok(pieces) = template_text::parse(&text.value) else {
                    continue;
                };
                for target in store.targets {
                    written.push(Written { source, text });
                    keys.push(Key {
                        family,
                        target: &target.value,
                        shape: template_text::shape(&pieces),
                    });
                }
            }
        }
    }
    let Overlaps { pairs, too_alike } = candidates::overlaps(&keys, REPORTED_MAX);
    let is_cut = pairs.len() >= REPORTED_MAX;
    for (at, (later, earlier)) in pairs.into_iter().enumerate() {
        let shared = shape::shared_name(&keys[later].shape, &keys[earlier].shape);
        let shared = shared.as_deref().map_or_else(String::new, shown);
        let (one, other) = (&written[later], &written[earlier]);
        let mut help =
            "an entry has one owner: give one of the keys another literal part".to_owned();
        if is_cut && at == REPORTED_MAX - 1 {
            help.push_str("; only so many overlaps are reported in one run, there may be more");
        }
        let fault = Diagnostic::error(
            "FR0020",
            Place::of(&one.source.path, one.text),
            &format!(
                "`{}` can name an entry that family `{}` owns: both name `{shared}`",
                one.text.value, other.source.file.family.value
            ),
        )
        .with_also(Place::of(&other.source.path, other.text), "owned here")
        .with_help(&help);
        found.push(fault, &one.source.text);
    }
    if let Some(one) = too_alike.and_then(|at| written.get(at)) {
        let fault = Diagnostic::error(
            "FR0020",
            Place::of(&one.source.path, one.text),
            "the keys of too many families begin and end like this one: whether each entry has one owner cannot be told in bounded time",
        )
        .with_help("give each family a literal of its own behind `<domain>:v<n>:`");
        found.push(fault, &one.source.text);
    }
}

/// Checks that purging a tag never takes all answers of another family. Other tags may be shared: an answer that shows
/// two families' rows carries tags of both.
pub(crate) fn tags(families: &[FamilySource], found: &mut Diagnostics) {
    let owners = family_tags(families, found);
    let (mut reported, mut compared) = (0, 0);
    for (family, source) in active(families) {
        for (text, target) in tags_of(source) {
            let Ok(pieces) = template_text::parse(&text.value) else {
                continue;
            };
            let one = Written { source, text };
            let shape = template_text::shape(&pieces);
            let literals: Vec<&[u8]> = shape.split(|&byte| byte == shape::VALUE).collect();
            for ((_, tag), (owner, other)) in near(&owners, &target.value, &pieces) {
                if compared == TAG_PAIRS_MAX {
                    found.push(tags_too_alike(&one), &source.text);
                    return;
                }
                compared += 1;
                if *owner != family && codec::is_tag_of(tag.as_bytes(), &literals) {
                    found.push(tag_overlap(&one, tag, other), &source.text);
                    reported += 1;
                    if reported == REPORTED_MAX {
                        return;
                    }
                }
            }
        }
    }
}

/// Each tag of a family with each target that it is at.
fn tags_of(source: &FamilySource) -> impl Iterator<Item = (&Spanned<String>, &Spanned<String>)> {
    let places = source.file.places().filter(|it| it.family_tag().is_some());
    places.flat_map(|places| {
        let texts = places.texts().iter();
        texts.flat_map(move |text| places.targets.iter().map(move |target| (text, target)))
    })
}

/// The family tag at each target, and who has it.
type Owners<'a> = BTreeMap<(&'a str, &'a str), (usize, Written<'a>)>;

/// Gathers the family tags; one that two families have is a fault.
fn family_tags<'a>(families: &'a [FamilySource], found: &mut Diagnostics) -> Owners<'a> {
    let mut owners = Owners::new();
    let mut reported = 0;
    for (family, source) in active(families) {
        let places = source.file.places();
        let tags = places.filter_map(|it| Some((it.family_tag()?, it.targets)));
        for (text, target) in
            tags.flat_map(|(tag, targets)| targets.iter().map(move |it| (tag, it)))
        {
            let place = (target.value.as_str(), text.value.as_str());
            let known = owners
                .entry(place)
                .or_insert((family, Written { source, text }));
            // A family that is declared twice has its own code.
            let is_same = known.1.source.file.family.value == source.file.family.value;
            if known.0 != family && !is_same && reported < REPORTED_MAX {
                reported += 1;
                let one = Written { source, text };
                found.push(tag_overlap(&one, &text.value, &known.1), &source.text);
            }
        }
    }
    owners
}

fn tag_overlap(one: &Written<'_>, tag: &str, other: &Written<'_>) -> Diagnostic {
    let owner = &other.source.file.family.value;
    let what = match one.text.value == tag {
        true => "is".to_owned(),
        false => format!("can be `{}`,", shown(tag.as_bytes())),
    };
    Diagnostic::error(
        "FR0029",
        Place::of(&one.source.path, one.text),
        &format!(
            "`{}` {what} the family tag of `{owner}`: purging it would purge all answers of that family",
            one.text.value
        ),
    )
    .with_also(Place::of(&other.source.path, other.text), "this family's tag")
    .with_help("give the tag another literal part, or set another `family_tag`")
}

fn tags_too_alike(one: &Written<'_>) -> Diagnostic {
    Diagnostic::error(
        "FR0029",
        Place::of(&one.source.path, one.text),
        "too many tags begin as too many family tags do, as this one: whether one is another family's cannot be told in bounded time",
    )
    .with_help("begin each tag with a literal of its own, as `item-{item_id}` does")
}

/// Family tags at a target that begin as the names of a template do.
fn near<'b>(
    owners: &'b Owners<'b>,
    target: &'b str,
    pieces: &'b [Piece],
) -> impl Iterator<Item = (&'b (&'b str, &'b str), &'b (usize, Written<'b>))> {
    let literal = template_text::literal_prefix(pieces);
    // A tag that is shortened keeps no more than this of its beginning.
    let head = literal.get(..codec::TAG_HEAD_BYTES).unwrap_or(literal);
    let near = owners.range((Bound::Included((target, head)), Bound::Unbounded));
    near.take_while(move |((at, tag), _)| *at == target && tag.starts_with(head))
}

fn active(families: &[FamilySource]) -> impl Iterator<Item = (usize, &FamilySource)> {
    let all = families.iter().enumerate();
    all.filter(|(_, source)| is_bound(&source.file.lifecycle.value))
}

/// A name for a message.
fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    match text.char_indices().nth(SHOWN_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.into_owned(),
    }
}
