//! One written template → the compiled ones that its constants ask for.

use std::collections::BTreeSet;

use freshet_core::codec::{self, REDIS_VALUE_BYTES_MAX, TAG_BYTES_MAX};
use freshet_core::table::ColumnKind;
use freshet_core::template::{NameForm, Segment, Template};
use serde_saphyr::Spanned;

use crate::compile::collation::{self, Filled};
use crate::compile::{BoundColumn, Room, Speaker, TableInProgress};
use crate::family_file::{BindingWritten, BoundTo, Places};
use crate::template_text::{self, Piece};

/// What a compiled name takes beside its text, in bytes.
const NAME_BYTES: usize = 64;
/// What all compiled names of a registry take together, in bytes.
pub(super) const REGISTRY_BYTES: usize = 64 << 20;

/// What the names that one change makes from one image of its row may take together, in bytes.
pub(super) const CHANGE_BYTES: usize = 256 << 20;
/// Placeholders of a template.
const PLACEHOLDERS_MAX: usize = 32;
/// A value of a row in a key, with every byte escaped.
const VALUE_BYTES: usize = 3 * REDIS_VALUE_BYTES_MAX;

/// Turns one written template into as many compiled ones as its constants ask for.
pub(super) struct Expand<'x, 's, 'd, 'a> {
    pub(super) speaker: &'x mut Speaker<'s, 'd>,
    pub(super) written: &'x BindingWritten,
    /// Where the names are.
    pub(super) places: Places<'x>,
    pub(super) table: &'x mut TableInProgress<'a>,
    pub(super) used: &'x mut BTreeSet<String>,
    pub(super) room: &'x mut Room,
}

impl Expand<'_, '_, '_, '_> {
    pub(super) fn template(mut self, text: &Spanned<String>) -> Vec<Template> {
        let form = self.places.form();
        // A template that does not parse was told of when its prefix was checked; tags are told of here.
        let pieces = match template_text::parse(&text.value) {
            Ok(pieces) => pieces,
            Err(message) => {
                if form == NameForm::SurrogateKey {
                    let help = "`{name}` is a placeholder, `{{` a brace";
                    self.speaker.error("FR0016", text, (&message, help));
                }
                return Vec::new();
            }
        };
        self.check_literals(form, text, &pieces);
        if !self.fits(form, text, &pieces) {
            // Nothing is made of it, so that what it uses is noted here.
            let names = template_text::placeholders(&pieces).map(str::to_owned);
            self.used.extend(names);
            return Vec::new();
        }
        if form == NameForm::RedisKey {
            self.check_neighbours(text, &pieces);
        }
        let mut expanded: Vec<Vec<Segment>> = vec![Vec::new()];
        for piece in &pieces {
            let (name, fold) = match piece {
                Piece::Literal(literal) => {
                    push_literal(&mut expanded, literal.as_bytes());
                    continue;
                }
                Piece::Placeholder(name, fold) => (name, *fold),
            };
            self.used.insert(name.clone());
            match self.written.bind.get(name).map(|bound| &bound.value) {
                Some(BoundTo::Column(column)) => {
                    let filled = Filled {
                        placeholder: name,
                        column,
                        fold,
                    };
                    if let Some(BoundColumn { slot, ignored }) = self.table.bound(column) {
                        collation::check(self.speaker, text, ignored, &filled);
                        let segment = Segment::Column(slot, fold);
                        expanded.iter_mut().for_each(|it| it.push(segment.clone()));
                    }
                }
                Some(BoundTo::Constants(constants)) => {
                    let folded: Vec<String> = constants.iter().map(|it| fold.apply(it)).collect();
                    expanded = multiply(&expanded, form, &folded);
                }
                None => {
                    let table = &self.written.table.value;
                    let message = format!("placeholder `{name}` is not bound for `{table}`");
                    let bound = self.written.bind.keys().map(String::as_str);
                    let near = self.speaker.found.meant(name, bound);
                    let help = format!("{near}add `{name}: <column>` to that table's `bind:`");
                    self.speaker.error("FR0012", text, (&message, &help));
                    return Vec::new();
                }
            }
        }
        expanded
            .into_iter()
            .map(|segments| Template { form, segments })
            .collect()
    }

    /// Counts the names that constants make of a template before any of them is made.
    fn fits(&mut self, form: NameForm, text: &Spanned<String>, pieces: &[Piece]) -> bool {
        let lists = || {
            let bound = template_text::placeholders(pieces).map(|it| self.written.bind.get(it));
            bound.filter_map(|bound| match &bound?.value {
                BoundTo::Constants(constants) => Some(constants),
                BoundTo::Column(_) => None,
            })
        };
        let counts = lists().map(Vec::len);
        let names = counts.fold(1, usize::saturating_mul);
        let room = &mut *self.room;
        let before = room.names;
        room.names = room.names.saturating_add(names);
        // Without constants a template makes one name, and the family widens where that is too much.
        if names > 1 && room.names > room.fan_out_max {
            let message = match (before, names) {
                (_, usize::MAX) => "its constants make more names of it than can be counted".into(),
                (0, _) => format!("its constants make {names} names of it"),
                _ => format!(
                    "its constants make {names} names of it, and the templates before it {before}"
                ),
            };
            let help = "fewer constants, or a higher `fan_out_max`";
            self.speaker.error("FR0018", text, (&message, help));
            return false;
        }
        let longest = lists().map(|list| list.iter().map(String::len).max().unwrap_or(0));
        let length = longest.fold(text.value.len(), usize::saturating_add);
        self.registry_has_room(text, names, length)
            && self.change_has_room(form, text, (names, length), pieces)
    }

