//! Transactions in memory: what of them has arrived, and how they end: judged, given up, or pushed out by newer ones.
//! Tables are numbers here.

use std::collections::{BTreeMap, VecDeque};

use rustc_hash::FxHashMap;

use super::orders::Orders;
use crate::transaction::{Member, TransactionId};

/// How much is remembered of one database.
#[derive(Debug, Clone, Copy)]
pub struct MembersLimits {
    /// Transactions that have not ended, or are not whole.
    pub open_max: usize,
    /// Words of 64 changes, over all of them.
    pub words_max: usize,
    /// Transactions that are done with, so that repetitions are known.
    pub closed_max: usize,
}

impl Default for MembersLimits {
    fn default() -> Self {
        Self {
            open_max: 4_096,
            words_max: 128 << 10,
            closed_max: 16_384,
        }
    }
}

/// What became of transactions, once for each bound table that they changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcomes {
    /// Every change arrived.
    pub complete: u64,
    /// Changes are missing for certain.
    pub missing: u64,
    /// Cannot be told.
    pub unjudged: u64,
}

/// What became of one transaction's changes of one table.
#[derive(Debug, Clone, Copy)]
pub(super) enum Finish {
    Complete,
    Missing,
    Unjudged,
}

/// Where a boundary was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadAt {
    pub(super) partition: i32,
    pub(super) offset: i64,
}

/// What counting one transaction's changes of one table gave, when its end was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// Every change has arrived.
    Complete,
    /// Some have not, and there is time for them.
    Waits,
    /// There is nothing more to say about it.
    Over,
}

/// A transaction that has ended and is not whole in one table.
#[derive(Debug)]
pub(super) struct Shortfall<'a> {
    /// As the capture side calls the transaction.
    pub(super) text: &'a str,
    pub(super) counted: u64,
    pub(super) arrived: u64,
}

/// The transactions of one database.
#[derive(Debug)]
pub(super) struct Transactions {
    limits: MembersLimits,
    open: FxHashMap<TransactionId, Open>,
    /// The same ones in the order in which they came.
    in_order: BTreeMap<u64, TransactionId>,
    words: usize,
    /// Those that are done with; whether they were given up before their end was read.
    closed: FxHashMap<TransactionId, bool>,
    closed_oldest: VecDeque<TransactionId>,
    /// One was given up before its end was read, and not even that is remembered: its boundaries would look like those
    /// of a transaction of which nothing arrived.
    pub(super) lost_track: bool,
    pub(super) outcomes: Outcomes,
}

/// A transaction.
#[derive(Debug, Default)]
struct Open {
    /// Its place in the order.
    place: u64,
    text: String,
    /// Where its begin was read.
    begun: Option<ReadAt>,
    ended: bool,
    parts: Vec<Part>,
}

/// Its changes of one table.
#[derive(Debug)]
struct Part {
    table: usize,
    seen: Orders,
    /// How many there are, once its end was read.
    counted: Option<u64>,
}

impl Open {
    /// Its changes of a table; none when they were judged: then it has ended, and they are gone.
    fn part(&mut self, table: usize) -> Option<&mut Part> {
        match self.parts.iter().position(|part| part.table == table) {
            None if self.ended => None,
            None => {
                self.parts.push(Part {
                    table,
                    seen: Orders::default(),
                    counted: None,
                });
                self.parts.last_mut()
            }
            Some(known) => self.parts.get_mut(known),
        }
    }
}

impl Transactions {
    pub(super) fn new(limits: MembersLimits) -> Self {
        Self {
            limits,
            open: FxHashMap::default(),
            in_order: BTreeMap::new(),
            words: 0,
            closed: FxHashMap::default(),
            closed_oldest: VecDeque::new(),
            lost_track: false,
            outcomes: Outcomes::default(),
        }
    }

    /// The transaction in memory.
    fn opened(&mut self, id: TransactionId) -> &mut Open {
        self.open.entry(id).or_insert_with(|| {
            let last = self.in_order.last_key_value();
            let place = last.map_or(0, |(last, _)| last + 1);
            self.in_order.insert(place, id);
            Open {
                place,
                ..Open::default()
            }
        })
    }

    /// Whether a transaction is done with.
    pub(super) fn is_closed(&self, id: TransactionId) -> bool {
        self.closed.contains_key(&id)
    }

    /// A change of a table arrived. Whether with it all have arrived.
    pub(super) fn note_member(&mut self, table: usize, member: Member) -> bool {
        let Some(part) = self.opened(member.transaction).part(table) else {
            return false;
        };
        let larger = part.seen.insert(member.order);
        let complete = part.counted.is_some_and(|counted| part.seen.holds(counted));
        self.words += larger;
        if complete {
            self.finish(member.transaction, table, Finish::Complete);
        }
        self.forget_what_is_too_much();
        complete
    }

