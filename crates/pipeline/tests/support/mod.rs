//! Memory ports: a source that remembers its commits, a cache that can fail, an outbox that can lose a reply.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

#[path = "../pieces/mod.rs"]
mod pieces;
pub mod running;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use freshet_core::gap::GapCause;
use freshet_core::ports::{
    Demand, Origin, Outbox, OutboxError, OutboxRecord, Purger, RawRecord, Reading, Source,
    SourceError, SourceEvent, TopicEnds,
};
use freshet_core::position::{StreamId, StreamPosition, WallMicros};
use freshet_core::purge::{PurgeBatch, PurgeOutcome, PurgeReport, Refusal};
use freshet_core::registry::{
    Binding, FamilyId, Place, PurgeMode, Registry, RegistryRevision, Table, Target, TargetId, Tier,
};
use freshet_core::table::{Engine, ReplicaIdentity, TableId, TableShape};
use freshet_core::template::NameForm;
pub use pieces::NoSchemas;
use pieces::{column, family, template};

/// A topic of one partition in memory, shared by the test, the source and the outbox.
#[derive(Clone, Default)]
pub struct Topic(Arc<Mutex<TopicState>>);

#[derive(Default)]
struct TopicState {
    records: Vec<Record>,
    committed: Option<u64>,
    commits: Vec<u64>,
    asked: usize,
    lost: bool,
}

#[derive(Clone)]
pub struct Record {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
}

impl Topic {
    pub fn push(&self, value: impl Into<Vec<u8>>) {
        self.push_record(Record {
            key: Some(b"{}".to_vec()),
            value: Some(value.into()),
        });
    }

    pub fn push_record(&self, record: Record) {
        self.0.lock().expect("unpoisoned").records.push(record);
    }

    pub fn len(&self) -> usize {
        self.0.lock().expect("unpoisoned").records.len()
    }

    pub fn values(&self) -> Vec<Vec<u8>> {
        let state = self.0.lock().expect("unpoisoned");
        state
            .records
            .iter()
            .filter_map(|record| record.value.clone())
            .collect()
    }

    /// The source says once that records of it are lost.
    pub fn lose(&self) {
        self.0.lock().expect("unpoisoned").lost = true;
    }

    /// Last committed offset.
    pub fn committed(&self) -> Option<u64> {
        self.0.lock().expect("unpoisoned").committed
    }

    /// How often a source was asked for records.
    pub fn asked(&self) -> usize {
        self.0.lock().expect("unpoisoned").asked
    }

    pub fn source(&self, name: &str) -> MemorySource {
        let next = self.committed().map_or(0, |committed| committed + 1);
        MemorySource {
            topic: self.clone(),
            name: Arc::from(name),
            next,
            assigned: false,
        }
    }
}

pub struct MemorySource {
    topic: Topic,
    name: Arc<str>,
    next: u64,
    assigned: bool,
}

