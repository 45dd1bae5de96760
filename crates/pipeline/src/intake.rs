//! The loop of one source: take what is at hand, send rounds, settle what is done, commit the prefix.
//!
//! It runs on a thread of its own and holds no lock. Nothing here waits for a target: when rounds are under way and the
//! open one is full, the source is asked for nothing but keeps its session.

pub(crate) mod changes;
pub(crate) mod commits;
mod drift;
pub(crate) mod follow;
mod gaps;
mod inspect;
pub(crate) mod listen;
pub(crate) mod open;
mod order;
mod parked;
pub(crate) mod poison;
pub(crate) mod rounds;
mod sample;
mod schemas;
pub(crate) mod streams;
pub(crate) mod take;
mod tally;
pub mod transactions;
pub(crate) mod unproven;
mod waiting;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use freshet_core::broken::Promise;
use freshet_core::ports::{Demand, Reading, Source, SourceError, SourceEvent};
use freshet_core::position::{Steady, StreamPosition};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::events::settled::Settled;
use crate::intake::commits::Commits;
use crate::intake::follow::Follow;
use crate::intake::listen::Listen;
use crate::intake::open::{Gap, Open};
use crate::intake::rounds::Rounds;
use crate::intake::streams::{Partition, Streams};
use crate::intake::take::Take;
use crate::intake::unproven::UnprovenFamilies;
use crate::watch::status::Status;
use crate::watch::withheld::{Found, WaitsFor, Withheld};

/// How often slow-moving gauges are set.
const GAUGES_EVERY: Duration = Duration::from_millis(500);

/// While an answer is on its way, the intake looks for it this often.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// One source's loop, and its parts in the order in which a record meets them.
pub(crate) struct Intake<S, T> {
    pub(crate) name: String,
    pub(crate) source: S,
    pub(crate) streams: Streams,
    pub(crate) follow: Follow,
    pub(crate) take: T,
    pub(crate) listen: Listen,
    pub(crate) unproven: UnprovenFamilies,
    pub(crate) rounds: Rounds,
    pub(crate) commits: Commits,
    pub(crate) clock: Clock,
    pub(crate) status: Status,
    /// When the loop last turned.
    pub(crate) alive: Arc<AtomicU64>,
    /// The source had nothing at hand when it was last asked.
    pub(crate) quiet: bool,
    pub(crate) gauges_at: Steady,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) drain_within: Duration,
}

impl<S: Source, T: Take> Intake<S, T> {
    /// Runs until it is stopped, then drains what is under way, commits and returns the source.
    pub(crate) fn run(mut self) -> Result<S, SourceError> {
        while !*self.stop.borrow() {
            self.step()?;
        }
        let deadline = self.drain_until();
        while !self.drain_step(deadline)? {}
        Ok(self.end())
    }

    /// The same in steps with pauses between them, for a runtime of one thread under virtual time.
    pub(crate) async fn run_in_steps(mut self, pause: Duration) -> Result<S, SourceError> {
        while !*self.stop.borrow() {
            self.step()?;
            tokio::time::sleep(pause).await;
        }
        let deadline = self.drain_until();
        while !self.drain_step(deadline)? {
            tokio::time::sleep(pause).await;
        }
        Ok(self.end())
    }

    fn step(&mut self) -> Result<(), SourceError> {
        self.settle();
        self.take.retry(&mut self.rounds.open);
        self.take.look(&mut self.rounds.open);
        self.follow_rules();
        let demand = self.demand();
        self.pull(demand)?;
        self.listen();
        self.send_if_due();
        let now = self.clock.now();
        self.alive.store(now.0, Ordering::Relaxed);
        // Another process waits for a stream that leaves, so its last settled prefix is committed at once.
        let every = self.rounds.bounds.commit_every;
        if self.commits.is_due(now, every) || self.streams.is_any_leaving() {
            self.commit(None);
        }
        if now.since(self.gauges_at) >= GAUGES_EVERY {
            self.gauges_at = now;
            self.report();
        }
        Ok(())
    }

    /// Notes the rounds that are done.
    fn settle(&mut self) {
        while let Some(settled) = self.rounds.next_done() {
            self.settle_round(settled);
        }
        if let Some(settled) = self.rounds.wait_done(self.quiet) {
            self.settle_round(settled);
        }
    }

