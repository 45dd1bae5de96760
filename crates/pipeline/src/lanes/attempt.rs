//! attempt: one batch → its target, again and again within its bounds, until each purge is settled or time is up.

use freshet_core::ports::{Outbox, Purger};
use freshet_core::purge::{
    Disposition, PurgeBatch, PurgeOutcome, PurgeReport, WantedPurge, disposition,
};
use tokio::time::Instant;

use crate::dead_letter;
use crate::lanes::breaker::Admission;
use crate::lanes::report::{add_family_scope, count, retry_after};
use crate::lanes::store::Store;
use crate::lanes::target::Target;
use crate::lanes::work::Tried;
use crate::rules::Rules;

/// The attempts at one batch.
pub(crate) struct Attempts<'a, P, O> {
    pub(crate) rules: &'a Rules,
    pub(crate) target: &'a Target<P>,
    pub(crate) store: &'a Store<O>,
    /// What is not done by then goes to the backlog; none in the backlog itself.
    pub(crate) deadline: Option<Instant>,
}

impl<P: Purger, O: Outbox> Attempts<'_, P, O> {
    /// Purges until everything is settled. Gives back what is not when there is a deadline and it has passed, or
    /// when the breaker is open already; in every lane, when only purges are left that should not be waited for.
    pub(crate) async fn settle(&self, batch: &PurgeBatch, tried: &mut Tried) -> Option<PurgeBatch> {
        let (target, clock) = (self.target, &self.store.clock);
        let mut left: Option<PurgeBatch> = None;
        let mut attempt = 0;
        // Of the last report: an attempt that is cut off after it says nothing about the target as a whole either.
        let mut nodes_down = 0;
        loop {
            let due = left.as_ref().unwrap_or(batch);
            if self.deadline.is_none() {
                target.breaker.pass(clock).await;
            } else if !self.may_attempt() {
                return Some(due.clone());
            }
            if attempt == 0 {
                target.budget.attempted();
            }
            tried.attempts += 1;
            let report = self.attempt(due, nodes_down).await;
            nodes_down = report.nodes_down;
            left = self.what_is_left(due, &report, tried).await;
            let rest = left.as_ref()?;
            if is_deferred(&report) {
                return Some(rest.clone());
            }
            if let Some(handles) = self.rules.handles.target(batch.target()) {
                handles.retries.increment(1);
            }
            let budgeted = target.budget.take(clock.now());
            let wait = self
                .store
                .backoff
                .wait(attempt, self.store.dice.roll())
                .max(retry_after(&report))
                .max(budgeted);
            attempt += 1;
            if self
                .deadline
                .is_some_and(|deadline| Instant::now() + wait >= deadline)
            {
                return Some(rest.clone());
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// One attempt, cut off at the deadline, counted, and reported to the target's breaker and readiness. Whether a purge
    /// that was cut off took place is not known, and it is safe to ask again. `nodes_down` is from the last report.
    async fn attempt(&self, batch: &PurgeBatch, nodes_down: u32) -> PurgeReport {
        let purge = self.target.purger.purge(batch);
        let report = match self.deadline {
            None => purge.await,
            Some(deadline) => match tokio::time::timeout_at(deadline, purge).await {
                Ok(report) => report,
                Err(_) => PurgeReport {
                    reason: Some("no answer in time".to_owned()),
                    nodes_down,
                    ..PurgeReport::all(PurgeOutcome::Unreachable, batch.len())
                },
            },
        };
        count(self.rules, batch, &report);
        let (now, roll) = (self.store.clock.now(), self.store.dice.roll());
        self.target.note(&report, &self.store.status, now, roll);
        report
    }

    /// The purges of `batch` that must be asked for again. Refused ones are asked for alone; one that is refused
    /// alone goes to the dead letters and its family's scope is purged instead.
    async fn what_is_left(
        &self,
        batch: &PurgeBatch,
        report: &PurgeReport,
        tried: &mut Tried,
    ) -> Option<PurgeBatch> {
        // Nearly always. A report that is too short has forgotten something.
        if report.outcomes.len() >= batch.len() && report.is_settled() {
            for &outcome in &report.outcomes {
                tried.outcomes.add(outcome);
            }
            return None;
        }
        let alone = batch.len() == 1;
        let mut left = PurgeBatch::new(batch.target());
        let mut refused = false;
        for (at, again) in batch.wanted().enumerate() {
            let outcome = report.outcome(at);
            match disposition(outcome, alone) {
                Disposition::Settle => tried.outcomes.add(outcome),
                Disposition::Retry | Disposition::Defer => {
                    left.add(again);
                }
                Disposition::Split => {
                    refused = true;
                    left.add(again);
                }
                Disposition::Quarantine => {
                    tried.outcomes.add(outcome);
                    self.quarantine(again, report).await;
                    add_family_scope(self.rules, again, &mut left);
                }
            }
        }
        if refused {
            // Boxed: a future that contains itself has no size.
            left = Box::pin(self.split(left, tried)).await?;
        }
        (!left.is_empty()).then_some(left)
    }

    /// Purges each half of a refused batch separately, so that one bad name does not hold up the others. A half that
    /// finds the breaker open or the time up is given back without an attempt.
    async fn split(&self, batch: PurgeBatch, tried: &mut Tried) -> Option<PurgeBatch> {
        let mut left = PurgeBatch::new(batch.target());
        for half in batch.slices(batch.len().div_ceil(2)) {
            let rest = match self.may_attempt() {
                true => {
                    tried.attempts += 1;
                    let report = self.attempt(&half, 0).await;
                    Box::pin(self.what_is_left(&half, &report, tried)).await
                }
                false => Some(half),
            };
            if let Some(rest) = rest {
                left.extend(&rest);
            }
        }
        (!left.is_empty()).then_some(left)
    }

    /// Whether there is time for another attempt, and the breaker lets it through.
    fn may_attempt(&self) -> bool {
        let is_over = self.deadline.is_some_and(|at| Instant::now() >= at);
        !is_over && self.target.breaker.admit(self.store.clock.now()) == Admission::Pass
    }

    /// Puts a refused purge aside: it is logged, stored as a dead letter, and replaced by its family's scope.
    async fn quarantine(&self, purge: WantedPurge<'_>, report: &PurgeReport) {
        // A family that the registry forgot meanwhile has no name here; its purge is put aside all the same.
        let family = self.rules.registry.family(purge.family);
        let family = family.map_or("?", |family| &*family.name);
        let said = report.reason.as_deref().unwrap_or("no reason given");
        let detail = format!("target {} refused a purge: {said}", self.target.name);
        tracing::error!(family, target_name = %self.target.name, detail = %detail, "purge refused");
        let letter = dead_letter::of_purge(&purge, detail, family, self.store.clock.wall());
        self.store.letter(family, &letter).await;
    }
}

/// Whether all that is not settled is better not waited for.
fn is_deferred(report: &PurgeReport) -> bool {
    let mut dispositions = report
        .outcomes
        .iter()
        .map(|&outcome| disposition(outcome, true));
    dispositions.all(|disposition| matches!(disposition, Disposition::Settle | Disposition::Defer))
}

#[cfg(test)]
mod tests;
