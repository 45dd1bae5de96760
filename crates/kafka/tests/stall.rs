//! p2: a client that fetches nothing although there is something is noticed, and one in its place reads on.

mod support;

use std::time::Duration;

use freshet_core::gap::GapCause;
use freshet_core::ports::SourceEvent;
use freshet_testbed::KafkaBroker;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use support::{Member, Protocol, broker, config, connection, write_at};

/// Longer than a stall takes to be noticed.
const A_WHILE: Duration = Duration::from_secs(18);

const PARTITIONS: [i32; 2] = [0, 1];

/// librdkafka takes a leader of an earlier epoch for old news, and a topic that was made anew begins with the first.
fn made_anew_with_earlier_epochs(topic: &str, protocol: Protocol) {
    let mut broker: KafkaBroker = broker();
    let at = broker.bootstrap();
    let write = |value: u32| write_at(&at, topic, &PARTITIONS, value..value + 1);
    broker.create_topic(topic, 2).expect("topic");
    write(0);
    let mut member = Member::join(&connection(&at, protocol), config(topic, topic));
    member.settling = true;
    until_read(&mut member, 0);
    for value in [10, 20] {
        // Each restart gives every partition a later leader epoch.
        broker.restart().expect("restarted");
        write(value);
        until_read(&mut member, value);
    }
    // A group that was lost with its broker takes commits again when its member has joined anew.
    let client = group_client(&at, topic);
    member.until("committed", |_| {
        committed(&client, topic) == [Offset::Offset(3); 2]
    });
    member.linger(Duration::from_secs(1));
    broker.delete_topic(topic).expect("deleted");
    member.linger(Duration::from_secs(2));
    broker.create_topic(topic, 2).expect("topic");
    write(100);
    until_read(&mut member, 100);
    // The fault took place: the client that had read the topic before had to be replaced.
    let replaced = |it: &SourceEvent| match it {
        SourceEvent::Unreachable { reason } => {
            reason.contains("was deleted and recreated")
                || reason.contains("nothing was fetched from")
        }
        _ => false,
    };
    let is_replaced = member.events().any(replaced);
    assert!(is_replaced, "it read on: {:#?}", member.told());
    // In case that it is told twice, or that reading ends again.
    member.linger(A_WHILE);
    write(101);
    until_read(&mut member, 101);
    let gaps = member.gaps();
    let lost = |it: &GapCause| matches!(it, GapCause::Recreated | GapCause::OffsetsGone);
    assert!(
        gaps.len() == 2 && gaps.iter().all(lost),
        "one a partition: {:#?}",
        member.told()
    );
    member.close();
}

fn group_client(bootstrap: &str, group: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", group)
        .create()
        .expect("client")
}

/// The group's offsets of both partitions.
fn committed(client: &BaseConsumer, topic: &str) -> Vec<Offset> {
    let mut asked = TopicPartitionList::new();
    for partition in PARTITIONS {
        asked.add_partition(topic, partition);
    }
    match client.committed_offsets(asked, Duration::from_secs(5)) {
        Ok(found) => found.elements().iter().map(|it| it.offset()).collect(),
        // The coordinator is being found.
        Err(_) => Vec::new(),
    }
}

/// Until the value was read of each partition; records before a restart may come again.
fn until_read(member: &mut Member, value: u32) {
    let text = format!("v{value}");
    member.until(&text, |it| {
        let mut partitions: Vec<i32> = it
            .records()
            .filter(|(.., value)| *value == text)
            .map(|(_, partition, _)| partition)
            .collect();
        partitions.sort();
        partitions.dedup();
        partitions == PARTITIONS
    });
}

#[test]
fn p2_a_topic_made_anew_with_earlier_epochs_is_read() {
    made_anew_with_earlier_epochs("epochs", Protocol::Classic);
}

#[test]
fn p2_a_topic_made_anew_with_earlier_epochs_is_read_where_brokers_decide() {
    made_anew_with_earlier_epochs("epochs-848", Protocol::Consumer);
}

#[test]
fn p2_a_topic_made_anew_with_earlier_epochs_is_read_where_all_is_assigned_in_one_go() {
    made_anew_with_earlier_epochs("epochs-eager", Protocol::Eager);
}
