//! The loop of one source: take what is at hand, send rounds, settle what is done, commit the prefix.
//!
//! It runs on a thread of its own and holds no lock. Nothing here waits for a target: when rounds are under way and the
//! open one is full, the source is asked for nothing but keeps its session.

mod adopt;
mod drift;
pub(crate) mod gaps;
mod hold;
pub(crate) mod parked;
mod sample;
pub(crate) mod schemas;
pub(crate) mod take;
pub(crate) mod taking;
mod tally;
pub mod transactions;
mod unproven;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use ::metrics::{Counter, counter};
use freshet_core::broken::Promise;
use freshet_core::ledger::OffsetLedger;
use freshet_core::ports::{Demand, Source, SourceError, SourceEvent};
use freshet_core::position::{Steady, StreamId, StreamPosition};
use tokio::sync::{mpsc, watch};

use crate::clock::Clock;
use crate::intake::gaps::Gaps;
use crate::intake::taking::Take;
use crate::metrics;
use crate::round::sent::InFlight;
use crate::round::{Bounds, Returned, Round};
use crate::rules::{Rules, RulesInForce};
use crate::watch::beacon::Beacons;
use crate::watch::heartbeat::{Heard, Heartbeats};
use crate::watch::lag::{LagOf, Lags};
use crate::watch::status::Status;
use crate::watch::withheld::{
    Found, Hold, Partition, Partitions, WaitsFor, Withheld, WithheldWatch,
};

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
    pub(crate) heartbeats: Heartbeats,
    pub(crate) beacons: Beacons,
    /// Topics that tell where transactions begin and end.
    pub(crate) transactions: Vec<String>,
    pub(crate) rounds: mpsc::Sender<Round>,
    pub(crate) done: Receiver<Returned>,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) drain_within: Duration,
}

/// What changes while the loop runs.
pub(crate) struct Progress {
    pub(crate) ledger: OffsetLedger,
    pub(crate) open: Round,
    pub(crate) gaps: Gaps,
    pub(crate) heard: Heard,
    sent: u64,
    /// The source had nothing at hand when it was last asked.
    quiet: bool,
    /// Rounds under way that purge the scopes of gaps.
    gaps_under_way: usize,
    spare: Vec<Round>,
    in_flight: InFlight,
    pub(crate) partitions: Partitions,
    pub(crate) behind: HashMap<StreamId, u64>,
    /// Streams that end as soon as what was handed out of them is committed.
    leaving: HashSet<StreamId>,
    committed_at: Steady,
    gauges_at: Steady,
    beat: Arc<AtomicU64>,
    settled: Vec<StreamPosition>,
    withheld: WithheldWatch,
    /// Commits wait for the purges of gaps since then.
    gaps_since: Option<Steady>,
    /// The source has not taken the last commit.
    refused: Option<Hold>,
    merged: Counter,
    /// The rules whose topics the source reads.
    pub(crate) followed: Arc<Rules>,
}

impl Progress {
    /// Whether the purges of gaps wait or are under way.
    fn is_held_by_gaps(&self) -> bool {
        self.gaps.is_waiting() || self.gaps_under_way > 0 || !self.open.unproven_topics.is_empty()
    }

    /// Why commits wait, whatever is settled.
    fn hold(&mut self, now: Steady) -> Option<Hold> {
        if !self.is_held_by_gaps() {
            self.gaps_since = None;
            return self.refused.clone();
        }
        Some(Hold {
            since: *self.gaps_since.get_or_insert(now),
            waits_for: WaitsFor::Gaps,
        })
    }
}

impl<S: Source, T: Take> Intake<S, T> {
    /// Runs until told to stop, then drains what is under way, commits and returns the source.
    pub(crate) fn run(mut self) -> Result<S, SourceError> {
        let mut progress = self.begin();
        while !*self.stop.borrow() {
            self.step(&mut progress)?;
        }
        let deadline = self.drain_until();
        while !self.drain_step(&mut progress, deadline)? {}
        Ok(self.end(&mut progress))
    }

