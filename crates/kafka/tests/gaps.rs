//! p5: what is lost from the log is told once, before what comes behind it, and nothing else is called a gap.

mod support;

use std::time::Duration;

use freshet_core::gap::GapCause;
use freshet_core::ports::SourceEvent;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use support::{BROKER, Member, Protocol, Seen, config, connection, until_remembered, write};

/// Longer than the source takes for a partition that does not flow to be looked at.
const A_WHILE: Duration = Duration::from_secs(6);

/// A member of a group; the group's name says by which protocol.
fn member(group: &str) -> Member {
    let protocol = match group.rsplit_once('-') {
        Some((_, "848")) => Protocol::Consumer,
        Some((_, "eager")) => Protocol::Eager,
        _ => Protocol::Classic,
    };
    let connection = connection(&BROKER.bootstrap(), protocol);
    Member::join(&connection, config(group, group))
}

/// A topic of the group's name with `v0` to `v9`, of which the first `read` are read and committed.
fn read_and_leave(group: &str, read: usize) {
    BROKER.create_topic(group, 1).expect("topic");
    write(group, 0, 0..10);
    let mut first = member(group);
    while first.records().count() < read {
        let left = read - first.records().count();
        first.try_step(left).expect("no fatal error");
    }
    first.commit_all();
    // What was committed is remembered soon after.
    first.linger(Duration::from_millis(500));
    assert_eq!(first.gaps(), [], "a first start is no gap");
    until_remembered(group, group);
    first.close();
}

/// Exactly one gap of this cause, told before every record that `member` sees from `from` on.
fn assert_told_once(member: &mut Member, cause: GapCause, from: usize) {
    member.linger(A_WHILE);
    assert_eq!(member.gaps(), [cause], "{:?}", member.tail());
    let behind = &member.seen[from..];
    let gap = |it: &Seen| matches!(it, Seen::Event(SourceEvent::Gap { .. }));
    let told = behind.iter().position(gap);
    let record = |it: &Seen| matches!(it, Seen::Record(..));
    assert!(told < behind.iter().position(record), "{behind:?}");
}

#[test]
fn p5_a_restart_is_no_gap() {
    read_and_leave("restart", 10);
    write("restart", 0, 10..11);
    let mut again = member("restart");
    again.until_values(&["v10"]);
    again.linger(A_WHILE);
    assert_eq!(again.gaps(), []);
    again.close();
}

/// Only a first start begins a partition, and reports that before its first record.
#[test]
fn p5_a_partition_that_is_read_for_the_first_time_is_reported_and_a_restart_is_not() {
    let begins = |member: &Member| -> Vec<usize> {
        let is = |it: &Seen| matches!(it, Seen::Event(SourceEvent::Begins { .. }));
        let seen = member.seen.iter().enumerate();
        seen.filter(|(_, it)| is(it)).map(|(at, _)| at).collect()
    };
    BROKER.create_topic("begins", 1).expect("topic");
    write("begins", 0, 0..3);
    let mut first = member("begins");
    first.until_values(&["v0", "v1", "v2"]);
    let record = |it: &Seen| matches!(it, Seen::Record(..));
    let first_record = first.seen.iter().position(record).expect("a record");
    let begun = begins(&first);
    assert!(matches!(&*begun, [at] if *at < first_record), "{begun:?}");
    first.commit_all();
    first.close();
    write("begins", 0, 3..4);
    let mut again = member("begins");
    again.until_values(&["v3"]);
    assert_eq!(begins(&again), [0; 0]);
    again.close();
}

#[test]
fn p5_a_first_start_at_the_end_is_decided_once() {
    BROKER.create_topic("latest", 1).expect("topic");
    write("latest", 0, 0..10);
    let connection = connection(&BROKER.bootstrap(), Protocol::Classic);
    let join = || {
        let mut config = config("latest", "latest");
        config.start = freshet_kafka::StartAt::Latest;
        Member::join(&connection, config)
    };
    let mut first = join();
    first.until("assigned", |it| !it.streams().is_empty());
    until_begun(&mut first, "latest", 10);
    first.close();
    write("latest", 0, 10..12);
    let mut again = join();
    again.until_values(&["v10", "v11"]);
    assert_eq!(again.gaps(), []);
    again.close();
}

/// Waits until the group's offset of partition 0 is `wanted`.
fn until_begun(member: &mut Member, group: &str, wanted: i64) {
    let consumer = group_client(group);
    member.until("the start is committed", |_| {
        let mut asked = TopicPartitionList::new();
        asked.add_partition(group, 0);
        let answer = consumer.committed_offsets(asked, Duration::from_secs(5));
        let answer = answer.expect("offsets");
        let found = answer.find_partition(group, 0).expect("partition");
        found.offset() == Offset::Offset(wanted)
    });
}

fn group_client(group: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", BROKER.bootstrap())
        .set("group.id", group)
        .create()
        .expect("client")
}

fn truncated(group: &str) {
    read_and_leave(group, 5);
    BROKER.delete_records(group, 0, 8).expect("deleted");
    let mut again = member(group);
    again.until_values(&["v8", "v9"]);
    assert_told_once(&mut again, GapCause::Truncated, 0);
    again.close();
}

#[test]
fn p5_records_that_retention_took_are_a_gap() {
    truncated("truncated");
}

#[test]
fn p5_records_that_retention_took_are_a_gap_where_brokers_decide() {
    truncated("truncated-848");
}

#[test]
fn p5_records_that_retention_took_are_a_gap_where_all_is_assigned_in_one_go() {
    truncated("truncated-eager");
}

/// Asks for nothing until the client fetches nothing any more.
fn starve(member: &mut Member) {
    let paused = std::time::Instant::now() + Duration::from_secs(1);
    while std::time::Instant::now() < paused {
        member.try_step(0).expect("no fatal error");
    }
}

