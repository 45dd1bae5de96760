//! What is to be purged: `PurgeSet` (from one change) → `PurgeBatch` (merged, one target). What came of it
//! is in [`outcome`](crate::outcome).

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
    /// Where.
    pub target: TargetId,
    /// On whose behalf.
    pub family: FamilyId,
    /// How wide.
    pub scope: Scope,
    /// Soft or hard; Redis knows only hard.
    pub mode: PurgeMode,
    start: u32,
    end: u32,
}

/// What a family did with a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FamilyVerdict {
    /// Purges were resolved, all exact.
    Purged,
    /// Purges were resolved, some of them in a wider scope.
    Widened,
    /// None of the columns in `when_changed` changed.
    Unchanged,
    /// A snapshot read or truncate that the family ignores.
    Ignored,
    /// A snapshot read whose entries are the auditor's to look at.
    ToVerify,
}

/// So many purges are compared one by one, which is faster than hashing them. A larger set has an index.
const COMPARED_MAX: usize = 16;

/// Everything one change purges. Reused from change to change.
#[derive(Debug, Clone, Default)]
pub struct PurgeSet {
    bytes: Vec<u8>,
    purges: Vec<Purge>,
    verdicts: Vec<(FamilyId, FamilyVerdict)>,
    /// Every purge, once there were more than [`COMPARED_MAX`]; else nothing.
    index: HashTable<u32>,
    /// Names come from rows, and rows from anybody: with a seed nobody can choose names that collide.
    seed: DefaultHashBuilder,
}

impl PurgeSet {
    /// Empties the set, keeping its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.purges.clear();
        self.verdicts.clear();
        // It is as large as the largest set so far; most sets have none to clear.
        if !self.index.is_empty() {
            self.index.clear();
        }
    }

    /// The purges with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&Purge, &[u8])> {
        self.purges.iter().map(|purge| (purge, self.name(purge)))
    }

    /// Whether nothing is purged.
    pub fn is_empty(&self) -> bool {
        self.purges.is_empty()
    }

    /// How many purges there are.
    pub fn len(&self) -> usize {
        self.purges.len()
    }

    /// The purges as a batch takes them, on behalf of what was committed at `committed`.
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

    /// The families that did something with it, each once, in the order of the registry.
    pub fn families(&self, registry: &Registry) -> Vec<Arc<str>> {
        let ids: BTreeSet<FamilyId> = self.verdicts.iter().map(|judged| judged.0).collect();
        let known = ids.into_iter().filter_map(|id| registry.family(id));
        known.map(|family| Arc::clone(&family.name)).collect()
    }

    /// Notes a family's verdict.
    pub fn judge(&mut self, family: FamilyId, verdict: FamilyVerdict) {
        self.verdicts.push((family, verdict));
    }

    /// Adds a purge unless the set has it already.
    pub fn add(&mut self, place: PurgePlace, scope: Scope, name: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        self.seal(place, scope, start);
    }

    /// The end of the name buffer, for rendering straight into it.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Makes a purge of the bytes from `start` on, or drops them when the set has it already.
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
            // Two families may share a tag: the one that needs the old answer gone decides.
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

    /// Which purge of the set names what `purge` names.
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
        // Taken out for as long as the names are read.
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

    /// Drops what was added after `purges` entries; used when a family's purges are widened.
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

/// Where a purge goes, on whose behalf, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PurgePlace {
    /// Where.
    pub target: TargetId,
    /// On whose behalf.
    pub family: FamilyId,
    /// Soft or hard.
    pub mode: PurgeMode,
}

/// One purge of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchedPurge {
    /// On whose behalf. The first family that asked, when several did.
    pub family: FamilyId,
    /// How wide.
    pub scope: Scope,
    /// Soft or hard; hard when anybody asked for hard.
    pub mode: PurgeMode,
    /// Commit time of the oldest change behind it that says when it was committed; zero when none does.
    pub committed: WallMicros,
    start: u32,
    end: u32,
}

/// Purges of one target, merged: every name once, however many changes asked for it.
#[derive(Debug, Clone)]
pub struct PurgeBatch {
    target: TargetId,
    bytes: Vec<u8>,
    purges: Vec<BatchedPurge>,
    /// Of purges that no change caused.
    causes: BTreeMap<u32, Arc<Cause>>,
    index: HashTable<u32>,
    /// Names come from rows, and rows from anybody: with a seed nobody can choose names that collide.
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

    /// Bytes of all names together.
    pub fn name_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The purges with their names, in the order they were first asked for.
    pub fn iter(&self) -> impl Iterator<Item = (&BatchedPurge, &[u8])> {
        self.purges.iter().map(|purge| (purge, self.name(purge)))
    }

    /// The purges as another batch takes them, in the same order.
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

    /// The batch as it is purged once more, behind an inner cache that has forgotten names of `families` only now. Of
    /// these families, that is part of their freshness. For any other one it is a precaution, and keeps no commit time: a
    /// target that is well must not look late because another one was.
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

    /// Says of every purge that `cause` asks for it.
    pub fn blame(&mut self, cause: &Arc<Cause>) {
        let all = 0..self.purges.len() as u32;
        self.causes = all.map(|at| (at, Arc::clone(cause))).collect();
    }

    /// Parts of at most `size` purges.
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

    /// Adds a purge. Returns false when the batch had it already and it was merged: then the older commit
    /// time, the harder mode and the first cause stay.
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

/// A purge on its way into a batch.
#[derive(Debug, Clone, Copy)]
pub struct WantedPurge<'a> {
    /// On whose behalf.
    pub family: FamilyId,
    /// How wide.
    pub scope: Scope,
    /// Soft or hard.
    pub mode: PurgeMode,
    /// Commit time of the change behind it.
    pub committed: WallMicros,
    /// Who asks for it, and why; none for a change.
    pub cause: Option<&'a Arc<Cause>>,
    /// The rendered name.
    pub name: &'a [u8],
}

/// The older of two commit times. Zero says nothing, so it does not count as old.
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
