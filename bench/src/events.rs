//! Deterministic load: Debezium update envelopes of about one kilobyte, each touching two keys.

use std::time::Duration;

use anyhow::Context;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

/// The topic, which is also the table's name.
pub(crate) const TOPIC: &str = "shop.public.products";

/// A multiplier that visits every row once in an order that looks random to Redis.
const STRIDE: u64 = 2_654_435_761;

/// The row that event `at` of `events` changes.
pub(crate) fn row_of(at: u64, events: u64) -> u64 {
    let mut stride = STRIDE % events;
    while gcd(stride, events) != 1 {
        stride += 1;
    }
    (at * stride) % events
}

/// Keys of one row.
pub(crate) fn keys_of(row: u64) -> [String; 2] {
    [
        format!("bench:v1:product:{row}"),
        format!("bench:v1:card:{row}"),
    ]
}

/// A producer with a deep queue.
pub(crate) fn producer(bootstrap: &str, linger_ms: u32) -> anyhow::Result<BaseProducer> {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("linger.ms", linger_ms.to_string())
        .set("batch.size", "1000000")
        .set("queue.buffering.max.messages", "500000")
        .set("queue.buffering.max.kbytes", "1048576")
        .create()
        .context("producer")
}

/// Sends the event of one row; waits when the queue is full.
pub(crate) fn send(producer: &BaseProducer, row: u64, now_ms: u64) -> anyhow::Result<()> {
    let (key, value) = (format!("{{\"id\":{row}}}"), envelope(row, now_ms));
    let mut record = BaseRecord::to(TOPIC).key(&key).payload(&value);
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                producer.poll(Duration::from_millis(5));
                record = back;
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
}

/// Waits until everything is acknowledged.
pub(crate) fn flush(producer: &BaseProducer) -> anyhow::Result<()> {
    producer.flush(Duration::from_secs(120)).context("flush")
}

fn envelope(row: u64, now_ms: u64) -> String {
    let image = |price: u32| {
        format!(
            "{{\"id\":{row},\"category_id\":{},\"tenant\":7,\"name\":\"Product number {row}\",\
             \"price\":\"{price}.90\",\"description\":\"{}\",\"sku\":\"7d0c9a6e-52f3-4a6b-9d0e-0123456789ab\",\
             \"active\":true,\"updated_at\":\"2026-11-22T10:11:12.131415Z\",\"released\":19876}}",
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

fn gcd(one: u64, other: u64) -> u64 {
    if other == 0 {
        one
    } else {
        gcd(other, one % other)
    }
}
