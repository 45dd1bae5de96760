//! A running `freshet` on real servers and what a bad day brings: servers that are away, records that nobody
//! can read, values that look like patterns, a registry that is wrong. Records are written as they stand.

#[path = "support/dashboards.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with other test binaries")]
mod dashboards;
mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use freshet_testbed::{TopicReader, TopicRecord, TopicWriter};
use freshet_wire::DeadLetter;
use support::deployment::Deployment;
use support::registry::SHOP;

const ITEMS: &str = "shop.public.items";
const NOTES: &str = "shop.public.notes";
const BEATS: &str = "pulse.public.beats";
/// A value that must never be seen in a log, a label or a dead letter.
const SECRET: &str = "row-data-nobody-may-see";

#[test]
fn a_bad_day() {
    let mut deployment = Deployment::new(&[SHOP], None);
    deployment.configure("heartbeats: { shop: 2s }\n");
    deployment.configure(
        "beacons: { pulse: { table: pulse.public.beats, engine: postgres, within: 10m } }\n",
    );
    for topic in [ITEMS, NOTES, BEATS] {
        deployment.kafka.create_topic(topic, 1).expect("topic");
    }
    everything_is_away_at_the_start(&mut deployment);
    let writer = TopicWriter::new(&deployment.kafka.bootstrap()).expect("writer");
    hostile_values_are_one_name_each(&deployment, &writer);
    p4_poison_is_put_aside_and_its_families_are_purged(&deployment, &writer);
    p9_a_bad_registry_never_takes_over(&deployment, &writer);
    p9_no_registry_stops_a_running_process(&deployment, &writer);
    p2_a_connector_that_falls_silent_is_told(&deployment, &writer);
    every_metric_of_the_dashboards_is_there(&deployment, &writer);
    let log = deployment.log();
    assert!(!log.contains(SECRET), "P12: row data in the log");
    let (code, took) = deployment.terminate();
    assert_eq!(code, Some(0), "{}", deployment.log_tail());
    assert!(took < Duration::from_secs(25), "P10: left after {took:?}");
}

/// Starts, is not ready, says which and since when, and gets well by itself.
fn everything_is_away_at_the_start(deployment: &mut Deployment) {
    deployment.redis.stop();
    deployment.kafka.stop();
    deployment.start();
    let not_ready = |wanted: &str| {
        deployment.until(wanted, || {
            deployment
                .get("/readyz")
                .is_some_and(|(code, text)| code == 503 && text.contains(wanted))
        });
    };
    not_ready("target main");
    not_ready("no broker answers");
    not_ready("(for ");
    assert_eq!(deployment.get("/livez").expect("answers").0, 200);
    // Never a busy loop: after a second of waiting for everything it has used next to no CPU.
    let cpu = || {
        deployment
            .metric("process_cpu_seconds_total")
            .expect("told")
    };
    let (before, begun) = (cpu(), Instant::now());
    deployment.until("two seconds", || begun.elapsed() > Duration::from_secs(2));
    assert!(cpu() - before < 1.0, "{} s of CPU in 2 s", cpu() - before);
    deployment.redis.restart().expect("redis");
    deployment.kafka.restart().expect("kafka");
    deployment.until("ready by itself", || {
        deployment
            .get("/readyz")
            .is_some_and(|(code, _)| code == 200)
    });
}

/// Globs, separators, newlines, other alphabets, a megabyte: each is one key, and no other key goes.
fn hostile_values_are_one_name_each(deployment: &Deployment, writer: &TopicWriter) {
    let long = "x".repeat(1_000_000);
    let innocent = ["shop:v1:doc:a", "shop:v1:doc:ab", "shop:v1:doc:b"].map(str::to_owned);
    deployment.fill(&innocent);
    let hostile = [
        "*", "a*", "[a-z]", "a b", "a\nb", "größe", "a:b", "{a}", "%2a", &long,
    ];
    let keys: Vec<String> = hostile.iter().map(|body| doc_key(body)).collect();
    let distinct: std::collections::BTreeSet<&String> = keys.iter().collect();
    assert_eq!(distinct.len(), hostile.len(), "one key each");
    deployment.fill(&keys);
    for (at, body) in hostile.iter().enumerate() {
        writer
            .write(&item(&serde_json::json!({"id": at, "body": body})))
            .expect("written");
    }
    deployment.until("hostile values are purged", || {
        deployment.present(&keys).is_empty()
    });
    assert_eq!(deployment.present(&innocent).len(), innocent.len());
}

