//! replay: a server was replaced → its purges of the last seconds, and what is outside of it, once more.

use std::sync::Arc;
use std::time::Duration;

use freshet_core::broken::Promise;
use freshet_core::ports::{Outbox, Purger};
use freshet_core::purge::PurgeBatch;
use freshet_core::registry::Tier;

use crate::purge::{RunRound, of_tiers};
use crate::recent::Replay;
use crate::round::Round;
use crate::served::{Lane, Served};

impl<P: Purger, O: Outbox> RunRound<P, O> {
    /// Keeps what was just answered by the server that `takeovers` had led to. When that one is gone meanwhile, the
    /// purges go to the backlog like everything that was kept: first that, since an answer makes older ones grow old.
    pub(crate) async fn keep(
        &self,
        round: &Round,
        served: &Served<P>,
        (tier, batch, takeovers): (Tier, &PurgeBatch, u64),
    ) {
        if Promise::P8.is_broken() {
            return;
        }
        let Some(recent) = &served.state.recent else {
            return;
        };
        self.replay_if_replaced(served).await;
        let outer = || of_tiers(round, |it| it > tier);
        let answered = (&round.rules, self.clock.now(), takeovers);
        if !recent.note(answered, std::iter::once(batch).chain(outer())) {
            let outer: Vec<&PurgeBatch> = outer().collect();
            self.request(&round.rules, &served.state.backlog, (batch, &outer))
                .await;
        }
    }

    /// Sends everything that is kept to the target's backlog when its server may have been replaced. It is stored
    /// there before this returns.
    pub(crate) async fn replay_if_replaced(&self, served: &Served<P>) {
        let takeovers = served.purger.takeovers();
        let Some(recent) = &served.state.recent else {
            return;
        };
        let Some(replays) = recent.take(takeovers) else {
            return;
        };
        served.state.takeovers.absolute(takeovers);
        let mut purges = 0;
        for Replay { rules, batches } in &replays {
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
            self.request(rules, &served.state.backlog, (own, outer))
                .await;
        }
        served.state.replayed.increment(purges as u64);
        tracing::warn!(
            backlog = %served.state.backlog,
            takeovers,
            purges,
            "a target's server may have been replaced; what it was told in the last seconds is sent again"
        );
    }

    /// Asks a target from time to time whether it answers and who answers there, for readiness and for replays: a
    /// target that is down, or replaced, while nothing changes would otherwise look well.
    pub(crate) async fn watch_target(self: Arc<Self>, name: Arc<str>, every: Duration) {
        let Some(Lane::Here(served)) = self.lanes.get(&name) else {
            return;
        };
        let part = &served.state.part;
        loop {
            let answer = served.purger.ping().await;
            served.state.up.set(if answer.is_ok() { 1.0 } else { 0.0 });
            match answer {
                Ok(()) => {
                    served.state.nodes_down.set(0.0);
                    if self.status.ready(part) {
                        tracing::info!(part = %part, "target answers");
                    }
                    self.replay_if_replaced(served).await;
                }
                Err(reason) => {
                    if self.status.not_ready(part, &reason, self.clock.now()) {
                        tracing::warn!(part = %part, reason = %reason, "target does not answer");
                    }
                }
            }
            tokio::time::sleep(every).await;
        }
    }
}
