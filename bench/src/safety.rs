//! Does a crash lose purges? Redis falls silent in the middle of a drain, a while later the participant is killed, and
//! started again: what it had committed without having purged it, and remembers nowhere, stays in Redis for good.

use std::fmt;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use freshet_testbed::{Fault, FaultProxy, Resp, push_command};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use serde_json::{Value, json};

use crate::bed::Bed;
use crate::forms::row_of_key;
use crate::load::Load;
use crate::participant::{Participant, Running, Task};
use crate::registry::prefix;

const TIMEOUT: Duration = Duration::from_secs(30);
/// Clients commit every five seconds at the slowest, by default.
const SILENCE: Duration = Duration::from_secs(7);
/// The group waits so long for the member that was killed before it gives its partitions away.
const REJOIN: Duration = Duration::from_secs(90);
/// Nothing purged for so long: what is left is lost.
const STALL: Duration = Duration::from_secs(15);

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Safety {
    /// Events before the committed offsets at the crash.
    pub committed: u64,
    /// Keys of those events that were still there at the crash. Harmless when they are remembered elsewhere.
    pub unpurged: u64,
    /// Keys that are still there when the restarted participant has done all it does.
    pub lost: u64,
}

/// Drains with a silence and a crash in the middle.
///
/// # Errors
/// When the participant does not start or purges nothing.
pub fn check(
    bed: &Bed,
    load: &Load,
    participant: &Participant,
    families: &[&str],
) -> anyhow::Result<Safety> {
    let mut redis = bed.resp()?;
    let full = load.fill(&mut redis, families)?;
    let proxy = FaultProxy::before(&bed.redis.address())?;
    let run = bed.next_run();
    let task = Task {
        bed,
        run: &run,
        redis: &proxy.address(),
        load,
        families,
    };
    let running = participant.start(task)?;
    let deadline = Instant::now() + Duration::from_secs(180);
    while redis.dbsize()? > full * 3 / 4 {
        running.used()?;
        if Instant::now() > deadline {
            bail!("too little was purged; see {}", running.log.display());
        }
        sleep(Duration::from_millis(2));
    }
    proxy.set(Fault::Silent);
    sleep(SILENCE);
    let group = running.group.clone();
    drop(running);
    let committed = committed(bed, load, &group)?;
    let unpurged = unpurged(task, &mut redis, &committed)?;
    let again = Task {
        redis: &bed.redis.address(),
        ..task
    };
    let running = participant.start(again)?;
    let lost = wait_gone(&mut redis, &running)?;
    drop(running);
    bed.forget(&run)?;
    Ok(Safety {
        committed: committed.iter().map(|(_, end)| *end as u64).sum(),
        unpurged,
        lost,
    })
}

/// Waits for the last key to go; says how many do not.
fn wait_gone(redis: &mut Resp, running: &Running) -> anyhow::Result<u64> {
    let full = redis.dbsize()?;
    let (mut last, mut moved) = (full, Instant::now());
    while last > 0 && moved.elapsed() < (if last == full { REJOIN } else { STALL }) {
        running.used()?;
        sleep(Duration::from_millis(20));
        let left = redis.dbsize()?;
        if left != last {
            (last, moved) = (left, Instant::now());
        }
    }
    Ok(last)
}

fn client(bed: &Bed, group: &str) -> anyhow::Result<BaseConsumer> {
    Ok(ClientConfig::new()
        .set("bootstrap.servers", bed.kafka.bootstrap())
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .create()?)
}

/// The committed offset of every partition; zero without one.
fn committed(bed: &Bed, load: &Load, group: &str) -> anyhow::Result<Vec<(i32, i64)>> {
    let mut asked = TopicPartitionList::new();
    asked.add_partition_range(&load.topic.name, 0, load.topic.partitions - 1);
    let answer = client(bed, group)?.committed_offsets(asked, TIMEOUT)?;
    let offsets = answer.elements().into_iter().map(|element| {
        let offset = match element.offset() {
            Offset::Offset(offset) => offset,
            _ => 0,
        };
        (element.partition(), offset)
    });
    Ok(offsets.collect())
}

/// Reads again what was committed, and counts the keys of it that Redis still has.
fn unpurged(task: Task<'_>, redis: &mut Resp, committed: &[(i32, i64)]) -> anyhow::Result<u64> {
    let load = task.load;
    let consumer = client(task.bed, "nobody")?;
    let mut from = TopicPartitionList::new();
    for &(partition, end) in committed.iter().filter(|(_, end)| *end > 0) {
        from.add_partition_offset(&load.topic.name, partition, Offset::Beginning)?;
        anyhow::ensure!(end <= load.rows.len() as i64, "committed beyond the end");
    }
    let all: u64 = committed.iter().map(|(_, end)| *end as u64).sum();
    consumer.assign(&from)?;
    let prefixes: Vec<String> = task.families.iter().map(|name| prefix(name)).collect();
    let mut words: Vec<String> = Vec::new();
    let (mut seen, mut unpurged) = (0, 0);
    while seen < all {
        let message = consumer.poll(TIMEOUT).context("the topic ends early")??;
        let end = committed.iter().find(|(at, _)| *at == message.partition());
        if end.is_none_or(|(_, end)| message.offset() >= *end) {
            continue;
        }
        seen += 1;
        let row = message
            .key()
            .and_then(|key| row_of_key(load.topic.form, key));
        let row = row.context("a record of the bench has its row as key")?;
        words.extend(prefixes.iter().map(|prefix| format!("{prefix}{row}")));
        if words.len() > 500 || seen == all {
            let mut command: Vec<&str> = vec!["EXISTS"];
            command.extend(words.iter().map(String::as_str));
            let mut request = Vec::new();
            push_command(&mut request, &command);
            unpurged += redis.pipeline(&request, 1)?;
            words.clear();
        }
    }
    Ok(unpurged)
}

impl Safety {
    /// As it stands in the result.
    pub fn as_json(&self) -> Value {
        json!({
            "committed_events": self.committed,
            "unpurged_keys_at_crash": self.unpurged,
            "lost_keys": self.lost,
        })
    }
}

impl fmt::Display for Safety {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { lost: 0, .. } => out.write_str("none lost"),
            Self { lost, .. } => write!(out, "{lost} KEYS LOST"),
        }
    }
}
