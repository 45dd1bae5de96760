//! The pipeline between memory ports: a store, an edge outside it, one topic of changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use freshet_pipeline::beacon::Beacons;
use freshet_pipeline::clock::Clock;
use freshet_pipeline::heartbeat::Heartbeats;
use freshet_pipeline::parts::{BacklogLane, LiveLane, Parts, Settings, TargetParts};
use freshet_pipeline::round::{Bounds, Window};
use freshet_pipeline::rules::RulesInForce;
use freshet_pipeline::status::Status;

use crate::support::running::{Running, quick_settings};
use crate::support::{MemoryCache, MemoryOutbox, MemorySource, NoSchemas, Topic, registry, until};

/// Where the edge's requests wait for it.
pub(crate) const LANE_TOPIC: &str = "freshet.purges.edge";

/// Where the connector's heartbeats come.
const HEARTBEAT_TOPIC: &str = "__debezium-heartbeat.shop";

/// What the pipeline runs between. A store and an edge answer at once unless a test says otherwise.
pub(crate) struct World {
    pub(crate) changes: Topic,
    pub(crate) outbox: MemoryOutbox,
    pub(crate) redis: MemoryCache,
    pub(crate) edge: MemoryCache,
    /// A live purge that is not done within this goes to the backlog.
    pub(crate) spill_after: Duration,
    pub(crate) purges_per_second: Option<u32>,
    /// The edge is purged from the round itself, as a Redis in an outer tier is.
    pub(crate) is_edge_inline: bool,
    /// The connector's signs of life, where it sends some. It may be silent for 30 s.
    pub(crate) heartbeats: Option<Topic>,
    pub(crate) clock: Clock,
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
            is_edge_inline: false,
            heartbeats: None,
            clock: Clock::system(),
        }
    }

    /// Waits until the intake and the edge's lane have gone round so often that each would have done what it may not.
    pub(crate) fn until_looked_on(&self) {
        for topic in [self.changes.clone(), self.outbox.topic(LANE_TOPIC)] {
            let looks = topic.asked() + 20;
            until("it goes round", || topic.asked() >= looks);
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
        let changes = self.changes.source("shop.public.items");
        let heartbeats = self.heartbeats.iter();
        let heartbeats = heartbeats.map(|topic| topic.source(HEARTBEAT_TOPIC));
        let sources = std::iter::once(changes).chain(heartbeats);
        Running::start(Parts {
            rules: RulesInForce::new(registry()),
            status: Status::default(),
            clock: self.clock.clone(),
            settings: settings(),
            intakes: sources.map(|source| (source, NoSchemas)).collect(),
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
                    live: (!self.is_edge_inline).then(|| LiveLane {
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
            settled: None,
            beacons: Beacons::default(),
            reads: None,
        })
    }
}

/// Small rounds, and few of them at a time.
fn settings() -> Settings {
    let quick = quick_settings();
    let silence = BTreeMap::from([(Arc::from("shop"), Duration::from_secs(30))]);
    Settings {
        heartbeats: Heartbeats(silence),
        intake: Bounds {
            round_records_max: 16,
            round_purges_max: 64,
            rounds_in_flight_max: 2,
            ..quick.intake
        },
        lane: Bounds {
            rounds_in_flight_max: 1,
            ..quick.lane
        },
        ..quick
    }
}
