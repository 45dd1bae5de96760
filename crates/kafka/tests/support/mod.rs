//! A broker for all tests of a file, and a member of a group that writes down what it sees.
#![allow(dead_code)] // each file of tests uses a part

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use freshet_core::gap::GapCause;
use freshet_core::ports::{Demand, Source, SourceError, SourceEvent};
use freshet_core::position::{StreamId, StreamPosition};
use freshet_kafka::{KafkaConnection, KafkaSource, SourceConfig, StartAt};
use freshet_testbed::{KafkaBroker, TopicReader, TopicRecord, TopicWriter};

pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

pub(crate) const POSITIONS: &str = "freshet.positions";

/// Started by the first test that wants it.
pub(crate) static BROKER: LazyLock<KafkaBroker> = LazyLock::new(broker);

/// A broker of a test's own.
pub(crate) fn broker() -> KafkaBroker {
    let quick = [
        ("group.consumer.min.heartbeat.interval.ms", "300"),
        ("group.consumer.heartbeat.interval.ms", "300"),
        ("group.consumer.min.session.timeout.ms", "3000"),
        ("group.consumer.session.timeout.ms", "6000"),
    ];
    let broker = KafkaBroker::start_with(&quick).expect("broker");
    broker
        .create_topic_with(POSITIONS, 1, &[("cleanup.policy", "compact")])
        .expect("topic of positions");
    broker
}

/// Who decides which member reads what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Classic,
    Eager,
    Consumer,
}

pub(crate) fn connection(bootstrap: &str, protocol: Protocol) -> KafkaConnection {
    let mut properties: BTreeMap<String, String> = BTreeMap::new();
    let mut set = |name: &str, value: &str| properties.insert(name.to_owned(), value.to_owned());
    match protocol {
        Protocol::Consumer => {
            set("group.protocol", "consumer");
        }
        Protocol::Classic | Protocol::Eager => {
            set("session.timeout.ms", "12000");
            set("heartbeat.interval.ms", "300");
        }
    }
    if protocol == Protocol::Eager {
        set("partition.assignment.strategy", "range");
    }
    set("topic.metadata.refresh.interval.ms", "1000");
    KafkaConnection {
        brokers: bootstrap.to_owned(),
        properties,
        ..KafkaConnection::default()
    }
}

pub(crate) fn config(group: &str, topic: &str) -> SourceConfig {
    SourceConfig {
        group: group.to_owned(),
        topics: vec![topic.to_owned()],
        client_id: "test".to_owned(),
        static_member: None,
        start: StartAt::Earliest,
        positions: Some(Arc::from(POSITIONS)),
    }
}

/// Writes `values` into a partition of the shared broker's topic.
pub(crate) fn write(topic: &str, partition: i32, values: std::ops::Range<u32>) {
    write_each(topic, &[partition], values);
}

/// The same into each of some partitions.
pub(crate) fn write_each(topic: &str, partitions: &[i32], values: std::ops::Range<u32>) {
    write_at(&BROKER.bootstrap(), topic, partitions, values);
}

/// The same at any broker.
pub(crate) fn write_at(
    bootstrap: &str,
    topic: &str,
    partitions: &[i32],
    values: std::ops::Range<u32>,
) {
    let writer = TopicWriter::new(bootstrap).expect("writer");
    for (value, &partition) in values.flat_map(|it| partitions.iter().map(move |at| (it, at))) {
        let record = TopicRecord {
            topic: topic.to_owned(),
            partition,
            value: Some(format!("v{value}").into_bytes()),
            ..TopicRecord::default()
        };
        writer.write(&record).expect("written");
    }
    writer.flush().expect("flushed");
}

/// Writes one record into each of some partitions, and does not wait for the brokers.
pub(crate) fn write_one(writer: &TopicWriter, topic: &str, partitions: &[i32]) {
    for &partition in partitions {
        let record = TopicRecord {
            topic: topic.to_owned(),
            partition,
            value: Some(b"one".to_vec()),
            ..TopicRecord::default()
        };
        writer.write(&record).expect("written");
    }
}

/// Waits until it is remembered that a group has read a topic.
pub(crate) fn until_remembered(group: &str, topic: &str) {
    let key = format!("{group}/{topic}/0");
    TopicReader::new(&BROKER.bootstrap())
        .expect("reader")
        .read_until(PATIENCE, |records| {
            records.iter().any(|it| it.key_text() == key)
        })
        .expect("remembered");
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Record(StreamPosition, i32, String),
    Event(SourceEvent),
}

