//! An endless load on memory ports: a source that never runs dry, a cache that answers at once, three keys an event.
//! What the pipeline itself costs is what is left.
#![allow(dead_code, unreachable_pub, reason = "each program uses its part")]

#[path = "../pieces/mod.rs"]
mod pieces;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use freshet_core::ports::{
    Demand, Origin, Outbox, OutboxError, OutboxRecord, Purger, RawRecord, Source, SourceError,
    SourceEvent,
};
use freshet_core::position::{StreamId, StreamPosition, WallMicros};
use freshet_core::purge::{PurgeBatch, PurgeOutcome, PurgeReport};
use freshet_core::registry::{Binding, FamilyId, Registry, RegistryRevision, Table, Target, Tier};
use freshet_core::table::{Engine, ReplicaIdentity, TableId, TableShape};
use freshet_core::template::NameForm;
use freshet_pipeline::backoff::{Backoff, Dice};
use freshet_pipeline::beacon::Beacons;
use freshet_pipeline::clock::Clock;
use freshet_pipeline::heartbeat::Heartbeats;
use freshet_pipeline::parts::{BacklogLane, Drive, Parts, Settings, TargetParts};
use freshet_pipeline::round::Bounds;
use freshet_pipeline::rules::RulesInForce;
use freshet_pipeline::status::Status;
use freshet_pipeline::transactions::Transactions;
use freshet_wire::Limits;
use pieces::{NoSchemas, column, family, template};
use tokio::sync::watch;

pub const TOPIC: &str = "shop.public.products";

/// Streams that the load comes from; each gives some dozens of records before the next one has its turn, as fetched.
const STREAMS: u32 = 4;
const RUN: u64 = 64;

/// One table with one family of three keys at Redis: two of the row alone, one that rows share.
pub fn registry() -> Registry {
    let template = |literal, slot| template(NameForm::RedisKey, literal, slot);
    let binding = Binding {
        family: FamilyId(0),
        when_changed: Vec::new(),
        names: vec![Arc::from([
            template(b"catalog:v1:product:", 0),
            template(b"catalog:v1:card:", 0),
            template(b"catalog:v1:list:", 1),
        ])],
        version_column: None,
    };
    let shape = TableShape {
        id: TableId(0),
        name: Arc::from(TOPIC),
        topic: Arc::from(TOPIC),
        engine: Engine::Postgres,
        identity: ReplicaIdentity::Full,
        connector: Arc::default(),
        columns: vec![column("id", true), column("category_id", false)],
        declared: Arc::default(),
    };
    let table = Table {
        shape,
        bindings: vec![binding],
    };
    let revision = RegistryRevision {
        sequence: 1,
        content_hash: Arc::from("0123456789abcdef"),
    };
    let target = Target {
        name: Arc::from("main"),
        tier: Tier::Store,
        names: NameForm::RedisKey,
    };
    let family = family("catalog.product", b"catalog:v1:");
    Registry::new(revision, vec![family], vec![table], vec![target])
}

/// Updates of about a kilobyte, as Debezium writes them without a schema. Neighbours share a commit time.
pub fn envelopes(rows: u64) -> Vec<Vec<u8>> {
    (0..rows).map(|row| envelope(row).into_bytes()).collect()
}

fn envelope(row: u64) -> String {
    let now_ms = 1_795_000_000_000 + row / 32;
    let image = |price: u32| {
        format!(
            "{{\"id\":{},\"category_id\":{},\"tenant\":7,\"name\":\"Product number {row}\",\"price\":\"{price}.90\",\
             \"description\":\"{}\",\"active\":true,\"updated_at\":\"2026-11-22T10:11:12.131415Z\",\"released\":19876}}",
            row.wrapping_mul(2_654_435_761) % 1_000_000,
            row % 1000,
            "A sentence about the product, as shops write them. ".repeat(2),
        )
    };
    format!(
        "{{\"before\":{},\"after\":{},\"source\":{{\"version\":\"3.6.1.Final\",\"connector\":\"postgresql\",\
         \"name\":\"shop\",\"ts_ms\":{now_ms},\"snapshot\":\"false\",\"db\":\"shop\",\
         \"sequence\":\"[\\\"26772208\\\",\\\"26772512\\\"]\",\"ts_us\":{now_ms}000,\"ts_ns\":{now_ms}000000,\
         \"schema\":\"public\",\"table\":\"products\",\"txId\":766,\"lsn\":26772512,\"xmin\":null}},\
         \"transaction\":null,\"op\":\"u\",\"ts_ms\":{now_ms},\"ts_us\":{now_ms}000,\"ts_ns\":{now_ms}000000}}",
        image(10),
        image(11)
    )
}

/// One record of the load.
pub fn record(values: &[Vec<u8>], at: u64) -> RawRecord<'_> {
    let row = at as usize % values.len();
    let stream = (at / RUN % u64::from(STREAMS)) as u32;
    let ordinal = at / (RUN * u64::from(STREAMS)) * RUN + at % RUN;
    RawRecord {
        position: StreamPosition {
            stream: StreamId(stream),
            ordinal,
        },
        origin: Origin {
            topic: TOPIC,
            partition: stream as i32,
            offset: ordinal as i64,
        },
        key: Some(b"{\"id\":1}"),
        value: Some(&values[row]),
        appended: WallMicros(1_795_000_000_000_000),
    }
}

