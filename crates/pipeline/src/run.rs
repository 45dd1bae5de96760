//! Starts everything and ends it in order: sources first, rounds drained, offsets committed, then out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use freshet_core::ports::{Outbox, Purger, Source, SourceError, WriterSchemas};
use freshet_core::sample::{PurgedSample, ReadSample};
use freshet_wire::Decoder;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::budget::Pace;
use crate::canary::Canaries;
use crate::clock::Clock;
use crate::intake::Intake;
use crate::lag::{LagOf, Lags};
use crate::lane::TakeRequests;
use crate::metrics::STAGE;
use crate::parts::{Drive, Parts, Settings, TargetParts};
use crate::purge::RunRound;
use crate::round::{Bounds, Round, Window};
use crate::rules::RulesInForce;
use crate::served::{Lane, Served, TargetState};
use crate::status::Status;
use crate::take::{TakeChanges, TakeParts};
use crate::taking::Take;

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
    /// A thread or task ended without being told to: a bug.
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
/// See [`PipelineError`]. Nothing is lost: what was not settled comes again.
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
        status: parts.status,
        clock: parts.clock,
        settings: parts.settings,
        outbox: parts.outbox,
        samples: parts.samples,
        canaries: parts.canaries,
        reads: parts.reads,
        stop: halted,
        tasks: JoinSet::new(),
        ends: Vec::new(),
        lags: Lags::default(),
    };
    let lanes = start.targets(parts.targets);
    let samples = start.samples.clone();
    let run_round = Arc::new(start.run_round(lanes, samples));
    for (at, (source, schemas)) in parts.intakes.into_iter().enumerate() {
        start.intake(at, source, schemas, &run_round);
    }
    finish(start, stop, halt).await
}

async fn finish<S, O>(
    start: Start<S, O>,
    mut stop: watch::Receiver<bool>,
    halt: watch::Sender<bool>,
) -> Result<Vec<S>, PipelineError> {
    let mut tasks = start.tasks;
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
    failure.map_or(Ok(sources), Err)
}

type ThreadEnd<S> = oneshot::Receiver<Result<S, SourceError>>;

/// What is being started.
struct Start<S, O> {
    rules: RulesInForce,
    status: Status,
    clock: Clock,
    settings: Settings,
    outbox: Arc<O>,
    samples: Option<mpsc::Sender<PurgedSample>>,
    canaries: Canaries,
    reads: Option<mpsc::Sender<ReadSample>>,
    stop: watch::Receiver<bool>,
    tasks: JoinSet<()>,
    ends: Vec<(String, ThreadEnd<S>)>,
    lags: Lags,
}

impl<S: Source + 'static, O: Outbox + 'static> Start<S, O> {
    fn run_round<P>(
        &self,
        lanes: BTreeMap<Arc<str>, Lane<P>>,
        samples: Option<mpsc::Sender<PurgedSample>>,
    ) -> RunRound<P, O> {
        RunRound {
            lanes,
            outbox: Arc::clone(&self.outbox),
            clock: self.clock.clone(),
            status: self.status.clone(),
            backoff: self.settings.backoff,
            dice: self.settings.dice.clone(),
            samples,
            canaries: self.canaries.clone(),
            dead_letter_topic: Arc::clone(&self.settings.dead_letter_topic),
            purge_stage: metrics::histogram!(STAGE, "stage" => "purge"),
            stop: self.stop.clone(),
        }
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
            clock: self.clock.clone(),
            status: self.status.clone(),
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

    /// Starts the lanes of every target; returns how the intakes' rounds reach them.
    fn targets<P: Purger + 'static>(
        &mut self,
        targets: Vec<TargetParts<S, P>>,
    ) -> BTreeMap<Arc<str>, Lane<P>> {
        let served: Vec<Served<P>> = targets.iter().map(|target| self.served(target)).collect();
        let lanes = targets.iter().zip(&served).map(|(target, served)| {
            let lane = match &target.live {
                None => Lane::Here(served.clone()),
                Some(live) => Lane::Outbox(Arc::clone(&live.topic)),
            };
            (Arc::clone(&target.name), lane)
        });
        let lanes: BTreeMap<Arc<str>, Lane<P>> = lanes.collect();
        for (target, served) in targets.into_iter().zip(served) {
            let TargetParts {
                name,
                live,
                backlog,
                ..
            } = target;
            // What follows in outer targets goes the way of live purges.
            let mut behind = lanes.clone();
            let held = Served {
                spill_within: None,
                pace: backlog
                    .purges_per_second
                    .map(|rate| Arc::new(Pace::new(rate))),
                ..served.clone()
            };
            behind.insert(Arc::clone(&name), Lane::Here(held));
            let seat = self.seat(format!("{name}.backlog"), Window::default());
            let run_round = self.lane(seat, &name, backlog.source, behind);
            let now = self.clock.now();
            self.status
                .not_ready(&served.state.part, "has not answered yet", now);
            let every = self.settings.ping_every;
            self.tasks
                .spawn(run_round.watch_target(Arc::clone(&name), every));
            if let Some(live) = live {
                let own = BTreeMap::from([(Arc::clone(&name), Lane::Here(served))]);
                let seat = self.seat(name.to_string(), live.window);
                self.lane(seat, &name, live.source, own);
            }
        }
        lanes
    }

