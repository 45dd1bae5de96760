//! Starts everything and ends it in order: sources first, rounds drained, offsets committed, then out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use freshet_core::ports::{Outbox, Purger, Source, SourceError, WriterSchemas};
use freshet_core::position::Steady;
use freshet_core::sample::{PurgedSample, ReadSample};
use freshet_wire::Decoder;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::events::settled::Settled;
use crate::events::{Subscribers, beats, freshness, samples};
use crate::intake::Intake;
use crate::intake::changes::{TakeChanges, TakeParts};
use crate::intake::commits::Commits;
use crate::intake::follow::Follow;
use crate::intake::listen::Listen;
use crate::intake::poison::Poison;
use crate::intake::rounds::{Returned, Rounds};
use crate::intake::streams::Streams;
use crate::intake::take::Take;
use crate::intake::unproven::UnprovenFamilies;
use crate::lanes::budget::Pace;
use crate::lanes::lane::{Lane, Policy};
use crate::lanes::replay;
use crate::lanes::requests::TakeRequests;
use crate::lanes::store::Store;
use crate::lanes::target::{NewTarget, Target};
use crate::lanes::turns::Turns;
use crate::parts::{BacklogLane, Drive, LiveLane, Parts, Settings, TargetParts};
use crate::round::run::RunRound;
use crate::round::{Bounds, Round, Window};
use crate::rules::RulesInForce;
use crate::watch::beacon::Beacons;
use crate::watch::lag::{LagOf, Lags};

/// Why the pipeline ended on its own.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PipelineError {
    /// A source failed for good.
    #[error("{part}: {source}")]
    Source {
        /// Which part.
        part: String,
        /// Why.
        source: SourceError,
    },
    /// A thread or task ended without being stopped: a bug.
    #[error("{part} ended unexpectedly")]
    Ended {
        /// Which part.
        part: String,
    },
}

/// Runs until `stop` turns true or a part fails for good. Sources are handed back to be closed, so that
/// the caller decides how long that may take.
///
/// # Errors
/// See [`PipelineError`]. Nothing is lost: what was not settled is read again.
pub async fn run<S, P, O, W>(
    parts: Parts<S, P, O, W>,
    stop: watch::Receiver<bool>,
) -> Result<Vec<S>, PipelineError>
where
    S: Source + 'static,
    P: Purger + 'static,
    O: Outbox + 'static,
    W: WriterSchemas + 'static,
{
    let (halt, halted) = watch::channel(false);
    let mut start = Start {
        rules: parts.rules,
        store: Arc::new(Store {
            outbox: parts.outbox,
            clock: parts.clock,
            status: parts.status,
            backoff: parts.settings.backoff,
            dice: parts.settings.dice.clone(),
            dead_letter_topic: Arc::clone(&parts.settings.dead_letter_topic),
        }),
        settings: parts.settings,
        intakes: parts.intakes.len(),
        beacons: parts.beacons,
        reads: parts.reads,
        stop: halted,
        tasks: JoinSet::new(),
        subscribers: Subscribers::default(),
        readers: JoinSet::new(),
        ends: Vec::new(),
        lags: Lags::default(),
    };
    start.subscribe(parts.samples, parts.settled);
    let lanes = start.targets(parts.targets);
    let run_round = start.run_round(lanes);
    for (at, (source, schemas)) in parts.intakes.into_iter().enumerate() {
        start.intake(at, source, schemas, &run_round);
    }
    drop(run_round);
    finish(start, stop, halt).await
}

