//! Transactions whose changes did not all arrive. The capture side says at the end of a transaction how many changes
//! each table had; here they are counted.
//!
//! What is called missing leads to the purge of whole families, so it is said only where nothing else is possible.
//! It rests on one assumption: records of one transaction reach their topics within the time given of each other. A
//! transaction is judged for a table only
//!
//! - when all partitions of the table's topic had been read here for that time before the transaction began,
//! - when that time has passed since its end was read,
//! - and when every partition has then been read to where it ended, as the brokers said when asked after that time.
//!
//! Everything else is counted as unjudged.

mod finish;
mod orders;
mod table;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;

use crate::position::Steady;
use crate::transaction::{Boundary, Member, TransactionId};
use finish::{Finish, opened};
use orders::Orders;
pub use table::Ends;
use table::WatchedTable;

/// Brokers that did not answer are asked again after this.
const ASK_AGAIN: Duration = Duration::from_secs(5);

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

/// Changes of a table that never arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The table's topic.
    pub topic: Arc<str>,
    /// How many transactions are not whole.
    pub transactions: u64,
    /// The first of them, as the capture side calls it.
    pub first: String,
    /// How many changes it had in this table.
    pub counted: u64,
    /// How many of them arrived.
    pub arrived: u64,
}

/// A question to the brokers: where these two topics end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndsQuestion {
    /// The table's topic.
    pub topic: Arc<str>,
    /// The database's transaction topic.
    pub boundaries: Arc<str>,
    /// When it was asked.
    pub asked_at: Steady,
    table: usize,
    generation: u64,
}

/// Counts the changes of one database's transactions.
#[derive(Debug)]
pub struct Members {
    boundaries: Arc<str>,
    within: Duration,
    limits: MembersLimits,
    tables: Vec<WatchedTable>,
    /// The partitions of the transaction topic that are read here, each with the place of the last end.
    held: BTreeMap<i32, u64>,
    open: FxHashMap<TransactionId, Open>,
    /// The same ones in the order in which they came.
    in_order: BTreeMap<u64, TransactionId>,
    words: usize,
    /// Those that are done with; whether they were given up before their end was read.
    closed: FxHashMap<TransactionId, bool>,
    closed_oldest: VecDeque<TransactionId>,
    /// One was given up before its end was read, and not even that is remembered: its boundaries would look like those
    /// of a transaction of which nothing arrived.
    lost_track: bool,
    outcomes: Outcomes,
}

/// A transaction.
#[derive(Debug, Default)]
struct Open {
    /// Its place in the order.
    place: u64,
    text: String,
    /// Where its begin was read.
    begun: Option<(i32, i64)>,
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

impl Members {
    /// Watches `tables`, each as the database calls it with its topic.
    pub fn new(
        boundaries: Arc<str>,
        tables: impl Iterator<Item = (Arc<str>, Arc<str>)>,
        (within, limits): (Duration, MembersLimits),
    ) -> Self {
        let tables = tables.map(|(collection, topic)| WatchedTable::new(collection, topic));
        Self {
            boundaries,
            within,
            limits,
            tables: tables.collect(),
            held: BTreeMap::new(),
            open: FxHashMap::default(),
            in_order: BTreeMap::new(),
            words: 0,
            closed: FxHashMap::default(),
            closed_oldest: VecDeque::new(),
            lost_track: false,
            outcomes: Outcomes::default(),
        }
    }

    /// A partition is read here from now on. True when it is one of this database's.
    pub fn assigned(&mut self, topic: &str, partition: i32, now: Steady) -> bool {
        if topic == &*self.boundaries {
            self.held.insert(partition, 0);
            self.start_over_all(now);
            return true;
        }
        let Some(at) = self.table_at(topic) else {
            return false;
        };
        if let Some(table) = self.tables.get_mut(at) {
            table.held.insert(partition, None);
        }
        self.start_over(at, now);
        true
    }

    /// Somebody else reads a partition from now on.
    pub fn revoked(&mut self, topic: &str, partition: i32, now: Steady) {
        if topic == &*self.boundaries {
            self.held.remove(&partition);
            self.start_over_all(now);
        } else if let Some(at) = self.table_at(topic) {
            if let Some(table) = self.tables.get_mut(at) {
                table.held.remove(&partition);
            }
            self.start_over(at, now);
        }
    }

    /// A change of a table arrived without saying what transaction it belongs to, or nobody can read it, or records
    /// of the topic are lost: what was counted there says nothing.
    pub fn spoil(&mut self, topic: &str, now: Steady) {
        if topic == &*self.boundaries {
            self.start_over_all(now);
        } else if let Some(at) = self.table_at(topic) {
            self.start_over(at, now);
        }
    }

    /// A record was taken from a table's topic, of whatever kind.
    pub fn note_read(&mut self, topic: &str, partition: i32, offset: i64) {
        if let Some(table) = self.tables.iter_mut().find(|it| &*it.topic == topic) {
            table.note_read(partition, offset);
        }
    }