impl Source for MemorySource {
    fn next(
        &mut self,
        demand: Demand,
        take: &mut dyn FnMut(RawRecord<'_>),
    ) -> Result<Vec<SourceEvent>, SourceError> {
        let mut events = Vec::new();
        if !self.assigned {
            self.assigned = true;
            let topic = Arc::clone(&self.name);
            events.push(SourceEvent::Assigned {
                stream: StreamId(0),
                topic,
                partition: 0,
            });
            if self.topic.committed().is_none() {
                events.push(SourceEvent::Begins {
                    stream: StreamId(0),
                });
            }
            return Ok(events);
        }
        let due: Vec<Record> = {
            let mut state = self.topic.0.lock().expect("unpoisoned");
            state.asked += 1;
            if std::mem::take(&mut state.lost) {
                events.push(SourceEvent::Gap {
                    topic: Arc::clone(&self.name),
                    partition: 0,
                    cause: GapCause::Unreadable,
                    detail: "offsets 3 to 3 cannot be fetched".to_owned(),
                });
            }
            state
                .records
                .iter()
                .skip(self.next as usize)
                .take(demand.records_max)
                .cloned()
                .collect()
        };
        if due.is_empty() {
            std::thread::sleep(demand.wait.min(Duration::from_millis(1)));
        }
        for record in due {
            take(RawRecord {
                position: StreamPosition {
                    stream: StreamId(0),
                    ordinal: self.next,
                },
                origin: Origin {
                    topic: &self.name,
                    partition: 0,
                    offset: self.next as i64,
                },
                key: record.key.as_deref(),
                value: record.value.as_deref(),
                appended: WallMicros(1),
            });
            self.next += 1;
        }
        Ok(events)
    }

    fn commit(
        &mut self,
        settled: &[StreamPosition],
        _wait: Option<Duration>,
    ) -> Result<(), SourceError> {
        let mut state = self.topic.0.lock().expect("unpoisoned");
        for position in settled {
            assert!(
                state
                    .committed
                    .is_none_or(|known| known <= position.ordinal),
                "went back"
            );
            state.committed = Some(position.ordinal);
            state.commits.push(position.ordinal);
        }
        Ok(())
    }
}

/// Several topics of one partition each, read by one member.
#[derive(Clone, Default)]
pub struct MemoryTopics(pub Vec<(&'static str, Topic)>);

pub struct MemoryTopicsSource(Vec<MemorySource>);

impl MemoryTopics {
    pub fn source(&self) -> MemoryTopicsSource {
        MemoryTopicsSource(
            self.0
                .iter()
                .map(|(name, topic)| topic.source(name))
                .collect(),
        )
    }
}

impl std::fmt::Debug for MemoryTopics {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("MemoryTopics").finish_non_exhaustive()
    }
}

impl TopicEnds for MemoryTopics {
    fn ends(&self, topic: &str) -> Result<BTreeMap<i32, i64>, String> {
        let found = self.0.iter().find(|(name, _)| *name == topic);
        let (_, found) = found.ok_or("no such topic")?;
        Ok(BTreeMap::from([(0, found.len() as i64)]))
    }
}

impl Source for MemoryTopicsSource {
    fn next(
        &mut self,
        demand: Demand,
        take: &mut dyn FnMut(RawRecord<'_>),
    ) -> Result<Vec<SourceEvent>, SourceError> {
        let mut events = Vec::new();
        for (at, source) in self.0.iter_mut().enumerate() {
            let stream = StreamId(at as u32);
            let told = source.next(demand, &mut |mut record| {
                record.position.stream = stream;
                take(record);
            })?;
            events.extend(told.into_iter().map(|event| match event {
                SourceEvent::Assigned {
                    topic, partition, ..
                } => SourceEvent::Assigned {
                    stream,
                    topic,
                    partition,
                },
                SourceEvent::Begins { .. } => SourceEvent::Begins { stream },
                other => other,
            }));
        }
        Ok(events)
    }

    fn commit(
        &mut self,
        settled: &[StreamPosition],
        wait: Option<Duration>,
    ) -> Result<(), SourceError> {
        for position in settled {
            if let Some(source) = self.0.get_mut(position.stream.0 as usize) {
                source.commit(&[*position], wait)?;
            }
        }
        Ok(())
    }
}

/// Partitions of one topic, read by one member that holds what the pipeline asks it to hold.
#[derive(Clone, Default)]
pub struct HeldPartitions(pub Vec<(&'static str, Topic)>, Arc<Mutex<Vec<u32>>>);

pub struct HeldPartitionsSource {
    partitions: MemoryTopicsSource,
    held: Arc<Mutex<Vec<u32>>>,
}

impl HeldPartitions {
    pub fn of(topic: &'static str, partitions: usize) -> Self {
        let partitions = (0..partitions).map(|_| (topic, Topic::default()));
        Self(partitions.collect(), Arc::default())
    }

    pub fn source(&self) -> HeldPartitionsSource {
        self.1.lock().expect("unpoisoned").clear();
        HeldPartitionsSource {
            partitions: MemoryTopics(self.0.clone()).source(),
            held: Arc::clone(&self.1),
        }
    }

    /// A source of nothing.
    pub fn empty(&self) -> HeldPartitionsSource {
        Self::default().source()
    }

    /// Streams that are held.
    pub fn held(&self) -> Vec<u32> {
        self.1.lock().expect("unpoisoned").clone()
    }
}

impl Source for HeldPartitionsSource {
    fn next(
        &mut self,
        demand: Demand,
        take: &mut dyn FnMut(RawRecord<'_>),
    ) -> Result<Vec<SourceEvent>, SourceError> {
        let held = self.held.lock().expect("unpoisoned").clone();
        let mut events = Vec::new();
        for (at, source) in self.partitions.0.iter_mut().enumerate() {
            let stream = StreamId(at as u32);
            let demand = match held.contains(&stream.0) {
                true => Demand {
                    records_max: 0,
                    ..demand
                },
                false => demand,
            };
            let told = source.next(demand, &mut |mut record| {
                record.position.stream = stream;
                record.origin.partition = at as i32;
                take(record);
            })?;
            events.extend(told.into_iter().map(|event| match event {
                SourceEvent::Assigned { topic, .. } => SourceEvent::Assigned {
                    stream,
                    topic,
                    partition: at as i32,
                },
                other => other,
            }));
        }
        Ok(events)
    }

    fn commit(
        &mut self,
        settled: &[StreamPosition],
        wait: Option<Duration>,
    ) -> Result<(), SourceError> {
        self.partitions.commit(settled, wait)
    }

    fn follow(&mut self, reading: Reading<'_>) -> Result<(), SourceError> {
        if let Reading::Without(streams) = reading {
            *self.held.lock().expect("unpoisoned") = streams.iter().map(|it| it.0).collect();
        }
        Ok(())
    }
}

/// A cache in memory. It holds names; a purge takes them away, unless told to fail first.
#[derive(Clone, Default)]
pub struct MemoryCache(Arc<Mutex<CacheState>>);

#[derive(Default)]
struct CacheState {
    names: BTreeSet<String>,
    purged: Vec<String>,
    calls: usize,
    script: VecDeque<PurgeOutcome>,
    refuses: BTreeSet<String>,
    hangs: bool,
    hung: usize,
    fails: bool,
    takeovers: u64,
    silent: BTreeSet<String>,
    missed: usize,
}

/// Attempts that a node does not answer before its names are not asked for any more.
const MISSED_TO_BE_DOWN: usize = 2;

impl MemoryCache {
    pub fn holding(names: &[&str]) -> Self {
        let cache = Self::default();
        cache.0.lock().expect("unpoisoned").names = names.iter().map(|&name| name.into()).collect();
        cache
    }

    /// The next calls answer with these outcomes instead of purging.
    pub fn fail_with(&self, outcomes: &[PurgeOutcome]) {
        self.0.lock().expect("unpoisoned").script.extend(outcomes);
    }

    /// Names that make a whole batch refused.
    pub fn refuse(&self, name: &str) {
        self.0
            .lock()
            .expect("unpoisoned")
            .refuses
            .insert(name.to_owned());
    }

    pub fn hang(&self, hangs: bool) {
        self.0.lock().expect("unpoisoned").hangs = hangs;
    }

    /// A replica takes over that still has these names.
    pub fn fail_over_to(&self, names: &[&str]) {
        let mut state = self.0.lock().expect("unpoisoned");
        state.takeovers += 1;
        state
            .names
            .extend(names.iter().map(|&name| name.to_owned()));
    }

    /// These names are at a node that is silent, while others answer. None: all answer.
    pub fn silence(&self, names: &[&str]) {
        let mut state = self.0.lock().expect("unpoisoned");
        state.silent = names.iter().map(|&name| name.to_owned()).collect();
        state.missed = 0;
    }

    /// Every call fails until told otherwise.
    pub fn fail_for_ever(&self, fails: bool) {
        self.0.lock().expect("unpoisoned").fails = fails;
    }

    pub fn names(&self) -> Vec<String> {
        self.0
            .lock()
            .expect("unpoisoned")
            .names
            .iter()
            .cloned()
            .collect()
    }

    /// Every name that a purge was asked and answered for, in order.
    pub fn purged(&self) -> Vec<String> {
        self.0.lock().expect("unpoisoned").purged.clone()
    }

    pub fn calls(&self) -> usize {
        self.0.lock().expect("unpoisoned").calls
    }

    /// Attempts that found it hanging, since the start. A test of such a fault first waits for one.
    pub fn hung(&self) -> usize {
        self.0.lock().expect("unpoisoned").hung
    }

    fn answer(&self, batch: &PurgeBatch) -> PurgeReport {
        let mut state = self.0.lock().expect("unpoisoned");
        state.calls += 1;
        if state.fails {
            return PurgeReport::all(PurgeOutcome::Unreachable, batch.len());
        }
        if let Some(outcome) = state.script.pop_front() {
            let reason = Some("scripted".to_owned());
            return PurgeReport {
                reason,
                ..PurgeReport::all(outcome, batch.len())
            };
        }
        let asked: Vec<String> = batch
            .iter()
            .map(|(_, name)| String::from_utf8_lossy(name).into_owned())
            .collect();
        if asked.iter().any(|name| state.refuses.contains(name)) {
            return PurgeReport::all(PurgeOutcome::Refused(Refusal::OfPurge), batch.len());
        }
        let mut report = PurgeReport::all(PurgeOutcome::Purged, batch.len());
        report.nodes_down = u32::from(!state.silent.is_empty());
        let is_down = state.missed >= MISSED_TO_BE_DOWN;
        state.missed += usize::from(asked.iter().any(|name| state.silent.contains(name)));
        for (name, outcome) in asked.into_iter().zip(&mut report.outcomes) {
            if state.silent.contains(&name) {
                *outcome = match is_down {
                    true => PurgeOutcome::NodeDown,
                    false => PurgeOutcome::Unreachable,
                };
                continue;
            }
            state.names.remove(&name);
            state.purged.push(name);
        }
        report
    }
}

impl MemoryCache {
    fn note_hang(&self) {
        let mut state = self.0.lock().expect("unpoisoned");
        state.hung += usize::from(state.hangs);
    }
}

impl Purger for MemoryCache {
    async fn purge(&self, batch: &PurgeBatch) -> PurgeReport {
        self.note_hang();
        while self.0.lock().expect("unpoisoned").hangs {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.answer(batch)
    }

    async fn ping(&self) -> Result<(), String> {
        match self.0.lock().expect("unpoisoned").silent.is_empty() {
            true => Ok(()),
            false => Err("a node is silent".to_owned()),
        }
    }

    fn takeovers(&self) -> u64 {
        self.0.lock().expect("unpoisoned").takeovers
    }
}

/// Topics by name. Can lose replies: the record is stored and the answer is an error.
#[derive(Clone, Default)]
pub struct MemoryOutbox {
    topics: Arc<Mutex<BTreeMap<String, Topic>>>,
    lose_replies: Arc<Mutex<usize>>,
}

impl MemoryOutbox {
    pub fn topic(&self, name: &str) -> Topic {
        self.topics
            .lock()
            .expect("unpoisoned")
            .entry(name.to_owned())
            .or_default()
            .clone()
    }

    pub fn lose_replies(&self, count: usize) {
        *self.lose_replies.lock().expect("unpoisoned") = count;
    }
}

impl Outbox for MemoryOutbox {
    async fn append(&self, record: OutboxRecord) -> Result<(), OutboxError> {
        self.topic(&record.topic).push(record.payload);
        let mut lose = self.lose_replies.lock().expect("unpoisoned");
        if *lose > 0 {
            *lose -= 1;
            let reason = "the reply was lost".to_owned();
            return Err(OutboxError {
                topic: record.topic,
                reason,
            });
        }
        Ok(())
    }
}

/// One table `shop.public.items (id, category_id)` with one family in Redis `main` and at CDN `edge`.
pub fn registry() -> Registry {
    let mut family = family("catalog.item", b"catalog:v1:item:");
    family.places.push(Place::of_tags(
        TargetId(1),
        b"catalog.item"[..].into(),
        PurgeMode::Hard,
    ));
    let binding = Binding {
        family: FamilyId(0),
        when_changed: Vec::new(),
        names: vec![
            Arc::from([template(NameForm::RedisKey, b"catalog:v1:item:", 0)]),
            Arc::from([template(NameForm::SurrogateKey, b"category-", 1)]),
        ],
        version_column: None,
    };
    let table = Table {
        shape: TableShape {
            id: TableId(0),
            name: Arc::from("shop.public.items"),
            topic: Arc::from("shop.public.items"),
            engine: Engine::Postgres,
            identity: ReplicaIdentity::Full,
            connector: Arc::default(),
            columns: vec![column("id", true), column("category_id", false)],
            declared: Arc::default(),
        },
        bindings: vec![binding],
    };
    let target = |name: &str, tier, names| Target {
        name: Arc::from(name),
        tier,
        names,
    };
    let revision = RegistryRevision {
        sequence: 1,
        content_hash: Arc::from("0123456789abcdef"),
    };
    let targets = vec![
        target("main", Tier::Store, NameForm::RedisKey),
        target("edge", Tier::Edge, NameForm::SurrogateKey),
    ];
    Registry::new(revision, vec![family], vec![table], targets)
}

/// An insert as Debezium writes it.
pub fn insert(id: u64, category: u64) -> String {
    format!(
        r#"{{"before":null,"after":{{"id":{id},"category_id":{category}}},"source":{{"connector":"postgresql","ts_ms":1000,"lsn":10,"sequence":"[\"9\",\"10\"]","table":"items"}},"op":"c","ts_ms":1001}}"#
    )
}

/// The same as one of a transaction.
pub fn insert_of(id: u64, transaction: u64, order: u64) -> String {
    let block = format!(
        r#""transaction":{{"id":"{transaction}:{order}","total_order":{order},"data_collection_order":{order}}},"op":"c""#
    );
    insert(id, 7).replace(r#""op":"c""#, &block)
}

/// The begin of a transaction, or its end with so many changes of the table.
pub fn boundary(transaction: u64, counted: Option<u64>) -> String {
    let id = format!("{transaction}:{}", transaction * 100);
    match counted {
        None => format!(
            r#"{{"status":"BEGIN","id":"{id}","event_count":null,"data_collections":null,"ts_ms":1}}"#
        ),
        Some(count) => format!(
            r#"{{"status":"END","id":"{id}","event_count":{count},"data_collections":[{{"data_collection":"public.items","event_count":{count}}}],"ts_ms":1}}"#
        ),
    }
}

/// Waits for a condition.
pub fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
