//! Partitions that move between members: drained first, given away then, and never held for good.

mod support;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use freshet_core::ports::{Source, SourceError, SourceEvent};
use freshet_core::position::StreamPosition;
use freshet_kafka::mock::EmbeddedBroker;
use freshet_testbed::TopicWriter;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use support::{BROKER, Member, PATIENCE, Protocol, config, connection, write_each, write_one};

const PARTITIONS: i32 = 4;

const ALL: [i32; 4] = [0, 1, 2, 3];

fn join(topic: &str, protocol: Protocol) -> Member {
    Member::join(
        &connection(&BROKER.bootstrap(), protocol),
        config(topic, topic),
    )
}

fn topic_with_records(topic: &str) {
    BROKER.create_topic(topic, PARTITIONS).expect("topic");
    write_each(topic, &ALL, 0..10);
}

/// Steps both until it is so.
fn together(members: &mut [&mut Member], what: &str, is: impl Fn(&[&mut Member]) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is(members) {
        let tails: Vec<_> = members.iter().map(|it| it.tail()).collect();
        assert!(Instant::now() < deadline, "never: {what}; {tails:?}");
        for member in &mut *members {
            member.step();
        }
    }
}

fn revoking(member: &Member) -> usize {
    let is = |it: &&SourceEvent| matches!(it, SourceEvent::Revoking { .. });
    member.events().filter(is).count()
}

/// Partitions that are this member's and are not being given away.
fn stays(member: &Member) -> Vec<i32> {
    let is_leaving = |stream| {
        let is = |event: &SourceEvent| matches!(event, SourceEvent::Revoking { stream: leaving } if *leaving == stream);
        member.events().any(is)
    };
    let streams = member.streams().into_iter();
    streams
        .filter(|&(_, stream)| !is_leaving(stream))
        .map(|(partition, _)| partition)
        .collect()
}

/// How often each record was handed out, by partition and offset.
fn counts(members: &[&mut Member]) -> BTreeMap<(i32, u64), usize> {
    let mut counts = BTreeMap::new();
    for (position, partition, _) in members.iter().flat_map(|it| it.records()) {
        *counts.entry((partition, position.ordinal)).or_default() += 1;
    }
    counts
}

fn committed(topic: &str, partition: i32) -> Offset {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", BROKER.bootstrap())
        .set("group.id", topic)
        .create()
        .expect("client");
    let mut asked = TopicPartitionList::new();
    asked.add_partition(topic, partition);
    let answer = consumer.committed_offsets(asked, PATIENCE).expect("answer");
    answer
        .find_partition(topic, partition)
        .expect("there")
        .offset()
}