/// Gives records until so many are out, and says how many are committed. An idle one gives none.
pub struct Load {
    values: Arc<Vec<Vec<u8>>>,
    next: u64,
    until: u64,
    committed: [u64; STREAMS as usize],
    progress: Arc<AtomicU64>,
    assigned: bool,
}

impl Load {
    pub fn new(values: &Arc<Vec<Vec<u8>>>, until: u64, progress: &Arc<AtomicU64>) -> Self {
        Self {
            values: Arc::clone(values),
            next: 0,
            until,
            committed: [0; STREAMS as usize],
            progress: Arc::clone(progress),
            assigned: until == 0,
        }
    }

    fn assign(&mut self) -> Vec<SourceEvent> {
        if std::mem::replace(&mut self.assigned, true) {
            return Vec::new();
        }
        let streams = (0..STREAMS).map(|stream| SourceEvent::Assigned {
            stream: StreamId(stream),
            topic: Arc::from(TOPIC),
            partition: stream as i32,
        });
        streams.collect()
    }
}

impl Source for Load {
    fn next(
        &mut self,
        demand: Demand,
        take: &mut dyn FnMut(RawRecord<'_>),
    ) -> Result<Vec<SourceEvent>, SourceError> {
        let end = self.until.min(self.next + demand.records_max as u64);
        if end == self.next {
            std::thread::sleep(demand.wait);
        }
        for at in self.next..end {
            take(record(&self.values, at));
        }
        self.next = end;
        Ok(self.assign())
    }

    fn commit(
        &mut self,
        settled: &[StreamPosition],
        _wait: Option<Duration>,
    ) -> Result<(), SourceError> {
        for position in settled {
            self.committed[position.stream.0 as usize] = position.ordinal + 1;
        }
        self.progress
            .store(self.committed.iter().sum(), Ordering::Release);
        Ok(())
    }
}

/// A cache that has removed everything at once. It may forget the last name of the first batch, and then minds whether
/// that is asked for again or stored.
#[derive(Default)]
pub struct Obliging {
    pub forgets: AtomicBool,
    pub forgotten: Mutex<Option<Vec<u8>>>,
    pub remembered: AtomicBool,
}

impl Purger for Obliging {
    async fn purge(&self, batch: &PurgeBatch) -> PurgeReport {
        let mut report = PurgeReport::all(PurgeOutcome::Purged, batch.len());
        let mut forgotten = self.forgotten.lock().expect("unpoisoned");
        if let Some(forgotten) = &*forgotten {
            let again = batch.iter().any(|(_, name)| name == forgotten);
            self.remembered.fetch_or(again, Ordering::Relaxed);
        }
        if self.forgets.swap(false, Ordering::Relaxed) {
            report.outcomes.pop();
            *forgotten = batch.iter().last().map(|(_, name)| name.to_vec());
        }
        report
    }

    async fn ping(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Where only what the cache forgot has to be stored.
pub struct Drawer(Arc<Obliging>);

impl Outbox for Drawer {
    async fn append(&self, _record: OutboxRecord) -> Result<(), OutboxError> {
        self.0.remembered.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// The pipeline around the load, with the bounds that it has in production.
pub fn parts(
    load: Load,
    cache: &Arc<Obliging>,
    drive: Drive,
) -> Parts<Load, Obliging, Drawer, NoSchemas> {
    let idle = Load::new(&load.values, 0, &Arc::default());
    let idle_wait = match drive {
        Drive::Threads => Duration::from_millis(50),
        Drive::Steps(_) => Duration::ZERO,
    };
    let bounds = Bounds {
        idle_wait,
        commit_every: Duration::from_millis(10),
        ..Bounds::default()
    };
    Parts {
        rules: RulesInForce::new(registry()),
        status: Status::default(),
        clock: Clock::system(),
        settings: Settings {
            intake: bounds,
            lane: bounds,
            backoff: Backoff::new(Duration::from_millis(1), Duration::from_millis(5)),
            dice: Dice::default(),
            sample_every: None,
            dead_letter_topic: Arc::from("freshet.dead-letters"),
            ping_every: Duration::from_secs(1),
            drain_within: Duration::from_secs(5),
            limits: Limits::default(),
            heartbeats: Heartbeats::default(),
            transactions: Transactions::default(),
            drive,
        },
        intakes: vec![(load, NoSchemas)],
        targets: vec![TargetParts {
            name: Arc::from("main"),
            purger: Arc::clone(cache),
            live: None,
            backlog: BacklogLane {
                topic: Arc::from("freshet.backlog.main"),
                source: idle,
                after: Duration::from_secs(60),
                replay: Some(Duration::from_secs(10)),
                purges_per_second: None,
            },
        }],
        outbox: Arc::new(Drawer(Arc::clone(cache))),
        samples: None,
        settled: None,
        beacons: Beacons::default(),
        reads: None,
    }
}

/// Runs `events` events through the pipeline in the calling thread, to their commit.
pub fn run_in_one_thread(values: &Arc<Vec<Vec<u8>>>, cache: &Arc<Obliging>, events: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let progress = Arc::new(AtomicU64::new(0));
    let load = Load::new(values, events, &progress);
    let (stop, stopped) = watch::channel(false);
    let parts = parts(load, cache, Drive::Steps(Duration::ZERO));
    runtime.block_on(async move {
        let running = freshet_pipeline::run::run(parts, stopped);
        let watching = async {
            while progress.load(Ordering::Acquire) < events {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            stop.send_replace(true);
        };
        let (ended, ()) = tokio::join!(running, watching);
        ended.expect("nothing failed");
    });
}