async fn finish<S, O>(
    start: Start<S, O>,
    mut stop: watch::Receiver<bool>,
    halt: watch::Sender<bool>,
) -> Result<Vec<S>, PipelineError> {
    let (mut tasks, mut readers) = (start.tasks, start.readers);
    drop(start.subscribers);
    let mut running: FuturesUnordered<_> = start
        .ends
        .into_iter()
        .map(|(part, end)| async move { (part, end.await) })
        .collect();
    let mut sources = Vec::new();
    let mut failure = None;
    loop {
        tokio::select! {
            biased;
            ended = running.next() => match ended {
                None => break,
                Some((_, Ok(Ok(source)))) => sources.push(source),
                Some((part, Ok(Err(source)))) => {
                    failure.get_or_insert(PipelineError::Source { part, source });
                    halt.send_replace(true);
                }
                Some((part, Err(_))) => {
                    failure.get_or_insert(PipelineError::Ended { part });
                    halt.send_replace(true);
                }
            },
            changed = stop.wait_for(|stop| *stop), if !*halt.borrow() => {
                drop(changed);
                halt.send_replace(true);
            }
        }
    }
    tasks.shutdown().await;
    // Nobody publishes any more: they read what is there, and end.
    while readers.join_next().await.is_some() {}
    failure.map_or(Ok(sources), Err)
}

/// The way to each target, by its name.
type Lanes<P, O> = BTreeMap<Arc<str>, Arc<Lane<P, O>>>;

type ThreadEnd<S> = oneshot::Receiver<Result<S, SourceError>>;

/// What is being started.
struct Start<S, O> {
    rules: RulesInForce,
    store: Arc<Store<O>>,
    settings: Settings,
    /// How many there are.
    intakes: usize,
    beacons: Beacons,
    reads: Option<mpsc::Sender<ReadSample>>,
    stop: watch::Receiver<bool>,
    tasks: JoinSet<()>,
    subscribers: Subscribers,
    /// The tasks of those who subscribed here.
    readers: JoinSet<()>,
    ends: Vec<(String, ThreadEnd<S>)>,
    lags: Lags,
}

impl<S: Source + 'static, O: Outbox + 'static> Start<S, O> {
    /// Everybody who reads settled rounds beside the ledger.
    fn subscribe(
        &mut self,
        samples: Option<mpsc::Sender<PurgedSample>>,
        settled: Option<mpsc::Sender<Arc<Settled>>>,
    ) {
        let subscribers = &mut self.subscribers;
        let rounds = subscribers.subscribe("freshness", |_| true);
        self.readers.spawn(freshness::run(rounds));
        let rounds = subscribers.subscribe("beacons", beats::are_in);
        self.readers.spawn(beats::run(rounds, self.beacons.clone()));
        if let Some(auditor) = samples {
            let rounds = subscribers.subscribe("auditor", samples::are_in);
            self.readers.spawn(samples::run(rounds, auditor));
        }
        if let Some(settled) = settled {
            subscribers.add("outside", |_| true, settled);
        }
    }

    fn run_round<P>(&self, lanes: Lanes<P, O>) -> Arc<RunRound<P, O>> {
        Arc::new(RunRound {
            lanes,
            store: Arc::clone(&self.store),
        })
    }

    fn intake<P: Purger + 'static, W: WriterSchemas + 'static>(
        &mut self,
        at: usize,
        source: S,
        schemas: W,
        run_round: &Arc<RunRound<P, O>>,
    ) {
        let take = TakeChanges::new(TakeParts {
            decoder: Decoder::new(self.settings.limits.clone()),
            schemas,
            clock: self.store.clock.clone(),
            status: self.store.status.clone(),
            dead_letter_topic: Arc::clone(&self.settings.dead_letter_topic),
            sample_every: self.settings.sample_every,
            reads: self.reads.clone(),
            dice: self.settings.dice.clone(),
            transactions: self.settings.transactions.clone(),
            drive: self.settings.drive,
            part: match at {
                0 => "schema registry".to_owned(),
                _ => format!("schema registry (intake {at})"),
            },
        });
        let seat = Seat {
            name: format!("intake {at}"),
            lag_of: LagOf::Topics,
            bounds: self.settings.intake,
        };
        self.thread(seat, source, take, Arc::clone(run_round));
    }

