//! requests: one record of a lane's topic, a purge request → the open round, for the lane's one target.

use std::sync::Arc;

use freshet_core::intent::Asked;
use freshet_core::ports::RawRecord;
use freshet_core::position::Steady;
use freshet_core::purge::WantedPurge;
use freshet_core::registry::{FamilyId, FreshnessClass, Place, Registry, Scope, TargetId};
use freshet_core::shape;
use freshet_core::template::NameForm;
use freshet_wire::{PurgeRequest, RequestedPurge};

use crate::dead_letter::Reason;
use crate::intake::open::{BeatOn, Open};
use crate::intake::poison::{Poison, Poisoned};
use crate::intake::take::Take;
use crate::round::Round;

/// Takes purge requests.
pub(crate) struct TakeRequests {
    pub(crate) target: Arc<str>,
    pub(crate) poison: Poison,
}

impl Take for TakeRequests {
    fn take(&mut self, record: RawRecord<'_>, open: &mut Open, now: Steady) -> u32 {
        let Some(value) = record.value else { return 0 };
        let Open { round, noticed } = open;
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
                    noticed.beats.push(BeatOn {
                        topic: Arc::from(record.origin.topic),
                        partition: record.origin.partition,
                    });
                }
            }
            // It may have asked for anything on this target: every family there is purged.
            Err(error) => {
                let poisoned = Poisoned {
                    record: &record,
                    reason: Reason {
                        label: "bad_request",
                        detail: error.to_string(),
                    },
                    asked: Asked::Target(Arc::clone(&self.target)),
                    measured: None,
                };
                self.poison.put_aside(poisoned, round);
            }
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
                    "an outer target is not in the current registry; nothing is purged there"
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
                "the family of an earlier release's request is not in the current registry, and another family has \
                 entries with its prefix; its old entries stay until their TTL expires"
            );
            return;
        }
        (wanted.scope, wanted.name) = (Scope::Family, &shape);
        round.purges.add(target, wanted);
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
