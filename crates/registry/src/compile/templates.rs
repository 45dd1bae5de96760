//! A family's templates bound to one table: placeholders become slots, constants become literals.

use std::collections::BTreeSet;

use freshet_core::codec;
use freshet_core::registry::Binding;
use freshet_core::table::{ColumnKind, ColumnSlot, ReplicaIdentity};
use freshet_core::template::{NameForm, Segment, Template};
use serde_saphyr::Spanned;

use crate::compile::{Room, Speaker, TableInProgress};
use crate::diagnostics::listed;
use crate::family_file::{BindingWritten, BoundTo};
use crate::source_file::{EngineName, KnownTables, OnDelete, is_tinyint_one};
use crate::template_text::{self, Piece};

pub(super) fn bind(
    speaker: &mut Speaker<'_, '_>,
    written: &BindingWritten,
    table: &mut TableInProgress<'_>,
    room: &mut Room,
) -> Option<Binding> {
    let family = room.family;
    check_bound_columns(speaker, written, table);
    let file = &speaker.source.file;
    let mut used = BTreeSet::new();
    let mut compiled = |speaker: &mut Speaker<'_, '_>, form, texts: &[Spanned<String>]| {
        let mut templates = Vec::new();
        room.names = 0;
        for text in texts {
            let one = Expand {
                speaker,
                written,
                table: &mut *table,
                used: &mut used,
                room: &mut *room,
            };
            templates.extend(one.template(form, text));
        }
        templates
    };
    let keys = file.redis.as_ref().map_or(&[][..], |redis| &redis.keys);
    let keys = compiled(speaker, NameForm::RedisKey, keys);
    let tags = file.cdn.as_ref().map_or(&[][..], |cdn| &cdn.tags);
    let tags = compiled(speaker, NameForm::SurrogateKey, tags);
    for (name, bound) in &written.bind {
        if !used.contains(name.as_str()) {
            let message = format!("placeholder `{name}` is bound and used by no key or tag");
            speaker.warning(
                "FR0013",
                bound,
                (&message, "remove it, or use it in a template"),
            );
        }
    }
    let mut when_changed = Vec::new();
    for column in &written.when_changed {
        match table.slot(&column.value) {
            Some(slot) => when_changed.push(slot),
            None => unknown_column(speaker, column, &column.value, table),
        }
    }
    if !when_changed.is_empty() {
        // A row that moves to another key matters, whatever else changed.
        for template in keys.iter().chain(&tags) {
            when_changed.extend(slots_of(template));
        }
        when_changed.sort_unstable();
        when_changed.dedup();
    }
    let version_column = file.entry_version.as_ref().and_then(|entry| {
        // Another table of the family may hold it.
        table.slot(&entry.column.value)
    });
    Some(Binding {
        family,
        when_changed,
        keys,
        tags,
        version_column,
    })
}

fn slots_of(template: &Template) -> impl Iterator<Item = ColumnSlot> {
    template
        .segments
        .iter()
        .filter_map(|segment| match segment {
            Segment::Column(slot) => Some(*slot),
            Segment::Literal(_) => None,
        })
}

fn unknown_column<T>(
    speaker: &mut Speaker<'_, '_>,
    at: &Spanned<T>,
    column: &str,
    table: &TableInProgress<'_>,
) {
    let declared = &table.known.table;
    let names = || declared.columns.iter().map(|it| it.name.as_str());
    let message = format!("table `{}` has no column `{column}`", declared.table.value);
    let near = speaker.found.meant(column, names());
    let help = format!("{near}it has: {}", listed(names()));
    speaker.error("FR0011", at, (&message, &help));
}

fn check_bound_columns(
    speaker: &mut Speaker<'_, '_>,
    written: &BindingWritten,
    table: &mut TableInProgress<'_>,
) {
    for bound in written.bind.values() {
        let column = match &bound.value {
            BoundTo::Column(column) => column,
            BoundTo::Constants(constants) => {
                if constants.is_empty() {
                    let help = "list at least one constant, or bind a column";
                    speaker.error("FR0003", bound, ("no constant makes no name", help));
                }
                continue;
            }
        };
        let Some(slot) = table.slot(column) else {
            unknown_column(speaker, bound, column, table);
            continue;
        };
        if table.kind(slot) == ColumnKind::Opaque {
            check_opaque(speaker, bound, (column, table));
        }
        let identity = table.known.table.replica_identity.identity();
        let in_key = table
            .known
            .table
            .primary_key
            .iter()
            .any(|key| key.value == *column);
        let forgotten = match identity {
            ReplicaIdentity::Full => false,
            ReplicaIdentity::Default => !in_key,
            ReplicaIdentity::Nothing => true,
        };
        if forgotten {
            let message = format!(
                "the log does not say what `{column}` was before: every update and delete of `{}` purges the whole family",
                table.known.table.table.value
            );
            let help = match table.known.engine {
                EngineName::Postgres => {
                    "ALTER TABLE … REPLICA IDENTITY FULL, then `freshet source pull` again"
                }
                EngineName::Mysql | EngineName::Mariadb => {
                    "set binlog_row_image=FULL, then `freshet source pull` again"
                }
            };
            speaker.warning("FR0040", bound, (&message, help));
        }
    }
}