/// Waits until the brokers say that a group is in this state and has so many members.
fn until_group(group: &str, state: &str, members: usize) {
    let client: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", BROKER.bootstrap())
        .create()
        .expect("client");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let list = client.fetch_group_list(Some(group), PATIENCE);
        let list = list.expect("answer");
        let found = list.groups().first().expect("there");
        if found.state() == state && found.members().len() == members {
            return;
        }
        let seen = (found.state(), found.members().len());
        assert!(Instant::now() < deadline, "never {state}: {seen:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A member that has read everything and settled nothing, and one that wants its share.
fn two_members(topic: &str, protocol: Protocol) -> (Member, Member) {
    topic_with_records(topic);
    let mut first = join(topic, protocol);
    first.until("all read", |it| it.records().count() == 40);
    let mut second = join(topic, protocol);
    together(&mut [&mut first, &mut second], "asked to give away", |it| {
        revoking(it[0]) > 0
    });
    (first, second)
}

/// Shows that a member still owes the group an answer, and has settled nothing of what it is to give away. It gives
/// nothing away while it is not stepped, however long that takes.
fn assert_owes(member: &Member, topic: &str) {
    let is_revoked = |event: &SourceEvent| matches!(event, SourceEvent::Revoked { .. });
    assert!(revoking(member) > 0 && !member.events().any(is_revoked));
    assert!(!member.settling);
    for partition in ALL {
        // The first offset is committed before anything is read.
        let found = committed(topic, partition);
        assert!(
            matches!(found, Offset::Invalid | Offset::Offset(0)),
            "{found:?}"
        );
    }
}

/// What the pipeline sees of a partition that moves: it is told, drained, given away, and read on elsewhere.
fn drained_before_given_away(topic: &str, protocol: Protocol) {
    let (mut first, mut second) = two_members(topic, protocol);
    let leaving: Vec<StreamPosition> = first
        .last_positions()
        .into_iter()
        .filter(|it| {
            let is = |event: &SourceEvent| matches!(event, SourceEvent::Revoking { stream } if *stream == it.stream);
            first.events().any(is)
        })
        .collect();
    assert!(!leaving.is_empty());
    assert_owes(&first, topic);
    assert_eq!((first.records().count(), second.records().count()), (40, 0));
    first.commit_all();
    first.settling = true;
    second.settling = true;
    together(&mut [&mut first, &mut second], "given away", |it| {
        !it[1].streams().is_empty()
    });
    write_each(topic, &ALL, 10..11);
    together(&mut [&mut first, &mut second], "all is read", |it| {
        counts(it).len() == 44 && !it[1].streams().is_empty()
    });
    let both = [&mut first, &mut second];
    assert!(
        counts(&both).values().all(|&times| times == 1),
        "twice: {:?}",
        counts(&both)
    );

    // A late answer for a stream that is given away says nothing any more.
    let last = leaving[0];
    let of_last = first.records().find(|(it, _, _)| it.stream == last.stream);
    let partition = of_last.expect("read").1;
    together(
        &mut [&mut first, &mut second],
        "committed by its owner",
        |_| committed(topic, partition) == Offset::Offset(11),
    );
    first.settling = false;
    let far = StreamPosition { ordinal: 5, ..last };
    first
        .source
        .commit(&[far], Some(Duration::from_secs(5)))
        .expect("ignored");
    first.linger(Duration::from_millis(300));
    assert_eq!(committed(topic, partition), Offset::Offset(11));
    first.close();
    second.close();
}

#[test]
fn p1_a_partition_is_drained_before_it_is_given_away() {
    drained_before_given_away("drained", Protocol::Classic);
}

#[test]
fn p1_a_partition_is_drained_before_it_is_given_away_where_brokers_decide() {
    drained_before_given_away("drained-848", Protocol::Consumer);
}

#[test]
fn p1_a_partition_is_drained_before_it_is_given_away_in_one_go() {
    drained_before_given_away("drained-eager", Protocol::Eager);
}

/// Two members and a stream of records into every partition. The target of the first member answers every purge at
/// once, or hangs: the longest time that a partition which stays with it was not read.
fn longest_pause_of_what_stays(topic: &str, protocol: Protocol, hangs: bool) -> Duration {
    topic_with_records(topic);
    let writer = TopicWriter::new(&BROKER.bootstrap()).expect("writer");
    let mut first = join(topic, protocol);
    first.until("all read", |it| it.records().count() == 40);
    first.settling = !hangs;
    let mut second = join(topic, protocol);
    let mut came: BTreeMap<i32, Vec<Instant>> = BTreeMap::new();
    let mut moved_at = None;
    let deadline = Instant::now() + PATIENCE;
    // What stays is read again when it gave a record after the others had moved.
    let is_read_again =
        |member: &Member, came: &BTreeMap<i32, Vec<Instant>>, moved_at: Option<Instant>| {
            let last = |it: i32| came.get(&it).and_then(|at| at.last()).copied();
            moved_at.is_some() && stays(member).into_iter().all(|it| last(it) > moved_at)
        };
    while !is_read_again(&first, &came, moved_at) {
        assert!(Instant::now() < deadline, "never: {:?}", first.tail());
        write_one(&writer, topic, &ALL);
        let before = first.records().count();
        first.step();
        for (_, partition, _) in first.records().skip(before) {
            came.entry(partition).or_default().push(Instant::now());
        }
        second.step();
        if second.records().count() > 0 {
            moved_at.get_or_insert_with(Instant::now);
        }
    }
    let stay = stays(&first);
    let revoked = first
        .events()
        .any(|it| matches!(it, SourceEvent::Revoked { .. }));
    assert!(revoked && !stay.is_empty());
    if hangs {
        let counts = counts(&[&mut first, &mut second]);
        assert!(counts.values().any(|&times| times == 2), "nothing hung");
    }
    let pauses = stay
        .iter()
        .flat_map(|it| came[it].windows(2).map(|at| at[1] - at[0]));
    let longest = pauses.max().expect("read before and after");
    first.close();
    second.close();
    longest
}

#[test]
fn p6_what_stays_is_read_on_soon_while_a_drain_hangs() {
    let longest = longest_pause_of_what_stays("stays", Protocol::Classic, true);
    assert!(longest < Duration::from_secs(1), "{longest:?}");
}

#[test]
fn p6_what_stays_is_read_on_soon_while_a_drain_hangs_where_brokers_decide() {
    let longest = longest_pause_of_what_stays("stays-848", Protocol::Consumer, true);
    assert!(longest < Duration::from_secs(1), "{longest:?}");
}

#[test]
fn p6_what_stays_is_read_on_at_once_in_a_healthy_rebalance() {
    let longest = longest_pause_of_what_stays("healthy", Protocol::Classic, false);
    // Longer is a drain that is given up although it has ended, or fetchers that sleep on.
    assert!(longest < Duration::from_millis(350), "{longest:?}");
}

#[test]
fn p6_what_was_paused_is_read_on_at_once() {
    BROKER.create_topic("paused", 1).expect("topic");
    let mut connection = connection(&BROKER.bootstrap(), Protocol::Classic);
    // What comes from the broker wakes the client too.
    connection.properties.extend([(
        "topic.metadata.refresh.interval.ms".to_owned(),
        "300000".to_owned(),
    )]);
    let mut member = Member::join(&connection, config("paused", "paused"));
    let mut waited = Duration::ZERO;
    for round in 0..5 {
        write_each("paused", &[0], 0..1);
        let begun = Instant::now();
        member.until("read", |it| it.records().count() == round + 1);
        if round > 0 {
            waited += begun.elapsed();
        }
        // Without demand the client is paused, and nothing is fetched any more.
        let starved = Instant::now() + Duration::from_millis(1_200);
        while Instant::now() < starved {
            member.try_step(0).expect("no fatal error");
        }
    }
    assert!(waited < Duration::from_secs(1), "{waited:?} in 4 rounds");
    member.close();
}

#[test]
fn p1_a_second_rebalance_may_come_during_a_drain() {
    let (mut first, mut second) = two_members("second", Protocol::Classic);
    let mut third = join("second", Protocol::Classic);
    until_group("second", "PreparingRebalance", 3);
    assert_owes(&first, "second");
    first.commit_all();
    let mut all = [&mut first, &mut second, &mut third];
    all.iter_mut().for_each(|it| it.settling = true);
    together(&mut all, "all have a share", |it| {
        it.iter().all(|it| !it.streams().is_empty())
            && it.iter().map(|it| it.streams().len()).sum::<usize>() == PARTITIONS as usize
    });
    write_each("second", &ALL, 10..11);
    together(&mut all, "all is read", |it| counts(it).len() == 44);
    assert!(
        counts(&all).values().all(|&times| times == 1),
        "{:?}",
        counts(&all)
    );
    first.close();
    second.close();
    third.close();
}

/// How long it takes to drop a member; at most `within`.
fn drop_within(member: Member, within: Duration) -> Duration {
    let begun = Instant::now();
    let (done, dropped) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        drop(member);
        let _ = done.send(());
    });
    dropped.recv_timeout(within).expect("dropped in time");
    begun.elapsed()
}

