//! `on_snapshot: verify`: rows that a snapshot read purge what is provably older, and nothing else.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use freshet_audit::verify::{Cache, VerifyPorts, verify};
use freshet_core::ports::{Outbox, OutboxError, OutboxRecord};
use freshet_core::position::WallMicros;
use freshet_core::registry::{EntryVersion, Registry};
use freshet_core::sample::ReadSample;
use freshet_redis::{RedisPurger, RedisTarget};
use freshet_testbed::{RedisServer, TopicRecord, TopicWriter};
use freshet_wire::PurgeRequest;
use redis::Commands;
use support::deployment::Deployment;
use support::registry::Form;

const FORM: Form = Form {
    domain: "json",
    server: "shop",
    schema: "public",
    engine: "postgres",
};
const VERIFIED: &str = "\
family: seen.item
schema_version: 1
owner: { team: testers }
lifecycle: active
freshness: { class: strict, within: 5s, objective: 99.9%, window: 28d }
max_ttl: 1h
on_snapshot: verify
entry_version: { field: rev, column: tenant }
redis: { target: main, keys: [\"seen:v1:item:{id}\"] }
cdn: { targets: [edge], tags: [\"seen-{id}\"], mode: hard }
sources:
  - table: shop.public.items
    bind: { id: id }
";

/// The registry with this family.
fn registry() -> Arc<Registry> {
    let dir = tempfile::tempdir().expect("a folder");
    support::registry::write(dir.path(), &[FORM]);
    let path = dir.path().join("families/json/seen.yaml");
    std::fs::write(path, VERIFIED).expect("written");
    let loaded = freshet_registry::load(dir.path());
    let loaded = loaded.unwrap_or_else(|faults| panic!("{}", faults.render()));
    Arc::new(loaded.registry)
}

/// Stores everything.
#[derive(Debug, Default)]
struct MemoryOutbox(Mutex<Vec<OutboxRecord>>);

impl Outbox for MemoryOutbox {
    async fn append(&self, record: OutboxRecord) -> Result<(), OutboxError> {
        self.0.lock().expect("not poisoned").push(record);
        Ok(())
    }
}

fn read(registry: &Arc<Registry>, name: &str, version: &str, hash: bool) -> ReadSample {
    ReadSample {
        family: "seen.item".into(),
        target: "main".into(),
        registry: Arc::clone(registry),
        names: vec![name.as_bytes().to_vec()],
        entry: EntryVersion {
            field: "rev".into(),
            hash,
        },
        version: version.to_owned(),
        outer: Vec::new(),
    }
}

/// The auditor against a real Redis: what it asks to be purged, and how fast it looks.
#[tokio::test]
async fn the_auditor_finds_what_is_older_in_a_real_redis_at_its_rate() {
    let server = RedisServer::start().expect("redis");
    let client = redis::Client::open(server.url()).expect("url");
    let mut redis = client.get_connection().expect("redis answers");
    let () = redis.set("old", r#"{"rev":6}"#).expect("set");
    let () = redis.set("same", r#"{"rev":"7"}"#).expect("set");
    let () = redis.set("newer", r#"{"rev":10}"#).expect("set");
    let () = redis.set("lease", "lease:abc").expect("set");
    let () = redis.set("bare", "{}").expect("set");
    let () = redis.hset("old-hash", "rev", "6").expect("hset");
    let () = redis.hset("new-hash", "rev", "7").expect("hset");
    let registry = registry();
    let plain = ["old", "same", "newer", "lease", "bare", "absent"].map(|it| (it, false));
    let rows = plain
        .into_iter()
        .chain([("old-hash", true), ("new-hash", true)])
        .map(|(name, hash)| read(&registry, name, "7", hash));
    let (offer, taken) = tokio::sync::mpsc::channel(16);
    for row in rows {
        offer.try_send(row).expect("room");
    }
    drop(offer);
    let purger = RedisPurger::connect(RedisTarget::new(server.url())).expect("a target");
    let cache = Cache {
        probe: Arc::new(purger),
        backlog: "freshet.backlog.main".into(),
    };
    let caches = BTreeMap::from([(Arc::from("main"), cache)]);
    let outbox = Arc::new(MemoryOutbox::default());
    let rate = NonZeroU32::new(20).expect("not zero");
    let ports = VerifyPorts {
        caches,
        outbox: Arc::clone(&outbox),
    };
    let begun = Instant::now();
    verify(ports, taken, rate, || WallMicros(1)).await;
    // Eight looks, the first of them at once.
    assert!(
        begun.elapsed() >= Duration::from_millis(7 * 50),
        "{:?}",
        begun.elapsed()
    );
    let stored = outbox.0.lock().expect("not poisoned");
    let asked = stored.iter().flat_map(|record| {
        let request = PurgeRequest::decode(&record.payload).expect("a request");
        request.purges.into_iter().map(|purge| purge.name)
    });
    let asked: Vec<Vec<u8>> = asked.collect();
    assert_eq!(asked, [b"old".to_vec(), b"old-hash".to_vec()]);
}

/// A row as a snapshot that somebody asked for reads it.
fn row(id: u64, version: u64) -> TopicRecord {
    let value = format!(
        "{{\"op\":\"r\",\"before\":null,\"after\":{{\"id\":{id},\"category_id\":7,\"tenant\":{version},\
         \"name\":\"x\",\"body\":null}},\"source\":{{\"connector\":\"postgresql\",\"name\":\"shop\",\
         \"ts_ms\":1717156800123,\"snapshot\":\"incremental\",\"db\":\"shop\",\"schema\":\"public\",\
         \"table\":\"items\",\"lsn\":300}},\"ts_ms\":1717156800123}}"
    );
    TopicRecord {
        topic: "shop.public.items".to_owned(),
        partition: 0,
        offset: 0,
        timestamp_ms: 1_717_156_800_123,
        key: Some(format!("{{\"id\":{id}}}").into_bytes()),
        value: Some(value.into_bytes()),
        headers: Vec::new(),
    }
}

fn looks(deployment: &Deployment, verdict: &str) -> f64 {
    let labels = format!("{{family=\"seen.item\",target=\"main\",verdict=\"{verdict}\"}}");
    let series = format!("freshet_snapshot_looks_total{labels}");
    deployment.metric(&series).unwrap_or_default()
}

fn rows(deployment: &Deployment, outcome: &str) -> f64 {
    let labels = format!("{{family=\"seen.item\",outcome=\"{outcome}\"}}");
    let series = format!("freshet_snapshot_rows_total{labels}");
    deployment.metric(&series).unwrap_or_default()
}

#[test]
fn a_snapshot_purges_the_stale_entry_and_its_page_and_no_other() {
    let mut deployment = Deployment::new(&[FORM], None);
    let families = deployment.registry_folder().join("families/seen");
    fs::create_dir_all(&families).expect("families");
    fs::write(families.join("item.yaml"), VERIFIED).expect("family");
    for topic in ["shop.public.items", "shop.public.notes"] {
        deployment.kafka.create_topic(topic, 1).expect("topic");
    }
    let mut redis = deployment.connection();
    for (id, entry) in [
        (1, r#"{"rev":4}"#),
        (2, r#"{"rev":5}"#),
        (3, r#"{"rev":12}"#),
        (4, "lease:abc"),
    ] {
        let () = redis
            .set_ex(format!("seen:v1:item:{id}"), entry, 3600)
            .expect("set");
    }
    deployment.fill(&["json:v1:item:1".to_owned()]);
    deployment.cache_page("/p/seen-1,seen.item");
    deployment.cache_page("/p/seen-2,seen.item");
    deployment.start_ready();
    let writer = TopicWriter::new(&deployment.kafka.bootstrap()).expect("writer");
    for id in 1..=5 {
        writer.write(&row(id, 5)).expect("written");
    }
    writer.flush().expect("flushed");
    deployment.until("all five are looked at and one is purged", || {
        let seen = ["absent", "not_older", "no_proof", "stale"].map(|it| looks(&deployment, it));
        seen == [1.0, 2.0, 1.0, 1.0] && deployment.present(&["seen:v1:item:1".into()]).is_empty()
    });
    deployment.until("its page is gone", || {
        !deployment.page_is_cached("/p/seen-1,seen.item")
    });
    let left = [2, 3, 4].map(|id| format!("seen:v1:item:{id}"));
    assert_eq!(deployment.present(&left), left);
    assert_eq!(deployment.present(&["json:v1:item:1".into()]).len(), 1);
    assert!(deployment.page_is_cached("/p/seen-2,seen.item"));
    let stale =
        "freshet_stale_reads_total{family=\"seen.item\",target=\"main\",after=\"snapshot\"}";
    assert_eq!(deployment.metric(stale), Some(1.0));

    more_rows_than_the_rate_allows_are_counted(&deployment, &writer);
}

fn more_rows_than_the_rate_allows_are_counted(deployment: &Deployment, writer: &TopicWriter) {
    const MORE: u64 = 6_000;
    let begun = Instant::now();
    for id in 0..MORE {
        writer.write(&row(1_000 + id, 5)).expect("written");
    }
    writer.flush().expect("flushed");
    deployment.until("every row is counted", || {
        rows(deployment, "offered") + rows(deployment, "over_rate") == 5.0 + MORE as f64
    });
    assert!(rows(deployment, "over_rate") > 0.0, "nothing was dropped");
    let looked = looks(deployment, "absent") - 1.0;
    let most = begun.elapsed().as_secs_f64() * 50.0 + 2.0;
    assert!(looked <= most, "{looked} looks, not more than {most}");
}
