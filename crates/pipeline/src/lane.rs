//! A lane's side of the outbox: records of its topic → rounds for its one target.

use std::sync::Arc;

use freshet_core::ports::{OutboxRecord, RawRecord};
use freshet_core::position::UnixMicros;
use freshet_core::purge::WantedPurge;
use freshet_core::registry::{FamilyId, FreshnessClass, PurgeMode, Registry, Scope, TargetId};
use freshet_wire::{PurgeRequest, RequestedPurge};

use crate::clock::Clock;
use crate::dead_letter::{self, Concerned, Reason};
use crate::round::Round;
use crate::taking::Take;

/// Takes purge requests.
pub(crate) struct TakeRequests {
    pub(crate) target: Arc<str>,
    pub(crate) clock: Clock,
    pub(crate) dead_letter_topic: Arc<str>,
}

impl Take for TakeRequests {
    fn take(&mut self, record: RawRecord<'_>, round: &mut Round, now: UnixMicros) -> u32 {
        let Some(value) = record.value else { return 0 };
        let registry = Arc::clone(&round.rules.registry);
        let Some(target) = registry.target_named(&self.target) else {
            // The registry in force no longer names the target: no family of it can be purged there.
            return 0;
        };
        match PurgeRequest::decode(value) {
            Ok(request) => {
                self.take_request(&request, target, (&mut *round, now));
                let family = |it: &RequestedPurge| {
                    registry
                        .family(registry.family_named(&it.family)?)?
                        .canary
                        .as_ref()
                };
                if request.purges.iter().any(|it| family(it).is_some()) {
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
}

impl TakeRequests {
    fn take_request(
        &self,
        request: &PurgeRequest,
        target: TargetId,
        (round, now): (&mut Round, UnixMicros),
    ) {
        self.add(&request.purges, target, (&mut *round, now));
        for outer in &request.then {
            let registry = Arc::clone(&round.rules.registry);
            match registry.target_named(&outer.target) {
                Some(target) => self.add(&outer.purges, target, (&mut *round, now)),
                None => tracing::warn!(
                    target_name = %outer.target,
                    "the registry in force does not name an outer target; nothing follows there"
                ),
            }
        }
    }

    fn add(
        &self,
        purges: &[RequestedPurge],
        target: TargetId,
        (round, now): (&mut Round, UnixMicros),
    ) {
        let registry = Arc::clone(&round.rules.registry);
        for purge in purges {
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
        for (target, id, name, mode) in scopes_from(&registry, &self.target) {
            round.note(record.appended, FreshnessClass::Strict, now);
            let wanted = WantedPurge {
                family: id,
                scope: Scope::Family,
                mode,
                committed: record.appended,
                name,
            };
            round.purges.add(target, wanted);
            families.push(id);
        }
        let concerned = Concerned::by(&registry, families.into_iter());
        let reason = Reason {
            label: "bad_request",
            detail: detail.to_owned(),
        };
        let letter = dead_letter::of_record(record, reason, concerned, self.clock.wall());
        round.dead_letters.push(OutboxRecord {
            topic: Arc::clone(&self.dead_letter_topic),
            key: self.target.as_bytes().to_vec(),
            payload: letter.encode(),
        });
    }
}

/// The family scopes of everything that is cached at a target, and at those outside of it, since a request may say
/// what follows there.
fn scopes_from<'a>(
    registry: &'a Registry,
    target: &str,
) -> impl Iterator<Item = (TargetId, FamilyId, &'a [u8], PurgeMode)> {
    let tier = registry
        .target_named(target)
        .and_then(|id| registry.target(id))
        .map(|it| it.tier);
    let targets = registry.targets.iter().enumerate();
    let concerned = targets.filter(|(_, it)| {
        tier.is_some_and(|tier| it.tier > tier || (it.tier == tier && *it.name == *target))
    });
    let concerned: Vec<TargetId> = concerned.map(|(at, _)| TargetId(at as u32)).collect();
    concerned.into_iter().flat_map(move |target| {
        scopes_at(registry, target).map(move |(family, name, mode)| (target, family, name, mode))
    })
}

fn scopes_at(
    registry: &Registry,
    target: TargetId,
) -> impl Iterator<Item = (FamilyId, &[u8], PurgeMode)> {
    let families = registry.families.iter().enumerate();
    families.flat_map(move |(at, family)| {
        let id = FamilyId(at as u32);
        let cdn = family.cdn.as_ref();
        let cdn = cdn.filter(|cdn| cdn.targets.contains(&target));
        let redis = family.redis.as_ref();
        let redis = redis.filter(|redis| redis.target == target);
        let tags = cdn
            .into_iter()
            .map(move |cdn| (id, &*cdn.family_tag, cdn.mode));
        let prefixes = redis.into_iter().flat_map(|redis| &redis.prefixes);
        tags.chain(prefixes.map(move |prefix| (id, &**prefix, PurgeMode::Hard)))
    })
}