#[test]
fn p10_a_member_that_drains_can_be_dropped() {
    let (first, second) = two_members("dropped", Protocol::Classic);
    assert_owes(&first, "dropped");
    drop_within(first, Duration::from_secs(2));
    second.close();
}

#[test]
fn p10_a_member_that_drains_can_be_dropped_with_its_brokers_away() {
    let broker = EmbeddedBroker::start().expect("broker");
    broker.create_topic("away", PARTITIONS).expect("topic");
    let connection = connection(broker.bootstrap(), Protocol::Classic);
    let writer = TopicWriter::new(broker.bootstrap()).expect("writer");
    for partition in 0..PARTITIONS {
        let record = freshet_testbed::TopicRecord {
            topic: "away".to_owned(),
            partition,
            value: Some(b"v".to_vec()),
            ..Default::default()
        };
        writer.write(&record).expect("written");
    }
    writer.flush().expect("flushed");
    let mut config = config("away", "away");
    config.positions = None;
    let mut first = Member::join(&connection, config.clone());
    first.until("all read", |it| it.records().count() == 4);
    let mut second = Member::join(&connection, config);
    together(&mut [&mut first, &mut second], "asked", |it| {
        revoking(it[0]) > 0
    });
    let address = broker.bootstrap().to_owned();
    drop(broker);
    std::net::TcpStream::connect(address).expect_err("the broker is away");
    // The client may wait for its brokers for good, drain or not; leaving does not wait for the client.
    let begun = Instant::now();
    first.source.close(Duration::from_secs(2));
    second.source.close(Duration::from_secs(2));
    assert!(
        begun.elapsed() < Duration::from_secs(6),
        "{:?}",
        begun.elapsed()
    );
}

/// Two processes of one name: one of them ends, and says so.
fn fenced(topic: &str, protocol: Protocol) {
    BROKER.create_topic(topic, 1).expect("topic");
    let connection = connection(&BROKER.bootstrap(), protocol);
    let named = || {
        let mut config = config(topic, topic);
        config.static_member = Some("one".to_owned());
        Member::join(&connection, config)
    };
    let mut first = named();
    first.until("assigned", |it| !it.streams().is_empty());
    let mut second = named();
    let begun = Instant::now();
    let reason = loop {
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "nobody ended in time"
        );
        let outcome = first.try_step(10).and_then(|()| second.try_step(10));
        if let Err(error) = outcome {
            break error;
        }
    };
    assert!(matches!(reason, SourceError::Fatal(_)), "{reason}");
    assert!(
        reason.to_string().to_lowercase().contains("instance"),
        "{reason}"
    );
    first.close();
    second.close();
}

#[test]
fn p2_a_member_whose_name_is_taken_ends() {
    fenced("fenced", Protocol::Classic);
}

#[test]
fn p2_a_member_whose_name_is_taken_ends_where_brokers_decide() {
    fenced("fenced-848", Protocol::Consumer);
}
