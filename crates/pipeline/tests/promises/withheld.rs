//! Why an offset is not committed is said: which position it is, since when, and what it waits for.

use std::time::Duration;

use freshet_core::position::Steady;
use freshet_pipeline::withheld::WaitsFor;

use crate::support::running::Running;
use crate::support::{insert, until};
use crate::world::World;

/// What the commits of the intake wait for, with the offset.
fn waits_for(running: &Running) -> Option<(u64, WaitsFor)> {
    let all = running
        .status
        .withheld_for(Duration::ZERO, Steady(u64::MAX));
    let mut all = all.into_iter().filter(|(part, _)| part == "intake 0");
    all.next().map(|(_, withheld)| {
        assert_eq!(
            (&*withheld.topic, withheld.partition),
            ("shop.public.items", 0)
        );
        (withheld.offset, withheld.waits_for)
    })
}

#[test]
fn p1_a_commit_that_waits_for_a_target_names_it() {
    let mut world = World::new();
    // Nothing goes to the backlog within this test.
    world.spill_after = Duration::from_secs(600);
    world.changes.push(insert(1, 7));
    let running = world.start();
    until("it flows", || world.changes.committed() == Some(0));
    until("nothing is withheld", || waits_for(&running).is_none());
    world.redis.hang(true);
    world.changes.push(insert(2, 7));
    world.changes.push(insert(3, 7));
    let of_main = Some((1, WaitsFor::Targets(vec!["main".into()])));
    until("the target is named", || waits_for(&running) == of_main);
    assert_eq!(world.changes.committed(), Some(0));
    world.redis.hang(false);
    running.stop();
}

#[test]
fn p5_a_commit_that_waits_for_a_gap_s_purges_says_so() {
    let world = World::new();
    world.changes.push(insert(1, 7));
    let running = world.start();
    until("it flows", || world.changes.committed() == Some(0));
    world.changes.lose();
    world.changes.push(insert(2, 7));
    until("the gap is named", || {
        waits_for(&running).is_some_and(|(_, waits_for)| waits_for == WaitsFor::Gaps)
    });
    until("purged, and committed", || {
        world.changes.committed() == Some(1)
    });
    until("nothing is withheld", || waits_for(&running).is_none());
    assert!(running.stop());
}
