use std::collections::HashMap;
use std::time::{Duration, Instant};

use freshet_core::ports::{Demand, Source, SourceEvent};
use freshet_testbed::{KafkaBroker, TopicRecord, TopicWriter};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;

use super::{FETCHED_WITHIN, Fetched, UNMOVED_FOR};
use crate::client::connection::KafkaConnection;
use crate::source::KafkaSource;
use crate::source::assigned::Fetching;
use crate::source::config::{SourceConfig, StartAt};
use crate::source::state::State;

const SECOND: Duration = Duration::from_secs(1);

/// A partition whose client stands at `next`, with `waiting` records fetched and not taken.
fn standing_at(next: i64, waiting: i64) -> State {
    let mut state = State::default();
    state.assign("t", 0);
    state.assigned[0].fetching = Some(Fetching { next, waiting });
    state
}

#[test]
fn p2_what_is_not_fetched_for_long_is_a_stall() {
    let (state, begun) = (standing_at(7, 0), Instant::now());
    let (assigned, mut fetched) = (&state.assigned, Fetched::default());
    fetched.note(assigned, &[], begun);
    assert!(
        fetched.unmoved(assigned, begun + SECOND).is_empty(),
        "too soon"
    );
    let asked = begun + UNMOVED_FOR;
    let question = fetched.unmoved(assigned, asked);
    assert_eq!(question.len(), 1);
    fetched.compare(&question.keys().map(|stream| (*stream, 9)).collect(), asked);
    fetched.note(assigned, &[], asked + SECOND);
    assert_eq!(
        fetched.stall(assigned, asked + SECOND),
        None,
        "it may be fetched yet"
    );
    // More is written, and the answer before still counts.
    fetched.compare(
        &question.keys().map(|stream| (*stream, 12)).collect(),
        asked + UNMOVED_FOR,
    );
    let stall = fetched
        .stall(assigned, asked + FETCHED_WITHIN)
        .expect("a stall");
    assert_eq!(
        stall,
        "t[0] has records up to 12, but nothing was fetched from 7"
    );
}

#[test]
fn a_partition_at_rest_or_on_its_way_is_no_stall() {
    let (state, begun) = (standing_at(7, 0), Instant::now());
    let mut fetched = Fetched::default();
    let stream = state.assigned[0].stream;
    let late = begun + FETCHED_WITHIN * 10;
    fetched.note(&state.assigned, &[], begun);
    fetched.compare(&HashMap::from([(stream, 7)]), begun);
    assert_eq!(
        fetched.stall(&state.assigned, late),
        None,
        "read to its end"
    );
    // It moved after the brokers were asked.
    fetched.compare(&HashMap::from([(stream, 9)]), begun);
    let moved = standing_at(8, 0);
    fetched.note(&moved.assigned, &[], begun + SECOND);
    assert_eq!(fetched.stall(&moved.assigned, late), None);
    // What was fetched waits for the pipeline.
    fetched.compare(&HashMap::from([(stream, 9)]), begun);
    fetched.note(&standing_at(8, 1).assigned, &[], begun + SECOND);
    assert_eq!(fetched.stall(&moved.assigned, late), None);
}

#[test]
fn p2_a_client_that_never_began_is_a_stall() {
    let (state, begun) = (standing_at(-1001, 0), Instant::now());
    let mut fetched = Fetched::default();
    fetched.note(&state.assigned, &[], begun);
    fetched.compare(&HashMap::from([(state.assigned[0].stream, 3)]), begun);
    let late = begun + FETCHED_WITHIN;
    assert!(fetched.stall(&state.assigned, late).is_some());
}

fn write(broker: &KafkaBroker) {
    let writer = TopicWriter::new(&broker.bootstrap()).expect("writer");
    let record = TopicRecord {
        topic: "t".to_owned(),
        value: Some(b"v".to_vec()),
        ..TopicRecord::default()
    };
    writer.write(&record).expect("written");
    writer.flush().expect("flushed");
}

/// Reads until the record at `offset` came; the reasons that were told meanwhile why nothing is read.
fn read_to(source: &mut KafkaSource, offset: i64) -> Vec<String> {
    let deadline = Instant::now() + FETCHED_WITHIN * 4;
    let demand = Demand {
        records_max: 10,
        wait: Duration::from_millis(20),
    };
    let (mut reasons, mut came) = (Vec::new(), false);
    while !came {
        assert!(
            Instant::now() < deadline,
            "never read: {offset}; told: {reasons:?}"
        );
        let events = source.next(demand, &mut |it| came |= it.origin.offset == offset);
        let told = events.expect("no fatal error").into_iter();
        reasons.extend(told.filter_map(|event| match event {
            SourceEvent::Unreachable { reason } => Some(reason),
            _ => None,
        }));
    }
    reasons
}

/// The brokers and the topic are well, and only the client's fetcher stands still: no other remedy sees that.
#[test]
fn p2_a_client_that_fetches_nothing_is_replaced() {
    let broker = KafkaBroker::start().expect("broker");
    broker.create_topic("t", 1).expect("topic");
    let connection = KafkaConnection {
        brokers: broker.bootstrap(),
        ..KafkaConnection::default()
    };
    let config = SourceConfig {
        group: "g".to_owned(),
        topics: vec!["t".to_owned()],
        client_id: "test".to_owned(),
        static_member: None,
        start: StartAt::Earliest,
        positions: None,
    };
    let mut source = KafkaSource::connect(&connection, config).expect("settings");
    write(&broker);
    read_to(&mut source, 0);
    let mut fetched = TopicPartitionList::new();
    fetched.add_partition("t", 0);
    source.consumer.pause(&fetched).expect("fetching ends");
    write(&broker);
    let reasons = read_to(&mut source, 1);
    assert_eq!(
        reasons,
        ["t[0] has records up to 2, but nothing was fetched from 1"]
    );
    source.close(Duration::from_secs(10));
}
