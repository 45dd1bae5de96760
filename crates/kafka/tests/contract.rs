//! One contract for the source and the outbox, held by the in-process broker and by a real one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use freshet_core::ports::{Demand, Outbox, OutboxRecord, Source, SourceError, SourceEvent};
use freshet_core::position::StreamPosition;
use freshet_kafka::mock::EmbeddedBroker;
use freshet_kafka::{
    KafkaConnection, KafkaOutbox, KafkaSource, SourceConfig, StartAt, TopicWanted,
};
use freshet_testbed::{Fault, FaultProxy, KafkaBroker};
use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

const PATIENCE: Duration = Duration::from_secs(40);

/// A topic of this name is read by a group whose brokers decide who reads what.
const BROKERS_DECIDE: &str = "contract-848";

fn connection(bootstrap: &str, topic: &str) -> KafkaConnection {
    let classic = [
        ("session.timeout.ms", "6000"),
        ("heartbeat.interval.ms", "500"),
    ];
    let decided = [("group.protocol", "consumer")];
    let chosen: &[_] = match topic {
        BROKERS_DECIDE => &decided,
        _ => &classic,
    };
    let properties: BTreeMap<String, String> = chosen
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    KafkaConnection {
        brokers: bootstrap.to_owned(),
        properties,
        ..KafkaConnection::default()
    }
}

fn source(bootstrap: &str, group: &str, topic: &str) -> KafkaSource {
    let config = SourceConfig {
        group: group.to_owned(),
        topics: vec![topic.to_owned()],
        client_id: "contract".to_owned(),
        static_member: None,
        start: StartAt::Earliest,
        positions: None,
    };
    KafkaSource::connect(&connection(bootstrap, topic), config).expect("settings")
}

/// Takes records until `enough` of them came; positions and values in order of arrival.
fn take(source: &mut KafkaSource, enough: usize) -> Vec<(StreamPosition, String)> {
    let deadline = Instant::now() + PATIENCE;
    let mut taken = Vec::new();
    while taken.len() < enough {
        assert!(
            Instant::now() < deadline,
            "only {} of {enough} records came",
            taken.len()
        );
        let demand = Demand {
            records_max: enough - taken.len(),
            wait: Duration::from_millis(100),
        };
        source
            .next(demand, &mut |record| {
                let value = String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned();
                assert!(record.appended.0 > 0, "Kafka tells when it stored a record");
                taken.push((record.position, value));
            })
            .expect("no fatal error");
    }
    taken
}

async fn append(outbox: &KafkaOutbox, topic: &str, values: std::ops::Range<u32>) {
    for value in values {
        let payload = format!("v{value}").into_bytes();
        let record = OutboxRecord {
            topic: Arc::from(topic),
            key: b"one".to_vec(),
            payload,
        };
        outbox.append(record).await.expect("stored");
    }
}

