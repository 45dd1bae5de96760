//! What has to be known of a table's topic before anything may be said to be missing in it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::transactions::ReadAt;
use crate::position::Steady;
use crate::transaction::TransactionId;

/// The end of every partition of a topic: what comes next has this offset.
pub type Ends = BTreeMap<i32, i64>;

/// One table.
#[derive(Debug)]
pub(super) struct WatchedTable {
    /// As the database calls it.
    pub(super) collection: Arc<str>,
    pub(super) topic: Arc<str>,
    /// The partitions that are read here, each with the offset behind the last record that was taken since it started over.
    pub(super) held: BTreeMap<i32, Option<i64>>,
    /// Rises when everything that was known is forgotten: an answer to an earlier question counts no more.
    pub(super) generation: u64,
    /// Nothing is asked before.
    pub(super) ask_at: Steady,
    /// A question is under way.
    pub(super) asked: bool,
    /// Where the table's topic ended, as long as records of one transaction may be apart before anything that is judged
    /// began: none of its changes is before that.
    baseline: Option<Ends>,
    /// Where the transaction topic ended then: what begins behind that is read from its first record on, and judged.
    begins: Option<Ends>,
    /// A transaction was seen whole, so that the topic does carry what the ends count.
    pub(super) proven: bool,
    /// Transactions that ended and are not whole, with the time that their records have.
    pub(super) waiting: VecDeque<(Steady, TransactionId)>,
    /// How far has to be read before those that were due when it was asked are judged.
    pub(super) until: Option<(Steady, Ends)>,
}

impl WatchedTable {
    pub(super) fn new(collection: Arc<str>, topic: Arc<str>) -> Self {
        Self {
            collection,
            topic,
            held: BTreeMap::new(),
            generation: 0,
            ask_at: Steady(0),
            asked: false,
            baseline: None,
            begins: None,
            proven: false,
            waiting: VecDeque::new(),
            until: None,
        }
    }

    /// Forgets what was known; what waited is returned.
    pub(super) fn start_over(&mut self, ask_at: Steady) -> VecDeque<(Steady, TransactionId)> {
        self.generation += 1;
        self.ask_at = ask_at;
        self.asked = false;
        self.baseline = None;
        self.begins = None;
        self.proven = false;
        self.until = None;
        // The brokers may have lost what was read, so that the same offsets come again.
        self.held.values_mut().for_each(|next| *next = None);
        std::mem::take(&mut self.waiting)
    }

    /// Whether the brokers are to be asked where the topics end.
    pub(super) fn wants_ends(&self, now: Steady) -> bool {
        if self.asked || self.held.is_empty() || now < self.ask_at {
            return false;
        }
        let due = self.waiting.front().is_some_and(|(due, _)| *due <= now);
        self.begins.is_none() || (due && self.until.is_none())
    }

    /// Takes the answer to a question of `asked_at`. What is judged begins after `judged_after` at the earliest. False
    /// when the table has to start over.
    pub(super) fn take_ends(
        &mut self,
        asked_at: Steady,
        ends: Ends,
        begins: Ends,
        judged_after: Steady,
    ) -> bool {
        if !ends.keys().eq(self.held.keys()) {
            return false;
        }
        if self.baseline.is_none() {
            self.baseline = Some(ends);
            self.ask_at = judged_after;
        } else if self.begins.is_none() {
            self.begins = Some(begins);
        } else {
            self.until = Some((asked_at, ends));
        }
        true
    }

    /// Whether a transaction that begins at `begun` in the transaction topic is read from its first record on.
    pub(super) fn judges(&self, begun: Option<ReadAt>) -> bool {
        let (Some(begins), Some(begun)) = (&self.begins, begun) else {
            return false;
        };
        let first = begins.get(&begun.partition);
        first.is_some_and(|&first| begun.offset >= first)
    }

    /// A record was taken, or passed over because it is no change.
    pub(super) fn note_read(&mut self, partition: i32, offset: i64) {
        if let Some(next) = self.held.get_mut(&partition) {
            // One that waited for its schema comes later than its neighbours.
            *next = Some(next.map_or(offset + 1, |known| known.max(offset + 1)));
        }
    }

    /// The next transaction that waits, if it was due at `asked_at`.
    pub(super) fn take_due(&mut self, asked_at: Steady) -> Option<TransactionId> {
        let (due, _) = self.waiting.front()?;
        if *due > asked_at {
            return None;
        }
        self.waiting.pop_front().map(|(_, id)| id)
    }

    /// The time of the question whose answer has been read past, once.
    pub(super) fn take_passed(&mut self) -> Option<Steady> {
        let (asked_at, until) = self.until.as_ref()?;
        let baseline = self.baseline.as_ref()?;
        let passed = until.iter().all(|(partition, end)| {
            let read = self.held.get(partition).copied().flatten();
            // Nothing was added that belongs to what is judged.
            read.is_some_and(|next| next >= *end) || baseline.get(partition) == Some(end)
        });
        let asked_at = *asked_at;
        passed.then(|| {
            self.until = None;
            asked_at
        })
    }
}
