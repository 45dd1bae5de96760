use std::time::{Duration, Instant};

use freshet_core::ports::{Demand, Source, SourceEvent};
use freshet_testbed::{KafkaBroker, TopicRecord, TopicWriter};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;

use super::{FETCHED_WITHIN, Places, UNMOVED_FOR};
use crate::connection::KafkaConnection;
use crate::consumer_state::{Fetching, State};
use crate::source::KafkaSource;
use crate::source_config::{SourceConfig, StartAt};

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
    let (assigned, mut places) = (&state.assigned, Places::default());
    places.note(assigned, &[], begun);
    assert!(
        places.unmoved(assigned, begun + SECOND).is_empty(),
        "too soon"
    );
    let asked = begun + UNMOVED_FOR;
    let question = places.unmoved(assigned, asked);
    assert_eq!(question.len(), 1);
    places.compare(&vec![(question[0].0, 9)], asked);
    places.note(assigned, &[], asked + SECOND);
    assert_eq!(
        places.stall(assigned, asked + SECOND),
        None,
        "it may be fetched yet"
    );
    // More is written, and the answer before still counts.
    places.compare(&vec![(question[0].0, 12)], asked + UNMOVED_FOR);
    let stall = places
        .stall(assigned, asked + FETCHED_WITHIN)
        .expect("a stall");
    assert_eq!(
        stall.to_string(),
        "t[0] holds records up to 12, and nothing was fetched from 7 on"
    );
}

#[test]
fn a_partition_at_rest_or_on_its_way_is_no_stall() {
    let (state, begun) = (standing_at(7, 0), Instant::now());
    let mut places = Places::default();
    let stream = state.assigned[0].stream;
    let late = begun + FETCHED_WITHIN * 10;
    places.note(&state.assigned, &[], begun);
    places.compare(&vec![(stream, 7)], begun);
    assert_eq!(places.stall(&state.assigned, late), None, "read to its end");
    // It moved after the brokers were asked.
    places.compare(&vec![(stream, 9)], begun);
    let moved = standing_at(8, 0);
    places.note(&moved.assigned, &[], begun + SECOND);
    assert_eq!(places.stall(&moved.assigned, late), None);
    // What was fetched waits for the pipeline.
    places.compare(&vec![(stream, 9)], begun);
    places.note(&standing_at(8, 1).assigned, &[], begun + SECOND);
    assert_eq!(places.stall(&moved.assigned, late), None);
}

#[test]
fn p2_a_client_that_never_began_is_a_stall() {
    let (state, begun) = (standing_at(-1001, 0), Instant::now());
    let mut places = Places::default();
    places.note(&state.assigned, &[], begun);
    places.compare(&vec![(state.assigned[0].stream, 3)], begun);
    let late = begun + FETCHED_WITHIN;
    assert!(places.stall(&state.assigned, late).is_some());
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
        ["t[0] holds records up to 2, and nothing was fetched from 1 on"]
    );
    source.close(Duration::from_secs(10));
}
