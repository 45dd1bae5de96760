//! Families → the snapshot that the hot path indexes: names become slots, constants are folded into templates.

mod cascades;
mod collation;
mod expand;
mod family;
pub(crate) mod places;
mod snapshot;
mod templates;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use freshet_core::registry::{
    Binding, Family, FamilyId, Registry, RegistryRevision, Table, Target, TargetId,
};
use freshet_core::table::{ColumnKind, ColumnShape, ColumnSlot, TableId, TableShape};
use freshet_core::template::Fold;
use serde_saphyr::Spanned;
use time::Date;

use crate::compile::snapshot::Held;
use crate::diagnostics::{Diagnostic, Diagnostics, Place};
use crate::family_file::{BindingWritten, FamilyFile, Places};
use crate::load::FamilySource;
use crate::names;
use crate::rules;
use crate::source_file::{KnownTable, KnownTables};

/// Families that a table is bound to, each once for every time that it names the table.
const BINDINGS_MAX: usize = 10_000;

/// A table on its way: it gets the columns that some family binds, in the order in which they are asked for.
struct TableInProgress<'a> {
    known: &'a KnownTable,
    columns: Vec<ColumnShape>,
    /// The columns by their names in the source file.
    slots: HashMap<String, BoundColumn>,
    bindings: Vec<Binding>,
    /// What is left for the names of one change, in bytes.
    room: usize,
}

/// A column that some family binds.
#[derive(Debug, Clone, Copy)]
struct BoundColumn {
    slot: ColumnSlot,
    /// What comparisons of the column do not see.
    ignored: Fold,
}

/// How many names one family may make for a table, and all families together.
struct Room {
    family: FamilyId,
    fan_out_max: usize,
    /// Names of one change at one target so far.
    names: usize,
    /// What is left for compiled names, in bytes.
    bytes: usize,
}

/// The snapshot on its way.
pub(crate) struct Compile<'a> {
    known: &'a KnownTables,
    pub(crate) found: &'a mut Diagnostics,
    tables: BTreeMap<String, TableInProgress<'a>>,
    families: Vec<Family>,
    targets: Vec<Target>,
    /// Targets by their names.
    target_ids: HashMap<String, TargetId>,
    /// What is left for compiled names, in bytes.
    bytes: usize,
    today: Option<Date>,
}

/// One family file while it is compiled: where its faults go.
pub(crate) struct Speaker<'s, 'd> {
    pub(crate) source: &'s FamilySource,
    pub(crate) found: &'d mut Diagnostics,
}

impl Speaker<'_, '_> {
    pub(crate) fn error<T>(&mut self, code: &'static str, at: &Spanned<T>, text: (&str, &str)) {
        let (message, help) = text;
        let place = Place::of(&self.source.path, at);
        self.found.push(
            Diagnostic::error(code, place, message).with_help(help),
            &self.source.text,
        );
    }

    /// A word that is none of the choices, which are listed with `, ` between them.
    fn choice(&mut self, code: &'static str, at: &Spanned<String>, text: (&str, &str)) {
        let (message, choices) = text;
        // What stands in brackets is the writer's.
        let word = at.value.split('(').next().unwrap_or_default();
        let names = choices.split(", ").filter_map(|it| it.split('(').next());
        let help = format!("{}one of: {choices}", self.found.meant(word, names));
        self.error(code, at, (message, &help));
    }

    pub(crate) fn warning<T>(&mut self, code: &'static str, at: &Spanned<T>, text: (&str, &str)) {
        let mut acknowledged = self.source.file.acknowledge.iter();
        if acknowledged.any(|it| it.code.value == code) {
            self.source.acknowledged.borrow_mut().insert(code);
            return;
        }
        let (message, help) = text;
        let place = Place::of(&self.source.path, at);
        self.found.push(
            Diagnostic::warning(code, place, message).with_help(help),
            &self.source.text,
        );
    }

    pub(crate) fn file(&self) -> &FamilyFile {
        &self.source.file
    }
}

impl<'a> Compile<'a> {
    pub(crate) fn new(
        known: &'a KnownTables,
        today: Option<Date>,
        found: &'a mut Diagnostics,
    ) -> Self {
        Self {
            known,
            found,
            tables: BTreeMap::new(),
            families: Vec::new(),
            targets: Vec::new(),
            target_ids: HashMap::new(),
            bytes: expand::REGISTRY_BYTES,
            today,
        }
    }

    /// Adds one family. Faults are noted; whatever can be compiled is, so that later faults are found too.
    pub(crate) fn add(&mut self, source: &FamilySource) {
        let id = FamilyId(self.families.len() as u32);
        let targets: Vec<Vec<TargetId>> = source
            .file
            .places()
            .map(|places| {
                let targets = places.targets.iter();
                targets.map(|it| self.target(&it.value, &places)).collect()
            })
            .collect();
        let mut speaker = Speaker {
            source,
            found: &mut *self.found,
        };
        let family = family::compile(&mut speaker, &targets, self.today);
        let fan_out_max = family.fan_out_max;
        self.families.push(family);
        if !rules::is_bound(&source.file.lifecycle.value) {
            return;
        }
        for binding in &source.file.sources {
            self.bind(source, binding, (id, fan_out_max));
        }
        self.check_entry_version(source);
    }

