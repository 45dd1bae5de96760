//! How a target is served: who purges it, what holds it back, and where its work goes when that takes too long.

use std::sync::Arc;
use std::time::Duration;

use ::metrics::{Counter, Gauge, counter, gauge};
use freshet_core::position::Steady;

use crate::backoff::Backoff;
use crate::breaker::Breaker;
use crate::budget::{Pace, RetryBudget};
use crate::metrics::{BREAKER_OPEN, NODES_DOWN, REPLAYED, SPILLED, TAKEOVERS, TARGET_UP};
use crate::recent::Recent;

/// The way of one lane to one target.
#[derive(Debug)]
pub(crate) enum Lane<P> {
    /// Purged here and now.
    Here(Served<P>),
    /// Appended to the topic of its live lane; the round is done with it when the append is acknowledged.
    Outbox(Arc<str>),
}

/// A target that this lane purges itself.
#[derive(Debug)]
pub(crate) struct Served<P> {
    pub(crate) purger: Arc<P>,
    pub(crate) state: Arc<TargetState>,
    /// What is not done within this goes to the backlog. None in the backlog itself: there is no hurry.
    pub(crate) spill_within: Option<Duration>,
    /// Only for a backlog: how fast it may be worked off.
    pub(crate) pace: Option<Arc<Pace>>,
}

/// What all lanes of one target know of it together.
#[derive(Debug)]
pub(crate) struct TargetState {
    pub(crate) breaker: Breaker,
    pub(crate) budget: RetryBudget,
    /// What it is called in the status.
    pub(crate) part: String,
    /// The topic of its backlog.
    pub(crate) backlog: Arc<str>,
    /// What was answered in the last seconds; none for targets that cannot lose what they were told.
    pub(crate) recent: Option<Recent>,
    pub(crate) open: Gauge,
    pub(crate) up: Gauge,
    pub(crate) nodes_down: Gauge,
    pub(crate) spilled: Counter,
    pub(crate) takeovers: Counter,
    pub(crate) replayed: Counter,
}

impl TargetState {
    pub(crate) fn new(
        target: &str,
        backlog: &Arc<str>,
        keep: Option<Duration>,
        (backoff, now): (Backoff, Steady),
    ) -> Self {
        let open = gauge!(BREAKER_OPEN, "target" => target.to_owned());
        open.set(0.0);
        let nodes_down = gauge!(NODES_DOWN, "target" => target.to_owned());
        nodes_down.set(0.0);
        Self {
            breaker: Breaker::new(backoff),
            budget: RetryBudget::new(now),
            part: part_of(target),
            backlog: Arc::clone(backlog),
            recent: keep.map(Recent::new),
            open,
            nodes_down,
            up: gauge!(TARGET_UP, "target" => target.to_owned()),
            spilled: counter!(SPILLED, "target" => target.to_owned()),
            takeovers: counter!(TAKEOVERS, "target" => target.to_owned()),
            replayed: counter!(REPLAYED, "target" => target.to_owned()),
        }
    }
}

/// What a target is called in the status.
pub(crate) fn part_of(target: &str) -> String {
    format!("target {target}")
}

impl<P> Clone for Lane<P> {
    fn clone(&self) -> Self {
        match self {
            Self::Here(served) => Self::Here(served.clone()),
            Self::Outbox(topic) => Self::Outbox(Arc::clone(topic)),
        }
    }
}

impl<P> Clone for Served<P> {
    fn clone(&self) -> Self {
        Self {
            purger: Arc::clone(&self.purger),
            state: Arc::clone(&self.state),
            spill_within: self.spill_within,
            pace: self.pace.clone(),
        }
    }
}
