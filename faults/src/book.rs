//! The book of all changes: which entries each of them outdates, and when each of those was seen to be gone.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A target of the suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// The Redis that faults befall.
    Main,
    /// A Redis of its own that no fault touches.
    Side,
    /// The CDN.
    Edge,
}

impl Target {
    pub(crate) const ALL: [Self; 3] = [Self::Main, Self::Side, Self::Edge];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Side => "side",
            Self::Edge => "edge",
        }
    }

    fn at(self) -> usize {
        self as usize
    }
}

/// What is known of one change. Times are microseconds since the book was opened; 0 is never.
#[derive(Debug, Clone, Copy, Default)]
struct Change {
    row: u32,
    /// How often the CDN was asked to purge its tag.
    purges: u32,
    written_us: u64,
    done_us: [u64; 3],
    /// Whether its entry was there before it was written.
    filled: [bool; 2],
}

impl Change {
    /// An entry that was never there cannot be missed.
    fn expects(&self, target: Target) -> bool {
        self.written_us > 0 && (target == Target::Edge || self.filled[target.at()])
    }

    fn is_missing(&self, target: Target) -> bool {
        self.expects(target) && self.done_us[target.at()] == 0
    }
}

/// What became of a range of changes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Account {
    pub(crate) changes: u64,
    pub(crate) expected: u64,
    pub(crate) missing: u64,
    pub(crate) duplicates: u64,
}

/// All changes by their number.
#[derive(Debug)]
pub(crate) struct Book {
    begun: Instant,
    changes: Mutex<Vec<Change>>,
}

impl Book {
    pub(crate) fn new() -> Self {
        Self {
            begun: Instant::now(),
            // Numbers begin at 1.
            changes: Mutex::new(vec![Change::default()]),
        }
    }

    /// Microseconds since the book was opened, never 0.
    pub(crate) fn now(&self) -> u64 {
        self.begun.elapsed().as_micros() as u64 + 1
    }

    fn changes(&self) -> MutexGuard<'_, Vec<Change>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the next change, which is one more than the number of the last.
    pub(crate) fn next(&self) -> u64 {
        let changes = self.changes();
        let written = changes.iter().rposition(|it| it.written_us > 0);
        written.unwrap_or(0) as u64 + 1
    }

    /// Entries of these changes are in the cache.
    pub(crate) fn filled(&self, target: Target, numbers: Range<u64>) {
        let mut changes = self.changes();
        if changes.len() < numbers.end as usize {
            changes.resize(numbers.end as usize, Change::default());
        }
        for change in &mut changes[numbers.start as usize..numbers.end as usize] {
            change.filled[target.at()] = true;
        }
    }

    /// Entries of these changes went before their change was written, as those of a whole family do.
    pub(crate) fn gone_before(&self, target: Target, numbers: &[u64]) {
        let mut changes = self.changes();
        for &number in numbers {
            if let Some(change) = changes.get_mut(number as usize) {
                change.filled[target.at()] = false;
            }
        }
    }

    /// A change is on its way to the log.
    pub(crate) fn written(&self, number: u64, row: u32) {
        let now = self.now();
        let mut changes = self.changes();
        if changes.len() <= number as usize {
            changes.resize(number as usize + 1, Change::default());
        }
        let change = &mut changes[number as usize];
        (change.row, change.written_us) = (row, now);
    }

    /// The entries of these changes are seen to be gone.
    pub(crate) fn gone(&self, target: Target, numbers: &[u64]) {
        let now = self.now();
        let mut changes = self.changes();
        for &number in numbers {
            if let Some(change) = changes.get_mut(number as usize) {
                let done = &mut change.done_us[target.at()];
                *done = if *done == 0 { now } else { *done };
            }
        }
    }

    /// The CDN has purged the tags of these changes.
    pub(crate) fn purged(&self, numbers: &[u64]) {
        self.gone(Target::Edge, numbers);
        let mut changes = self.changes();
        for &number in numbers {
            if let Some(change) = changes.get_mut(number as usize) {
                change.purges += 1;
            }
        }
    }

