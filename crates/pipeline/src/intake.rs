//! The loop of one source: take what is at hand, send rounds, settle what is done, commit the prefix.
//!
//! It runs on a thread of its own and holds no lock. Nothing here waits for a target: when rounds are
//! under way and the open one is full, the source is asked for nothing but keeps its session.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use ::metrics::{Counter, counter};
use freshet_core::ledger::OffsetLedger;
use freshet_core::ports::{Demand, Source, SourceError, SourceEvent};
use freshet_core::position::{StreamId, StreamPosition, UnixMicros};
use tokio::sync::{mpsc, watch};

use crate::clock::Clock;
use crate::lag::{LagOf, Lags};
use crate::metrics;
use crate::round::{Bounds, Round};
use crate::rules::{Rules, RulesInForce};
use crate::status::Status;
use crate::take::Take;

/// How often slow-moving gauges are set.
const GAUGES_EVERY: Duration = Duration::from_millis(500);

/// One source's loop.
pub(crate) struct Intake<S, T> {
    pub(crate) name: String,
    pub(crate) source: S,
    pub(crate) take: T,
    pub(crate) rules: RulesInForce,
    pub(crate) bounds: Bounds,
    pub(crate) clock: Clock,
    pub(crate) status: Status,
    pub(crate) lag_of: LagOf,
    pub(crate) lags: Lags,
    pub(crate) rounds: mpsc::Sender<Round>,
    pub(crate) done: Receiver<Round>,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) drain_within: Duration,
}

/// What changes while the loop runs.
struct Progress {
    ledger: OffsetLedger,
    open: Round,
    spare: Vec<Round>,
    in_flight: Vec<(StreamPosition, Option<UnixMicros>)>,
    topics: HashMap<StreamId, Arc<str>>,
    behind: HashMap<StreamId, u64>,
    /// Streams that end as soon as what was handed out of them is committed.
    leaving: HashSet<StreamId>,
    committed_at: UnixMicros,
    gauges_at: UnixMicros,
    beat: Arc<AtomicU64>,
    settled: Vec<StreamPosition>,
    merged: Counter,
    /// The rules whose topics the source reads.
    followed: Arc<Rules>,
}

impl<S: Source, T: Take> Intake<S, T> {
    /// Runs until told to stop, then drains what is under way, commits and returns the source.
    pub(crate) fn run(mut self) -> Result<S, SourceError> {
        let now = self.clock.now();
        let mut progress = Progress {
            ledger: OffsetLedger::default(),
            open: Round::new(self.rules.current()),
            spare: Vec::new(),
            in_flight: Vec::new(),
            topics: HashMap::new(),
            behind: HashMap::new(),
            leaving: HashSet::new(),
            committed_at: now,
            gauges_at: UnixMicros(0),
            beat: self.status.heartbeat(&self.name, now),
            settled: Vec::new(),
            merged: counter!(metrics::MERGED),
            followed: self.rules.current(),
        };
        while !*self.stop.borrow() {
            self.step(&mut progress)?;
        }
        let outcome = self.drain(&mut progress);
        self.status.oldest_unpurged(&self.name, None);
        self.status.retire_heartbeat(&self.name);
        outcome.map(|()| self.source)
    }

    fn step(&mut self, progress: &mut Progress) -> Result<(), SourceError> {
        self.settle_done(progress);
        self.take.retry(&mut progress.open);
        self.adopt_rules(progress);
        let demand = self.demand(progress);
        self.pull(progress, demand)?;
        self.send_if_due(progress);
        let now = self.clock.now();
        progress.beat.store(now.0, Ordering::Relaxed);
        // Another process waits for a stream that leaves, so its last settled prefix is told at once.
        let due = now.since(progress.committed_at) >= self.bounds.commit_every.as_micros() as u64;
        if due || !progress.leaving.is_empty() {
            self.commit(progress, None);
        }
        if now.since(progress.gauges_at) >= GAUGES_EVERY.as_micros() as u64 {
            progress.gauges_at = now;
            self.set_gauges(progress);
        }
        Ok(())
    }

