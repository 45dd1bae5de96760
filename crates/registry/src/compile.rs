//! Families without faults → the snapshot that the hot path indexes: names become slots, constants are folded into
//! templates.

mod expand;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use freshet_core::registry::{
    Binding, EntryVersion, Family, FamilyId, Freshness, Place, Registry, RegistryRevision, Table,
    Target, TargetId,
};
use freshet_core::table::{ColumnShape, ColumnSlot, TableId, TableShape};
use freshet_core::template::{Segment, Template};

use crate::at::InFile;
use crate::compile::expand::expand;
use crate::decided::bound::{Bound, Known};
use crate::decided::family::{self, EntryForm};
use crate::decided::table;

/// A table on its way: it gets the columns that some family binds, in the order in which they are asked for.
struct TableInProgress<'k> {
    known: &'k table::Table<'k>,
    columns: Vec<ColumnShape>,
    /// The columns by their names in the source file.
    slots: HashMap<&'k str, ColumnSlot>,
    bindings: Vec<Binding>,
}

/// Compiles families that no rule refuses.
pub(crate) fn compile<'k>(
    known: &'k Known<'k>,
    families: &[&'k InFile<family::Family>],
    revision: RegistryRevision,
) -> Registry {
    let mut targets = Targets::default();
    let mut tables: BTreeMap<&str, TableInProgress<'k>> = BTreeMap::new();
    let mut compiled = Vec::new();
    for (at, family) in families.iter().enumerate() {
        compiled.push(compile_family(family, &mut targets));
        if !family.lifecycle.purges() {
            continue;
        }
        for bound in known.bound(family) {
            let name = bound.table.name();
            let table = tables.entry(name).or_insert_with(|| TableInProgress {
                known: bound.table,
                columns: Vec::new(),
                slots: HashMap::new(),
                bindings: Vec::new(),
            });
            let binding = table.bind(FamilyId(at as u32), bound);
            table.bindings.push(binding);
        }
    }
    let optional = tables.values().map(|table| table.known.written);
    let optional = optional.filter(|table| table.optional);
    let optional: BTreeSet<Arc<str>> = optional
        .map(|table| Arc::from(table.arrives_through().value))
        .collect();
    let tables = tables.into_values().enumerate();
    let tables = tables.map(|(at, table)| table.finish(TableId(at as u32)));
    Registry::new(revision, compiled, tables.collect(), targets.all).with_optional(optional)
}

/// Targets in the order in which families name them.
#[derive(Default)]
struct Targets {
    all: Vec<Target>,
    ids: HashMap<String, TargetId>,
}

impl Targets {
    /// The target of a place. All families say the same of it.
    fn of(&mut self, place: &family::Place) -> TargetId {
        if let Some(id) = self.ids.get(place.target.as_str()) {
            return *id;
        }
        let id = TargetId(self.all.len() as u32);
        self.ids.insert(place.target.value.clone(), id);
        self.all.push(Target {
            name: Arc::from(place.target.as_str()),
            tier: place.tier.value,
            names: place.form(),
        });
        id
    }
}

fn compile_family(family: &family::Family, targets: &mut Targets) -> Family {
    let freshness = &family.freshness;
    let places = family.places.iter().map(|place| {
        let target = targets.of(place);
        match &place.family_tag {
            None => Place::of_keys(target, shapes(place)),
            Some(tag) => Place::of_tags(target, tag.as_bytes().into(), place.mode.value),
        }
    });
    Family {
        name: Arc::from(family.family.as_str()),
        owner: Arc::from(family.owner.team.as_str()),
        places: places.collect(),
        freshness: Freshness {
            class: freshness.class.value,
            within: freshness.within,
            objective: freshness.objective.0 / 100.0,
            window: freshness.window,
        },
        max_ttl: family.max_ttl,
        fan_out_max: family.fan_out_max as usize,
        on_truncate: family.on_truncate.value,
        on_snapshot: family.on_snapshot.value,
        dead_letters: family.dead_letters.value,
        entry_version: family.entry_version.as_ref().map(|version| EntryVersion {
            field: Arc::from(version.field.as_str()),
            hash: version.format.value == EntryForm::Hash,
        }),
        beacon: None,
    }
}

/// All that the family has where its entries have keys: the shapes of these, each once. Constants count as any value: a
/// reader may fill entries for one that no source lists.
fn shapes(place: &family::Place) -> Vec<Box<[u8]>> {
    let mut known = BTreeSet::new();
    let shapes = place.keys.iter().map(|key| key.shape().into_boxed_slice());
    shapes.filter(|shape| known.insert(shape.clone())).collect()
}

impl<'k> TableInProgress<'k> {
    /// The slot of a column, made at its first use.
    fn slot(&mut self, column: &str) -> Option<ColumnSlot> {
        if let Some(slot) = self.slots.get(column) {
            return Some(*slot);
        }
        let column = self.known.column(column)?;
        // A source file has fewer columns in a table than there are slots.
        let slot = ColumnSlot(u16::try_from(self.columns.len()).ok()?);
        self.columns.push(self.known.shape_of(column));
        self.slots.insert(&column.written.name, slot);
        Some(slot)
    }

    fn bind(&mut self, family: FamilyId, bound: Bound<'k>) -> Binding {
        for (_, column) in bound.columns() {
            self.slot(&column.written.name);
        }
        let mut names: Vec<Arc<[Template]>> = Vec::new();
        for places in bound.family.lists() {
            let Some(first) = places.first() else {
                continue;
            };
            let form = first.form();
            let expanded = first.names().iter();
            let expanded = expanded.flat_map(|template| {
                let slot = |name: &str| self.slot(name);
                expand(bound, template, form, slot)
            });
            let templates: Arc<[Template]> = expanded.collect();
            names.extend(places.iter().map(|_| Arc::clone(&templates)));
        }
        let when_changed = bound.binding.when_changed.iter();
        let mut when_changed: Vec<ColumnSlot> = when_changed
            .filter_map(|column| self.slot(column))
            .collect();
        if !when_changed.is_empty() {
            // A row that moves to another key matters, whatever else changed.
            when_changed.extend(names.iter().flat_map(|list| &**list).flat_map(slots_of));
            when_changed.sort_unstable();
            when_changed.dedup();
        }
        let version = bound.family.entry_version.as_ref();
        Binding {
            family,
            when_changed,
            names,
            // Another table of the family may hold it.
            version_column: version.and_then(|version| self.slot(&version.column)),
        }
    }

    fn finish(self, id: TableId) -> Table {
        let table = self.known;
        let declared = table.written.columns.iter();
        let declared = declared.map(|column| Arc::from(table.field_of(&column.name)));
        Table {
            shape: TableShape {
                id,
                name: Arc::from(table.name()),
                topic: Arc::from(table.written.arrives_through().value),
                engine: table.engine.engine(),
                identity: table.written.replica_identity.identity(),
                connector: Arc::clone(&table.connector),
                columns: self.columns,
                declared: declared.collect(),
            },
            bindings: self.bindings,
        }
    }
}

fn slots_of(template: &Template) -> impl Iterator<Item = ColumnSlot> {
    let segments = template.segments.iter();
    segments.filter_map(|segment| match segment {
        Segment::Column(slot, _) => Some(*slot),
        Segment::Literal(_) => None,
    })
}
