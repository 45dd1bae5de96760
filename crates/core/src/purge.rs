//! Purges: `PurgeSet` (of one change) → `PurgeBatch` (merged, for one target). Their results
//! are in [`outcome`](crate::outcome).

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::cause::Cause;
pub use crate::outcome::{Disposition, PurgeOutcome, PurgeReport, Refusal, disposition};
use crate::position::WallMicros;
use crate::registry::{FamilyId, PurgeMode, Registry, Scope, TargetId};

/// One purge of a [`PurgeSet`]; its name is in the set's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purge {
    /// The target.
    pub target: TargetId,
    /// The family.
    pub family: FamilyId,
    /// The scope.
    pub scope: Scope,
    /// Soft or hard; Redis supports only hard.
    pub mode: PurgeMode,
    start: u32,
    end: u32,
}

/// How a family handled a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FamilyVerdict {
    /// All purges are exact.
    Purged,
    /// Some purges were widened.
    Widened,
    /// None of the columns in `when_changed` changed.
    Unchanged,
    /// A snapshot read or truncate that the family ignores.
    Ignored,
    /// A snapshot read whose entries the auditor checks.
    ToVerify,
}

/// Up to this size, purges are compared one by one, which is faster than hashing. A larger set has an index.
const COMPARED_MAX: usize = 16;

/// Everything one change purges. Reused from change to change.
#[derive(Debug, Clone, Default)]
pub struct PurgeSet {
    bytes: Vec<u8>,
    purges: Vec<Purge>,
    verdicts: Vec<(FamilyId, FamilyVerdict)>,
    /// Index of all purges if there are more than [`COMPARED_MAX`], else empty.
    index: HashTable<u32>,
    /// Names come from untrusted rows: a random seed prevents chosen collisions.
    seed: DefaultHashBuilder,
}

impl PurgeSet {
    /// Empties the set, keeping its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.purges.clear();
        self.verdicts.clear();
        // It keeps the size of the largest set so far; most sets have nothing to clear.
        if !self.index.is_empty() {
            self.index.clear();
        }
    }

    /// The purges with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&Purge, &[u8])> {
        self.purges.iter().map(|purge| (purge, self.name(purge)))
    }

    /// Whether there are no purges.
    pub fn is_empty(&self) -> bool {
        self.purges.is_empty()
    }

    /// How many purges there are.
    pub fn len(&self) -> usize {
        self.purges.len()
    }

    /// The purges for a batch, of a change that was committed at `committed`.
    pub fn wanted(
        &self,
        committed: WallMicros,
    ) -> impl Iterator<Item = (TargetId, WantedPurge<'_>)> {
        self.iter().map(move |(purge, name)| {
            let wanted = WantedPurge {
                family: purge.family,
                scope: purge.scope,
                mode: purge.mode,
                committed,
                cause: None,
                name,
            };
            (purge.target, wanted)
        })
    }

    /// What each family did with the change.
    pub fn verdicts(&self) -> &[(FamilyId, FamilyVerdict)] {
        &self.verdicts
    }

    /// The families that handled the change, each once, in the order of the registry.
    pub fn families(&self, registry: &Registry) -> Vec<Arc<str>> {
        let ids: BTreeSet<FamilyId> = self.verdicts.iter().map(|judged| judged.0).collect();
        let known = ids.into_iter().filter_map(|id| registry.family(id));
        known.map(|family| Arc::clone(&family.name)).collect()
    }

    /// Records how a family handled the change.
    pub fn judge(&mut self, family: FamilyId, verdict: FamilyVerdict) {
        self.verdicts.push((family, verdict));
    }

    /// Adds a purge if the set does not have it.
    pub fn add(&mut self, place: PurgePlace, scope: Scope, name: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        self.seal(place, scope, start);
    }

    /// The end of the name buffer, for rendering straight into it.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Adds a purge with the name from `start` on, or drops the name if the set has that purge.
    pub(crate) fn seal(&mut self, place: PurgePlace, scope: Scope, start: usize) {
        let PurgePlace {
            target,
            family,
            mode,
        } = place;
        let purge = Purge {
            target,
            family,
            scope,
            mode,
            start: start as u32,
            end: self.bytes.len() as u32,
        };
        let known = self.find(&purge);
        if let Some(at) = known {
            // Two families may share a tag: hard wins.
            if mode == PurgeMode::Hard {
                self.purges[at].mode = PurgeMode::Hard;
            }
            self.bytes.truncate(start);
            return;
        }
        self.purges.push(purge);
        if !self.index.is_empty() {
            self.insert(self.purges.len() - 1);
        } else if self.purges.len() > COMPARED_MAX {
            (0..self.purges.len()).for_each(|at| self.insert(at));
        }
    }

    /// The index of the purge with the same target, scope and name as `purge`.
    fn find(&self, purge: &Purge) -> Option<usize> {
        let is_same = |other: &Purge| {
            purge.target == other.target
                && purge.scope == other.scope
                && self.name(purge) == self.name(other)
        };
        if self.index.is_empty() {
            return self.purges.iter().position(is_same);
        }
        let same = |at: &u32| is_same(&self.purges[*at as usize]);
        let found = self.index.find(self.hash(purge), same);
        found.map(|at| *at as usize)
    }

    fn insert(&mut self, at: usize) {
        let hash = self.hash(&self.purges[at]);
        // Taken out while the names are borrowed.
        let mut index = std::mem::take(&mut self.index);
        index.insert_unique(hash, at as u32, |other| {
            self.hash(&self.purges[*other as usize])
        });
        self.index = index;
    }

    fn hash(&self, purge: &Purge) -> u64 {
        let mut hasher = self.seed.build_hasher();
        hasher.write(self.name(purge));
        hasher.write_u8(purge.scope as u8);
        hasher.write_u32(purge.target.0);
        hasher.finish()
    }

    /// Removes all purges after the first `purges`; used when a family's purges are widened.
    pub(crate) fn rewind(&mut self, purges: usize) {
        let Some(first) = self.purges.get(purges) else {
            return;
        };
        let start = first.start as usize;
        if !self.index.is_empty() {
            for at in purges..self.purges.len() {
                let hash = self.hash(&self.purges[at]);
                let entry = self.index.find_entry(hash, |it| *it as usize == at);
                if let Ok(entry) = entry {
                    entry.remove();
                }
            }
        }
        self.bytes.truncate(start);
        self.purges.truncate(purges);
    }

    fn name(&self, purge: &Purge) -> &[u8] {
        &self.bytes[purge.start as usize..purge.end as usize]
    }
}