    fn settle_round(&mut self, settled: Arc<Settled>) {
        self.commits.settle(settled.positions());
        self.unproven.settle(settled.causes());
        self.rounds.recycle(settled);
        self.note_oldest();
    }

    /// Holds streams that wait, and reads the topics of a registry that was put in force.
    fn follow_rules(&mut self) {
        if let Some(streams) = self.take.held()
            && let Err(error) = self.source.follow(Reading::Without(&streams))
        {
            tracing::warn!(intake = %self.name, error = %error, "waiting partitions could not be paused");
        }
        let Some(topics) = self.follow.adopt(&mut self.rounds.open.round) else {
            return;
        };
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        match self.source.follow(Reading::Topics(&topics)) {
            Ok(()) => {
                tracing::info!(intake = %self.name, topics = topics.len(), "subscribed to the topics of the new registry");
            }
            Err(error) => {
                let reason = format!("cannot read the topics of the new registry: {error}");
                self.status.not_ready(&self.name, &reason, self.clock.now());
                tracing::error!(intake = %self.name, error = %error, "cannot subscribe to the topics of the new registry");
            }
        }
    }

    /// How much to ask for, and how long to wait for it.
    fn demand(&self) -> Demand {
        let Rounds { open, bounds, .. } = &self.rounds;
        let room = self.rounds.room().min(bounds.pull_max);
        let crowded = self.commits.open_count() >= bounds.open_max;
        if self.take.is_held_up() || room == 0 || crowded {
            return Demand {
                records_max: 0,
                wait: Duration::from_millis(1).min(bounds.idle_wait),
            };
        }
        let idle_wait = match self.take.is_asking() {
            true => LOOK_EVERY.min(bounds.idle_wait),
            false => bounds.idle_wait,
        };
        if open.round.is_empty() {
            return Demand {
                records_max: room,
                wait: idle_wait,
            };
        }
        // Something waits to be sent: for a round under way to come back, see `settle`, or for its window.
        Demand {
            records_max: room,
            wait: match self.rounds.is_full() {
                true => Duration::ZERO,
                false => self.rounds.window_left(self.clock.now()).min(idle_wait),
            },
        }
    }

    fn pull(&mut self, demand: Demand) -> Result<(), SourceError> {
        let (clock, source, take) = (&self.clock, &mut self.source, &mut self.take);
        let (open, commits) = (&mut self.rounds.open, &mut self.commits);
        // The clock is read once for all that is at hand, and not before.
        let mut came = None;
        let events = source.next(demand, &mut |record| {
            let waits_for = take.take(record, open, *came.get_or_insert_with(|| clock.now()));
            commits.open(record.position, waits_for);
        })?;
        self.quiet = came.is_none();
        for event in events {
            self.note_event(event);
        }
        Ok(())
    }

    fn note_event(&mut self, event: SourceEvent) {
        match event {
            SourceEvent::Assigned {
                stream,
                topic,
                partition,
            } => {
                tracing::info!(intake = %self.name, topic = %topic, partition, "partition assigned");
                let at = Partition { topic, partition };
                self.listen
                    .assigned(&self.name, stream, &at, self.clock.now());
                self.take.assigned(stream, &at.topic, partition);
                self.streams.assigned(stream, at);
                self.status.ready(&self.name);
            }
            SourceEvent::Begins { stream } => self.take.begins(stream),
            SourceEvent::Revoking { stream } => self.streams.leaves(stream),
            SourceEvent::Revoked { stream } => {
                self.commits.close(stream);
                self.take.forget(stream);
                if let Some(Partition { topic, partition }) = self.streams.revoked(stream) {
                    self.listen.revoked(&self.name, stream, &topic);
                    tracing::info!(intake = %self.name, topic = %topic, partition, "partition revoked");
                }
            }
            SourceEvent::Gap {
                topic,
                partition,
                cause,
                detail,
            } => {
                self.take.spoil(&topic);
                self.rounds.open.noticed.gaps.push(Gap {
                    topic,
                    cause,
                    detail: format!("partition {partition}: {detail}"),
                });
            }
            SourceEvent::Behind { stream, records } => self.streams.set_behind(stream, records),
            SourceEvent::Unreachable { reason } => {
                if self.status.not_ready(&self.name, &reason, self.clock.now()) {
                    tracing::warn!(intake = %self.name, reason = %reason, "source is unreachable");
                }
            }
            SourceEvent::Reachable => {
                if self.status.ready(&self.name) {
                    tracing::info!(intake = %self.name, "source is reachable again");
                }
            }
        }
    }

