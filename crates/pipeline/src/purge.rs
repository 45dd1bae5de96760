//! purge: a round → every target, inner tiers first, until each purge is settled or safely stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::metrics::Histogram;
use freshet_core::ports::{Outbox, OutboxRecord, Purger};
use freshet_core::position::UnixMicros;
use freshet_core::purge::{Disposition, PurgeBatch, PurgeReport, WantedPurge, disposition};
use freshet_core::registry::{TargetId, Tier};
use freshet_core::sample::PurgedSample;
use futures_util::future::join_all;
use tokio::sync::{mpsc, watch};

use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::dead_letter;
use crate::report::{add_family_scope, count, request_of, retry_after, wanted};
use crate::round::Round;
use crate::rules::Rules;
use crate::status::Status;

/// How a target is served.
#[derive(Debug)]
pub(crate) enum Lane<P> {
    /// At once, from the round itself.
    Inline(Arc<P>),
    /// Through its topic: the round is done with it when the append is acknowledged.
    Outbox(Arc<str>),
}

/// Runs rounds.
pub(crate) struct RunRound<P, O> {
    pub(crate) lanes: BTreeMap<Arc<str>, Lane<P>>,
    pub(crate) outbox: Arc<O>,
    pub(crate) clock: Clock,
    pub(crate) status: Status,
    pub(crate) backoff: Backoff,
    pub(crate) samples: Option<mpsc::Sender<PurgedSample>>,
    pub(crate) dead_letter_topic: Arc<str>,
    pub(crate) purge_stage: Histogram,
    pub(crate) stop: watch::Receiver<bool>,
}

const TIERS: [Tier; 4] = [Tier::Store, Tier::Framework, Tier::Shield, Tier::Edge];

impl<P: Purger, O: Outbox> RunRound<P, O> {
    /// Does everything that the round asks for; returns when all of it is settled. Retries without end:
    /// giving up would lose a purge, and the intake stops taking long before memory does.
    pub(crate) async fn run(&self, round: &mut Round) {
        for letter in std::mem::take(&mut round.dead_letters) {
            self.append(letter).await;
        }
        for tier in TIERS {
            let registry = &round.rules.registry;
            let batches = round.purges.batches().filter(|batch| {
                registry
                    .target(batch.target())
                    .is_some_and(|target| target.tier == tier)
            });
            join_all(batches.map(|batch| self.run_batch(round, batch))).await;
            if tier == Tier::Store {
                self.offer_samples(&mut round.samples);
            }
        }
        self.purge_stage
            .record(self.clock.now().since(round.begun) as f64 / 1e6);
    }

    async fn run_batch(&self, round: &Round, batch: &PurgeBatch) {
        let target = round.rules.registry.target(batch.target());
        let Some(target) = target else {
            return self.halt("a target that no registry names").await;
        };
        match self.lanes.get(&target.name) {
            Some(Lane::Inline(purger)) => {
                self.purge_until_settled(&round.rules, purger.as_ref(), batch)
                    .await;
                self.measure_freshness(round, batch);
            }
            Some(Lane::Outbox(topic)) => {
                let request = request_of(&round.rules, batch, self.clock.now());
                let key = target.name.as_bytes().to_vec();
                self.append(OutboxRecord {
                    topic: Arc::clone(topic),
                    key,
                    payload: request.encode(),
                })
                .await;
            }
            // Start-up refuses a registry whose targets are not configured.
            None => self.halt(&target.name).await,
        }
    }

    /// Nothing can purge this: the round must never settle, and everybody must see why.
    async fn halt(&self, target: &str) {
        let part = format!("target {target}");
        self.status.not_ready(
            &part,
            "no lane serves it; its changes wait",
            self.clock.now(),
        );
        tracing::error!(
            target_name = target,
            "no lane serves this target, its changes wait"
        );
        std::future::pending().await
    }

    async fn purge_until_settled(&self, rules: &Rules, purger: &P, batch: &PurgeBatch) {
        let mut left: Option<PurgeBatch> = None;
        let mut attempt = 0;
        loop {
            let now_due = left.as_ref().unwrap_or(batch);
            let report = purger.purge(now_due).await;
            count(rules, now_due, &report);
            let Some(rest) = self.what_is_left(rules, now_due, &report).await else {
                self.note_target(rules, batch.target(), None);
                return;
            };
            self.note_target(rules, batch.target(), Some(&report));
            left = Some(rest);
            if let Some(handles) = rules.handles.target(batch.target()) {
                handles.retries.increment(1);
            }
            let wait = self.backoff.wait_random(attempt).max(retry_after(&report));
            attempt += 1;
            tokio::time::sleep(wait).await;
        }
    }

    /// The purges of `batch` that must be asked for again. Refused ones are asked for alone; one that is refused
    /// alone goes to the dead letters and its family's scope is purged instead.
    async fn what_is_left(
        &self,
        rules: &Rules,
        batch: &PurgeBatch,
        report: &PurgeReport,
    ) -> Option<PurgeBatch> {
        let alone = batch.len() == 1;
        let mut left = PurgeBatch::new(batch.target());
        let mut refused = false;
        for (at, (purge, name)) in batch.iter().enumerate() {
            let outcome = report.outcomes.get(at).copied().unwrap_or_default();
            let again = WantedPurge {
                family: purge.family,
                scope: purge.scope,
                mode: purge.mode,
                committed: purge.committed,
                name,
            };
            match disposition(outcome, alone) {
                Disposition::Settle => {}
                Disposition::Retry | Disposition::Halt => {
                    left.add(again);
                }
                Disposition::Split => {
                    refused = true;
                    left.add(again);
                }
                Disposition::Quarantine => {
                    self.quarantine(rules, batch.target(), again, report).await;
                    add_family_scope(rules, again, &mut left);
                }
            }
        }
        if refused {
            // Boxed: a future that contains itself has no size.
            left = Box::pin(self.split(rules, left)).await?;
        }
        (!left.is_empty()).then_some(left)
    }

