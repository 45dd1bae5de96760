//! purge: a round → every target, inner tiers first, until each purge is settled or safely stored.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use ::metrics::Histogram;
use freshet_core::broken::Promise;
use freshet_core::ports::{Outbox, OutboxRecord, Purger};
use freshet_core::position::WallMicros;
use freshet_core::purge::PurgeBatch;
use freshet_core::registry::{FamilyId, Tier};
use freshet_core::sample::PurgedSample;
use freshet_wire::requests_of;
use futures_util::future::join_all;
use tokio::sync::{mpsc, watch};

use crate::attempt::slices;
use crate::backoff::{Backoff, Dice};
use crate::canary::{Beat, Canaries};
use crate::clock::Clock;
use crate::report::wanted;
use crate::round::Round;
use crate::rules::Rules;
use crate::served::{Lane, Served, part_of};
use crate::status::Status;

/// Runs rounds.
pub(crate) struct RunRound<P, O> {
    pub(crate) lanes: BTreeMap<Arc<str>, Lane<P>>,
    pub(crate) outbox: Arc<O>,
    pub(crate) clock: Clock,
    pub(crate) status: Status,
    pub(crate) backoff: Backoff,
    pub(crate) dice: Dice,
    pub(crate) samples: Option<mpsc::Sender<PurgedSample>>,
    pub(crate) canaries: Canaries,
    pub(crate) dead_letter_topic: Arc<str>,
    pub(crate) purge_stage: Histogram,
    pub(crate) stop: watch::Receiver<bool>,
}

/// After so many passes over a backlog's batch, what still cannot be asked for goes to the end of the backlog, so that
/// what came behind it gets its turn. With the usual backoff that is after some twenty seconds.
const ATTEMPTS_TO_PUT_BACK: u32 = 12;

const TIERS: [Tier; 4] = [Tier::Store, Tier::Framework, Tier::Shield, Tier::Edge];

impl<P: Purger, O: Outbox> RunRound<P, O> {
    /// Does everything that the round asks for; returns when all of it is settled or stored. Retries without end:
    /// giving up would lose a purge, and the intake stops taking long before memory does.
    pub(crate) async fn run(&self, round: &mut Round) {
        for letter in std::mem::take(&mut round.dead_letters) {
            self.append(letter).await;
        }
        for tier in TIERS {
            let batches = of_tiers(round, |it| it == tier);
            join_all(batches.map(|batch| self.run_batch(round, tier, batch))).await;
            self.offer_samples(round, tier);
        }
        self.purge_stage.record(self.clock.now().since(round.begun));
    }

    async fn run_batch(&self, round: &Round, tier: Tier, batch: &PurgeBatch) {
        let target = round.rules.registry.target(batch.target());
        let Some(target) = target else {
            return self.halt("a target that no registry names").await;
        };
        match self.lanes.get(&target.name) {
            Some(Lane::Here(served)) => self.purge_here(round, served, (tier, batch)).await,
            Some(Lane::Outbox(topic)) => {
                self.request(&round.rules, topic, (batch, &[])).await;
            }
            // Start-up refuses a registry whose targets are not configured.
            None => self.halt(&target.name).await,
        }
    }

    /// Purges here; what does not get done in time goes to the target's backlog, together with what outer tiers
    /// must purge again after it. They purge now as well: a tier that is well loses no freshness by one that is not.
    async fn purge_here(
        &self,
        round: &Round,
        served: &Served<P>,
        (tier, batch): (Tier, &PurgeBatch),
    ) {
        let takeovers = served.purger.takeovers();
        let left = match served.spill_within {
            Some(_) => self.purge_slice(round, served, batch).await,
            None => self.work_off(round, served, batch).await,
        };
        if !left.is_empty() {
            let outer: Vec<&PurgeBatch> = of_tiers(round, |it| it > tier).collect();
            served.state.spilled.increment(left.len() as u64);
            self.request(&round.rules, &served.state.backlog, (&left, &outer))
                .await;
        }
        // Also what was stored in part, since the rest of it was answered. But what nobody answered must not make
        // anything grow old that somebody did: an outage may be longer than the window.
        if left.len() < batch.len() {
            self.keep(round, served, (tier, batch, takeovers)).await;
        }
    }

    /// A backlog's batch. What cannot be asked for is tried some times more, behind all that can.
    async fn work_off(&self, round: &Round, served: &Served<P>, batch: &PurgeBatch) -> PurgeBatch {
        let mut left = self.one_pass(round, served, batch).await;
        for attempt in 0..ATTEMPTS_TO_PUT_BACK {
            if left.is_empty() {
                break;
            }
            tokio::time::sleep(self.backoff.wait(attempt, self.dice.roll())).await;
            left = self.one_pass(round, served, &left).await;
        }
        left
    }

    async fn one_pass(&self, round: &Round, served: &Served<P>, batch: &PurgeBatch) -> PurgeBatch {
        let Some(pace) = &served.pace else {
            return self.purge_slice(round, served, batch).await;
        };
        let mut left = PurgeBatch::new(batch.target());
        for slice in slices(batch, pace.slice()) {
            let wait = pace.take(self.clock.now(), slice.len());
            if !wait.is_zero() && !Promise::P7.is_broken() {
                tokio::time::sleep(wait).await;
            }
            for (purge, name) in self.purge_slice(round, served, &slice).await.iter() {
                left.add(wanted(purge, name));
            }
        }
        left
    }

