//! The writer schemas at hand, and the plans made of them.

use freshet_core::broken::Promise;
use freshet_core::table::TableId;
use rustc_hash::FxHashMap;

use super::plan::Plan;
use super::schema::WriterSchema;
use crate::error::DecodeError;
use crate::limits::Limits;
use crate::row_rules::RowRules;

/// Longest description of a broken schema that is kept.
const WHAT_CHARS_MAX: usize = 200;

/// Memory of an entry beside its schema and its plans; a broken schema has no more.
const ENTRY_BYTES: usize = 1024;

/// Memory of a plan for each part of its schema: a field that is read stands in two programs.
const PLAN_PART_BYTES: usize = 160;

/// Tables that one schema is read for without being planned again.
const PLANS_MAX: usize = 64;

/// A writer schema and its plans, one for each table that it is read for.
#[derive(Debug)]
pub(crate) struct CompiledSchema {
    /// The schema.
    pub(crate) schema: WriterSchema,
    plans: Vec<((TableId, bool), Plan)>,
}

#[derive(Debug)]
enum Entry {
    Compiled(CompiledSchema),
    Broken(DecodeError),
}

/// Writer schemas by id, bounded in memory; the one unused for longest makes room.
#[derive(Debug, Default)]
pub(crate) struct SchemaCache {
    entries: FxHashMap<u32, (Entry, u64)>,
    uses: u64,
}

impl SchemaCache {
    /// Compiles and keeps a schema, or keeps that it is broken.
    pub(crate) fn add(&mut self, id: u32, json: &str, limits: &Limits) -> Result<(), DecodeError> {
        let compiled = WriterSchema::compile(json, limits.schema_parts_max).map_err(|what| {
            DecodeError::BadSchema {
                id,
                what: what.chars().take(WHAT_CHARS_MAX).collect(),
            }
        });
        let (entry, answer) = match compiled {
            Ok(schema) => {
                let plans = Vec::new();
                (Entry::Compiled(CompiledSchema { schema, plans }), Ok(()))
            }
            Err(err) => (Entry::Broken(err.clone()), Err(err)),
        };
        self.uses += 1;
        self.entries.insert(id, (entry, self.uses));
        self.make_room(limits.writer_schemas_bytes_max);
        answer
    }

    /// Memory in bytes, estimated from above.
    pub(crate) fn bytes(&self) -> usize {
        self.entries.values().map(|(entry, _)| entry.bytes()).sum()
    }

    /// Forgets what was unused for longest until the rest takes `bytes_max` at most. What was used last stays: the
    /// next record needs it.
    #[cold]
    pub(crate) fn make_room(&mut self, bytes_max: usize) {
        if Promise::P14.is_broken() {
            return;
        }
        let mut bytes = self.bytes();
        while bytes > bytes_max && self.entries.len() > 1 {
            let oldest = self.entries.iter().min_by_key(|(_, (_, used))| *used);
            let oldest = oldest.map(|(id, _)| *id);
            let gone = oldest.and_then(|id| self.entries.remove(&id));
            bytes -= gone.map_or(0, |(entry, _)| entry.bytes());
        }
    }

    /// The schema called `id`, if it is at hand.
    pub(crate) fn get(&mut self, id: u32) -> Result<Option<&mut CompiledSchema>, DecodeError> {
        self.uses += 1;
        match self.entries.get_mut(&id) {
            None => Ok(None),
            Some((Entry::Broken(err), _)) => Err(err.clone()),
            Some((Entry::Compiled(compiled), used)) => {
                *used = self.uses;
                Ok(Some(compiled))
            }
        }
    }

    /// Forgets the plans: they belong to one registry.
    pub(crate) fn forget_plans(&mut self) {
        for (entry, _) in self.entries.values_mut() {
            if let Entry::Compiled(compiled) = entry {
                compiled.plans.clear();
            }
        }
    }
}

impl Entry {
    fn bytes(&self) -> usize {
        ENTRY_BYTES
            + match self {
                Self::Broken(_) => 0,
                Self::Compiled(CompiledSchema { schema, plans }) => {
                    schema.bytes() + plans.len() * schema.parts() * PLAN_PART_BYTES
                }
            }
    }
}

/// How a writer schema is read for a table.
pub(crate) struct Planned<'c> {
    pub(crate) schema: &'c WriterSchema,
    pub(crate) plan: &'c Plan,
    /// The plan was made just now, so the cache has grown: see [`SchemaCache::make_room`].
    pub(crate) fresh: bool,
}

impl CompiledSchema {
    /// The schema and the plan by which it is read for a table, as a value or as a key.
    pub(crate) fn plan(&mut self, rules: RowRules<'_>, key: bool) -> Option<Planned<'_>> {
        let wanted = (rules.shape.id, key);
        let known = self.plans.iter().position(|(which, _)| *which == wanted);
        let at = match known {
            Some(at) => at,
            None => {
                let plan = if key {
                    Plan::compile_key(&self.schema, rules)?
                } else {
                    Plan::compile(&self.schema, rules)?
                };
                if self.plans.len() >= PLANS_MAX {
                    self.plans.remove(0);
                }
                self.plans.push((wanted, plan));
                self.plans.len() - 1
            }
        };
        let (_, plan) = self.plans.get(at)?;
        Some(Planned {
            schema: &self.schema,
            plan,
            fresh: known.is_none(),
        })
    }
}

#[cfg(test)]
mod tests;