/// One process of a group.
pub(crate) struct Member {
    pub(crate) source: KafkaSource,
    pub(crate) seen: Vec<Seen>,
    /// Everything that was seen settles at once.
    pub(crate) settling: bool,
}

impl Member {
    pub(crate) fn join(connection: &KafkaConnection, config: SourceConfig) -> Self {
        let source = KafkaSource::connect(connection, config).expect("settings");
        Self {
            source,
            seen: Vec::new(),
            settling: false,
        }
    }

    /// Takes what is at hand.
    pub(crate) fn try_step(&mut self, records_max: usize) -> Result<(), SourceError> {
        let demand = Demand {
            records_max,
            wait: Duration::from_millis(20),
        };
        let seen = &mut self.seen;
        let events = self.source.next(demand, &mut |record| {
            let value = String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned();
            seen.push(Seen::Record(
                record.position,
                record.origin.partition,
                value,
            ));
        })?;
        self.seen.extend(events.into_iter().map(Seen::Event));
        if self.settling {
            self.settle();
        }
        Ok(())
    }

    pub(crate) fn step(&mut self) {
        self.try_step(100).expect("no fatal error");
    }

    pub(crate) fn until(&mut self, what: &str, is: impl Fn(&Member) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is(self) {
            assert!(
                Instant::now() < deadline,
                "never: {what}; {:?}",
                self.tail()
            );
            self.step();
        }
    }

    pub(crate) fn until_values(&mut self, wanted: &[&str]) {
        let deadline = Instant::now() + PATIENCE;
        while self.values().len() < wanted.len() {
            assert!(
                Instant::now() < deadline,
                "never: {wanted:?}; {:?}",
                self.tail()
            );
            self.step();
        }
        assert_eq!(self.values(), wanted);
    }

    /// Steps on for a while, so that what should not come could come.
    pub(crate) fn linger(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.step();
        }
    }

    /// The last things that were seen, without what is told every second.
    pub(crate) fn tail(&self) -> Vec<&Seen> {
        let told = self.told();
        told[told.len().saturating_sub(12)..].to_vec()
    }

    /// Everything that was seen, without what is told every second.
    pub(crate) fn told(&self) -> Vec<&Seen> {
        let behind = |it: &&Seen| matches!(it, Seen::Event(SourceEvent::Behind { .. }));
        self.seen.iter().filter(|it| !behind(it)).collect()
    }

    pub(crate) fn values(&self) -> Vec<&str> {
        self.records().map(|(_, _, value)| value).collect()
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = (StreamPosition, i32, &str)> {
        self.seen.iter().filter_map(|it| match it {
            Seen::Record(position, partition, value) => Some((*position, *partition, &**value)),
            Seen::Event(_) => None,
        })
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = &SourceEvent> {
        self.seen.iter().filter_map(|it| match it {
            Seen::Event(event) => Some(event),
            Seen::Record(..) => None,
        })
    }

    pub(crate) fn gaps(&self) -> Vec<GapCause> {
        let gaps = self.events().filter_map(|it| match it {
            SourceEvent::Gap { cause, .. } => Some(*cause),
            _ => None,
        });
        gaps.collect()
    }

    /// Streams that are this member's, by partition.
    pub(crate) fn streams(&self) -> BTreeMap<i32, StreamId> {
        let mut streams = BTreeMap::new();
        for event in self.events() {
            match event {
                SourceEvent::Assigned {
                    stream, partition, ..
                } => {
                    streams.insert(*partition, *stream);
                }
                SourceEvent::Revoked { stream } => streams.retain(|_, it| it != stream),
                _ => {}
            }
        }
        streams
    }

    /// The last position of each stream that records came from.
    pub(crate) fn last_positions(&self) -> Vec<StreamPosition> {
        let mut last = BTreeMap::new();
        for (position, _, _) in self.records() {
            last.insert(position.stream, position);
        }
        last.into_values().collect()
    }

    /// Hands over what was seen as settled, as the pipeline does several times a second.
    pub(crate) fn settle(&mut self) {
        let all = self.last_positions();
        match self.source.commit(&all, None) {
            // What is not kept yet is committed by a later call.
            Ok(()) | Err(SourceError::Commit(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) fn commit_all(&mut self) {
        let all = self.last_positions();
        self.source
            .commit(&all, Some(Duration::from_secs(10)))
            .expect("committed");
    }

    pub(crate) fn close(self) {
        self.source.close(Duration::from_secs(10));
    }
}
