//! Records that no client of ours may fetch: they are stepped over as a gap, and everything else flows.

mod support;

use std::time::Duration;

use freshet_core::gap::GapCause;
use freshet_core::ports::SourceEvent;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use support::{BROKER, Member, PATIENCE, Protocol, Seen, config, connection};

/// The least that goes together with `fetch.max.bytes`; 100 MB unless it is set.
const RECEIVE_MAX: usize = 4_194_304 + 1_024;

/// Writes values one by one, each into a batch of its own.
fn write(topic: &str, partition: i32, compression: &str, values: &[Vec<u8>]) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", BROKER.bootstrap())
        .set("message.max.bytes", "100000000")
        .set("compression.type", compression)
        .create()
        .expect("settings");
    for value in values {
        let record = BaseRecord::<(), _>::to(topic)
            .partition(partition)
            .payload(value);
        producer
            .send(record)
            .map_err(|(error, _)| error)
            .expect("sent");
        producer.flush(PATIENCE).expect("written");
    }
}

fn values_of(member: &Member, wanted: i32) -> Vec<String> {
    let of = |seen: &Seen| match seen {
        Seen::Record(_, partition, value) if *partition == wanted => Some(value.clone()),
        _ => None,
    };
    member.seen.iter().filter_map(of).collect()
}

/// What was said of gaps: partition and offsets.
fn gaps_of(member: &Member) -> Vec<(i32, String)> {
    let of = |seen: &Seen| match seen {
        Seen::Event(SourceEvent::Gap {
            partition,
            cause: GapCause::Unreadable,
            detail,
            ..
        }) => Some((*partition, detail.clone())),
        _ => None,
    };
    member.seen.iter().filter_map(of).collect()
}

fn stepped_over(topic: &str, protocol: Protocol, compression: &str, huge: &[u8]) {
    BROKER
        .create_topic_with(topic, 2, &[("max.message.bytes", "100000000")])
        .expect("topic");
    let small = |range: std::ops::Range<u32>| -> Vec<Vec<u8>> {
        range.map(|at| format!("v{at}").into_bytes()).collect()
    };
    write(topic, 0, "none", &small(0..3));
    write(topic, 0, compression, &[huge.to_vec()]);
    write(topic, 0, "none", &small(3..6));
    write(topic, 1, "none", &small(0..6));
    let mut limited = connection(&BROKER.bootstrap(), protocol);
    let receive_max = RECEIVE_MAX.to_string();
    let set = ("receive.message.max.bytes".to_owned(), receive_max);
    limited.properties.extend([set]);
    let mut member = Member::join(&limited, config(topic, topic));
    member.settling = true;
    let all = ["v0", "v1", "v2", "v3", "v4", "v5"];
    member.until("everything else is read", |it| {
        values_of(it, 0) == all && values_of(it, 1) == all
    });
    // It flows on, and nothing else is stepped over.
    write(topic, 0, "none", &small(6..7));
    write(topic, 1, "none", &small(6..7));
    member.until("more is read", |it| {
        values_of(it, 0).len() == 7 && values_of(it, 1).len() == 7
    });
    member.linger(Duration::from_secs(5));
    let gaps = gaps_of(&member);
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    let (partition, detail) = &gaps[0];
    assert_eq!(*partition, 0);
    assert!(
        detail.contains("offsets 3 to 3 cannot be fetched"),
        "{detail}"
    );
    assert_eq!(member.gaps().len(), 1, "{:?}", member.gaps());
    member.close();
}

/// Bytes that no compression makes smaller.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..bytes).map(|_| next()).collect()
}

#[test]
fn p14_a_record_over_the_limit_is_stepped_over_as_a_gap() {
    let huge = noise(RECEIVE_MAX + (1 << 20));
    stepped_over("huge.classic", Protocol::Classic, "none", &huge);
}

#[test]
fn p14_a_record_over_the_limit_is_stepped_over_as_a_gap_where_brokers_decide() {
    let huge = noise(RECEIVE_MAX + (1 << 20));
    stepped_over("huge.consumer", Protocol::Consumer, "none", &huge);
}

/// A few kilobytes that unpack to more than the limit.
#[test]
fn p14_a_batch_that_unpacks_to_more_than_the_limit_is_stepped_over_as_a_gap() {
    let zeros = vec![0; 64 << 20];
    stepped_over("huge.packed", Protocol::Classic, "zstd", &zeros);
}
