//! P1, P3, P8 and P10: what is settled was purged, the store before the edge, whatever is lost or stopped meanwhile.

use std::time::{Duration, Instant};

use crate::support::{insert, until};
use crate::world::{LANE_TOPIC, World};

#[test]
fn p1_offsets_follow_purges_and_never_lead() {
    let world = World::new();
    world.redis.hang(true);
    for id in 0..40 {
        world.changes.push(insert(id, 7));
    }
    let running = world.start();
    until("a purge hangs", || world.redis.hung() > 0);
    world.until_looked_on();
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
    until("a purge hangs", || world.redis.hung() > 0);
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

/// The edge does not wait for a store that hangs, and is purged again behind it: it may have refilled from there.
#[test]
fn a_cdn_purge_follows_its_redis_purge() {
    let world = World::new();
    world.redis.hang(true);
    world.changes.push(insert(1, 7));
    let running = world.start();
    until("a purge hangs", || world.redis.hung() > 0);
    until("edge purged", || world.edge.purged() == ["category-7"]);
    world.until_looked_on();
    assert_eq!(world.edge.purged().len(), 1);
    assert_eq!(world.changes.committed(), None);
    world.redis.hang(false);
    until("edge purged again", || world.edge.purged().len() == 2);
    until("committed", || world.changes.committed() == Some(0));
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

#[test]
fn p10_stops_in_time_with_a_target_that_hangs() {
    let world = World::new();
    world.redis.hang(true);
    world.changes.push(insert(1, 7));
    let running = world.start();
    until("a purge hangs", || world.redis.hung() > 0);
    let begun = Instant::now();
    assert!(running.stop());
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "took {:?}",
        begun.elapsed()
    );
    assert_eq!(world.changes.committed(), None);
}
