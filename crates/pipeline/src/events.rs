//! One stream of results: every settled round goes to all who subscribed. The ledger has read it by then.

pub(crate) mod beats;
pub(crate) mod freshness;
pub(crate) mod samples;
pub mod settled;

use std::sync::Arc;

use ::metrics::{Counter, counter};
use tokio::sync::mpsc;

use crate::events::settled::Settled;
use crate::metrics::EVENTS_LOST;

/// Rounds that may wait for one subscriber.
const WAITING_MAX: usize = 1_024;

/// All subscribers of settled rounds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Subscribers(Vec<Subscriber>);

#[derive(Debug, Clone)]
struct Subscriber {
    wants: fn(&Settled) -> bool,
    queue: mpsc::Sender<Arc<Settled>>,
    lost: Counter,
}

impl Subscribers {
    /// The rounds that a new subscriber `wants`. `name` is its label in the metric of losses.
    pub(crate) fn subscribe(
        &mut self,
        name: &'static str,
        wants: fn(&Settled) -> bool,
    ) -> mpsc::Receiver<Arc<Settled>> {
        let (queue, rounds) = mpsc::channel(WAITING_MAX);
        self.add(name, wants, queue);
        rounds
    }

    /// Sends every round to this queue, too.
    pub(crate) fn add(
        &mut self,
        name: &'static str,
        wants: fn(&Settled) -> bool,
        queue: mpsc::Sender<Arc<Settled>>,
    ) {
        let lost = counter!(EVENTS_LOST, "subscriber" => name);
        lost.increment(0);
        self.0.push(Subscriber { wants, queue, lost });
    }

    /// Sends a round to all who want it, without waiting: a round that a queue has no room for is lost to its subscriber,
    /// and counted.
    pub(crate) fn publish(&self, settled: &Arc<Settled>) {
        for subscriber in &self.0 {
            if (subscriber.wants)(settled)
                && subscriber.queue.try_send(Arc::clone(settled)).is_err()
            {
                subscriber.lost.increment(1);
            }
        }
    }
}

#[cfg(test)]
mod tests;
