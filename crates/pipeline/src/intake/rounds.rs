//! rounds: what is open is sent when it is due, and what was sent comes back done.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use ::metrics::{Counter, counter};
use freshet_core::position::{Steady, StreamPosition, WallMicros};
use tokio::sync::mpsc;

use crate::events::settled::Settled;
use crate::intake::open::Open;
use crate::metrics;
use crate::round::sent::{InFlight, Sent};
use crate::round::{Bounds, Round};
use crate::rules::Rules;

/// What is reported to an intake of a round that it has sent.
#[derive(Debug)]
pub(crate) enum Returned {
    /// The round of this number waits for nobody but these targets, which are late.
    Late { number: u64, targets: Vec<Arc<str>> },
    /// All that the round asked for is done or stored.
    Done(Arc<Settled>),
}

/// The rounds of an intake: the one that is open, and those that are under way.
#[derive(Debug)]
pub(crate) struct Rounds {
    pub(crate) open: Open,
    pub(crate) bounds: Bounds,
    in_flight: InFlight,
    /// Done, and to be used again, the oldest first.
    spare: VecDeque<Arc<Settled>>,
    sent: u64,
    merged: Counter,
    to_lanes: mpsc::Sender<Round>,
    from_lanes: Receiver<Returned>,
}

impl Rounds {
    /// Rounds begin under `rules`. `to_lanes` has room for as many as may be under way, and `from_lanes` for all that is
    /// reported of them.
    pub(crate) fn new(
        rules: Arc<Rules>,
        bounds: Bounds,
        to_lanes: mpsc::Sender<Round>,
        from_lanes: Receiver<Returned>,
    ) -> Self {
        Self {
            open: Open::new(rules),
            bounds,
            in_flight: InFlight::default(),
            spare: VecDeque::new(),
            sent: 0,
            merged: counter!(metrics::MERGED),
            to_lanes,
            from_lanes,
        }
    }

    /// How many more records the open round takes.
    pub(crate) fn room(&self) -> usize {
        self.bounds.room(&self.open.round)
    }

    /// Whether no more rounds may be under way.
    pub(crate) fn is_full(&self) -> bool {
        self.in_flight.is_full(&self.bounds)
    }

    /// Whether nothing is open or under way.
    pub(crate) fn is_over(&self) -> bool {
        self.open.round.is_empty() && self.in_flight.is_empty()
    }

    /// How long the open round waits before it is sent.
    pub(crate) fn window_left(&self, now: Steady) -> Duration {
        self.bounds.window.remaining(&self.open.round, now)
    }

    /// Whether the open round is to be sent now.
    pub(crate) fn is_due(&self, now: impl FnOnce() -> Steady) -> bool {
        if self.open.round.is_empty() || self.is_full() {
            return false;
        }
        self.room() == 0 || self.window_left(now()).is_zero()
    }

    /// Sends the open round; the next one begins under `rules`.
    pub(crate) fn send(&mut self, rules: Arc<Rules>, intake: &str) {
        let next = match self.take_spare() {
            Some(mut spare) => {
                spare.reset(rules);
                spare
            }
            None => Round::new(rules),
        };
        let mut round = std::mem::replace(&mut self.open.round, next);
        self.sent += 1;
        round.number = self.sent;
        self.merged.increment(round.purges.merged() as u64);
        self.in_flight.push(&round);
        // It has room for all rounds in flight, and closes with the runtime: nothing settles then, all is read again.
        if self.to_lanes.try_send(round).is_err() {
            tracing::error!(intake, "rounds are no longer accepted");
        }
    }

    /// A round that is done.
    pub(crate) fn next_done(&mut self) -> Option<Arc<Settled>> {
        while let Ok(returned) = self.from_lanes.try_recv() {
            if let Some(settled) = self.note(returned) {
                return Some(settled);
            }
        }
        None
    }

    /// The same, after a short wait: with everything in flight, what is open waits for a round that comes back. While the
    /// source has records they are worth more than the wait, up to a full round.
    pub(crate) fn wait_done(&mut self, source_is_quiet: bool) -> Option<Arc<Settled>> {
        let waits = self.is_full() && !self.open.round.is_empty();
        if !waits || !(source_is_quiet || self.room() == 0) {
            return None;
        }
        let wait = Duration::from_millis(1).min(self.bounds.idle_wait);
        let returned = self.from_lanes.recv_timeout(wait).ok()?;
        self.note(returned)
    }

    fn note(&mut self, returned: Returned) -> Option<Arc<Settled>> {
        match returned {
            Returned::Done(settled) => {
                self.in_flight.remove(settled.number());
                Some(settled)
            }
            Returned::Late { number, targets } => {
                self.in_flight.wait_for_late(number, targets);
                None
            }
        }
    }

    /// A round that is done is used again.
    pub(crate) fn recycle(&mut self, settled: Arc<Settled>) {
        // What was open beside a lane that was late is not all needed again.
        if self.spare.len() <= self.bounds.rounds_in_flight_max {
            self.spare.push_back(settled);
        }
    }

    /// A round to use again; none when subscribers still read the oldest.
    fn take_spare(&mut self) -> Option<Round> {
        match Arc::try_unwrap(self.spare.pop_front()?) {
            Ok(settled) => Some(settled.into_round()),
            Err(read) => {
                self.spare.push_front(read);
                None
            }
        }
    }

    /// Commit time of the oldest change that is open or under way.
    pub(crate) fn oldest(&self) -> Option<WallMicros> {
        self.in_flight.oldest().chain(self.open.round.oldest).min()
    }

    /// The round under way that a position is in.
    pub(crate) fn round_of(&self, position: StreamPosition) -> Option<&Sent> {
        self.in_flight.round_of(position)
    }
}

#[cfg(test)]
mod tests;
