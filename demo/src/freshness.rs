//! The ledger of truth: when each revision of each entry became outdated, and whether its purge has come.

use std::collections::{HashMap, VecDeque};

use freshet_shop::Entry;
use hdrhistogram::Histogram;

/// Revisions of one entry whose end is remembered. What is older counts from the oldest remembered end, which
/// makes its age too small and never too large.
const HISTORY_MAX: usize = 1024;

/// When revisions became outdated.
#[derive(Debug, Default)]
struct History {
    /// Revision that the first time is about.
    first: u64,
    outdated_us: VecDeque<u64>,
}

impl History {
    fn outdated(&mut self, new_revision: u64, at_us: u64) {
        if self.outdated_us.is_empty() {
            self.first = new_revision - 1;
        }
        self.outdated_us.push_back(at_us);
        if self.outdated_us.len() > HISTORY_MAX {
            self.outdated_us.pop_front();
            self.first += 1;
        }
    }

    /// The last commit that was known to be done by `at_us`.
    fn last_done_by(&self, at_us: u64) -> Option<u64> {
        self.outdated_us
            .iter()
            .rev()
            .find(|&&done_us| done_us <= at_us)
            .copied()
    }

    /// When `revision` became outdated; none while it is the newest.
    fn outdated_at(&self, revision: u64) -> Option<u64> {
        let at = usize::try_from(revision.saturating_sub(self.first)).ok()?;
        self.outdated_us.get(at).copied()
    }
}

/// A purge while a commit is under way is that commit's own when the entry's commit before it is done for longer
/// than this: its purge has long come.
const RECENT_US: u64 = 100_000;
/// A purge that comes later than this after a commit whose purge may have come already is not its purge.
const OVERTAKEN_MAX_US: u64 = 1_000_000;

/// Whether a commit's purge came between sending the commit and knowing that it is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Overtaken {
    #[default]
    No,
    /// It was this commit's or an earlier one's: the next purge tells.
    Perhaps,
    Yes,
}

/// Commits whose purge of one entry has not been seen.
#[derive(Debug, Default)]
struct Awaited {
    /// Since when a transaction that touches the entry has been under way.
    open_since_us: Option<u64>,
    /// By a purge that came while it was.
    overtaken: Overtaken,
    commits: Vec<Waiting>,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    commit: Span,
    overtaken: Overtaken,
}

/// A commit: sent, and known to be done. Somewhere in between others could see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) sent_us: u64,
    pub(crate) done_us: u64,
}

impl Span {
    /// A commit that was visible and known at the same moment.
    pub(crate) fn at(us: u64) -> Self {
        Self {
            sent_us: us,
            done_us: us,
        }
    }
}

/// What the purges came to.
#[derive(Debug, Clone)]
pub(crate) struct Purges {
    /// One per commit and entry.
    pub(crate) expected: u64,
    /// Those that came.
    pub(crate) arrived: u64,
    /// Of those, the ones that came before the database had said that the commit is done. They count as no
    /// time at all, since none can be told.
    pub(crate) overtook: u64,
    /// Commit → purge in microseconds.
    pub(crate) freshness_us: Histogram<u64>,
}

impl Default for Purges {
    fn default() -> Self {
        Self {
            expected: 0,
            arrived: 0,
            overtook: 0,
            freshness_us: histogram(),
        }
    }
}

impl Purges {
    fn came(&mut self, waiting: Waiting, at_us: u64) {
        let took_us = at_us.saturating_sub(waiting.commit.done_us);
        let overtook = match waiting.overtaken {
            Overtaken::No => false,
            Overtaken::Perhaps => took_us > OVERTAKEN_MAX_US,
            Overtaken::Yes => true,
        };
        self.arrived += 1;
        self.overtook += u64::from(overtook);
        self.freshness_us += if overtook { 0 } else { took_us };
    }
}

/// Microseconds, three digits.
pub(crate) fn histogram() -> Histogram<u64> {
    let mut histogram =
        Histogram::new(3).expect("three significant digits are within the library's bounds");
    histogram.auto(true);
    histogram
}

/// The ledger. Times are wall clock microseconds of this machine.
#[derive(Debug, Default)]
pub(crate) struct FreshnessLedger {
    histories: HashMap<Entry, History>,
    awaited: HashMap<Entry, Awaited>,
    total: Purges,
    second: Purges,
}

