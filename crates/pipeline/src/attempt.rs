//! attempt: one batch → its target, again and again within its bounds, until each purge is settled or time is up.

use freshet_core::broken::Promise;
use freshet_core::ports::{Outbox, OutboxRecord, Purger};
use freshet_core::purge::{
    Disposition, PurgeBatch, PurgeOutcome, PurgeReport, WantedPurge, disposition,
};
use freshet_core::registry::TargetId;
use tokio::time::Instant;

use crate::breaker::{Admission, Turn};
use crate::dead_letter;
use crate::purge::RunRound;
use crate::report::{add_family_scope, count, retry_after, wanted};
use crate::rules::Rules;
use crate::served::Served;

/// What all attempts at one batch have in common.
struct Attempts<'a, P> {
    rules: &'a Rules,
    served: &'a Served<P>,
    /// What is not done by then goes to the backlog; none in the backlog itself.
    deadline: Option<Instant>,
}

impl<P: Purger, O: Outbox> RunRound<P, O> {
    /// Purges until everything is settled. Gives back what is not when the lane may spill and its time is up, or
    /// when the target is taken for down already; in every lane, when nothing is left but what is not to be waited for.
    pub(crate) async fn purge_until_settled(
        &self,
        rules: &Rules,
        served: &Served<P>,
        batch: &PurgeBatch,
    ) -> Option<PurgeBatch> {
        let deadline = served
            .spill_within
            .filter(|_| !Promise::P6.is_broken())
            .map(|within| Instant::now() + within);
        let attempts = Attempts {
            rules,
            served,
            deadline,
        };
        let mut left: Option<PurgeBatch> = None;
        let mut attempt = 0;
        // Of the last report: an attempt that is cut off after it says nothing about the target as a whole either.
        let mut nodes_down = 0;
        loop {
            let due = left.as_ref().unwrap_or(batch);
            if deadline.is_none() {
                served.state.breaker.pass(&self.clock).await;
            } else if served.state.breaker.admit(self.clock.now()) != Admission::Pass {
                return Some(due.clone());
            }
            if attempt == 0 {
                served.state.budget.attempted();
            }
            let report = purge_by(served, due, (deadline, nodes_down)).await;
            nodes_down = report.nodes_down;
            count(rules, due, &report);
            self.note_answer(rules, served, batch.target(), &report);
            left = self.what_is_left(&attempts, due, &report).await;
            let rest = left.as_ref()?;
            if is_deferred(&report) {
                return Some(rest.clone());
            }
            if let Some(handles) = rules.handles.target(batch.target()) {
                handles.retries.increment(1);
            }
            let budgeted = served.state.budget.take(self.clock.now());
            let wait = self
                .backoff
                .wait(attempt, self.dice.roll())
                .max(retry_after(&report))
                .max(budgeted);
            attempt += 1;
            if deadline.is_some_and(|deadline| Instant::now() + wait >= deadline) {
                return Some(rest.clone());
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// The purges of `batch` that must be asked for again. Refused ones are asked for alone; one that is refused
    /// alone goes to the dead letters and its family's scope is purged instead.
    async fn what_is_left(
        &self,
        attempts: &Attempts<'_, P>,
        batch: &PurgeBatch,
        report: &PurgeReport,
    ) -> Option<PurgeBatch> {
        // Nearly always. A report that is too short has forgotten something.
        if report.outcomes.len() >= batch.len() && report.is_settled() {
            return None;
        }
        let alone = batch.len() == 1;
        let mut left = PurgeBatch::new(batch.target());
        let mut refused = false;
        for (at, (purge, name)) in batch.iter().enumerate() {
            let again = wanted(purge, name);
            match disposition(report.outcome(at), alone) {
                Disposition::Settle => {}
                Disposition::Retry | Disposition::Defer => {
                    left.add(again);
                }
                Disposition::Split => {
                    refused = true;
                    left.add(again);
                }
                Disposition::Quarantine => {
                    self.quarantine(attempts.rules, batch.target(), again, report)
                        .await;
                    add_family_scope(attempts.rules, again, &mut left);
                }
            }
        }
        if refused {
            // Boxed: a future that contains itself has no size.
            left = Box::pin(self.split(attempts, left)).await?;
        }
        (!left.is_empty()).then_some(left)
    }

    /// Purges each half of a refused batch separately, so that one bad name does not hold up the others. A half that
    /// finds the breaker open or the time up is given back without an attempt.
    async fn split(&self, attempts: &Attempts<'_, P>, batch: PurgeBatch) -> Option<PurgeBatch> {
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
            let rest = match self.may_attempt(attempts) {
                true => Box::pin(self.purge_half(attempts, &part)).await,
                false => Some(part),
            };
            for (purge, name) in rest.iter().flat_map(PurgeBatch::iter) {
                left.add(wanted(purge, name));
            }
        }
        (!left.is_empty()).then_some(left)
    }

    /// Whether there is time for another attempt, and the breaker lets it through.
    fn may_attempt(&self, attempts: &Attempts<'_, P>) -> bool {
        let is_over = attempts.deadline.is_some_and(|at| Instant::now() >= at);
        !is_over && attempts.served.state.breaker.admit(self.clock.now()) == Admission::Pass
    }

    async fn purge_half(
        &self,
        attempts: &Attempts<'_, P>,
        half: &PurgeBatch,
    ) -> Option<PurgeBatch> {
        let Attempts { rules, served, .. } = attempts;
        let report = purge_by(served, half, (attempts.deadline, 0)).await;
        count(rules, half, &report);
        self.note_answer(rules, served, half.target(), &report);
        self.what_is_left(attempts, half, &report).await
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
        let letter = dead_letter::of_purge(&purge, detail, family, self.clock.wall());
        self.append(OutboxRecord {
            topic: self.dead_letter_topic.clone(),
            key: family.as_bytes().to_vec(),
            payload: letter.encode(),
        })
        .await;
    }

    /// Tells breaker, readiness and log how an attempt went. A refusal is an answer, and so is that of one server
    /// while another one is down: then the target as a whole is not, however little of it is well.
    fn note_answer(
        &self,
        rules: &Rules,
        served: &Served<P>,
        target: TargetId,
        report: &PurgeReport,
    ) {
        let Some(name) = rules.registry.target(target).map(|target| &*target.name) else {
            return;
        };
        let (part, state) = (&served.state.part, &served.state);
        state.nodes_down.set(f64::from(report.nodes_down));
        let answers = is_answer(report);
        if answers && state.breaker.answered() == Turn::Closed {
            state.open.set(0.0);
            tracing::info!(target_name = name, "target is back, its backlog follows");
        }
        let whole = answers && report.nodes_down == 0;
        if let Some(recent) = state.recent.as_ref().filter(|_| !whole) {
            recent.hold(self.clock.now());
        }
        self.set_up(rules, target, if whole { 1.0 } else { 0.0 });
        if whole {
            if self.status.ready(part) {
                tracing::info!(target_name = name, "target answers");
            }
            return;
        }
        if answers {
            // Which node it is, the ping says; told once, since every round would have something to say.
            let reason = "one of its nodes does not answer";
            if self.status.is_ready(part) && self.status.not_ready(part, reason, self.clock.now()) {
                tracing::warn!(
                    target_name = name,
                    nodes_down = report.nodes_down,
                    "a node of the target does not answer, its purges wait in the backlog"
                );
            }
            return;
        }
        let reason = report.reason.as_deref().unwrap_or("did not settle a batch");
        if state.breaker.failed(self.clock.now(), self.dice.roll()) == Turn::Opened {
            state.open.set(1.0);
            tracing::warn!(
                target_name = name,
                reason,
                "target is taken for down, its purges wait in its backlog"
            );
        }
        if self.status.not_ready(part, reason, self.clock.now()) {
            let stopping = *self.stop.borrow();
            tracing::warn!(
                target_name = name,
                reason,
                stopping,
                "target fails, trying again"
            );
        }
    }

    fn set_up(&self, rules: &Rules, target: TargetId, up: f64) {
        if let Some(handles) = rules.handles.target(target) {
            handles.up.set(up);
        }
    }
}

/// Whether nothing speaks against the target as a whole.
fn is_answer(report: &PurgeReport) -> bool {
    report.outcomes.iter().all(|&outcome| {
        let excused = outcome == PurgeOutcome::Unreachable && report.nodes_down > 0;
        excused || disposition(outcome, true) != Disposition::Retry
    })
}

/// Whether all that is not settled is better not waited for.
fn is_deferred(report: &PurgeReport) -> bool {
    let mut dispositions = report.outcomes.iter().map(|&it| disposition(it, true));
    dispositions.all(|it| matches!(it, Disposition::Settle | Disposition::Defer))
}

/// One attempt, cut off at the deadline. Whether a purge that was cut off took place is not known, and it is safe to
/// ask again.
async fn purge_by<P: Purger>(
    served: &Served<P>,
    batch: &PurgeBatch,
    (deadline, nodes_down): (Option<Instant>, u32),
) -> PurgeReport {
    let Some(deadline) = deadline else {
        return served.purger.purge(batch).await;
    };
    match tokio::time::timeout_at(deadline, served.purger.purge(batch)).await {
        Ok(report) => report,
        Err(_) => PurgeReport {
            reason: Some("no answer in time".to_owned()),
            nodes_down,
            ..PurgeReport::all(PurgeOutcome::Unreachable, batch.len())
        },
    }
}

/// Parts of `batch` of at most `size` purges.
pub(crate) fn slices(batch: &PurgeBatch, size: usize) -> Vec<PurgeBatch> {
    let mut parts: Vec<PurgeBatch> = Vec::new();
    for (at, (purge, name)) in batch.iter().enumerate() {
        if at % size.max(1) == 0 {
            parts.push(PurgeBatch::new(batch.target()));
        }
        if let Some(part) = parts.last_mut() {
            part.add(wanted(purge, name));
        }
    }
    parts
}

#[cfg(test)]
mod tests;
