//! A lane's side of the outbox: records of its topic → rounds for its one target.

use std::sync::Arc;

use freshet_core::ports::{OutboxRecord, RawRecord};
use freshet_core::position::StreamId;
use freshet_core::purge::WantedPurge;
use freshet_core::registry::{FamilyId, FreshnessClass, PurgeMode, Registry, Scope, TargetId};
use freshet_wire::PurgeRequest;

use crate::clock::Clock;
use crate::dead_letter::{self, Reason};
use crate::round::Round;
use crate::take::Take;

/// Takes purge requests.
pub(crate) struct TakeRequests {
    pub(crate) target: Arc<str>,
    pub(crate) clock: Clock,
    pub(crate) dead_letter_topic: Arc<str>,
}

impl Take for TakeRequests {
    fn take(&mut self, record: RawRecord<'_>, round: &mut Round) -> u32 {
        let Some(value) = record.value else { return 0 };
        let registry = Arc::clone(&round.rules.registry);
        let Some(target) = registry.target_named(&self.target) else {
            // The registry in force no longer names the target: no family of it can be purged there.
            return 0;
        };
        match PurgeRequest::decode(value) {
            Ok(request) => self.take_request(&request, target, round),
            Err(error) => self.take_poison(&record, &error.to_string(), round),
        }
        round.purges.add_position(record.position);
        1
    }

    fn is_held_up(&self) -> bool {
        false
    }

    fn retry(&mut self, _round: &mut Round) {}

    fn forget(&mut self, _stream: StreamId) {}
}

impl TakeRequests {
    fn take_request(&self, request: &PurgeRequest, target: TargetId, round: &mut Round) {
        let registry = Arc::clone(&round.rules.registry);
        let now = self.clock.now();
        for purge in &request.purges {
            let known = registry.family_named(&purge.family);
            let class = known
                .and_then(|id| registry.family(id))
                .map_or(FreshnessClass::Strict, |family| family.freshness.class);
            round.note(purge.committed, class, now);
            // A family that the registry forgot meanwhile is purged all the same; it only has no series.
            let wanted = WantedPurge {
                family: known.unwrap_or(FamilyId(u32::MAX)),
                scope: purge.scope,
                mode: purge.mode,
                committed: purge.committed,
                name: &purge.name,
            };
            round.purges.add(target, wanted);
        }
    }

    /// A request that cannot be read may have asked for anything on this target: every family there is purged.
    fn take_poison(&self, record: &RawRecord<'_>, detail: &str, round: &mut Round) {
        tracing::error!(origin = %record.origin, detail, "purge request cannot be read");
        let now = self.clock.now();
        let registry = Arc::clone(&round.rules.registry);
        let mut families = Vec::new();
        for (id, tag, mode) in families_of(&registry, &self.target) {
            let (family, committed) = (id, record.appended);
            round.note(committed, FreshnessClass::Strict, now);
            let wanted = WantedPurge {
                family,
                scope: Scope::Family,
                mode,
                committed,
                name: tag,
            };
            if let Some(target) = registry.target_named(&self.target) {
                round.purges.add(target, wanted);
            }
            families.extend(registry.family(id).map(|family| family.name.to_string()));
        }
        let reason = Reason {
            label: "bad_request",
            detail: detail.to_owned(),
        };
        let letter = dead_letter::of_record(record, reason, families, now);
        round.dead_letters.push(OutboxRecord {
            topic: Arc::clone(&self.dead_letter_topic),
            key: self.target.as_bytes().to_vec(),
            payload: letter.encode(),
        });
    }
}

fn families_of<'a>(
    registry: &'a Registry,
    target: &str,
) -> impl Iterator<Item = (FamilyId, &'a [u8], PurgeMode)> {
    let wanted = registry.target_named(target);
    registry
        .families
        .iter()
        .enumerate()
        .filter_map(move |(at, family)| {
            let cdn = family.cdn.as_ref()?;
            cdn.targets.contains(&wanted?).then_some((
                FamilyId(at as u32),
                &*cdn.family_tag,
                cdn.mode,
            ))
        })
}
