//! A database, its topics and a reader of them, in a time that passes when the test says so.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use freshet_core::members::{Ends, Members, MembersLimits, Missing, Outcomes};
use freshet_core::position::Steady;
use freshet_core::transaction::{Boundary, Member, TransactionId};

pub(crate) const WITHIN: u64 = 60;
/// From here on transactions are judged: the brokers are asked where the table ends, and a second time when `WITHIN` has
/// passed since.
pub(crate) const SETTLED: u64 = 5 + WITHIN;
pub(crate) const TOPIC: &str = "shop.public.items";
pub(crate) const BOUNDARIES: &str = "shop.transaction";

#[derive(Clone)]
pub(crate) enum Data {
    Member(Member),
    Unreadable,
}

/// A database, its topics, and one reader of them. Partition 0 of `logs` is the transaction topic, the others are the
/// table's.
pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) members: Members,
    pub(crate) boundaries: Vec<Boundary>,
    pub(crate) logs: Vec<Vec<Data>>,
    pub(crate) read: Vec<usize>,
    pub(crate) held: Vec<bool>,
    pub(crate) stalled: Vec<Option<u64>>,
    pub(crate) waiting: Vec<Vec<Data>>,
    pub(crate) waiting_boundaries: Vec<Boundary>,
    pub(crate) next: u64,
    pub(crate) outcomes: Outcomes,
    pub(crate) missing: Vec<Missing>,
    pub(crate) brokers_answer: bool,
}

impl World {
    pub(crate) fn new(partitions: usize, limits: MembersLimits) -> Self {
        let tables = [(Arc::from("public.items"), Arc::from(TOPIC))];
        let within = Duration::from_secs(WITHIN);
        let mut world = Self {
            now: 1_000,
            members: Members::new(Arc::from(BOUNDARIES), tables.into_iter(), within, limits),
            boundaries: Vec::new(),
            logs: vec![Vec::new(); partitions + 1],
            read: vec![0; partitions + 1],
            held: vec![false; partitions + 1],
            stalled: vec![None; partitions + 1],
            waiting: vec![Vec::new(); partitions + 1],
            waiting_boundaries: Vec::new(),
            next: 1,
            outcomes: Outcomes::default(),
            missing: Vec::new(),
            brokers_answer: true,
        };
        for at in 0..=partitions {
            world.assign(at);
        }
        world
    }

    /// One that has seen a transaction whole and judges from here on.
    pub(crate) fn settled(partitions: usize) -> Self {
        let mut world = Self::settled_within(partitions, MembersLimits::default());
        world.take();
        assert_eq!(world.outcomes.complete, 1);
        world
    }

    /// The same with other limits.
    pub(crate) fn settled_within(partitions: usize, limits: MembersLimits) -> Self {
        let mut world = Self::new(partitions, limits);
        world.pass(SETTLED);
        world.commit(&[true]);
        world.read_all();
        world
    }

    pub(crate) fn at(&self) -> Steady {
        Steady(self.now * 1_000_000)
    }

    pub(crate) fn place(at: usize) -> (&'static str, i32) {
        if at == 0 {
            (BOUNDARIES, 0)
        } else {
            (TOPIC, at as i32 - 1)
        }
    }

    pub(crate) fn assign(&mut self, at: usize) {
        let (topic, partition) = Self::place(at);
        self.members.assigned(topic, partition, self.at());
        self.held[at] = true;
    }

    pub(crate) fn revoke(&mut self, at: usize) {
        let (topic, partition) = Self::place(at);
        self.members.revoked(topic, partition, self.at());
        self.held[at] = false;
    }

    /// What the capture side calls a transaction.
    pub(crate) fn text(number: u64) -> String {
        format!("{number}:{}", number * 100)
    }

    pub(crate) fn send_boundary(&mut self, number: u64, counts: Option<u64>) {
        let text = Self::text(number);
        let boundary = Boundary {
            transaction: TransactionId::of(&text),
            text,
            counts: counts.map(|count| vec![("public.items".to_owned(), count)]),
        };
        if self.stalled[0].is_some() {
            self.waiting_boundaries.push(boundary);
        } else {
            self.boundaries.push(boundary);
        }
    }

