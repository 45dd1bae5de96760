//! Beacons on real servers: what they measure, and what they tell when a row stops and when a purge has no effect.

mod support;

use std::time::{SystemTime, UNIX_EPOCH};

use freshet_testbed::{RedisServer, TopicRecord, TopicWriter};
use redis::Commands;
use support::deployment::Deployment;
use support::registry::SHOP;

const BEATS: &str = "shop.public.freshet_beacon";

#[test]
fn p2_a_beacon_tells_of_silence_and_of_purges_without_effect() {
    // Says that it removed something, and has only looked for it.
    let numb = RedisServer::start_with(&[
        "--rename-command",
        "UNLINK",
        "REALLY-UNLINK",
        "--rename-command",
        "EXISTS",
        "UNLINK",
    ]);
    let numb = numb.expect("redis");
    let mut deployment = Deployment::new(&[SHOP], None);
    deployment.replace(
        "targets:\n",
        &format!(
            "targets:\n  numb: {{ redis: {{ url: \"{}\" }} }}\n",
            numb.url()
        ),
    );
    deployment.configure(&format!(
        "beacons: {{ shop: {{ table: {BEATS}, within: 3s }} }}\n"
    ));
    for topic in ["shop.public.items", "shop.public.notes", BEATS] {
        deployment.kafka.create_topic(topic, 1).expect("topic");
    }
    deployment.start();
    let writer = TopicWriter::new(&deployment.kafka.bootstrap()).expect("writer");
    it_is_measured_where_it_takes_effect(&deployment, &writer);
    a_purge_without_effect_is_told(&deployment, &writer);
    silence_is_told_and_ends(&deployment, &writer);
    assert_eq!(
        deployment.terminate().0,
        Some(0),
        "{}",
        deployment.log_tail()
    );
}

fn beat(writer: &TopicWriter) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("now");
    let value = serde_json::json!({
        "before": null,
        "after": {"id": 1, "beat": "2024-05-31T12:00:00Z"},
        "source": {"connector": "postgresql", "ts_ms": now.as_millis() as u64, "lsn": 10},
        "op": "u",
        "ts_ms": now.as_millis() as u64,
    });
    let record = TopicRecord {
        topic: BEATS.to_owned(),
        key: Some(br#"{"id":1}"#.to_vec()),
        value: Some(value.to_string().into_bytes()),
        ..TopicRecord::default()
    };
    writer.write(&record).expect("written");
}

fn of(metric: &str, target: &str) -> String {
    format!("{metric}{{database=\"shop\",target=\"{target}\"")
}

fn failures(deployment: &Deployment, target: &str, reason: &str) -> f64 {
    let series = of("freshet_beacon_failures_total", target);
    let series = format!("{series},reason=\"{reason}\"}}");
    deployment.metric(&series).expect("there from the start")
}

/// The same way as everybody: through rounds, lanes and the histogram of its family; and proven in Redis.
fn it_is_measured_where_it_takes_effect(deployment: &Deployment, writer: &TopicWriter) {
    for target in ["main", "edge"] {
        deployment.until(&format!("beats take effect at {target}"), || {
            beat(writer);
            let count = deployment.metric(&of("freshet_beacon_seconds_count", target));
            count.is_some_and(|count| count >= 2.0)
        });
        let family =
            format!("freshet_freshness_seconds_count{{family=\"freshet.beacon.shop.{target}\"");
        assert!(deployment.metric(&family) >= Some(2.0), "{family}");
        let age = deployment.metric(&of("freshet_beacon_age_seconds", target));
        assert!(age.is_some_and(|age| age < 3.0), "{target}: {age:?} s");
    }
    deployment.until("an entry waits for the next beat", || {
        let life: i64 = deployment
            .connection()
            .ttl("freshet:beacon:shop:main")
            .expect("ttl");
        life > 3000
    });
}

fn a_purge_without_effect_is_told(deployment: &Deployment, writer: &TopicWriter) {
    deployment.until("not ready, with the reason, at this target alone", || {
        beat(writer);
        let told = deployment.get("/readyz").map_or(String::new(), |it| it.1);
        told.contains(
            "beacon shop at numb: the target answered a purge, but the entry is still there",
        ) && !told.contains("beacon shop at main")
    });
    assert!(failures(deployment, "numb", "still_there") >= 1.0);
    assert_eq!(failures(deployment, "main", "still_there"), 0.0);
    assert_eq!(
        deployment.metric(&of("freshet_beacon_seconds_count", "numb")),
        None
    );
    let numb_age = of("freshet_beacon_age_seconds", "numb");
    deployment.until("its age grows while beats come", || {
        beat(writer);
        deployment.metric(&numb_age).is_some_and(|age| age > 3.0)
    });
    assert!(
        deployment
            .log()
            .contains("a purge was answered and the entry is still there")
    );
}

fn silence_is_told_and_ends(deployment: &Deployment, writer: &TopicWriter) {
    for target in ["main", "edge"] {
        let wanted = format!("beacon shop at {target}: no beat within 3 s");
        deployment.until(&wanted, || {
            let told = deployment.get("/readyz");
            told.is_some_and(|(code, text)| code == 503 && text.contains(&wanted))
        });
        assert!(failures(deployment, target, "late") >= 1.0);
    }
    deployment.until("well again with the next beats", || {
        beat(writer);
        let told = deployment.get("/readyz").map_or(String::new(), |it| it.1);
        !told.contains("beacon shop at main") && !told.contains("beacon shop at edge")
    });
}
