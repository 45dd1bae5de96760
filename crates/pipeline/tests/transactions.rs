//! Missing changes of transactions, through the real stages on memory ports.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use freshet_pipeline::beacon::Beacons;
use freshet_pipeline::clock::Clock;
use freshet_pipeline::parts::{BacklogLane, Parts, Settings, TargetParts};
use freshet_pipeline::round::Bounds;
use freshet_pipeline::rules::RulesInForce;
use freshet_pipeline::status::Status;
use freshet_pipeline::transactions::Transactions;
use support::running::{Running, quick_settings};
use support::{
    MemoryCache, MemoryOutbox, MemoryTopics, MemoryTopicsSource, NoSchemas, Topic, boundary,
    insert_of, registry, until,
};

const WITHIN: Duration = Duration::from_millis(150);
const FAMILY: &str = "catalog:v1:item:*";

#[derive(Default)]
struct World {
    changes: Topic,
    boundaries: Topic,
    redis: MemoryCache,
    outbox: MemoryOutbox,
}

impl World {
    fn topics(&self) -> MemoryTopics {
        MemoryTopics(vec![
            ("shop.public.items", self.changes.clone()),
            ("shop.transaction", self.boundaries.clone()),
        ])
    }

    fn start(&self) -> Running {
        let backlog = |topic: &str| BacklogLane {
            topic: Arc::from(topic),
            source: MemoryTopics::default().source(),
            after: Duration::from_secs(60),
            replay: None,
            purges_per_second: None,
        };
        let target = |name: &str, purger: MemoryCache| TargetParts {
            name: Arc::from(name),
            purger: Arc::new(purger),
            live: None,
            backlog: backlog(&format!("freshet.backlog.{name}")),
        };
        let parts: Parts<MemoryTopicsSource, _, _, _> = Parts {
            rules: RulesInForce::new(registry()),
            status: Status::default(),
            clock: Clock::system(),
            settings: settings(self.topics()),
            intakes: vec![(self.topics().source(), NoSchemas)],
            targets: vec![
                target("main", self.redis.clone()),
                target("edge", MemoryCache::default()),
            ],
            outbox: Arc::new(self.outbox.clone()),
            samples: None,
            settled: None,
            beacons: Beacons::default(),
            reads: None,
        };
        Running::start(parts)
    }

    /// A transaction of `counted` changes of which those in `arrive` do.
    fn commit(&self, transaction: u64, counted: u64, arrive: &[u64]) {
        self.boundaries.push(boundary(transaction, None));
        for &order in arrive {
            self.changes
                .push(insert_of(transaction * 10 + order, transaction, order));
        }
        self.boundaries.push(boundary(transaction, Some(counted)));
    }

    fn family_purges(&self) -> usize {
        let purged = self.redis.purged();
        purged.iter().filter(|name| *name == FAMILY).count()
    }

    fn all_is_committed(&self) -> bool {
        let whole = |topic: &Topic| topic.committed() == (topic.len() as u64).checked_sub(1);
        whole(&self.changes) && whole(&self.boundaries)
    }

    /// Whole transactions until the pipeline has had the time to begin to judge.
    fn warm_up(&self, from: u64) {
        let enough = Instant::now() + 4 * WITHIN;
        let mut transaction = from;
        while Instant::now() < enough {
            self.commit(transaction, 2, &[1, 2]);
            until("taken", || self.all_is_committed());
            transaction += 1;
        }
    }
}

fn settings(topics: MemoryTopics) -> Settings {
    let quick = quick_settings();
    let bounds = Bounds {
        idle_wait: Duration::from_millis(1),
        ..quick.intake
    };
    Settings {
        intake: bounds,
        lane: bounds,
        transactions: Transactions {
            within: BTreeMap::from([(Arc::from("shop"), WITHIN)]),
            ends: Some(Arc::new(topics)),
        },
        ..quick
    }
}

#[test]
fn where_transactions_begin_and_end_is_read() {
    let transactions = settings(MemoryTopics::default()).transactions;
    let topics: Vec<String> = transactions.topics().collect();
    assert_eq!(topics, ["shop.transaction"]);
}

#[test]
fn p5_a_missing_change_of_a_transaction_is_exactly_one_family_purge() {
    let world = World::default();
    let running = world.start();
    world.warm_up(1);
    assert_eq!(world.family_purges(), 0, "whole ones are none");
    world.commit(50_000, 3, &[1, 3]);
    until("purged as a whole", || world.family_purges() == 1);
    world.warm_up(60_000);
    assert_eq!(world.family_purges(), 1);
    assert!(running.stop());
}

#[test]
fn p5_a_restart_between_a_change_and_its_end_is_no_missing_change() {
    let world = World::default();
    let running = world.start();
    world.changes.push(insert_of(1, 50_000, 1));
    until("taken", || world.changes.committed() == Some(0));
    assert!(running.stop());
    // The change is committed; of its transaction nothing is.
    world.boundaries.push(boundary(50_000, None));
    let running = world.start();
    world.warm_up(1);
    world.boundaries.push(boundary(50_000, Some(1)));
    world.warm_up(60_000);
    // The connector starts again too, and sends the end once more.
    world.boundaries.push(boundary(50_000, Some(1)));
    world.warm_up(70_000);
    assert_eq!(world.family_purges(), 0);
    // It is judged, and what is really missing is told.
    world.commit(80_000, 3, &[1, 3]);
    until("purged as a whole", || world.family_purges() == 1);
    assert!(running.stop());
}