    pub(crate) fn send(&mut self, at: usize, data: Data) {
        if self.stalled[at].is_some() {
            self.waiting[at].push(data);
        } else {
            self.logs[at].push(data);
        }
    }

    pub(crate) fn send_member(&mut self, number: u64, order: u64) {
        let transaction = TransactionId::of(&format!("{number}:7"));
        let partitions = self.logs.len() as u64 - 1;
        let at = 1 + ((number * 31 + order * 17) % partitions) as usize;
        self.send(at, Data::Member(Member { transaction, order }));
    }

    /// A transaction of one change for each entry; false ones are lost.
    pub(crate) fn commit(&mut self, arrives: &[bool]) -> u64 {
        let number = self.next;
        self.next += 1;
        self.send_boundary(number, None);
        for (at, arrives) in arrives.iter().enumerate() {
            if *arrives {
                self.send_member(number, at as u64 + 1);
            }
        }
        self.send_boundary(number, Some(arrives.len() as u64));
        number
    }

    pub(crate) fn read(&mut self, at: usize, count: usize) {
        let (topic, partition) = Self::place(at);
        for _ in 0..count {
            let offset = self.read[at];
            if !self.held[at] || offset >= self.len(at) {
                return;
            }
            self.read[at] += 1;
            let now = self.at();
            if at == 0 {
                let boundary = self.boundaries[offset].clone();
                self.members.note_boundary(boundary, 0, offset as i64, now);
                continue;
            }
            self.members.note_read(topic, partition, offset as i64);
            match self.logs[at][offset].clone() {
                Data::Member(member) => self.members.note_member(topic, member),
                Data::Unreadable => self.members.spoil(topic, now),
            }
        }
    }

    pub(crate) fn len(&self, at: usize) -> usize {
        if at == 0 {
            self.boundaries.len()
        } else {
            self.logs[at].len()
        }
    }

    pub(crate) fn read_all(&mut self) {
        for at in 0..self.logs.len() {
            self.read(at, usize::MAX);
        }
    }

    /// The brokers lose the last records that were read of a partition, and what is behind them. That is noticed.
    pub(crate) fn truncate(&mut self, at: usize, count: usize) {
        let end = self.read[at].saturating_sub(count);
        if end < self.read[at] {
            self.read[at] = end;
            self.logs[at].truncate(end);
            self.members.spoil(TOPIC, self.at());
        }
    }

    /// Nothing reaches the topic from now on, until it flows again.
    pub(crate) fn stall(&mut self, at: usize) {
        self.stalled[at].get_or_insert(self.now);
    }

    pub(crate) fn flow(&mut self, at: usize) {
        self.stalled[at] = None;
        let waiting = std::mem::take(&mut self.waiting[at]);
        self.logs[at].extend(waiting);
        if at == 0 {
            self.boundaries.append(&mut self.waiting_boundaries);
        }
    }

    pub(crate) fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now += 1;
            for at in 0..self.stalled.len() {
                // The one thing that is taken for granted: nothing comes later than that.
                if self.stalled[at].is_some_and(|since| self.now - since >= WITHIN) {
                    self.flow(at);
                }
            }
            self.ask();
            self.take();
        }
    }

    pub(crate) fn ask(&mut self) {
        while let Some(question) = self.members.question(self.at()) {
            let table: Ends = (1..self.logs.len())
                .map(|at| (at as i32 - 1, self.logs[at].len() as i64))
                .collect();
            let begins = BTreeMap::from([(0, self.boundaries.len() as i64)]);
            let ends = self.brokers_answer.then_some((table, begins));
            self.members.answer(&question, ends, self.at());
        }
    }

    pub(crate) fn take(&mut self) {
        self.missing.extend(self.members.judge());
        let Outcomes {
            complete,
            missing,
            unjudged,
        } = self.members.take_outcomes();
        self.outcomes.complete += complete;
        self.outcomes.missing += missing;
        self.outcomes.unjudged += unjudged;
    }
}
