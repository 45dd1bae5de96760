//! Where topics end, as the brokers say.

use std::sync::Arc;

use freshet_core::ports::{Outbox, OutboxRecord, TopicEnds};
use freshet_kafka::mock::EmbeddedBroker;
use freshet_kafka::{KafkaConnection, KafkaOutbox, KafkaTopicEnds};

#[tokio::test]
async fn p5_ends_are_those_of_every_partition() {
    let broker = EmbeddedBroker::start().expect("a broker");
    broker.create_topic("shop.public.items", 3).expect("made");
    let connection = KafkaConnection {
        brokers: broker.bootstrap().to_owned(),
        ..KafkaConnection::default()
    };
    let ends = KafkaTopicEnds::connect(&connection).expect("settings");
    let empty = ends.ends("shop.public.items").expect("an answer");
    assert_eq!(
        empty.into_iter().collect::<Vec<_>>(),
        [(0, 0), (1, 0), (2, 0)]
    );
    let outbox = KafkaOutbox::connect(&connection).expect("settings");
    for value in 0..40 {
        let record = OutboxRecord {
            topic: Arc::from("shop.public.items"),
            key: format!("{value}").into_bytes(),
            payload: b"{}".to_vec(),
        };
        outbox.append(record).await.expect("stored");
    }
    let filled = ends.ends("shop.public.items").expect("an answer");
    assert_eq!(filled.len(), 3);
    assert_eq!(filled.values().sum::<i64>(), 40);
    drop(broker);
    assert!(ends.ends("shop.public.items").is_err(), "nobody can say");
}
