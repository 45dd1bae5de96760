//! Transactions whose changes did not all arrive. The capture side says at the end of a transaction how many changes
//! each table had; here they are counted.
//!
//! What is called missing leads to the purge of whole families, so it is said only where nothing else is possible.
//! It rests on one assumption: records of one transaction reach their topics within the time given of each other. A
//! transaction is judged for a table only
//!
//! - when all partitions of the table's topic had been read here for that time before the transaction began, and the
//!   brokers had said at the beginning of that time where they end,
//! - when that time has passed since its end was read,
//! - and when every partition has then been read to where it ended, as the brokers said when asked after that time.
//!
//! Everything else is counted as unjudged.

mod orders;
mod table;
mod transactions;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::position::Steady;
use crate::transaction::{Boundary, Member, TransactionId};
pub use table::Ends;
use table::WatchedTable;
use transactions::{Counted, Finish, ReadAt, Transactions};
pub use transactions::{MembersLimits, Outcomes};

/// Brokers that did not answer are asked again after this. A table that starts over waits for that long too before it
/// asks: where every record spoils it, nothing is asked.
const ASK_AGAIN: Duration = Duration::from_secs(5);

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
    tables: Vec<WatchedTable>,
    /// The partitions of the transaction topic that are read here, each with the place of the last end.
    held: BTreeMap<i32, u64>,
    transactions: Transactions,
}

impl Members {
    /// Watches `tables`, each as the database calls it with its topic.
    pub fn new(
        boundaries: Arc<str>,
        tables: impl Iterator<Item = (Arc<str>, Arc<str>)>,
        within: Duration,
        limits: MembersLimits,
    ) -> Self {
        let tables = tables.map(|(collection, topic)| WatchedTable::new(collection, topic));
        Self {
            boundaries,
            within,
            tables: tables.collect(),
            held: BTreeMap::new(),
            transactions: Transactions::new(limits),
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
        self.start_over(at, self.soon(now));
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
            self.start_over(at, self.soon(now));
        }
    }

    /// A change of a table arrived without saying what transaction it belongs to, or nobody can read it, or records
    /// of the topic are lost: what was counted there says nothing.
    pub fn spoil(&mut self, topic: &str, now: Steady) {
        if topic == &*self.boundaries {
            self.start_over_all(now);
        } else if let Some(at) = self.table_at(topic) {
            self.start_over(at, self.soon(now));
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
        if self.held.is_empty() || self.transactions.is_closed(member.transaction) {
            return;
        }
        let Some(at) = self.table_at(topic) else {
            return;
        };
        if self.transactions.note_member(at, member)
            && let Some(table) = self.tables.get_mut(at)
        {
            table.proven = true;
        }
    }

    /// A transaction began or ended; the boundary was read at `partition` and `offset`.
    pub fn note_boundary(&mut self, boundary: Boundary, partition: i32, offset: i64, now: Steady) {
        let sequence = boundary.sequence();
        let Boundary {
            transaction: id,
            text,
            counts,
        } = boundary;
        let Some(counts) = counts else {
            let at = ReadAt { partition, offset };
            self.transactions.note_begin(id, at);
            return;
        };
        let last = self.held.entry(partition).or_default();
        let repeated = sequence <= std::mem::replace(last, sequence);
        if self.transactions.is_closed(id) {
            if self.transactions.take_given_up(id) {
                let bound = counts.iter().filter(|count| self.is_bound(&count.0));
                self.transactions.outcomes.unjudged += bound.count() as u64;
            }
            return;
        }
        let begun = self.transactions.end(id, text, repeated);
        let due = now.plus(self.within);
        for (at, table) in self.tables.iter_mut().enumerate() {
            let counted = counts.iter().find(|count| *count.0 == *table.collection);
            let Some(&(_, counted)) = counted else {
                continue;
            };
            let is_judged = table.judges(begun);
            match self.transactions.count(id, at, counted, is_judged) {
                Counted::Complete => table.proven = true,
                Counted::Waits => table.waiting.push_back((due, id)),
                Counted::Over => {}
            }
        }
        self.transactions.note_counted(id);
    }

    /// What is to be asked of the brokers now, if anything.
    pub fn question(&mut self, now: Steady) -> Option<EndsQuestion> {
        if std::mem::take(&mut self.transactions.lost_track) {
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
                let judged_after = now.plus(self.within);
                if !table.take_ends(question.asked_at, ends, begins, judged_after) {
                    // Somebody else reads the rest of it, perhaps for long.
                    self.start_over(question.table, judged_after);
                }
            }
        }
    }

    /// What is missing for certain by now, told once: one entry for each table.
    pub fn judge(&mut self) -> Vec<Missing> {
        if self.transactions.lost_track {
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
        std::mem::take(&mut self.transactions.outcomes)
    }

    fn take_due(&mut self, at: usize, asked_at: Steady) -> Option<TransactionId> {
        self.tables.get_mut(at)?.take_due(asked_at)
    }

    fn judge_one(&mut self, id: TransactionId, at: usize, found: &mut Option<Missing>) {
        let (Some(table), Some(shortfall)) =
            (self.tables.get(at), self.transactions.shortfall(id, at))
        else {
            return;
        };
        if !table.proven {
            // Perhaps nothing of the table comes this way, or not as the capture side counts it.
            self.transactions.finish(id, at, Finish::Unjudged);
            return;
        }
        let reported = found.get_or_insert_with(|| Missing {
            topic: Arc::clone(&table.topic),
            transactions: 0,
            first: shortfall.text.to_owned(),
            counted: shortfall.counted,
            arrived: shortfall.arrived,
        });
        reported.transactions += 1;
        self.transactions.finish(id, at, Finish::Missing);
    }

    /// When a table that starts over now asks where it ends.
    fn soon(&self, now: Steady) -> Steady {
        now.plus(self.within.min(ASK_AGAIN))
    }

    /// Forgets what is known of a table, and asks for it at `ask_at`; what waited there is not judged.
    fn start_over(&mut self, at: usize, ask_at: Steady) {
        let Some(table) = self.tables.get_mut(at) else {
            return;
        };
        for (_, id) in table.start_over(ask_at) {
            // Not one that was pushed out meanwhile and is open again because more of it came.
            if self.transactions.shortfall(id, at).is_some() {
                self.transactions.finish(id, at, Finish::Unjudged);
            }
        }
    }

    fn start_over_all(&mut self, now: Steady) {
        for at in 0..self.tables.len() {
            self.start_over(at, self.soon(now));
        }
    }

    fn table_at(&self, topic: &str) -> Option<usize> {
        self.tables.iter().position(|it| &*it.topic == topic)
    }

    fn is_bound(&self, collection: &str) -> bool {
        self.tables.iter().any(|it| &*it.collection == collection)
    }
}
