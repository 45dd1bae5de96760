//! The purges of the last seconds, kept so that they can be sent again when the server that answered them was
//! replaced by one that has not seen them (promise P8).

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use freshet_core::position::{Steady, WallMicros};
use freshet_core::purge::{PurgeBatch, WantedPurge};
use freshet_core::registry::{FamilyId, PurgeMode, Scope, TargetId};

use crate::lanes::report::scope_at;
use crate::rules::Rules;

/// Bytes kept for one target. What does not fit is remembered by its families.
const BYTES_MAX: usize = 16 << 20;

/// Purges of one target that were answered, and of what is outside of it.
#[derive(Debug)]
pub(crate) struct Recent {
    keep: Duration,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    buckets: VecDeque<Bucket>,
    bytes: usize,
    /// Takeovers that were answered by sending everything again.
    takeovers: u64,
    /// Nothing grows old before this.
    held_until: Steady,
}

/// How much time one bucket spans.
const BUCKET: Duration = Duration::from_secs(1);

/// Purges of about a second under one revision of the rules.
#[derive(Debug)]
struct Bucket {
    begun: Steady,
    last: Steady,
    rules: Arc<Rules>,
    names: Vec<u8>,
    purges: Vec<KeptPurge>,
    /// Families whose names did not fit.
    families: BTreeSet<(TargetId, FamilyId)>,
}

#[derive(Debug, Clone, Copy)]
struct KeptPurge {
    target: TargetId,
    family: FamilyId,
    scope: Scope,
    mode: PurgeMode,
    committed: WallMicros,
    end: usize,
}

/// What is to be sent again, under the rules it was decided by: one batch a target.
pub(crate) struct Replay {
    pub(crate) rules: Arc<Rules>,
    pub(crate) batches: Vec<PurgeBatch>,
}

impl Recent {
    /// Keeps purges for `keep`, counted back from the newest answer.
    pub(crate) fn new(keep: Duration) -> Self {
        Self {
            keep,
            kept: Mutex::new(Kept::default()),
        }
    }

    /// Notes answered purges that were sent when `takeovers` had happened. False when that is outdated: then whoever
    /// answered is not there any more, everything else was sent again already, and these have to follow.
    pub(crate) fn note<'a>(
        &self,
        rules: &Arc<Rules>,
        now: Steady,
        takeovers: u64,
        batches: impl Iterator<Item = &'a PurgeBatch>,
    ) -> bool {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.takeovers > takeovers {
            return false;
        }
        if now >= kept.held_until {
            kept.forget_before(now.minus(self.keep));
        }
        kept.begin_bucket(rules, now);
        let mut bytes = kept.bytes;
        if let Some(bucket) = kept.buckets.back_mut() {
            bucket.last = now;
            for batch in batches {
                bytes += bucket.add(batch, BYTES_MAX.saturating_sub(bytes));
            }
        }
        kept.bytes = bytes;
        true
    }

    /// Something of the target did not answer. Whoever answers in its place may not have seen what it was told last,
    /// so nothing grows old by the answers of others until the window has passed once more.
    pub(crate) fn hold(&self, now: Steady) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.held_until = now.plus(self.keep);
    }

    /// Everything that is kept, when `takeovers` is news; it is forgotten here.
    pub(crate) fn take(&self, takeovers: u64) -> Option<Vec<Replay>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if takeovers <= kept.takeovers {
            return None;
        }
        kept.takeovers = takeovers;
        kept.bytes = 0;
        let buckets = std::mem::take(&mut kept.buckets);
        drop(kept);
        Some(buckets.iter().map(Bucket::replay).collect())
    }
}

impl Kept {
    fn forget_before(&mut self, begin: Steady) {
        while self
            .buckets
            .front()
            .is_some_and(|bucket| bucket.last < begin)
        {
            if let Some(gone) = self.buckets.pop_front() {
                self.bytes -= gone.size();
            }
        }
    }

