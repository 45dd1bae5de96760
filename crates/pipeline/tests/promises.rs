//! The pipeline's promises on memory ports, with the real stages between them.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use freshet_core::purge::PurgeOutcome;
use freshet_pipeline::backoff::Backoff;
use freshet_pipeline::clock::Clock;
use freshet_pipeline::round::{Bounds, Window};
use freshet_pipeline::rules::RulesInForce;
use freshet_pipeline::run::{OutboxLane, Parts, Settings, run};
use freshet_pipeline::status::Status;
use freshet_wire::DeadLetter;
use freshet_wire::Limits;
use support::{MemoryCache, MemoryOutbox, NoSchemas, Topic, insert, registry, until};
use tokio::sync::watch;

const LANE_TOPIC: &str = "freshet.purges.edge";
const DEAD_LETTERS: &str = "freshet.dead-letters";

/// The pipeline between memory ports, on a runtime of its own.
struct Running {
    stop: watch::Sender<bool>,
    thread: Option<std::thread::JoinHandle<bool>>,
    status: Status,
}

struct World {
    changes: Topic,
    outbox: MemoryOutbox,
    redis: MemoryCache,
    edge: MemoryCache,
}

impl World {
    fn new() -> Self {
        Self {
            changes: Topic::default(),
            outbox: MemoryOutbox::default(),
            redis: MemoryCache::default(),
            edge: MemoryCache::default(),
        }
    }

    fn start(&self) -> Running {
        let quick = Backoff::new(Duration::from_millis(1), Duration::from_millis(5));
        let bounds = Bounds {
            commit_every: Duration::from_millis(1),
            ..Bounds::default()
        };
        let status = Status::default();
        let parts = Parts {
            rules: RulesInForce::new(registry()),
            status: status.clone(),
            clock: Clock::system(),
            settings: Settings {
                intake: Bounds {
                    round_records_max: 16,
                    rounds_in_flight_max: 2,
                    ..bounds
                },
                lane: Bounds {
                    rounds_in_flight_max: 1,
                    ..bounds
                },
                backoff: quick,
                sample_every: None,
                dead_letter_topic: Arc::from(DEAD_LETTERS),
                ping_every: Duration::from_millis(50),
                drain_within: Duration::from_millis(300),
                limits: Limits::default(),
            },
            intakes: vec![(self.changes.source("shop.public.items"), NoSchemas)],
            inline: BTreeMap::from([(Arc::from("main"), Arc::new(self.redis.clone()))]),
            outbox_lanes: vec![OutboxLane {
                target: Arc::from("edge"),
                topic: Arc::from(LANE_TOPIC),
                source: self.outbox.topic(LANE_TOPIC).source(LANE_TOPIC),
                purger: Arc::new(self.edge.clone()),
                window: Window {
                    quiet: Duration::from_millis(5),
                    max_wait: Duration::from_millis(20),
                },
            }],
            outbox: Arc::new(self.outbox.clone()),
            samples: None,
        };
        let (stop, stopped) = watch::channel(false);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build();
            runtime
                .expect("a runtime")
                .block_on(run(parts, stopped))
                .is_ok()
        });
        Running {
            stop,
            thread: Some(thread),
            status,
        }
    }
}

impl Running {
    fn stop(mut self) -> bool {
        self.stop.send_replace(true);
        self.thread
            .take()
            .expect("running")
            .join()
            .expect("no panic")
    }
}

#[test]
fn p1_offsets_follow_purges_and_never_lead() {
    let world = World::new();
    world.redis.hang(true);
    for id in 0..40 {
        world.changes.push(insert(id, 7));
    }
    let running = world.start();
    until("the lane waits", || !running.status.parts().is_empty());
    std::thread::sleep(Duration::from_millis(50)); // long enough to commit wrongly
    assert_eq!(
        world.changes.committed(),
        None,
        "committed before any purge was answered"
    );
    world.redis.hang(false);
    until("all committed", || world.changes.committed() == Some(39));
    assert_eq!(world.redis.purged().len(), 40);
    assert!(running.stop());
}

#[test]
fn p1_what_was_not_settled_comes_again_after_a_crash() {
    let world = World::new();
    world.redis.hang(true);
    for id in 0..10 {
        world.changes.push(insert(id, 7));
    }
    let first = world.start();
    until("begun", || !first.status.parts().is_empty());
    // Stopped while the target hangs: nothing was settled, nothing may be committed.
    assert!(first.stop());
    assert_eq!(world.changes.committed(), None);
    world.redis.hang(false);
    let second = world.start();
    until("all committed", || world.changes.committed() == Some(9));
    let mut purged = world.redis.purged();
    purged.sort();
    purged.dedup();
    assert_eq!(purged.len(), 10);
    assert!(second.stop());
}