    /// Starts the lanes of every target; returns the way that the intakes' rounds take to each.
    fn targets<P: Purger + 'static>(&mut self, targets: Vec<TargetParts<S, P>>) -> Lanes<P, O> {
        let started: Vec<Started<S, P>> = targets
            .into_iter()
            .map(|target| self.target(target))
            .collect();
        let lanes = started.iter().map(|started| {
            let lane = self.lane(started.front(), &started.target);
            (Arc::clone(&started.target.name), lane)
        });
        let lanes: Lanes<P, O> = lanes.collect();
        for started in started {
            let Started {
                target,
                within,
                live,
                backlog,
            } = started;
            // What follows in outer targets goes the way of live purges.
            let mut behind = lanes.clone();
            let pace = backlog.purges_per_second.map(Pace::new);
            let name = Arc::clone(&target.name);
            behind.insert(Arc::clone(&name), self.lane(Policy::Backlog(pace), &target));
            let seat = self.seat(format!("{name}.backlog"), Window::default());
            self.take_requests(seat, &name, backlog.source, behind);
            if let Some(live) = live {
                let mut lanes = lanes.clone();
                lanes.insert(
                    Arc::clone(&name),
                    self.lane(Policy::Inline(within), &target),
                );
                let seat = self.seat(name.to_string(), live.window);
                self.take_requests(seat, &name, live.source, lanes);
            }
            let (store, every) = (Arc::clone(&self.store), self.settings.ping_every);
            let now = self.store.clock.now();
            self.store
                .status
                .not_ready(&target.part, "has not answered yet", now);
            self.tasks
                .spawn(async move { replay::watch(&target, &store, every).await });
        }
        lanes
    }

    fn target<P>(&self, parts: TargetParts<S, P>) -> Started<S, P> {
        let TargetParts {
            name,
            purger,
            live,
            backlog,
        } = parts;
        let new = NewTarget {
            name,
            purger,
            backlog: Arc::clone(&backlog.topic),
            keep: backlog.replay,
        };
        Started {
            target: Arc::new(Target::new(new, self.store.backoff, self.store.clock.now())),
            within: backlog.after,
            live,
            backlog,
        }
    }

    fn lane<P>(&self, policy: Policy, target: &Arc<Target<P>>) -> Arc<Lane<P, O>> {
        Arc::new(Lane {
            target: Arc::clone(target),
            policy,
            store: Arc::clone(&self.store),
            turns: Turns::new(self.settings.intake.rounds_in_flight_max * self.intakes),
        })
    }

    fn seat(&self, lane: String, window: Window) -> Seat {
        Seat {
            name: format!("lane {lane}"),
            lag_of: LagOf::Lane(Arc::from(lane)),
            bounds: Bounds {
                window,
                // All that such a round waits for is its one target.
                rounds_open_max: self.settings.lane.rounds_in_flight_max,
                ..self.settings.lane
            },
        }
    }

    /// Starts whatever reads a topic of purge requests.
    fn take_requests<P: Purger + 'static>(
        &mut self,
        seat: Seat,
        target: &Arc<str>,
        source: S,
        lanes: Lanes<P, O>,
    ) {
        let run_round = self.run_round(lanes);
        let take = TakeRequests {
            target: Arc::clone(target),
            poison: Poison {
                dead_letter_topic: Arc::clone(&self.settings.dead_letter_topic),
                clock: self.store.clock.clone(),
            },
        };
        self.thread(seat, source, take, run_round);
    }

    /// One thread for the source, one task for its rounds.
    fn thread<P: Purger + 'static>(
        &mut self,
        seat: Seat,
        source: S,
        take: impl Take + 'static,
        run_round: Arc<RunRound<P, O>>,
    ) {
        let Seat {
            name,
            lag_of,
            bounds,
        } = seat;
        let open_max = bounds.rounds_open_max.max(bounds.rounds_in_flight_max);
        let (rounds, waiting) = mpsc::channel(open_max);
        // A round is reported twice at most: that it waits only for late targets, and that it is done.
        let (report, done) = std::sync::mpsc::sync_channel(2 * open_max);
        let subscribers = self.subscribers.clone();
        self.tasks
            .spawn(run_rounds(run_round, waiting, report, subscribers));
        self.store
            .status
            .not_ready(&name, "no partition assigned yet", self.store.clock.now());
        let (clock, status) = (self.store.clock.clone(), self.store.status.clone());
        let now = clock.now();
        let (heartbeats, beacons) = (self.settings.heartbeats.clone(), self.beacons.clone());
        let intake = Intake {
            source,
            follow: self.follow(&lag_of),
            streams: Streams::new(lag_of, self.lags.clone()),
            take,
            listen: Listen::new(heartbeats, beacons, status.clone()),
            unproven: UnprovenFamilies::new(status.clone()),
            rounds: Rounds::new(self.rules.current(), bounds, rounds, done),
            commits: Commits::new(now),
            alive: status.heartbeat(&name, now),
            clock,
            status,
            quiet: false,
            gauges_at: Steady(0),
            stop: self.stop.clone(),
            drain_within: self.settings.drain_within,
            name: name.clone(),
        };
        let (end, ended) = oneshot::channel();
        // Nobody listens for the end any more only when the process is leaving already.
        match self.settings.drive {
            Drive::Threads => {
                let thread = std::thread::Builder::new().name(name.clone());
                if let Err(error) = thread.spawn(move || drop(end.send(intake.run()))) {
                    tracing::error!(part = %name, error = %error, "cannot start a thread");
                }
            }
            Drive::Steps(pause) => {
                self.tasks
                    .spawn(async move { drop(end.send(intake.run_in_steps(pause).await)) });
            }
        }
        self.ends.push((name, ended));
    }

    /// What an intake reads: the tables and the connectors' own topics, or a topic of ours.
    fn follow(&self, lag_of: &LagOf) -> Follow {
        let rules = self.rules.clone();
        match lag_of {
            LagOf::Lane(_) => Follow::own_topic(rules),
            LagOf::Topics => {
                let heartbeats = self.settings.heartbeats.topics();
                let beside = heartbeats.chain(self.settings.transactions.topics());
                Follow::tables(rules, beside.collect())
            }
        }
    }
}

