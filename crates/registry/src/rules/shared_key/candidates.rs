//! Pairs of keys that can name one entry, without comparing each key with each other.
//!
//! Only keys at one target with the same boundaries (`:` and the like) can meet. Of these, two can meet only where one
//! begins with the literal that the other begins with; and the same goes for how they end, and for each part between
//! two boundaries. Whichever of these leaves the fewest pairs is followed, and only those pairs are compared.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};

use freshet_core::shape;

/// Pairs of different families that are compared in one run.
const PAIRS_MAX: u64 = 300_000;
/// Parts of a key that are looked at.
const PARTS_MAX: usize = 32;

/// A key of a family.
pub(super) struct Key<'a> {
    pub(super) family: usize,
    pub(super) target: &'a str,
    pub(super) shape: Vec<u8>,
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Overlaps {
    /// For a key, by its place, one that comes before it and can name the same entry.
    pub(super) pairs: BTreeMap<usize, usize>,
    /// A key that is too much like too many others to be compared with all of them.
    pub(super) too_alike: Option<usize>,
}

/// A key by one of its literals; backwards where it is the last one.
struct Entry {
    literal: Vec<u8>,
    /// More may follow the literal.
    is_open: bool,
    key: usize,
}

/// Which literal of a key is looked at.
#[derive(Debug, Clone, Copy)]
enum Look {
    Beginning,
    End,
    Part(usize),
}

/// Finds keys of different families that can name one entry, up to `limit` of them.
pub(super) fn overlaps(keys: &[Key<'_>], limit: usize) -> Overlaps {
    let mut groups: BTreeMap<(&str, Vec<u8>), Vec<usize>> = BTreeMap::new();
    for (at, key) in keys.iter().enumerate() {
        let boundaries = shape::boundaries(&key.shape).collect();
        groups.entry((key.target, boundaries)).or_default().push(at);
    }
    let mut search = Search {
        keys,
        limit,
        left: PAIRS_MAX,
        found: Overlaps::default(),
    };
    for group in groups.values() {
        if search.group(group).is_break() {
            break;
        }
    }
    search.found
}

struct Search<'a> {
    keys: &'a [Key<'a>],
    limit: usize,
    left: u64,
    found: Overlaps,
}

impl Look {
    fn entry(self, shape: &[u8], key: usize) -> Entry {
        let text = match self {
            Self::Beginning | Self::End => shape,
            Self::Part(part) => shape::parts(shape).nth(part).unwrap_or_default(),
        };
        let mut literals = text.split(|&byte| byte == shape::VALUE);
        let mut literal = match self {
            Self::Beginning | Self::Part(_) => literals.next().unwrap_or_default().to_vec(),
            Self::End => literals.next_back().unwrap_or_default().to_vec(),
        };
        if matches!(self, Self::End) {
            literal.reverse();
        }
        Entry {
            literal,
            is_open: shape::is_open(text),
            key,
        }
    }
}

impl Search<'_> {
    fn group(&mut self, group: &[usize]) -> ControlFlow<()> {
        let family = |key: &usize| self.keys[*key].family;
        let Some(first) = group.first() else {
            return ControlFlow::Continue(());
        };
        if group.iter().all(|key| family(key) == family(first)) {
            return ControlFlow::Continue(());
        }
        let parts = shape::parts(&self.keys[*first].shape)
            .take(PARTS_MAX)
            .count();
        let looks = [Look::Beginning, Look::End]
            .into_iter()
            .chain((0..parts).map(Look::Part));
        let (mut entries, mut fewest) = (Vec::new(), u64::MAX);
        for look in looks {
            let sorted = self.sorted(group, look);
            let count = pairs(&sorted, fewest);
            if count < fewest {
                (entries, fewest) = (sorted, count);
            }
            if fewest <= group.len() as u64 {
                break;
            }
        }
        walk(&entries, |at, before| self.compare(&entries, at, before))
    }

    /// A group in the order of one literal: each behind all that it begins with.
    fn sorted(&self, group: &[usize], look: Look) -> Vec<Entry> {
        let mut entries: Vec<Entry> = group
            .iter()
            .map(|&key| look.entry(&self.keys[key].shape, key))
            .collect();
        entries.sort_by(|one, other| {
            let by_literal = one.literal.cmp(&other.literal);
            by_literal
                .then(other.is_open.cmp(&one.is_open))
                .then(one.key.cmp(&other.key))
        });
        entries
    }

    /// Compares an entry with those before it, up to the first that it meets.
    fn compare(
        &mut self,
        entries: &[Entry],
        at: usize,
        before: &[Range<usize>],
    ) -> ControlFlow<()> {
        let key = entries[at].key;
        for other in before.iter().cloned().flatten().map(|at| entries[at].key) {
            if self.keys[key].family == self.keys[other].family {
                continue;
            }
            if self.left == 0 {
                self.found.too_alike = Some(key);
                return ControlFlow::Break(());
            }
            self.left -= 1;
            if shape::shared_name(&self.keys[key].shape, &self.keys[other].shape).is_none() {
                continue;
            }
            let (later, earlier) = (key.max(other), key.min(other));
            let known = self.found.pairs.entry(later).or_insert(earlier);
            *known = earlier.min(*known);
            return match self.found.pairs.len() >= self.limit {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            };
        }
        ControlFlow::Continue(())
    }
}

/// How many pairs an order leaves, counted up to `most`.
fn pairs(entries: &[Entry], most: u64) -> u64 {
    let mut count = 0;
    let _ = walk(entries, |_, before| {
        count += before.iter().map(|range| range.len() as u64).sum::<u64>();
        match count >= most {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    count
}

/// Visits each entry with the places of all before it that it can meet by this literal.
fn walk(
    entries: &[Entry],
    mut visit: impl FnMut(usize, &[Range<usize>]) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut before: Vec<Range<usize>> = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        while let Some(last) = before.last() {
            let last = &entries[last.start];
            let is_near = match last.is_open {
                true => entry.literal.starts_with(&last.literal),
                false => !entry.is_open && entry.literal == last.literal,
            };
            if is_near {
                break;
            }
            before.pop();
        }
        visit(at, &before)?;
        match before.last_mut() {
            Some(last)
                if entries[last.start].is_open == entry.is_open
                    && entries[last.start].literal == entry.literal =>
            {
                last.end = at + 1;
            }
            _ => before.push(at..at + 1),
        }
    }
    ControlFlow::Continue(())
}

#[cfg(test)]
mod tests;
