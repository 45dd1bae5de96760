//! Five servers that keep what they were asked, the files of a deployment on them, and the pipeline that they describe.

use std::fs;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use freshet_core::coalesce::RoundChange;
use freshet_core::position::Steady;
use freshet_core::purge::{PurgeOutcome, Refusal};
use freshet_core::registry::Registry;
use freshet_kafka::KafkaSource;
use freshet_kafka::mock::EmbeddedBroker;
use freshet_pipeline::clock::Clock;
use freshet_pipeline::rules::RulesInForce;
use freshet_pipeline::run::{PipelineError, run};
use freshet_pipeline::settled::{PlaceSettled, Settled};
use freshet_pipeline::status::Status;
use freshet_testbed::{
    DEFAULT_VCL, FakeApi, RedisServer, Reply, Resp, SeenRequest, TopicRecord, TopicWriter, Varnish,
    get, http_answer, serve_http,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::parts::{Host, beacons, build};
use crate::{config, rules};

/// How long anything may take to come true. Generous: the machine may be busy building.
const PATIENCE: Duration = Duration::from_secs(60);

const TOPIC: &str = "shop.public.items";

const SOURCE: &str = "\
database: shop
engine: postgres
tables:
  - table: shop.public.items
    replica_identity: full
    primary_key: [id]
    columns:
      - { name: id, type: bigint, nullable: false }
      - { name: category, type: bigint, nullable: false }
";

const FAMILY: &str = "\
family: catalog.item
schema_version: 1
owner: { team: catalog }
lifecycle: active
freshness: { class: strict, within: 2s, objective: 99.9%, window: 28d }
max_ttl: 1h
sources:
  - table: shop.public.items
    bind: { id: id, category: category }
";

/// A clock at a twentieth of the machine's speed until it is hurried: a Redis that is slow because the machine is busy
/// is not late, so that no tier is purged twice.
pub(super) struct SlowClock {
    machine: Clock,
    hurried: OnceLock<Steady>,
}

impl SlowClock {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            machine: Clock::system(),
            hurried: OnceLock::new(),
        })
    }

    pub(super) fn clock(self: &Arc<Self>) -> Clock {
        let (slow, wall) = (Arc::clone(self), self.machine.clone());
        Clock::from_hands(move || slow.now(), move || wall.wall())
    }

    /// What waits for the clock waits no longer than usual from now on.
    pub(super) fn hurry(&self) {
        self.hurried.get_or_init(|| self.machine.now());
    }

    fn now(&self) -> Steady {
        let now = self.machine.now();
        let hurried = self.hurried.get().map(|&since| now.since(since));
        Steady(now.0 / 20).plus(hurried.unwrap_or_default())
    }
}

/// What the servers over HTTP were asked, with the time since 1970.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(Duration, String)>>>);

impl Log {
    fn note(&self, place: &str, names: &str) {
        let at = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("after 1970");
        // A ping of Varnish is a purge of what nobody has.
        if names != "freshet.ping" {
            self.0
                .lock()
                .expect("unpoisoned")
                .push((at, format!("{place} {names}")));
        }
    }
}

/// What a Redis was asked, from itself.
pub(super) struct Monitor {
    place: &'static str,
    address: String,
    commands: Resp,
}

impl Monitor {
    pub(super) fn start(place: &'static str, redis: &RedisServer) -> Self {
        let address = redis.address();
        let mut commands = Resp::connect(&address).expect("redis");
        commands.call(&["MONITOR"]).expect("monitor");
        Self {
            place,
            address,
            commands,
        }
    }

    /// Every purge until now, with its time by the server.
    fn purges(mut self) -> Vec<(Duration, String)> {
        let end = "that is all";
        let mut redis = Resp::connect(&self.address).expect("redis");
        redis.call(&["ECHO", end]).expect("echo");
        let mut purges = Vec::new();
        loop {
            // `1700000000.123456 [0 127.0.0.1:4711] "UNLINK" "a" "b"`
            let line = self
                .commands
                .reply()
                .and_then(Reply::text)
                .expect("a command");
            let at = line.split(' ').next().and_then(|at| at.parse().ok());
            let words: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
            match words[..] {
                ["ECHO", said] if said == end => return purges,
                ["UNLINK", ref names @ ..] => {
                    let at = Duration::from_secs_f64(at.expect("a time"));
                    purges.push((at, format!("{} {}", self.place, names.join(" "))));
                }
                _ => {}
            }
        }
    }
}