    fn registry_has_room(&mut self, text: &Spanned<String>, names: usize, length: usize) -> bool {
        let bytes = names.saturating_mul(length.saturating_add(NAME_BYTES));
        if let Some(left) = self.room.bytes.checked_sub(bytes) {
            self.room.bytes = left;
            return true;
        }
        let message = format!(
            "the templates of the registry and their constants take more than {REGISTRY_BYTES} bytes"
        );
        let help = "fewer constants or shorter templates; bind a column instead";
        self.speaker.error("FR0018", text, (&message, help));
        false
    }

    /// Whether what one change purges has room for these names, whatever values the row has.
    fn change_has_room(
        &mut self,
        form: NameForm,
        text: &Spanned<String>,
        (names, length): (usize, usize),
        pieces: &[Piece],
    ) -> bool {
        let placeholders = template_text::placeholders(pieces).count();
        if placeholders > PLACEHOLDERS_MAX {
            let message = format!(
                "the template has {placeholders} placeholders, which is more than {PLACEHOLDERS_MAX}"
            );
            self.speaker
                .error("FR0009", text, (&message, "name an entry by fewer values"));
            return false;
        }
        let length = match form {
            NameForm::RedisKey => length.saturating_add(placeholders * VALUE_BYTES),
            NameForm::SurrogateKey => TAG_BYTES_MAX,
        };
        let targets = self.places.targets.len();
        let bytes = names.saturating_mul(length).saturating_mul(targets);
        if let Some(left) = self.table.room.checked_sub(bytes) {
            self.table.room = left;
            return true;
        }
        let message = format!(
            "the names of one change of `{}` can take more than {CHANGE_BYTES} bytes",
            self.written.table.value
        );
        let help = "fewer constants, or fewer families on this table";
        self.speaker.error("FR0018", text, (&message, help));
        false
    }

    /// Two values of no certain length side by side: other rows can give the same name. The purge is none the
    /// worse for it, but readers of the entry are; a tag may be shared, so it is not looked at.
    fn check_neighbours(&mut self, text: &Spanned<String>, pieces: &[Piece]) {
        for run in pieces.split(|piece| matches!(piece, Piece::Literal(_))) {
            let names: BTreeSet<&str> = template_text::placeholders(run)
                .filter(|name| self.has_any_length(name))
                .collect();
            if let Some((one, other)) = names.first().zip(names.last()).filter(|(a, b)| a != b) {
                let message = format!(
                    "nothing stands between `{{{one}}}` and `{{{other}}}`: two rows can share one entry, as 1 and 23 do with 12 and 3"
                );
                let help = "put a `:` between them, here and where the entry is written; no value holds one";
                self.speaker.warning("FR0042", text, (&message, help));
            }
        }
    }

    /// Whether values of a placeholder can begin or end with one another.
    fn has_any_length(&mut self, name: &str) -> bool {
        match self.written.bind.get(name).map(|bound| &bound.value) {
            Some(BoundTo::Column(column)) => self.table.slot(column).is_some_and(|slot| {
                !matches!(self.table.kind(slot), ColumnKind::Uuid | ColumnKind::Bool)
            }),
            Some(BoundTo::Constants(constants)) => one_begins_or_ends_another(constants),
            None => false,
        }
    }

    fn check_literals(&mut self, form: NameForm, text: &Spanned<String>, pieces: &[Piece]) {
        for piece in pieces {
            let Piece::Literal(literal) = piece else {
                continue;
            };
            let (fits, allowed) = match form {
                NameForm::RedisKey => (
                    codec::is_redis_literal(literal),
                    "printable ASCII without blanks and without * ? [ ] \\ % ~",
                ),
                NameForm::SurrogateKey => {
                    (codec::is_tag_literal(literal), "a-z, 0-9, `.`, `_`, `-`")
                }
            };
            if !fits {
                let message = format!("`{literal}` cannot stand in such a name");
                self.speaker.error("FR0016", text, (&message, allowed));
            }
        }
    }
}

/// Whether one of `texts` begins or ends with another one. In order, a text stands right behind its beginning.
fn one_begins_or_ends_another(texts: &[String]) -> bool {
    let mut sorted: Vec<Vec<u8>> = texts.iter().map(|it| it.clone().into_bytes()).collect();
    let any = |sorted: &mut Vec<Vec<u8>>| {
        sorted.sort_unstable();
        let mut pairs = sorted.iter().zip(sorted.iter().skip(1));
        pairs.any(|(one, other)| other.starts_with(one))
    };
    any(&mut sorted) || {
        sorted.iter_mut().for_each(|it| it.reverse());
        any(&mut sorted)
    }
}

fn push_literal(expanded: &mut [Vec<Segment>], literal: &[u8]) {
    for segments in expanded {
        if let Some(Segment::Literal(last)) = segments.last_mut() {
            *last = [last, literal].concat().into();
        } else {
            segments.push(Segment::Literal(literal.into()));
        }
    }
}

/// Every expansion so far with every constant, which goes through the codec as a row's value would.
fn multiply(expanded: &[Vec<Segment>], form: NameForm, constants: &[String]) -> Vec<Vec<Segment>> {
    let mut all = Vec::with_capacity(expanded.len() * constants.len());
    for segments in expanded {
        for constant in constants {
            let mut rendered = Vec::new();
            match form {
                NameForm::RedisKey => codec::push_redis_value(&mut rendered, constant),
                NameForm::SurrogateKey => codec::push_tag_value(&mut rendered, constant),
            }
            let mut with = vec![segments.clone()];
            push_literal(&mut with, &rendered);
            all.append(&mut with);
        }
    }
    all
}