/// What a source and an outbox owe the pipeline. The topic exists and has one partition.
async fn contract(bootstrap: &str, topic: &str) {
    let outbox = KafkaOutbox::connect(&connection(bootstrap, "")).expect("settings");
    append(&outbox, topic, 0..10).await;

    // Records come in order; more than is asked for never comes.
    let mut first = source(bootstrap, topic, topic);
    let taken = take(&mut first, 10);
    let values: Vec<&str> = taken.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(
        values,
        (0..10).map(|at| format!("v{at}")).collect::<Vec<_>>()
    );
    assert!(
        taken
            .windows(2)
            .all(|two| two[0].0.ordinal < two[1].0.ordinal)
    );

    // p1: what is committed is the prefix that was handed over, and nothing beyond it.
    first
        .commit(&[taken[5].0], Some(Duration::from_secs(10)))
        .expect("committed");
    first.close(Duration::from_secs(10));
    let mut second = source(bootstrap, topic, topic);
    let again = take(&mut second, 4);
    assert_eq!(again[0].1, "v6", "begins behind the committed prefix");
    assert_ne!(again[0].0.stream.0, u32::MAX);

    // Without demand nothing is taken, and what comes meanwhile is not lost.
    append(&outbox, topic, 10..12).await;
    let starved = Instant::now() + Duration::from_millis(1500);
    while Instant::now() < starved {
        let none = Demand {
            records_max: 0,
            wait: Duration::from_millis(20),
        };
        second
            .next(none, &mut |_| panic!("taken without demand"))
            .expect("no fatal error");
    }
    let late = take(&mut second, 2);
    assert_eq!(
        late.iter()
            .map(|(_, value)| value.as_str())
            .collect::<Vec<_>>(),
        ["v10", "v11"]
    );
    second.close(Duration::from_secs(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_commit_never_passes_the_settled_prefix_on_the_embedded_broker() {
    let broker = EmbeddedBroker::start().expect("broker");
    broker.create_topic("contract", 1).expect("topic");
    contract(broker.bootstrap(), "contract").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_commit_never_passes_the_settled_prefix_on_a_real_broker() {
    let broker = KafkaBroker::start().expect("broker");
    let outbox = KafkaOutbox::connect(&connection(&broker.bootstrap(), "")).expect("settings");
    let wanted = [TopicWanted {
        name: "contract".to_owned(),
        partitions: 1,
        config: Vec::new(),
    }];
    outbox.ensure_topics(&wanted).await.expect("created");
    outbox
        .ensure_topics(&wanted)
        .await
        .expect("that it exists is no error");
    contract(&broker.bootstrap(), "contract").await;
    broker.create_topic(BROKERS_DECIDE, 1).expect("topic");
    contract(&broker.bootstrap(), BROKERS_DECIDE).await;
}

#[test]
fn brokers_that_are_away_are_told_of_once_and_then_found() {
    let broker = EmbeddedBroker::start().expect("broker");
    broker.create_topic("later", 1).expect("topic");
    let way = FaultProxy::before(broker.bootstrap()).expect("proxy");
    way.set(Fault::Refuse);
    let mut source = source(&way.address(), "away", "later");
    let until = |source: &mut KafkaSource, wanted: fn(&SourceEvent) -> bool| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "never told");
            let demand = Demand {
                records_max: 1,
                wait: Duration::from_millis(50),
            };
            if source
                .next(demand, &mut |_| ())
                .expect("not fatal")
                .iter()
                .any(wanted)
            {
                return;
            }
        }
    };
    until(&mut source, |event| {
        matches!(event, SourceEvent::Unreachable { .. })
    });
    way.set(Fault::Pass);
    until(&mut source, |event| matches!(event, SourceEvent::Reachable));
    source.close(Duration::from_secs(5));
}

#[test]
fn waiting_for_less_than_a_millisecond_costs_no_processor() {
    let broker = EmbeddedBroker::start().expect("broker");
    broker.create_topic("idle", 1).expect("topic");
    let mut source = source(broker.bootstrap(), "idle", "idle");
    let mut look = || {
        let demand = Demand {
            records_max: 1,
            wait: Duration::from_micros(300),
        };
        let events = source.next(demand, &mut |_| panic!("nothing was written"));
        events.expect("no fatal error")
    };
    let deadline = Instant::now() + PATIENCE;
    let is_assigned = |event: &SourceEvent| matches!(event, SourceEvent::Assigned { .. });
    while !look().iter().any(is_assigned) {
        assert!(Instant::now() < deadline, "never assigned");
    }
    let (begun, spent) = (Instant::now(), processor_of_this_thread());
    for _ in 0..1_000 {
        look();
    }
    let (elapsed, spent) = (begun.elapsed(), processor_of_this_thread() - spent);
    assert!(spent < elapsed / 2, "{spent:?} of {elapsed:?}");
    source.close(Duration::from_secs(5));
}

/// The first number is nanoseconds on a processor: kernel, Documentation/scheduler/sched-stats.rst.
fn processor_of_this_thread() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells");
    let ns = told.split(' ').next().and_then(|ns| ns.parse().ok());
    Duration::from_nanos(ns.expect("a number"))
}

#[test]
fn p2_commits_that_the_brokers_do_not_keep_are_reported_until_they_do() {
    let topic = "refused";
    let cluster = MockCluster::new(1).expect("a broker");
    cluster.create_topic(topic, 1, 1).expect("topic");
    let bootstrap = cluster.bootstrap_servers();
    let outbox = KafkaOutbox::connect(&connection(&bootstrap, "")).expect("settings");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(append(&outbox, topic, 0..3));
    let mut source = source(&bootstrap, topic, topic);
    let taken = take(&mut source, 3);
    let refusals = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED; 1_000];
    cluster.request_errors(RDKafkaApiKey::OffsetCommit, &refusals);
    let refused = committed(&mut source, taken[1].0, |committed| committed.is_err());
    let reason = refused.expect_err("refused").to_string();
    assert!(reason.contains("READ on the group"), "{reason}");
    cluster.clear_request_errors(RDKafkaApiKey::OffsetCommit);
    committed(&mut source, taken[2].0, |committed| committed.is_ok()).expect("taken");
    source
        .commit(&[taken[2].0], Some(Duration::from_secs(10)))
        .expect("acknowledged");
    source.close(Duration::from_secs(10));
}

/// Commits a position like the pipeline, again and again, until the answer is as wanted.
fn committed(
    source: &mut KafkaSource,
    position: StreamPosition,
    is_wanted: impl Fn(&Result<(), SourceError>) -> bool,
) -> Result<(), SourceError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let committed = source.commit(&[position], None);
        // The first one is not answered yet.
        source.next(NONE, &mut |_| {}).expect("no fatal error");
        if is_wanted(&committed) {
            return committed;
        }
        assert!(Instant::now() < deadline, "never, but {committed:?}");
    }
}

/// Nothing is taken, and the client works meanwhile.
const NONE: Demand = Demand {
    records_max: 0,
    wait: Duration::from_millis(20),
};
