//! replay: a server was replaced → its purges of the last seconds, and what is outside of it, once more.

use std::sync::Arc;
use std::time::Duration;

use freshet_core::broken::Promise;
use freshet_core::cause::{Cause, Reason};
use freshet_core::ports::{Outbox, Purger};
use freshet_core::purge::PurgeBatch;
use freshet_core::registry::Tier;

use crate::lanes::recent::Replay;
use crate::lanes::store::Store;
use crate::lanes::target::Target;
use crate::lanes::work::Work;

/// Keeps what was just answered by the server that `takeovers` had led to. When that one is gone meanwhile, the
/// purges go to the backlog like everything that was kept: first that, since an answer makes older ones grow old.
pub(crate) async fn keep<P: Purger, O: Outbox>(
    target: &Target<P>,
    store: &Store<O>,
    work: &Work<'_>,
    takeovers: u64,
) {
    let Some(recent) = &target.recent else {
        return;
    };
    if Promise::P8.is_broken() {
        return;
    }
    replay_if_replaced(target, store).await;
    let batches = std::iter::once(work.batch).chain(work.outer());
    if !recent.note(work.rules, store.clock.now(), takeovers, batches) {
        let outer: Vec<&PurgeBatch> = work.outer().collect();
        let (registry, backlog) = (&work.rules.registry, &target.backlog);
        store.request(registry, backlog, work.batch, &outer).await;
    }
}

/// Sends everything that is kept to the target's backlog when its server may have been replaced. It is stored
/// there before this returns.
async fn replay_if_replaced<P: Purger, O: Outbox>(target: &Target<P>, store: &Store<O>) {
    let takeovers = target.purger.takeovers();
    let Some(recent) = &target.recent else {
        return;
    };
    let Some(mut replays) = recent.take(takeovers) else {
        return;
    };
    target.takeovers.absolute(takeovers);
    let mut purges = 0;
    let detail = format!("takeover {takeovers} of {}", target.name);
    let cause = Arc::new(Cause::own(Reason::Replay, detail));
    for Replay { rules, batches } in &mut replays {
        batches.iter_mut().for_each(|batch| batch.blame(&cause));
        let tier_of = |batch: &&PurgeBatch| {
            let target = rules.registry.target(batch.target());
            target.map_or(Tier::Edge, |target| target.tier)
        };
        let mut inner: Vec<&PurgeBatch> = batches.iter().collect();
        inner.sort_by_key(tier_of);
        let Some((own, outer)) = inner.split_first() else {
            continue;
        };
        purges += own.len();
        store
            .request(&rules.registry, &target.backlog, own, outer)
            .await;
    }
    target.replayed.increment(purges as u64);
    tracing::warn!(
        backlog = %target.backlog,
        takeovers,
        purges,
        "a target may have failed over or restarted; repeating the purges of the last seconds"
    );
}

/// Asks a target from time to time whether it answers and who answers there, for readiness and for replays: a
/// target that is down, or replaced, while nothing changes would otherwise look well.
pub(crate) async fn watch<P: Purger, O: Outbox>(
    target: &Target<P>,
    store: &Store<O>,
    every: Duration,
) {
    let (part, status) = (&target.part, &store.status);
    loop {
        let answer = target.purger.ping().await;
        target.up.set(if answer.is_ok() { 1.0 } else { 0.0 });
        match answer {
            Ok(()) => {
                target.nodes_down.set(0.0);
                if status.ready(part) {
                    tracing::info!(part = %part, "target is available");
                }
                replay_if_replaced(target, store).await;
            }
            Err(reason) => {
                if status.not_ready(part, &reason, store.clock.now()) {
                    tracing::warn!(part = %part, reason = %reason, "target is unavailable");
                }
            }
        }
        tokio::time::sleep(every).await;
    }
}
