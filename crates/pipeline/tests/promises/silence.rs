//! P2: a connector that has stopped does not look like a database at rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use freshet_core::position::{Steady, WallMicros};
use freshet_pipeline::clock::Clock;

use crate::support::{Topic, until};
use crate::world::World;

const BEAT: &str = r#"{"ts_ms":1}"#;

/// A clock that can be put forward by whole seconds.
fn clock_ahead_by(seconds: &Arc<AtomicU64>) -> Clock {
    let (start, seconds) = (Instant::now(), Arc::clone(seconds));
    let steady = move || {
        let ahead = Duration::from_secs(seconds.load(Ordering::Relaxed));
        Steady(1).plus(start.elapsed() + ahead)
    };
    let wall = || {
        let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        WallMicros(since.as_micros() as u64)
    };
    Clock::from_hands(steady, wall)
}

#[test]
fn p2_a_connector_that_falls_silent_is_told_of_until_it_is_heard() {
    let (ahead, heartbeats) = (Arc::new(AtomicU64::new(0)), Topic::default());
    let world = World {
        heartbeats: Some(heartbeats.clone()),
        clock: clock_ahead_by(&ahead),
        ..World::new()
    };
    heartbeats.push(BEAT);
    let running = world.start();
    let is_ready = || running.status.is_ready("source shop");
    until("it is heard", || heartbeats.committed() == Some(0));
    assert!(is_ready());
    ahead.store(31, Ordering::Relaxed);
    until("it is missed", || !is_ready());
    let unready = running.status.unready();
    let shop = unready.iter().find(|it| it.part == "source shop");
    let reason = &shop.expect("it is told").reason;
    assert!(reason.starts_with("no heartbeat for 31 s"), "{reason}");
    until("what is cached is unproven", || {
        !running.status.is_ready("family catalog.item")
    });
    // Gaps of other partitions are gathered for a second.
    ahead.store(33, Ordering::Relaxed);
    until("its table's family is purged", || {
        world.redis.purged() == ["catalog:v1:item:*"]
    });
    until("what is cached is proven again", || {
        running.status.is_ready("family catalog.item")
    });
    assert!(!is_ready(), "it is not heard yet");
    heartbeats.push(BEAT);
    until("it is heard again", is_ready);
    assert!(running.stop());
}
