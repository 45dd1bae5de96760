//! A target: who purges it, and what all its lanes know of it together.

use std::sync::Arc;
use std::time::Duration;

use ::metrics::{Counter, Gauge, counter, gauge};
use freshet_core::position::Steady;
use freshet_core::purge::{Disposition, PurgeOutcome, PurgeReport, disposition};

use crate::lanes::backoff::Backoff;
use crate::lanes::breaker::{Breaker, Turn};
use crate::lanes::budget::RetryBudget;
use crate::lanes::recent::Recent;
use crate::metrics::{BREAKER_OPEN, NODES_DOWN, REPLAYED, SPILLED, TAKEOVERS, TARGET_UP};
use crate::watch::status::Status;

/// A target and its state, shared by its lanes.
#[derive(Debug)]
pub(crate) struct Target<P> {
    pub(crate) name: Arc<str>,
    pub(crate) purger: Arc<P>,
    pub(crate) breaker: Breaker,
    pub(crate) budget: RetryBudget,
    /// The topic of its backlog.
    pub(crate) backlog: Arc<str>,
    /// What was answered in the last seconds; none for targets that cannot lose purges.
    pub(crate) recent: Option<Recent>,
    /// What it is called in the status.
    pub(crate) part: String,
    pub(crate) spilled: Counter,
    pub(crate) takeovers: Counter,
    pub(crate) replayed: Counter,
    open: Gauge,
    pub(crate) up: Gauge,
    pub(crate) nodes_down: Gauge,
}

/// What a target is made of.
pub(crate) struct NewTarget<P> {
    pub(crate) name: Arc<str>,
    pub(crate) purger: Arc<P>,
    /// The topic of its backlog.
    pub(crate) backlog: Arc<str>,
    /// How long answers are kept to be sent again.
    pub(crate) keep: Option<Duration>,
}

impl<P> Target<P> {
    pub(crate) fn new(parts: NewTarget<P>, backoff: Backoff, now: Steady) -> Self {
        let NewTarget {
            name,
            purger,
            backlog,
            keep,
        } = parts;
        let set = |gauge: Gauge| {
            gauge.set(0.0);
            gauge
        };
        let label = || name.to_string();
        Self {
            purger,
            breaker: Breaker::new(backoff),
            budget: RetryBudget::new(now),
            backlog,
            recent: keep.map(Recent::new),
            part: part_of(&name),
            spilled: counter!(SPILLED, "target" => label()),
            takeovers: counter!(TAKEOVERS, "target" => label()),
            replayed: counter!(REPLAYED, "target" => label()),
            open: set(gauge!(BREAKER_OPEN, "target" => label())),
            up: gauge!(TARGET_UP, "target" => label()),
            nodes_down: set(gauge!(NODES_DOWN, "target" => label())),
            name,
        }
    }

    /// Tells breaker, readiness and log how an attempt went; `roll` is chance, 0 to 1. A refusal is an answer, and so is
    /// that of one server while another one is down: then the target as a whole is not, however little of it is well.
    pub(crate) fn note(&self, report: &PurgeReport, status: &Status, now: Steady, roll: f64) {
        let name = &*self.name;
        self.nodes_down.set(f64::from(report.nodes_down));
        let answers = is_answer(report);
        if answers && self.breaker.answered() == Turn::Closed {
            self.open.set(0.0);
            tracing::info!(
                target_name = name,
                "target is available again, its backlog drains"
            );
        }
        let whole = answers && report.nodes_down == 0;
        if let Some(recent) = self.recent.as_ref().filter(|_| !whole) {
            recent.hold(now);
        }
        self.up.set(if whole { 1.0 } else { 0.0 });
        if whole {
            if status.ready(&self.part) {
                tracing::info!(target_name = name, "target is available");
            }
            return;
        }
        if answers {
            // The ping names the node. Logged once, since every round would log it again.
            let reason = "one of its nodes does not answer";
            if status.is_ready(&self.part) && status.not_ready(&self.part, reason, now) {
                tracing::warn!(
                    target_name = name,
                    nodes_down = report.nodes_down,
                    "a node of the target does not answer, its purges wait in the backlog"
                );
            }
            return;
        }
        let reason = report.reason.as_deref().unwrap_or("did not settle a batch");
        if self.breaker.failed(now, roll) == Turn::Opened {
            self.open.set(1.0);
            tracing::warn!(
                target_name = name,
                reason,
                "target is considered down, its purges wait in its backlog"
            );
        }
        if status.not_ready(&self.part, reason, now) {
            tracing::warn!(target_name = name, reason, "target failed, retrying");
        }
    }
}

/// What a target is called in the status.
pub(crate) fn part_of(target: &str) -> String {
    format!("target {target}")
}

/// Whether nothing speaks against the target as a whole.
pub(crate) fn is_answer(report: &PurgeReport) -> bool {
    report.outcomes.iter().all(|&outcome| {
        let excused = outcome == PurgeOutcome::Unreachable && report.nodes_down > 0;
        excused || disposition(outcome, true) != Disposition::Retry
    })
}