    /// The same in steps with pauses between them, for a runtime of one thread under virtual time.
    pub(crate) async fn run_in_steps(mut self, pause: Duration) -> Result<S, SourceError> {
        let mut progress = self.begin();
        while !*self.stop.borrow() {
            self.step(&mut progress)?;
            tokio::time::sleep(pause).await;
        }
        let deadline = self.drain_until();
        while !self.drain_step(&mut progress, deadline)? {
            tokio::time::sleep(pause).await;
        }
        Ok(self.end(&mut progress))
    }

    fn begin(&self) -> Progress {
        let (now, rules) = (self.clock.now(), self.rules.current());
        Progress {
            ledger: OffsetLedger::default(),
            open: Round::new(Arc::clone(&rules)),
            gaps: Gaps::default(),
            heard: Heard::default(),
            sent: 0,
            quiet: false,
            gaps_under_way: 0,
            spare: Vec::new(),
            in_flight: InFlight::default(),
            partitions: Partitions::new(),
            behind: HashMap::new(),
            leaving: HashSet::new(),
            committed_at: now,
            gauges_at: Steady(0),
            beat: self.status.heartbeat(&self.name, now),
            settled: Vec::new(),
            withheld: WithheldWatch::default(),
            gaps_since: None,
            refused: None,
            merged: counter!(metrics::MERGED),
            followed: rules,
        }
    }

    fn step(&mut self, progress: &mut Progress) -> Result<(), SourceError> {
        self.settle_done(progress);
        self.take.retry(&mut progress.open);
        self.take.look(&mut progress.open);
        self.adopt_rules(progress);
        let demand = self.demand(progress);
        self.pull(progress, demand)?;
        self.listen(progress);
        self.purge_gaps(progress);
        self.send_if_due(progress);
        let now = self.clock.now();
        progress.beat.store(now.0, Ordering::Relaxed);
        // Another process waits for a stream that leaves, so its last settled prefix is told at once.
        let due = now.since(progress.committed_at) >= self.bounds.commit_every;
        if due || !progress.leaving.is_empty() {
            self.commit(progress, None);
        }
        if now.since(progress.gauges_at) >= GAUGES_EVERY {
            progress.gauges_at = now;
            self.set_gauges(progress);
            self.note_withheld(progress);
        }
        Ok(())
    }

    /// How much to ask for, and how long to wait for it.
    fn demand(&self, progress: &Progress) -> Demand {
        let room = self.bounds.room(&progress.open).min(self.bounds.pull_max);
        let crowded = progress.ledger.open_count() >= self.bounds.open_max;
        if self.take.is_held_up() || room == 0 || crowded {
            return Demand {
                records_max: 0,
                wait: Duration::from_millis(1).min(self.bounds.idle_wait),
            };
        }
        if progress.open.is_empty() {
            return Demand {
                records_max: room,
                wait: self.idle_wait(),
            };
        }
        // Something waits to be sent: for a round under way to come back, see `settle_done`, or for its window.
        Demand {
            records_max: room,
            wait: match self.is_full(progress) {
                true => Duration::ZERO,
                false => self.window_left(progress).min(self.idle_wait()),
            },
        }
    }