    /// Asks for each half of a refused batch by itself, so that one bad name cannot hold up the others.
    async fn split(&self, rules: &Rules, batch: PurgeBatch) -> Option<PurgeBatch> {
        let lane = rules
            .registry
            .target(batch.target())
            .and_then(|it| self.lanes.get(&it.name));
        let Some(Lane::Inline(purger)) = lane else {
            return Some(batch);
        };
        let mut left = PurgeBatch::new(batch.target());
        let middle = batch.len() / 2;
        for half in [0..middle, middle..batch.len()] {
            let mut part = PurgeBatch::new(batch.target());
            for (purge, name) in half.filter_map(|at| batch.get(at)) {
                part.add(wanted(purge, name));
            }
            if part.is_empty() {
                continue;
            }
            let report = purger.purge(&part).await;
            count(rules, &part, &report);
            if let Some(rest) = Box::pin(self.what_is_left(rules, &part, &report)).await {
                for (purge, name) in rest.iter() {
                    left.add(wanted(purge, name));
                }
            }
        }
        (!left.is_empty()).then_some(left)
    }

    /// Puts a refused purge aside: told to people, stored, and followed by its family's scope.
    async fn quarantine(
        &self,
        rules: &Rules,
        target: TargetId,
        purge: WantedPurge<'_>,
        report: &PurgeReport,
    ) {
        let target = rules
            .registry
            .target(target)
            .map_or("?", |target| &*target.name);
        // A family that the registry forgot meanwhile has no name here; its purge is put aside all the same.
        let family = rules
            .registry
            .family(purge.family)
            .map_or("?", |family| &*family.name);
        let said = report.reason.as_deref().unwrap_or("no reason given");
        let detail = format!("target {target} refused a purge: {said}");
        tracing::error!(family, target_name = target, detail = %detail, "purge refused");
        let letter = dead_letter::of_purge(&purge, detail, family, self.clock.now());
        let (topic, key) = (
            Arc::clone(&self.dead_letter_topic),
            family.as_bytes().to_vec(),
        );
        self.append(OutboxRecord {
            topic,
            key,
            payload: letter.encode(),
        })
        .await;
    }

    /// Appends until the record is stored.
    async fn append(&self, record: OutboxRecord) {
        let part = format!("outbox {}", record.topic);
        let mut attempt = 0;
        while let Err(error) = self.outbox.append(record.clone()).await {
            if self
                .status
                .not_ready(&part, &error.reason, self.clock.now())
            {
                tracing::warn!(topic = %record.topic, error = %error, "append failed, trying again");
            }
            tokio::time::sleep(self.backoff.wait_random(attempt)).await;
            attempt += 1;
        }
        if attempt > 0 {
            self.status.ready(&part);
        }
    }

    fn note_target(&self, rules: &Rules, target: TargetId, failed: Option<&PurgeReport>) {
        let Some(name) = rules.registry.target(target).map(|target| &target.name) else {
            return;
        };
        let up = rules.handles.target(target).map(|handles| &handles.up);
        let part = format!("target {name}");
        let Some(report) = failed else {
            if let Some(up) = up {
                up.set(1.0);
            }
            if self.status.ready(&part) {
                tracing::info!(target_name = %name, "target answers");
            }
            return;
        };
        if let Some(up) = up {
            up.set(0.0);
        }
        let reason = report.reason.as_deref().unwrap_or("did not settle a batch");
        if self.status.not_ready(&part, reason, self.clock.now()) {
            let stopping = *self.stop.borrow();
            tracing::warn!(target_name = %name, reason, stopping, "target fails, trying again");
        }
    }

    /// Commit → effective, for each change of the round that concerned the target, or for each purge where the
    /// round came from a lane.
    fn measure_freshness(&self, round: &Round, batch: &PurgeBatch) {
        let now = self.clock.now();
        let target = batch.target();
        let record = |family, committed: UnixMicros| {
            if committed != UnixMicros(0)
                && let Some(handles) = round.rules.handles.pair(family, target)
            {
                handles.freshness.record(now.since(committed) as f64 / 1e6);
            }
        };
        if round.purges.changes().is_empty() {
            batch
                .iter()
                .for_each(|(purge, _)| record(purge.family, purge.committed));
            return;
        }
        for change in round.purges.changes() {
            record(change.family, change.committed);
        }
    }

    fn offer_samples(&self, samples: &mut Vec<PurgedSample>) {
        let Some(auditor) = &self.samples else { return };
        for mut sample in samples.drain(..) {
            sample.purged = self.clock.now();
            // A full auditor is no reason to wait: it is a sample.
            if auditor.try_send(sample).is_err() {
                break;
            }
        }
    }
}