#[test]
fn p5_records_that_retention_took_while_nothing_was_asked_for_are_a_gap() {
    BROKER.create_topic("starved", 1).expect("topic");
    write("starved", 0, 0..10);
    let mut member = member("starved");
    member.until("read", |it| it.records().count() == 10);
    starve(&mut member);
    write("starved", 0, 10..20);
    BROKER.delete_records("starved", 0, 15).expect("deleted");
    let from = member.seen.len();
    member.until("read on", |it| it.values().last() == Some(&"v19"));
    assert_eq!(member.values()[10..], ["v15", "v16", "v17", "v18", "v19"]);
    assert_told_once(&mut member, GapCause::Truncated, from);
    member.close();
}

#[test]
fn p5_offsets_behind_the_end_are_a_gap() {
    read_and_leave("beyond", 10);
    let mut bogus = TopicPartitionList::new();
    bogus
        .add_partition_offset("beyond", 0, Offset::Offset(1000))
        .expect("offset");
    group_client("beyond")
        .commit(&bogus, CommitMode::Sync)
        .expect("committed");
    let mut again = member("beyond");
    again.until("read again", |it| it.records().count() == 10);
    assert_eq!(again.values()[0], "v0");
    assert_told_once(&mut again, GapCause::Recreated, 0);
    again.commit_all();
    again.close();
    // What was committed behind the gap is less than before, and is what counts.
    write("beyond", 0, 10..11);
    let mut last = member("beyond");
    last.until_values(&["v10"]);
    assert_eq!(last.gaps(), []);
    last.close();
}

#[test]
fn p5_a_topic_made_anew_while_it_is_read_is_a_gap() {
    BROKER.create_topic("anew", 1).expect("topic");
    write("anew", 0, 0..10);
    let mut member = member("anew");
    member.until("read", |it| it.records().count() == 10);
    member.commit_all();
    member.linger(Duration::from_secs(1));
    BROKER.delete_topic("anew").expect("deleted");
    BROKER.create_topic("anew", 1).expect("topic");
    write("anew", 0, 100..103);
    let from = member.seen.len();
    member.until("read on", |it| it.values().last() == Some(&"v102"));
    assert_eq!(member.values()[10..], ["v100", "v101", "v102"]);
    // Told by the log that is shorter now, or by the offsets that went with the topic.
    let cause = member.gaps()[0];
    assert!(matches!(cause, GapCause::Recreated | GapCause::OffsetsGone));
    assert_told_once(&mut member, cause, from);
    member.close();
}

#[test]
fn p5_a_longer_topic_made_anew_while_it_is_read_is_a_gap() {
    BROKER.create_topic("longer", 1).expect("topic");
    write("longer", 0, 0..3);
    // Who looks at the topic while it is away sees that it is another one.
    let mut connection = connection(&BROKER.bootstrap(), Protocol::Classic);
    let seldom = (
        "topic.metadata.refresh.interval.ms".to_owned(),
        "300000".to_owned(),
    );
    connection.properties.extend([seldom]);
    let mut member = Member::join(&connection, config("longer", "longer"));
    member.settling = true;
    member.until("read", |it| it.records().count() == 3);
    member.linger(Duration::from_secs(1));
    // What is not fetched does not see the topic while it is shorter.
    starve(&mut member);
    BROKER.delete_topic("longer").expect("deleted");
    BROKER.create_topic("longer", 1).expect("topic");
    write("longer", 0, 100..110);
    // Read on in its middle, where no offset is out of range; noticed before that is committed.
    member.until("told", |it| !it.gaps().is_empty());
    let middle = member.values().get(3).copied();
    assert_eq!(middle, Some("v103"), "{:?}", member.tail());
    let behind = member.seen.len();
    member.linger(A_WHILE);
    assert_eq!(member.gaps().len(), 1, "{:?}", member.tail());
    let behind = member.seen.split_off(behind);
    member.seen = behind;
    let all: Vec<String> = (100..110).map(|at| format!("v{at}")).collect();
    assert_eq!(member.values(), all);
    member.close();
}

#[test]
fn p5_a_topic_made_anew_while_nobody_reads_is_a_gap() {
    read_and_leave("gone", 10);
    BROKER.delete_topic("gone").expect("deleted");
    BROKER.create_topic("gone", 1).expect("topic");
    write("gone", 0, 100..102);
    let mut again = member("gone");
    again.until_values(&["v100", "v101"]);
    assert_told_once(&mut again, GapCause::OffsetsGone, 0);
    again.close();
}

#[test]
fn p5_offsets_that_were_deleted_are_a_gap() {
    read_and_leave("deleted", 10);
    BROKER.delete_group("deleted").expect("deleted");
    let mut again = member("deleted");
    again.until("read again", |it| it.records().count() == 10);
    assert_told_once(&mut again, GapCause::OffsetsGone, 0);
    again.close();
}

#[test]
fn p5_a_memory_that_cannot_be_read_is_told() {
    BROKER.create_topic("forgetful", 1).expect("topic");
    write("forgetful", 0, 0..2);
    let connection = connection(&BROKER.bootstrap(), Protocol::Classic);
    let mut config = config("forgetful", "forgetful");
    config.positions = Some("no.such.topic".into());
    let mut member = Member::join(&connection, config);
    member.until_values(&["v0", "v1"]);
    let told = member.events().any(|it| match it {
        SourceEvent::Unreachable { reason } => reason.contains("no.such.topic does not exist"),
        _ => false,
    });
    assert!(told, "{:?}", member.tail());
    assert_eq!(member.gaps(), []);
    member.close();
}