/// Target, family and mode of a purge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PurgePlace {
    /// The target.
    pub target: TargetId,
    /// The family.
    pub family: FamilyId,
    /// Soft or hard.
    pub mode: PurgeMode,
}

/// One purge of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchedPurge {
    /// The family; the first one, if several caused it.
    pub family: FamilyId,
    /// The scope.
    pub scope: Scope,
    /// Soft or hard; hard if any cause requires hard.
    pub mode: PurgeMode,
    /// The oldest known commit time of the changes that caused it; zero if none is known.
    pub committed: WallMicros,
    start: u32,
    end: u32,
}

/// Merged purges of one target: every name once, whatever the number of changes.
#[derive(Debug, Clone)]
pub struct PurgeBatch {
    target: TargetId,
    bytes: Vec<u8>,
    purges: Vec<BatchedPurge>,
    /// Causes of purges that no change caused.
    causes: BTreeMap<u32, Arc<Cause>>,
    index: HashTable<u32>,
    /// Names come from untrusted rows: a random seed prevents chosen collisions.
    seed: DefaultHashBuilder,
}

impl PurgeBatch {
    /// An empty batch for `target`.
    pub fn new(target: TargetId) -> Self {
        Self {
            target,
            bytes: Vec::new(),
            purges: Vec::new(),
            causes: BTreeMap::new(),
            index: HashTable::new(),
            seed: DefaultHashBuilder::default(),
        }
    }