impl FreshnessLedger {
    /// A transaction is about to be sent.
    pub(crate) fn sent(&mut self, outdated: &[(Entry, u64)], at_us: u64) {
        for (entry, _) in outdated {
            let awaited = self.awaited.entry(*entry).or_default();
            (awaited.open_since_us, awaited.overtaken) = (Some(at_us), Overtaken::No);
        }
    }

    /// The database has said that the commit is done.
    pub(crate) fn committed(&mut self, outdated: &[(Entry, u64)], commit: Span) {
        for &(entry, revision) in outdated {
            self.histories
                .entry(entry)
                .or_default()
                .outdated(revision, commit.done_us);
            let awaited = self.awaited.entry(entry).or_default();
            awaited.open_since_us = None;
            let overtaken = std::mem::take(&mut awaited.overtaken);
            let waiting = Waiting { commit, overtaken };
            if overtaken == Overtaken::Yes {
                self.total.came(waiting, commit.done_us);
                self.second.came(waiting, commit.done_us);
            } else {
                awaited.commits.push(waiting);
            }
        }
        for purges in [&mut self.total, &mut self.second] {
            purges.expected += outdated.len() as u64;
        }
    }

    /// The cache has executed a purge. It is good for every commit before it, whichever it was sent for: what
    /// is filled after it was read after them.
    pub(crate) fn purged(&mut self, entry: Entry, at_us: u64) {
        let Some(awaited) = self.awaited.get_mut(&entry) else {
            return;
        };
        let history = self.histories.get(&entry);
        let before_us = history.and_then(|history| history.last_done_by(at_us));
        let overtaken = match before_us {
            Some(before_us) if at_us - before_us <= RECENT_US => Overtaken::Perhaps,
            _ => Overtaken::Yes,
        };
        if awaited
            .open_since_us
            .is_some_and(|since_us| since_us <= at_us)
        {
            awaited.overtaken = awaited.overtaken.max(overtaken);
        }
        let (total, second) = (&mut self.total, &mut self.second);
        awaited.commits.retain_mut(|waiting| {
            if waiting.commit.sent_us > at_us {
                return true;
            }
            let is_known = waiting.commit.done_us <= at_us;
            if !is_known {
                waiting.overtaken = waiting.overtaken.max(overtaken);
            }
            let has_come = is_known || waiting.overtaken == Overtaken::Yes;
            if has_come {
                total.came(*waiting, at_us);
                second.came(*waiting, at_us);
            }
            !has_come
        });
        if awaited.commits.is_empty() && awaited.open_since_us.is_none() {
            self.awaited.remove(&entry);
        }
    }

    /// For how long `revision` had been outdated when it was asked for at `asked_us`; zero when it was not.
    pub(crate) fn age_us(&self, entry: Entry, revision: u64, asked_us: u64) -> u64 {
        let history = self.histories.get(&entry);
        let outdated_at = history.and_then(|history| history.outdated_at(revision));
        outdated_at.map_or(0, |outdated_us| asked_us.saturating_sub(outdated_us))
    }

    /// Entries whose purge is still awaited.
    pub(crate) fn missing(&self) -> Vec<Entry> {
        let is_waiting = |awaited: &Awaited| {
            awaited
                .commits
                .iter()
                .any(|it| it.overtaken == Overtaken::No)
        };
        let waiting = self
            .awaited
            .iter()
            .filter(|(_, awaited)| is_waiting(awaited));
        let mut missing: Vec<Entry> = waiting.map(|(entry, _)| *entry).collect();
        missing.sort_unstable();
        missing
    }

    /// No purge will come any more: those that may have come before their commit was known did.
    pub(crate) fn settle_overtaken(&mut self) {
        for awaited in self.awaited.values_mut() {
            let total = &mut self.total;
            awaited.commits.retain(|waiting| {
                let has_come = waiting.overtaken != Overtaken::No;
                if has_come {
                    total.came(*waiting, u64::MAX);
                }
                !has_come
            });
        }
    }

    /// Forgets what came so far; revisions stay.
    pub(crate) fn count_anew(&mut self) {
        (self.total, self.second) = (Purges::default(), Purges::default());
    }

    /// What came since the last call.
    pub(crate) fn take_second(&mut self) -> Purges {
        std::mem::take(&mut self.second)
    }

    /// What came altogether.
    pub(crate) fn total(&self) -> &Purges {
        &self.total
    }
}

#[cfg(test)]
mod tests;