#[test]
fn a_cdn_purge_follows_its_redis_purge() {
    let world = World::new();
    world.redis.hang(true);
    world.changes.push(insert(1, 7));
    let running = world.start();
    until("begun", || !running.status.parts().is_empty());
    std::thread::sleep(Duration::from_millis(50)); // long enough to run ahead wrongly
    assert!(
        world.edge.purged().is_empty(),
        "the edge was purged before the store"
    );
    assert_eq!(world.outbox.topic(LANE_TOPIC).len(), 0);
    world.redis.hang(false);
    until("edge purged", || world.edge.purged() == ["category-7"]);
    assert!(running.stop());
}

#[test]
fn p3_a_lost_reply_only_purges_twice() {
    let world = World::new();
    world.outbox.lose_replies(2);
    world.changes.push(insert(1, 7));
    let running = world.start();
    until("committed", || world.changes.committed() == Some(0));
    until("edge purged", || !world.edge.purged().is_empty());
    assert_eq!(
        world.outbox.topic(LANE_TOPIC).len(),
        3,
        "appended until it was acknowledged"
    );
    assert!(running.stop());
}

#[test]
fn p4_poison_is_put_aside_and_its_family_is_purged() {
    let world = World::new();
    world.changes.push("{ this is not a change");
    world.changes.push(insert(2, 8));
    let running = world.start();
    until("poison does not block", || {
        world.changes.committed() == Some(1)
    });
    assert!(
        world
            .redis
            .purged()
            .contains(&"catalog:v1:item:".to_owned()),
        "family scope"
    );
    assert!(
        world
            .redis
            .purged()
            .contains(&"catalog:v1:item:2".to_owned())
    );
    until("edge family", || {
        world.edge.purged().contains(&"catalog.item".to_owned())
    });
    let letters = world.outbox.topic(DEAD_LETTERS).values();
    assert_eq!(letters.len(), 1);
    let letter = DeadLetter::decode(&letters[0]).expect("readable");
    assert_eq!(
        (letter.topic.as_str(), letter.offset),
        ("shop.public.items", 0)
    );
    assert_eq!(letter.families, ["catalog.item"]);
    assert!(
        !letter.detail.contains("this is not"),
        "row data in {}",
        letter.detail
    );
    assert!(running.stop());
}

#[test]
fn a_target_that_fails_is_asked_again_until_it_answers() {
    let world = World::new();
    world.redis.fail_with(&[
        PurgeOutcome::Unreachable,
        PurgeOutcome::Throttled { retry_after_ms: 1 },
        PurgeOutcome::Forgotten,
    ]);
    world.changes.push(insert(1, 7));
    let running = world.start();
    until("committed", || world.changes.committed() == Some(0));
    assert_eq!(world.redis.purged(), ["catalog:v1:item:1"]);
    assert!(world.redis.calls() >= 4);
    assert!(running.stop());
}

#[test]
fn p4_a_refused_purge_is_isolated_and_widened() {
    let world = World::new();
    world.edge.refuse("category-13");
    for category in 10..20 {
        world.changes.push(insert(category, category));
    }
    let running = world.start();
    let all_but_one = || {
        (10..20)
            .filter(|it| *it != 13)
            .all(|it| world.edge.purged().contains(&format!("category-{it}")))
    };
    until("the others are purged", all_but_one);
    until("the family is purged instead", || {
        world.edge.purged().contains(&"catalog.item".to_owned())
    });
    until("told", || world.outbox.topic(DEAD_LETTERS).len() == 1);
    let lane = world.outbox.topic(LANE_TOPIC);
    until("lane settled", || {
        lane.committed() == Some(lane.len() as u64 - 1)
    });
    assert!(running.stop());
}

#[test]
fn p10_stops_in_time_with_a_target_that_hangs() {
    let world = World::new();
    world.redis.hang(true);
    world.changes.push(insert(1, 7));
    let running = world.start();
    until("begun", || !running.status.parts().is_empty());
    let begun = std::time::Instant::now();
    assert!(running.stop());
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "took {:?}",
        begun.elapsed()
    );
    assert_eq!(world.changes.committed(), None);
}

#[test]
fn equal_purges_of_a_burst_are_merged() {
    let world = World::new();
    world.redis.hang(true);
    for _ in 0..200 {
        world.changes.push(insert(1, 7));
    }
    let running = world.start();
    until("begun", || !running.status.parts().is_empty());
    world.redis.hang(false);
    until("committed", || world.changes.committed() == Some(199));
    assert!(
        world.redis.purged().len() <= 200 / 10,
        "{} purges",
        world.redis.purged().len()
    );
    assert!(running.stop());
}