    /// Puts a new registry to use. Its topics are asked for only when the open round resolves by it: a record of
    /// a table that is new would be nobody's under the rules before, and would settle unpurged.
    fn adopt_rules(&mut self, progress: &mut Progress) {
        if progress.open.is_empty() {
            let rules = self.rules.current();
            if !Arc::ptr_eq(&rules, &progress.open.rules) {
                progress.open.reset(rules);
            }
        }
        if Arc::ptr_eq(&progress.followed, &progress.open.rules) {
            return;
        }
        let before = std::mem::replace(&mut progress.followed, Arc::clone(&progress.open.rules));
        let topics: Vec<&str> = progress.followed.registry.topics().collect();
        // Subscribing again makes the group rebalance, so only for another set of topics.
        let other = !before.registry.topics().eq(topics.iter().copied());
        if matches!(self.lag_of, LagOf::Topics) && other {
            match self.source.follow(&topics) {
                Ok(()) => {
                    tracing::info!(intake = %self.name, topics = topics.len(), "topics of the new registry are followed")
                }
                Err(error) => {
                    let reason = format!("cannot read the topics of the new registry: {error}");
                    self.status.not_ready(&self.name, &reason, self.clock.now());
                    tracing::error!(intake = %self.name, error = %error, "new topics refused");
                }
            }
        }
    }

    /// How much to ask for, and how long to wait for it.
    fn demand(&self, progress: &Progress) -> Demand {
        let room = self
            .bounds
            .round_records_max
            .saturating_sub(progress.open.purges.positions().len());
        if self.take.is_held_up() || room == 0 {
            return Demand {
                records_max: 0,
                wait: Duration::from_millis(1),
            };
        }
        if progress.open.is_empty() {
            return Demand {
                records_max: room,
                wait: self.bounds.idle_wait,
            };
        }
        // Something waits to be sent: either for its window, or for a round under way to come back.
        let window = self
            .bounds
            .window
            .remaining(&progress.open, self.clock.now());
        let wait = window.clamp(Duration::from_micros(200), self.bounds.idle_wait);
        Demand {
            records_max: room,
            wait,
        }
    }

    fn pull(&mut self, progress: &mut Progress, demand: Demand) -> Result<(), SourceError> {
        let Self { source, take, .. } = self;
        let Progress { ledger, open, .. } = progress;
        let events = source.next(demand, &mut |record| {
            let waits_for = take.take(record, open);
            ledger.open(record.position, waits_for);
        })?;
        for event in events {
            self.note_event(progress, event);
        }
        Ok(())
    }

    fn note_event(&mut self, progress: &mut Progress, event: SourceEvent) {
        match event {
            SourceEvent::Assigned {
                stream,
                topic,
                partition,
            } => {
                tracing::info!(intake = %self.name, topic = %topic, partition, "partition assigned");
                progress.topics.insert(stream, topic);
                self.status.ready(&self.name);
            }
            SourceEvent::Revoking { stream } => {
                progress.leaving.insert(stream);
            }
            SourceEvent::Revoked { stream } => {
                progress.leaving.remove(&stream);
                progress.ledger.close(stream);
                self.take.forget(stream);
                progress.behind.remove(&stream);
                if let Some(topic) = progress.topics.remove(&stream) {
                    tracing::info!(intake = %self.name, topic = %topic, "partition revoked");
                }
            }
            SourceEvent::Gap {
                topic,
                partition,
                cause,
                detail,
            } => {
                tracing::error!(topic = %topic, partition, cause = cause.name(), detail, "gap in the log");
            }
            SourceEvent::Behind { stream, records } => {
                progress.behind.insert(stream, records);
            }
            SourceEvent::Unreachable { reason } => {
                if self.status.not_ready(&self.name, &reason, self.clock.now()) {
                    tracing::warn!(intake = %self.name, reason = %reason, "source does not answer");
                }
            }
            SourceEvent::Reachable => {
                if self.status.ready(&self.name) {
                    tracing::info!(intake = %self.name, "source answers");
                }
            }
        }
    }

    fn send_if_due(&mut self, progress: &mut Progress) {
        if progress.open.is_empty() || progress.in_flight.len() >= self.bounds.rounds_in_flight_max
        {
            return;
        }
        let full = progress.open.purges.positions().len() >= self.bounds.round_records_max;
        let due = full
            || self
                .bounds
                .window
                .remaining(&progress.open, self.clock.now())
                .is_zero();
        if due {
            self.send(progress);
        }
    }

