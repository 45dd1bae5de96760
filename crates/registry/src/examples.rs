//! The families' examples, run as unit tests through the same resolution as real changes.

use std::collections::{BTreeMap, BTreeSet};

use freshet_core::change::{Change, Op};
use freshet_core::image::Image;
use freshet_core::purge::PurgeSet;
use freshet_core::registry::{Registry, Table, Tier};
use freshet_core::resolve::resolve;
use freshet_core::table::{ColumnSlot, ReplicaIdentity};
use serde_json::Value;

use crate::diagnostics::{Diagnostic, Diagnostics, Place, Severity};
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
    // What a faulty family does to its examples says nothing that its faults do not say.
    let faulty = |source: &FamilySource, found: &Diagnostics| {
        found
            .iter()
            .any(|it| it.severity == Severity::Error && it.place.file == source.path)
    };
    for source in families
        .iter()
        .filter(|it| rules::is_bound(&it.file.lifecycle.value))
    {
        if faulty(source, found) {
            continue;
        }
        for example in &source.file.examples {
            match check(registry, source, &example.value) {
                Ok(()) => report.run += 1,
                Err(message) => {
                    let place = Place::of(&source.path, example);
                    let fault = Diagnostic::error("FR0030", place, &message).with_help(
                        "names are compared as rendered; a family scope is written as the key with `*` for each placeholder",
                    );
                    found.push(fault, &source.text);
                }
            }
        }
    }
    report
}

fn check(
    registry: &Registry,
    source: &FamilySource,
    example: &ExampleWritten,
) -> Result<(), String> {
    let name = &example.change.table;
    let table = registry
        .tables
        .iter()
        .find(|table| &*table.shape.name == name)
        .ok_or_else(|| format!("the example's table `{name}` is bound by no family"))?;
    let change = change_of(table, &example.change)?;
    let mut set = PurgeSet::default();
    resolve(registry, &change, &mut set);
    let family = registry.family_named(&source.file.family.value);
    let (mut keys, mut tags) = (BTreeSet::new(), BTreeSet::new());
    for (purge, name) in set.iter().filter(|(purge, _)| Some(purge.family) == family) {
        let name = String::from_utf8_lossy(name).into_owned();
        let tier = registry.target(purge.target).map(|target| target.tier);
        match (tier, purge.scope) {
            (Some(Tier::Store), _) => keys.insert(name),
            _ => tags.insert(name),
        };
    }
    let wanted_keys: BTreeSet<String> = example.purges.redis.iter().cloned().collect();
    let wanted_tags: BTreeSet<String> = example.purges.tags.iter().cloned().collect();
    if keys == wanted_keys && tags == wanted_tags {
        return Ok(());
    }
    Err(format!(
        "the example does not hold: expected redis {wanted_keys:?} tags {wanted_tags:?}, got redis {keys:?} tags {tags:?}"
    ))
}

fn change_of(table: &Table, written: &ExampleChange) -> Result<Change, String> {
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
        fill(table, row, &mut change.after);
    }
    if let Some(row) = &written.before {
        fill(table, row, &mut change.before);
        // What the log of such a table would not say, the example cannot say either.
        if table.shape.identity != ReplicaIdentity::Full {
            for (at, column) in table.shape.columns.iter().enumerate() {
                if !column.in_key {
                    change.before.set_unknown(ColumnSlot(at as u16));
                }
            }
        }
    } else if op == Op::Update && table.shape.identity != ReplicaIdentity::Nothing {
        change.before.begin(table.shape.columns.len());
        for (at, column) in table.shape.columns.iter().enumerate() {
            if column.in_key {
                let slot = ColumnSlot(at as u16);
                let Change { before, after, .. } = &mut change;
                before.copy_column(slot, after);
            }
        }
    }
    Ok(change)
}

fn fill(table: &Table, row: &BTreeMap<String, Value>, image: &mut Image) {
    image.begin(table.shape.columns.len());
    for (at, column) in table.shape.columns.iter().enumerate() {
        let slot = ColumnSlot(at as u16);
        // Examples name columns as the table does.
        let mode = table.shape.connector.field_names;
        let named = |(name, _): &(&String, &Value)| *names::field_of(name, mode) == *column.name;
        match row.iter().find(named).map(|(_, value)| value) {
            None => {}
            Some(Value::Null) => image.set_null(slot),
            Some(Value::String(text)) => image.set_text(slot, text),
            Some(other) => image.set_text(slot, &other.to_string()),
        }
    }
}