    fn begin_bucket(&mut self, rules: &Arc<Rules>, now: Steady) {
        let fits =
            |bucket: &Bucket| now.since(bucket.begun) < BUCKET && Arc::ptr_eq(&bucket.rules, rules);
        if self.buckets.back().is_some_and(fits) {
            return;
        }
        self.buckets.push_back(Bucket {
            begun: now,
            last: now,
            rules: Arc::clone(rules),
            names: Vec::new(),
            purges: Vec::new(),
            families: BTreeSet::new(),
        });
    }
}

impl Bucket {
    fn size(&self) -> usize {
        self.names.len() + self.purges.len() * size_of::<KeptPurge>()
    }

    /// Adds what fits into `room` bytes; returns how many were taken.
    fn add(&mut self, batch: &PurgeBatch, room: usize) -> usize {
        let before = self.size();
        for (purge, name) in batch.iter() {
            let cost = name.len() + size_of::<KeptPurge>();
            if self.size() - before + cost > room {
                self.families.insert((batch.target(), purge.family));
                continue;
            }
            self.names.extend_from_slice(name);
            self.purges.push(KeptPurge {
                target: batch.target(),
                family: purge.family,
                scope: purge.scope,
                mode: purge.mode,
                committed: purge.committed,
                end: self.names.len(),
            });
        }
        self.size() - before
    }

    fn replay(&self) -> Replay {
        let mut batches: Vec<PurgeBatch> = Vec::new();
        let mut start = 0;
        for kept in &self.purges {
            let wanted = WantedPurge {
                family: kept.family,
                scope: kept.scope,
                mode: kept.mode,
                committed: kept.committed,
                cause: None,
                name: &self.names[start..kept.end],
            };
            start = kept.end;
            batch_of(&mut batches, kept.target).add(wanted);
        }
        for &(target, family) in &self.families {
            let batch = batch_of(&mut batches, target);
            for (scope, name) in scope_at(&self.rules, family, target) {
                batch.add(WantedPurge {
                    family,
                    scope,
                    mode: PurgeMode::Hard,
                    // Of many changes, which came in when is not kept.
                    committed: WallMicros(0),
                    cause: None,
                    name,
                });
            }
        }
        Replay {
            rules: Arc::clone(&self.rules),
            batches,
        }
    }
}

fn batch_of(batches: &mut Vec<PurgeBatch>, target: TargetId) -> &mut PurgeBatch {
    let at = match batches.iter().position(|batch| batch.target() == target) {
        Some(at) => at,
        None => {
            batches.push(PurgeBatch::new(target));
            batches.len() - 1
        }
    };
    &mut batches[at]
}

#[cfg(test)]
mod tests {
    use freshet_core::registry::{Registry, RegistryRevision};

    use super::*;

    fn rules() -> Arc<Rules> {
        let revision = RegistryRevision {
            sequence: 1,
            content_hash: Arc::from("none"),
        };
        Arc::new(Rules::new(Registry::new(revision, vec![], vec![], vec![])))
    }

    fn batch(name: &[u8]) -> PurgeBatch {
        batch_for(0, name)
    }

    fn batch_for(target: u32, name: &[u8]) -> PurgeBatch {
        let mut batch = PurgeBatch::new(TargetId(target));
        batch.add(WantedPurge {
            family: FamilyId(3),
            scope: Scope::Keys,
            mode: PurgeMode::Hard,
            committed: WallMicros(1),
            name,
            cause: None,
        });
        batch
    }

    fn names(replays: &[Replay]) -> Vec<Vec<u8>> {
        let batches = replays.iter().flat_map(|replay| &replay.batches);
        let purges = batches.flat_map(|batch| batch.iter());
        purges.map(|(_, name)| name.to_vec()).collect()
    }

    #[test]
    fn p8_while_a_node_is_silent_answers_of_others_make_nothing_old() {
        let (recent, rules) = (Recent::new(Duration::from_secs(10)), rules());
        let note = |at: u64, name: &[u8]| {
            let now = Steady(at * 1_000_000);
            assert!(recent.note(&rules, now, 0, [&batch(name)].into_iter()));
        };
        note(1, b"told-to-the-silent-one");
        for at in 2..60 {
            recent.hold(Steady(at * 1_000_000));
            note(at, b"told-to-another");
        }
        note(65, b"later");
        let replays = recent.take(1).expect("news");
        assert!(names(&replays).contains(&b"told-to-the-silent-one".to_vec()));
        note_and_grow_old(&recent, &rules);
    }