    fn send(&mut self, progress: &mut Progress) {
        let rules = self.rules.current();
        let next = match progress.spare.pop() {
            Some(mut spare) => {
                spare.reset(rules);
                spare
            }
            None => Round::new(rules),
        };
        let round = std::mem::replace(&mut progress.open, next);
        let Some(&first) = round.purges.positions().first() else {
            return;
        };
        progress.merged.increment(round.purges.merged() as u64);
        progress.in_flight.push((first, round.oldest));
        // The channel holds as many rounds as may be in flight, so it cannot be full; it is closed only when
        // the runtime is gone, and then nothing settles and everything comes again.
        if self.rounds.try_send(round).is_err() {
            tracing::error!(intake = %self.name, "rounds are no longer taken");
        }
        self.note_oldest(progress);
    }

    fn settle_done(&mut self, progress: &mut Progress) {
        while let Ok(round) = self.done.try_recv() {
            self.settle(progress, round);
        }
        // With everything in flight and no room, the next thing to happen is a round that comes back.
        let full = progress.in_flight.len() >= self.bounds.rounds_in_flight_max;
        if full && progress.open.purges.positions().len() >= self.bounds.round_records_max {
            match self.done.recv_timeout(Duration::from_millis(1)) {
                Ok(round) => self.settle(progress, round),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }

    fn settle(&mut self, progress: &mut Progress, round: Round) {
        for &position in round.purges.positions() {
            progress.ledger.settle(position);
        }
        if let Some(&first) = round.purges.positions().first() {
            progress
                .in_flight
                .retain(|(position, _)| *position != first);
        }
        self.note_oldest(progress);
        progress.spare.push(round);
    }

    fn note_oldest(&self, progress: &Progress) {
        let under_way = progress.in_flight.iter().filter_map(|(_, oldest)| *oldest);
        self.status
            .oldest_unpurged(&self.name, under_way.chain(progress.open.oldest).min());
    }

    fn commit(&mut self, progress: &mut Progress, wait: Option<Duration>) {
        progress.committed_at = self.clock.now();
        let settled = &mut progress.settled;
        progress
            .ledger
            .take_committable(|position| settled.push(position));
        if settled.is_empty() && wait.is_none() {
            return;
        }
        match self.source.commit(settled, wait) {
            Ok(()) => settled.clear(),
            // Kept and sent again with the next prefix: a later position of the same stream wins.
            Err(error) => tracing::warn!(intake = %self.name, error = %error, "commit failed"),
        }
    }

    fn set_gauges(&mut self, progress: &Progress) {
        self.note_oldest(progress);
        match &self.lag_of {
            LagOf::Topics => self.lags.set(&self.name, &progress.behind, |stream| {
                progress.topics.get(&stream)
            }),
            LagOf::Lane(lane) => {
                let behind: u64 = progress.behind.values().sum();
                metrics::lane_backlog(lane, behind + progress.ledger.open_count() as u64);
            }
        }
    }

    /// Takes nothing more, waits for rounds under way up to the deadline, commits the prefix.
    fn drain(&mut self, progress: &mut Progress) -> Result<(), SourceError> {
        let deadline = UnixMicros(self.clock.now().0 + self.drain_within.as_micros() as u64);
        loop {
            self.settle_done(progress);
            if !progress.open.is_empty()
                && progress.in_flight.len() < self.bounds.rounds_in_flight_max
            {
                self.send(progress);
            }
            let idle = progress.open.is_empty() && progress.in_flight.is_empty();
            let now = self.clock.now();
            progress.beat.store(now.0, Ordering::Relaxed);
            if idle || now >= deadline {
                break;
            }
            self.pull(
                progress,
                Demand {
                    records_max: 0,
                    wait: Duration::from_millis(5),
                },
            )?;
        }
        let left = progress.ledger.open_count();
        if left > 0 {
            tracing::warn!(intake = %self.name, left, "leaving with purges under way; they come again");
        }
        self.commit(progress, Some(Duration::from_secs(3)));
        Ok(())
    }
}