/// The key as the family's template makes it, by the codec that applications share.
fn doc_key(body: &str) -> String {
    let mut key = b"shop:v1:doc:".to_vec();
    freshet_core::codec::push_redis_value(&mut key, body);
    String::from_utf8(key).expect("keys are text")
}

/// Null key with null value, wrong framing, broken and absurd JSON, bytes that are no text, hostile headers: all
/// put aside or skipped, none blocks what follows.
fn p4_poison_is_put_aside_and_its_families_are_purged(
    deployment: &Deployment,
    writer: &TopicWriter,
) {
    let family_keys =
        ["shop:v1:note:1", "shop:v1:note:77", "shop:v1:item_notes:5"].map(str::to_owned);
    let poison = poison();
    let mut reader = TopicReader::new(&deployment.kafka.bootstrap()).expect("reader");
    let mut expected = 0;
    for (what, value) in &poison {
        deployment.fill(&family_keys);
        let record = TopicRecord {
            topic: NOTES.to_owned(),
            key: Some(vec![0xff]),
            value: Some(value.clone()),
            headers: hostile_headers(),
            ..TopicRecord::default()
        };
        writer.write(&record).expect("written");
        expected += usize::from(*what != "absurd");
        deployment.until(&format!("fallback after {what}"), || {
            deployment.present(&family_keys).is_empty()
        });
    }
    writer
        .write(&TopicRecord {
            topic: NOTES.to_owned(),
            ..TopicRecord::default()
        })
        .expect("a record of nothing at all");
    let key = ["shop:v1:item:4711".to_owned()];
    deployment.fill(&key);
    writer
        .write(&item(&serde_json::json!({"id": 4711, "body": SECRET})))
        .expect("written");
    deployment.until("the partition moves on", || {
        deployment.present(&key).is_empty()
    });
    let letters = dead_letters(&mut reader, expected, &deployment.log_tail());
    for (letter, (what, value)) in letters.iter().zip(&poison) {
        assert_eq!(
            (letter.topic.as_str(), letter.reason.as_str()),
            (NOTES, *what)
        );
        assert_eq!(letter.families, ["shop.item_notes", "shop.note"], "{what}");
        assert_eq!(letter.value_bytes, value.len() as u64);
        assert!(!letter.detail.contains(SECRET), "P12: {}", letter.detail);
    }
    let offsets: Vec<i64> = letters.iter().map(|letter| letter.offset).collect();
    assert_eq!(offsets, (0..expected as i64).collect::<Vec<_>>());
}

/// Huge, many, no text, without value, without name, the same twice.
fn hostile_headers() -> Vec<(String, Option<Vec<u8>>)> {
    let mut headers = vec![
        ("__debezium.newkey".to_owned(), Some(vec![0xff; 200_000])),
        ("__debezium.newkey".to_owned(), None),
        (String::new(), Some(Vec::new())),
    ];
    let many = (0..2_000).map(|at| (format!("header-{at}\n"), Some(vec![0xfe, 0xff])));
    headers.extend(many);
    headers
}

/// Why each is put aside, and its bytes.
fn poison() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("bad_json", format!("{{\"after\": \"{SECRET}").into_bytes()),
        ("bad_framing", vec![0, 0, 0]),
        (
            "unknown_schema",
            [vec![0, 0, 0, 0, 9], SECRET.as_bytes().to_vec()].concat(),
        ),
        ("bad_framing", vec![0xff, 0xfe, 0xfd]),
        (
            "bad_utf8",
            b"{\"after\":{\"item_id\":\"\xff\xfe\"}}".to_vec(),
        ),
        (
            "too_deep",
            [b"{\"after\":".to_vec(), b"[".repeat(200_000)].concat(),
        ),
        (
            // A number that no column holds: readable, and nothing exact can be told from it.
            "absurd",
            b"{\"op\":\"c\",\"after\":{\"id\":1e999999}}".to_vec(),
        ),
    ]
}

fn dead_letters(reader: &mut TopicReader, count: usize, log: &str) -> Vec<DeadLetter> {
    let ours = |record: &&TopicRecord| record.topic == "freshet.dead-letters";
    let records = reader
        .read_until(Duration::from_secs(30), |seen| {
            seen.iter().filter(ours).count() >= count
        })
        .unwrap_or_else(|error| panic!("dead letters: {error:#}\n{log}"));
    let mut letters: Vec<DeadLetter> = records
        .iter()
        .filter(ours)
        .map(|record| DeadLetter::decode(record.value.as_deref().expect("a value")).expect("ours"))
        .collect();
    letters.sort_by_key(|letter| letter.offset);
    assert_eq!(letters.len(), count, "{letters:?}");
    letters
}