    /// Purges, measures what is done and gives back what is not.
    async fn purge_slice(
        &self,
        round: &Round,
        served: &Served<P>,
        slice: &PurgeBatch,
    ) -> PurgeBatch {
        match self.purge_until_settled(&round.rules, served, slice).await {
            None => {
                self.measure_freshness(round, slice);
                PurgeBatch::new(slice.target())
            }
            Some(left) => {
                self.measure_settled(round, slice, &left);
                left
            }
        }
    }

    /// Nothing can purge this: the round must never settle, and everybody must see why.
    async fn halt(&self, target: &str) {
        self.status.not_ready(
            &part_of(target),
            "no lane serves it; its changes wait",
            self.clock.now(),
        );
        tracing::error!(
            target_name = target,
            "no lane serves this target, its changes wait"
        );
        std::future::pending().await
    }

    /// Stores a batch in a lane's topic, and behind it what follows in outer tiers.
    pub(crate) async fn request(
        &self,
        rules: &Rules,
        topic: &Arc<str>,
        (batch, outer): (&PurgeBatch, &[&PurgeBatch]),
    ) {
        for request in requests_of(&rules.registry, batch, outer, self.clock.wall()) {
            self.append(OutboxRecord {
                topic: Arc::clone(topic),
                key: request.target.as_bytes().to_vec(),
                payload: request.encode(),
            })
            .await;
        }
    }

    /// Appends until the record is stored.
    pub(crate) async fn append(&self, record: OutboxRecord) {
        let part = format!("outbox {}", record.topic);
        let mut attempt = 0;
        while let Err(error) = self.outbox.append(record.clone()).await {
            if self
                .status
                .not_ready(&part, &error.reason, self.clock.now())
            {
                tracing::warn!(topic = %record.topic, error = %error, "append failed, trying again");
            }
            tokio::time::sleep(self.backoff.wait(attempt, self.dice.roll())).await;
            attempt += 1;
        }
        if attempt > 0 {
            self.status.ready(&part);
        }
    }

    /// Commit → effective, for each change of the round that concerned the target, or for each purge where the
    /// round came from a lane.
    fn measure_freshness(&self, round: &Round, batch: &PurgeBatch) {
        let record = self.recorder(round, batch);
        if round.purges.changes().is_empty() {
            let purges = batch.iter();
            return in_runs(purges.map(|(it, _)| (it.family, it.committed)), record);
        }
        let changes = round.purges.changes().iter();
        in_runs(changes.map(|it| (it.family, it.committed)), record);
    }

    /// The same where a part is left: for each purge that is not.
    fn measure_settled(&self, round: &Round, batch: &PurgeBatch, left: &PurgeBatch) {
        let record = self.recorder(round, batch);
        let left: HashSet<&[u8]> = left.iter().map(|(_, name)| name).collect();
        let settled = batch.iter().filter(|(_, name)| !left.contains(name));
        in_runs(settled.map(|(it, _)| (it.family, it.committed)), record);
    }

    fn recorder(&self, round: &Round, batch: &PurgeBatch) -> impl Fn(FamilyId, WallMicros, usize) {
        let (now, target) = (self.clock.wall(), batch.target());
        let (rules, begun) = (Arc::clone(&round.rules), round.begun);
        move |family, committed, count| {
            if committed != WallMicros(0)
                && let Some(handles) = rules.handles.pair(family, target)
            {
                let age = now.since(committed) as f64 / 1e6;
                handles.freshness.record_many(age, count);
                if let Some((database, target)) = &handles.canary {
                    self.canaries.purged(Beat {
                        database: Arc::clone(database),
                        target: Arc::clone(target),
                        committed,
                        begun,
                        answered: now,
                    });
                }
            }
        }
    }

    /// Offers the samples of a tier that has just answered.
    fn offer_samples(&self, round: &mut Round, tier: Tier) {
        let Some(auditor) = &self.samples else { return };
        let registry = &round.rules.registry;
        let answered = round.samples.extract_if(.., |sample| {
            let target = registry.target_named(&sample.target);
            let target = target.and_then(|id| registry.target(id));
            target.is_none_or(|target| target.tier == tier)
        });
        for mut sample in answered {
            sample.purged = self.clock.wall();
            // A full auditor is no reason to wait: it is a sample.
            if auditor.try_send(sample).is_err() {
                break;
            }
        }
    }
}

/// Tells equal neighbours at once: changes of one transaction mostly stand together.
fn in_runs(
    all: impl Iterator<Item = (FamilyId, WallMicros)>,
    tell: impl Fn(FamilyId, WallMicros, usize),
) {
    let mut run: Option<((FamilyId, WallMicros), usize)> = None;
    for next in all {
        match &mut run {
            Some((same, count)) if *same == next => *count += 1,
            _ => {
                if let Some(((family, committed), count)) = run.replace((next, 1)) {
                    tell(family, committed, count);
                }
            }
        }
    }
    if let Some(((family, committed), count)) = run {
        tell(family, committed, count);
    }
}

/// The round's batches for targets of the tiers that `wanted` names.
pub(crate) fn of_tiers(
    round: &Round,
    wanted: impl Fn(Tier) -> bool,
) -> impl Iterator<Item = &PurgeBatch> {
    let registry = &round.rules.registry;
    round.purges.batches().filter(move |batch| {
        registry
            .target(batch.target())
            .is_some_and(|target| wanted(target.tier))
    })
}