    /// One of several tables holds the column that entries are stamped with, but one must.
    fn check_entry_version(&mut self, source: &FamilySource) {
        let Some(written) = &source.file.entry_version else {
            return;
        };
        let column = &written.column;
        let tables = source.file.sources.iter();
        let names: BTreeSet<&str> = tables.map(|it| it.table.value.as_str()).collect();
        let known = names.into_iter().filter_map(|it| self.known.get(it));
        let held: Vec<Held<'_>> = known
            .filter_map(|it| {
                let has = it.column(&column.value)?;
                Some(Held {
                    table: it.table.table.value.as_str(),
                    declared: has.kind.as_str(),
                    kind: it.kind_of(&column.value),
                })
            })
            .collect();
        let mut speaker = Speaker {
            source,
            found: &mut *self.found,
        };
        if held.is_empty() {
            let message = format!("no table of the family has a column `{}`", column.value);
            let help = "name the column that grows with every write of the row";
            speaker.error("FR0011", column, (&message, help));
        }
        snapshot::check_version_column(&mut speaker, &held);
    }

    fn bind(
        &mut self,
        source: &FamilySource,
        written: &BindingWritten,
        (id, fan_out_max): (FamilyId, usize),
    ) {
        let known: &'a KnownTables = self.known;
        let mut speaker = Speaker {
            source,
            found: &mut *self.found,
        };
        let Some(table) = known.get(&written.table.value) else {
            let message = format!("no source file declares table `{}`", written.table.value);
            let names = known.keys().map(String::as_str);
            let near = speaker.found.meant(&written.table.value, names);
            let help =
                format!("{near}`freshet source pull` writes source files from a live catalog");
            speaker.error("FR0010", &written.table, (&message, &help));
            return;
        };
        let place = self
            .tables
            .entry(written.table.value.clone())
            .or_insert_with(|| TableInProgress {
                known: table,
                columns: Vec::new(),
                slots: HashMap::new(),
                bindings: Vec::new(),
                room: expand::CHANGE_BYTES,
            });
        if place.bindings.len() >= BINDINGS_MAX {
            let message = format!(
                "table `{}` is bound more than {BINDINGS_MAX} times: each of its changes would purge as many families",
                written.table.value
            );
            let help = "let one family have the templates of several";
            speaker.error("FR0009", &written.table, (&message, help));
            return;
        }
        cascades::check_cascades(&mut speaker, written, known);
        let mut room = Room {
            family: id,
            fan_out_max,
            names: 0,
            bytes: self.bytes,
        };
        let binding = templates::bind(&mut speaker, written, place, &mut room);
        place.bindings.extend(binding);
        self.bytes = room.bytes;
    }

    /// The target called `name`, which the first family that names it describes: others must agree.
    fn target(&mut self, name: &str, places: &Places<'_>) -> TargetId {
        if let Some(id) = self.target_ids.get(name) {
            return *id;
        }
        let id = TargetId(self.targets.len() as u32);
        self.target_ids.insert(name.to_owned(), id);
        self.targets.push(Target {
            name: Arc::from(name),
            tier: places::tier_of(places),
            names: places.form(),
        });
        id
    }

    pub(crate) fn finish(self, revision: RegistryRevision) -> Registry {
        let mut optional = BTreeSet::new();
        let tables = self
            .tables
            .into_iter()
            .enumerate()
            .map(|(at, (name, table))| {
                let declared = &table.known.table;
                let topic: Arc<str> = Arc::from(declared.arrives_through());
                if declared.optional {
                    optional.insert(Arc::clone(&topic));
                }
                let mode = table.known.connector.field_names;
                let fields = declared.columns.iter();
                let fields = fields.map(|it| Arc::from(names::field_of(&it.name, mode)));
                Table {
                    shape: TableShape {
                        id: TableId(at as u32),
                        name: Arc::from(name),
                        topic,
                        engine: table.known.engine.engine(),
                        identity: declared.replica_identity.identity(),
                        connector: Arc::clone(&table.known.connector),
                        columns: table.columns,
                        declared: fields.collect(),
                    },
                    bindings: table.bindings,
                }
            })
            .collect();
        Registry::new(revision, self.families, tables, self.targets).with_optional(optional)
    }
}

impl TableInProgress<'_> {
    /// The slot of a column, made at its first use; none when the table has no such column.
    fn slot(&mut self, column: &str) -> Option<ColumnSlot> {
        self.bound(column).map(|bound| bound.slot)
    }

    fn bound(&mut self, column: &str) -> Option<BoundColumn> {
        if let Some(bound) = self.slots.get(column) {
            return Some(*bound);
        }
        let shape = self.known.shape_of(column)?;
        // A source file has fewer columns in a table than there are slots.
        let slot = ColumnSlot(u16::try_from(self.columns.len()).ok()?);
        let written = self.known.column(column)?;
        let ignored = collation::ignored_by(self.known.engine, written);
        let bound = BoundColumn { slot, ignored };
        self.columns.push(shape);
        self.slots.insert(column.to_owned(), bound);
        Some(bound)
    }

    fn kind(&self, slot: ColumnSlot) -> ColumnKind {
        self.columns
            .get(usize::from(slot.0))
            .map_or(ColumnKind::Opaque, |column| column.kind)
    }
}
