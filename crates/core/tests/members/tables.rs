//! Several tables of one database, and what the brokers are asked about them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use freshet_core::members::{EndsQuestion, Members, MembersLimits, Outcomes};
use freshet_core::position::Steady;
use freshet_core::transaction::{Boundary, Member, TransactionId};

use crate::world::{BOUNDARIES, SETTLED, TOPIC as ITEMS, WITHIN};

const ORDERS: &str = "shop.public.orders";

/// The counts at the end of a transaction that changed one row in both tables.
const BOTH: [(&str, u64); 2] = [("public.items", 1), ("public.orders", 1)];

/// A database with two tables. Each topic has one partition, and records are read as they come.
struct Shop {
    seconds: u64,
    members: Members,
    boundaries: i64,
    rows: BTreeMap<&'static str, i64>,
}

impl Shop {
    /// Nothing is read here yet.
    fn new(limits: MembersLimits) -> Self {
        let tables = [("public.items", ITEMS), ("public.orders", ORDERS)];
        let tables = tables.map(|(table, topic)| (Arc::from(table), Arc::from(topic)));
        let within = Duration::from_secs(WITHIN);
        let tables = tables.into_iter();
        Self {
            seconds: 0,
            members: Members::new(Arc::from(BOUNDARIES), tables, within, limits),
            boundaries: 0,
            rows: BTreeMap::from([(ITEMS, 0), (ORDERS, 0)]),
        }
    }

    /// Both tables are judged from here on.
    fn settled(limits: MembersLimits) -> Self {
        let mut shop = Self::new(limits);
        for topic in [BOUNDARIES, ITEMS, ORDERS] {
            assert!(shop.members.assigned(topic, 0, shop.now()));
        }
        shop.pass(SETTLED - WITHIN);
        shop.pass(WITHIN);
        shop.change(ITEMS, 1);
        shop.change(ORDERS, 1);
        shop.end(1, &BOTH);
        assert_eq!(shop.members.take_outcomes().complete, 2);
        shop
    }

    fn now(&self) -> Steady {
        Steady(self.seconds * 1_000_000)
    }

    /// Time passes, then the brokers are asked.
    fn pass(&mut self, seconds: u64) {
        self.seconds += seconds;
        while let Some(question) = self.members.question(self.now()) {
            self.answer(&question);
        }
    }

    /// The question about the items that is asked in so many seconds and not before.
    fn asked_in(&mut self, seconds: u64) -> EndsQuestion {
        self.seconds += seconds - 1;
        assert_eq!(self.members.question(self.now()), None, "too early");
        self.seconds += 1;
        let question = self.members.question(self.now());
        let question = question.expect("asked");
        assert_eq!(&*question.topic, ITEMS);
        question
    }

    fn answer(&mut self, question: &EndsQuestion) {
        let ends = BTreeMap::from([(0, self.rows[&*question.topic])]);
        let begins = BTreeMap::from([(0, self.boundaries)]);
        self.members
            .answer(question, Some((ends, begins)), self.now());
    }

    fn boundary(&mut self, number: u64, counts: Option<&[(&str, u64)]>) {
        let text = format!("{number}:{}", number * 100);
        let owned = |counts: &[(&str, u64)]| {
            let named = counts
                .iter()
                .map(|(table, count)| (table.to_string(), *count));
            named.collect()
        };
        let boundary = Boundary {
            transaction: TransactionId::of(&text),
            text,
            counts: counts.map(owned),
        };
        self.boundaries += 1;
        let (offset, now) = (self.boundaries - 1, self.now());
        self.members.note_boundary(boundary, 0, offset, now);
    }

    fn begin(&mut self, number: u64) {
        self.boundary(number, None);
    }

    fn end(&mut self, number: u64, counts: &[(&str, u64)]) {
        self.boundary(number, Some(counts));
    }

    /// The only change of a transaction in a table.
    fn change(&mut self, topic: &'static str, number: u64) {
        let next = self.rows.entry(topic).or_default();
        self.members.note_read(topic, 0, *next);
        *next += 1;
        let member = Member {
            transaction: TransactionId::of(&format!("{number}:7")),
            order: 1,
        };
        self.members.note_member(topic, member);
    }

