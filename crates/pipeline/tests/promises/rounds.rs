//! What a round is made of, and what waiting for it costs.

use std::time::{Duration, Instant};

use freshet_core::purge::PurgeOutcome;

use crate::support::{insert, until};
use crate::world::World;

#[test]
fn equal_purges_of_a_burst_are_merged() {
    let world = World::new();
    world.redis.hang(true);
    for _ in 0..200 {
        world.changes.push(insert(1, 7));
    }
    let running = world.start();
    until("a purge hangs", || world.redis.hung() > 0);
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

/// Rounds that wait for a late store are not counted, but what they hold is: twice the 64 purges of a round.
#[test]
fn p6_what_waits_for_a_late_store_is_bounded() {
    let world = World::new();
    world.redis.hang(true);
    for id in 0..500 {
        world.changes.push(insert(id, id));
    }
    let running = world.start();
    until("the edge goes on", || world.edge.purged().len() >= 64);
    let looks = world.changes.asked() + 200;
    until("the intake goes round", || world.changes.asked() >= looks);
    let purged = world.edge.purged().len();
    assert!(purged <= 64 + 16, "{purged} changes are under way");
    world.redis.hang(false);
    until("all committed", || world.changes.committed() == Some(499));
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
    until("two rounds hang", || world.redis.hung() == 2);
    let looks = world.changes.asked() + 20;
    until("all are taken", || world.changes.asked() >= looks);
    rests(&world);
    world.redis.hang(false);
    until("all committed", || world.changes.committed() == Some(39));
    assert!(running.stop());
}

#[test]
fn nobody_spins_while_nothing_comes() {
    let world = World::new();
    let running = world.start();
    until("it looks", || world.changes.asked() >= 20);
    rests(&world);
    assert!(running.stop());
}

/// The source is asked no more than about once in a millisecond.
fn rests(world: &World) {
    let (begun, asked) = (Instant::now(), world.changes.asked());
    std::thread::sleep(Duration::from_millis(300)); // what is looked at is what happens in it
    let asked = world.changes.asked() - asked;
    let most = begun.elapsed().as_millis() as usize * 3 / 2;
    assert!(asked <= most, "asked {asked} times, {most} at most");
}
