//! P6 and P7: a target that is away costs nobody else, and live changes come first.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use freshet_wire::PurgeRequest;

use crate::support::{Topic, insert, until};
use crate::world::{LANE_TOPIC, World};

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
    assert!(world.redis.hung() > 0, "the store was asked and hung");
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
        let again: BTreeSet<String> = world
            .edge
            .purged()
            .split_off(edge_before)
            .into_iter()
            .collect();
        again.len() == 500
    });
    assert!(running.stop());
}

/// What follows outside of a backlog's target may be purged at once, too, and not only through a topic.
#[test]
fn p6_a_backlog_is_worked_off_though_what_is_outside_of_it_has_no_topic() {
    let mut world = World::new();
    world.is_edge_inline = true;
    world.spill_after = Duration::from_millis(20);
    world.redis.hang(true);
    world.changes.push(insert(1, 7));
    let running = world.start();
    until("settled", || world.changes.committed() == Some(0));
    assert!(world.redis.hung() > 0, "the store was asked and hung");
    let edge_before = world.edge.purged().len();
    world.redis.hang(false);
    let backlog = world.outbox.topic("freshet.backlog.main");
    until("the backlog is worked off", || {
        backlog.committed() == Some(backlog.len() as u64 - 1)
    });
    assert_eq!(world.redis.purged(), ["catalog:v1:item:1"]);
    assert!(world.edge.purged().len() > edge_before, "the edge follows");
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
    let begun = Instant::now();
    for id in 0..2_000 {
        world.changes.push(insert(id, 7));
    }
    until("settled", || world.changes.committed() == Some(2_000));
    let (took, asked) = (begun.elapsed(), world.redis.calls() - calls);
    let budget = 30 + (took.as_secs_f64() * 250.0) as usize;
    assert!(asked < budget, "asked {asked} times in {took:?}");
    world.redis.fail_for_ever(false);
    until("nothing lost", || {
        let purged: BTreeSet<String> = world.redis.purged().into_iter().collect();
        purged.len() == 2_000
    });
    assert!(running.stop());
}

/// Whatever waits in a topic says who asked for it and why, a change's purges and a poison record's alike; so does what
/// comes back from there and has to wait again.
#[test]
fn p12_what_waits_in_a_topic_says_who_asked_for_it_and_why() {
    let mut world = World::new();
    world.spill_after = Duration::from_millis(20);
    world.redis.fail_for_ever(true);
    world.changes.push(insert(1, 7));
    world.changes.push("{ this is not a change");
    let running = world.start();
    until("settled", || world.changes.committed() == Some(1));
    let causes = |topic: &str| -> BTreeSet<String> {
        let requests = world.outbox.topic(topic).values().into_iter();
        let requests = requests.map(|record| PurgeRequest::decode(&record).expect("ours"));
        let purges = requests.flat_map(|request| request.purges);
        let causes = purges.map(|purge| match purge.cause {
            Some(cause) => cause.to_string(),
            None => "a change".to_owned(),
        });
        causes.collect()
    };
    let poison = "poison by freshet: shop.public.items[0]@1: bad_json".to_owned();
    let wanted = BTreeSet::from(["a change".to_owned(), poison]);
    assert_eq!(causes("freshet.backlog.main"), wanted);
    assert_eq!(causes(LANE_TOPIC), wanted);
    assert!(running.stop());
}

/// The names that wait in a topic of purge requests.
fn requested(topic: &Topic) -> BTreeSet<String> {
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
    let purged: BTreeSet<String> = world.redis.purged().into_iter().collect();
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
        let purged: BTreeSet<String> = world.redis.purged().into_iter().collect();
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
    assert!(world.redis.hung() > 0, "the store was asked and hung");
    world.redis.hang(false);
    let back = Instant::now();
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
        let largest = largest.expect("something was requested");
        assert!(largest < 600_000, "{topic}: {largest} bytes");
    }
    assert!(running.stop());
}
