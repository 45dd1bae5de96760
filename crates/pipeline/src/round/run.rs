//! run: a round → every target, inner tiers first, until each purge is done or safely stored.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use freshet_core::ports::{Outbox, Purger};
use freshet_core::purge::PurgeBatch;
use freshet_core::registry::{FamilyId, TargetId, Tier};
use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::clock::Clock;
use crate::events::settled::{PlaceSettled, Settled, Stored};
use crate::lanes::lane::Lane;
use crate::lanes::store::Store;
use crate::lanes::target::part_of;
use crate::lanes::work::{Answer, Tried, Work};
use crate::round::Round;

/// Runs rounds.
pub(crate) struct RunRound<P, O> {
    pub(crate) lanes: BTreeMap<Arc<str>, Arc<Lane<P, O>>>,
    pub(crate) store: Arc<Store<O>>,
}

const TIERS: [Tier; 4] = [Tier::Store, Tier::Framework, Tier::Shield, Tier::Edge];

impl<P: Purger, O: Outbox> RunRound<P, O> {
    /// Does everything that the round asks for; returns when all of it is done or stored. Retries without end: giving
    /// up would lose a purge, and the intake stops taking long before memory does.
    ///
    /// Outer tiers wait for inner ones, since they refill from them, but not for one that is late: what is outside of it
    /// is purged now, and once more when it has answered. `late` is called with their targets when nobody else is waited for any more.
    pub(crate) async fn run(&self, mut round: Round, late: impl FnOnce(Vec<Arc<str>>)) -> Settled {
        for letter in std::mem::take(&mut round.dead_letters) {
            self.store.append(letter).await;
        }
        let mut places = Vec::new();
        let ahead = self.run_tiers(&round, &mut places, late).await;
        let mut again = Vec::new();
        for Ahead { tier, answered } in ahead {
            again.extend(self.run_again(&round, tier, &places[answered..]).await);
        }
        places.extend(again);
        Settled::new(round, places, self.store.clock.now())
    }

    /// Runs all tiers; returns those that did not wait for everybody inside of them.
    async fn run_tiers(
        &self,
        round: &Round,
        places: &mut Vec<PlaceSettled>,
        late: impl FnOnce(Vec<Arc<str>>),
    ) -> Vec<Ahead> {
        let mut waiting = Waiting {
            lanes: Vec::new(),
            under_way: FuturesUnordered::new(),
            places,
        };
        let mut ahead = Vec::new();
        for tier in TIERS {
            let mut of_tier = of_tier(round, tier).peekable();
            if of_tier.peek().is_none() {
                continue;
            }
            waiting.for_all_but_late(&self.store.clock).await;
            if !waiting.is_over() {
                let answered = waiting.places.len();
                ahead.push(Ahead { tier, answered });
            }
            for batch in of_tier {
                let (lane, work) = (self.lane_of(round, batch), work_of(round, batch, tier));
                waiting
                    .lanes
                    .extend(lane.map(|lane| (batch.target(), lane)));
                waiting
                    .under_way
                    .push(accept(lane, work, &self.store.clock));
            }
        }
        waiting.for_all_but_late(&self.store.clock).await;
        if !waiting.is_over() {
            let lanes = waiting.lanes.iter();
            late(
                lanes
                    .map(|(_, lane)| Arc::clone(&lane.target.name))
                    .collect(),
            );
            waiting.for_all().await;
        }
        ahead
    }

    /// Purges a tier once more when somebody inside of it has answered `since` the first time: it may have refilled from
    /// there. What was stored as a whole has the tier behind it already.
    async fn run_again(
        &self,
        round: &Round,
        tier: Tier,
        since: &[PlaceSettled],
    ) -> Vec<PlaceSettled> {
        let late = since.iter().filter(|place| place.tier < tier);
        let late: Vec<TargetId> = late
            .filter(|place| place.stored != Stored::All)
            .map(|place| place.target)
            .collect();
        if late.is_empty() {
            return Vec::new();
        }
        let late = round
            .purges
            .batches()
            .filter(|batch| late.contains(&batch.target()));
        let families: BTreeSet<FamilyId> = late
            .flat_map(|batch| batch.iter().map(|(purge, _)| purge.family))
            .collect();
        let again: Vec<PurgeBatch> = of_tier(round, tier)
            .map(|batch| batch.again_behind(&families))
            .collect();
        let accepted = again.iter().map(|batch| {
            let (lane, work) = (self.lane_of(round, batch), work_of(round, batch, tier));
            accept(lane, work, &self.store.clock)
        });
        let mut places = join_all(accepted).await;
        for (batch, place) in again.iter().zip(&mut places) {
            for done in &mut place.done {
                // Measured by its purges: for some families it is a precaution.
                done.purges.get_or_insert_with(|| batch.clone());
            }
        }
        places
    }