    fn pull(&mut self, progress: &mut Progress, demand: Demand) -> Result<(), SourceError> {
        let (clock, source, take) = (&self.clock, &mut self.source, &mut self.take);
        let Progress { ledger, open, .. } = progress;
        // The clock is read once for all that is at hand, and not before.
        let mut came = None;
        let events = source.next(demand, &mut |record| {
            let waits_for = take.take(record, open, *came.get_or_insert_with(|| clock.now()));
            ledger.open(record.position, waits_for);
        })?;
        progress.quiet = came.is_none();
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
                let now = self.clock.now();
                progress.heard.note(&topic, now);
                let seat = (self.name.as_str(), stream);
                self.beacons.assigned(&topic, (seat, partition), now);
                self.take.assigned(stream, &topic, partition);
                progress
                    .partitions
                    .insert(stream, Partition { topic, partition });
                self.status.ready(&self.name);
            }
            SourceEvent::Begins { stream } => self.take.begins(stream),
            SourceEvent::Revoking { stream } => {
                progress.leaving.insert(stream);
            }
            SourceEvent::Revoked { stream } => {
                progress.leaving.remove(&stream);
                progress.ledger.close(stream);
                self.take.forget(stream);
                progress.behind.remove(&stream);
                if let Some(Partition { topic, .. }) = progress.partitions.remove(&stream) {
                    progress.heard.forget(&topic);
                    self.beacons.revoked(&topic, (&self.name, stream));
                    tracing::info!(intake = %self.name, topic = %topic, "partition revoked");
                }
            }
            SourceEvent::Gap {
                topic,
                partition,
                cause,
                detail,
            } => {
                self.take.spoil(&topic);
                let gap = (cause, format!("partition {partition}: {detail}"));
                self.note_gap(progress, &topic, gap);
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

    /// Whether no more rounds may be under way.
    fn is_full(&self, progress: &Progress) -> bool {
        progress.in_flight.is_full(&self.bounds)
    }

    fn window_left(&self, progress: &Progress) -> Duration {
        let (window, open) = (&self.bounds.window, &progress.open);
        window.remaining(open, self.clock.now())
    }

    fn send_if_due(&mut self, progress: &mut Progress) {
        if progress.open.is_empty() || self.is_full(progress) {
            return;
        }
        if self.bounds.room(&progress.open) == 0 || self.window_left(progress).is_zero() {
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
        let mut round = std::mem::replace(&mut progress.open, next);
        progress.sent += 1;
        round.number = progress.sent;
        progress.merged.increment(round.purges.merged() as u64);
        progress.gaps_under_way += usize::from(!round.unproven_topics.is_empty());
        progress.in_flight.push(&round);
        // It has room for all rounds in flight, and closes with the runtime: nothing settles then, all comes again.
        if self.rounds.try_send(round).is_err() {
            tracing::error!(intake = %self.name, "rounds are no longer taken");
        }
        self.note_oldest(progress);
    }

    fn settle_done(&mut self, progress: &mut Progress) {
        while let Ok(returned) = self.done.try_recv() {
            self.hear(progress, returned);
        }
        // With everything in flight, what is open waits for a round that comes back. A record would only join it.
        let waits = self.is_full(progress) && !progress.open.is_empty();
        if waits && (progress.quiet || self.bounds.room(&progress.open) == 0) {
            let wait = Duration::from_millis(1).min(self.bounds.idle_wait);
            if let Ok(returned) = self.done.recv_timeout(wait) {
                self.hear(progress, returned);
            }
        }
    }

    fn hear(&mut self, progress: &mut Progress, returned: Returned) {
        let Returned {
            number,
            round,
            late,
        } = returned;
        match round {
            Some(round) => self.settle(progress, round),
            None => progress.in_flight.wait_for_late(number, late),
        }
    }

    fn settle(&mut self, progress: &mut Progress, round: Round) {
        for &position in round.purges.positions() {
            progress.ledger.settle(position);
        }
        progress.in_flight.remove(round.number);
        if !round.unproven_topics.is_empty() {
            progress.gaps_under_way -= 1;
            self.prove(&round);
        }
        self.note_oldest(progress);
        // What was open beside a lane that was late is not all needed again.
        if progress.spare.len() <= self.bounds.rounds_in_flight_max {
            progress.spare.push(round);
        }
    }

    pub(crate) fn note_oldest(&self, progress: &Progress) {
        let under_way = progress.in_flight.oldest();
        let waiting = progress.open.oldest.into_iter().chain(self.take.oldest());
        let oldest = under_way.chain(waiting).min();
        self.status.oldest_unpurged(&self.name, oldest);
    }

    fn commit(&mut self, progress: &mut Progress, wait: Option<Duration>) {
        progress.committed_at = self.clock.now();
        // A process that dies does not notice a gap a second time once it has committed behind it.
        if progress.is_held_by_gaps() {
            return;
        }
        let settled = &mut progress.settled;
        progress
            .ledger
            .take_committable(|position| settled.push(position));
        if settled.is_empty() && wait.is_none() {
            return;
        }
        match self.source.commit(settled, wait) {
            Ok(()) => {
                settled.clear();
                progress.refused = None;
            }
            // Kept and sent again with the next prefix: a later position of the same stream wins.
            Err(error) => {
                tracing::warn!(intake = %self.name, error = %error, "commit failed");
                let since = progress
                    .refused
                    .take()
                    .map_or(progress.committed_at, |hold| hold.since);
                let waits_for = WaitsFor::Source(error.to_string());
                progress.refused = Some(Hold { since, waits_for });
            }
        }
    }

    /// Reports which position commits wait for, since when, and what for.
    fn note_withheld(&self, progress: &mut Progress) {
        let now = self.clock.now();
        let hold = progress.hold(now);
        let found = progress.withheld.look(&progress.ledger, hold, now);
        let withheld = found.and_then(|found| {
            let Found {
                position,
                since,
                waits_for,
            } = found;
            let Partition { topic, partition } = progress.partitions.get(&position.stream)?;
            Some(Withheld {
                topic: Arc::clone(topic),
                partition: *partition,
                offset: position.ordinal,
                since,
                waits_for: waits_for.unwrap_or_else(|| self.waits_for(progress, position)),
            })
        });
        progress.withheld.report(&self.name, withheld.as_ref(), now);
        self.status.withheld(&self.name, withheld);
    }

    /// What an open position waits for.
    fn waits_for(&self, progress: &Progress, position: StreamPosition) -> WaitsFor {
        if let Some(id) = self.take.schema_for(position) {
            return WaitsFor::Schema(id);
        }
        match progress.in_flight.round_of(position) {
            None => WaitsFor::Window,
            Some(sent) => match &sent.late {
                Some(targets) => WaitsFor::Targets(targets.clone()),
                None => WaitsFor::Purges,
            },
        }
    }

    fn drain_until(&self) -> Steady {
        self.clock.now().plus(self.drain_within)
    }

    /// Takes nothing more and lets rounds under way come back. True when none is left, or at the deadline.
    fn drain_step(
        &mut self,
        progress: &mut Progress,
        deadline: Steady,
    ) -> Result<bool, SourceError> {
        self.settle_done(progress);
        if !progress.open.is_empty() && !self.is_full(progress) {
            self.send(progress);
        }
        let now = self.clock.now();
        progress.beat.store(now.0, Ordering::Relaxed);
        let is_over = now >= deadline && !Promise::P10.is_broken();
        if (progress.open.is_empty() && progress.in_flight.is_empty()) || is_over {
            return Ok(true);
        }
        let demand = Demand {
            records_max: 0,
            wait: Duration::from_millis(5).min(self.bounds.idle_wait),
        };
        self.pull(progress, demand)?;
        Ok(false)
    }

    /// Commits what is settled and gives the source back.
    fn end(mut self, progress: &mut Progress) -> S {
        let left = progress.ledger.open_count();
        if left > 0 {
            tracing::warn!(intake = %self.name, left, "leaving with purges under way; they come again");
        }
        self.commit(progress, Some(Duration::from_secs(3)));
        self.status.oldest_unpurged(&self.name, None);
        self.status.withheld(&self.name, None);
        self.status.retire_heartbeat(&self.name);
        self.source
    }
}
