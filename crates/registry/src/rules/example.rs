//! The families' examples hold: they are run as unit tests through the same resolution as real changes.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use freshet_core::change::{Change, Op};
use freshet_core::connector::Tombstones;
use freshet_core::image::Image;
use freshet_core::purge::PurgeSet;
use freshet_core::registry::{FamilyId, Registry, Table};
use freshet_core::resolve::resolve_family;
use freshet_core::table::{ColumnSlot, ReplicaIdentity};
use freshet_core::template::NameForm;
use serde_json::Value;

use crate::at::InFile;
use crate::decided::family::Family;
use crate::diagnostics::{Diagnostics, listed};
use crate::names;
use crate::written::family::{Example, ExampleChange, ExamplePurges};

/// What the examples came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExampleReport {
    /// Examples that were run and hold.
    pub run: usize,
}

/// Runs the examples of the families that a registry was compiled from.
pub(crate) fn run(
    registry: &Registry,
    families: &[&InFile<Family>],
    found: &mut Diagnostics,
) -> ExampleReport {
    let mut report = ExampleReport::default();
    let tables = registry.tables.iter().map(Columns::new);
    let tables: HashMap<&str, Columns<'_>> = tables
        .map(|columns| (&*columns.table.shape.name, columns))
        .collect();
    for (at, family) in families.iter().enumerate() {
        if !family.lifecycle.purges() {
            continue;
        }
        // Families are numbered in this order.
        let id = FamilyId(at as u32);
        for example in &family.examples {
            let outcome = table_of(family, &tables, example, found)
                .and_then(|table| check(registry, id, table, example));
            match outcome {
                Ok(()) => report.run += 1,
                Err(fault) => {
                    let spot = family.spot(example);
                    found.error(fault.code, spot, &fault.message, &fault.help);
                }
            }
        }
    }
    report
}

/// A table, with its columns by the names under which they arrive.
struct Columns<'r> {
    table: &'r Table,
    declared: HashSet<&'r str>,
    /// Those that some family binds.
    slots: HashMap<&'r str, ColumnSlot>,
}

impl<'r> Columns<'r> {
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
    family: &Family,
    tables: &'t HashMap<&str, Columns<'r>>,
    example: &Example,
    found: &Diagnostics,
) -> Result<&'t Columns<'r>, Fault> {
    let change = &example.change;
    let name = change.table.as_str();
    let own = || family.sources.iter().map(|source| source.table.as_str());
    let table = tables.get(name).filter(|_| own().any(|own| own == name));
    let table = table.ok_or_else(|| Fault {
        code: "FR0010",
        message: format!("the example's table `{name}` is not one of the family's `sources`"),
        help: format!("{}it has: {}", found.meant(name, own()), listed(own())),
    })?;
    let rows = change.before.iter().chain(&change.after);
    let mut named = rows.flat_map(|row| row.keys());
    if let Some(column) = named.find(|column| !table.declared.contains(&*table.field(column))) {
        let names = || table.table.shape.declared.iter().map(|name| &**name);
        let near = found.meant(column, names());
        return Err(Fault {
            code: "FR0011",
            message: format!(
                "the example uses column `{column}`, which table `{name}` does not have"
            ),
            help: format!("{near}it has: {}", listed(names())),
        });
    }
    Ok(table)
}

fn check(
    registry: &Registry,
    family: FamilyId,
    table: &Columns<'_>,
    example: &Example,
) -> Result<(), Fault> {
    let change = change_of(table, &example.change).map_err(Fault::unlike)?;
    let mut set = PurgeSet::default();
    resolve_family(registry, &change, family, &mut set);
    let mut purges = ExamplePurges::default();
    for (purge, name) in set.iter() {
        let name = String::from_utf8_lossy(name).into_owned();
        let names = registry.target(purge.target).map(|target| target.names);
        match names {
            Some(NameForm::RedisKey) => purges.keys.insert(name),
            _ => purges.tags.insert(name),
        };
    }
    if purges == example.purges {
        return Ok(());
    }
    let wanted = &example.purges;
    Err(Fault::unlike(format!(
        "the example fails: expected {wanted}, got {purges}"
    )))
}

fn change_of(known: &Columns<'_>, written: &ExampleChange) -> Result<Change, String> {
    let table = known.table;
    let op = match written.op.as_str() {
        "c" => Op::Create,
        "u" => Op::Update,
        "d" => Op::Delete,
        "r" => Op::Read,
        "t" => Op::Truncate,
        other => return Err(format!("op `{other}` is not one of c, u, d, r, t")),
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

fn fill(known: &Columns<'_>, row: &BTreeMap<String, Value>, image: &mut Image) {
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