/// The servers, and the folder with the files.
pub(super) struct World {
    broker: EmbeddedBroker,
    pub(super) main: RedisServer,
    pub(super) sessions: RedisServer,
    varnish: Varnish,
    log: Log,
    refused: Arc<Mutex<Option<String>>>,
    folder: TempDir,
}

impl World {
    /// Of a family with `places`, whose Redis purges may take as long as `spill_after`.
    pub(super) fn new(places: &str, spill_after: &str) -> Self {
        let (log, refused) = (Log::default(), Arc::default());
        let (zone, pages) = (zone(&log, &refused), pages(&log));
        let world = Self {
            broker: broker(),
            main: RedisServer::start().expect("redis"),
            sessions: RedisServer::start().expect("redis"),
            varnish: varnish(&log),
            log,
            refused,
            folder: tempfile::tempdir().expect("a folder"),
        };
        let lane = "window: 0ms, max_wait: 1ms";
        let config = format!(
            "\
registry: registry
kafka: {{ brokers: \"{}\", group: five }}
targets:
  main: {{ redis: {{ url: \"{}\" }}, spill_after: {spill_after} }}
  sessions: {{ redis: {{ url: \"{}\" }}, spill_after: {spill_after} }}
  varnish: {{ varnish: {{ nodes: [\"{}\"] }}, {lane} }}
  zone: {{ cloudflare: {{ zone_id: a1, token: {{ file: token }}, api: \"{}\" }}, {lane} }}
  pages: {{ http: {{ url: \"{pages}/purge/{{name}}\", nothing_cached: [404], ping: \"{pages}/health\" }}, {lane} }}
audit: {{ samples_per_second: 0 }}
outbox: {{ create_topics: false }}
",
            world.broker.bootstrap(),
            world.main.url(),
            world.sessions.url(),
            world.varnish.url(),
            zone.url,
            pages = pages.url,
        );
        for (file, text) in [
            ("registry/sources/shop.yaml", SOURCE),
            ("registry/families/item.yaml", &format!("{FAMILY}{places}")),
            ("freshet.yaml", &config),
            ("token", "token-abc\n"),
        ] {
            let path = world.folder.path().join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, text).expect("written");
        }
        world
    }

    /// Puts the item's entries into each cache that has some, and others beside them.
    pub(super) fn fill(&self) {
        let mut main = Resp::connect(&self.main.address()).expect("redis");
        let mut sessions = Resp::connect(&self.sessions.address()).expect("redis");
        for id in ["1", "2"] {
            main.call(&["SET", &format!("catalog:v1:item:{id}"), "x"])
                .expect("set");
            for noun in ["open", "seen"] {
                let key = format!("catalog:v1:{noun}:{id}");
                sessions.call(&["SET", &key, "x"]).expect("set");
            }
        }
        for item in ["1", "2"] {
            self.page(item);
            assert_eq!(self.page(item), "HIT");
        }
    }

    /// Whether Varnish had the page of an item.
    fn page(&self, item: &str) -> String {
        let answer = get(&format!("{}/item-{item}", self.varnish.url())).expect("varnish");
        answer.header("x-cache").unwrap_or_default().to_owned()
    }

    pub(super) fn assert_only_the_item_is_gone(&self) {
        for (redis, wanted) in [
            (&self.main, vec!["catalog:v1:item:2"]),
            (
                &self.sessions,
                vec!["catalog:v1:open:2", "catalog:v1:seen:2"],
            ),
        ] {
            let mut redis = Resp::connect(&redis.address()).expect("redis");
            let keys = redis.call(&["KEYS", "*"]).and_then(Reply::texts);
            let mut keys = keys.expect("keys");
            keys.sort();
            assert_eq!(keys, wanted);
        }
        assert_eq!(
            (self.page("1").as_str(), self.page("2").as_str()),
            ("MISS", "HIT")
        );
    }

    /// The zone refuses what names this tag from now on.
    pub(super) fn refuse(&self, tag: &str) {
        *self.refused.lock().expect("unpoisoned") = Some(tag.to_owned());
    }

    /// Writes the insert of an item, as Debezium does.
    pub(super) fn change(&self, id: u64, category: u64) {
        let value = format!(
            r#"{{"before":null,"after":{{"id":{id},"category":{category}}},"source":{{"connector":"postgresql","ts_ms":1000,"lsn":10,"sequence":"[\"9\",\"10\"]","table":"items"}},"op":"c","ts_ms":1001}}"#
        );
        let writer = TopicWriter::new(self.broker.bootstrap()).expect("writer");
        let record = TopicRecord {
            topic: TOPIC.to_owned(),
            value: Some(value.into_bytes()),
            ..TopicRecord::default()
        };
        writer.write(&record).expect("written");
        writer.flush().expect("flushed");
    }

    /// What every server over HTTP, and each Redis of the monitors, was asked so far, in the order of the servers' times.
    pub(super) fn asked_in_order(
        &self,
        monitors: impl IntoIterator<Item = Monitor>,
    ) -> Vec<String> {
        let mut asked = self.log.0.lock().expect("unpoisoned").clone();
        asked.extend(monitors.into_iter().flat_map(Monitor::purges));
        asked.sort();
        asked.into_iter().map(|(_, names)| names).collect()
    }
}

fn broker() -> EmbeddedBroker {
    let broker = EmbeddedBroker::start().expect("broker");
    let lanes = ["varnish", "zone", "pages"].map(|target| format!("freshet.purges.{target}"));
    let backlogs = ["main", "sessions", "varnish", "zone", "pages"]
        .map(|target| format!("freshet.backlog.{target}"));
    let others = [TOPIC, "freshet.dead-letters", "freshet.positions"].map(str::to_owned);
    for topic in lanes.iter().chain(&backlogs).chain(&others) {
        broker.create_topic(topic, 1).expect("topic");
    }
    broker
}

/// A Varnish whose origin hears of each purge when it is done: Varnish itself keeps no log with times.
fn varnish(log: &Log) -> Varnish {
    let log = log.clone();
    let origin = serve_http(move |request| {
        if request.method() == "PURGE" {
            log.note("varnish", request.header("xkey-purge").unwrap_or_default());
            return http_answer("200 OK", "", "");
        }
        let tag = request.path().trim_start_matches('/');
        let headers = format!("Cache-Control: max-age=3600\r\nxkey: {tag}\r\n");
        http_answer("200 OK", &headers, "page")
    });
    let answered = "return (synth(200, \"Purged \" + req.http.X-Purged));";
    assert!(DEFAULT_VCL.contains(answered));
    let vcl = DEFAULT_VCL.replace(answered, "return (pass);");
    let deliver = "sub vcl_deliver { if (req.method == \"PURGE\") { set resp.http.X-Purged = req.http.X-Purged; } }";
    Varnish::start_with(&origin.expect("a port"), &format!("{vcl}\n{deliver}\n")).expect("varnish")
}

/// Cloudflare's API.
fn zone(log: &Log, refused: &Arc<Mutex<Option<String>>>) -> FakeApi {
    let (log, refused) = (log.clone(), Arc::clone(refused));
    let answer = move |request: &SeenRequest| {
        let success = r#"{"success":true,"errors":[],"result":{"id":"a1","status":"active"}}"#;
        if request.method() == "GET" {
            return http_answer("200 OK", "", success);
        }
        let call: serde_json::Value = serde_json::from_str(&request.body).expect("JSON");
        let tags: Vec<String> = serde_json::from_value(call["tags"].clone()).expect("tags");
        log.note("zone", &tags.join(" "));
        let refused = refused.lock().expect("unpoisoned");
        match refused.as_ref().is_some_and(|tag| tags.contains(tag)) {
            true => http_answer(
                "200 OK",
                "",
                r#"{"success":false,"errors":[{"code":1100,"message":"too long"}]}"#,
            ),
            false => http_answer("200 OK", "", success),
        }
    };
    FakeApi::start(answer).expect("a port")
}

/// A cache of one's own that is purged by path, and has all pages and no listing.
fn pages(log: &Log) -> FakeApi {
    let log = log.clone();
    let answer = move |request: &SeenRequest| match request.path().strip_prefix("/purge/") {
        None => http_answer("200 OK", "", "healthy"),
        Some(name) => {
            log.note("pages", name);
            let is_there = name.starts_with("page-");
            http_answer(if is_there { "200 OK" } else { "404 Not Found" }, "", "")
        }
    };
    FakeApi::start(answer).expect("a port")
}

/// The pipeline of a world's files, on a runtime of its own, and what it settles.
pub(super) struct Running {
    runtime: Runtime,
    registry: Arc<Registry>,
    rounds: mpsc::Receiver<Arc<Settled>>,
    stop: watch::Sender<bool>,
    pipeline: JoinHandle<Result<Vec<KafkaSource>, PipelineError>>,
    tasks: JoinSet<()>,
}

impl Running {
    pub(super) fn start(world: &World, clock: Clock) -> Self {
        let config = config::load(&world.folder.path().join("freshet.yaml"));
        let config = config.unwrap_or_else(|refused| panic!("{}", refused.faults.render()));
        let loaded = rules::load(&config).unwrap_or_else(|faults| panic!("{faults}"));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let entered = runtime.enter();
        let (beacons, beats) = beacons(&config, &loaded.registry, clock.now());
        let rules = RulesInForce::new(loaded.registry);
        let registry = Arc::clone(&rules.current().registry);
        let (status, mut tasks) = (Status::default(), JoinSet::new());
        let host = Host {
            status: &status,
            clock: &clock,
            beacons,
            beats,
            tasks: &mut tasks,
        };
        let mut parts = build(&config, rules, host).expect("parts");
        let (subscriber, rounds) = mpsc::channel(1_024);
        parts.settled = Some(subscriber);
        let (stop, stopped) = watch::channel(false);
        let pipeline = runtime.spawn(run(parts, stopped));
        drop(entered);
        Self {
            runtime,
            registry,
            rounds,
            stop,
            pipeline,
            tasks,
        }
    }

    /// What is settled from now on, until it is `enough`.
    pub(super) fn rounds(
        &mut self,
        what: &str,
        enough: impl Fn(&[Arc<Settled>]) -> bool,
    ) -> Vec<Arc<Settled>> {
        let mut rounds = Vec::new();
        let received = async {
            while !enough(&rounds) {
                rounds.push(self.rounds.recv().await.expect("the pipeline runs"));
            }
        };
        let limited = async { tokio::time::timeout(PATIENCE, received).await };
        let received = self.runtime.block_on(limited);
        let shown: Vec<String> = rounds
            .iter()
            .flat_map(|round| shown_places(round))
            .collect();
        assert!(received.is_ok(), "not settled: {what}; but {shown:#?}");
        rounds
    }

    /// Each round is that of one record, which asked for what a row's change asks for, under the registry in force.
    pub(super) fn assert_caused_by_one_record(&self, rounds: &[Arc<Settled>]) {
        for round in rounds {
            assert_eq!(round.positions().len(), 1, "{:?}", shown_places(round));
            assert!(round.causes().is_empty(), "{:?}", round.causes());
            assert_eq!(round.revision(), &self.registry.revision);
        }
    }

    pub(super) fn family_of(&self, change: &RoundChange) -> &str {
        &self.registry.family(change.family).expect("known").name
    }

    pub(super) fn stop(mut self) {
        self.stop.send_replace(true);
        let pipeline = self.pipeline;
        let ended = async { tokio::time::timeout(PATIENCE, pipeline).await };
        let ended = self.runtime.block_on(ended);
        let sources = ended
            .expect("it drains")
            .expect("no panic")
            .expect("no fault");
        for source in sources {
            source.close(Duration::from_secs(1));
        }
        self.runtime.block_on(self.tasks.shutdown());
    }
}

/// Every place of a round.
pub(super) fn shown_places(round: &Settled) -> Vec<String> {
    round
        .places()
        .iter()
        .map(|place| shown(round, place))
        .collect()
}

/// A place with the names that it was asked for, and all that became of them but the times.
pub(super) fn shown(round: &Settled, place: &PlaceSettled) -> String {
    let name = round.name_of(place.target).expect("a name");
    let batch = round.scope(place.target).expect("a scope");
    let names: Vec<_> = batch
        .iter()
        .map(|(_, name)| String::from_utf8_lossy(name))
        .collect();
    let outcomes = [
        PurgeOutcome::Purged,
        PurgeOutcome::NothingCached,
        PurgeOutcome::Throttled { retry_after_ms: 0 },
        PurgeOutcome::Refused(Refusal::OfPurge),
        PurgeOutcome::Unreachable,
        PurgeOutcome::Forgotten,
        PurgeOutcome::NodeDown,
    ];
    let counts = outcomes.map(|outcome| match place.outcomes.count(outcome) {
        0 => String::new(),
        count => format!("{} {count}, ", outcome.name()),
    });
    let (tier, attempts, stored) = (place.tier, place.attempts, place.stored);
    let (names, counts) = (names.join(" "), counts.concat());
    format!("{name} {tier:?} [{names}] attempts {attempts}, {counts}stored {stored:?}")
}