    /// Empties the batch, keeping its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.purges.clear();
        self.causes.clear();
        self.index.clear();
    }

    /// The target.
    pub fn target(&self) -> TargetId {
        self.target
    }

    /// How many purges.
    pub fn len(&self) -> usize {
        self.purges.len()
    }

    /// Whether there is nothing to purge.
    pub fn is_empty(&self) -> bool {
        self.purges.is_empty()
    }

    /// Total length of all names in bytes.
    pub fn name_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The purges with their names, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = (&BatchedPurge, &[u8])> {
        self.purges.iter().map(|purge| (purge, self.name(purge)))
    }

    /// The purges for another batch, in the same order.
    pub fn wanted(&self) -> impl DoubleEndedIterator<Item = WantedPurge<'_>> + ExactSizeIterator {
        (0..self.purges.len()).map(|at| self.wanted_at(at))
    }

    /// Whether the batch has a purge of this scope and name.
    pub fn contains(&self, scope: Scope, name: &[u8]) -> bool {
        let same = |at: &u32| {
            let purge = &self.purges[*at as usize];
            purge.scope == scope && self.name(purge) == name
        };
        let hash = hash_of(&self.seed, scope, name);
        self.index.find(hash, same).is_some()
    }

    /// The purges that `other` does not have.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut rest = Self::new(self.target);
        for purge in self
            .wanted()
            .filter(|purge| !other.contains(purge.scope, purge.name))
        {
            rest.add(purge);
        }
        rest
    }

    /// The batch for the second purge of an outer cache, after an inner cache has purged names of `families` late. For
    /// these families it counts as freshness. For others it is a precaution without a commit time, so that a
    /// healthy target does not look late because of another one.
    #[must_use]
    pub fn again_behind(&self, families: &BTreeSet<FamilyId>) -> Self {
        let mut again = self.clone();
        for purge in &mut again.purges {
            if !families.contains(&purge.family) {
                purge.committed = WallMicros(0);
            }
        }
        again
    }

    /// Adds all purges of `other`.
    pub fn extend(&mut self, other: &Self) {
        for purge in other.wanted() {
            self.add(purge);
        }
    }

    /// Sets `cause` for every purge.
    pub fn blame(&mut self, cause: &Arc<Cause>) {
        let all = 0..self.purges.len() as u32;
        self.causes = all.map(|at| (at, Arc::clone(cause))).collect();
    }

    /// The batch in parts of at most `size` purges.
    pub fn slices(&self, size: usize) -> impl Iterator<Item = Self> {
        let size = size.max(1);
        (0..self.purges.len()).step_by(size).map(move |start| {
            let mut part = Self::new(self.target);
            for at in start..self.purges.len().min(start.saturating_add(size)) {
                part.add(self.wanted_at(at));
            }
            part
        })
    }

    /// One purge and its name.
    pub fn get(&self, at: usize) -> Option<(&BatchedPurge, &[u8])> {
        self.purges.get(at).map(|purge| (purge, self.name(purge)))
    }

    /// Adds a purge. Returns false if the batch had it and it was merged: the older commit
    /// time, the harder mode and the first cause are kept.
    pub fn add(&mut self, wanted: WantedPurge<'_>) -> bool {
        let WantedPurge {
            family,
            scope,
            mode,
            committed,
            cause,
            name,
        } = wanted;
        let Self {
            bytes,
            purges,
            causes,
            index,
            seed,
            ..
        } = self;
        let hash = hash_of(seed, scope, name);
        let same = |at: &u32| {
            let purge = &purges[*at as usize];
            purge.scope == scope && &bytes[purge.start as usize..purge.end as usize] == name
        };
        if let Some(&at) = index.find(hash, same) {
            let purge = &mut purges[at as usize];
            purge.committed = older(purge.committed, committed);
            if mode == PurgeMode::Hard {
                purge.mode = PurgeMode::Hard;
            }
            if let Some(cause) = cause {
                causes.entry(at).or_insert_with(|| Arc::clone(cause));
            }
            return false;
        }
        let (at, start) = (purges.len() as u32, bytes.len() as u32);
        bytes.extend_from_slice(name);
        purges.push(BatchedPurge {
            family,
            scope,
            mode,
            committed,
            start,
            end: bytes.len() as u32,
        });
        if let Some(cause) = cause {
            causes.insert(at, Arc::clone(cause));
        }
        index.insert_unique(hash, at, |&other| {
            let purge = &purges[other as usize];
            hash_of(
                seed,
                purge.scope,
                &bytes[purge.start as usize..purge.end as usize],
            )
        });
        true
    }

    fn name(&self, purge: &BatchedPurge) -> &[u8] {
        &self.bytes[purge.start as usize..purge.end as usize]
    }

    fn wanted_at(&self, at: usize) -> WantedPurge<'_> {
        let purge = &self.purges[at];
        WantedPurge {
            family: purge.family,
            scope: purge.scope,
            mode: purge.mode,
            committed: purge.committed,
            cause: match self.causes.is_empty() {
                true => None,
                false => self.causes.get(&(at as u32)),
            },
            name: self.name(purge),
        }
    }
}

/// A purge to be added to a batch.
#[derive(Debug, Clone, Copy)]
pub struct WantedPurge<'a> {
    /// The family.
    pub family: FamilyId,
    /// The scope.
    pub scope: Scope,
    /// Soft or hard.
    pub mode: PurgeMode,
    /// Commit time of the change.
    pub committed: WallMicros,
    /// Actor and reason; none for a change.
    pub cause: Option<&'a Arc<Cause>>,
    /// The rendered name.
    pub name: &'a [u8],
}

/// The older of two commit times. Zero means unknown and does not count as old.
fn older(one: WallMicros, other: WallMicros) -> WallMicros {
    match (one.0, other.0) {
        (0, _) => other,
        (_, 0) => one,
        _ => one.min(other),
    }
}

fn hash_of(seed: &DefaultHashBuilder, scope: Scope, name: &[u8]) -> u64 {
    let mut hasher = seed.build_hasher();
    hasher.write(name);
    hasher.write_u8(scope as u8);
    hasher.finish()
}

#[cfg(test)]
mod tests;