    /// How a target's live purges are made.
    fn served<P>(&self, target: &TargetParts<S, P>) -> Served<P> {
        let TargetParts { name, backlog, .. } = target;
        let state = TargetState::new(
            name,
            &backlog.topic,
            backlog.replay,
            (self.settings.backoff, self.clock.now()),
        );
        Served {
            purger: Arc::clone(&target.purger),
            state: Arc::new(state),
            spill_within: Some(backlog.after),
            pace: None,
        }
    }

    fn seat(&self, lane: String, window: Window) -> Seat {
        Seat {
            name: format!("lane {lane}"),
            lag_of: LagOf::Lane(Arc::from(lane)),
            bounds: Bounds {
                window,
                ..self.settings.lane
            },
        }
    }

    fn lane<P: Purger + 'static>(
        &mut self,
        seat: Seat,
        target: &Arc<str>,
        source: S,
        lanes: BTreeMap<Arc<str>, Lane<P>>,
    ) -> Arc<RunRound<P, O>> {
        let run_round = Arc::new(self.run_round(lanes, None));
        let take = TakeRequests {
            target: Arc::clone(target),
            clock: self.clock.clone(),
            dead_letter_topic: Arc::clone(&self.settings.dead_letter_topic),
        };
        self.thread(seat, source, take, Arc::clone(&run_round));
        run_round
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
        let (rounds, waiting) = mpsc::channel(bounds.rounds_in_flight_max);
        let (report, done) = std::sync::mpsc::sync_channel(bounds.rounds_in_flight_max);
        self.tasks.spawn(run_rounds(run_round, waiting, report));
        self.status
            .not_ready(&name, "no partition assigned yet", self.clock.now());
        let intake = Intake {
            name: name.clone(),
            source,
            take,
            rules: self.rules.clone(),
            bounds,
            clock: self.clock.clone(),
            status: self.status.clone(),
            lag_of,
            lags: self.lags.clone(),
            heartbeats: self.settings.heartbeats.clone(),
            canaries: self.canaries.clone(),
            transactions: self.settings.transactions.topics().collect(),
            rounds,
            done,
            stop: self.stop.clone(),
            drain_within: self.settings.drain_within,
        };
        let (end, ended) = oneshot::channel();
        // Nobody listens for the end any more only when the process is leaving already.
        match self.settings.drive {
            Drive::Threads => {
                let thread = std::thread::Builder::new().name(name.clone());
                if let Err(error) = thread.spawn(move || drop(end.send(intake.run()))) {
                    tracing::error!(part = %name, error = %error, "thread could not be started");
                }
            }
            Drive::Steps(pause) => {
                self.tasks
                    .spawn(async move { drop(end.send(intake.run_in_steps(pause).await)) });
            }
        }
        self.ends.push((name, ended));
    }
}

/// What distinguishes one intake from another.
struct Seat {
    name: String,
    lag_of: LagOf,
    bounds: Bounds,
}

/// Runs the rounds of one intake, several at a time, and hands them back when they are done.
async fn run_rounds<P: Purger, O: Outbox>(
    run_round: Arc<RunRound<P, O>>,
    mut waiting: mpsc::Receiver<Round>,
    report: SyncSender<Round>,
) {
    let mut under_way = FuturesUnordered::new();
    let mut open = true;
    while open || !under_way.is_empty() {
        tokio::select! {
            // In order, so that a simulation repeats itself; both make progress, since rounds are bounded.
            biased;
            next = waiting.recv(), if open => match next {
                Some(mut round) => {
                    let run_round = &run_round;
                    under_way.push(async move {
                        run_round.run(&mut round).await;
                        round
                    });
                }
                None => open = false,
            },
            Some(round) = under_way.next(), if !under_way.is_empty() => {
                // The channel has room for every round that may be in flight, so this cannot block.
                if report.try_send(round).is_err() {
                    return;
                }
            }
        }
    }
}
