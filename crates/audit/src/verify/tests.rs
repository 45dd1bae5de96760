use std::sync::Mutex;

use freshet_core::ports::{Observation, OutboxError};
use freshet_core::registry::{EntryVersion, Registry};

use super::*;

/// Entries by name, with their versions, and how often somebody looked.
#[derive(Debug, Default)]
struct MemoryCache {
    entries: BTreeMap<Vec<u8>, String>,
    looks: Mutex<Vec<tokio::time::Instant>>,
}

impl Probe for MemoryCache {
    async fn observe(&self, name: &[u8], version: Option<&EntryVersion>) -> Observation {
        assert!(version.is_some(), "asked without the version's place");
        let mut looks = self.looks.lock().expect("not poisoned");
        looks.push(tokio::time::Instant::now());
        self.entries
            .get(name)
            .map_or(Observation::Absent, |version| Observation::Present {
                remaining_ttl: None,
                version: Some(version.clone()),
            })
    }
}

/// Stores everything, after `failures` attempts that fail.
#[derive(Debug, Default)]
struct MemoryOutbox {
    failures: Mutex<u32>,
    stored: Mutex<Vec<OutboxRecord>>,
}

impl Outbox for MemoryOutbox {
    async fn append(&self, record: OutboxRecord) -> Result<(), OutboxError> {
        let mut failures = self.failures.lock().expect("not poisoned");
        if *failures > 0 {
            *failures -= 1;
            let (topic, reason) = (record.topic, "away".to_owned());
            return Err(OutboxError { topic, reason });
        }
        self.stored.lock().expect("not poisoned").push(record);
        Ok(())
    }
}

const SOURCE: &str = include_str!("../../../../schemas/fixtures/registry/sources/shop.yaml");
const FAMILY: &str = include_str!("../../../../schemas/fixtures/registry/families/item.yaml");
const CDN: &str = "cdn: { targets: [edge], tags: [\"item-{id}\"], mode: soft }\n";

fn registry() -> Arc<Registry> {
    let loaded = freshet_registry::load_files(vec![
        ("sources/shop.yaml".into(), SOURCE.to_owned()),
        ("families/item.yaml".into(), format!("{FAMILY}{CDN}")),
    ]);
    let loaded = loaded.unwrap_or_else(|faults| panic!("{}", faults.render()));
    Arc::new(loaded.registry)
}

fn row(names: &[&str], version: &str) -> ReadSample {
    ReadSample {
        family: "catalog.item".into(),
        target: "main".into(),
        registry: registry(),
        names: names.iter().map(|it| it.as_bytes().to_vec()).collect(),
        entry: EntryVersion {
            field: "rev".into(),
            hash: false,
        },
        version: version.to_owned(),
        outer: vec![NamedPurge {
            target: "edge".into(),
            family: "catalog.item".into(),
            scope: Scope::Tag,
            mode: PurgeMode::Soft,
            name: b"item-1".to_vec(),
        }],
    }
}

/// Looks `rows` up, ten entries a second; returns what was asked to be purged.
async fn verified(
    cache: &Arc<MemoryCache>,
    outbox: MemoryOutbox,
    rows: Vec<ReadSample>,
) -> Vec<PurgeRequest> {
    let outbox = Arc::new(outbox);
    let (offer, taken) = mpsc::channel(rows.len().max(1));
    for row in rows {
        offer.try_send(row).expect("room");
    }
    drop(offer);
    let cache = Cache {
        probe: Arc::clone(cache),
        backlog: "freshet.backlog.main".into(),
    };
    let caches = BTreeMap::from([(Arc::from("main"), cache)]);
    let rate = NonZeroU32::new(10).expect("not zero");
    let ports = VerifyPorts {
        caches,
        outbox: Arc::clone(&outbox),
    };
    verify(ports, taken, rate, || WallMicros(5)).await;
    let stored = outbox.stored.lock().expect("not poisoned");
    let requests = stored.iter().map(|record| {
        assert_eq!(&*record.topic, "freshet.backlog.main");
        assert_eq!(record.key, b"main");
        PurgeRequest::decode(&record.payload).expect("a request")
    });
    requests.collect()
}

fn holding(entries: &[(&str, &str)]) -> Arc<MemoryCache> {
    let entries = entries
        .iter()
        .map(|&(name, version)| (name.as_bytes().to_vec(), version.to_owned()));
    Arc::new(MemoryCache {
        entries: entries.collect(),
        ..MemoryCache::default()
    })
}

#[tokio::test(start_paused = true)]
async fn only_what_is_older_than_the_row_is_purged_and_what_follows_outside() {
    let cache = holding(&[("old", "6"), ("same", "7"), ("newer", "8")]);
    let rows = vec![row(&["same", "old", "newer", "absent"], "7")];
    let asked = verified(&cache, MemoryOutbox::default(), rows).await;
    let [request] = &asked[..] else {
        panic!("not one request: {asked:?}");
    };
    assert_eq!(request.target, "main");
    let [purge] = &request.purges[..] else {
        panic!("not one purge: {request:?}");
    };
    assert_eq!((&purge.name[..], purge.scope), (&b"old"[..], Scope::Keys));
    assert_eq!(purge.committed, WallMicros(0), "no change, no freshness");
    let cause = purge.cause.as_deref().expect("a cause").to_string();
    assert_eq!(
        cause,
        "snapshot_check by freshet: older than a row of catalog.item"
    );
    let [outer] = &request.then[..] else {
        panic!("nothing follows outside: {request:?}");
    };
    assert_eq!(outer.target, "edge");
    assert_eq!(outer.purges[0].name, b"item-1");
    assert_eq!(outer.purges[0].mode, PurgeMode::Soft);
}

#[tokio::test(start_paused = true)]
async fn without_anything_stale_nothing_is_purged_anywhere() {
    let cache = holding(&[("same", "7"), ("newer", "8"), ("odd", "rev-6")]);
    let mut elsewhere = row(&["same"], "9");
    elsewhere.target = "other".into();
    let rows = vec![row(&["same", "newer", "absent", "odd"], "7"), elsewhere];
    let asked = verified(&cache, MemoryOutbox::default(), rows).await;
    assert_eq!(asked, []);
    assert_eq!(cache.looks.lock().expect("not poisoned").len(), 4);
}

#[tokio::test(start_paused = true)]
async fn it_looks_no_faster_than_its_rate() {
    let cache = holding(&[]);
    let rows = (0..25).map(|_| row(&["one", "two"], "7")).collect();
    let begun = tokio::time::Instant::now();
    verified(&cache, MemoryOutbox::default(), rows).await;
    let looks = cache.looks.lock().expect("not poisoned");
    assert_eq!(looks.len(), 50);
    assert!(begun.elapsed() >= Duration::from_millis(4_900));
    assert!(begun.elapsed() < Duration::from_millis(5_200));
    let in_window = |at| {
        let end = at + Duration::from_millis(999);
        looks.iter().filter(|it| (at..=end).contains(*it)).count()
    };
    let most = looks.iter().map(|at| in_window(*at)).max();
    assert!(most <= Some(10), "{most:?} looks within a second");
}

#[tokio::test(start_paused = true)]
async fn a_purge_that_was_not_stored_is_stored_again() {
    let cache = holding(&[("old", "6")]);
    let outbox = MemoryOutbox {
        failures: Mutex::new(3),
        ..MemoryOutbox::default()
    };
    let asked = verified(&cache, outbox, vec![row(&["old"], "7")]).await;
    assert_eq!(asked.len(), 1);
}
