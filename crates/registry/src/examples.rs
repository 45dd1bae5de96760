//! The families' examples, run as unit tests through the same resolution as real changes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use freshet_core::change::{Change, Op};
use freshet_core::connector::Tombstones;
use freshet_core::image::Image;
use freshet_core::purge::PurgeSet;
use freshet_core::registry::{FamilyId, Registry, Table};
use freshet_core::resolve::resolve_family;
use freshet_core::table::{ColumnSlot, ReplicaIdentity};
use freshet_core::template::NameForm;
use serde_json::Value;
use serde_saphyr::Spanned;

use crate::diagnostics::{Diagnostic, Diagnostics, Place, listed};
use crate::family_file::{ExampleChange, ExampleWritten};
use crate::load::FamilySource;
use crate::names;
use crate::rules;

/// What the examples came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExampleReport {
    /// Examples that were run and hold.
    pub run: usize,
}

pub(crate) fn run(
    registry: &Registry,
    families: &[FamilySource],
    found: &mut Diagnostics,
) -> ExampleReport {
    let mut report = ExampleReport::default();
    let tables = registry.tables.iter();
    let tables: HashMap<&str, Known<'_>> =
        tables.map(|it| (&*it.shape.name, Known::new(it))).collect();
    for (at, source) in families.iter().enumerate() {
        // What a faulty family does to its examples says nothing that its faults do not say.
        if !rules::is_bound(&source.file.lifecycle.value) || found.has_errors_in(&source.path) {
            continue;
        }
        // Families are numbered in this order.
        let family = FamilyId(at as u32);
        for example in &source.file.examples {
            let outcome = table_of(source, &tables, example, found)
                .and_then(|table| check(registry, (family, table), &example.value));
            match outcome {
                Ok(()) => report.run += 1,
                Err(Fault {
                    code,
                    message,
                    help,
                }) => {
                    let place = Place::of(&source.path, example);
                    let fault = Diagnostic::error(code, place, &message).with_help(&help);
                    found.push(fault, &source.text);
                }
            }
        }
    }
    report
}

/// A table, with its columns by the names under which they arrive.
struct Known<'r> {
    table: &'r Table,
    declared: HashSet<&'r str>,
    /// Those that some family binds.
    slots: HashMap<&'r str, ColumnSlot>,
}

impl<'r> Known<'r> {
    fn new(table: &'r Table) -> Self {
        let bound = table.shape.slots();
        Self {
            table,
            declared: table.shape.declared.iter().map(|it| &**it).collect(),
            slots: bound.map(|(slot, it)| (&*it.name, slot)).collect(),
        }
    }

    /// The name under which a column arrives.
    fn field<'n>(&self, column: &'n str) -> Cow<'n, str> {
        names::field_of(column, self.table.shape.connector.field_names)
    }
}

/// What is wrong with an example.
struct Fault {
    code: &'static str,
    message: String,
    help: String,
}

impl Fault {
    /// The example says something else than the family does.
    fn unlike(message: String) -> Self {
        let help = "names are compared as rendered; a family scope is written as the key with `*` for each placeholder";
        Self {
            code: "FR0030",
            message,
            help: help.to_owned(),
        }
    }
}

/// The table of an example, which is the family's and has every column that the example names.
fn table_of<'t, 'r>(
    source: &FamilySource,
    tables: &'t HashMap<&str, Known<'r>>,
    example: &Spanned<ExampleWritten>,
    found: &Diagnostics,
) -> Result<&'t Known<'r>, Fault> {
    let change = &example.value.change;
    let name = change.table.as_str();
    let own = || source.file.sources.iter().map(|it| it.table.value.as_str());
    let table = tables.get(name).filter(|_| own().any(|it| it == name));
    let table = table.ok_or_else(|| Fault {
        code: "FR0010",
        message: format!("the example's table `{name}` is none of the family's `sources`"),
        help: format!("{}it has: {}", found.meant(name, own()), listed(own())),
    })?;
    let rows = change.before.iter().chain(&change.after);
    let mut named = rows.flat_map(|row| row.keys());
    if let Some(column) = named.find(|it| !table.declared.contains(&*table.field(it))) {
        let names = || table.table.shape.declared.iter().map(|it| &**it);
        return Err(Fault {
            code: "FR0011",
            message: format!("the example has a column `{column}`, which table `{name}` has not"),
            help: format!(
                "{}it has: {}",
                found.meant(column, names()),
                listed(names())
            ),
        });
    }
    Ok(table)
}

fn check(
    registry: &Registry,
    (family, table): (FamilyId, &Known<'_>),
    example: &ExampleWritten,
) -> Result<(), Fault> {
    let change = change_of(table, &example.change).map_err(Fault::unlike)?;
    let mut set = PurgeSet::default();
    resolve_family(registry, &change, family, &mut set);
    let (mut keys, mut tags) = (BTreeSet::new(), BTreeSet::new());
    for (purge, name) in set.iter() {
        let name = String::from_utf8_lossy(name).into_owned();
        let names = registry.target(purge.target).map(|target| target.names);
        match names {
            Some(NameForm::RedisKey) => keys.insert(name),
            _ => tags.insert(name),
        };
    }
    let wanted_keys: BTreeSet<String> = example.purges.redis.iter().cloned().collect();
    let wanted_tags: BTreeSet<String> = example.purges.tags.iter().cloned().collect();
    if keys == wanted_keys && tags == wanted_tags {
        return Ok(());
    }
    Err(Fault::unlike(format!(
        "the example does not hold: expected redis {wanted_keys:?} tags {wanted_tags:?}, got redis {keys:?} tags {tags:?}"
    )))
}

fn change_of(known: &Known<'_>, written: &ExampleChange) -> Result<Change, String> {
    let table = known.table;
    let op = match written.op.as_str() {
        "c" => Op::Create,
        "u" => Op::Update,
        "d" => Op::Delete,
        "r" => Op::Read,
        "t" => Op::Truncate,
        other => return Err(format!("op `{other}` is none of c, u, d, r, t")),
    };
    let mut change = Change::default();
    change.reset(table.shape.id, op);
    if let Some(row) = &written.after {
        fill(known, row, &mut change.after);
    }
    if let Some(row) = &written.before {
        fill(known, row, &mut change.before);
        // What the log of such a table would not say, the example cannot say either.
        let is_tombstone =
            op == Op::Delete && table.shape.connector.tombstones == Some(Tombstones::AsDelete);
        if is_tombstone || table.shape.identity != ReplicaIdentity::Full {
            for (slot, _) in table.shape.slots().filter(|(_, it)| !it.in_key) {
                change.before.set_unknown(slot);
            }
        }
    } else if op == Op::Update && table.shape.identity != ReplicaIdentity::Nothing {
        change.before.begin(table.shape.columns.len());
        for (slot, _) in table.shape.slots().filter(|(_, it)| it.in_key) {
            let Change { before, after, .. } = &mut change;
            before.copy_column(slot, after);
        }
    }
    Ok(change)
}

fn fill(known: &Known<'_>, row: &BTreeMap<String, Value>, image: &mut Image) {
    image.begin(known.table.shape.columns.len());
    for (name, value) in row {
        // Examples name columns as the table does.
        let Some(&slot) = known.slots.get(&*known.field(name)) else {
            continue;
        };
        match value {
            Value::Null => image.set_null(slot),
            Value::String(text) => image.set_text(slot, text),
            other => image.set_text(slot, &other.to_string()),
        }
    }
}
