//! A lane's side of the outbox: records of its topic → rounds for its one target.

use std::sync::Arc;

use freshet_core::intent::{Asked, Intent};
use freshet_core::ports::{OutboxRecord, RawRecord};
use freshet_core::position::Steady;
use freshet_core::purge::WantedPurge;
use freshet_core::registry::{FamilyId, FreshnessClass, Place, Registry, Scope, TargetId};
use freshet_core::shape;
use freshet_core::template::NameForm;
use freshet_wire::{PurgeRequest, RequestedPurge};

use crate::clock::Clock;
use crate::dead_letter::{self, Concerned, Reason};
use crate::intake::taking::Take;
use crate::round::Round;

/// Takes purge requests.
pub(crate) struct TakeRequests {
    pub(crate) target: Arc<str>,
    pub(crate) clock: Clock,
    pub(crate) dead_letter_topic: Arc<str>,
}

impl Take for TakeRequests {
    fn take(&mut self, record: RawRecord<'_>, round: &mut Round, now: Steady) -> u32 {
        let Some(value) = record.value else { return 0 };
        let registry = Arc::clone(&round.rules.registry);
        let Some(target) = registry.target_named(&self.target) else {
            // The registry in force no longer names the target: no family of it can be purged there.
            return 0;
        };
        match PurgeRequest::decode(value) {
            Ok(request) => {
                self.take_request(&request, target, round, now);
                let is_beacon = |purge: &RequestedPurge| {
                    let family = registry.family_named(&purge.family);
                    let family = family.and_then(|id| registry.family(id));
                    family.is_some_and(|family| family.beacon.is_some())
                };
                if request.purges.iter().any(is_beacon) {
                    let origin = record.origin;
                    round
                        .beats
                        .push((Arc::from(origin.topic), origin.partition));
                }
            }
            Err(error) => self.take_poison(&record, &error.to_string(), round),
        }
        round.purges.add_position(record.position);
        1
    }

    /// A request that is lost may have asked for anything on this target, like one that cannot be read.
    fn asked_when_lost(&self, _topic: &Arc<str>) -> Asked {
        Asked::Target(Arc::clone(&self.target))
    }
}

impl TakeRequests {
    fn take_request(
        &self,
        request: &PurgeRequest,
        target: TargetId,
        round: &mut Round,
        now: Steady,
    ) {
        self.add(&request.purges, target, round, now);
        for outer in &request.then {
            let registry = Arc::clone(&round.rules.registry);
            match registry.target_named(&outer.target) {
                Some(target) => self.add(&outer.purges, target, round, now),
                None => tracing::warn!(
                    target_name = %outer.target,
                    "the registry in force does not name an outer target; nothing follows there"
                ),
            }
        }
    }

    fn add(&self, purges: &[RequestedPurge], target: TargetId, round: &mut Round, now: Steady) {
        let registry = Arc::clone(&round.rules.registry);
        let names = registry.target(target).map(|target| target.names);
        for purge in purges {
            let known = registry.family_named(&purge.family);
            let class = known
                .and_then(|id| registry.family(id))
                .map_or(FreshnessClass::Strict, |family| family.freshness.class);
            round.note(purge.committed, class, now);
            if is_prefix(purge) && names == Some(NameForm::RedisKey) {
                self.add_prefix(purge, target, round);
                continue;
            }
            // A family that the registry forgot meanwhile is purged all the same; it only has no series.
            let wanted = WantedPurge {
                family: known.unwrap_or(FamilyId(u32::MAX)),
                scope: purge.scope,
                mode: purge.mode,
                committed: purge.committed,
                cause: purge.cause.as_ref(),
                name: &purge.name,
            };
            round.purges.add(target, wanted);
        }
    }

    /// Earlier releases named a Redis family by a prefix, which other families' names may begin with too. The family's
    /// own names are purged in its place.
    fn add_prefix(&self, purge: &RequestedPurge, target: TargetId, round: &mut Round) {
        let registry = Arc::clone(&round.rules.registry);
        let family = registry.family_named(&purge.family);
        let mut wanted = WantedPurge {
            family: family.unwrap_or(FamilyId(u32::MAX)),
            scope: Scope::Family,
            mode: purge.mode,
            committed: purge.committed,
            cause: purge.cause.as_ref(),
            name: &purge.name,
        };
        let mut is_known = false;
        for (scope, name) in family
            .into_iter()
            .flat_map(|id| names_at(&registry, id, target))
        {
            is_known |= name.starts_with(&purge.name);
            (wanted.scope, wanted.name) = (scope, name);
            round.purges.add(target, wanted);
        }
        if is_known {
            return;
        }
        // Nothing says what its names were: one value behind the prefix, unless that could be somebody else's entry.
        let shape = [&*purge.name, &[shape::VALUE]].concat();
        let all = (0..registry.families.len()).map(|at| FamilyId(at as u32));
        let others = all.filter(|id| Some(*id) != family);
        let mut taken = others.flat_map(|id| names_at(&registry, id, target));
        if taken.any(|(_, name)| shape::shared_name(name, &shape).is_some()) {
            tracing::warn!(
                family = %purge.family,
                "an earlier release asked for a family that the registry in force does not name so, and another family \
                 has entries there; its old entries stay until their time to live is over"
            );
            return;
        }
        (wanted.scope, wanted.name) = (Scope::Family, &shape);
        round.purges.add(target, wanted);
    }

    /// A request that cannot be read may have asked for anything on this target: every family there is purged.
    fn take_poison(&self, record: &RawRecord<'_>, detail: &str, round: &mut Round) {
        tracing::error!(origin = %record.origin, detail, "purge request cannot be read");
        let reason = Reason {
            label: "bad_request",
            detail: detail.to_owned(),
        };
        let intent = Intent {
            cause: Arc::new(reason.cause(record)),
            asked: Asked::Target(Arc::clone(&self.target)),
            class: FreshnessClass::Strict,
            since: record.appended,
        };
        let asked = round.submit(&intent, None, self.clock.now());
        let ids = asked.verdicts().iter().map(|&(id, _)| id);
        let concerned = Concerned::by(&round.rules.registry, ids);
        let letter = dead_letter::of_record(record, reason, concerned, self.clock.wall());
        round.dead_letters.push(OutboxRecord {
            topic: Arc::clone(&self.dead_letter_topic),
            key: self.target.as_bytes().to_vec(),
            payload: letter.encode(),
        });
    }
}

/// Whether a request asks for a Redis family as earlier releases did.
fn is_prefix(purge: &RequestedPurge) -> bool {
    purge.scope == Scope::Family && !shape::is_open(&purge.name)
}

/// Scope and name of everything that a family has at a target.
fn names_at(
    registry: &Registry,
    family: FamilyId,
    target: TargetId,
) -> impl Iterator<Item = (Scope, &[u8])> {
    let family = registry.family(family);
    let place = family.and_then(|family| family.place_at(target));
    place.into_iter().flat_map(Place::everything)
}
