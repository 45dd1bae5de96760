//! intent: a request to purge without a change (fallback of a poison record, a gap, a retried dead letter, …) → its purges.
//! Every request has an actor and a reason, whether it comes from this process or from outside.

use std::fmt;
use std::sync::Arc;

use crate::cause::Cause;
use crate::position::WallMicros;
use crate::purge::{FamilyVerdict, Purge, PurgePlace, PurgeSet};
use crate::registry::{FamilyId, FreshnessClass, PurgeMode, Registry, Scope, TargetId};
use crate::resolve::{resolve_fallback, widen, widen_family};

/// A request to purge. It refers to families and targets by name, so it is valid with any registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Actor and reason.
    pub cause: Arc<Cause>,
    /// What to purge.
    pub asked: Asked,
    /// How urgent it is: [`FreshnessClass::Strict`] is sent at once, the others may be gathered.
    pub class: FreshnessClass,
    /// Since when readers may see stale values: freshness is measured from here. Zero: not measured.
    pub since: WallMicros,
}

/// What an [`Intent`] purges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Everything of the families that depend on the table behind a topic.
    Topic(Arc<str>),
    /// Everything of these families.
    Families(Vec<Arc<str>>),
    /// Everything at a target, and in the tiers outside it.
    Target(Arc<str>),
    /// Single names.
    Names(Vec<NamedPurge>),
}

impl fmt::Display for Asked {
    /// For logs: names come from rows, so they are only counted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(topic) => write!(f, "the families of {topic}"),
            Self::Families(families) => write!(f, "families {}", families.join(", ")),
            Self::Target(target) => write!(f, "everything at {target} and in outer tiers"),
            Self::Names(names) => write!(f, "{} names", names.len()),
        }
    }
}

/// One name to purge.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NamedPurge {
    /// The target.
    pub target: Arc<str>,
    /// The family.
    pub family: Arc<str>,
    /// The scope.
    pub scope: Scope,
    /// Soft or hard.
    pub mode: PurgeMode,
    /// The rendered name.
    pub name: Vec<u8>,
}

impl NamedPurge {
    /// One purge of a set, with names of `registry`; none if the ids are not from it.
    pub fn of(registry: &Registry, purge: &Purge, name: &[u8]) -> Option<Self> {
        Some(Self {
            target: Arc::clone(&registry.target(purge.target)?.name),
            family: Arc::clone(&registry.family(purge.family)?.name),
            scope: purge.scope,
            mode: purge.mode,
            name: name.to_vec(),
        })
    }
}

impl Asked {
    /// Fills `set` with the requested purges. Names that are not in the registry are skipped: this registry has no
    /// entries for them.
    pub fn resolve(&self, registry: &Registry, set: &mut PurgeSet) {
        set.clear();
        match self {
            Asked::Topic(topic) => {
                resolve_fallback(registry, topic, set);
            }
            Asked::Families(families) => {
                let known = families
                    .iter()
                    .filter_map(|name| registry.family_named(name));
                known.for_each(|family| widen_family(registry, family, set));
            }
            Asked::Target(name) => {
                if let Some(target) = registry.target_named(name) {
                    widen_from(registry, target, set);
                }
            }
            Asked::Names(names) => names.iter().for_each(|named| add(registry, named, set)),
        }
    }

    /// The affected families.
    pub fn families(&self, registry: &Registry) -> Vec<Arc<str>> {
        let mut set = PurgeSet::default();
        self.resolve(registry, &mut set);
        set.families(registry)
    }
}

/// Adds everything at a target and in the tiers outside it.
fn widen_from(registry: &Registry, target: TargetId, set: &mut PurgeSet) {
    let Some(tier) = registry.target(target).map(|target| target.tier) else {
        return;
    };
    let is_concerned = |other: TargetId| {
        other == target
            || registry
                .target(other)
                .is_some_and(|other| other.tier > tier)
    };
    for (at, family) in registry.families.iter().enumerate() {
        let id = FamilyId(at as u32);
        let mut concerned = false;
        for place in family
            .places
            .iter()
            .filter(|place| is_concerned(place.target))
        {
            widen(place, id, set);
            concerned = true;
        }
        if concerned {
            set.judge(id, FamilyVerdict::Widened);
        }
    }
}

fn add(registry: &Registry, named: &NamedPurge, set: &mut PurgeSet) {
    let target = registry.target_named(&named.target);
    let family = registry.family_named(&named.family);
    let (Some(target), Some(family)) = (target, family) else {
        return;
    };
    let place = PurgePlace {
        target,
        family,
        mode: named.mode,
    };
    set.add(place, named.scope, &named.name);
    if !set.verdicts().iter().any(|judged| judged.0 == family) {
        set.judge(family, FamilyVerdict::Purged);
    }
}
