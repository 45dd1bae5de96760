//! What a scan sees of a topic, on the in-process broker and on a real one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use freshet_core::ports::{Outbox, OutboxRecord, ScanError, TopicScan};
use freshet_core::record::Found;
use freshet_kafka::mock::EmbeddedBroker;
use freshet_kafka::{KafkaConnection, KafkaOutbox, KafkaTopicScan};
use freshet_testbed::KafkaBroker;

const WITHIN: Duration = Duration::from_secs(20);

fn connection(bootstrap: &str) -> KafkaConnection {
    KafkaConnection {
        brokers: bootstrap.to_owned(),
        ..KafkaConnection::default()
    }
}

fn scan(bootstrap: &str, within: Duration) -> KafkaTopicScan {
    KafkaTopicScan::connect(&connection(bootstrap), within).expect("settings")
}

async fn append(bootstrap: &str, topic: &str, values: std::ops::Range<u32>) {
    let outbox = KafkaOutbox::connect(&connection(bootstrap)).expect("settings");
    for value in values {
        let record = OutboxRecord {
            topic: Arc::from(topic),
            key: value.to_string().into_bytes(),
            payload: format!("v{value}").into_bytes(),
        };
        outbox.append(record).await.expect("stored");
    }
}

fn values(scan: &KafkaTopicScan, topic: &str) -> Vec<(i32, i64, String)> {
    let mut seen = Vec::new();
    scan.read_all(topic, &mut |record| {
        let value = record.value.unwrap_or_default();
        assert!(record.appended.0 > 0);
        seen.push((
            record.partition,
            record.offset,
            String::from_utf8(value).expect("text"),
        ));
    })
    .expect("read");
    seen.sort();
    seen
}

/// Everything once, whatever the partitions; again the same; one by its offset; and what is not there is said so.
async fn contract(bootstrap: &str) {
    let scan = scan(bootstrap, WITHIN);
    assert_eq!(values(&scan, "letters"), []);
    append(bootstrap, "letters", 0..50).await;
    let seen = values(&scan, "letters");
    assert_eq!(seen.len(), 50);
    let mut named: Vec<&str> = seen.iter().map(|(_, _, value)| value.as_str()).collect();
    named.sort_unstable();
    named.dedup();
    assert_eq!(named.len(), 50, "each once");
    append(bootstrap, "letters", 50..60).await;
    assert_eq!(values(&scan, "letters").len(), 60, "the present moves on");
    for (partition, offset, value) in seen.iter().step_by(7) {
        let Found::Record(record) = scan.read_one("letters", *partition, *offset).expect("read")
        else {
            panic!("{partition}:{offset} is there");
        };
        assert_eq!(record.value.as_deref(), Some(value.as_bytes()));
        assert_eq!((record.partition, record.offset), (*partition, *offset));
        assert!(!format!("{record:?}").contains(value), "P12: row data");
    }
    let beyond = scan.read_one("letters", 0, 1_000_000).expect("read");
    assert!(
        matches!(beyond, Found::Gone { oldest: 0, .. }),
        "{beyond:?}"
    );
    let no_partition = ScanError::NoTopic {
        topic: "letters".to_owned(),
        partition: Some(99),
    };
    assert_eq!(scan.read_one("letters", 99, 0), Err(no_partition));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_sees_everything_once_on_the_embedded_broker() {
    let broker = EmbeddedBroker::start().expect("broker");
    broker.create_topic("letters", 3).expect("topic");
    contract(broker.bootstrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_sees_everything_once_on_a_real_broker() {
    let broker = KafkaBroker::start().expect("broker");
    broker.create_topic("letters", 3).expect("topic");
    contract(&broker.bootstrap()).await;
    let scan = scan(&broker.bootstrap(), WITHIN);
    let nowhere = ScanError::NoTopic {
        topic: "nowhere".to_owned(),
        partition: None,
    };
    assert_eq!(scan.read_one("nowhere", 0, 0), Err(nowhere.clone()));
    assert_eq!(scan.read_all("nowhere", &mut |_| ()), Err(nowhere));
}

#[test]
fn brokers_that_are_away_are_told_of_within_the_deadline() {
    let broker = EmbeddedBroker::start().expect("broker");
    broker.create_topic("letters", 1).expect("topic");
    let scan = scan(broker.bootstrap(), Duration::from_secs(1));
    drop(broker);
    let begun = Instant::now();
    let answer = scan.read_one("letters", 0, 0);
    assert!(
        matches!(&answer, Err(ScanError::Unreachable { reason, .. }) if !reason.is_empty()),
        "{answer:?}"
    );
    assert!(begun.elapsed() < Duration::from_secs(10), "a deadline");
}
