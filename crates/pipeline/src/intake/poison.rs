//! poison: a record that cannot be used → a dead letter, and everything that it may have changed is purged (promise P4).

use std::sync::Arc;

use freshet_core::intent::{Asked, Intent};
use freshet_core::ports::{OutboxRecord, RawRecord};
use freshet_core::position::StreamPosition;
use freshet_core::purge::PurgeSet;
use freshet_core::registry::FreshnessClass;

use crate::clock::Clock;
use crate::dead_letter::{self, Concerned, Reason};
use crate::round::Round;

/// Puts records aside.
#[derive(Debug)]
pub(crate) struct Poison {
    pub(crate) dead_letter_topic: Arc<str>,
    pub(crate) clock: Clock,
}

/// A record that cannot be used.
pub(crate) struct Poisoned<'a> {
    pub(crate) record: &'a RawRecord<'a>,
    pub(crate) reason: Reason,
    /// Everything that it may have changed.
    pub(crate) asked: Asked,
    /// Its position, when its families' freshness is measured by it.
    pub(crate) measured: Option<StreamPosition>,
}

impl Poison {
    /// Puts the letter and the purges into the round; returns the purges.
    pub(crate) fn put_aside(&self, poisoned: Poisoned<'_>, round: &mut Round) -> PurgeSet {
        let Poisoned {
            record,
            reason,
            asked,
            measured,
        } = poisoned;
        let intent = Intent {
            cause: Arc::new(reason.cause(record)),
            asked,
            class: FreshnessClass::Strict,
            since: record.appended,
        };
        let set = round.submit(&intent, measured, self.clock.now());
        let ids = set.verdicts().iter().map(|&(id, _)| id);
        let concerned = Concerned::by(&round.rules.registry, ids);
        tracing::warn!(
            origin = %record.origin,
            reason = reason.label,
            detail = %reason.detail,
            families = ?concerned.families,
            "record sent to the dead-letter topic, purging all entries of its families"
        );
        let letter = dead_letter::of_record(record, reason, concerned, self.clock.wall());
        round.dead_letters.push(OutboxRecord {
            topic: Arc::clone(&self.dead_letter_topic),
            key: record.origin.topic.as_bytes().to_vec(),
            payload: letter.encode(),
        });
        set
    }
}