/// A column without one certain text: of `tinyint(1)` the source file can say which, so only a warning.
fn check_opaque(
    speaker: &mut Speaker<'_, '_>,
    bound: &Spanned<BoundTo>,
    (column, table): (&str, &TableInProgress<'_>),
) {
    let known = table.known;
    let declared = known.table.columns.iter().find(|it| it.name == column);
    let is_one = declared.is_some_and(|it| is_tinyint_one(known.engine, &it.kind));
    if is_one {
        let message = format!(
            "the server prints `{column}` as 1, many clients as true: every change of `{}` purges the whole family",
            known.table.table.value
        );
        let help = "add `text: integer` or `text: boolean` to the column in the source file, as the readers of the entry print it";
        speaker.warning("FR0047", bound, (&message, help));
    } else if declared.is_some_and(|it| it.text.is_some()) {
        let message = format!("column `{column}` has `text:`, which is for `tinyint(1)` only");
        let help = "remove `text:` from the column in the source file";
        speaker.error("FR0017", bound, (&message, help));
    } else {
        let message = format!("column `{column}` has a type without one certain text form");
        let help = "bind an integer, text, uuid, boolean, decimal, date or timestamp column";
        speaker.error("FR0017", bound, (&message, help));
    }
}

/// InnoDB carries foreign-key cascades out below its binlog: the children's deletes are in no log.
pub(super) fn check_cascades(
    speaker: &mut Speaker<'_, '_>,
    written: &BindingWritten,
    known: &KnownTables,
) {
    let Some(table) = known.get(&written.table.value) else {
        return;
    };
    if table.engine == EngineName::Postgres {
        return;
    }
    for key in &table.table.foreign_keys {
        let cascades = matches!(key.on_delete, OnDelete::Cascade | OnDelete::SetNull);
        let told = speaker
            .file()
            .relations
            .iter()
            .any(|relation| relation.acknowledged && relation.parent == key.references);
        if cascades && !told {
            let message = format!(
                "rows of `{}` go with their parent `{}` and the binlog does not say so",
                written.table.value, key.references
            );
            let help = format!(
                "bind the parent too, then state `relations: [{{ parent: {}, acknowledged: true }}]`",
                key.references
            );
            speaker.error("FR0027", &written.table, (&message, &help));
        }
    }
}

/// What a compiled name takes beside its text, in bytes.
const NAME_BYTES: usize = 64;
/// What all compiled names of a registry take together, in bytes.
pub(super) const REGISTRY_BYTES: usize = 64 << 20;

/// Turns one written template into as many compiled ones as its constants ask for.
struct Expand<'x, 's, 'd, 'a> {
    speaker: &'x mut Speaker<'s, 'd>,
    written: &'x BindingWritten,
    table: &'x mut TableInProgress<'a>,
    used: &'x mut BTreeSet<String>,
    room: &'x mut Room,
}

impl Expand<'_, '_, '_, '_> {
    fn template(mut self, form: NameForm, text: &Spanned<String>) -> Vec<Template> {
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
        if !self.fits(text, &pieces) {
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
            match piece {
                Piece::Literal(literal) => push_literal(&mut expanded, literal.as_bytes()),
                Piece::Placeholder(name) => {
                    self.used.insert(name.clone());
                    match self.written.bind.get(name).map(|bound| &bound.value) {
                        Some(BoundTo::Column(column)) => {
                            if let Some(slot) = self.table.slot(column) {
                                expanded
                                    .iter_mut()
                                    .for_each(|it| it.push(Segment::Column(slot)));
                            }
                        }
                        Some(BoundTo::Constants(constants)) => {
                            expanded = multiply(&expanded, form, constants);
                        }
                        None => {
                            let table = &self.written.table.value;
                            let message =
                                format!("placeholder `{name}` is not bound for `{table}`");
                            let bound = self.written.bind.keys().map(String::as_str);
                            let near = self.speaker.found.meant(name, bound);
                            let help =
                                format!("{near}add `{name}: <column>` to that table's `bind:`");
                            self.speaker.error("FR0012", text, (&message, &help));
                            return Vec::new();
                        }
                    }
                }
            }
        }
        expanded
            .into_iter()
            .map(|segments| Template { form, segments })
            .collect()
    }

    /// Counts the names that constants make of a template before any of them is made.
    fn fits(&mut self, text: &Spanned<String>, pieces: &[Piece]) -> bool {
        let (mut names, mut length) = (1_usize, text.value.len());
        for name in template_text::placeholders(pieces) {
            if let Some(BoundTo::Constants(constants)) =
                self.written.bind.get(name).map(|bound| &bound.value)
            {
                let longest = constants.iter().map(String::len).max().unwrap_or(0);
                names = names.saturating_mul(constants.len());
                length = length.saturating_add(longest);
            }
        }
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
        let bytes = names.saturating_mul(length.saturating_add(NAME_BYTES));
        match room.bytes.checked_sub(bytes) {
            Some(left) => room.bytes = left,
            None => {
                let message = format!(
                    "the templates of the registry and their constants take more than {REGISTRY_BYTES} bytes"
                );
                let help = "fewer constants or shorter templates; bind a column instead";
                self.speaker.error("FR0018", text, (&message, help));
                return false;
            }
        }
        true
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
