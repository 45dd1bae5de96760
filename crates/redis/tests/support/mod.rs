//! What the tests of all topologies share.

use std::future::Future;
use std::time::{Duration, Instant};

use freshet_core::ports::Purger;
use freshet_core::position::WallMicros;
use freshet_core::purge::{PurgeBatch, PurgeReport, WantedPurge};
use freshet_core::registry::{FamilyId, PurgeMode, Scope, TargetId};
use freshet_redis::RedisPurger;

pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A batch of purges of one scope.
pub(crate) fn batch<N: AsRef<[u8]>>(scope: Scope, names: &[N]) -> PurgeBatch {
    let mut batch = PurgeBatch::new(TargetId(0));
    for name in names {
        let (family, mode, committed) = (FamilyId(0), PurgeMode::Hard, WallMicros(1));
        batch.add(WantedPurge {
            family,
            scope,
            mode,
            committed,
            name: name.as_ref(),
            cause: None,
        });
    }
    batch
}

/// Purges until everything is settled, as the pipeline does; the last report and how long it took.
pub(crate) async fn purge_until_settled(
    purger: &RedisPurger,
    batch: &PurgeBatch,
) -> (PurgeReport, Duration) {
    let begun = Instant::now();
    loop {
        let report = purger.purge(batch).await;
        if report.is_settled() {
            return (report, begun.elapsed());
        }
        assert!(begun.elapsed() < DEADLINE, "not settled: {report:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits for a condition.
pub(crate) async fn eventually<F: Future<Output = bool>>(
    what: &str,
    mut condition: impl FnMut() -> F,
) {
    let begun = Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < DEADLINE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