/// SIGHUP with a broken registry changes nothing and says where; with a good one the new family is served.
fn p9_a_bad_registry_never_takes_over(deployment: &Deployment, writer: &TopicWriter) {
    let family = deployment.registry_folder().join("families/shop/item.yaml");
    let good = fs::read_to_string(&family).expect("the family");
    fs::write(
        &family,
        good.replace("shop:v1:item:{id}", "shop:v1:item:{nothing}"),
    )
    .expect("broken");
    deployment.reload();
    let failures = "freshet_registry_load_failures_total";
    deployment.until("refused and counted", || {
        deployment.metric(failures) == Some(1.0)
    });
    deployment.until("told where", || {
        let log = deployment.log();
        log.contains("registry rejected") && log.contains("item.yaml:")
    });
    let key = ["shop:v1:item:1".to_owned()];
    deployment.fill(&key);
    writer
        .write(&item(&serde_json::json!({"id": 1})))
        .expect("written");
    deployment.until("the one before is in force", || {
        deployment.present(&key).is_empty()
    });
    assert_eq!(deployment.metric("freshet_registry_revision"), Some(1.0));

    let second = good.replace(
        "keys: [\"shop:v1:item:{id}\"]",
        "keys: [\"shop:v1:item:{id}\", \"shop:v1:item:{id}:full\"]",
    );
    assert_ne!(second, good);
    fs::write(&family, second).expect("a new revision");
    deployment.reload();
    deployment.until("in force", || {
        deployment.metric("freshet_registry_revision") == Some(2.0)
    });
    let keys = [
        "shop:v1:item:1".to_owned(),
        "shop:v1:item:1:full".to_owned(),
    ];
    deployment.fill(&keys);
    // A record that was being waited for when the registry changed is still resolved by the one before.
    deployment.until("both keys go", || {
        writer
            .write(&item(&serde_json::json!({"id": 1})))
            .expect("written");
        deployment.present(&keys).is_empty()
    });
}

