//! How a target is served: who purges it, what holds it back, and where its work goes when that takes too long.

use std::sync::Arc;
use std::time::Duration;

use ::metrics::{Counter, Gauge, counter, gauge};
use freshet_core::position::UnixMicros;

use crate::backoff::Backoff;
use crate::breaker::Breaker;
use crate::budget::{Pace, RetryBudget};
use crate::metrics::{BREAKER_OPEN, REPLAYED, SPILLED, TAKEOVERS, TARGET_UP};
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
    /// Where work goes that is not done in time. None: it is tried until it is done.
    pub(crate) spill: Option<Spill>,
    /// Only for a backlog: how fast it may be worked off.
    pub(crate) pace: Option<Arc<Pace>>,
}

/// Work that is not done within a time waits in a topic instead of in memory.
#[derive(Debug, Clone)]
pub(crate) struct Spill {
    pub(crate) within: Duration,
    pub(crate) topic: Arc<str>,
}

/// What all lanes of one target know of it together.
#[derive(Debug)]
pub(crate) struct TargetState {
    pub(crate) breaker: Breaker,
    pub(crate) budget: RetryBudget,
    /// The topic of its backlog.
    pub(crate) backlog: Arc<str>,
    /// What was answered in the last seconds; none for targets that cannot lose what they were told.
    pub(crate) recent: Option<Recent>,
    pub(crate) open: Gauge,
    pub(crate) up: Gauge,
    pub(crate) spilled: Counter,
    pub(crate) takeovers: Counter,
    pub(crate) replayed: Counter,
}

impl TargetState {
    pub(crate) fn new(
        target: &str,
        backlog: &Arc<str>,
        keep: Option<Duration>,
        (backoff, now): (Backoff, UnixMicros),
    ) -> Self {
        let open = gauge!(BREAKER_OPEN, "target" => target.to_owned());
        open.set(0.0);
        Self {
            breaker: Breaker::new(backoff),
            budget: RetryBudget::new(now),
            backlog: Arc::clone(backlog),
            recent: keep.map(Recent::new),
            open,
            up: gauge!(TARGET_UP, "target" => target.to_owned()),
            spilled: counter!(SPILLED, "target" => target.to_owned()),
            takeovers: counter!(TAKEOVERS, "target" => target.to_owned()),
            replayed: counter!(REPLAYED, "target" => target.to_owned()),
        }
    }
}

impl<P> Clone for Served<P> {
    fn clone(&self) -> Self {
        Self {
            purger: Arc::clone(&self.purger),
            state: Arc::clone(&self.state),
            spill: self.spill.clone(),
            pace: self.pace.clone(),
        }
    }
}
