//! `freshet dlq retry`.

use std::collections::BTreeMap;
use std::sync::Arc;

use freshet_core::ports::OutboxRecord;
use freshet_core::position::WallMicros;
use freshet_core::purge::{PurgeBatch, PurgeSet, WantedPurge};
use freshet_core::registry::{Registry, TargetId, Tier};
use freshet_core::template::NameForm;
use freshet_pipeline::requests::requests_of;
use freshet_wire::{Decoder, ResolutionAction};

use crate::config::OutboxConfig;
use crate::dlq::args::RetryArgs;
use crate::dlq::close::{Closure, chosen, close};
use crate::dlq::letters::Letter;
use crate::dlq::redo::{Redo, Redone};
use crate::dlq::{Desk, DlqError};
use crate::exit::Exit;
use crate::writer_schemas::AnyWriterSchemas;

pub(super) fn retry(args: &RetryArgs) -> Result<Exit, DlqError> {
    let desk = Desk::open(&args.closing.reach)?;
    let registry = desk.registry()?;
    let letters = desk.letters(None)?;
    let schemas = AnyWriterSchemas::new(&desk.config)
        .map_err(|error| DlqError::BadInput(error.to_string()))?;
    let mut redo = Redo {
        registry: &registry,
        scan: &desk.scan,
        decoder: Decoder::new(desk.config.limits.clone()),
        schemas,
    };
    let mut owed = Owed::default();
    let mut closures = Vec::new();
    for letter in chosen(&desk, &letters, &args.closing)? {
        let redone = redo.redo(letter)?;
        let closure = match redone {
            Redone::Purges(set) => owed.add(&registry, letter, &set),
            Redone::Request(record, purges) => owed.request(letter, record, purges),
            Redone::Nothing(why) => nothing(letter, why),
            Redone::Unknown(why) => match redo.families(letter).filter(|_| args.family_scope) {
                Some(set) => Closure {
                    action: Some(ResolutionAction::FamiliesPurged),
                    said: why,
                    ..owed.add(&registry, letter, &set)
                },
                None => stays_open(letter, why, args.family_scope),
            },
        };
        closures.push(closure);
    }
    let records = owed.records(&registry, &desk.config.outbox, desk.now);
    close(&desk, &args.closing, closures, records)
}

fn nothing(letter: &Letter, why: String) -> Closure<'_> {
    Closure {
        letter,
        action: Some(ResolutionAction::Retried),
        families: Vec::new(),
        purges: 0,
        said: why,
    }
}

fn stays_open(letter: &Letter, why: String, family_scope: bool) -> Closure<'_> {
    let then = if family_scope {
        "the registry knows none of its families any more: discard it"
    } else {
        "--family-scope purges its families, discard closes it"
    };
    Closure {
        letter,
        action: None,
        families: Vec::new(),
        purges: 0,
        said: format!("{why}; {then}"),
    }
}

/// What the lanes are asked for, all letters together: a name is purged once, however many letters ask for it.
#[derive(Debug, Default)]
struct Owed {
    batches: BTreeMap<TargetId, PurgeBatch>,
    requests: Vec<OutboxRecord>,
}

impl Owed {
    fn add<'a>(&mut self, registry: &Registry, letter: &'a Letter, set: &PurgeSet) -> Closure<'a> {
        let mut families = Vec::new();
        for (purge, name) in set.iter() {
            let batch = self
                .batches
                .entry(purge.target)
                .or_insert_with(|| PurgeBatch::new(purge.target));
            batch.add(WantedPurge {
                family: purge.family,
                scope: purge.scope,
                mode: purge.mode,
                // Readers are fresh since the families were purged: what is done by hand is not measured.
                committed: WallMicros(0),
                name,
            });
            families.extend(registry.family(purge.family).map(|it| it.name.to_string()));
        }
        families.sort();
        families.dedup();
        Closure {
            letter,
            action: Some(ResolutionAction::Retried),
            families,
            purges: set.len() as u64,
            said: String::new(),
        }
    }

    fn request<'a>(
        &mut self,
        letter: &'a Letter,
        record: OutboxRecord,
        purges: u64,
    ) -> Closure<'a> {
        self.requests.push(record);
        Closure {
            letter,
            action: Some(ResolutionAction::Retried),
            families: letter.content.families.clone(),
            purges,
            said: String::new(),
        }
    }

    /// Records for the lanes, inner tiers first. Like a purge that was spilled, one of Redis has behind it what
    /// follows in outer tiers; those purge at once too, so that none waits for another.
    fn records(
        self,
        registry: &Registry,
        outbox: &OutboxConfig,
        now: WallMicros,
    ) -> Vec<OutboxRecord> {
        let tier_of = |batch: &PurgeBatch| {
            let target = registry.target(batch.target());
            target.map_or(Tier::Edge, |target| target.tier)
        };
        let mut batches: Vec<&PurgeBatch> = self.batches.values().collect();
        batches.sort_by_key(|batch| tier_of(batch));
        let mut records = Vec::new();
        for batch in &batches {
            let Some(target) = registry.target(batch.target()) else {
                continue;
            };
            let (topic, outer) = if target.names == NameForm::RedisKey {
                let outer = batches.iter().copied();
                let outer = outer.filter(|it| tier_of(it) > target.tier).collect();
                (outbox.backlog_topic(&target.name), outer)
            } else {
                (outbox.lane_topic(&target.name), Vec::new())
            };
            let requests = requests_of(registry, batch, &outer, now);
            records.extend(requests.into_iter().map(|request| OutboxRecord {
                topic: Arc::clone(&topic),
                key: request.target.as_bytes().to_vec(),
                payload: request.encode(),
            }));
        }
        records.extend(self.requests);
        records
    }
}

#[cfg(test)]
mod tests;
