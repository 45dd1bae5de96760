//! The pipeline's promises on memory ports, with the real stages between them.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use freshet_core::position::UnixMicros;
use freshet_core::purge::PurgeOutcome;
use freshet_core::registry::{PurgeMode, Scope};
use freshet_pipeline::backoff::{Backoff, Dice};
use freshet_pipeline::canary::Canaries;
use freshet_pipeline::clock::Clock;
use freshet_pipeline::heartbeat::Heartbeats;
use freshet_pipeline::parts::{BacklogLane, Drive, LiveLane, Parts, Settings, TargetParts};
use freshet_pipeline::round::{Bounds, Window};
use freshet_pipeline::rules::RulesInForce;
use freshet_pipeline::run::run;
use freshet_pipeline::status::Status;
use freshet_pipeline::transactions::Transactions;
use freshet_wire::{DeadLetter, Limits, OuterPurges, PurgeRequest, RequestedPurge};
use support::{MemoryCache, MemoryOutbox, MemorySource, NoSchemas, Topic, insert, registry, until};
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
    /// A live purge that is not done within this goes to the backlog.
    spill_after: Duration,
    purges_per_second: Option<u32>,
}

impl World {
    fn new() -> Self {
        Self {
            changes: Topic::default(),
            outbox: MemoryOutbox::default(),
            redis: MemoryCache::default(),
            edge: MemoryCache::default(),
            spill_after: Duration::from_secs(60),
            purges_per_second: None,
        }
    }

    fn backlog(&self, topic: &str) -> BacklogLane<MemorySource> {
        BacklogLane {
            topic: Arc::from(topic),
            source: self.outbox.topic(topic).source(topic),
            after: self.spill_after,
            replay: Some(Duration::from_secs(10)),
            purges_per_second: self.purges_per_second,
        }
    }

