//! The writer schemas at hand, and the plans made of them.

use freshet_core::table::TableId;
use rustc_hash::FxHashMap;

use super::plan::Plan;
use super::schema::WriterSchema;
use crate::error::DecodeError;
use crate::row_rules::RowRules;

/// Longest description of a broken schema that is kept.
const WHAT_CHARS_MAX: usize = 200;

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

/// Writer schemas by id; the one unused for longest makes room.
#[derive(Debug, Default)]
pub(crate) struct SchemaCache {
    entries: FxHashMap<u32, (Entry, u64)>,
    uses: u64,
}

impl SchemaCache {
    /// Compiles and keeps a schema, or keeps that it is broken.
    pub(crate) fn add(&mut self, id: u32, json: &str, count_max: usize) -> Result<(), DecodeError> {
        let compiled = WriterSchema::compile(json).map_err(|what| DecodeError::BadSchema {
            id,
            what: what.chars().take(WHAT_CHARS_MAX).collect(),
        });
        let (entry, answer) = match compiled {
            Ok(schema) => {
                let plans = Vec::new();
                (Entry::Compiled(CompiledSchema { schema, plans }), Ok(()))
            }
            Err(err) => (Entry::Broken(err.clone()), Err(err)),
        };
        self.entries.remove(&id);
        if self.entries.len() >= count_max.max(1) {
            let oldest = self.entries.iter().min_by_key(|(_, (_, used))| *used);
            let oldest = oldest.map(|(id, _)| *id);
            oldest.and_then(|id| self.entries.remove(&id));
        }
        self.uses += 1;
        self.entries.insert(id, (entry, self.uses));
        answer
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

impl CompiledSchema {
    /// The schema and the plan by which it is read for a table, as a value or as a key.
    pub(crate) fn plan(
        &mut self,
        rules: RowRules<'_>,
        key: bool,
    ) -> Option<(&WriterSchema, &Plan)> {
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
                self.plans.push((wanted, plan));
                self.plans.len() - 1
            }
        };
        let (_, plan) = self.plans.get(at)?;
        Some((&self.schema, plan))
    }
}