/// What distinguishes one intake from another.
struct Seat {
    name: String,
    lag_of: LagOf,
    bounds: Bounds,
}

/// A target whose lanes are being started.
struct Started<S, P> {
    target: Arc<Target<P>>,
    /// A live purge that is not done within this goes to the backlog.
    within: Duration,
    live: Option<LiveLane<S>>,
    backlog: BacklogLane<S>,
}

impl<S, P> Started<S, P> {
    /// How rounds of changes reach it.
    fn front(&self) -> Policy {
        match &self.live {
            Some(live) => Policy::Queued(Arc::clone(&live.topic)),
            None => Policy::Inline(self.within),
        }
    }
}

/// Runs the rounds of one intake, several at a time, and hands them back when they are done.
async fn run_rounds<P: Purger, O: Outbox>(
    run_round: Arc<RunRound<P, O>>,
    mut waiting: mpsc::Receiver<Round>,
    report: SyncSender<Returned>,
    subscribers: Subscribers,
) {
    let mut under_way = FuturesUnordered::new();
    let mut open = true;
    while open || !under_way.is_empty() {
        tokio::select! {
            // In order, so that a simulation repeats itself; both make progress, since rounds are bounded.
            biased;
            next = waiting.recv(), if open => match next {
                Some(round) => {
                    let (run_round, report) = (&run_round, &report);
                    under_way.push(async move {
                        let number = round.number;
                        // It has room for whatever may be under way, and closes with the intake.
                        let late = |targets| {
                            drop(report.try_send(Returned::Late { number, targets }));
                        };
                        run_round.run(round, late).await
                    });
                }
                None => open = false,
            },
            Some(settled) = under_way.next(), if !under_way.is_empty() => {
                // The channel has room for every round that may be in flight, so this cannot block.
                let settled = Arc::new(settled);
                if report.try_send(Returned::Done(Arc::clone(&settled))).is_err() {
                    return;
                }
                // The ledger has it. Nobody else is waited for.
                subscribers.publish(&settled);
            }
        }
    }
}