    /// A change arrived.
    pub fn note_member(&mut self, topic: &str, member: Member) {
        // Where the ends are read somewhere else nobody would ever ask.
        if self.held.is_empty() || self.closed.contains_key(&member.transaction) {
            return;
        }
        let Some(at) = self.table_at(topic) else {
            return;
        };
        let open = opened(&mut self.open, &mut self.in_order, member.transaction);
        let Some(part) = open.part(at) else { return };
        self.words += part.seen.insert(member.order);
        if part.counted.is_some_and(|counted| part.seen.holds(counted)) {
            self.finish_part(member.transaction, at, Finish::Complete);
        }
        self.forget_what_is_too_much();
    }

    /// A transaction began or ended; the boundary was read at `partition` and `offset`.
    pub fn note_boundary(&mut self, boundary: Boundary, partition: i32, offset: i64, now: Steady) {
        let sequence = boundary.sequence();
        let Boundary {
            transaction,
            text,
            counts,
        } = boundary;
        let Some(counts) = counts else {
            if !self.closed.contains_key(&transaction) {
                let open = opened(&mut self.open, &mut self.in_order, transaction);
                open.begun.get_or_insert((partition, offset));
                self.forget_what_is_too_much();
            }
            return;
        };
        let last = self.held.entry(partition).or_default();
        let repeated = sequence <= std::mem::replace(last, sequence);
        match self.closed.get(&transaction) {
            Some(false) => return,
            Some(true) => {
                let bound = counts.iter().filter(|it| self.is_bound(&it.0)).count();
                self.outcomes.unjudged += bound as u64;
                self.closed.insert(transaction, false);
                return;
            }
            None => {}
        }
        let open = opened(&mut self.open, &mut self.in_order, transaction);
        open.text = text;
        if repeated || open.ended {
            // What was sent again may have begun in the middle.
            open.begun = None;
        }
        self.count_parts(transaction, &counts, now);
    }

    /// Sets what the end of a transaction says against what has arrived.
    fn count_parts(&mut self, id: TransactionId, counts: &[(String, u64)], now: Steady) {
        let due = now.plus(self.within);
        let Some(open) = self.open.get_mut(&id) else {
            return;
        };
        let mut finished = Vec::new();
        for (at, table) in self.tables.iter_mut().enumerate() {
            let counted = counts.iter().find(|it| *it.0 == *table.collection);
            let Some(&(_, counted)) = counted else {
                continue;
            };
            let Some(part) = open.part(at) else { continue };
            part.counted = Some(counted);
            if part.seen.holds(counted) {
                finished.push((at, Finish::Complete));
            } else if table.judges(open.begun) {
                table.waiting.push_back((due, id));
            } else {
                finished.push((at, Finish::Unjudged));
            }
        }
        open.ended = true;
        for (at, finish) in finished {
            self.finish_part(id, at, finish);
        }
        self.close_when_done(id);
    }

    /// What is to be asked of the brokers now, if anything.
    pub fn question(&mut self, now: Steady) -> Option<EndsQuestion> {
        if std::mem::take(&mut self.lost_track) {
            // Its boundaries are in the log by the time at which it is asked then.
            self.start_over_all(now);
        }
        if self.held.is_empty() {
            return None;
        }
        let table = self.tables.iter().position(|it| it.wants_ends(now))?;
        let watched = self.tables.get_mut(table)?;
        watched.asked = true;
        Some(EndsQuestion {
            topic: Arc::clone(&watched.topic),
            boundaries: Arc::clone(&self.boundaries),
            asked_at: now,
            table,
            generation: watched.generation,
        })
    }

    /// The answer to a question that was asked here: the ends of both topics, or none when the brokers could not say.
    pub fn answer(&mut self, question: &EndsQuestion, ends: Option<(Ends, Ends)>, now: Steady) {
        let Some(table) = self.tables.get_mut(question.table) else {
            return;
        };
        if table.generation != question.generation {
            return;
        }
        table.asked = false;
        match ends {
            None => table.ask_at = now.plus(ASK_AGAIN),
            Some((ends, begins)) => {
                if !table.take_ends(question.asked_at, ends, begins) {
                    self.start_over(question.table, now);
                }
            }
        }
    }

    /// What is missing for certain by now, told once: one entry for each table.
    pub fn judge(&mut self) -> Vec<Missing> {
        if self.lost_track {
            return Vec::new();
        }
        let mut missing: Vec<Missing> = Vec::new();
        for at in 0..self.tables.len() {
            let Some(asked_at) = self.tables.get_mut(at).and_then(WatchedTable::take_passed) else {
                continue;
            };
            let mut found: Option<Missing> = None;
            while let Some(id) = self.take_due(at, asked_at) {
                self.judge_one(id, at, &mut found);
            }
            missing.extend(found);
        }
        missing
    }

    /// What became of transactions since this was asked last.
    pub fn take_outcomes(&mut self) -> Outcomes {
        std::mem::take(&mut self.outcomes)
    }

    fn table_at(&self, topic: &str) -> Option<usize> {
        self.tables.iter().position(|it| &*it.topic == topic)
    }

    fn is_bound(&self, collection: &str) -> bool {
        self.tables.iter().any(|it| &*it.collection == collection)
    }
}
