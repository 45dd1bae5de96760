//! p1: an append that is answered is stored, and a refusal says why.

mod support;

use std::sync::Arc;
use std::time::Duration;

use freshet_core::ports::{Outbox, OutboxRecord};
use freshet_kafka::KafkaOutbox;
use freshet_testbed::KafkaBroker;
use support::{BROKER, Protocol, connection};

fn record(topic: &str, bytes: usize) -> OutboxRecord {
    OutboxRecord {
        topic: Arc::from(topic),
        key: b"one".to_vec(),
        payload: vec![b'x'; bytes],
    }
}

fn outbox(bootstrap: &str) -> KafkaOutbox {
    let mut connection = connection(bootstrap, Protocol::Classic);
    connection.properties.clear();
    KafkaOutbox::connect(&connection).expect("settings")
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_nothing_is_said_to_be_stored_before_the_broker_said_so() {
    let broker = KafkaBroker::start().expect("broker");
    broker.create_topic("silent", 1).expect("topic");
    let outbox = outbox(&broker.bootstrap());
    outbox.append(record("silent", 10)).await.expect("stored");
    broker.pause().expect("frozen");
    let append = outbox.append(record("silent", 10));
    tokio::pin!(append);
    let early = tokio::time::timeout(Duration::from_secs(2), &mut append).await;
    assert!(early.is_err(), "answered by nobody: {early:?}");
    broker.resume().expect("thawed");
    append.await.expect("stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_too_large_says_so() {
    let settings = [("max.message.bytes", "1000")];
    BROKER
        .create_topic_with("small", 1, &settings)
        .expect("topic");
    let outbox = outbox(&BROKER.bootstrap());
    // Once by the broker, once by the client itself.
    for bytes in [5_000, 5_000_000] {
        let error = outbox.append(record("small", bytes)).await;
        let reason = error.expect_err("refused").to_string();
        let wanted = format!("{bytes} bytes is too large: raise the topic's max.message.bytes");
        assert!(reason.contains(&wanted), "{reason}");
    }
    outbox.append(record("small", 10)).await.expect("stored");
}
