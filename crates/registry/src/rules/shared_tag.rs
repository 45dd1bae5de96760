//! A family tag has one owner: purging a tag never takes all answers of another family. Other tags may be shared: an answer
//! that shows two families' rows carries tags of both.

use std::collections::BTreeMap;
use std::ops::Bound;

use freshet_core::codec;
use freshet_core::shape;

use crate::at::{At, InFile};
use crate::decided::bound::Known;
use crate::decided::family::Family;
use crate::decided::template::TemplateText;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::rules::shown::{REPORTED_MAX, shown};

const CODE: &str = "FR0029";

/// Pairs of tags and templates that are compared. Templates that have no literal part are beside every tag.
const PAIRS_MAX: usize = 1_000_000;

/// A tag as it is written, of a family by its number.
#[derive(Clone, Copy)]
struct Tag<'k> {
    number: usize,
    family: &'k InFile<Family>,
    text: &'k At<String>,
}

/// The family tag at each target, and who has it.
type Owners<'k> = BTreeMap<(&'k str, &'k str), Tag<'k>>;

pub(super) fn check(known: &Known<'_>, found: &mut Diagnostics) {
    let owners = family_tags(known, found);
    let (mut reported, mut compared) = (0, 0);
    for (number, family) in known.purging() {
        for place in &family.places {
            for template in place.tags.iter() {
                let text = &template.text;
                let one = Tag {
                    number,
                    family,
                    text,
                };
                let shape = template.shape();
                let literals: Vec<&[u8]> = shape.split(|&byte| byte == shape::VALUE).collect();
                for ((_, tag), other) in near(&owners, &place.target, template) {
                    if compared == PAIRS_MAX {
                        return too_alike(one, found);
                    }
                    compared += 1;
                    if other.number != number && codec::is_tag_of(tag.as_bytes(), &literals) {
                        overlap(one, tag, *other, found);
                        reported += 1;
                        if reported == REPORTED_MAX {
                            return;
                        }
                    }
                }
            }
        }
    }
}

/// Gathers the family tags; one that two families have is a fault.
fn family_tags<'k>(known: &Known<'k>, found: &mut Diagnostics) -> Owners<'k> {
    let mut owners = Owners::new();
    let mut reported = 0;
    for (number, family) in known.purging() {
        for place in &family.places {
            let Some(text) = &place.family_tag else {
                continue;
            };
            let one = Tag {
                number,
                family,
                text,
            };
            let owner = *owners.entry((&place.target, text)).or_insert(one);
            // A family that is declared twice has its own code.
            let is_same = owner.family.family == family.family;
            if owner.number != number && !is_same && reported < REPORTED_MAX {
                reported += 1;
                overlap(one, text, owner, found);
            }
        }
    }
    owners
}

fn overlap(one: Tag<'_>, tag: &str, other: Tag<'_>, found: &mut Diagnostics) {
    let what = match one.text.as_str() == tag {
        true => "is".to_owned(),
        false => format!("can produce `{}`,", shown(tag.as_bytes())),
    };
    let message = format!(
        "`{}` {what} the family tag of `{}`: purging it would purge all responses of that family",
        one.text.value, other.family.family.value
    );
    let fault = Diagnostic::error(CODE, one.family.place(one.text), &message)
        .with_also(other.family.place(other.text), "this family's tag")
        .with_help("give the tag another literal part, or set another `family_tag`");
    found.push(fault, &one.family.text);
}

fn too_alike(one: Tag<'_>, found: &mut Diagnostics) {
    let message = "too many tags and family tags start with the same text as this one: whether a tag is another family's cannot be determined in bounded time";
    let help = "start each tag with its own literal, such as `item-{item_id}`";
    found.error(CODE, one.family.spot(one.text), message, help);
}

/// Family tags at a target that begin as the names of a template do.
fn near<'o>(
    owners: &'o Owners<'o>,
    target: &'o str,
    template: &'o TemplateText,
) -> impl Iterator<Item = (&'o (&'o str, &'o str), &'o Tag<'o>)> {
    let literal = template.literal_prefix();
    // A tag that is shortened keeps no more than this of its beginning.
    let head = literal.get(..codec::TAG_HEAD_BYTES).unwrap_or(literal);
    let near = owners.range((Bound::Included((target, head)), Bound::Unbounded));
    near.take_while(move |((at, tag), _)| *at == target && tag.starts_with(head))
}