    /// Looks at what was noticed beside changes, and purges for the gaps whose time has come.
    fn listen(&mut self) {
        let now = self.clock.now();
        let Open { round, noticed } = &mut self.rounds.open;
        self.listen.listen(noticed, &round.rules.registry, now);
        self.note_gaps(now);
        let round = &mut self.rounds.open.round;
        self.unproven.purge_due(round, &self.clock, now);
    }

    fn note_gaps(&mut self, now: Steady) {
        let open = &mut self.rounds.open;
        for gap in open.noticed.gaps.drain(..) {
            let asked = self.take.asked_when_lost(&gap.topic);
            self.unproven
                .note(gap, asked, &open.round.rules.registry, now);
        }
    }

    fn send_if_due(&mut self) {
        if self.rounds.is_due(|| self.clock.now()) {
            self.send();
        }
    }

    fn send(&mut self) {
        self.rounds.send(self.follow.current(), &self.name);
        self.note_oldest();
    }

    fn commit(&mut self, wait: Option<Duration>) {
        let (is_held, now) = (self.unproven.holds_commits(), self.clock.now());
        let committed = self.commits.commit(&mut self.source, is_held, wait, now);
        if let Err(error) = committed {
            tracing::warn!(intake = %self.name, error = %error, "commit failed");
        }
    }

    fn note_oldest(&self) {
        let oldest = self.rounds.oldest().into_iter().chain(self.take.oldest());
        self.status.oldest_unpurged(&self.name, oldest.min());
    }

    /// Sets the gauges that change slowly, and says which position commits wait for, since when, and what for.
    fn report(&mut self) {
        self.note_oldest();
        self.streams.report(&self.name, self.commits.open_count());
        let now = self.clock.now();
        let hold = self.unproven.hold(now);
        let found = self.commits.blocking(hold, now);
        let withheld = found.and_then(|found| {
            let Found {
                position,
                since,
                waits_for,
            } = found;
            let Partition { topic, partition } = self.streams.partition(position.stream)?;
            Some(Withheld {
                topic: Arc::clone(topic),
                partition: *partition,
                offset: position.ordinal,
                since,
                waits_for: waits_for.unwrap_or_else(|| self.waits_for(position)),
            })
        });
        self.commits.report(&self.name, withheld.as_ref(), now);
        self.status.withheld(&self.name, withheld);
    }

    /// What an open position waits for.
    fn waits_for(&self, position: StreamPosition) -> WaitsFor {
        if let Some(id) = self.take.schema_for(position) {
            return WaitsFor::Schema(id);
        }
        match self.rounds.round_of(position) {
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
    fn drain_step(&mut self, deadline: Steady) -> Result<bool, SourceError> {
        self.settle();
        if !self.rounds.open.round.is_empty() && !self.rounds.is_full() {
            self.send();
        }
        let now = self.clock.now();
        self.alive.store(now.0, Ordering::Relaxed);
        let is_late = now >= deadline && !Promise::P10.is_broken();
        if self.rounds.is_over() || is_late {
            return Ok(true);
        }
        let demand = Demand {
            records_max: 0,
            wait: Duration::from_millis(5).min(self.rounds.bounds.idle_wait),
        };
        self.pull(demand)?;
        // What is noticed now is purged by the next process, since nothing is committed any more.
        self.note_gaps(now);
        Ok(false)
    }

    /// Commits what is settled and gives the source back.
    fn end(mut self) -> S {
        let left = self.commits.open_count();
        if left > 0 {
            tracing::warn!(intake = %self.name, left, "leaving with purges under way; their records are read again");
        }
        self.commit(Some(Duration::from_secs(3)));
        self.status.oldest_unpurged(&self.name, None);
        self.status.withheld(&self.name, None);
        self.status.retire_heartbeat(&self.name);
        self.source
    }
}