    /// The topics in which changes are missing.
    fn missing(&mut self) -> Vec<String> {
        let missing = self.members.judge().into_iter();
        missing.map(|missing| missing.topic.to_string()).collect()
    }
}

#[test]
fn a_topic_of_another_database_is_none_of_this_one() {
    let mut shop = Shop::settled(MembersLimits::default());
    let now = shop.now();
    assert!(!shop.members.assigned("store.public.items", 0, now));
}

#[test]
fn a_change_that_says_nothing_spoils_its_own_table_and_a_lost_boundary_all() {
    for (spoiled, missing) in [
        (ITEMS, vec![ORDERS]),
        (ORDERS, vec![ITEMS]),
        (BOUNDARIES, vec![]),
        ("store.public.items", vec![ITEMS, ORDERS]),
    ] {
        let mut shop = Shop::settled(MembersLimits::default());
        shop.begin(2);
        shop.end(2, &BOTH);
        shop.members.spoil(spoiled, shop.now());
        let outcomes = shop.members.take_outcomes();
        assert_eq!(outcomes.unjudged, 2 - missing.len() as u64, "{spoiled}");
        shop.pass(WITHIN);
        assert_eq!(shop.missing(), missing, "{spoiled}");
    }
}

#[test]
fn each_table_of_a_transaction_is_counted_once_however_often_its_end_comes() {
    let mut shop = Shop::settled(MembersLimits::default());
    shop.begin(2);
    for _ in 0..3 {
        // The change in the other table never comes.
        shop.change(ITEMS, 2);
        shop.end(2, &BOTH);
    }
    let expected = Outcomes {
        complete: 1,
        missing: 0,
        unjudged: 1,
    };
    assert_eq!(shop.members.take_outcomes(), expected);
    shop.pass(WITHIN);
    assert_eq!(shop.missing(), [""; 0]);
    assert_eq!(shop.members.take_outcomes(), Outcomes::default());
}

#[test]
fn what_was_given_up_is_counted_for_each_table_that_is_watched() {
    let limits = MembersLimits {
        open_max: 1,
        ..MembersLimits::default()
    };
    let mut shop = Shop::settled(limits);
    shop.change(ITEMS, 2);
    shop.change(ITEMS, 3);
    shop.end(2, &[BOTH[0], BOTH[1], ("public.nobody", 1)]);
    assert_eq!(shop.members.take_outcomes().unjudged, 2);
}

#[test]
fn the_brokers_are_asked_twice_about_each_table_that_is_read() {
    let mut shop = Shop::new(MembersLimits::default());
    for topic in [BOUNDARIES, ITEMS] {
        shop.members.assigned(topic, 0, shop.now());
    }
    for wait in [SETTLED - WITHIN, WITHIN] {
        let question = shop.asked_in(wait);
        assert_eq!(shop.members.question(shop.now()), None, "it is under way");
        // The brokers take their time.
        shop.seconds += 3;
        shop.answer(&question);
    }
    shop.seconds += 10 * WITHIN;
    assert_eq!(shop.members.question(shop.now()), None, "all is known");
}

#[test]
fn a_table_that_others_read_too_is_asked_about_once_in_the_time_given() {
    let mut shop = Shop::new(MembersLimits::default());
    for topic in [BOUNDARIES, ITEMS] {
        shop.members.assigned(topic, 0, shop.now());
    }
    shop.members.assigned(ITEMS, 7, shop.now());
    for wait in [SETTLED - WITHIN, WITHIN, WITHIN] {
        let question = shop.asked_in(wait);
        shop.answer(&question);
    }
}

#[test]
fn an_answer_to_what_was_asked_before_a_rebalance_says_nothing() {
    let mut shop = Shop::settled(MembersLimits::default());
    shop.members.spoil(ITEMS, shop.now());
    shop.seconds += WITHIN;
    let question = shop.members.question(shop.now()).expect("about the items");
    shop.members.revoked(ITEMS, 0, shop.now());
    shop.members.assigned(ITEMS, 0, shop.now());
    shop.answer(&question);
    let again = shop.asked_in(SETTLED - WITHIN);
    assert_eq!(again.asked_at, shop.now());
}