    /// The CDN has purged everything.
    pub(crate) fn purged_all(&self) {
        let now = self.now();
        let done = Target::Edge.at();
        for change in self.changes().iter_mut() {
            if change.written_us > 0 && change.done_us[done] == 0 {
                change.done_us[done] = now;
            }
        }
    }

    /// Numbers of changes from `from` on that outdate an entry of `target`, and how far the book was read. A change
    /// is written after its predecessors, so nothing before the end comes later.
    pub(crate) fn outdated_since(&self, target: Target, from: u64) -> (Vec<u64>, u64) {
        let changes = self.changes();
        let mut found = Vec::new();
        let mut at = from as usize;
        while at < changes.len() && changes[at].written_us > 0 {
            if changes[at].is_missing(target) {
                found.push(at as u64);
            }
            at += 1;
        }
        (found, at as u64)
    }

    /// Whether every change that was written before `before` (microseconds) is done everywhere.
    pub(crate) fn is_done(&self, from: u64, before: u64) -> bool {
        let changes = self.changes();
        let ours = changes.iter().skip(from as usize);
        !ours.filter(|it| it.written_us < before).any(|change| {
            Target::ALL
                .into_iter()
                .any(|target| change.is_missing(target))
        })
    }

    /// What became of changes from number `from` on.
    pub(crate) fn account(&self, from: u64) -> Account {
        let changes = self.changes();
        let mut account = Account::default();
        for change in changes
            .iter()
            .skip(from as usize)
            .filter(|it| it.written_us > 0)
        {
            account.changes += 1;
            account.duplicates += u64::from(change.purges.saturating_sub(1));
            for target in Target::ALL {
                account.expected += u64::from(change.expects(target));
                account.missing += u64::from(change.is_missing(target));
            }
        }
        account
    }

    /// Some numbers of changes whose purge never came.
    pub(crate) fn missing(&self, from: u64, target: Target) -> Vec<u64> {
        let changes = self.changes();
        let numbers = (from..changes.len() as u64)
            .filter(|&number| changes[number as usize].is_missing(target));
        numbers.take(5).collect()
    }

    /// The last change of each row.
    pub(crate) fn last_of_rows(&self) -> Vec<(u32, u64)> {
        let changes = self.changes();
        let mut last = std::collections::BTreeMap::new();
        for (number, change) in changes.iter().enumerate().filter(|it| it.1.written_us > 0) {
            last.insert(change.row, number as u64);
        }
        last.into_iter().collect()
    }

    /// Freshness of what was written within `window`, from the 0th to the 100th percentile; done only.
    pub(crate) fn freshness(&self, target: Target, window: &Range<u64>) -> Vec<Duration> {
        let changes = self.changes();
        let mut all: Vec<Duration> = changes
            .iter()
            .filter(|it| window.contains(&it.written_us) && it.expects(target))
            .filter(|it| it.done_us[target.at()] > 0)
            .map(|it| Duration::from_micros(it.done_us[target.at()].saturating_sub(it.written_us)))
            .collect();
        all.sort();
        all
    }

    /// How long after `healed` the last change written before it was done.
    pub(crate) fn recovery(&self, from: u64, healed: u64) -> Duration {
        let changes = self.changes();
        let ours = changes.iter().skip(from as usize);
        let last = ours
            .filter(|it| it.written_us < healed)
            .flat_map(|it| it.done_us)
            .max();
        Duration::from_micros(last.unwrap_or(0).saturating_sub(healed))
    }

    /// How long after `healed` the last change was written that took longer than `within`.
    pub(crate) fn last_slow(&self, target: Target, healed: u64, within: Duration) -> Duration {
        let changes = self.changes();
        let slow = changes.iter().rfind(|it| {
            let took = it.done_us[target.at()].saturating_sub(it.written_us);
            it.written_us >= healed && it.expects(target) && took > within.as_micros() as u64
        });
        Duration::from_micros(slow.map_or(0, |it| it.written_us.saturating_sub(healed)))
    }
}

/// The value below which `share` of the sorted `values` lie.
pub(crate) fn quantile(values: &[Duration], share: f64) -> Option<Duration> {
    let at = ((values.len() as f64 * share).ceil() as usize).clamp(1, values.len().max(1)) - 1;
    values.get(at).copied()
}
