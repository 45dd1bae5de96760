//! A stream that the pipeline holds is not read, also not by a client in its place, and loses nothing; others flow.

mod support;

use std::time::Duration;

use freshet_core::ports::{Reading, Source as _};
use freshet_core::position::StreamId;
use support::{BROKER, Member, Protocol, Seen, config, connection, write, write_each};

/// Longer than a partition that is not fetched takes to be noticed as a stall.
const A_WHILE: Duration = Duration::from_secs(18);

/// What was read of a partition, and the stream of the last record.
fn read(member: &Member, wanted: i32) -> (Vec<String>, Option<StreamId>) {
    let (mut values, mut last) = (Vec::new(), None);
    for seen in &member.seen {
        if let Seen::Record(position, partition, value) = seen
            && *partition == wanted
        {
            values.push(value.clone());
            last = Some(position.stream);
        }
    }
    (values, last)
}

fn values(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|at| format!("v{at}")).collect()
}

fn a_held_stream(topic: &str, protocol: Protocol) {
    BROKER.create_topic(topic, 2).expect("topic");
    write_each(topic, &[0, 1], 0..5);
    let mut member = Member::join(
        &connection(&BROKER.bootstrap(), protocol),
        config(topic, topic),
    );
    member.settling = true;
    member.until("both are read", |it| {
        read(it, 0).0.len() == 5 && read(it, 1).0.len() == 5
    });
    let held = read(&member, 0).1.expect("read");
    let hold = member.source.follow(Reading::Without(&[held]));
    hold.expect("held");
    write_each(topic, &[0, 1], 5..50);
    member.until("the other flows", |it| read(it, 1).0.len() == 50);
    member.linger(A_WHILE);
    write(topic, 1, 50..60);
    member.until("the other still flows", |it| read(it, 1).0.len() == 60);
    assert_eq!(read(&member, 0), (values(0..5), Some(held)));
    // All is paused and goes on: what is held stays so.
    for _ in 0..40 {
        member.try_step(0).expect("no fatal error");
    }
    write(topic, 1, 60..70);
    member.until("the other flows again", |it| read(it, 1).0.len() == 70);
    assert_eq!(read(&member, 0).0, values(0..5));
    let let_go = member.source.follow(Reading::Without(&[]));
    let_go.expect("let go");
    member.until("the first goes on", |it| read(it, 0).0.len() == 50);
    assert_eq!(
        read(&member, 0),
        (values(0..50), Some(held)),
        "the same stream"
    );
    assert_eq!(read(&member, 1).0, values(0..70));
    member.close();
}

#[test]
fn p14_a_held_partition_is_not_read_and_no_other_waits() {
    a_held_stream("hold.classic", Protocol::Classic);
}

#[test]
fn p14_a_held_partition_is_not_read_and_no_other_waits_where_brokers_decide() {
    a_held_stream("hold.consumer", Protocol::Consumer);
}