    fn note_and_grow_old(recent: &Recent, rules: &Arc<Rules>) {
        for (at, name) in [(70, b"old"), (90, b"new")] {
            let now = Steady(at * 1_000_000);
            assert!(recent.note(rules, now, 1, [&batch(name)].into_iter()));
        }
        let replays = recent.take(2).expect("news");
        assert_eq!(names(&replays), [b"new".to_vec()]);
    }

    #[test]
    fn keeps_a_window_counted_back_from_the_newest_answer_and_gives_it_once() {
        let (recent, rules) = (Recent::new(Duration::from_secs(10)), rules());
        for (at, name) in [(1, b"a"), (2, b"b"), (3, b"c"), (11, b"d"), (13, b"e")] {
            let now = Steady(at * 1_000_000);
            assert!(recent.note(&rules, now, 0, [&batch(name)].into_iter()));
        }
        assert!(recent.take(0).is_none(), "nobody was replaced");
        let replays = recent.take(1).expect("news");
        assert_eq!(names(&replays), [b"c", b"d", b"e"]);
        assert!(recent.take(1).is_none(), "no news any more");
    }

    #[test]
    fn what_is_sent_again_is_one_batch_for_a_second_and_a_target() {
        let (recent, rules) = (Recent::new(Duration::from_secs(10)), rules());
        for (at, name) in [(1_000, b"a"), (1_999, b"b"), (2_000, b"c")] {
            let batches = [0, 1].map(|target| batch_for(target, name));
            let now = Steady(at * 1_000);
            assert!(recent.note(&rules, now, 0, batches.iter()));
        }
        let replays = recent.take(1).expect("news");
        let batches = replays.iter().map(|replay| {
            let batches = replay.batches.iter();
            batches
                .map(|batch| (batch.target().0, batch.len()))
                .collect::<Vec<_>>()
        });
        let wanted = [[(0, 2), (1, 2)], [(0, 1), (1, 1)]];
        assert_eq!(batches.collect::<Vec<_>>(), wanted);
        assert_eq!(names(&replays), [b"a", b"b", b"a", b"b", b"c", b"c"]);
    }

    /// What has grown old makes room.
    #[test]
    fn names_take_so_many_bytes_at_most() {
        let (recent, rules) = (Recent::new(Duration::from_secs(10)), rules());
        let long = |at: u8| batch(&vec![at; BYTES_MAX * 3 / 8]);
        for at in [1, 8, 12, 13] {
            let now = Steady(u64::from(at) * 1_000_000);
            assert!(recent.note(&rules, now, 0, [&long(at)].into_iter()));
        }
        let named = names(&recent.take(1).expect("news"));
        let named: Vec<u8> = named.iter().map(|name| name[0]).collect();
        assert_eq!(named, [8, 12]);
    }

    #[test]
    fn an_answer_of_the_server_before_comes_too_late_to_be_kept() {
        let (recent, rules) = (Recent::new(Duration::from_secs(10)), rules());
        assert!(recent.take(1).is_some());
        assert!(!recent.note(&rules, Steady(5), 0, [&batch(b"a")].into_iter()));
        assert!(recent.note(&rules, Steady(5), 1, [&batch(b"a")].into_iter()));
    }

    #[test]
    fn what_does_not_fit_is_remembered_by_its_family() {
        let mut bucket = Bucket {
            begun: Steady(0),
            last: Steady(0),
            rules: rules(),
            names: Vec::new(),
            purges: Vec::new(),
            families: BTreeSet::new(),
        };
        let size = 4 + size_of::<KeptPurge>();
        for _ in 0..2 {
            assert_eq!(bucket.add(&batch(b"fits"), size), size);
        }
        assert!(bucket.families.is_empty());
        assert_eq!(bucket.add(&batch(b"large"), size), 0);
        assert_eq!(bucket.families.len(), 1);
    }
}
