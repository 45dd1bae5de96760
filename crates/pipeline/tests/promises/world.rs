//! The pipeline between memory ports: a store, an edge outside it, one topic of changes.

use std::sync::Arc;
use std::time::Duration;

use freshet_pipeline::backoff::{Backoff, Dice};
use freshet_pipeline::canary::Canaries;
use freshet_pipeline::clock::Clock;
use freshet_pipeline::heartbeat::Heartbeats;
use freshet_pipeline::parts::{BacklogLane, Drive, LiveLane, Parts, Settings, TargetParts};
use freshet_pipeline::round::{Bounds, Window};
use freshet_pipeline::rules::RulesInForce;
use freshet_pipeline::run::run;
use freshet_pipeline::status::Status;
use freshet_pipeline::transactions::Transactions;
use freshet_wire::Limits;
use tokio::sync::watch;

use crate::support::{MemoryCache, MemoryOutbox, MemorySource, NoSchemas, Topic, registry};

/// Where the edge's requests wait for it.
pub(crate) const LANE_TOPIC: &str = "freshet.purges.edge";
/// Where what cannot be worked on is put aside.
pub(crate) const DEAD_LETTERS: &str = "freshet.dead-letters";

/// The pipeline between memory ports, on a runtime of its own.
pub(crate) struct Running {
    stop: watch::Sender<bool>,
    thread: Option<std::thread::JoinHandle<bool>>,
    pub(crate) status: Status,
}

/// What the pipeline runs between. A store and an edge answer at once unless a test says otherwise.
pub(crate) struct World {
    pub(crate) changes: Topic,
    pub(crate) outbox: MemoryOutbox,
    pub(crate) redis: MemoryCache,
    pub(crate) edge: MemoryCache,
    /// A live purge that is not done within this goes to the backlog.
    pub(crate) spill_after: Duration,
    pub(crate) purges_per_second: Option<u32>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            changes: Topic::default(),
            outbox: MemoryOutbox::default(),
            redis: MemoryCache::default(),
            edge: MemoryCache::default(),
            spill_after: Duration::from_secs(60),
            purges_per_second: None,
        }
    }

    fn backlog(&self, topic: &str) -> BacklogLane<MemorySource> {
        BacklogLane {
            topic: Arc::from(topic),
            source: self.outbox.topic(topic).source(topic),
            after: self.spill_after,
            replay: Some(Duration::from_secs(10)),
            purges_per_second: self.purges_per_second,
        }
    }

    pub(crate) fn start(&self) -> Running {
        let status = Status::default();
        let parts = Parts {
            rules: RulesInForce::new(registry()),
            status: status.clone(),
            clock: Clock::system(),
            settings: settings(),
            intakes: vec![(self.changes.source("shop.public.items"), NoSchemas)],
            targets: vec![
                TargetParts {
                    name: Arc::from("main"),
                    purger: Arc::new(self.redis.clone()),
                    live: None,
                    backlog: self.backlog("freshet.backlog.main"),
                },
                TargetParts {
                    name: Arc::from("edge"),
                    purger: Arc::new(self.edge.clone()),
                    live: Some(LiveLane {
                        topic: Arc::from(LANE_TOPIC),
                        source: self.outbox.topic(LANE_TOPIC).source(LANE_TOPIC),
                        window: Window {
                            quiet: Duration::from_millis(5),
                            max_wait: Duration::from_millis(20),
                        },
                    }),
                    backlog: self.backlog("freshet.backlog.edge"),
                },
            ],
            outbox: Arc::new(self.outbox.clone()),
            samples: None,
            canaries: Canaries::default(),
            reads: None,
        };
        let (stop, stopped) = watch::channel(false);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build();
            runtime
                .expect("a runtime")
                .block_on(run(parts, stopped))
                .is_ok()
        });
        Running {
            stop,
            thread: Some(thread),
            status,
        }
    }
}

fn settings() -> Settings {
    let quick = Backoff::new(Duration::from_millis(1), Duration::from_millis(5));
    let bounds = Bounds {
        commit_every: Duration::from_millis(1),
        ..Bounds::default()
    };
    Settings {
        intake: Bounds {
            round_records_max: 16,
            rounds_in_flight_max: 2,
            ..bounds
        },
        lane: Bounds {
            rounds_in_flight_max: 1,
            ..bounds
        },
        backoff: quick,
        dice: Dice::default(),
        sample_every: None,
        dead_letter_topic: Arc::from(DEAD_LETTERS),
        ping_every: Duration::from_millis(50),
        drain_within: Duration::from_millis(300),
        limits: Limits::default(),
        heartbeats: Heartbeats::default(),
        transactions: Transactions::default(),
        drive: Drive::Threads,
    }
}

impl Running {
    /// Stops and says whether it ended well.
    pub(crate) fn stop(mut self) -> bool {
        self.stop.send_replace(true);
        self.thread
            .take()
            .expect("running")
            .join()
            .expect("no panic")
    }
}
