//! Reads the records of letters again, and purges what they require with the current registry.

use std::sync::Arc;

use freshet_core::cause::{Cause, Reason};
use freshet_core::coalesce::PurgeRound;
use freshet_core::intent::{Asked, Intent};
use freshet_core::outbox::OutboxTopics;
use freshet_core::ports::{OutboxRecord, TopicScan, WriterSchemas};
use freshet_core::position::WallMicros;
use freshet_core::purge::PurgeBatch;
use freshet_core::registry::{FreshnessClass, Registry, Tier};
use freshet_core::template::NameForm;
use freshet_wire::{Decoder, Limits, ResolutionAction, requests_of};

use crate::fault::DeskError;
use crate::letter::Letter;
use crate::plan::{Closure, Plan, Signature};
use crate::redo::{Redo, Redone};

/// Dependencies of a retry.
#[derive(Debug, Clone)]
pub struct Retry<'a, S, W> {
    /// Registry to resolve the records.
    pub registry: &'a Arc<Registry>,
    /// Where the purges go, to be taken by the lanes.
    pub topics: &'a OutboxTopics,
    /// Has the records.
    pub scan: &'a S,
    /// Has the schemas that they name.
    pub schemas: &'a W,
    /// Of decoding.
    pub limits: Limits,
    /// Purges a letter's families as a whole where its record is gone or still cannot be used.
    pub family_scope: bool,
}

impl<S: TopicScan, W: WriterSchemas> Retry<'_, S, W> {
    /// A plan for `letters`. A letter whose record cannot be decoded stays open.
    ///
    /// # Errors
    /// Records cannot be read at all. One that cannot be read by itself keeps its letter open.
    pub fn plan(&self, letters: &[&Letter], signature: &Signature) -> Result<Plan, DeskError> {
        let mut redo = Redo {
            registry: self.registry,
            scan: self.scan,
            schemas: self.schemas,
            decoder: Decoder::new(self.limits.clone()),
        };
        let mut owed = Owed {
            actor: Arc::from(signature.actor.as_str()),
            round: PurgeRound::new(Arc::clone(self.registry)),
            requests: Vec::new(),
        };
        let mut closures = Vec::new();
        for letter in letters {
            closures.push(match redo.redo(letter)? {
                Redone::Purges(asked) => owed.add(letter, asked),
                Redone::Request(record, purges) => owed.request(letter, record, purges),
                Redone::Nothing(why) => Closure::of(letter, Some(ResolutionAction::Retried), why),
                Redone::Unknown(why) if self.family_scope => owed.add_families(letter, why),
                Redone::Unknown(why) => Closure::of(letter, None, why),
            });
        }
        Ok(Plan::new(closures, owed.records(self.topics, signature.at)))
    }
}

/// What the lanes are asked for, all letters together: a name is purged once, however many letters ask for it.
#[derive(Debug)]
struct Owed {
    actor: Arc<str>,
    round: PurgeRound,
    requests: Vec<OutboxRecord>,
}

impl Owed {
    fn add(&mut self, letter: &Letter, asked: Asked) -> Closure {
        let intent = Intent {
            cause: Arc::new(Cause {
                actor: Arc::clone(&self.actor),
                reason: Reason::Letter,
                detail: letter.id.to_string().into(),
            }),
            asked,
            class: FreshnessClass::Strict,
            // Readers are fresh since the families were purged: what is done by hand is not measured.
            since: WallMicros(0),
        };
        let set = self.round.submit(&intent, None);
        let families = set.families(&self.round.registry);
        Closure {
            families: families.iter().map(|name| name.to_string()).collect(),
            purges: set.len() as u64,
            ..Closure::of(letter, Some(ResolutionAction::Retried), String::new())
        }
    }

    /// The letter's families as a whole, since its record cannot be used: `why`.
    fn add_families(&mut self, letter: &Letter, why: String) -> Closure {
        let families = letter.content.families.iter();
        let families = families.map(|name| Arc::from(name.as_str())).collect();
        let closure = self.add(letter, Asked::Families(families));
        if closure.purges == 0 {
            let none = "none of its families is in the registry any more";
            return Closure::of(letter, None, format!("{why}; {none}"));
        }
        Closure {
            action: Some(ResolutionAction::FamiliesPurged),
            said: why,
            ..closure
        }
    }

    fn request(&mut self, letter: &Letter, record: OutboxRecord, purges: u64) -> Closure {
        self.requests.push(record);
        Closure {
            families: letter.content.families.clone(),
            purges,
            ..Closure::of(letter, Some(ResolutionAction::Retried), String::new())
        }
    }

    /// Records for the lanes, inner tiers first. Like a purge that was spilled, one of Redis has behind it what
    /// follows in outer tiers; those purge at once too, so that none waits for another.
    fn records(self, topics: &OutboxTopics, now: WallMicros) -> Vec<OutboxRecord> {
        let registry = &self.round.registry;
        let tier_of = |batch: &PurgeBatch| {
            let target = registry.target(batch.target());
            target.map_or(Tier::Edge, |target| target.tier)
        };
        let mut batches: Vec<&PurgeBatch> = self.round.batches().collect();
        batches.sort_by_key(|batch| tier_of(batch));
        let mut records = Vec::new();
        for batch in &batches {
            let Some(target) = registry.target(batch.target()) else {
                continue;
            };
            let (topic, outer) = if target.names == NameForm::RedisKey {
                let outer = batches.iter().copied();
                let outer = outer.filter(|other| tier_of(other) > target.tier).collect();
                (topics.backlog_topic(&target.name), outer)
            } else {
                (topics.lane_topic(&target.name), Vec::new())
            };
            let requests = requests_of(registry, batch, &outer, now);
            records.extend(requests.iter().map(|request| request.to_record(&topic)));
        }
        records.extend(self.requests);
        records
    }
}

#[cfg(test)]
mod tests;