    /// A transaction began.
    pub(super) fn note_begin(&mut self, id: TransactionId, at: ReadAt) {
        if !self.is_closed(id) {
            self.opened(id).begun.get_or_insert(at);
            self.forget_what_is_too_much();
        }
    }

    /// Whether a transaction was given up before its end was read; said once.
    pub(super) fn take_given_up(&mut self, id: TransactionId) -> bool {
        self.closed.get_mut(&id).is_some_and(std::mem::take)
    }

    /// The end of a transaction was read. Returns where its begin was, unless it was sent again, and may have begun in the
    /// middle.
    pub(super) fn end(
        &mut self,
        id: TransactionId,
        text: String,
        repeated: bool,
    ) -> Option<ReadAt> {
        let open = self.opened(id);
        open.text = text;
        if repeated || open.ended {
            open.begun = None;
        }
        open.begun
    }

    /// Sets what the end of a transaction says of one table against what has arrived. What is not whole waits only
    /// where it can be judged.
    pub(super) fn count(
        &mut self,
        id: TransactionId,
        table: usize,
        counted: u64,
        is_judged: bool,
    ) -> Counted {
        let Some(part) = self.open.get_mut(&id).and_then(|open| open.part(table)) else {
            return Counted::Over;
        };
        part.counted = Some(counted);
        if part.seen.holds(counted) {
            self.take_part(id, table, Finish::Complete);
            Counted::Complete
        } else if is_judged {
            Counted::Waits
        } else {
            self.take_part(id, table, Finish::Unjudged);
            Counted::Over
        }
    }

    /// All tables of a transaction that ended are counted.
    pub(super) fn note_counted(&mut self, id: TransactionId) {
        if let Some(open) = self.open.get_mut(&id) {
            open.ended = true;
        }
        self.close_when_done(id);
    }

    /// What is missing of a transaction that ended and is not whole in a table.
    pub(super) fn shortfall(&self, id: TransactionId, table: usize) -> Option<Shortfall<'_>> {
        let open = self.open.get(&id)?;
        let part = open.parts.iter().find(|part| part.table == table)?;
        Some(Shortfall {
            text: &open.text,
            counted: part.counted?,
            arrived: part.seen.seen(),
        })
    }

    /// Ends the counting of one table.
    pub(super) fn finish(&mut self, id: TransactionId, table: usize, finish: Finish) {
        self.take_part(id, table, finish);
        self.close_when_done(id);
    }

    fn take_part(&mut self, id: TransactionId, table: usize, finish: Finish) {
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        let Some(part) = open.parts.iter().position(|part| part.table == table) else {
            return;
        };
        self.words -= open.parts.swap_remove(part).seen.words();
        match finish {
            Finish::Complete => self.outcomes.complete += 1,
            Finish::Missing => self.outcomes.missing += 1,
            Finish::Unjudged => self.outcomes.unjudged += 1,
        }
    }

    /// Closes a transaction that ended and of which nothing waits any more.
    fn close_when_done(&mut self, id: TransactionId) {
        let done = |open: &Open| open.ended && open.parts.iter().all(|part| part.counted.is_none());
        if self.open.get(&id).is_some_and(done) {
            self.close(id, false);
        }
    }

    fn close(&mut self, id: TransactionId, given_up: bool) {
        if let Some(open) = self.open.remove(&id) {
            self.in_order.remove(&open.place);
            let words = open.parts.iter().map(|part| part.seen.words());
            self.words -= words.sum::<usize>();
        }
        if self.closed.insert(id, given_up).is_none() {
            self.closed_oldest.push_back(id);
        }
        while self.closed_oldest.len() > self.limits.closed_max {
            if let Some(gone) = self.closed_oldest.pop_front() {
                self.lost_track |= self.closed.remove(&gone) == Some(true);
            }
        }
    }

    /// Gives up the oldest transactions until the others fit.
    fn forget_what_is_too_much(&mut self) {
        while (self.open.len() > self.limits.open_max || self.words > self.limits.words_max)
            && let Some((_, id)) = self.in_order.pop_first()
            && let Some(open) = self.open.get(&id)
        {
            let waited = open.parts.iter().filter(|part| part.counted.is_some());
            self.outcomes.unjudged += waited.count() as u64;
            // What has not ended yet is counted when its end is read.
            let given_up = !open.ended;
            self.close(id, given_up);
        }
    }
}
