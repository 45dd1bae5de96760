//! tally: what became of changes, counted here and added to the metrics from time to time. A shared counter costs an
//! atomic operation or two each time; here a pull of thousands changes each of them once.

use std::sync::Arc;

use ::metrics::Counter;
use freshet_core::purge::FamilyVerdict;
use freshet_core::registry::FamilyId;

use crate::rules::Rules;

/// Changes and verdicts that no counter knows of yet.
pub(crate) struct Tally {
    counter: Counter,
    changes: u64,
    /// The rules that families are named by here; none before the first verdict.
    rules: Option<Arc<Rules>>,
    /// Of each family, how often each verdict.
    verdicts: Vec<[u64; 5]>,
    /// Which of them are not zero.
    touched: Vec<FamilyId>,
}

impl Tally {
    /// Nothing is counted; changes are added to `counter`.
    pub(crate) fn new(counter: Counter) -> Self {
        Self {
            counter,
            changes: 0,
            rules: None,
            verdicts: Vec::new(),
            touched: Vec::new(),
        }
    }

    /// Counts a change of a row.
    pub(crate) fn change(&mut self) {
        self.changes += 1;
    }

    /// Counts what one change meant to families.
    pub(crate) fn verdicts(&mut self, rules: &Arc<Rules>, all: &[(FamilyId, FamilyVerdict)]) {
        // Family ids belong to one revision.
        if !self
            .rules
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, rules))
        {
            self.tell();
            self.rules = Some(Arc::clone(rules));
            self.verdicts.clear();
            self.verdicts.resize(rules.registry.families.len(), [0; 5]);
        }
        for &(family, verdict) in all {
            let Some(counts) = self.verdicts.get_mut(family.0 as usize) else {
                continue;
            };
            if *counts == [0; 5] {
                self.touched.push(family);
            }
            counts[index_of(verdict)] += 1;
        }
    }

    /// Tells the counters.
    pub(crate) fn tell(&mut self) {
        if self.changes > 0 {
            self.counter.increment(std::mem::take(&mut self.changes));
        }
        let Some(rules) = &self.rules else { return };
        for family in self.touched.drain(..) {
            let counts = std::mem::take(&mut self.verdicts[family.0 as usize]);
            let counters = rules.handles.changes(family).into_iter().flatten();
            for (counter, count) in counters.zip(counts) {
                if count > 0 {
                    counter.increment(count);
                }
            }
        }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.tell();
    }
}

fn index_of(verdict: FamilyVerdict) -> usize {
    match verdict {
        FamilyVerdict::Purged => 0,
        FamilyVerdict::Widened => 1,
        FamilyVerdict::Unchanged => 2,
        FamilyVerdict::Ignored => 3,
        FamilyVerdict::ToVerify => 4,
    }
}