/// A file that is refused: what the log says of it, and how it is made.
type BadFile = (&'static str, Box<dyn Fn(&Path)>);

fn bad_files() -> [BadFile; 6] {
    let column = "when_changed: [";
    let faults: Vec<String> = (0..4_000).map(|at| format!("no{at}")).collect();
    let constants = |count: usize| -> (String, String) {
        let names = (0..count).map(|at| format!("p{at}"));
        let bound: Vec<String> = names.clone().map(|it| format!("{it}: [a, b]")).collect();
        let key: Vec<String> = names.map(|it| format!("{{{it}}}")).collect();
        (key.join(":"), bound.join(", "))
    };
    let (key, bound) = constants(40);
    let head = "family: shop.odd\nschema_version: 1\nowner: { team: t }\nlifecycle: active\nfreshness: { class: strict, within: 2s, objective: 99%, window: 28d }\nmax_ttl: 1h\n";
    let binding = format!("sources:\n  - table: {ITEMS}\n    bind: {{ {bound} }}\n");
    let bomb = format!("{head}redis: {{ target: main, keys: [\"shop:v1:odd:{key}\"] }}\n{binding}");
    let many = format!(
        "{head}redis: {{ target: main, keys: [\"shop:v1:odd:{{id}}\"] }}\nsources:\n  - table: {ITEMS}\n    bind: {{ id: id }}\n    {column}{}]\n",
        faults.join(", ")
    );
    let long = format!("family: [{}]\n", "a, ".repeat(2 << 20));
    let text = |text: String| move |odd: &Path| fs::write(odd, &text).expect("a family");
    [
        ("FR0018", Box::new(text(bomb))),
        (
            "it is a pipe",
            Box::new(|odd| {
                let made = Command::new("mkfifo").arg(odd).status().expect("mkfifo");
                assert!(made.success());
            }),
        ),
        (
            "it is a device",
            Box::new(|odd| {
                std::os::unix::fs::symlink("/dev/zero", odd).expect("a link");
            }),
        ),
        ("3900 errors more", Box::new(text(many))),
        ("FR0002", Box::new(text(long))),
        (
            "larger than",
            Box::new(|odd| {
                let file = fs::File::create(odd).expect("a file");
                file.set_len(1 << 30).expect("a gigabyte");
            }),
        ),
    ]
}

/// Registries that would take all time or memory, one SIGHUP each: refused, and what is in force purges on, in less than
/// 200 MiB. Without limits the first of them ends the process, and after the second no signal is heard.
fn p9_no_registry_stops_a_running_process(deployment: &Deployment, writer: &TopicWriter) {
    let families = deployment.registry_folder().join("families");
    let good = fs::read_to_string(families.join("shop/item.yaml")).expect("the family");
    let odd = families.join("odd.yaml");
    let failures = "freshet_registry_load_failures_total";
    for (wanted, make) in bad_files() {
        let before = deployment.metric(failures).expect("a count");
        make(&odd);
        deployment.reload();
        deployment.until(wanted, || deployment.metric(failures) > Some(before));
        deployment.until(wanted, || deployment.log().contains(wanted));
        fs::remove_file(&odd).expect("removed");
        still_purges(deployment, writer);
    }
    for at in 0..20 {
        let folder = families.join("shop");
        std::os::unix::fs::symlink(".", folder.join(format!("again{at}"))).expect("a link");
    }
    fs::write(
        &odd,
        format!("{good}# another text\n")
            .replace("shop.item\n", "shop.item2\n")
            .replace("item:", "item2:"),
    )
    .expect("a family");
    deployment.reload();
    let revision = "freshet_registry_revision";
    deployment.until("a good one is heard", || {
        deployment.metric(revision) == Some(3.0)
    });
    still_purges(deployment, writer);
}

fn still_purges(deployment: &Deployment, writer: &TopicWriter) {
    let key = ["shop:v1:item:1".to_owned()];
    deployment.fill(&key);
    let change = item(&serde_json::json!({"id": 1}));
    writer.write(&change).expect("written");
    deployment.until("what is in force purges", || {
        deployment.present(&key).is_empty()
    });
    let memory = deployment
        .metric("process_resident_memory_bytes")
        .expect("memory");
    assert!(memory < 200.0 * 1024.0 * 1024.0, "{memory} bytes");
}

/// A connector whose heartbeat stops: not ready, its families purged once, and well again when it is heard.
fn p2_a_connector_that_falls_silent_is_told(deployment: &Deployment, writer: &TopicWriter) {
    let heartbeats = "__debezium-heartbeat.shop";
    let key = ["shop:v1:item:1".to_owned()];
    deployment.fill(&key);
    deployment.kafka.create_topic(heartbeats, 1).expect("topic");
    deployment.until("not ready, with the reason", || {
        deployment
            .get("/readyz")
            .is_some_and(|(code, text)| code == 503 && text.contains("source shop: no heartbeat"))
    });
    deployment.until("its families are purged", || {
        deployment.present(&key).is_empty()
    });
    let gaps = "freshet_gaps_total{cause=\"heartbeat_silent\"}";
    assert_eq!(deployment.metric(gaps), Some(2.0), "one for each table");
    deployment.until("ready when it is heard again", || {
        let beat = TopicRecord {
            topic: heartbeats.to_owned(),
            value: Some(br#"{"ts_ms":1700000000000}"#.to_vec()),
            ..TopicRecord::default()
        };
        writer.write(&beat).expect("written");
        deployment
            .get("/readyz")
            .is_some_and(|(code, _)| code == 200)
    });
}

/// The dashboards and the reference, against this very process after all of the above.
fn every_metric_of_the_dashboards_is_there(deployment: &Deployment, writer: &TopicWriter) {
    let mut beat = item(&serde_json::json!({"id": 1}));
    beat.topic = BEATS.to_owned();
    writer.write(&beat).expect("written");
    // The auditor's later look and the broker's word about the lag take a moment.
    for wanted in [
        "freshet_stale_reads_total",
        "freshet_consumer_lag_records",
        "freshet_beacon_seconds_count",
    ] {
        deployment.until(wanted, || {
            deployment
                .get("/metrics")
                .is_some_and(|(_, text)| text.contains(wanted))
        });
    }
    let (_, exposition) = deployment.get("/metrics").expect("metrics");
    dashboards::assert_exposed(&exposition);
    dashboards::assert_documented(&exposition);
}

/// An insert into `items` as Debezium writes it.
fn item(columns: &serde_json::Value) -> TopicRecord {
    let mut after =
        serde_json::json!({"id": 0, "category_id": 999, "tenant": 1, "name": "n", "body": null});
    for (name, value) in columns.as_object().expect("columns") {
        after[name] = value.clone();
    }
    let value = serde_json::json!({
        "before": null,
        "after": after,
        "source": {"connector": "postgresql", "ts_ms": 1_700_000_000_000_u64, "lsn": 10, "table": "items"},
        "op": "c",
        "ts_ms": 1_700_000_000_001_u64,
    });
    TopicRecord {
        topic: ITEMS.to_owned(),
        key: Some(
            serde_json::json!({"id": after["id"]})
                .to_string()
                .into_bytes(),
        ),
        value: Some(value.to_string().into_bytes()),
        ..TopicRecord::default()
    }
}