    fn start(&self) -> Running {
        let status = Status::default();
        let parts = Parts {
            rules: RulesInForce::new(registry()),
            status: status.clone(),
            clock: Clock::system(),
            settings: settings(),
            intakes: vec![(self.changes.source("shop.public.items"), NoSchemas)],
            targets: vec![
                TargetParts {
                    name: Arc::from("main"),
                    purger: Arc::new(self.redis.clone()),
                    live: None,
                    backlog: self.backlog("freshet.backlog.main"),
                },
                TargetParts {
                    name: Arc::from("edge"),
                    purger: Arc::new(self.edge.clone()),
                    live: Some(LiveLane {
                        topic: Arc::from(LANE_TOPIC),
                        source: self.outbox.topic(LANE_TOPIC).source(LANE_TOPIC),
                        window: Window {
                            quiet: Duration::from_millis(5),
                            max_wait: Duration::from_millis(20),
                        },
                    }),
                    backlog: self.backlog("freshet.backlog.edge"),
                },
            ],
            outbox: Arc::new(self.outbox.clone()),
            samples: None,
            canaries: Canaries::default(),
            reads: None,
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

fn settings() -> Settings {
    let quick = Backoff::new(Duration::from_millis(1), Duration::from_millis(5));
    let bounds = Bounds {
        commit_every: Duration::from_millis(1),
        ..Bounds::default()
    };
    Settings {
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
        dice: Dice::default(),
        sample_every: None,
        dead_letter_topic: Arc::from(DEAD_LETTERS),
        ping_every: Duration::from_millis(50),
        drain_within: Duration::from_millis(300),
        limits: Limits::default(),
        heartbeats: Heartbeats::default(),
        transactions: Transactions::default(),
        drive: Drive::Threads,
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
fn nobody_spins_while_every_round_is_under_way() {
    let world = World::new();
    world.redis.hang(true);
    let running = world.start();
    // Two rounds of 16 are under way, and one that is not full waits for either.
    for id in 0..40 {
        world.changes.push(insert(id, 7));
    }
    until("the lane waits", || !running.status.parts().is_empty());
    let looks = world.changes.asked() + 20;
    until("all are taken", || world.changes.asked() >= looks);
    let (begun, asked) = (Instant::now(), world.changes.asked());
    std::thread::sleep(Duration::from_millis(300)); // what is looked at is what happens in it
    let asked = world.changes.asked() - asked;
    let most = begun.elapsed().as_millis() as usize * 3 / 2;
    assert!(asked <= most, "asked {asked} times, {most} at most");
    world.redis.hang(false);
    until("all committed", || world.changes.committed() == Some(39));
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

/// Purges of an edge family in a request, as a process of an earlier registry left them.
fn left_behind(names: &[&str]) -> PurgeRequest {
    let purges = names.iter().map(|name| RequestedPurge {
        family: "catalog.gone".to_owned(),
        scope: Scope::Tag,
        mode: PurgeMode::Hard,
        name: name.as_bytes().to_vec(),
        committed: UnixMicros(0),
    });
    PurgeRequest {
        target: "edge".to_owned(),
        revision: "an earlier one".to_owned(),
        purges: purges.collect(),
        then: vec![OuterPurges {
            target: "a target that is gone".to_owned(),
            purges: Vec::new(),
        }],
        requested: UnixMicros(1),
    }
}

#[test]
fn requests_of_a_family_that_the_registry_forgot_are_purged_all_the_same() {
    let world = World::new();
    world.edge.refuse("refused-1");
    let lane = world.outbox.topic(LANE_TOPIC);
    lane.push(left_behind(&["gone-1", "refused-1", "gone-2"]).encode());
    lane.push(left_behind(&["gone-3"]).encode());
    let running = world.start();
    until("the lane moves on", || lane.committed() == Some(1));
    let purged = world.edge.purged();
    for name in ["gone-1", "gone-2", "gone-3"] {
        assert!(purged.contains(&name.to_owned()), "{name}: {purged:?}");
    }
    // What is refused is put aside. There is no family left whose scope could be purged for it.
    let letters = world.outbox.topic(DEAD_LETTERS).values();
    let letters: Vec<DeadLetter> = letters
        .iter()
        .map(|letter| DeadLetter::decode(letter).expect("readable"))
        .collect();
    let reasons: Vec<&str> = letters.iter().map(|it| it.reason.as_str()).collect();
    assert_eq!(reasons, ["refused"]);
    assert!(running.stop());
}

#[test]
fn requests_that_cannot_be_read_purge_every_family_of_their_target() {
    let good = left_behind(&["gone-1"]).encode();
    let (header, _) = good.split_at(10);
    let newer = [&[0xc3, 0x01], &[7; 8][..], b"what a newer release says"].concat();
    // Two empty strings, then an array that says it has 2^62 purges.
    let endless = [header, &[0, 0], &[0xff; 8], &[0x7f]].concat();
    let records = [
        newer,
        endless,
        good[..good.len() / 2].to_vec(),
        vec![0xff; 1_000_000],
        Vec::new(),
        b"{\"purges\":[]}".to_vec(),
    ];
    for record in records {
        let told = format!("{:?}", &record[..record.len().min(20)]);
        let world = World::new();
        let lane = world.outbox.topic(LANE_TOPIC);
        lane.push(record);
        lane.push(left_behind(&["gone-1"]).encode());
        let running = world.start();
        until(&told, || lane.committed() == Some(1));
        let purged = world.edge.purged();
        assert!(purged.contains(&"catalog.item".to_owned()), "{told}");
        assert!(purged.contains(&"gone-1".to_owned()), "{told}");
        assert!(world.redis.purged().is_empty(), "an inner target: {told}");
        let letters = world.outbox.topic(DEAD_LETTERS).values();
        let letter = DeadLetter::decode(&letters[0]).expect("readable");
        assert_eq!(letter.reason, "bad_request", "{told}");
        assert_eq!(letter.families, ["catalog.item"], "{told}");
        assert_eq!(letters.len(), 1, "{told}");
        assert!(running.stop());
    }
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

#[test]
fn p6_a_store_that_hangs_costs_the_edge_no_freshness_and_its_work_waits_in_the_log() {
    let mut world = World::new();
    world.spill_after = Duration::from_millis(20);
    world.redis.hang(true);
    for id in 0..500 {
        world.changes.push(insert(id, id));
    }
    let running = world.start();
    until("the edge is purged all the same", || {
        world.edge.purged().len() >= 500
    });
    until("every position is settled", || {
        world.changes.committed() == Some(499)
    });
    assert!(world.redis.purged().is_empty());
    let backlog = world.outbox.topic("freshet.backlog.main");
    assert_eq!(backlog.committed(), None, "the backlog is not done");
    let edge_before = world.edge.purged().len();
    world.redis.hang(false);
    until("the backlog is worked off", || {
        backlog.committed() == Some(backlog.len() as u64 - 1)
    });
    let mut purged = world.redis.purged();
    purged.sort();
    purged.dedup();
    assert_eq!(purged.len(), 500, "nothing lost");
    // What the edge refilled from the store meanwhile was old: it is purged again behind the store.
    until("the edge follows", || {
        let again: std::collections::BTreeSet<String> = world
            .edge
            .purged()
            .split_off(edge_before)
            .into_iter()
            .collect();
        again.len() == 500
    });
    assert!(running.stop());
}

#[test]
fn p6_while_a_target_is_down_nobody_waits_for_it() {
    let mut world = World::new();
    world.spill_after = Duration::from_millis(100);
    world.redis.fail_for_ever(true);
    world.changes.push(insert(0, 7));
    let running = world.start();
    until("taken for down", || world.redis.calls() >= 4);
    let calls = world.redis.calls();
    let begun = std::time::Instant::now();
    for id in 0..2_000 {
        world.changes.push(insert(id, 7));
    }
    until("settled", || world.changes.committed() == Some(2_000));
    let (took, asked) = (begun.elapsed(), world.redis.calls() - calls);
    let budget = 30 + (took.as_secs_f64() * 250.0) as usize;
    assert!(asked < budget, "asked {asked} times in {took:?}");
    world.redis.fail_for_ever(false);
    until("nothing lost", || {
        let purged: std::collections::BTreeSet<String> = world.redis.purged().into_iter().collect();
        purged.len() == 2_000
    });
    assert!(running.stop());
}

/// The names that wait in a topic of purge requests.
fn requested(topic: &Topic) -> std::collections::BTreeSet<String> {
    let requests = topic.values().into_iter();
    let requests = requests.map(|it| PurgeRequest::decode(&it).expect("ours"));
    let names = requests.flat_map(|it| it.purges.into_iter().map(|purge| purge.name));
    names
        .map(|it| String::from_utf8_lossy(&it).into_owned())
        .collect()
}

#[test]
fn p6_a_silent_node_costs_only_its_own_names_and_nobody_waits_for_it() {
    // Whoever waited for it would wait longer than this test does.
    let world = World::new();
    let dead = ["catalog:v1:item:3", "catalog:v1:item:13"];
    world.redis.silence(&dead);
    let running = world.start();
    for id in 0..400 {
        world.changes.push(insert(id % 20, 7));
        let committed = || world.changes.committed() == Some(id);
        until("settled", committed);
    }
    let backlog = world.outbox.topic("freshet.backlog.main");
    assert_eq!(requested(&backlog), dead.map(str::to_owned).into());
    let purged: std::collections::BTreeSet<String> = world.redis.purged().into_iter().collect();
    assert_eq!(purged.len(), 18, "all others");
    let told = running.status.unready();
    let told = told.iter().find(|it| it.part == "target main");
    let told = told.expect("told all the time").reason.clone();
    assert!(told.contains("node"), "{told}");
    world.redis.silence(&[]);
    until("the backlog is worked off", || {
        backlog.committed() == Some(backlog.len() as u64 - 1)
    });
    let (before, spilled) = (world.redis.purged(), backlog.len());
    assert!(dead.iter().all(|name| before.iter().any(|it| it == name)));
    world.changes.push(insert(3, 7));
    until("settled", || world.changes.committed() == Some(400));
    assert_eq!(
        world.redis.purged().last().map(String::as_str),
        Some(dead[0])
    );
    assert_eq!(backlog.len(), spilled, "inline again");
    assert!(running.stop());
}

#[test]
fn p6_in_a_backlog_names_of_a_silent_node_hold_up_no_others_behind_them() {
    let mut world = World::new();
    world.redis.silence(&["catalog:v1:item:3"]);
    let running = world.start();
    world.changes.push(insert(3, 7));
    let backlog = world.outbox.topic("freshet.backlog.main");
    until("its name waits in the backlog", || backlog.len() > 0);
    assert!(running.stop());
    // Everything is spilled now, behind the name that cannot be asked for and has a round of its own.
    world.spill_after = Duration::from_millis(20);
    let calls = world.redis.calls();
    let running = world.start();
    until("the backlog is begun", || world.redis.calls() > calls);
    world.redis.fail_for_ever(true);
    (4..50).for_each(|id| world.changes.push(insert(id, 7)));
    until("all are stored", || world.changes.committed() == Some(46));
    assert!(world.redis.purged().is_empty());
    world.redis.fail_for_ever(false);
    until("all others are purged", || {
        let purged: std::collections::BTreeSet<String> = world.redis.purged().into_iter().collect();
        purged.len() == 46
    });
    assert!(
        world
            .redis
            .purged()
            .iter()
            .all(|name| name != "catalog:v1:item:3")
    );
    world.redis.silence(&[]);
    until("nothing is lost", || {
        world
            .redis
            .purged()
            .iter()
            .any(|name| name == "catalog:v1:item:3")
    });
    assert!(running.stop());
}

#[test]
fn p7_live_changes_come_first_and_the_backlog_keeps_its_pace() {
    let mut world = World::new();
    world.spill_after = Duration::from_millis(20);
    world.purges_per_second = Some(400);
    world.redis.hang(true);
    for id in 0..400 {
        world.changes.push(insert(id % 200, 7));
    }
    let running = world.start();
    until("all of it waits", || world.changes.committed() == Some(399));
    world.redis.hang(false);
    let back = std::time::Instant::now();
    // What came in while the target was taken for down is backlog; live is what comes after its first answer.
    until("it answers", || !world.redis.purged().is_empty());
    let before = world.redis.purged().len();
    world.changes.push(insert(9_999, 7));
    let live = "catalog:v1:item:9999".to_owned();
    until("the live change is purged", || {
        world.redis.purged().contains(&live)
    });
    let between = world.redis.purged().len() - before;
    assert!(between < 120, "{between} old ones went before the live one");
    let backlog = world.outbox.topic("freshet.backlog.main");
    until("the backlog is worked off", || {
        backlog.committed() == Some(backlog.len() as u64 - 1)
    });
    let purged = world.redis.purged().len() - 1;
    // Two slices may go at once: the one that hung, and the next, which was due meanwhile.
    let allowed = back.elapsed().as_secs_f64() * 400.0 + 80.0;
    assert!(
        (purged as f64) <= allowed,
        "{purged} purges in {:?}",
        back.elapsed()
    );
    assert!(purged >= 200);
    assert!(running.stop());
}

#[test]
fn a_request_grows_no_larger_than_a_broker_takes() {
    let mut world = World::new();
    world.spill_after = Duration::from_millis(1);
    world.redis.fail_for_ever(true);
    for id in 0..5_000 {
        world.changes.push(insert(id, id));
    }
    let running = world.start();
    until("settled", || world.changes.committed() == Some(4_999));
    for topic in ["freshet.backlog.main", LANE_TOPIC] {
        let largest = world
            .outbox
            .topic(topic)
            .values()
            .iter()
            .map(Vec::len)
            .max();
        assert!(largest < Some(600_000), "{topic}: {largest:?} bytes");
    }
    assert!(running.stop());
}

#[test]
fn p8_a_failover_resurrects_nothing_and_the_edge_follows() {
    let world = World::new();
    world.changes.push(insert(1, 7));
    let running = world.start();
    until("purged", || world.edge.purged() == ["category-7"]);
    // Nothing changes meanwhile: the next ping has to notice.
    world
        .redis
        .fail_over_to(&["catalog:v1:item:1", "unrelated"]);
    until("purged again", || world.redis.names() == ["unrelated"]);
    until("the edge follows", || world.edge.purged().len() == 2);
    assert_eq!(world.edge.purged()[1], "category-7");
    assert!(running.stop());
}