    /// Start-up refuses a registry whose targets are not configured.
    fn lane_of(&self, round: &Round, batch: &PurgeBatch) -> Option<&Lane<P, O>> {
        let target = round.rules.registry.target(batch.target());
        let lane = target.and_then(|target| self.lanes.get(&target.name));
        if lane.is_none() {
            let name = target.map_or("a target that is in no registry", |target| &target.name);
            let status = &self.store.status;
            let reason = "no lane serves it; changes wait";
            status.not_ready(&part_of(name), reason, self.store.clock.now());
            tracing::error!(
                target_name = name,
                "no lane serves this target, changes wait"
            );
        }
        lane.map(|lane| &**lane)
    }
}

/// What comes of `work` at its target. Without a lane the round must never settle.
fn accept<'r, P: Purger, O: Outbox>(
    lane: Option<&'r Lane<P, O>>,
    work: Work<'r>,
    clock: &'r Clock,
) -> impl Future<Output = PlaceSettled> + 'r {
    let (target, tier, accepted) = (work.batch.target(), work.tier, clock.now());
    let answer = lane.map(|lane| lane.accept(work));
    async move {
        let Some(answer) = answer else {
            return std::future::pending().await;
        };
        let Answer {
            done,
            stored,
            tried: Tried { attempts, outcomes },
        } = answer.await;
        PlaceSettled {
            target,
            tier,
            attempts,
            outcomes,
            done,
            stored,
            accepted,
            answered: clock.now(),
        }
    }
}

fn work_of<'r>(round: &'r Round, batch: &'r PurgeBatch, tier: Tier) -> Work<'r> {
    Work {
        rules: &round.rules,
        batch,
        tier,
        all: round.purges.all_batches(),
    }
}

fn of_tier(round: &Round, tier: Tier) -> impl Iterator<Item = &PurgeBatch> {
    let registry = &round.rules.registry;
    round.purges.batches().filter(move |batch| {
        let target = registry.target(batch.target());
        target.is_some_and(|target| target.tier == tier)
    })
}

/// A tier that was handed on before everybody inside of it had answered.
struct Ahead {
    tier: Tier,
    /// How many lanes had.
    answered: usize,
}

/// Lanes that a round waits for, and what the others have answered.
struct Waiting<'r, P, O, F> {
    lanes: Vec<(TargetId, &'r Lane<P, O>)>,
    under_way: FuturesUnordered<F>,
    places: &'r mut Vec<PlaceSettled>,
}

impl<'r, P: Purger, O: Outbox, F: Future<Output = PlaceSettled>> Waiting<'r, P, O, F> {
    fn note(&mut self, place: PlaceSettled) {
        // A lane that has answered this round may be busy with others: they are no reason to wait.
        self.lanes.retain(|(target, _)| *target != place.target);
        self.places.push(place);
    }

    fn is_over(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Waits until every lane has answered or is late.
    async fn for_all_but_late(&mut self, clock: &Clock) {
        while !self.is_over() {
            let now = clock.now();
            let patience = self
                .lanes
                .iter()
                .filter_map(|(_, lane)| lane.patience(now))
                .max();
            let Some(patience) = patience.filter(|left| !left.is_zero()) else {
                return;
            };
            if let Ok(Some(place)) = tokio::time::timeout(patience, self.under_way.next()).await {
                self.note(place);
            }
        }
    }

    async fn for_all(&mut self) {
        while let Some(place) = self.under_way.next().await {
            self.note(place);
        }
    }
}

#[cfg(test)]
mod tests;
